//! CSV and TSV with a header, as spreadsheet programs write them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs::WINDOWS_1252;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::text::{RECORDS_PER_BATCH, Sender};
use super::{InputOptions, InputReport, SharedReport};
use crate::text::{self, pluralize, sanitize_line};

/// Columns that hold logins if none was chosen; the first that exists is read.
const DEFAULT_LOGIN_COLUMNS: [&str; 4] = ["login", "github", "username", "user"];
/// Bytes of the longest header that is searched for its delimiter.
const MAX_HEADER: usize = 1 << 20;
/// Bytes of a row. Spreadsheet programs allow 32,767 characters per cell: a longer row has a quote that was left open.
const MAX_ROW: usize = 4 << 20;
const MAX_LINES_LISTED: usize = 3;
const MAX_COLUMNS_LISTED: usize = 12;

/// An open file whose header has been read.
pub(super) struct CsvInput {
    reader: Reader<CsvText>,
    name: String,
    login_column: usize,
    column_count: usize,
    carried_columns: Vec<usize>,
    /// Records per message: one for a pipe, which may pause after each.
    batch_size: usize,
}

type CsvText = RowReader<BufReader<Chain<Cursor<Vec<u8>>, DecodeReaderBytes<File, Vec<u8>>>>>;

pub(crate) fn is_csv(path: &Path) -> bool {
    has_extension(path, "csv") || has_extension(path, "tsv")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|other| other.eq_ignore_ascii_case(extension))
}

impl CsvInput {
    pub(super) fn open(path: &Path, file: File, options: &InputOptions) -> io::Result<Self> {
        let batch_size = if file.metadata()?.is_file() { RECORDS_PER_BATCH } else { 1 };
        // UTF-8, or UTF-16 with a byte order mark.
        let mut utf8 = DecodeReaderBytesBuilder::new().bom_override(true).strip_bom(true).build(file);
        let mut prefix = read_prefix(&mut utf8)?;
        let (delimiter, first_line) = match take_declared_delimiter(&mut prefix) {
            Some(delimiter) => (delimiter, 2),
            None if has_extension(path, "tsv") => (b'\t', 1),
            None => (guess_delimiter(&prefix), 1),
        };
        let row = RowScanner::new(delimiter, first_line);
        let text = RowReader { inner: BufReader::new(Cursor::new(prefix).chain(utf8)), row };
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

    pub(super) fn read(mut self, sender: &Sender, report: &SharedReport) -> io::Result<()> {
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
            line = self.reader.get_ref().row.line;
            findings.add(&row, line, self.column_count);
            match row.get(self.login_column).map(decode) {
                Some(cell) if !cell.trim().is_empty() => {
                    let cells = self.carried_columns.iter().map(|column| row.get(*column));
                    let carried = cells.map(|cell| carried_cell(&decode(cell?))).collect();
                    sender.parse(cell.trim(), carried, &mut batch);
                }
                _ => findings.empty += 1,
            }
            if batch.len() >= self.batch_size {
                sender.send(&mut batch)?;
            }
        }
        findings.report(&self.name, self.column_count, &mut report.lock());
        if self.reader.get_ref().row.quotes == Quotes::Open {
            // The logins in this row, and those after it, are unknown.
            let reason = format!("the row that begins in line {line} opens a quote and never closes it");
            return sender.fail(&mut batch, io::Error::other(reason));
        }
        sender.send(&mut batch)
    }
}

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

#[derive(Default)]
struct Findings {
    empty: u64,
    ragged: u64,
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

