//! Reading a journal: its rows, their positions, and which of them are kept.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;

use super::{ResumeError, ResumeFilter, cannot_resume};
use crate::decode::utf8_file;
use crate::input::InputRecord;
use crate::partial::partial_path;
use crate::report::{Columns, Row, Status};

/// Maximum length of a line, in bytes. The rows of this program are shorter, whatever they carry.
const MAX_LINE: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowSpan {
    pub(super) offset: u64,
    pub(super) len: u32,
    /// Hash of the line. A row that this run would write differently is written again.
    pub(super) hash: u32,
}

impl RowSpan {
    pub(super) fn extent(self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }
}

pub(super) type RowSpans = HashMap<Box<str>, RowSpan>;

/// Rows that are kept. The writer removes each in its turn.
#[derive(Clone, Debug, Default)]
pub(super) struct KeptRows(Arc<Mutex<RowSpans>>);

impl KeptRows {
    pub(super) fn lock(&self) -> MutexGuard<'_, RowSpans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct ScanResult {
    pub(super) kept: KeptRows,
    /// Answers that are too old or lack a count. They are used where this run gets no answer.
    pub(super) fallbacks: RowSpans,
    /// Length of all complete lines, in bytes.
    pub(super) len: u64,
    /// Set when the last line is complete except for its line end.
    pub(super) missing_newline: bool,
}

pub(super) fn scan(file: &File, filter: &ResumeFilter, columns: &Columns) -> Result<ScanResult, ResumeError> {
    let mut reader = BufReader::with_capacity(256 << 10, file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut kept, mut fallbacks) = (RowSpans::new(), RowSpans::new());
    let (mut offset, mut number, mut line) = (0_u64, 0_u64, Vec::new());
    let mut missing_newline = false;
    loop {
        line.clear();
        let len = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? as u64;
        if len == 0 {
            break;
        }
        number += 1;
        let is_terminated = line.last() == Some(&b'\n');
        let text = line.trim_ascii_end();
        match Row::parse_with_schema(text, columns.carried()) {
            Ok((row, schema)) => {
                filter.check_part(&row, number)?;
                let is_kept = filter.keeps(&row, &schema)?;
                if !is_terminated {
                    line.push(b'\n');
                }
                let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
                let span = RowSpan { offset, len, hash: hash(&line) };
                // The last of several answers counts. A row without an answer does not replace one.
                if is_kept {
                    fallbacks.remove(&row.key());
                    kept.insert(row.key(), span);
                } else if matches!(row.status, Status::Ok | Status::NotFound) {
                    kept.remove(&row.key());
                    fallbacks.insert(row.key(), span);
                }
                missing_newline = !is_terminated;
            }
            // Blank lines are ignored, and a truncated last line is dropped.
            Err(_) if text.is_empty() && is_terminated => {}
            Err(_) if !is_terminated && len < MAX_LINE && is_truncated(text, number > 1) => break,
            Err(reason) => {
                return Err(ResumeError::InvalidRow { line: number, reason });
            }
        }
        offset += len;
    }
    Ok(ScanResult { kept: KeptRows(Arc::new(Mutex::new(kept))), fallbacks, len: offset, missing_newline })
}

pub(super) fn hash(line: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

/// Returns true if a line without an end may be the beginning of a row, not other JSON. After a power failure, file systems leave
/// zeros behind such a line, or in its place.
fn is_truncated(text: &[u8], is_after_rows: bool) -> bool {
    const ROW_START: &[u8] = b"{\"login\":\"";
    let zeros = text.iter().rev().take_while(|byte| **byte == 0).count();
    let text = text.get(..text.len() - zeros).unwrap_or_default();
    if text.is_empty() {
        return is_after_rows;
    }
    let common = text.len().min(ROW_START.len());
    let is_incomplete =
        serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof());
    text.get(..common) == ROW_START.get(..common) && is_incomplete
}

#[derive(Debug)]
pub(crate) struct Checkpoint {
    rows: KeptRows,
    reader: BufReader<File>,
    /// Offset of the reader; none after an error.
    position: Option<u64>,
    carried: Vec<String>,
    /// Rows whose logins were not in the input so far.
    pub(crate) unclaimed: u64,
    /// Rows that were taken.
    pub(crate) claimed: u64,
    /// Rows that are too old or lack a count: their logins are looked up again.
    pub(crate) outdated: u64,
}

impl Checkpoint {
    pub(super) fn new(file: File, scan: &ScanResult, columns: &Columns) -> Self {
        let (rows, outdated) = (scan.kept.clone(), scan.fallbacks.len() as u64);
        let unclaimed = rows.lock().len() as u64;
        let (reader, carried) = (BufReader::new(file), columns.carried().to_vec());
        Self { rows, reader, position: None, carried, unclaimed, claimed: 0, outdated }
    }

    /// Reads the rows that a run would keep, without opening the journal for writing. A missing file has no rows.
    pub(crate) fn open_readonly(
        report: &Path,
        filter: &ResumeFilter,
        columns: &Columns,
    ) -> anyhow::Result<Option<Self>> {
        for path in [&*partial_path(report), report] {
            let file = match File::open(path).and_then(utf8_file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.with_context(|| cannot_resume(path))?,
            };
            if file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                let scan = scan(&file, filter, columns).with_context(|| cannot_resume(path))?;
                return Ok(Some(Self::new(file, &scan, columns)));
            }
        }
        Ok(None)
    }

    /// Returns the row of an input record, if it is kept.
    pub(crate) fn take(&mut self, record: &InputRecord) -> Option<Row> {
        let key = record.row_key();
        let span = *self.rows.lock().get(&key)?;
        self.unclaimed = self.unclaimed.saturating_sub(1);
        match self.read(span) {
            Ok(mut row) if row.key() == key => {
                self.claimed += 1;
                // Both depend on the input and the baseline of this run.
                row.carried.clone_from(&record.carried);
                (row.was, row.change, row.event, row.previous_login) = (None, None, None, None);
                Some(row)
            }
            // A row that cannot be read any more is looked up and written again.
            _ => {
                self.position = None;
                self.rows.lock().remove(&key);
                None
            }
        }
    }

    fn read(&mut self, span: RowSpan) -> io::Result<Row> {
        // Most rows are read in the order of the file: a relative seek keeps the buffer.
        match self.position.and_then(|position| span.offset.checked_signed_diff(position)) {
            Some(ahead) => self.reader.seek_relative(ahead)?,
            None => drop(self.reader.seek(SeekFrom::Start(span.offset))?),
        }
        let mut line = Vec::with_capacity(span.len as usize);
        let read = self.reader.by_ref().take(span.len.into()).read_to_end(&mut line)?;
        self.position = Some(span.offset + read as u64);
        Row::parse(line.trim_ascii_end(), &self.carried).map_err(io::Error::other)
    }
}
