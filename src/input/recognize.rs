//! The format of an input, recognized from its first line. The name of a file does not matter.

use std::io::{self, Cursor, Read};

use super::columns::{MAX_HEADER_ROWS, Rank, header_is_elsewhere, is_login, quoted};
use super::csv::{SheetStart, is_delimiter, row_end, split_row};
use super::text::strip_comment;
use super::{HeaderChoice, InputOptions, Raw, Text};
use crate::decode::{Decoder, trim};
use crate::program_name::as_called;

/// Bytes in which the first line is searched: a header may be long.
const MAX_FIRST_LINE: usize = 1 << 20;
/// Bytes that suffice to recognize a format that is not text.
const MIN_BINARY: usize = 8;

pub(super) enum Recognized {
    /// One login per line.
    Lines(Text),
    Sheet(Text, SheetStart),
    /// A JSON value per line.
    JsonLines(Text),
    /// JSON values that may go over many lines.
    Json(Text),
    /// A zip archive, which may be a workbook.
    Zip(Box<dyn Read + Send>),
}

/// Reads the beginning of a source until its format is certain: one complete line, except for cells with line breaks and for a
/// first line of several logins.
pub(super) fn recognize(mut source: Box<dyn Read + Send>, options: &InputOptions) -> io::Result<Recognized> {
    let mut beginning = Vec::new();
    let mut chunk = vec![0; 8 << 10];
    while beginning.len() < MIN_BINARY && !beginning.contains(&b'\n') {
        let length = source.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        beginning.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    let kind = binary_kind(&beginning);
    let source: Raw = Cursor::new(beginning).chain(source);
    match kind {
        Some(Binary::Zip) => return Ok(Recognized::Zip(Box::new(source))),
        Some(Binary::Ole2) => return Err(unsupported(ole2_kind(source)?)),
        Some(Binary::Unsupported(kind)) => return Err(unsupported(kind)),
        None => {}
    }
    let mut text = Decoder::new(source);
    let mut is_whole = false;
    loop {
        let extent = match (is_whole, text.buffer().len() > MAX_FIRST_LINE) {
            (true, _) => Extent::Whole,
            (false, true) => Extent::Cut,
            (false, false) => Extent::Growing,
        };
        if let Some(format) = text_format(text.buffer(), extent, options) {
            return match format {
                TextFormat::Lines => Ok(Recognized::Lines(text)),
                TextFormat::Sheet(start) => Ok(Recognized::Sheet(text, start)),
                TextFormat::JsonLines => Ok(Recognized::JsonLines(text)),
                TextFormat::Json => Ok(Recognized::Json(text)),
                TextFormat::SheetWithTitle(error) => Err(error),
                TextFormat::Unsupported(kind) => Err(unsupported(kind)),
            };
        }
        is_whole = !text.read_more()?;
    }
}

/// Content that is recognized but not read: its name, and how to make a list of it.
#[derive(Clone, Copy)]
struct Unsupported {
    name: &'static str,
    way_out: &'static str,
}

const AS_SHEET: &str = "save it as .xlsx or .csv";
const AS_LIST: &str = "write one login per line";
const EXTRACT: &str = "unpack it first";

impl Unsupported {
    const fn new(name: &'static str, way_out: &'static str) -> Self {
        Self { name, way_out }
    }
}

fn unsupported(kind: Unsupported) -> io::Error {
    io::Error::other(format!("it is {}: {}", kind.name, as_called(kind.way_out)))
}

enum Binary {
    Zip,
    Ole2,
    Unsupported(Unsupported),
}

fn binary_kind(bytes: &[u8]) -> Option<Binary> {
    const OLE2: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    const SIGNATURES: &[(&[u8], Unsupported)] = &[
        (b"%PDF-", Unsupported::new("a PDF", "copy the logins into a text file, one per line")),
        (b"\x1f\x8b", Unsupported::new("compressed with gzip", "use gzip -dc FILE | ghrepos -")),
        (b"BZh", Unsupported::new("compressed with bzip2", "use bzip2 -dc FILE | ghrepos -")),
        (b"\xfd7zXZ", Unsupported::new("compressed with xz", "use xz -dc FILE | ghrepos -")),
        (b"\x28\xb5\x2f\xfd", Unsupported::new("compressed with zstd", "use zstd -dc FILE | ghrepos -")),
        (b"7z\xbc\xaf", Unsupported::new("a 7z archive", EXTRACT)),
        (b"Rar!", Unsupported::new("a RAR archive", EXTRACT)),
        (b"\x89PNG", Unsupported::new("an image (PNG)", AS_LIST)),
        (b"GIF8", Unsupported::new("an image (GIF)", AS_LIST)),
        (b"\xff\xd8\xff", Unsupported::new("an image (JPEG)", AS_LIST)),
        (b"II*\0", Unsupported::new("an image (TIFF)", AS_LIST)),
        (b"MM\0*", Unsupported::new("an image (TIFF)", AS_LIST)),
        (b"RIFF", Unsupported::new("an image or a recording (RIFF)", AS_LIST)),
        (
            b"SQLite ",
            Unsupported::new("an SQLite database", "use --sql sqlite:FILE --query 'SELECT login FROM …'"),
        ),
        (b"PAR1", Unsupported::new("a Parquet file", "export it as CSV")),
        (b"{\\rtf", Unsupported::new("a Rich Text document", "save it as plain text, one login per line")),
        (b"\x7fELF", Unsupported::new("a program", AS_LIST)),
        (b"MZ\x90", Unsupported::new("a program", AS_LIST)),
    ];
    match bytes {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Binary::Zip),
        _ if bytes.starts_with(OLE2) => Some(Binary::Ole2),
        _ => {
            let known = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
            known.map(|(_, kind)| Binary::Unsupported(*kind))
        }
    }
}