    fn report(&self, name: &str, column_count: usize, report: &mut InputReport) {
        report.warn_empty_rows(name, self.empty);
        if self.ragged > 0 {
            let more = match self.ragged - self.ragged_lines.len() as u64 {
                0 => String::new(),
                more => format!(", and {} more", pluralize(more, "line", "lines")),
            };
            let lines = self.ragged_lines.join(", ");
            report.notices.push(format!("warning: {name}: {lines}{more}; the header has {column_count}"));
        }
        if self.not_utf8 > 0 {
            let rows = pluralize(self.not_utf8, "row", "rows");
            report.notices.push(format!("warning: {name}: {rows} decoded as Windows-1252 (not valid UTF-8)"));
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

/// Reads the beginning of a file, at least to the end of its header.
fn read_prefix(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut text, mut chunk) = (Vec::new(), vec![0; 8 << 10]);
    while text.len() < MAX_HEADER && header_end(&text).is_none() {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        text.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    Ok(text)
}

/// Removes a first line such as `sep=;`, and returns its delimiter.
fn take_declared_delimiter(text: &mut Vec<u8>) -> Option<u8> {
    let end = header_end(text).unwrap_or(text.len());
    let Some([b's', b'e', b'p', b'=', delimiter, rest @ ..]) = text.get(..end) else { return None };
    let (delimiter, is_delimiter) = (*delimiter, delimiter.is_ascii_graphic() || *delimiter == b'\t');
    if !is_delimiter || !rest.trim_ascii().is_empty() {
        return None;
    }
    text.drain(..end);
    Some(delimiter)
}

/// Returns the position after the line end of the header. A line end between quotes is part of a cell.
fn header_end(text: &[u8]) -> Option<usize> {
    let mut quotes = Quotes::default();
    let end = text.iter().position(|byte| {
        quotes.scan(*byte, is_delimiter(*byte));
        *byte == b'\n' && quotes != Quotes::Open
    });
    end.map(|at| at + 1)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b'\t')
}

/// Returns the most frequent delimiter of the header, by default a comma.
fn guess_delimiter(text: &[u8]) -> u8 {
    let header = text.get(..header_end(text).unwrap_or(text.len())).unwrap_or_default();
    let mut quotes = Quotes::default();
    let mut counts = [(b'\t', 0), (b';', 0), (b',', 0)];
    for byte in header {
        quotes.scan(*byte, is_delimiter(*byte));
        if let Some((_, count)) = counts.iter_mut().find(|(candidate, _)| candidate == byte)
            && quotes != Quotes::Open
        {
            *count += 1;
        }
    }
    counts.iter().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Reads one row at a time, so that the line number and the quotes of the current row are known: the CSV reader counts records,
/// not lines, and accepts a quote that is never closed.
struct RowReader<R> {
    inner: R,
    row: RowScanner,
}

impl<R: BufRead> Read for RowReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row.length > MAX_ROW {
            let reason =
                format!("it has a row of more than {} MiB; is a quote in it never closed?", MAX_ROW >> 20);
            return Err(io::Error::other(reason));
        }
        let available = self.inner.fill_buf()?;
        let end = available.iter().take(buffer.len()).position(|byte| self.row.scan(*byte));
        let length = end.map_or(available.len(), |end| end + 1);
        let length = available.take(length as u64).read(buffer)?;
        self.inner.consume(length);
        Ok(length)
    }
}

struct RowScanner {
    delimiter: u8,
    quotes: Quotes,
    /// Line in which the row begins.
    line: u64,
    /// Line of the next byte.
    next_line: u64,
    length: usize,
    last: u8,
}

impl RowScanner {
    fn new(delimiter: u8, line: u64) -> Self {
        Self { delimiter, quotes: Quotes::default(), line, next_line: line, length: 0, last: b'\n' }
    }

    /// Moves past a byte. Returns true at the end of a row.
    fn scan(&mut self, byte: u8) -> bool {
        if self.is_complete() {
            (self.line, self.length) = (self.next_line, 0);
        }
        self.quotes.scan(byte, byte == self.delimiter);
        self.length += 1;
        // A line ends with LF, CR LF, or CR alone.
        self.next_line += u64::from(byte == b'\r' || byte == b'\n' && self.last != b'\r');
        self.last = byte;
        self.is_complete()
    }

    fn is_complete(&self) -> bool {
        matches!(self.last, b'\r' | b'\n') && self.quotes != Quotes::Open
    }
}

/// Follows quotes byte by byte. A quote opens a cell only at its beginning: in `5" pipe` it is an inch.
#[derive(Clone, Copy, Default, PartialEq)]
enum Quotes {
    #[default]
    CellStart,
    Unquoted,
    Open,
    /// After a quote in a quoted cell: the end of the cell, or the first of two that stand for one.
    QuoteInQuoted,
}

impl Quotes {
    fn scan(&mut self, byte: u8, is_delimiter: bool) {
        *self = match (*self, byte) {
            (Self::Open, b'"') => Self::QuoteInQuoted,
            (Self::Open, _) | (Self::CellStart | Self::QuoteInQuoted, b'"') => Self::Open,
            (_, b'\n' | b'\r') => Self::CellStart,
            _ if is_delimiter => Self::CellStart,
            _ => Self::Unquoted,
        };
    }
}
