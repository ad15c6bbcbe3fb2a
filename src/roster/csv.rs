//! Spreadsheets: CSV and TSV with a header, as spreadsheet programs write them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs_io::DecodeReaderBytesBuilder;
use tokio::sync::mpsc::Sender;

use super::text::{BATCH, End, send};
use super::{Entry, Notes, Reading};
use crate::login::Login;
use crate::text::{self, counted, visible};

/// The columns that hold logins where none is named, the likeliest first.
const USUAL: [&str; 4] = ["login", "github", "username", "user"];
/// Lines that are named where rows are too short or too long.
const NAMED: usize = 3;
/// A header that is longer is none.
const MAX_HEADER: usize = 1 << 20;
/// A row that is longer has a quote that was left open. Spreadsheet programs allow 32,767 characters a
/// cell.
const MAX_ROW: u64 = 4 << 20;
/// Columns that are named to whoever asked for another.
const SHOWN: usize = 12;

/// A sheet that is open, with its header read.
pub(super) struct Sheet {
    reader: Reader<Box<dyn Read + Send>>,
    name: String,
    /// The column with the logins.
    column: usize,
    /// How many columns the header has.
    width: usize,
    /// Rows that are handed on together: a pipe's are not held back.
    batch: usize,
    /// The columns that are carried.
    carried: Vec<usize>,
    watch: Arc<Watch>,
}

/// What is watched while the text passes.
#[derive(Default)]
struct Watch {
    /// An odd number of them means that one was never closed.
    quotes: AtomicU64,
    /// Bytes since the last row that was whole.
    row: AtomicU64,
}

struct Watched<R> {
    inner: R,
    watch: Arc<Watch>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let quotes = buffer.iter().take(length).filter(|byte| **byte == b'"').count();
        self.watch.quotes.fetch_add(quotes as u64, Ordering::Relaxed);
        if self.watch.row.fetch_add(length as u64, Ordering::Relaxed) > MAX_ROW {
            let open = self.watch.quotes.load(Ordering::Relaxed) % 2 == 1;
            let why = if open { "; a quote in it is never closed" } else { "" };
            return Err(io::Error::other(format!("it has a row of more than {} MiB{why}", MAX_ROW >> 20)));
        }
        Ok(length)
    }
}

