//! Saved reports: NDJSON, JSON, CSV and TSV files that are read back.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::columns::Text;
use super::{
    COLUMNS, Cell, ColumnSpec, EXTRA_KEY, GROUP_DELIMITER, ReportSchema, Role, Row, RunTotals, ValueType,
    add_groups, groups_in, is_reserved,
};
use crate::decode::Decoder;
use crate::object::Object;
use crate::partial::target_of;
use crate::text::{self, is_formula, sanitize_line, sanitize_multiline};

/// Upper bound on one row, in bytes.
const MAX_ROW: u64 = 16 << 20;

/// Upper bound on a JSON report, in bytes: about ten million rows.
const MAX_JSON: u64 = 4 << 30;

/// Upper bound on the extra columns of a report, because each row has room for all of them.
const MAX_COLUMNS: usize = 1000;

/// A file that is not a report, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} as a report: {reason}", text::redact_url(&path.display().to_string()))]
pub(crate) struct ReadReportError {
    path: PathBuf,
    reason: String,
}

/// A report that was read back.
#[derive(Clone, Debug, Default)]
pub(crate) struct SavedReport {
    /// Rows in their order, one for each login.
    pub(crate) rows: Vec<Row>,
    pub(crate) schema: ReportSchema,
    pub(crate) totals: Option<RunTotals>,
    pub(crate) meta: Option<Value>,
    /// Number of `--top`, which only a JSON report has. With as many rows it may lack others.
    pub(crate) top: Option<usize>,
    /// A column of [`BASELINE_KEYS`] that the report does not have.
    pub(crate) missing_key: Option<&'static str>,
    /// CSV or TSV, in which several groups are one text.
    is_sheet: bool,
}

/// Columns of a CSV or TSV report. A report without ids would become a baseline without them.
const REQUIRED_COLUMNS: &str = "a report requires login, status, id and public_repos";

/// Columns of a baseline, in addition to those of every report.
const BASELINE_KEYS: [&str; 2] = ["id", "public_repos"];

impl RunTotals {
    fn plus(self, other: Self) -> Self {
        fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
            Some(one?.saturating_add(other?))
        }
        Self {
            duplicates: sum(self.duplicates, other.duplicates),
            kept: sum(self.kept, other.kept),
            no_longer_asked: sum(self.no_longer_asked, other.no_longer_asked),
            requests: sum(self.requests, other.requests),
            points: sum(self.points, other.points),
            seconds: self.seconds.zip(other.seconds).map(|(one, other)| one + other),
        }
    }
}

impl SavedReport {
    /// Reads a report in the format of its extension, before a `.partial`; NDJSON if the extension is unknown.
    pub(crate) fn read(path: &Path) -> Result<Self, ReadReportError> {
        let mut report =
            Self::parse(path).map_err(|reason| ReadReportError { path: path.to_owned(), reason })?;
        // The journal of a run that was killed may have a login twice.
        report.remove_duplicates(None);
        Ok(report)
    }

    fn parse(path: &Path) -> Result<Self, String> {
        let target = target_of(path);
        let name = target.as_deref().unwrap_or(path);
        let extension = name.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let file = fs::File::open(path).map_err(|error| text::io_message(&error))?;
        match extension.as_deref() {
            Some("json") => parse_json(file),
            Some("csv" | "tsv") => parse_csv(file, target.is_some()),
            Some("md" | "markdown" | "html" | "htm" | "prom" | "xlsx") => {
                Err("only .ndjson, .json, .csv and .tsv can be read again".into())
            }
            _ => parse_ndjson(file, target.is_some()),
        }
    }

    /// Reads several reports, and merges them. `group_by` is the name of the column whose groups are added up.
    pub(crate) fn read_all(paths: &[PathBuf], group_by: Option<&str>) -> Result<Self, ReadReportError> {
        let mut reports = paths.iter().map(|path| Self::read_part(path, group_by));
        let mut all = reports.next().transpose()?.unwrap_or_default();
        for report in reports {
            all.merge(report?);
        }
        let column = group_by.and_then(|name| all.schema.carried_index(name));
        all.remove_duplicates(column);
        Ok(all)
    }

