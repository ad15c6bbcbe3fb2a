//! Finished reports, read again: NDJSON, JSON, CSV and TSV.

mod table;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use self::table::table;
use super::{CountSelection, ReportSchema, Row};
use crate::text::{self, sanitize_line};

/// No row of ours is as long, whatever it carries.
const MAX_LINE: u64 = 16 << 20;

/// Ten million rows.
const MAX_JSON: u64 = 4 << 30;

/// A file that is no report, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {} as a report: {reason}", text::redact_url(&path.display().to_string()))]
pub(crate) struct ReadReportError {
    path: PathBuf,
    reason: String,
}

/// A finished report.
#[derive(Clone, Debug, Default)]
pub(crate) struct SavedReport {
    /// Its rows, in their order; of several for a login the last answer.
    pub(crate) rows: Vec<Row>,
    /// What they hold.
    pub(crate) holds: ReportSchema,
    /// The totals that the rows do not tell, where the report has them.
    pub(crate) totals: Option<Totals>,
    /// What a JSON report says of its run.
    pub(crate) meta: Option<Value>,
}

/// What only the run itself knew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Totals {
    /// Logins that were named again.
    pub(crate) duplicates: Option<u64>,
    /// Rows that were kept from an earlier run.
    pub(crate) kept: Option<u64>,
    /// Rows of that run whose logins are in the roster no more.
    pub(crate) no_longer_asked: Option<u64>,
    /// Requests sent.
    pub(crate) requests: Option<u64>,
    /// Points spent.
    pub(crate) points: Option<u64>,
    /// Seconds taken.
    pub(crate) seconds: Option<f64>,
}

impl SavedReport {
    /// Reads a report, in the format of its extension; NDJSON where that tells none.
    ///
    /// # Errors
    /// [`ReadReportError`] names the file, and the line or row that makes no sense.
    pub(crate) fn read(path: &Path) -> Result<Self, ReadReportError> {
        let not = |reason| ReadReportError { path: path.to_owned(), reason };
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let file = fs::File::open(path).map_err(|error| not(text::io_message(&error)))?;
        match extension.as_deref() {
            Some("json") => json(file),
            Some("csv") => table(file, b','),
            Some("tsv") => table(file, b'\t'),
            Some("md" | "html" | "prom") => {
                Err("only .ndjson, .json, .csv and .tsv can be read again".into())
            }
            _ => ndjson(file),
        }
        .map(|mut finished| {
            // A journal whose run was killed may hold a login twice.
            finished.without_duplicates();
            finished
        })
        .map_err(not)
    }

    /// Reads several, and joins them.
    ///
    /// # Errors
    /// [`ReadReportError`] for the first that is none.
    pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Self, ReadReportError> {
        let mut all = Self::default();
        for (at, path) in paths.iter().enumerate() {
            let next = Self::read(path)?;
            if at == 0 {
                all = next;
            } else {
                all.join(next);
            }
        }
        all.without_duplicates();
        Ok(all)
    }

    fn join(&mut self, mut other: Self) {
        let holds = &mut self.holds;
        let new = other.holds.carried.iter().filter(|name| !holds.carried.contains(name)).cloned();
        let new: Vec<_> = new.collect();
        holds.carried.extend(new);
        holds.add(&other.holds);
        let place = |name: &String| other.holds.carried.iter().position(|other| other == name);
        let places: Vec<_> = holds.carried.iter().map(place).collect();
        for row in &mut other.rows {
            let carried = |at: &Option<usize>| row.carried.get((*at)?).cloned().flatten();
            row.carried = places.iter().map(carried).collect();
        }
        self.rows.append(&mut other.rows);
        let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
        self.totals = self.totals.zip(other.totals).map(|(one, other)| Totals {
            duplicates: sum(one.duplicates, other.duplicates),
            kept: sum(one.kept, other.kept),
            no_longer_asked: sum(one.no_longer_asked, other.no_longer_asked),
            requests: sum(one.requests, other.requests),
            points: sum(one.points, other.points),
            seconds: one.seconds.zip(other.seconds).map(|(one, other)| one + other),
        });
        self.meta = None;
    }

