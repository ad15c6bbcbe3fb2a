//! Section about the changes since an earlier report.

use super::charts::{Bar, Chart, Stat, repositories};
use super::{date_text, insert_largest};
use crate::render::Meta;
use crate::report::{DiffSummary, Event, Row, Total};
use crate::text::group_digits;

const MAX_NAMES: usize = 60;
/// Maximum number of differences in the chart.
const MAX_BARS: usize = 12;

#[derive(Default)]
pub(super) struct ChangeCollector {
    pub(super) new: CappedList,
    pub(super) removed: CappedList,
    pub(super) renamed: CappedList,
    pub(super) replaced: CappedList,
    pub(super) missing: CappedList,
    /// Rows with another count, the largest changes first.
    changed: Vec<Row>,
}

/// The first names of a list.
#[derive(Default)]
pub(super) struct CappedList {
    pub(super) names: Vec<LinkedName>,
    /// Number of names that are not listed.
    pub(super) more: u64,
}

pub(super) struct LinkedName {
    pub(super) name: String,
    pub(super) link: Option<String>,
    pub(super) note: String,
}

impl CappedList {
    pub(super) fn more_label(&self) -> String {
        group_digits(self.more)
    }
}

pub(super) struct ChangesSection<'a> {
    pub(super) since: &'a str,
    /// Date of the baseline, if it is known.
    pub(super) date: Option<String>,
    pub(super) stats: Vec<Stat>,
    pub(super) chart: Chart,
    pub(super) names: &'a ChangeCollector,
}

impl ChangeCollector {
    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) {
        if row.change.is_some_and(|change| change != 0) {
            insert_largest(&mut self.changed, row, MAX_BARS, |row| difference(row).unsigned_abs());
        }
        let (list, note) = match row.event {
            None | Some(Event::Unknown) => return,
            Some(Event::New) => (&mut self.new, row.public_repos.map(repositories)),
            Some(Event::Removed) => (&mut self.removed, earlier_count(row)),
            Some(Event::Missing) => (&mut self.missing, earlier_count(row)),
            Some(Event::Replaced) => (&mut self.replaced, Some(takeover_note(row))),
            Some(Event::Renamed) => (&mut self.renamed, Some(rename_note(row))),
        };
        if list.names.len() < MAX_NAMES {
            let (name, link) = (row.login.clone(), link.map(str::to_owned));
            list.names.push(LinkedName { name, link, note: note.unwrap_or_default() });
        } else {
            list.more += 1;
        }
    }

    pub(super) fn section<'a>(&'a self, changes: &'a DiffSummary, meta: &Meta) -> ChangesSection<'a> {
        let largest = self.changed.first().map_or(0, |row| difference(row).unsigned_abs());
        let bars = self
            .changed
            .iter()
            .map(|row| Bar::of_change(row, meta.profile_url(row), difference(row), largest));
        let stats = [
            Stat::new("New", changes.new, note("with", changes.repositories_of_new)),
            Stat::new("Removed", changes.removed, note("had", changes.repositories_of_removed)),
            Stat::new("Missing", changes.missing, "no longer found"),
            Stat::new("Grown", changes.grown, note("by", changes.repositories_added)),
            Stat::new("Shrunk", changes.shrunk, note("by", changes.repositories_removed)),
            Stat::new("Unchanged", changes.unchanged, ""),
            Stat::new("Renamed", changes.renamed, ""),
            Stat::new("Replaced", changes.replaced, "name taken over"),
            Stat::new("Unknown", changes.unknown, "not counted in one run"),
        ];
        ChangesSection {
            since: &changes.baseline,
            date: meta.baseline_at.map(date_text),
            stats: stats.into_iter().filter(|stat| stat.value != "0").collect(),
            chart: Chart {
                category: "Account".into(),
                measure: "Change",
                is_centered: true,
                bars: bars.collect(),
                rest: None,
            },
            names: self,
        }
    }
}

/// `with 3 repositories`; empty without a sum.
fn note(verb: &str, repos: Total) -> String {
    let repos = repos.with_noun("repository", "repositories");
    repos.map(|repos| format!("{verb} {repos}")).unwrap_or_default()
}

fn earlier_count(row: &Row) -> Option<String> {
    row.was.map(|was| format!("had {}", repositories(was)))
}

/// `from old-login, which had 12 repositories; has 14`.
fn rename_note(row: &Row) -> String {
    let login = row.previous_login.as_deref().unwrap_or("another login");
    let had = earlier_count(row).map(|had| format!(", which {had}")).unwrap_or_default();
    with_count_of_now(format!("from {login}{had}"), row)
}

/// `the account before had 40 repositories; has 3`.
fn takeover_note(row: &Row) -> String {
    let had = earlier_count(row).unwrap_or_else(|| "was not counted".into());
    with_count_of_now(format!("the account before {had}"), row)
}

fn with_count_of_now(before: String, row: &Row) -> String {
    match row.public_repos {
        Some(count) => format!("{before}; has {}", group_digits(count)),
        None => before,
    }
}

fn difference(row: &Row) -> i64 {
    row.change.unwrap_or(0)
}
