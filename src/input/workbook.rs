//! Workbooks: .xlsx and .ods. The first sheet with a column of logins is read.

use std::io::{self, Read, Seek, SeekFrom};

use calamine::{
    Data, DataType, ExcelDateTime, Ods, OdsError, Range, Reader, SheetType, SheetVisible, Xlsx, XlsxError,
};
use zip::ZipArchive;

use super::columns::{Columns, Line, MAX_HEADER_ROWS, quoted};
use super::csv::carried_cell;
use super::recognize::{check_archive, check_open_document};
use super::text::{RECORDS_PER_BATCH, Sender};
use super::{EmptyRows, HeaderChoice, InputOptions, InputRecord, SharedReport};
use crate::decode::trim;
use crate::login::ParseLoginError;

/// Bytes of a workbook.
const MAX_PACKED: u64 = 64 << 20;
/// Bytes of all parts of a workbook together.
const MAX_UNPACKED: u64 = 1 << 30;
/// Bytes in which the number of texts is searched.
const MAX_BEGINNING: u64 = 4096;
/// Numbers beyond this are not whole numbers in a workbook.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

const DATE: &str = "a date: format the column as text, and enter the login again";

pub(super) trait Archive: Read + Seek + Send {}
impl<T: Read + Seek + Send> Archive for T {}

type Source = Box<dyn Archive>;

/// An open workbook whose sheet has been chosen.
pub(super) struct WorkbookInput {
    sheets: Sheets,
    /// None for a workbook without rows.
    chosen: Option<ChosenSheet>,
}

struct ChosenSheet {
    name: String,
    columns: Columns,
    /// Number of the first row with a login.
    first_row: u64,
    note: Option<String>,
}

enum Sheets {
    Xlsx(Box<Xlsx<Source>>),
    Ods(Box<Ods<Source>>),
}

/// A row of a sheet that has a cell.
#[derive(Default)]
struct SheetRow {
    /// Number as a spreadsheet program shows it.
    number: u64,
    cells: Vec<String>,
    /// Columns of cells that are dates or times.
    dates: Vec<usize>,
}

/// The row in which the header is expected, and rows before and behind it.
struct FirstRows {
    first: Line,
    nearby: Vec<Line>,
}