    /// Keeps one row a login: the first place, and the last answer, or the last row where there is none.
    /// Who is gone from one part of a roster may be in another.
    fn without_duplicates(&mut self) {
        let worth = |row: &Row| (!row.is_gone(), row.is_answer());
        let mut places = HashMap::<Box<str>, usize>::with_capacity(self.rows.len());
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in self.rows.drain(..) {
            let place = *places.entry(row.key()).or_insert(rows.len());
            match rows.get_mut(place) {
                None => rows.push(row),
                Some(earlier) if worth(&row) >= worth(earlier) => *earlier = row,
                Some(_) => {}
            }
        }
        self.rows = rows;
    }
}

fn ndjson(file: fs::File) -> Result<SavedReport, String> {
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let (mut finished, mut line, mut number) = (SavedReport::default(), Vec::new(), 0_u64);
    let mut carried = Carrying::default();
    loop {
        line.clear();
        number += 1;
        let length = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if length.map_err(|error| text::io_message(&error))? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = finished.holds.row(line.trim_ascii(), &mut carried);
        finished.rows.push(row.map_err(|reason| format!("line {number} is no row ({reason})"))?);
    }
    Ok(finished.aligned(carried))
}

fn json(file: fs::File) -> Result<SavedReport, String> {
    #[derive(Deserialize)]
    struct Report {
        meta: Option<Value>,
        rows: Vec<Box<RawValue>>,
        summary: Option<Totals>,
    }
    let mut text = String::new();
    let length = file.take(MAX_JSON).read_to_string(&mut text).map_err(|error| text::io_message(&error))?;
    if length as u64 == MAX_JSON {
        return Err("it is longer than any report of ours".into());
    }
    if text.trim().is_empty() {
        return Err("it is empty".into());
    }
    let report: Report =
        serde_json::from_str(&text).map_err(|error| sanitize_line(&error.to_string()).into_owned())?;
    let mut finished = SavedReport { totals: report.summary, meta: report.meta, ..SavedReport::default() };
    let mut carried = Carrying::default();
    for (number, row) in (1..).zip(&report.rows) {
        let row = finished.holds.row(row.get().as_bytes(), &mut carried);
        finished.rows.push(row.map_err(|reason| format!("row {number} is none ({reason})"))?);
    }
    Ok(finished.aligned(carried))
}

/// Columns that rows may carry together: each row has room for all of them.
const MOST_COLUMNS: usize = 1000;

/// What each row carries, by name, and the place of each name among the columns.
#[derive(Default)]
struct Carrying {
    rows: Vec<Vec<(String, Option<Box<str>>)>>,
    places: HashMap<String, usize>,
}

impl ReportSchema {
    /// Adds what other rows hold, but for what they carry.
    fn add(&mut self, other: &Self) {
        // Whoever adds a measure is led here.
        let CountSelection { breakdown, private } = other.measures;
        self.measures.breakdown |= breakdown;
        self.measures.private |= private;
        self.change |= other.change;
        self.verified |= other.verified;
        self.exchange |= other.exchange;
    }

    /// Reads a row, and learns from it what the report holds.
    fn row(&mut self, json: &[u8], carrying: &mut Carrying) -> Result<Row, String> {
        let (row, keys) = Row::parse_whole(json)?;
        self.add(&keys.holds);
        for (name, _) in &keys.carried {
            if !carrying.places.contains_key(name) {
                carrying.places.insert(name.clone(), self.carried.len());
                self.carried.push(name.clone());
            }
        }
        if self.carried.len() > MOST_COLUMNS {
            return Err(format!("it carries more than {MOST_COLUMNS} columns"));
        }
        carrying.rows.push(keys.carried);
        Ok(row)
    }
}

impl SavedReport {
    /// Gives each row what it carries, in the order of the columns.
    fn aligned(mut self, carrying: Carrying) -> Self {
        for (row, named) in self.rows.iter_mut().zip(carrying.rows) {
            let mut carried = vec![None; self.holds.carried.len()];
            for (name, text) in named {
                if let Some(place) = carrying.places.get(&name).and_then(|at| carried.get_mut(*at)) {
                    *place = text;
                }
            }
            row.carried = carried.into();
        }
        self
    }
}