    fn read_part(path: &Path, group_by: Option<&str>) -> Result<Self, ReadReportError> {
        let report = Self::read(path)?;
        match report.missing_key.filter(|_| report.is_sheet) {
            Some(key) => {
                let reason = format!("it has no column {key}; {REQUIRED_COLUMNS}");
                Err(ReadReportError { path: path.to_owned(), reason })
            }
            None => Ok(report.with_groups(group_by)),
        }
    }

    /// Splits the cells of the column with the groups, which CSV and TSV have as one text.
    fn with_groups(mut self, group_by: Option<&str>) -> Self {
        let column = group_by.filter(|_| self.is_sheet).and_then(|name| self.schema.carried_index(name));
        if let Some(column) = column {
            for cell in self.rows.iter_mut().filter_map(|row| row.carried.get_mut(column)) {
                let text = cell.take().unwrap_or_default();
                add_groups(cell, text.split(GROUP_DELIMITER));
            }
        }
        self
    }

    fn merge(&mut self, mut other: Self) {
        let names = &mut self.schema.carried;
        for name in &other.schema.carried {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let others = &other.schema.carried;
        let indices: Vec<_> =
            names.iter().map(|name| others.iter().position(|other| other == name)).collect();
        for row in &mut other.rows {
            row.carried = indices.iter().map(|index| row.carried.get((*index)?).cloned().flatten()).collect();
        }
        self.schema.add(&other.schema);
        self.rows.append(&mut other.rows);
        self.totals = self.totals.zip(other.totals).map(|(one, other)| one.plus(other));
        self.meta = None;
        self.top = self.top.into_iter().chain(other.top).min();
        self.missing_key = self.missing_key.or(other.missing_key);
    }

    /// Keeps one row for each login: at the first position, the last answer, else the last row. A login that is missing
    /// from one shard may be present in another.
    ///
    /// With a column of groups the row has those of all its rows.
    fn remove_duplicates(&mut self, group_column: Option<usize>) {
        fn rank(row: &Row) -> (bool, bool) {
            (!row.is_removed(), row.is_answer())
        }
        let mut indices = HashMap::<Box<str>, usize>::with_capacity(self.rows.len());
        // In place, because a second list of a million rows takes 300 MB.
        let mut kept = 0;
        for at in 0..self.rows.len() {
            let (before, rest) = self.rows.split_at_mut(at);
            let Some(row) = rest.first_mut() else { break };
            let first = *indices.entry(row.key()).or_insert(kept);
            if first == kept {
                kept += 1;
                self.rows.swap(first, at);
                continue;
            }
            let Some(earlier) = before.get_mut(first) else { continue };
            let mut cell = group_column.and_then(|column| earlier.carried.get_mut(column)?.take());
            if let Some(more) = group_column.and_then(|column| row.carried.get(column)?.as_deref()) {
                add_groups(&mut cell, groups_in(more));
            }
            if rank(row) >= rank(earlier) {
                std::mem::swap(earlier, row);
            }
            if let (Some(column), Some(_)) = (group_column, &cell) {
                let mut cells = std::mem::take(&mut earlier.carried).into_vec();
                cells.resize(cells.len().max(column + 1), None);
                cells.get_mut(column).into_iter().for_each(|groups| groups.clone_from(&cell));
                earlier.carried = cells.into();
            }
        }
        self.rows.truncate(kept);
        // Removed logins are last, also behind the rows of another part. Sorting needs memory.
        if !self.rows.is_sorted_by_key(Row::is_removed) {
            self.rows.sort_by_key(Row::is_removed);
        }
    }
}

/// The last line of an unfinished report may be cut off.
fn parse_ndjson(file: fs::File, is_partial: bool) -> Result<SavedReport, String> {
    let mut reader = Decoder::new(file);
    let (mut report, mut line, mut number) = (JsonRows::default(), Vec::new(), 0_u64);
    loop {
        line.clear();
        number += 1;
        let length = reader.by_ref().take(MAX_ROW).read_until(b'\n', &mut line);
        if length.map_err(|error| text::io_message(&error))? == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            let row = report.add(line.trim_ascii());
            if row.is_err() && is_partial && !line.ends_with(b"\n") {
                break;
            }
            row.map_err(|reason| match &*line {
                [b'{', b'\n' | b'\r', ..] => "it is one object: its name has to end in .json".to_owned(),
                _ => format!("line {number} is not a row ({reason})"),
            })?;
        }
    }
    Ok(report.report)
}

