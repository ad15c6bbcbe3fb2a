//! Section about the changes since an earlier report.

use super::charts::{Bar, Chart, Stat, repositories};
use super::insert_largest;
use crate::render::Meta;
use crate::report::{Change, DiffSummary, Row};
use crate::text::group_digits;

const MAX_NAMES: usize = 60;
/// Maximum number of differences in the chart.
const MAX_BARS: usize = 12;

#[derive(Default)]
pub(super) struct ChangeCollector {
    pub(super) new: CappedList,
    pub(super) gone: CappedList,
    pub(super) renamed: CappedList,
    pub(super) replaced: CappedList,
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
    pub(super) stats: Vec<Stat>,
    pub(super) chart: Chart,
    pub(super) names: &'a ChangeCollector,
}

impl ChangeCollector {
    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) {
        let Some(change) = row.change else { return };
        let (list, note) = match change {
            Change::New => (&mut self.new, row.public_repos.map(repositories)),
            Change::Gone => (&mut self.gone, row.was.map(|was| format!("had {}", repositories(was)))),
            Change::Renamed => (&mut self.renamed, row.public_repos.map(repositories)),
            Change::Replaced => (&mut self.replaced, row.public_repos.map(repositories)),
            Change::By(0) | Change::Unknown => return,
            Change::By(_) => {
                return insert_largest(&mut self.changed, row, MAX_BARS, |row| {
                    difference(row).unsigned_abs()
                });
            }
        };
        if list.names.len() < MAX_NAMES {
            let (name, link) = (row.login.clone(), link.map(str::to_owned));
            list.names.push(LinkedName { name, link, note: note.unwrap_or_default() });
        } else {
            list.more += 1;
        }
    }

    pub(super) fn section<'a>(&'a self, drift: &'a DiffSummary, meta: &Meta) -> ChangesSection<'a> {
        let largest = self.changed.first().map_or(0, |row| difference(row).unsigned_abs());
        let bars = self
            .changed
            .iter()
            .map(|row| Bar::of_change(row, meta.profile_url(row), difference(row), largest));
        let stats = [
            Stat::new("New", drift.new, format!("with {}", repositories(drift.repositories_of_new))),
            Stat::new("Gone", drift.gone, format!("had {}", repositories(drift.repositories_of_gone))),
            Stat::new("Grown", drift.grown, format!("by {}", repositories(drift.repositories_come))),
            Stat::new("Shrunk", drift.shrunk, format!("by {}", repositories(drift.repositories_gone))),
            Stat::new("Unchanged", drift.unchanged, ""),
            Stat::new("Renamed", drift.renamed, ""),
            Stat::new("Replaced", drift.replaced, "name taken over"),
            Stat::new("Unknown", drift.unknown, "not counted in one run"),
        ];
        ChangesSection {
            since: &drift.baseline,
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

fn difference(row: &Row) -> i64 {
    match row.change {
        Some(Change::By(difference)) => difference,
        _ => 0,
    }
}
