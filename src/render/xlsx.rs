//! Excel workbook: sheets of accounts, changes, subtotals and totals.
//!
//! Rows are written to temporary files as they come, and compressed at the end. Cells have types: text is never a formula, times
//! are dates in UTC, and a cell without a value is empty.

use std::borrow::Cow;
use std::io::{self, Write};

use jiff::Timestamp;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Url, Workbook, Worksheet, XlsxError};
use unicode_width::UnicodeWidthStr;

use super::{Meta, Output, Renderer};
use crate::report::{
    Cell, Column, ColumnSpec, Columns, GroupTotals, Role, Row, Status, Summary, Total, ValueType,
};
use crate::text::{capitalize, io_message, is_formula};

/// Rows of a sheet, the header included. A limit of Excel.
const MAX_SHEET_ROWS: u32 = 1_048_576;
/// Rows of a sheet whose logins are links. Excel allows 65,530 links.
const MAX_LINKED_ROWS: u32 = 65_000;
/// Length of a cell, in UTF-16 code units. A limit of Excel.
const MAX_CELL: usize = 32_767;
/// Largest integer that Excel shows exactly. It keeps 15 digits.
const MAX_INTEGER: u64 = 999_999_999_999_999;
/// Widths of a column, in characters.
const WIDTHS: std::ops::RangeInclusive<usize> = 8..=60;
/// Width of the button of the autofilter, in characters.
const FILTER_WIDTH: usize = 3;
/// Bytes of a cell in the temporary file, in addition to its text.
const CELL_OVERHEAD: usize = 64;
/// A zip file needs its 64-bit format for parts of 4 GiB.
const LARGE_BYTES: u64 = 3 << 30;

pub(super) struct Xlsx {
    out: Output,
    meta: Meta,
    workbook: Workbook,
    formats: Formats,
    columns: Columns,
    /// The columns of the sheets with rows, in their order.
    shown: Vec<Column>,
    accounts: Sheets,
    /// Rows with an event or a difference. None without a baseline.
    changes: Option<Sheets>,
}

impl Xlsx {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta) -> Self {
        let shown: Vec<_> = columns.shown().iter().cloned().collect();
        let headings: Vec<_> = shown.iter().map(|column| column.key().to_owned()).collect();
        let has_baseline = columns.iter().any(|column| column.role() == Role::Change);
        let changes = has_baseline.then(|| Sheets::new("Changes", headings.clone()));
        Self {
            out,
            meta,
            workbook: Workbook::new(),
            formats: Formats::default(),
            columns,
            shown,
            accounts: Sheets::new("Accounts", headings),
            changes,
        }
    }
}

impl Renderer for Xlsx {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let Self { workbook, formats, shown, meta, .. } = self;
        let changes = self.changes.as_mut().filter(|_| row.has_changed());
        for sheets in [Some(&mut self.accounts), changes].into_iter().flatten() {
            sheets.begin_row(workbook, formats)?;
            for column in &*shown {
                let link = if column.role() == Role::Login { meta.profile_url(row) } else { None };
                sheets.write(&Value::of(row, column), link, formats)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let Self { workbook, formats, meta, .. } = self;
        let mut groups = match &summary.groups {
            Some(groups) => Some(group_sheets(groups, workbook, formats)?),
            None => None,
        };
        let mut totals = total_sheets(figures(summary, &self.columns, meta), workbook, formats)?;
        let mut bytes = 0;
        let sheets = [Some(&mut self.accounts), self.changes.as_mut(), groups.as_mut(), Some(&mut totals)];
        for sheets in sheets.into_iter().flatten() {
            bytes += sheets.bytes;
            sheets.push_to(workbook, formats)?;
        }
        workbook.set_properties(&properties(meta));
        workbook.use_zip_large_file(bytes > LARGE_BYTES);
        workbook.save_to_writer(&mut self.out).map_err(io_error)?;
        self.out.flush()
    }
}

/// Rows in as many sheets as they need: `Accounts`, `Accounts 2`, …
struct Sheets {
    name: &'static str,
    headings: Vec<String>,
    max_rows: u32,
    max_linked_rows: u32,
    /// Rows are added to the last one.
    written: Vec<Sheet>,
    /// Estimated size of the temporary files.
    bytes: u64,
    bytes_since_check: usize,
}

struct Sheet {
    worksheet: Worksheet,
    /// Rows with the header.
    rows: u32,
    /// Cells of the current row.
    cells: u16,
    /// Width of the widest cell of each column, in characters.
    widths: Vec<usize>,
}

impl Sheets {
    fn new(name: &'static str, headings: Vec<String>) -> Self {
        Self {
            name,
            headings,
            max_rows: MAX_SHEET_ROWS,
            max_linked_rows: MAX_LINKED_ROWS,
            written: Vec::new(),
            bytes: 0,
            bytes_since_check: 0,
        }
    }