/// Copies a workbook from a pipe, in which parts cannot be found.
pub(super) fn spool(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_PACKED + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl WorkbookInput {
    pub(super) fn open(source: Source, options: &InputOptions) -> io::Result<Self> {
        let mut sheets = Sheets::open(source)?;
        let names = sheets.visible();
        let mut chosen = None;
        let mut first_error = None;
        for name in &names {
            let Some(FirstRows { first, nearby }) = sheets.first_rows(name, options)? else { continue };
            match Columns::choose(&first, &nearby, options) {
                Ok(columns) => {
                    let is_named = columns.header_line.is_some() || options.header != HeaderChoice::Auto;
                    let first_row = columns.header_line.map_or(first.number, |line| line + 1);
                    let sheet = ChosenSheet { name: name.clone(), columns, first_row, note: None };
                    // A sheet with a header is preferred to one of a single column.
                    if is_named {
                        chosen = Some(sheet);
                        break;
                    }
                    chosen.get_or_insert(sheet);
                }
                Err(error) => {
                    let sheet =
                        if names.len() > 1 { format!("sheet {}: ", quoted(name)) } else { String::new() };
                    first_error.get_or_insert(io::Error::other(format!("{sheet}{error}")));
                }
            }
        }
        if let (None, Some(error)) = (&chosen, first_error) {
            return Err(error);
        }
        if let Some(sheet) = &mut chosen {
            let others: Vec<_> =
                names.iter().filter(|name| **name != sheet.name).map(|name| quoted(name)).collect();
            if !others.is_empty() {
                sheet.note = Some(format!(
                    "the logins are those of sheet {}, not of {}",
                    quoted(&sheet.name),
                    others.join(", ")
                ));
            }
        } else if let HeaderChoice::Line(line) = options.header {
            return Err(io::Error::other(format!(
                "it has no row {line}, which --header-row names: name the row with the column headers"
            )));
        }
        Ok(Self { sheets, chosen })
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        let sheet = self.chosen.as_ref();
        let column = sheet.and_then(|sheet| sheet.columns.note.as_deref());
        sheet.and_then(|sheet| sheet.note.as_deref()).into_iter().chain(column)
    }

    pub(super) fn read(mut self, name: &str, sender: &Sender, report: &SharedReport) -> io::Result<()> {
        let Some(sheet) = self.chosen else { return Ok(()) };
        let mut batch = Vec::new();
        let mut empty = EmptyRows::in_workbook();
        let read = self.sheets.read(&sheet.name, &mut |row| {
            if row.number < sheet.first_row {
                return Ok(Flow::Continue);
            }
            if !add(&row, &sheet.columns, sender, &mut batch) {
                empty.add(row.number);
            }
            if batch.len() >= RECORDS_PER_BATCH {
                sender.send(&mut batch)?;
            }
            Ok(Flow::Continue)
        });
        report.lock().warn_empty_rows(name, &empty);
        match read {
            Ok(()) => sender.send(&mut batch),
            Err(error) => sender.fail(&mut batch, error),
        }
    }
}

/// Adds the records of a row. Returns false if its cell of the login is empty.
fn add(row: &SheetRow, columns: &Columns, sender: &Sender, batch: &mut Vec<InputRecord>) -> bool {
    let Some(cell) = row.cells.get(columns.login).map(|cell| trim(cell)).filter(|cell| !cell.is_empty())
    else {
        return false;
    };
    let carried = columns.carried.iter().map(|column| carried_cell(row.cells.get(*column)?)).collect();
    if row.dates.contains(&columns.login) {
        batch.push(InputRecord { login: Err(ParseLoginError::new(cell, DATE)), carried });
    } else {
        sender.parse(cell, carried, batch);
    }
    true
}

/// Continuation of a walk through rows.
#[derive(PartialEq)]
enum Flow {
    Continue,
    Break,
}

impl Sheets {
    fn open(mut source: Source) -> io::Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        if length > MAX_PACKED {
            return Err(too_large("it is a workbook of more than", MAX_PACKED));
        }
        source.rewind()?;
        let mut archive = ZipArchive::new(source).map_err(|_| damaged())?;
        let names: Vec<String> =
            archive.file_names().map_while(Result::ok).map(std::borrow::Cow::into_owned).collect();
        check_archive(names.iter().map(String::as_str))?;
        check_unpacked(&mut archive, MAX_UNPACKED)?;
        let is_open_document = names.iter().any(|name| name == "mimetype");
        if is_open_document {
            let mut media_type = String::new();
            let file = archive.by_name("mimetype").map_err(|_| damaged())?;
            file.take(256).read_to_string(&mut media_type).map_err(|_| damaged())?;
            check_open_document(&media_type)?;
        }
        let mut source = archive.into_inner();
        source.rewind()?;
        if is_open_document {
            return Ods::new(source).map(|ods| Self::Ods(Box::new(ods))).map_err(|error| ods_error(&error));
        }
        Xlsx::new(source).map(|xlsx| Self::Xlsx(Box::new(xlsx))).map_err(|error| xlsx_error(&error))
    }

    /// Returns the names of the sheets that a spreadsheet program shows.
    fn visible(&self) -> Vec<String> {
        let metadata = match self {
            Self::Xlsx(xlsx) => xlsx.sheets_metadata(),
            Self::Ods(ods) => ods.sheets_metadata(),
        };
        let visible = metadata
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
        visible.map(|sheet| sheet.name.clone()).collect()
    }

    /// Returns the row in which the header is expected, with some rows around it. None for a sheet without rows.
    fn first_rows(&mut self, name: &str, options: &InputOptions) -> io::Result<Option<FirstRows>> {
        let from = match options.header {
            HeaderChoice::Line(line) => line,
            HeaderChoice::Auto | HeaderChoice::None => 0,
        };
        let (mut earlier, mut rows) = (Vec::new(), Vec::new());
        self.read(name, &mut |SheetRow { number, cells, .. }| {
            let line = Line { number, cells };
            if number >= from {
                rows.push(line);
            } else if earlier.len() < MAX_HEADER_ROWS {
                earlier.push(line);
            }
            Ok(if rows.len() > MAX_HEADER_ROWS { Flow::Break } else { Flow::Continue })
        })?;
        if from > 0 && rows.first().is_some_and(|row| row.number > from) {
            return Err(io::Error::other(format!(
                "row {from}, which --header-row names, is blank: name the row with the column headers"
            )));
        }
        // A title has one cell, although the sheet has more columns.
        let width = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        for row in &mut rows {
            row.cells.resize(width, String::new());
        }
        let mut rows = rows.into_iter();
        let Some(first) = rows.next() else { return Ok(None) };
        earlier.extend(rows);
        Ok(Some(FirstRows { first, nearby: earlier }))
    }

    /// Calls a function for each row that is not blank.
    fn read(&mut self, name: &str, with_row: &mut dyn FnMut(SheetRow) -> io::Result<Flow>) -> io::Result<()> {
        match self {
            Self::Xlsx(xlsx) => read_xlsx(xlsx, name, with_row),
            Self::Ods(ods) => {
                let range = ods.worksheet_range(name).map_err(|error| ods_error(&error))?;
                read_range(&range, with_row)
            }
        }
    }
}