/// An OLE2 container is an old Office document, or a new one that is encrypted.
fn ole2_kind(source: impl Read) -> io::Result<Unsupported> {
    const MAX_SEARCHED: u64 = 8 << 20;
    let mut bytes = Vec::new();
    source.take(MAX_SEARCHED).read_to_end(&mut bytes)?;
    let has = |name: &str| {
        let name: Vec<_> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(&bytes, &name).is_some()
    };
    if has("EncryptedPackage") {
        return Ok(Unsupported::new(
            "a workbook that is protected by a password",
            "save a copy without a password",
        ));
    }
    if has("WordDocument") {
        return Ok(Unsupported::new("a Word document", "save it as plain text, one login per line"));
    }
    Ok(Unsupported::new("an Excel 97-2003 workbook (.xls)", AS_SHEET))
}

/// Returns the reason for which a zip archive with these files is not a workbook that is read.
pub(super) fn check_archive<'a>(names: impl Iterator<Item = &'a str>) -> io::Result<()> {
    const IS_IN: [(&str, Unsupported); 5] = [
        ("xl/workbook.bin", Unsupported::new("an Excel binary workbook (.xlsb)", AS_SHEET)),
        ("word/", Unsupported::new("a Word document", "save it as plain text, one login per line")),
        ("ppt/", Unsupported::new("a PowerPoint presentation", AS_LIST)),
        ("Index/", Unsupported::new("an Apple Numbers document", "export it as Excel (.xlsx) or CSV")),
        ("META-INF/MANIFEST.MF", Unsupported::new("a Java archive", AS_LIST)),
    ];
    let mut is_office = false;
    for name in names {
        if let Some((_, kind)) = IS_IN.iter().find(|(path, _)| name.starts_with(path)) {
            return Err(unsupported(*kind));
        }
        is_office |= matches!(name, "[Content_Types].xml" | "mimetype");
    }
    if is_office { Ok(()) } else { Err(unsupported(Unsupported::new("a zip archive", EXTRACT))) }
}

/// Returns the error for an archive of this media type, unless it is a spreadsheet.
pub(super) fn check_open_document(media_type: &str) -> io::Result<()> {
    match media_type.trim().strip_prefix("application/vnd.oasis.opendocument.") {
        Some("spreadsheet" | "spreadsheet-template") => Ok(()),
        Some(_) => Err(unsupported(Unsupported::new("an OpenDocument text or drawing", AS_LIST))),
        None => Err(unsupported(Unsupported::new("a zip archive", EXTRACT))),
    }
}

/// Extent of a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// There may be more of it.
    Growing,
    /// There is more of it, but no more is looked at.
    Cut,
    /// It is all there is.
    Whole,
}

enum TextFormat {
    Lines,
    SheetWithTitle(io::Error),
    Sheet(SheetStart),
    JsonLines,
    Json,
    Unsupported(Unsupported),
}

