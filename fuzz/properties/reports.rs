//! Reports: every format has the same rows, for any text in a row.

mod metrics;
mod pages;
mod sheets;
mod workbooks;

#[cfg(test)]
pub(crate) use self::pages::rendered;

use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::bytes::ByteReader;
use super::is_a_line;
use crate::diff::Baseline;
use crate::render::{Format, Meta, ReportLayout, RowOrder, TerminalStyle, renderer};
use crate::report::{
    Columns, CountSelection, Event, ReportSchema, Row, SavedReport, Status, Summary, is_reserved,
};

const STATUSES: [Status; 7] = [
    Status::Ok,
    Status::NotFound,
    Status::Forbidden,
    Status::Invalid,
    Status::Failed,
    Status::Skipped,
    Status::Removed,
];

struct Report {
    columns: Columns,
    rows: Vec<Row>,
    summary: Summary,
}

/// Each format has the same rows, for a parser of that format and when the program reads the report back. No CSV cell is a
/// formula.
pub fn report(bytes: &[u8]) {
    let report = Report::of(&mut ByteReader::new(bytes));
    let table = report.rendered(Format::Table);
    assert!(table.lines().all(is_a_line), "{table:?}");
    for (format, ending, delimiter) in [(Format::Csv, "csv", b','), (Format::Tsv, "tsv", b'\t')] {
        let sheet = report.rendered(format);
        sheets::check(&sheet, delimiter, &report);
        report.assert_read_back(&sheet, ending);
    }
    workbooks::check(&report.rendered_bytes(Format::Xlsx), &report);
    let document = report.rendered(Format::Json);
    let parsed: Value = serde_json::from_str(&document).expect("a JSON report is JSON");
    report.assert_same_as(parsed["rows"].as_array().unwrap());
    report.assert_read_back(&document, "json");
    let lines = report.rendered(Format::Ndjson);
    report.assert_same_as(&lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>());
    report.assert_read_back(&lines, "ndjson");
    pages::page(&report.rendered(Format::Html), &report);
    pages::markdown(&report.rendered(Format::Markdown), &report);
    metrics::check(&report.rendered(Format::Openmetrics), &report);
}

/// Any file is read as a report, or rejected in one line that names it. A report that was read has no control characters, and is
/// the same when it is written and read again. The first byte selects the format.
pub fn saved_report(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else { return };
    let (ending, format) =
        [("csv", Format::Csv), ("tsv", Format::Tsv), ("json", Format::Json), ("ndjson", Format::Ndjson)]
            [usize::from(kind % 4)];
    let mut file = tempfile::Builder::new().suffix(&format!(".{ending}")).tempfile().unwrap();
    file.write_all(content).unwrap();
    let SavedReport { schema, mut rows, .. } = match SavedReport::read(file.path()) {
        Ok(finished) => finished,
        Err(error) => {
            let error = error.to_string();
            assert!(is_a_line(&error) && error.contains(&*file.path().to_string_lossy()), "{error:?}");
            return;
        }
    };
    compare_with_itself(&rows);
    let mut summary = Summary::default();
    for row in &mut rows {
        if !schema.change {
            row.was = None;
        }
        summary.add(row);
    }
    let report = Report { columns: Columns::of(&schema), rows, summary };
    let table = report.rendered(Format::Table);
    assert!(table.lines().all(is_a_line), "{table:?}");
    report.assert_read_back(&report.rendered(format), ending);
}

/// A report has no changes since itself, nor since two nights without a response that were compared with it.
fn compare_with_itself(rows: &[Row]) {
    let rows: Vec<_> = rows.iter().filter(|row| !row.is_removed()).cloned().collect();
    let mut baseline = Baseline::of("itself".into(), rows.clone());
    for night in 0..3 {
        for row in &rows {
            let mut again = row.clone();
            baseline.compare(&mut again);
            let is_same = match (row.public_repos, row.status) {
                (Some(_), _) => again.change == Some(0) && again.event.is_none(),
                (None, Status::NotFound) if night > 0 => true,
                (None, _) => again.change.is_none() && again.event == Some(Event::Unknown),
            };
            assert!(is_same && again.previous_login.is_none(), "night {night}: {again:?}");
        }
        assert!(baseline.removed_rows(None).is_empty());
        let failed = rows.iter().map(|row| match row.status {
            Status::Invalid => row.clone(),
            _ => Row::without_count(&row.login, Status::Failed, "no response"),
        });
        let mut failed: Vec<_> = failed.collect();
        for row in &mut failed {
            baseline.compare(row);
        }
        baseline = Baseline::of("failed".into(), failed);
    }
}