/// Reads the cells as they are in the file: a sheet may have many rows.
fn read_xlsx(
    xlsx: &mut Xlsx<Source>,
    name: &str,
    with_row: &mut dyn FnMut(SheetRow) -> io::Result<Flow>,
) -> io::Result<()> {
    let mut cells = xlsx.worksheet_cells_reader(name).map_err(|error| xlsx_error(&error))?;
    let mut row = SheetRow::default();
    loop {
        let cell = cells.next_cell().map_err(|error| xlsx_error(&error))?;
        let number = cell.as_ref().map(|cell| u64::from(cell.get_position().0) + 1);
        if number != Some(row.number) {
            let complete = std::mem::take(&mut row);
            if !complete.is_blank() && with_row(complete)? == Flow::Break {
                return Ok(());
            }
            row.number = number.unwrap_or_default();
        }
        let Some(cell) = cell else { return Ok(()) };
        row.add(cell.get_position().1 as usize, cell.get_value());
    }
}

fn read_range(range: &Range<Data>, with_row: &mut dyn FnMut(SheetRow) -> io::Result<Flow>) -> io::Result<()> {
    let Some((first_row, first_column)) = range.start() else { return Ok(()) };
    for (number, cells) in (u64::from(first_row) + 1..).zip(range.rows()) {
        let mut row = SheetRow { number, ..SheetRow::default() };
        for (column, cell) in (first_column as usize..).zip(cells) {
            row.add(column, cell);
        }
        if !row.is_blank() && with_row(row)? == Flow::Break {
            break;
        }
    }
    Ok(())
}

impl SheetRow {
    fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| trim(cell).is_empty())
    }

    fn add(&mut self, column: usize, value: &impl DataType) {
        if value.is_empty() {
            return;
        }
        if value.is_datetime() || value.is_datetime_iso() || value.is_duration_iso() {
            self.dates.push(column);
        }
        self.cells.resize(self.cells.len().max(column + 1), String::new());
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = text_of(value);
        }
    }
}