/// A line of the beginning of a text.
struct FirstLine<'a> {
    /// Without white space around it.
    text: &'a str,
    offset: usize,
    /// Lines before it.
    number: u64,
    is_cut: bool,
}

/// Returns the format of a text that begins so. None if more of it is needed.
fn text_format(text: &[u8], extent: Extent, options: &InputOptions) -> Option<TextFormat> {
    let (mut offset, mut number) = (0, 0);
    let first = loop {
        let rest = text.get(offset..).unwrap_or_default();
        if rest.is_empty() {
            return (extent != Extent::Growing).then_some(TextFormat::Lines);
        }
        let (line, next) = match line_end(rest) {
            Some((end, next)) => (rest.get(..end).unwrap_or_default(), next),
            None if extent == Extent::Growing => return None,
            None => (rest, rest.len()),
        };
        if line.contains(&0) {
            let kind = Unsupported::new("neither text nor a workbook", "give a list as text, CSV or .xlsx");
            return Some(TextFormat::Unsupported(kind));
        }
        // The limit of the beginning may be inside of a character.
        let line = trim(valid_part(line));
        if let Some(format) = comment_format(line) {
            return Some(format);
        }
        if !line.is_empty() && !is_comment(line) {
            break FirstLine {
                text: line,
                offset,
                number,
                is_cut: next == rest.len() && extent == Extent::Cut,
            };
        }
        offset += next;
        number += 1;
    };
    if let Some(format) = json_format(first.text) {
        return Some(format);
    }
    if let HeaderChoice::Line(line) = options.header
        && is_title(first.text)
    {
        return sheet_with_header(text, line, extent);
    }
    let later = text.get(first.offset..).and_then(|rest| rest.get(line_end(rest)?.1..)).unwrap_or_default();
    if is_yaml_key(first.text)
        && let Some(header) = header_behind_title(&first, later, options)
    {
        let error = header_is_elsewhere(first.number + 1, &quoted(first.text), header);
        return Some(TextFormat::SheetWithTitle(error));
    }
    if let Some(kind) = unsupported_text(first.text) {
        return Some(TextFormat::Unsupported(kind));
    }
    if first.is_cut {
        return Some(TextFormat::Unsupported(Unsupported::new(
            "not a list: its first line has more than 1 MiB",
            AS_LIST,
        )));
    }
    sheet_format(text, &first, extent, options)
}

/// Returns the end of the first line, and the beginning of the next one.
fn line_end(text: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memchr2(b'\n', b'\r', text)?;
    let is_pair = text.get(end..).is_some_and(|rest| rest.starts_with(b"\r\n"));
    Some((end, end + if is_pair { 2 } else { 1 }))
}

fn valid_part(text: &[u8]) -> &str {
    text.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Returns true for a comment. A `#` alone in the first cell of several is a header.
fn is_comment(line: &str) -> bool {
    line.strip_prefix('#')
        .is_some_and(|rest| !rest.trim_start_matches(' ').starts_with([',', ';', '\t', '|']))
}

fn comment_format(line: &str) -> Option<TextFormat> {
    let kind = if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
        Unsupported::new("a file of metrics", AS_LIST)
    } else if line.starts_with("#!") {
        Unsupported::new("a script", AS_LIST)
    } else {
        return None;
    };
    Some(TextFormat::Unsupported(kind))
}

/// A line that begins with a bracket may be a Markdown link.
fn json_format(line: &str) -> Option<TextFormat> {
    let rest = line.strip_prefix(['[', '{'])?.trim_start();
    let is_object = line.starts_with('{');
    let is_json = match rest.chars().next() {
        None | Some('"') => true,
        Some('}') => is_object,
        Some('{' | '[' | ']' | '0'..='9' | '-') => !is_object,
        Some(_) => !is_object && rest.starts_with("null"),
    };
    if !is_json {
        return None;
    }
    let is_complete = serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
    Some(if is_complete { TextFormat::JsonLines } else { TextFormat::Json })
}

