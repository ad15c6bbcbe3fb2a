//! CSV and TSV, as spreadsheet programs write them: the rows of a text with delimiters.

use std::io::{self, BufRead, Read};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::columns::{Columns, Line, MAX_HEADER_ROWS};
use super::text::Sender;
use super::{EmptyRows, HeaderChoice, InputOptions, InputRecord, InputReport, SharedReport, Text};
use crate::decode::trim;
use crate::text::{self, pluralize};

/// Bytes of a row. Spreadsheet programs allow 32,767 characters per cell: a longer row has a quote that was left open.
const MAX_ROW: usize = 4 << 20;
const MAX_LINES_LISTED: usize = 3;

/// Beginning of a sheet in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SheetStart {
    pub(super) delimiter: u8,
    /// Bytes and lines before it: comments, blank lines, a line such as `sep=;`.
    pub(super) offset: usize,
    pub(super) lines: u64,
}

/// A text whose header has been read.
pub(super) struct CsvInput {
    reader: Reader<RowReader<Text>>,
    columns: Columns,
    /// The first row of a sheet without a header.
    first: Option<(u64, StringRecord)>,
}

impl CsvInput {
    pub(super) fn open(mut text: Text, start: SheetStart, options: &InputOptions) -> io::Result<Self> {
        text.consume(start.offset);
        let rows = RowReader { inner: text, row: RowScanner::new(start.delimiter, start.lines + 1) };
        let mut reader = csv_reader(rows);
        let mut record = StringRecord::new();
        let mut nearby = Vec::new();
        loop {
            if !read_row(&mut reader, &mut record)? {
                return Err(io::Error::other(match options.header {
                    HeaderChoice::Line(line) => format!(
                        "it has no line {line}, which --header-row names: name the line with the column headers"
                    ),
                    HeaderChoice::Auto | HeaderChoice::None => "it is empty".to_owned(),
                }));
            }
            if !matches!(options.header, HeaderChoice::Line(line) if reader.get_ref().row.line < line) {
                break;
            }
            if nearby.len() < MAX_HEADER_ROWS {
                nearby.push(Line { number: reader.get_ref().row.line, cells: cells_of(&record) });
            }
        }
        let number = reader.get_ref().row.line;
        if let HeaderChoice::Line(line) = options.header
            && line != number
        {
            return Err(io::Error::other(format!(
                "line {line}, which --header-row names, is blank: name the line with the column headers"
            )));
        }
        let first = Line { number, cells: cells_of(&record) };
        nearby.extend(buffered_rows(reader.get_ref()));
        let columns = Columns::choose(&first, &nearby, options)?;
        let first = columns.header_line.is_none().then_some((number, record));
        Ok(Self { reader, columns, first })
    }

    pub(super) fn note(&self) -> Option<&str> {
        self.columns.note.as_deref()
    }

    pub(super) fn read(mut self, name: &str, sender: &Sender, report: &SharedReport) -> io::Result<()> {
        let mut batch = Vec::new();
        let mut findings = Findings::default();
        let (mut line, mut row) = self.first.take().unwrap_or_default();
        if line > 0 {
            self.add(&row, line, sender, &mut batch, &mut findings);
        }
        loop {
            match read_row(&mut self.reader, &mut row) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return sender.fail(&mut batch, error),
            }
            line = self.reader.get_ref().row.line;
            self.add(&row, line, sender, &mut batch, &mut findings);
            sender.send_before_waiting(&mut batch, self.reader.get_ref().inner.buffer())?;
        }
        findings.report(name, self.columns.count, &mut report.lock());
        if self.reader.get_ref().row.quotes == Quotes::Open {
            // The logins in this row, and those after it, are unknown.
            let reason = format!("the row that begins in line {line} opens a quote and never closes it");
            return sender.fail(&mut batch, io::Error::other(reason));
        }
        sender.send(&mut batch)
    }

    fn add(
        &self,
        row: &StringRecord,
        line: u64,
        sender: &Sender,
        batch: &mut Vec<InputRecord>,
        findings: &mut Findings,
    ) {
        findings.add(row, line, self.columns.count);
        match row.get(self.columns.login).map(trim) {
            Some(cell) if !cell.is_empty() => {
                let cells = self.columns.carried.iter().map(|column| row.get(*column));
                let carried = cells.map(|cell| carried_cell(cell?)).collect();
                sender.parse(cell, carried, batch);
            }
            _ => findings.empty.add(line),
        }
    }
}

