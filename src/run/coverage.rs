//! `--from` with a list of logins: checks that the reports have a row for each of them, and names the parts that do not.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;

use futures::StreamExt;

use crate::input::Input;
use crate::report::Row;
use crate::shard::Shard;
use crate::text::{group_digits, pluralize, sanitize_line};

/// Logins that a message names.
const MAX_NAMES: usize = 5;

/// A list of logins, compared with the rows of reports.
pub(super) struct Coverage {
    /// Number of parts of `--parts`.
    parts: Option<u32>,
    /// Logins of the list by the number of their part. Without `--parts` there is one.
    by_part: BTreeMap<u32, PartCoverage>,
    /// Rows of logins that are not in the list.
    unlisted: FirstNames,
}

#[derive(Default)]
struct PartCoverage {
    logins: u64,
    missing: FirstNames,
}

/// A number of logins, and the first of them.
#[derive(Default)]
struct FirstNames {
    count: u64,
    names: Vec<String>,
}

impl FirstNames {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < MAX_NAMES {
            self.names.push(sanitize_line(name).into_owned());
        }
    }

    /// Returns `a, b, c, d, e and 12 more`.
    fn list(&self) -> String {
        let names = self.names.join(", ");
        match self.count - self.names.len() as u64 {
            0 => names,
            more => format!("{names} and {} more", group_digits(more)),
        }
    }
}

impl Coverage {
    /// Reads the list to its end. A login that is only in a baseline has a row, but was not looked up.
    pub(super) async fn of(list: Input, rows: &[Row], parts: Option<u32>) -> Self {
        let counted = rows.iter().filter(|row| !row.is_removed());
        let mut is_listed: HashMap<Box<str>, bool> = counted.clone().map(|row| (row.key(), false)).collect();
        let mut by_part = BTreeMap::<u32, PartCoverage>::new();
        let mut records = pin!(list.into_stream());
        while let Some(record) = records.next().await {
            let part = Shard::of_login(record.text(), parts.unwrap_or(1)).map_or(1, |shard| shard.part);
            let coverage = by_part.entry(part).or_default();
            coverage.logins += 1;
            match is_listed.get_mut(&record.row_key()) {
                Some(is_listed) => *is_listed = true,
                None => coverage.missing.add(record.text()),
            }
        }
        let mut unlisted = FirstNames::default();
        for row in counted.filter(|row| is_listed.get(&row.key()) == Some(&false)) {
            unlisted.add(&row.login);
        }
        Self { parts, by_part, unlisted }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.by_part.values().all(|part| part.missing.count == 0)
    }

    /// Returns a note about rows that the list does not account for: it may be the wrong one.
    pub(super) fn unlisted_note(&self) -> Option<String> {
        let rows = match self.unlisted.count {
            0 => return None,
            1 => "1 row is of a login that is".to_owned(),
            rows => format!("{} rows are of logins that are", group_digits(rows)),
        };
        Some(format!("{rows} not in the list: {}", self.unlisted.list()))
    }

    /// Returns a line for each part without all its rows, and the way out.
    pub(super) fn describe(&self) -> Vec<String> {
        let incomplete: Vec<_> = self.by_part.iter().filter(|(_, part)| part.missing.count > 0).collect();
        let logins: u64 = self.by_part.values().map(|part| part.logins).sum();
        let missing: u64 = incomplete.iter().map(|(_, part)| part.missing.count).sum();
        let (have, logins) =
            (if missing == 1 { "has" } else { "have" }, pluralize(logins, "login", "logins"));
        let total = format!("not complete: {} of {logins} {have} no row", group_digits(missing));
        let Some(of) = self.parts else {
            let names: Vec<_> = incomplete.iter().map(|(_, part)| part.missing.list()).collect();
            return vec![format!(
                "{total}: {}; nothing was written; run their part again with --resume (--parts N names it)",
                names.join(", ")
            )];
        };
        let mut lines: Vec<_> =
            incomplete.iter().map(|(part, coverage)| coverage.describe(**part, of)).collect();
        let shards: Vec<_> =
            incomplete.iter().map(|(part, _)| format!("--shard {}", Shard { part: **part, of })).collect();
        lines.push(format!("{total}; nothing was written; run again with --resume: {}", shards.join(", ")));
        lines
    }
}

impl PartCoverage {
    fn describe(&self, part: u32, of: u32) -> String {
        let Self { logins, missing } = self;
        if missing.count < *logins {
            let (have, logins) = (if missing.count == 1 { "has" } else { "have" }, group_digits(*logins));
            return format!(
                "part {part} of {of} is incomplete: {} of its {logins} logins {have} no row: {}",
                group_digits(missing.count),
                missing.list()
            );
        }
        let none = match logins {
            1 => "its 1 login has no row".to_owned(),
            logins => format!("none of its {} logins has a row", group_digits(*logins)),
        };
        format!("part {part} of {of} is missing: {none}")
    }
}