fn parse_json(file: fs::File) -> Result<SavedReport, String> {
    #[derive(Deserialize)]
    struct Document<'a> {
        meta: Option<Value>,
        #[serde(borrow)]
        rows: Vec<&'a RawValue>,
        summary: Option<RunTotals>,
    }
    let mut text = String::new();
    let length = Decoder::new(file).take(MAX_JSON).read_to_string(&mut text);
    let length = length.map_err(|error| text::io_message(&error))?;
    if length as u64 == MAX_JSON {
        return Err(format!("it is longer than {} GiB", MAX_JSON >> 30));
    }
    if text.trim().is_empty() {
        return Err("it is empty".into());
    }
    let Object(document): Object<Document<'_>> = serde_json::from_str(&text).map_err(|error| {
        let reason = json_message(&error);
        match error.classify() {
            Category::Data if text.trim().contains("}\n{") => {
                format!("it has one object per line: its name has to end in .ndjson ({reason})")
            }
            Category::Data => format!("it is not a report ({reason})"),
            _ => format!("line {} is {reason}", error.line()),
        }
    })?;
    let mut report = JsonRows::default();
    for (number, row) in (1..).zip(&document.rows) {
        let row = report.add(row.get().as_bytes());
        row.map_err(|reason| format!("row {number} is invalid ({reason})"))?;
    }
    let top = document.meta.as_ref().and_then(|meta| usize::try_from(meta.get("top")?.as_u64()?).ok());
    Ok(SavedReport { totals: document.summary, meta: document.meta, top, ..report.report })
}

/// Rows of a JSON report so far. Each may have other extra columns: a row has room for those up to its last one.
#[derive(Default)]
struct JsonRows {
    report: SavedReport,
    column_indices: HashMap<String, usize>,
}

impl JsonRows {
    fn add(&mut self, json: &[u8]) -> Result<(), String> {
        let ParsedRow { mut row, schema, extra_cells, missing_key } = ParsedRow::parse(json)?;
        self.report.schema.add(&schema);
        self.report.missing_key = self.report.missing_key.or(missing_key);
        let names = &mut self.report.schema.carried;
        let mut carried = vec![None; names.len().max(extra_cells.len())];
        for (name, text) in extra_cells {
            let index = *self.column_indices.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                names.len() - 1
            });
            if let Some(cell) = carried.get_mut(index) {
                *cell = text;
            }
        }
        if names.len() > MAX_COLUMNS {
            return Err(format!("it carries more than {MAX_COLUMNS} columns"));
        }
        row.carried = carried.into();
        self.report.rows.push(row);
        Ok(())
    }
}

impl Row {
    /// Parses a line of an NDJSON report with the extra columns `carried`. The error is the reason why it is not a row.
    pub(crate) fn parse(line: &[u8], carried: &[String]) -> Result<Self, String> {
        Self::parse_with_schema(line, carried).map(|(row, _)| row)
    }

    /// Like [`Row::parse`], with the columns that the line has.
    pub(crate) fn parse_with_schema(line: &[u8], carried: &[String]) -> Result<(Self, ReportSchema), String> {
        let ParsedRow { mut row, schema, extra_cells, .. } = ParsedRow::parse(line)?;
        let mut extra_cells: HashMap<_, _> = extra_cells.into_iter().collect();
        row.carried = carried.iter().map(|name| extra_cells.remove(name).flatten()).collect();
        Ok((row, schema))
    }
}