    /// Begins a row, on another sheet if the last one is full.
    fn begin_row(&mut self, workbook: &mut Workbook, formats: &Formats) -> io::Result<()> {
        if self.written.last().is_none_or(|sheet| sheet.rows >= self.max_rows) {
            self.begin_sheet(workbook, formats)?;
        }
        if self.bytes_since_check >= room::BYTES_BETWEEN_CHECKS {
            room::check()?;
            self.bytes_since_check = 0;
        }
        if let Some(sheet) = self.written.last_mut() {
            sheet.rows += 1;
            sheet.cells = 0;
        }
        Ok(())
    }

    fn begin_sheet(&mut self, workbook: &mut Workbook, formats: &Formats) -> io::Result<()> {
        room::check()?;
        let mut worksheet = workbook.new_worksheet_with_constant_memory().map_err(io_error)?;
        let name = match self.written.len() {
            0 => self.name.to_owned(),
            sheets => format!("{} {}", self.name, sheets + 1),
        };
        worksheet.set_name(name).map_err(io_error)?;
        let mut sheet = Sheet { worksheet, rows: 1, cells: 0, widths: Vec::new() };
        for heading in &self.headings {
            sheet.write(&Value::Text(heading.into()), None, Some(&formats.heading)).map_err(io_error)?;
        }
        sheet.widths.iter_mut().for_each(|width| *width += FILTER_WIDTH);
        self.written.push(sheet);
        Ok(())
    }

    /// Writes the next cell of the row.
    fn write(&mut self, value: &Value<'_>, link: Option<String>, formats: &Formats) -> io::Result<()> {
        let Some(sheet) = self.written.last_mut() else { return Ok(()) };
        let link = link.filter(|_| sheet.rows - 1 <= self.max_linked_rows);
        let bytes = value.text().map_or(0, str::len) + CELL_OVERHEAD;
        self.bytes += bytes as u64;
        self.bytes_since_check += bytes;
        let format = formats.of(value);
        sheet.write(value, link, format).map_err(io_error)
    }

    /// Adds the sheets to the workbook. Without rows it has a sheet with the header.
    fn push_to(&mut self, workbook: &mut Workbook, formats: &Formats) -> io::Result<()> {
        if self.written.is_empty() {
            self.begin_sheet(workbook, formats)?;
        }
        for sheet in self.written.drain(..) {
            workbook.push_worksheet(sheet.finish().map_err(io_error)?);
        }
        Ok(())
    }
}

impl Sheet {
    fn write(
        &mut self,
        value: &Value<'_>,
        link: Option<String>,
        format: Option<&Format>,
    ) -> Result<(), XlsxError> {
        let (row, column) = (self.rows - 1, self.cells);
        self.cells += 1;
        let width = value.width();
        match self.widths.get_mut(usize::from(column)) {
            Some(widest) => *widest = width.max(*widest),
            None => self.widths.push(width),
        }
        let sheet = &mut self.worksheet;
        match (value, link, format) {
            (Value::Empty, ..) => return Ok(()),
            (Value::Text(text), Some(link), _) => {
                sheet.write_url_with_text(row, column, Url::new(link), &**text)
            }
            (Value::Text(text), None, Some(format)) => {
                sheet.write_string_with_format(row, column, &**text, format)
            }
            (Value::Text(text), None, None) => sheet.write_string(row, column, &**text),
            (Value::Bool(flag), ..) => sheet.write_boolean(row, column, *flag),
            (Value::Date(date), _, Some(format)) => {
                sheet.write_datetime_with_format(row, column, date, format)
            }
            (Value::Date(date), ..) => sheet.write_datetime(row, column, date),
            (Value::Id(number) | Value::Count(number), _, format) => {
                write_number(sheet, row, column, exact_float(*number), format)
            }
            (Value::Delta(by), _, format) => {
                let magnitude = exact_float(by.unsigned_abs());
                write_number(sheet, row, column, if *by < 0 { -magnitude } else { magnitude }, format)
            }
            (Value::Decimal(number), _, format) => write_number(sheet, row, column, *number, format),
        }?;
        Ok(())
    }

