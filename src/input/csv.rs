//! CSV and TSV with a header, as spreadsheet programs write them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs::WINDOWS_1252;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::text::{RECORDS_PER_BATCH, ReadEnd, Sender};
use super::{InputOptions, InputRecord, InputReport};
use crate::text::{self, pluralize, sanitize_line};

/// Columns that hold logins if none was chosen; the first that exists is read.
const DEFAULT_LOGIN_COLUMNS: [&str; 4] = ["login", "github", "username", "user"];
/// Bytes of the longest header that is searched for its delimiter.
const MAX_HEADER: usize = 1 << 20;
/// Bytes of a row. Spreadsheet programs allow 32,767 characters per cell: a longer row has a quote that was left open.
const MAX_ROW: usize = 4 << 20;
/// Lines that the warning about rows of another length lists.
const MAX_LINES_LISTED: usize = 3;
/// Columns that the error about a missing column lists.
const MAX_COLUMNS_LISTED: usize = 12;

/// An open file whose header has been read.
pub(super) struct CsvInput {
    reader: Reader<CsvText>,
    delimiter: u8,
    name: String,
    login_column: usize,
    column_count: usize,
    carried_columns: Vec<usize>,
    /// Records per message: one for a pipe, which may pause after each.
    batch_size: usize,
}

type CsvText = LineTrackingReader<Chain<Cursor<Vec<u8>>, DecodeReaderBytes<File, Vec<u8>>>>;

pub(crate) fn is_csv(path: &Path) -> bool {
    has_extension(path, "csv") || has_extension(path, "tsv")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|other| other.eq_ignore_ascii_case(extension))
}

impl CsvInput {
    /// Reads the header, and finds the columns that the options name.
    pub(super) fn open(path: &Path, file: File, options: &InputOptions) -> io::Result<Self> {
        let batch_size = if file.metadata()?.is_file() { RECORDS_PER_BATCH } else { 1 };
        // UTF-8, or UTF-16 with a byte order mark.
        let mut utf8 = DecodeReaderBytesBuilder::new().bom_override(true).strip_bom(true).build(file);
        let mut prefix = read_header_prefix(&mut utf8)?;
        let lines_removed = u64::from(prefix.declared_delimiter.is_some());
        let delimiter = match prefix.declared_delimiter.take() {
            Some(delimiter) => delimiter,
            None if has_extension(path, "tsv") => b'\t',
            None => guess_delimiter(&prefix.text),
        };
        let text = LineTrackingReader::new(Cursor::new(prefix.text).chain(utf8), lines_removed);
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text);
        let header = reader.byte_headers().map_err(io::Error::other)?;
        let header = Header(header.iter().map(|name| decode(name).trim().to_owned()).collect());
        if header.0.iter().all(String::is_empty) {
            return Err(io::Error::other("it is empty: the first line has to name the columns"));
        }
        let login_column = match &options.login_column {
            Some(name) => header.require(name)?,
            None => header.default_login_column()?,
        };
        Ok(Self {
            reader,
            delimiter,
            name: path.display().to_string(),
            login_column,
            column_count: header.0.len(),
            carried_columns: options
                .carry
                .iter()
                .map(|name| header.require(name))
                .collect::<Result<_, _>>()?,
            batch_size,
        })
    }

    /// Sends the logins row by row.
    pub(super) fn read(mut self, sender: &Sender, report: &InputReport) -> Result<(), ReadEnd> {
        let mut row = ByteRecord::new();
        let mut batch = Vec::new();
        let mut findings = Findings::default();
        let mut line = 0;
        loop {
            match self.reader.read_byte_record(&mut row) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return sender.fail(&mut batch, io::Error::other(error)),
            }
            line = self.reader.get_mut().line_at(row.position().map_or(0, csv::Position::byte));
            findings.add(&row, line, self.column_count);
            match row.get(self.login_column).map(decode) {
                Some(cell) if !cell.trim().is_empty() => {
                    let cells = self.carried_columns.iter().map(|column| row.get(*column));
                    let carried = cells.map(|cell| carried_cell(&decode(cell?))).collect();
                    batch.push(InputRecord { carried, ..sender.parse(cell.trim()) });
                }
                _ => findings.empty += 1,
            }
            if batch.len() >= self.batch_size {
                sender.send(&mut batch)?;
            }
        }
        findings.report(&self.name, self.column_count, report);
        if self.reader.get_ref().has_open_quote(self.delimiter) {
            // The logins in this row, and those after it, are unknown.
            let reason = format!("the row that begins in line {line} opens a quote and never closes it");
            return sender.fail(&mut batch, io::Error::other(reason));
        }
        sender.send(&mut batch)
    }
}