/// A row of a JSON report, and the columns that it has. Its extra cells are not in the row yet.
struct ParsedRow {
    row: Row,
    schema: ReportSchema,
    extra_cells: Vec<(String, Option<Box<str>>)>,
    missing_key: Option<&'static str>,
}

impl ParsedRow {
    fn parse(json: &[u8]) -> Result<Self, String> {
        let Object(entries): Object<HashMap<Text<'_>, &RawValue>> =
            serde_json::from_slice(json).map_err(|error| json_message(&error))?;
        let mut schema = ReportSchema::default();
        let mut cells = [const { None }; COLUMNS.len()];
        let mut extra_cells = Vec::new();
        // Unknown keys are of a later version.
        for (spec, cell) in COLUMNS.iter().zip(&mut cells) {
            let Some(value) = entries.get(&Text(spec.key.into())) else { continue };
            if spec.key == EXTRA_KEY {
                let Object(extra): Object<Map<String, Value>> =
                    serde_json::from_str(value.get()).map_err(|error| json_message(&error))?;
                for (name, value) in extra {
                    extra_cells.push((sanitize_line(&name).into_owned(), extra_cell(&value)?));
                }
                continue;
            }
            *cell = Some(Cell::parse(value.get()).map_err(|error| json_message(&error))?);
            schema.add_group_of(spec);
        }
        let missing_key = missing_key(|index| cells.get(index).is_some_and(Option::is_some));
        Ok(Self { row: Row::from_cells(&cells)?, schema, extra_cells, missing_key })
    }
}

/// Reads an extra cell: text, null, or an array of groups.
fn extra_cell(value: &Value) -> Result<Option<Box<str>>, String> {
    let texts = match value {
        Value::Null => return Ok(None),
        Value::String(text) => return Ok(Some(sanitize_multiline(text).into())),
        Value::Array(groups) => groups.iter().map(|group| group.as_str().map(sanitize_multiline)).collect(),
        _ => None,
    };
    let groups: Vec<_> = texts.ok_or_else(|| format!("invalid {EXTRA_KEY}: {value}"))?;
    let mut cell = None;
    add_groups(&mut cell, groups.iter().map(|group| &**group));
    Ok(cell)
}

/// Returns the first of [`BASELINE_KEYS`] whose column, by its index in [`COLUMNS`], is not present.
fn missing_key(is_present: impl Fn(usize) -> bool) -> Option<&'static str> {
    let mut columns = COLUMNS.iter().enumerate().filter(|(_, spec)| BASELINE_KEYS.contains(&spec.key));
    columns.find(|(index, _)| !is_present(*index)).map(|(_, spec)| spec.key)
}

/// Returns the message of an error without the position in a row, which is one line.
fn json_message(error: &serde_json::Error) -> String {
    match error.classify() {
        Category::Eof => return "cut off".to_owned(),
        Category::Syntax => return "not JSON".to_owned(),
        Category::Data | Category::Io => {}
    }
    let text = error.to_string();
    sanitize_line(text.split(" at line ").next().unwrap_or_default()).into_owned()
}