    /// Returns the worksheet with its frozen header, autofilter and widths.
    fn finish(self) -> Result<Worksheet, XlsxError> {
        let Self { mut worksheet, rows, widths, .. } = self;
        worksheet.set_freeze_panes(1, 0)?;
        // A print has the header on each page, and is as wide as one.
        worksheet.set_repeat_rows(0, 0)?.set_landscape().set_print_fit_to_pages(1, 0);
        for (column, width) in (0..).zip(&widths) {
            let width = (width + 1).clamp(*WIDTHS.start(), *WIDTHS.end());
            worksheet.set_column_width(column, u32::try_from(width).unwrap_or_default())?;
        }
        if let Some(last) = u16::try_from(widths.len()).ok().and_then(|columns| columns.checked_sub(1)) {
            worksheet.autofilter(0, 0, rows - 1, last)?;
        }
        Ok(worksheet)
    }
}

fn write_number<'a>(
    sheet: &'a mut Worksheet,
    row: u32,
    column: u16,
    number: f64,
    format: Option<&Format>,
) -> Result<&'a mut Worksheet, XlsxError> {
    match format {
        Some(format) => sheet.write_number_with_format(row, column, number, format),
        None => sheet.write_number(row, column, number),
    }
}

/// Converts an integer up to [`MAX_INTEGER`].
#[expect(clippy::cast_precision_loss, reason = "15 digits fit")]
fn exact_float(number: u64) -> f64 {
    number as f64
}

enum Value<'a> {
    Empty,
    Text(Cow<'a, str>),
    Bool(bool),
    Id(u64),
    Count(u64),
    Delta(i64),
    Decimal(f64),
    Date(ExcelDateTime),
}

impl<'a> Value<'a> {
    fn of(row: &'a Row, column: &Column) -> Self {
        match row.cell(column) {
            Cell::Null => Self::Empty,
            Cell::Text(text)
                if matches!(column, Column::Own(ColumnSpec { value: ValueType::Timestamp, .. })) =>
            {
                text.parse().ok().and_then(Self::date).unwrap_or(Self::Text(text))
            }
            Cell::Text(text) => Self::cell_text(text),
            Cell::Number(number) if number > MAX_INTEGER => Self::Text(number.to_string().into()),
            Cell::Number(number) if column.role() == Role::Technical => Self::Id(number),
            Cell::Number(number) => Self::Count(number),
            Cell::Delta(by) if by.unsigned_abs() > MAX_INTEGER => Self::Text(by.to_string().into()),
            Cell::Delta(by) => Self::Delta(by),
            Cell::Bool(flag) => Self::Bool(flag),
        }
    }

    /// Returns None for a time that Excel does not have. It has the years 1900 to 9999, and the first months have wrong dates.
    fn date(at: Timestamp) -> Option<Self> {
        let date = ExcelDateTime::from_timestamp(at.as_second()).ok();
        date.filter(|_| at.as_second() >= FIRST_CORRECT_DATE).map(Self::Date)
    }

    /// Returns text as a cell can hold it. Excel ends lines with a line feed, and counts UTF-16 code units.
    fn cell_text(text: Cow<'a, str>) -> Self {
        let text = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { text };
        // UTF-8 is never shorter.
        if text.len() <= MAX_CELL || text.encode_utf16().count() <= MAX_CELL {
            return Self::Text(text);
        }
        let mut units = 0;
        let fits = |c: &char| {
            units += c.len_utf16();
            units < MAX_CELL
        };
        Self::Text(text.chars().take_while(fits).chain(['…']).collect())
    }