fn text_of(value: &impl DataType) -> String {
    if let Some(date) = value.get_datetime().filter(ExcelDateTime::is_datetime) {
        let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
        let date = format!("{year:04}-{month:02}-{day:02}");
        return match (hour, minute, second) {
            (0, 0, 0) => date,
            _ => format!("{date} {hour:02}:{minute:02}:{second:02}"),
        };
    }
    if let Some(date) = value.get_datetime_iso() {
        return date.trim_end_matches("T00:00:00").replace('T', " ");
    }
    if let Some(number) = value.get_float() {
        // Whole numbers are shown without an exponent.
        return if number.fract() == 0.0 && number.abs() < MAX_WHOLE {
            format!("{number:.0}")
        } else {
            number.to_string()
        };
    }
    if let Some(error) = value.get_error() {
        return error.to_string();
    }
    value
        .as_string()
        .or_else(|| value.get_bool().map(|flag| flag.to_string().to_uppercase()))
        .unwrap_or_default()
}

/// Unpacks every part once if the sizes that the archive states are within the limit: they may be wrong.
fn check_unpacked(archive: &mut ZipArchive<impl Read + Seek>, limit: u64) -> io::Result<()> {
    let mut left = limit;
    if archive.decompressed_size().is_some_and(|stated| stated > limit.into()) {
        return Err(too_large("it unpacks to more than", limit));
    }
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| zip_error(&error))?;
        let has_count = part.name().is_ok_and(|name| name.ends_with("sharedStrings.xml"));
        let mut part = part.take(left + 1);
        let mut beginning = Vec::new();
        (&mut part).take(MAX_BEGINNING).read_to_end(&mut beginning).map_err(|_| damaged())?;
        let rest = io::copy(&mut part, &mut io::sink()).map_err(|_| damaged())?;
        let unpacked = beginning.len() as u64 + rest;
        // calamine reserves memory for as many texts as the file states.
        if has_count && stated_count(&beginning).is_some_and(|count| count > unpacked) {
            return Err(damaged());
        }
        left = left.checked_sub(unpacked).ok_or_else(|| too_large("it unpacks to more than", limit))?;
    }
    Ok(())
}

/// Returns the number of texts that the beginning of their file states.
fn stated_count(xml: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(xml);
    let (_, rest) = text.split_once("uniqueCount=")?;
    let digits: String = rest.chars().skip(1).take_while(char::is_ascii_digit).collect();
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn too_large(what: &str, limit: u64) -> io::Error {
    let limit = if limit < 1 << 30 { format!("{} MiB", limit >> 20) } else { format!("{} GiB", limit >> 30) };
    io::Error::other(format!("{what} {limit}: save the sheet with the logins as CSV"))
}

fn damaged() -> io::Error {
    io::Error::other("it is a workbook that is damaged or cut off: save it again, or as CSV")
}

fn protected() -> io::Error {
    io::Error::other("it is a workbook that is protected by a password: save a copy without a password")
}

fn zip_error(error: &zip::result::ZipError) -> io::Error {
    match error {
        zip::result::ZipError::UnsupportedArchive(reason)
            if *reason == zip::result::ZipError::PASSWORD_REQUIRED =>
        {
            protected()
        }
        _ => damaged(),
    }
}

fn xlsx_error(error: &XlsxError) -> io::Error {
    match error {
        XlsxError::Password => protected(),
        _ => damaged(),
    }
}

fn ods_error(error: &OdsError) -> io::Error {
    match error {
        OdsError::Password => protected(),
        OdsError::CellLimitExceeded { .. } => {
            io::Error::other("it is a workbook with too many cells: save the sheet with the logins as CSV")
        }
        _ => damaged(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn the_size_of_a_workbook_is_that_of_its_content() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("sheet", zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(&[b' '; 5000]).unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        // The sizes that are stated, in the part and in the directory, are wrong.
        let stated = 5000_u32.to_le_bytes();
        let mut lies = bytes.clone();
        for at in 0..lies.len() - 4 {
            if lies[at..at + 4] == stated {
                lies[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
            }
        }
        assert_ne!(bytes, lies);
        for bytes in [bytes, lies] {
            let mut archive = ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
            let is_small = check_unpacked(&mut archive, 6000);
            assert!(is_small.is_ok() || is_small.is_err_and(|error| error.to_string().contains("damaged")));
            let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            assert!(check_unpacked(&mut archive, 4000).is_err());
        }
    }
}
