//! Spreadsheets: CSV and TSV with a header, as spreadsheet programs write them.

mod raw;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use encoding_rs::WINDOWS_1252;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use tokio::sync::mpsc::Sender;

use self::raw::{Quotes, Raw};
use super::text::{BATCH, End, send};
use super::{InputOptions, InputRecord, InputReport};
use crate::login::Login;
use crate::text::{self, pluralize, sanitize_line};

/// The columns that hold logins where none is named, the likeliest first.
const USUAL: [&str; 4] = ["login", "github", "username", "user"];
/// Lines that are named where rows are too short or too long.
const NAMED: usize = 3;
/// A header that is longer is none.
const MAX_HEADER: usize = 1 << 20;
/// Columns that are named to whoever asked for another.
const SHOWN: usize = 12;

/// A sheet that is open, with its header read.
pub(super) struct Sheet {
    reader: Reader<Text>,
    name: String,
    /// The column with the logins.
    column: usize,
    /// How many columns the header has.
    width: usize,
    /// Rows that are handed on together: a pipe's are not held back.
    batch: usize,
    /// The columns that are carried.
    carried: Vec<usize>,
    delimiter: u8,
}

type Text = Raw<Chain<Cursor<Vec<u8>>, DecodeReaderBytes<File, Vec<u8>>>>;

/// Whether a list is a sheet, by its extension.
#[must_use]
pub(crate) fn is_sheet(path: &Path) -> bool {
    extension(path).is_some_and(|extension| matches!(extension.as_str(), "csv" | "tsv"))
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

impl Sheet {
    /// Reads the header, and finds the columns that are wanted: that with the logins, or else the first
    /// usual one, and those that are carried.
    pub(super) fn open(path: &Path, file: File, regular: bool, reading: &InputOptions) -> io::Result<Self> {
        // UTF-8, or UTF-16 with a byte order mark.
        let mut utf8 = DecodeReaderBytesBuilder::new().bom_override(true).strip_bom(true).build(file);
        let mut begin = beginning(&mut utf8)?;
        let (delimiter, lines) = delimiter(&mut begin, extension(path).as_deref() == Some("tsv"));
        let text = Raw::new(Cursor::new(begin).chain(utf8), lines);
        let mut reader =
            ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(true).from_reader(text);
        let header = reader.byte_headers().map_err(io::Error::other)?;
        let names: Vec<_> = header.iter().map(|name| decoded(name).trim().to_owned()).collect();
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
            io::Error::other(sanitize_line(&message).into_owned())
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
            delimiter,
        })
    }

    /// Hands on the logins, row by row.
    pub(super) fn read(
        mut self,
        site: &str,
        sender: &Sender<Vec<InputRecord>>,
        notes: &InputReport,
    ) -> Result<(), End> {
        let (mut record, mut batch) = (ByteRecord::new(), Vec::new());
        let (mut empty, mut ragged, mut lines, mut foreign) = (0_u64, 0_u64, Vec::new(), 0_u64);
        let mut line = 0;
        loop {
            match self.reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // What was read before is still good.
                    send(&mut batch, sender)?;
                    return Err(End::Failed(io::Error::other(error)));
                }
            }
            let byte = record.position().map_or(0, csv::Position::byte);
            line = self.reader.get_mut().line_of(byte);
            if record.len() != self.width {
                ragged += 1;
                if lines.len() < NAMED {
                    lines
                        .push(format!("line {line} has {}", pluralize(record.len() as u64, "cell", "cells")));
                }
            }
            foreign += u64::from(record.iter().any(|cell| std::str::from_utf8(cell).is_err()));
            match record.get(self.column).map(decoded) {
                Some(cell) if !cell.trim().is_empty() => {
                    let carried = self.carried.iter().map(|column| carried(record.get(*column)?)).collect();
                    batch.push(InputRecord { login: Login::parse_at(cell.trim(), site), carried });
                }
                _ => empty += 1,
            }
            if batch.len() >= self.batch {
                send(&mut batch, sender)?;
            }
        }
        if empty > 0 {
            notes.remark(format!(
                "{}: {} without a login skipped",
                self.name,
                pluralize(empty, "row", "rows")
            ));
        }
        if ragged > 0 {
            let more = ragged - lines.len() as u64;
            let more = if more == 0 {
                String::new()
            } else {
                format!(", and {} more", pluralize(more, "line", "lines"))
            };
            notes.remark(format!(
                "warning: {}: {}{more}, where the header has {}",
                self.name,
                lines.join(", "),
                self.width
            ));
        }
        if foreign > 0 {
            let rows = pluralize(foreign, "row", "rows");
            notes.remark(format!("warning: {}: {rows} not in UTF-8, taken for Windows-1252", self.name));
        }
        if self.reader.get_ref().is_open(self.delimiter) {
            // Whoever is in it is not known, nor who stands behind it.
            let reason = format!("the row that begins in line {line} opens a quote and never closes it");
            send(&mut batch, sender)?;
            return Err(End::Failed(io::Error::other(reason)));
        }
        send(&mut batch, sender)
    }
}

/// A cell's text. What is no UTF-8 is what spreadsheet programs in the West have written for decades.
fn decoded(cell: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(cell).map_or_else(|_| WINDOWS_1252.decode_without_bom_handling(cell).0, Cow::Borrowed)
}

/// A cell as it goes into the report; none where there is nothing in it.
fn carried(cell: &[u8]) -> Option<Box<str>> {
    let text = decoded(cell);
    let text = text.trim();
    (!text.is_empty()).then(|| text::sanitize_multiline(text).into())
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

/// Whether a byte may stand between cells.
fn separates(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b'\t')
}

/// Where the first line ends: a line end between quotes is part of a cell.
fn header_end(text: &[u8]) -> Option<usize> {
    let mut quotes = Quotes::default();
    text.iter().position(|byte| {
        quotes.pass(*byte, separates(*byte));
        *byte == b'\n' && !quotes.are_open()
    })
}

/// The separator, and the lines taken off: it is told by a first line like `sep=;`, or else it is the
/// likeliest of the header.
fn delimiter(begin: &mut Vec<u8>, tabs: bool) -> (u8, u64) {
    let end = header_end(begin).map_or(begin.len(), |end| end + 1);
    let line = begin.get(..end).unwrap_or_default();
    if let [b's', b'e', b'p', b'=', told, rest @ ..] = line
        && rest.trim_ascii().is_empty()
        && (told.is_ascii_graphic() || *told == b'\t')
    {
        let told = *told;
        begin.drain(..end);
        return (told, 1);
    }
    if tabs {
        return (b'\t', 0);
    }
    let mut quotes = Quotes::default();
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in line {
        quotes.pass(*byte, separates(*byte));
        if let Some((_, count)) =
            counts.iter_mut().find(|(candidate, _)| candidate == byte && !quotes.are_open())
        {
            *count += 1;
        }
    }
    // Of equals the first: a header of one column has none of them.
    (counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(candidate, _)| *candidate), 0)
}