/// Parses CSV or TSV. Columns that the program does not define are extra columns.
/// The last row of a partial file is left out if it was cut off.
fn parse_csv(mut file: fs::File, is_partial: bool) -> Result<SavedReport, String> {
    // A number that was cut off is a number. A pipe has no end to look at.
    let mut last = [b'\n', 0];
    if file.seek(SeekFrom::End(-2)).is_ok() {
        file.read_exact(&mut last).map_err(|error| text::io_message(&error))?;
        file.rewind().map_err(|error| text::io_message(&error))?;
    }
    // The second byte of a line end in UTF-16 is zero.
    let has_no_end = last[1] != b'\n' && last != *b"\n\0";
    let mut text = Decoder::new(file);
    let delimiter = header_delimiter(text.fill_buf().map_err(|error| text::io_message(&error))?);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.take(MAX_ROW));
    let header = reader.headers().map_err(|error| csv_message(&error))?.iter().map(strip_formula_guard);
    let header: Vec<_> = header.map(|name| sanitize_line(name).into_owned()).collect();
    // A truncated row has too few fields, unless it was truncated in the last one.
    if has_no_end
        && !is_partial
        && !header.last().is_some_and(|name| matches!(name.as_str(), "attempts" | "exchange"))
    {
        return Err("its last line has no end: it was cut off".into());
    }
    if header.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(key) =
        ["login", "status", "public_repos"].iter().find(|key| !header.iter().any(|name| name == *key))
    {
        return Err(format!("it has no column {key}; {REQUIRED_COLUMNS}"));
    }
    // The first of two columns of the same name is read.
    let own = COLUMNS.each_ref().map(|spec| (spec, header.iter().position(|name| name == spec.key)));
    let extra: Vec<_> = header.iter().enumerate().filter(|(_, name)| !is_own_header(name)).collect();
    let mut report = SavedReport {
        missing_key: missing_key(|index| own.get(index).is_some_and(|(_, at)| at.is_some())),
        is_sheet: true,
        ..SavedReport::default()
    };
    report.schema.carried = extra.iter().map(|(_, name)| (*name).clone()).collect();
    own.iter().filter(|(_, at)| at.is_some()).for_each(|(spec, _)| report.schema.add_group_of(spec));
    let mut next = read_row(&mut reader);
    while !matches!(next, Ok(None)) {
        let row = std::mem::replace(&mut next, read_row(&mut reader));
        // A row that was cut off may have too few cells.
        if has_no_end && is_partial && matches!(next, Ok(None)) {
            break;
        }
        let Some(record) = row? else { break };
        let cells = own.map(|(spec, at)| Some(csv_cell(record.get(at?)?, spec)));
        let mut row = Row::from_cells(&cells)
            .map_err(|reason| format!("row {}: {reason}", row_number(record.position())))?;
        let cells = extra.iter().map(|(at, _)| record.get(*at).filter(|cell| !cell.is_empty()));
        row.carried = cells.map(|cell| Some(sanitize_multiline(strip_formula_guard(cell?)).into())).collect();
        report.rows.push(row);
    }
    Ok(report)
}

/// Returns the next row, of at most [`MAX_ROW`] bytes: a quote that is never closed has no end.
fn read_row<R: BufRead>(reader: &mut csv::Reader<io::Take<R>>) -> Result<Option<csv::StringRecord>, String> {
    let mut record = csv::StringRecord::new();
    reader.get_mut().set_limit(MAX_ROW);
    let is_read = reader.read_record(&mut record);
    if reader.get_ref().limit() == 0 {
        return Err(format!("it has a row of more than {} MiB", MAX_ROW >> 20));
    }
    Ok(is_read.map_err(|error| csv_message(&error))?.then_some(record))
}

fn csv_cell<'a>(text: &'a str, spec: &ColumnSpec) -> Cell<'a> {
    match spec.value {
        _ if text.is_empty() && spec.role != Role::Login => Cell::Null,
        ValueType::Text => Cell::Text(strip_formula_guard(text).into()),
        ValueType::Number | ValueType::SmallNumber => {
            text.parse().map_or(Cell::Text(text.into()), Cell::Number)
        }
        // Spreadsheets change the spelling of flags.
        ValueType::Bool => text.parse().map_or(Cell::Null, Cell::Bool),
        ValueType::Delta => text.parse().map_or(Cell::Text(text.into()), Cell::Delta),
        // Spreadsheets rewrite times.
        ValueType::Timestamp if text.parse::<jiff::Timestamp>().is_err() => Cell::Null,
        ValueType::Label | ValueType::Timestamp | ValueType::Object => Cell::Text(text.into()),
    }
}