fn csv_reader<R: BufRead>(rows: RowReader<R>) -> Reader<RowReader<R>> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(rows.row.delimiter).has_headers(false).flexible(true).from_reader(rows)
}

fn read_row<R: BufRead>(reader: &mut Reader<RowReader<R>>, row: &mut StringRecord) -> io::Result<bool> {
    reader.read_record(row).map_err(io::Error::other)
}

fn cells_of(row: &StringRecord) -> Vec<String> {
    row.iter().map(|cell| trim(cell).to_owned()).collect()
}

/// Returns the next rows, as far as they can be read without waiting. They are not consumed.
fn buffered_rows(rows: &RowReader<Text>) -> Vec<Line> {
    let mut reader = csv_reader(RowReader { inner: rows.inner.buffer(), row: rows.row.clone() });
    let mut rows = Vec::new();
    let mut row = StringRecord::new();
    while rows.len() < MAX_HEADER_ROWS
        && row_end(reader.get_ref().inner).is_some()
        && matches!(read_row(&mut reader, &mut row), Ok(true))
    {
        rows.push(Line { number: reader.get_ref().row.line, cells: cells_of(&row) });
    }
    rows
}

#[derive(Default)]
struct Findings {
    empty: EmptyRows,
    ragged: u64,
    ragged_lines: Vec<String>,
}

impl Findings {
    fn add(&mut self, row: &StringRecord, line: u64, column_count: usize) {
        if row.len() != column_count {
            self.ragged += 1;
            if self.ragged_lines.len() < MAX_LINES_LISTED {
                let cells = pluralize(row.len() as u64, "cell", "cells");
                self.ragged_lines.push(format!("line {line} has {cells}"));
            }
        }
    }

    fn report(&self, name: &str, column_count: usize, report: &mut InputReport) {
        report.warn_empty_rows(name, &self.empty);
        if self.ragged > 0 {
            let more = match self.ragged - self.ragged_lines.len() as u64 {
                0 => String::new(),
                more => format!(", and {} more", pluralize(more, "line", "lines")),
            };
            let lines = self.ragged_lines.join(", ");
            report.notices.push(format!("warning: {name}: {lines}{more}; the header has {column_count}"));
        }
    }
}

/// Returns a cell as it goes into the report, None if it is blank.
pub(super) fn carried_cell(text: &str) -> Option<Box<str>> {
    // Invisible characters are escaped, so that they are seen.
    let text = text.trim();
    (!text.is_empty()).then(|| text::sanitize_multiline(text).into())
}

/// Returns the position after the line end of the first row. A line end between quotes is part of a cell.
pub(super) fn row_end(text: &[u8]) -> Option<usize> {
    let mut quotes = Quotes::default();
    let end = text.iter().position(|byte| {
        quotes.scan(*byte, is_delimiter(*byte));
        matches!(*byte, b'\n' | b'\r') && quotes != Quotes::Open
    });
    end.map(|at| at + 1)
}

/// Returns the cells of one row.
pub(super) fn split_row(row: &str, delimiter: u8) -> Vec<String> {
    // A reader takes some 60 µs to build, and the first lines of a list are split at each delimiter.
    if !row.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r')) {
        return if row.is_empty() { Vec::new() } else { vec![trim(row).to_owned()] };
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(row.as_bytes());
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => cells_of(&record),
        Ok(false) | Err(_) => Vec::new(),
    }
}

pub(super) fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b'\t' | b'|')
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

#[derive(Clone)]
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