    fn total(total: Total) -> Self {
        match total.sum {
            None => Self::Text("–".into()),
            Some(sum) if sum > MAX_INTEGER => Self::Text(sum.to_string().into()),
            Some(sum) => Self::Count(sum),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the width of the cell, in characters.
    fn width(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Text(text) => text.lines().map(str::width).max().unwrap_or_default(),
            Self::Bool(_) => 5,
            Self::Id(number) => digits(*number),
            // Separators, and the sign of a difference.
            Self::Count(number) => digits(*number) * 4 / 3,
            Self::Delta(by) => digits(by.unsigned_abs()) * 4 / 3 + 1,
            Self::Decimal(_) => 10,
            Self::Date(_) => DATE_FORMAT.len(),
        }
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Seconds of 1900-03-01. Excel has a 1900-02-29 before it.
const FIRST_CORRECT_DATE: i64 = -2_203_891_200;

const DATE_FORMAT: &str = "yyyy-mm-dd hh:mm:ss \"UTC\"";

struct Formats {
    heading: Format,
    /// Text that would become a formula if the cell were edited.
    quoted: Format,
    id: Format,
    count: Format,
    delta: Format,
    decimal: Format,
    date: Format,
}

impl Default for Formats {
    fn default() -> Self {
        Self {
            heading: Format::new().set_bold().set_quote_prefix(),
            quoted: Format::new().set_quote_prefix(),
            id: Format::new().set_num_format("0"),
            count: Format::new().set_num_format("#,##0"),
            delta: Format::new().set_num_format("+#,##0;-#,##0;0"),
            decimal: Format::new().set_num_format("0.000"),
            date: Format::new().set_num_format(DATE_FORMAT),
        }
    }
}

impl Formats {
    fn of(&self, value: &Value<'_>) -> Option<&Format> {
        match value {
            Value::Text(text) => is_formula(text).then_some(&self.quoted),
            Value::Empty | Value::Bool(_) => None,
            Value::Id(_) => Some(&self.id),
            Value::Count(_) => Some(&self.count),
            Value::Delta(_) => Some(&self.delta),
            Value::Decimal(_) => Some(&self.decimal),
            Value::Date(_) => Some(&self.date),
        }
    }
}

fn group_sheets(groups: &GroupTotals, workbook: &mut Workbook, formats: &Formats) -> io::Result<Sheets> {
    let headings = [groups.by(), "logins", "counted", "public_repos", "note"];
    let mut sheets = Sheets::new("Groups", headings.map(str::to_owned).into());
    for (name, subtotal) in groups.sorted() {
        sheets.begin_row(workbook, formats)?;
        for value in [
            Value::cell_text(groups.label(name).into()),
            Value::Count(subtotal.logins),
            Value::Count(subtotal.counted),
            Value::total(subtotal.public_repos),
            note(subtotal.public_repos),
        ] {
            sheets.write(&value, None, formats)?;
        }
    }
    Ok(sheets)
}

/// Returns the note beside a sum that lacks a count.
fn note(total: Total) -> Value<'static> {
    match total {
        Total { sum: Some(_), is_partial: true } => Value::Text("at least: some were not counted".into()),
        _ => Value::Empty,
    }
}

/// A row of the sheet of totals.
struct Figure<'a> {
    name: Cow<'a, str>,
    value: Value<'a>,
    note: Value<'a>,
}

impl<'a> Figure<'a> {
    fn new(name: impl Into<Cow<'a, str>>, value: Value<'a>) -> Self {
        Self { name: name.into(), value, note: Value::Empty }
    }

    fn sum(name: impl Into<Cow<'a, str>>, total: Total) -> Self {
        Self { name: name.into(), value: Value::total(total), note: note(total) }
    }