/// Names of the columns.
struct Header(Vec<String>);

impl Header {
    fn find(&self, name: &str) -> Option<usize> {
        let name = name.trim().to_lowercase();
        self.0.iter().position(|other| other.to_lowercase() == name)
    }

    fn require(&self, name: &str) -> io::Result<usize> {
        self.find(name).ok_or_else(|| self.missing(&format!("column {name:?} not found"), ""))
    }

    fn default_login_column(&self) -> io::Result<usize> {
        DEFAULT_LOGIN_COLUMNS.iter().find_map(|name| self.find(name)).ok_or_else(|| {
            self.missing("no column login, github, username or user", "; name one with --login-column")
        })
    }

    fn missing(&self, problem: &str, way_out: &str) -> io::Error {
        let listed: Vec<_> = self.0.iter().take(MAX_COLUMNS_LISTED).map(|name| format!("{name:?}")).collect();
        let more = match self.0.len() - listed.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("{problem} (columns: {}{more}){way_out}", listed.join(", "));
        io::Error::other(sanitize_line(&message).into_owned())
    }
}

/// Counts of unusual rows.
#[derive(Default)]
struct Findings {
    empty: u64,
    ragged: u64,
    /// The first ragged lines.
    ragged_lines: Vec<String>,
    not_utf8: u64,
}

impl Findings {
    fn add(&mut self, row: &ByteRecord, line: u64, column_count: usize) {
        if row.len() != column_count {
            self.ragged += 1;
            if self.ragged_lines.len() < MAX_LINES_LISTED {
                let cells = pluralize(row.len() as u64, "cell", "cells");
                self.ragged_lines.push(format!("line {line} has {cells}"));
            }
        }
        self.not_utf8 += u64::from(row.iter().any(|cell| std::str::from_utf8(cell).is_err()));
    }

    fn report(&self, name: &str, column_count: usize, report: &InputReport) {
        report.warn_empty_rows(name, self.empty);
        if self.ragged > 0 {
            let more = match self.ragged - self.ragged_lines.len() as u64 {
                0 => String::new(),
                more => format!(", and {} more", pluralize(more, "line", "lines")),
            };
            let lines = self.ragged_lines.join(", ");
            report.warn(format!("warning: {name}: {lines}{more}; the header has {column_count}"));
        }
        if self.not_utf8 > 0 {
            let rows = pluralize(self.not_utf8, "row", "rows");
            report.warn(format!("warning: {name}: {rows} decoded as Windows-1252 (not valid UTF-8)"));
        }
    }
}

/// Decodes a cell. Western spreadsheet programs write Windows-1252 if they do not write UTF-8.
fn decode(cell: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(cell).map_or_else(|_| WINDOWS_1252.decode_without_bom_handling(cell).0, Cow::Borrowed)
}

/// Returns a cell as it goes into the report, None if it is blank.
pub(super) fn carried_cell(text: &str) -> Option<Box<str>> {
    let text = text.trim();
    (!text.is_empty()).then(|| text::sanitize_multiline(text).into())
}

/// The beginning of a file, at least to the end of its header.
struct HeaderPrefix {
    /// Delimiter from a first line such as `sep=;`, which is removed.
    declared_delimiter: Option<u8>,
    text: Vec<u8>,
}