fn unsupported_text(line: &str) -> Option<Unsupported> {
    let lower = line.to_ascii_lowercase();
    let starts_with = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    if starts_with(&["<?xml"]) {
        return Some(Unsupported::new("XML", AS_SHEET));
    }
    if starts_with(&[
        "<!", "<html", "<head", "<body", "<table", "<div", "<meta", "<svg", "<style", "<tr", "<ul", "<p>",
    ]) {
        return Some(Unsupported::new(
            "an HTML page",
            "export a CSV or JSON file instead, or write one login per line",
        ));
    }
    if starts_with(&["-----begin"]) {
        return Some(Unsupported::new("a key or a certificate", AS_LIST));
    }
    if starts_with(&["begin:vcard"]) {
        return Some(Unsupported::new("a file of contacts (vCard)", "export it as CSV"));
    }
    if is_code_owners(line) {
        return Some(Unsupported::new(
            "a CODEOWNERS file",
            "list its owners with grep -o '@[A-Za-z0-9-]*' FILE | sort -u | ghrepos -, and its teams with --team",
        ));
    }
    let is_markdown =
        line.starts_with("```") || line.starts_with("| ") || line.starts_with("**") || line.starts_with("* ");
    if is_markdown {
        return Some(Unsupported::new("Markdown", AS_LIST));
    }
    if line == "---" || line.starts_with("%YAML") || is_yaml_key(line) {
        return Some(Unsupported::new("YAML", "make a list of it with yq -r '.…[]' FILE | ghrepos -"));
    }
    if line.starts_with("- ") {
        return Some(Unsupported::new(
            "a YAML or Markdown list",
            "write one login per line, without the dashes",
        ));
    }
    let section = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if section.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_. \"".contains(c))
    }) {
        return Some(Unsupported::new("a TOML or INI file", AS_LIST));
    }
    None
}

/// A pattern of paths and its owners.
fn is_code_owners(line: &str) -> bool {
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let Some(pattern) = words.next() else { return false };
    let is_pattern = pattern.starts_with(['/', '*', '.']) || pattern.ends_with('/') || pattern.contains('*');
    let owners: Vec<_> = words.collect();
    is_pattern && !owners.is_empty() && owners.iter().all(|owner| owner.contains('@'))
}

/// A key, then a colon at the end or before a blank: `members:`. It is not in one of several cells.
fn is_yaml_key(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else { return false };
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_.\" '".contains(c));
    is_key && (value.is_empty() || value.starts_with(' ')) && !line.bytes().any(is_delimiter)
}

/// Returns true for a line that may be above a header.
fn is_title(line: &str) -> bool {
    is_yaml_key(line) || unsupported_text(line).is_none()
}

/// Returns the format of a sheet whose header is on a line.
fn sheet_with_header(text: &[u8], line: u64, extent: Extent) -> Option<TextFormat> {
    let mut rest = text;
    for _ in 1..line {
        match line_end(rest) {
            Some((_, next)) => rest = rest.get(next..).unwrap_or_default(),
            None if extent == Extent::Growing => return None,
            None => rest = &[],
        }
    }
    let end = match row_end(rest) {
        Some(end) => end,
        None if extent == Extent::Growing => return None,
        None => rest.len(),
    };
    let header = valid_part(rest.get(..end).unwrap_or_default());
    let delimiter = header_delimiter(header).or_else(|| delimiters_of(header).first().copied());
    Some(TextFormat::Sheet(SheetStart { delimiter: delimiter.unwrap_or(b','), offset: 0, lines: 0 }))
}

/// Returns the delimiter with which a row has a known header.
fn header_delimiter(row: &str) -> Option<u8> {
    let is_header = |delimiter: &u8| split_row(row, *delimiter).iter().any(|cell| Rank::of(cell).is_some());
    delimiters_of(row).into_iter().find(is_header)
}