    fn text(name: &'static str, text: Option<&'a str>) -> Option<Self> {
        Some(Self::new(name, Value::cell_text(text?.into())))
    }
}

fn total_sheets(figures: Vec<Figure<'_>>, workbook: &mut Workbook, formats: &Formats) -> io::Result<Sheets> {
    let mut sheets = Sheets::new("Totals", ["total", "value", "note"].map(str::to_owned).into());
    for Figure { name, value, note } in figures {
        sheets.begin_row(workbook, formats)?;
        for value in [Value::Text(name), value, note] {
            sheets.write(&value, None, formats)?;
        }
    }
    Ok(sheets)
}

/// Returns the totals of the run, then its facts.
fn figures<'a>(summary: &Summary, columns: &'a Columns, meta: &'a Meta) -> Vec<Figure<'a>> {
    let mut figures = vec![Figure::new("Logins", Value::Count(summary.asked))];
    for (status, number) in summary.by_status() {
        let label = if status == Status::Ok { "counted" } else { status.label() };
        figures.push(Figure::new(capitalize(label), Value::Count(number)));
    }
    for column in columns.iter() {
        if let Some((sum, heading)) = summary.sum(column).zip(column.heading()) {
            figures.push(Figure::sum(heading, sum));
        }
    }
    if let Some(changes) = &summary.changes {
        let counted =
            changes.by_change().map(|(label, number)| Figure::new(capitalize(label), Value::Count(number)));
        figures.extend(counted);
        figures.push(Figure::sum("Repositories added", changes.repositories_added));
        figures.push(Figure::sum("Repositories removed", changes.repositories_removed));
    }
    let counts = [
        ("Duplicates dropped", summary.totals.duplicates),
        ("Kept from an earlier run", summary.totals.kept),
        ("Requests", summary.totals.requests),
        ("Points", summary.totals.points),
    ];
    figures.extend(
        counts.into_iter().filter_map(|(name, number)| Some(Figure::new(name, Value::Count(number?)))),
    );
    figures.extend(summary.totals.seconds.map(|seconds| Figure::new("Seconds", Value::Decimal(seconds))));
    figures.push(Figure::new("Complete", Value::Bool(summary.complete)));
    figures.extend(Value::date(meta.started).map(|started| Figure::new("Started", started)));
    let facts = [
        ("API", meta.api.as_deref()),
        ("Baseline", meta.baseline.as_deref()),
        ("Command", meta.command.as_deref()),
        ("Generator", Some(meta.generator.as_str())),
    ];
    figures.extend(facts.into_iter().filter_map(|(name, text)| Figure::text(name, text)));
    figures
}

fn properties(meta: &Meta) -> DocProperties {
    let properties = DocProperties::new().set_author(&meta.generator);
    match ExcelDateTime::from_timestamp(meta.started.as_second()) {
        Ok(started) => properties.set_creation_datetime(&started),
        Err(_) => properties,
    }
}

/// Returns the error of the output or of a temporary file.
fn io_error(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        XlsxError::ZipError(error) => error.into(),
        XlsxError::TempFileError(folder, error) => {
            let (folder, reason) = (folder.display(), io_message(&error));
            io::Error::new(
                error.kind(),
                format!("no temporary file in {folder}: {reason}; set TMPDIR to another folder"),
            )
        }
        error => io::Error::other(error),
    }
}

/// Room for temporary files.
mod room {
    use std::io;

    pub(super) const BYTES_BETWEEN_CHECKS: usize = 1 << 20;

    /// Checks that there is room for the rows until the next check: `rust_xlsxwriter` panics if it cannot write to its
    /// temporary file.
    #[cfg(unix)]
    pub(super) fn check() -> io::Result<()> {
        const MIN_FREE: u64 = 16 << 20;
        let folder = std::env::temp_dir();
        match rustix::fs::statvfs(&folder) {
            Ok(stat) if stat.f_bavail.saturating_mul(stat.f_frsize) < MIN_FREE => {
                let reason = format!(
                    "no room for temporary files in {}; set TMPDIR to another folder",
                    folder.display()
                );
                Err(io::Error::new(io::ErrorKind::StorageFull, reason))
            }
            _ => Ok(()),
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
    pub(super) fn check() -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