fn read_header_prefix(file: &mut impl Read) -> io::Result<HeaderPrefix> {
    let (mut text, mut chunk) = (Vec::new(), vec![0; 8 << 10]);
    while text.len() < MAX_HEADER && header_end(&text).is_none() {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        text.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    let end = header_end(&text).unwrap_or(text.len());
    let declared_delimiter = match text.get(..end) {
        Some([b's', b'e', b'p', b'=', delimiter, rest @ ..])
            if rest.trim_ascii().is_empty() && (delimiter.is_ascii_graphic() || *delimiter == b'\t') =>
        {
            Some(*delimiter)
        }
        _ => None,
    };
    if declared_delimiter.is_some() {
        text.drain(..end);
    }
    Ok(HeaderPrefix { declared_delimiter, text })
}

/// Returns the position after the line end of the header. A line end between quotes is part of a cell.
fn header_end(text: &[u8]) -> Option<usize> {
    let mut quotes = QuoteScanner::default();
    let end = text.iter().position(|byte| {
        quotes.scan(*byte, is_delimiter(*byte));
        *byte == b'\n' && !quotes.are_open()
    });
    end.map(|at| at + 1)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b'\t')
}

/// Returns the most frequent delimiter of the header, by default a comma.
fn guess_delimiter(text: &[u8]) -> u8 {
    let header = text.get(..header_end(text).unwrap_or(text.len())).unwrap_or_default();
    let mut quotes = QuoteScanner::default();
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    for byte in header {
        quotes.scan(*byte, is_delimiter(*byte));
        if let Some((_, count)) = counts.iter_mut().find(|(candidate, _)| candidate == byte)
            && !quotes.are_open()
        {
            *count += 1;
        }
    }
    counts.iter().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Keeps the text of the current row, for its line number and its quotes: the CSV reader counts records, not lines, and
/// accepts a quote that is never closed.
struct LineTrackingReader<R> {
    inner: R,
    /// Text that was read, from the current row on.
    recent: Vec<u8>,
    /// Offset of `recent` in the text.
    offset: u64,
    /// Line number at `offset`.
    line: u64,
}

impl<R> LineTrackingReader<R> {
    fn new(inner: R, lines_removed: u64) -> Self {
        Self { inner, recent: Vec::new(), offset: 0, line: 1 + lines_removed }
    }

    /// Moves to the row at `offset`, past any line ends there, and returns its line number.
    fn line_at(&mut self, offset: u64) -> u64 {
        let before = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let rest = self.recent.get(before..).unwrap_or_default();
        let line_ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let start = (before + line_ends).min(self.recent.len());
        let skipped = self.recent.get(..start).unwrap_or_default();
        // A line ends with LF, CR LF, or CR alone.
        let following = self.recent.iter().skip(1).map(Some).chain([None]);
        let is_line_end =
            |(byte, next): &(&u8, Option<&u8>)| **byte == b'\n' || **byte == b'\r' && *next != Some(&b'\n');
        self.line += skipped.iter().zip(following).filter(is_line_end).count() as u64;
        self.offset += start as u64;
        self.recent.drain(..start);
        self.line
    }

    /// Returns true if the current row opens a quote and does not close it.
    fn has_open_quote(&self, delimiter: u8) -> bool {
        let mut quotes = QuoteScanner::default();
        for byte in &self.recent {
            quotes.scan(*byte, *byte == delimiter);
        }
        quotes.are_open()
    }
}

impl<R: Read> Read for LineTrackingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if self.recent.len() > MAX_ROW {
            let reason =
                format!("it has a row of more than {} MiB; is a quote in it never closed?", MAX_ROW >> 20);
            return Err(io::Error::other(reason));
        }
        self.recent.extend_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Follows quotes byte by byte. A quote opens a cell only at its beginning: in `5" pipe` it is an inch.
#[derive(Default)]
struct QuoteScanner {
    state: QuoteState,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum QuoteState {
    #[default]
    CellStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted cell: the end of the cell, or the first of two that stand for one.
    QuoteInQuoted,
}

impl QuoteScanner {
    fn are_open(&self) -> bool {
        self.state == QuoteState::Quoted
    }

    fn scan(&mut self, byte: u8, is_delimiter: bool) {
        use QuoteState::{CellStart, QuoteInQuoted, Quoted, Unquoted};
        self.state = match (self.state, byte) {
            (Quoted, b'"') => QuoteInQuoted,
            (Quoted, _) | (CellStart | QuoteInQuoted, b'"') => Quoted,
            (_, b'\n' | b'\r') => CellStart,
            _ if is_delimiter => CellStart,
            _ => Unquoted,
        };
    }
}
