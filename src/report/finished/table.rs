//! Reports in CSV and TSV, read again.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use csv::ReaderBuilder;

use super::{MAX_LINE, SavedReport};
use crate::report::{
    AccountKind, ApiKind, Breakdown, Change, Column, CountSelection, ReportSchema, Row, Status,
};
use crate::text::{self, is_formula, sanitize_line, sanitize_multiline};

/// CSV or TSV, of which the columns that are not ours are carried.
pub(super) fn table(mut file: fs::File, delimiter: u8) -> Result<SavedReport, String> {
    // A file that was cut off in a number would be believed; what is no file has no end to look at.
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last).map_err(|error| text::io_message(&error))?;
        file.rewind().map_err(|error| text::io_message(&error))?;
    }
    let left = Rc::new(Cell::new(MAX_LINE));
    let file = Bounded { file, left: Rc::clone(&left) };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(file);
    let said = |error: csv::Error| sanitize_line(&error.to_string()).into_owned();
    let header: Vec<_> =
        reader.headers().map_err(said)?.iter().map(|name| sanitize_line(&plain(name)).into_owned()).collect();
    // A row that is cut short has too few fields, unless it is cut in its last one.
    if last != *b"\n" && !header.last().is_some_and(|name| matches!(name.as_str(), "attempts" | "exchange")) {
        return Err("its last line has no end: it was cut off".into());
    }
    if header.is_empty() {
        return Err("it is empty".into());
    }
    let place = |name: &str| header.iter().position(|column| column == name);
    let (Some(login), Some(status)) = (place("login"), place("status")) else {
        return Err("it has no columns login and status".into());
    };
    let carried: Vec<_> = (0..header.len())
        .filter(|at| header.get(*at).is_some_and(|name| !Column::NAMES.contains(&name.as_str())))
        .collect();
    let holds = ReportSchema {
        measures: CountSelection {
            breakdown: place("sources").is_some(),
            private: place("private_repos").is_some(),
        },
        carried: carried.iter().filter_map(|at| header.get(*at).cloned()).collect(),
        change: place("change").is_some(),
        verified: place("verified").is_some(),
        exchange: place("exchange").is_some(),
    };
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(said)?;
        left.set(MAX_LINE);
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |name: &str| record.get(place(name)?).filter(|cell| !cell.is_empty());
        let wrong = |name: &str| {
            format!("line {line} has {:?} as {name}", sanitize_line(cell(name).unwrap_or_default()))
        };
        let number = |name: &str| cell(name).map(str::parse::<u64>).transpose().map_err(|_| wrong(name));
        let text = record.get(status).unwrap_or_default();
        let status = Status::parse(text).ok_or_else(|| wrong("status"))?;
        let (sources, forks, archived) = (number("sources")?, number("forks")?, number("archived")?);
        let parsed = |ok: bool, name| if ok { Ok(()) } else { Err(wrong(name)) };
        let row = Row {
            status,
            kind: cell("kind").and_then(AccountKind::parse),
            id: number("id")?,
            public_repos: number("public_repos")?,
            breakdown: match (sources, forks, archived) {
                (Some(sources), Some(forks), Some(archived)) => Some(Breakdown { sources, forks, archived }),
                _ => None,
            },
            private_repos: number("private_repos")?,
            carried: carried
                .iter()
                .map(|at| record.get(*at).filter(|cell| !cell.is_empty()))
                .map(|cell| Some(sanitize_multiline(&plain(cell?)).into()))
                .collect(),
            was: number("was")?,
            change: cell("change").and_then(Change::parse),
            verified: cell("verified").and_then(|flag| flag.parse().ok()),
            error: cell("error").map(|error| sanitize_line(&plain(error)).into_owned()),
            via: cell("via").and_then(ApiKind::parse),
            at: cell("at").and_then(|at| at.parse().ok()),
            attempts: number("attempts")?.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(0),
            exchange: cell("exchange").map(|path| sanitize_line(&plain(path)).into()),
            ..Row::without_count(&plain(record.get(login).unwrap_or_default()), status, "")
        };
        parsed(row.status != Status::Ok || row.public_repos.is_some(), "public_repos")?;
        parsed(row.change.is_some() || cell("change").is_none(), "change")?;
        parsed(row.at.is_some() || cell("at").is_none(), "at")?;
        rows.push(row);
    }
    Ok(SavedReport { rows, holds, ..SavedReport::default() })
}

/// A cell without the apostrophe that keeps spreadsheets from taking it for a formula.
fn plain(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text.to_owned(),
        _ => cell.to_owned(),
    }
}

/// A file of which no more than a row's worth is read at once: in a quote that is never closed it has no end.
struct Bounded {
    file: fs::File,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other(format!("it has a row of more than {} MiB", MAX_LINE >> 20)));
        }
        let length = self.file.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(length as u64));
        Ok(length)
    }
}