impl Report {
    /// Makes a report from parsed rows, so that its text is sanitized.
    fn of(input: &mut ByteReader<'_>) -> Self {
        let mut names = Vec::new();
        for _ in 0..input.byte() % 3 {
            let name = crate::text::sanitize_line(input.text().trim()).into_owned();
            if !name.trim().is_empty() && !names.contains(&name) && !is_reserved(&name) {
                names.push(name);
            }
        }
        let mut rows = Vec::new();
        let mut summary = Summary { complete: true, ..Summary::default() };
        for at in 0..input.byte() % 8 {
            let line = line(input, at, &names).to_string();
            let row = Row::parse(line.as_bytes(), &names).expect("it was made a row");
            summary.add(&row);
            rows.push(row);
        }
        let columns = Columns::of(&ReportSchema {
            counts: CountSelection { breakdown: true, private: true, last_push: true },
            carried: names,
            change: true,
            verified: true,
            exchange: true,
        });
        Self { columns, rows, summary }
    }

    fn rendered(&self, format: Format) -> String {
        String::from_utf8(self.rendered_bytes(format)).expect("a report is text")
    }

    fn rendered_bytes(&self, format: Format) -> Vec<u8> {
        let out = Shared::default();
        let layout = ReportLayout {
            columns: self.columns.clone(),
            order: RowOrder::default(),
            style: TerminalStyle::default(),
        };
        let meta = Meta { site: Some("github.com".into()), ..Meta::default() };
        let mut renderer = renderer(format, &layout, &meta, BufWriter::new(Box::new(out.clone())));
        for row in &self.rows {
            renderer.row(row).unwrap();
        }
        renderer.finish(&self.summary).unwrap();
        out.0.lock().unwrap().clone()
    }

    /// Asserts that JSON objects have the values of the rows.
    fn assert_same_as(&self, objects: &[Value]) {
        assert_eq!(objects.len(), self.rows.len());
        for (object, row) in objects.iter().zip(&self.rows) {
            assert_eq!(object["login"], row.login);
            assert_eq!(object["status"], row.status.as_str());
            assert_eq!(object["public_repos"], json!(row.public_repos));
            assert_eq!(object["private_repos"], json!(row.private_repos));
            assert_eq!(object["last_push"], json!(row.last_push));
            assert_eq!(object["error"], json!(row.error));
            for (name, text) in self.columns.carried().iter().zip(&row.carried) {
                assert_eq!(object["carried"][name], json!(text));
            }
        }
    }

    /// Asserts that the program reads the report back, unless a login is in it twice.
    fn assert_read_back(&self, report: &str, ending: &str) {
        let keys: HashSet<_> = self.rows.iter().map(Row::key).collect();
        if keys.len() < self.rows.len() || self.rows.is_empty() {
            return;
        }
        let mut file = tempfile::Builder::new().suffix(&format!(".{ending}")).tempfile().unwrap();
        file.write_all(report.as_bytes()).unwrap();
        let finished = SavedReport::read(file.path()).unwrap_or_else(|error| panic!("{error}: {report:?}"));
        assert_eq!(finished.schema.carried, self.columns.carried());
        let mut rows = self.rows.clone();
        rows.sort_by_key(Row::is_removed);
        if ending.ends_with("sv") {
            rows.iter_mut().for_each(sheets::without_empty_text);
        }
        assert_eq!(finished.rows, rows);
    }
}

/// Makes a row as a line of NDJSON.
fn line(input: &mut ByteReader<'_>, at: u8, names: &[String]) -> Value {
    let status = STATUSES[input.below(7)];
    let login = if status == Status::Invalid || input.byte().is_multiple_of(8) {
        input.text()
    } else {
        format!("user-{at}")
    };
    let repos = if status == Status::Ok { Some(input.number()) } else { None };
    let known = |input: &mut ByteReader<'_>, words: &[&str]| {
        input.maybe(|input| words[input.below(words.len())].to_owned())
    };
    let change = match input.byte() % 3 {
        0 => Value::Null,
        1 => json!(i64::from_le_bytes(std::array::from_fn(|_| input.byte()))),
        _ => json!(i64::from(input.byte()) - 128),
    };
    let has_parts = input.flag();
    let mut part = || has_parts.then(|| input.number());
    let (sources, forks, archived) = (part(), part(), part());
    let carried: Map<_, _> =
        names.iter().map(|name| (name.clone(), json!(input.maybe(ByteReader::text)))).collect();
    json!({
        "login": login,
        "status": status.as_str(),
        "type": known(input, &["user", "organization", "bot"]),
        "id": input.maybe(ByteReader::number),
        "public_repos": repos,
        "sources": sources,
        "forks": forks,
        "archived": archived,
        "private_repos": input.maybe(ByteReader::number),
        "last_push": input.maybe(|input| format!("20{:02}-02-28T23:59:59Z", input.byte() % 100)),
        "carried": carried,
        "was": input.maybe(ByteReader::number),
        "change": change,
        "event": known(input, &["new", "removed", "renamed", "replaced", "missing", "unknown"]),
        "previous_login": input.maybe(ByteReader::text),
        "verified": input.maybe(ByteReader::flag),
        "error": input.maybe(ByteReader::text),
        "api": known(input, &["graphql", "rest"]),
        "at": input.maybe(|input| format!("2026-11-22T12:00:{:02}Z", input.byte() % 60)),
        "attempts": input.byte(),
        "exchange": input.maybe(ByteReader::text),
    })
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