/// Whether a list is a sheet, by its extension.
#[must_use]
pub fn is_sheet(path: &Path) -> bool {
    extension(path).is_some_and(|extension| matches!(extension.as_str(), "csv" | "tsv"))
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

impl Sheet {
    /// Reads the header, and finds the columns that are wanted: that with the logins, or else the first
    /// usual one, and those that are carried.
    pub(super) fn open(path: &Path, file: File, regular: bool, reading: &Reading) -> io::Result<Self> {
        // UTF-8, or UTF-16 with a byte order mark.
        let mut utf8 = DecodeReaderBytesBuilder::new().bom_override(true).strip_bom(true).build(file);
        let mut begin = beginning(&mut utf8)?;
        let delimiter = delimiter(&mut begin, extension(path).as_deref() == Some("tsv"));
        let watch = Arc::<Watch>::default();
        let whole = Watched { inner: io::Cursor::new(begin).chain(utf8), watch: Arc::clone(&watch) };
        let whole: Box<dyn Read + Send> = Box::new(whole);
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(true).from_reader(whole);
        let header = reader.byte_headers().map_err(io::Error::other)?;
        let names: Vec<_> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err(io::Error::other("it is empty: a sheet begins with the names of its columns"));
        }
        let position = |wanted: &str| {
            let wanted = wanted.trim().to_lowercase();
            names.iter().position(|name| name.to_lowercase() == wanted)
        };
        let missing = |what: &str, way_out: &str| {
            let found: Vec<_> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
            let more = match names.len() - found.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!("it has no column {what}, but {}{more}{way_out}", found.join(", "));
            io::Error::other(visible(&message).into_owned())
        };
        let column = match &reading.column {
            Some(wanted) => position(wanted).ok_or_else(|| missing(&format!("{wanted:?}"), "")),
            None => USUAL
                .iter()
                .find_map(|usual| position(usual))
                .ok_or_else(|| missing("login, github, username or user", "; name one with --login-column")),
        };
        let carry = |name: &String| position(name).ok_or_else(|| missing(&format!("{name:?}"), ""));
        Ok(Self {
            column: column?,
            carried: reading.carry.iter().map(carry).collect::<Result<_, _>>()?,
            name: path.display().to_string(),
            width: names.len(),
            batch: if regular { BATCH } else { 1 },
            reader,
            watch,
        })
    }

    /// Hands on the logins, row by row.
    pub(super) fn read(mut self, site: &str, sender: &Sender<Vec<Entry>>, notes: &Notes) -> Result<(), End> {
        let (mut record, mut batch) = (ByteRecord::new(), Vec::new());
        let (mut empty, mut ragged, mut lines) = (0_u64, 0_u64, Vec::new());
        let mut last = None;
        loop {
            match self.reader.read_byte_record(&mut record) {
                Ok(true) => self.watch.row.store(0, Ordering::Relaxed),
                Ok(false) => break,
                Err(error) => {
                    // What was read before is still good.
                    send(&mut batch, sender)?;
                    return Err(End::Failed(io::Error::other(error)));
                }
            }
            // A row over several lines may be one that has swallowed all behind it.
            let several = record.iter().any(|cell| cell.contains(&b'\n'));
            last = record.position().map(csv::Position::line).filter(|_| several);
            if record.len() != self.width {
                ragged += 1;
                if lines.len() < NAMED {
                    let line = record.position().map_or(0, csv::Position::line);
                    lines.push(format!("line {line} has {}", counted(record.len() as u64, "cell", "cells")));
                }
            }
            match record.get(self.column).map(String::from_utf8_lossy) {
                Some(cell) if !cell.trim().is_empty() => {
                    let carried = self.carried.iter().map(|column| carried(record.get(*column)?)).collect();
                    batch.push(Entry { login: Login::parse_at(cell.trim(), site), carried });
                }
                _ => empty += 1,
            }
            if batch.len() >= self.batch {
                send(&mut batch, sender)?;
            }
        }
        if empty > 0 {
            notes.remark(format!("{}: {} without a login skipped", self.name, counted(empty, "row", "rows")));
        }
        if ragged > 0 {
            let more = ragged - lines.len() as u64;
            let more = if more == 0 {
                String::new()
            } else {
                format!(", and {} more", counted(more, "line", "lines"))
            };
            notes.remark(format!(
                "warning: {}: {}{more}, where the header has {}",
                self.name,
                lines.join(", "),
                self.width
            ));
        }
        send(&mut batch, sender)?;
        match last {
            Some(line) if self.watch.quotes.load(Ordering::Relaxed) % 2 == 1 => {
                let open = format!("the row that begins in line {line} opens a quote and never closes it");
                Err(End::Failed(io::Error::other(open)))
            }
            _ => Ok(()),
        }
    }
}

/// A cell as it goes into the report; none where there is nothing in it.
fn carried(cell: &[u8]) -> Option<Box<str>> {
    let text = String::from_utf8_lossy(cell);
    let text = text.trim();
    (!text.is_empty()).then(|| text::kept(text).into())
}

/// The beginning of a sheet, to the end of its header at least.
fn beginning(sheet: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut begin, mut chunk) = (Vec::new(), vec![0; 8 << 10]);
    while begin.len() < MAX_HEADER && header_end(&begin).is_none() {
        let length = sheet.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        begin.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    Ok(begin)
}

/// Where the first line ends: a line end between quotes is part of a cell.
fn header_end(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    text.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'\n' && !quoted
    })
}

/// The separator: told by a first line like `sep=;`, which goes, or else the likeliest of the header.
fn delimiter(begin: &mut Vec<u8>, tabs: bool) -> u8 {
    let end = header_end(begin).map_or(begin.len(), |end| end + 1);
    let line = begin.get(..end).unwrap_or_default();
    if let [b's', b'e', b'p', b'=', told, rest @ ..] = line
        && rest.trim_ascii().is_empty()
        && (told.is_ascii_graphic() || *told == b'\t')
    {
        let told = *told;
        begin.drain(..end);
        return told;
    }
    if tabs {
        return b'\t';
    }
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(candidate, _)| candidate == byte && !quoted) {
            *count += 1;
        }
    }
    // Of equals the first: a header of one column has none of them.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(candidate, _)| *candidate)
}