/// Returns the delimiter of the first line: spreadsheet programs write that of their locale. It separates the most columns of ours; a
/// column of the input may have any other delimiter in its name.
fn header_delimiter(text: &[u8]) -> u8 {
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    let own_columns = |delimiter: &u8| {
        let names = header.split(char::from(*delimiter)).map(|name| name.trim().trim_matches('"'));
        names.filter(|name| is_own_header(name)).count()
    };
    [b'\t', b';', b','].into_iter().max_by_key(own_columns).unwrap_or(b',')
}

/// Returns true for the names of [`COLUMNS`], which are in lower case.
fn is_own_header(name: &str) -> bool {
    is_reserved(name) && !name.contains(|c: char| c.is_ascii_uppercase())
}

/// Returns the number of a row as spreadsheets show it: the header is row 1.
fn row_number(position: Option<&csv::Position>) -> u64 {
    position.map_or(0, |position| position.record() + 1)
}

fn csv_message(error: &csv::Error) -> String {
    let row = row_number(error.position());
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "row {row} has {}, and the header has {expected_len}",
                text::pluralize(*len, "cell", "cells")
            )
        }
        csv::ErrorKind::Utf8 { .. } => format!("row {row} is not text in UTF-8"),
        csv::ErrorKind::Io(error) => text::io_message(error),
        _ => sanitize_line(&error.to_string()).into_owned(),
    }
}

/// Removes the apostrophe that keeps a spreadsheet from reading text as a formula.
fn strip_formula_guard(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|text| is_formula(text)).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, RowOrder, TerminalStyle, sample};
    use crate::report::{Columns, CountSelection};

    #[test]
    fn ndjson_rows_are_read_back() {
        let columns = Columns::of(&ReportSchema {
            counts: CountSelection { breakdown: true, private: true, last_push: true },
            verified: true,
            ..ReportSchema::default()
        });
        let ndjson =
            sample::report_of(columns, Format::Ndjson, RowOrder::default(), TerminalStyle::default());
        for (line, row) in ndjson.lines().zip(sample::rows()) {
            assert_eq!(Row::parse(line.as_bytes(), &[]).unwrap(), row, "{line}");
        }
        let spaced = ndjson.lines().next().unwrap().replace("\":", "\": ").replace(",\"", ", \"");
        assert_eq!(Row::parse(spaced.as_bytes(), &[]).unwrap(), sample::rows()[0]);
    }

    #[test]
    fn delimiters_in_the_name_of_a_column_do_not_separate() {
        for (header, delimiter) in [
            ("login,status,public_repos,id", b','),
            ("login;a,b,c,d,e,f;status;public_repos;id", b';'),
            ("login\ta,,,,,,,\tstatus\tpublic_repos\tid", b'\t'),
            ("\"login\",\"a;;;;;;;;b\",\"status\",\"public_repos\",\"id\"\r\nx", b','),
        ] {
            assert_eq!(header_delimiter(header.as_bytes()), delimiter, "{header}");
        }
    }

    #[test]
    fn an_invalid_row_has_a_reason() {
        for (line, reason) in [
            ("", "cut off"),
            ("[\"a\",\"skipped\"]", "invalid type: sequence, expected an object"),
            ("{\"login\":\"a\"}", "missing field `status`"),
            ("{\"level\":\"info\"}", "missing field `login`"),
            ("{\"login\":\"a\",\"status\":\"fine\"}", "invalid status: \"fine\""),
            ("{\"login\":\"a\",\"status\":\"\u{9d}ok\"}", "invalid status: \"\\u{9d}ok\""),
            ("{\"login\":\"a\",\"status\":\"ok\"}", "it is ok, but has no public_repos"),
            ("{\"login\":\"a\",\"status\":\"ok\",\"public_repos\":-1}", "invalid public_repos: -1"),
        ] {
            let told = Row::parse(line.as_bytes(), &[]).unwrap_err();
            assert!(told.starts_with(reason), "{line}: {told}");
        }
    }
}