fn sheet_format(
    text: &[u8],
    first: &FirstLine<'_>,
    extent: Extent,
    options: &InputOptions,
) -> Option<TextFormat> {
    let start = SheetStart { delimiter: b',', offset: first.offset, lines: first.number };
    let rest = text.get(first.offset..).unwrap_or_default();
    let line = rest.get(..line_end(rest).map_or(rest.len(), |(end, _)| end)).unwrap_or_default();
    if let [b's', b'e', b'p', b'=', delimiter, blanks @ ..] = line
        && (delimiter.is_ascii_graphic() || *delimiter == b'\t')
        && blanks.trim_ascii().is_empty()
    {
        let offset = first.offset + line_end(rest).map_or(rest.len(), |(_, next)| next);
        return Some(TextFormat::Sheet(SheetStart {
            delimiter: *delimiter,
            offset,
            lines: first.number + 1,
        }));
    }
    let end = match row_end(rest) {
        Some(end) => end,
        None if extent == Extent::Growing => return None,
        None => rest.len(),
    };
    let (row, later) = rest.split_at(end);
    let row = valid_part(row);
    let delimiters = delimiters_of(row);
    if let Some(delimiter) = header_delimiter(row) {
        return Some(TextFormat::Sheet(SheetStart { delimiter, ..start }));
    }
    let line = strip_comment(first.text);
    let has_delimiter = line.bytes().any(is_delimiter) || first.text.len() < row.trim().len();
    let Some(delimiter) = delimiters.first().copied().filter(|_| has_delimiter) else {
        let is_sheet = Rank::of(line).is_some() || options.needs_sheet() || names_column(line, options);
        return Some(match header_behind_title(first, later, options) {
            _ if is_sheet => TextFormat::Sheet(start),
            Some(header) => {
                TextFormat::SheetWithTitle(header_is_elsewhere(first.number + 1, &quoted(first.text), header))
            }
            None => TextFormat::Lines,
        });
    };
    if options.header == HeaderChoice::Auto
        && let Some(header) = header_behind_title(first, later, options)
    {
        let error = header_is_elsewhere(first.number + 1, &quoted(first.text), header);
        return Some(TextFormat::SheetWithTitle(error));
    }
    let sheet = TextFormat::Sheet(SheetStart { delimiter, ..start });
    let cells = split_row(row, delimiter);
    let logins = cells.iter().filter(|cell| !trim(cell).is_empty()).count();
    let is_all_logins = cells.iter().all(|cell| trim(cell).is_empty() || is_login(trim(cell)));
    if !is_all_logins || options.needs_sheet() || options.login_column.is_some() {
        return Some(sheet);
    }
    if logins == 1 {
        // A separator after each login.
        return Some(TextFormat::Lines);
    }
    // Several logins in a line, or a row of a sheet: the next row has as many cells then.
    let next = later.trim_ascii_start();
    match row_end(next) {
        None if extent == Extent::Growing => None,
        end => {
            let next = valid_part(next.get(..end.unwrap_or(next.len())).unwrap_or_default());
            let is_row = !next.is_empty() && split_row(next, delimiter).len() == cells.len();
            Some(if is_row { sheet } else { TextFormat::Lines })
        }
    }
}

/// Returns the line of a header of several cells, as far as the text has been read. A title may have a delimiter that the header
/// has not; rows with that delimiter belong to the sheet of the first line.
fn header_behind_title(first: &FirstLine<'_>, later: &[u8], options: &InputOptions) -> Option<u64> {
    let of_title = delimiters_of(first.text);
    let lines = later.split(|byte| *byte == b'\n').take(MAX_HEADER_ROWS);
    let mut numbered = (first.number + 2..).zip(lines.map(valid_part));
    numbered
        .find(|(_, line)| !is_comment(line) && is_header_row(line, &of_title, options))
        .map(|(number, _)| number)
}

/// Returns true for a row of several cells, one of which is a known header or the column of `--login-column`. Rows with an
/// excluded delimiter are not headers.
fn is_header_row(row: &str, excluded: &[u8], options: &InputOptions) -> bool {
    let is_header = |cell: &String| Rank::of(cell).is_some() || names_column(cell, options);
    let delimiters = delimiters_of(row);
    let is_excluded = delimiters.iter().any(|delimiter| excluded.contains(delimiter));
    !is_excluded && delimiters.iter().any(|delimiter| split_row(row, *delimiter).iter().any(is_header))
}

fn names_column(line: &str, options: &InputOptions) -> bool {
    options.login_column.as_ref().is_some_and(|column| column.is_name(line))
}

/// Returns the delimiters in a row outside of quotes, the most frequent first.
fn delimiters_of(row: &str) -> Vec<u8> {
    let mut counts: Vec<_> = [b',', b';', b'\t', b'|']
        .into_iter()
        .map(|delimiter| (split_row(row, delimiter).len(), delimiter))
        .filter(|(cells, _)| *cells > 1)
        .collect();
    counts.sort_by_key(|(cells, _)| std::cmp::Reverse(*cells));
    counts.into_iter().map(|(_, delimiter)| delimiter).collect()
}
