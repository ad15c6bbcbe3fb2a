//! Section about the changes since an earlier report.

use std::cmp::Reverse;

use super::charts::{Bar, Chart, Stat, repositories};
use crate::report::{Change, DiffSummary, Row};
use crate::text::group_digits;

/// Maximum number of names in a list.
const MAX_NAMES: usize = 60;
/// Maximum number of differences in the chart.
const MAX_BARS: usize = 12;

#[derive(Default)]
pub(super) struct ChangeCollector {
    new: CappedList,
    gone: CappedList,
    renamed: CappedList,
    replaced: CappedList,
    count_changes: Vec<CountChange>,
}

/// The first names of a list.
#[derive(Clone, Default)]
pub(super) struct CappedList {
    pub(super) names: Vec<LinkedName>,
    /// Number of names that are not listed.
    pub(super) more: u64,
}

#[derive(Clone)]
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

struct CountChange {
    name: String,
    link: Option<String>,
    by: i64,
    was: Option<u64>,
}

/// Contents of the section.
pub(super) struct ChangesSection {
    pub(super) since: String,
    pub(super) stats: Vec<Stat>,
    pub(super) chart: Chart,
    pub(super) new: CappedList,
    pub(super) gone: CappedList,
    pub(super) renamed: CappedList,
    pub(super) replaced: CappedList,
}

impl ChangeCollector {
    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) {
        let Some(change) = row.change else { return };
        let link = link.map(str::to_owned);
        let (list, note) = match change {
            Change::New => (&mut self.new, row.public_repos.map(repositories)),
            Change::Gone => (&mut self.gone, row.was.map(|was| format!("had {}", repositories(was)))),
            Change::Renamed => (&mut self.renamed, row.public_repos.map(repositories)),
            Change::Replaced => (&mut self.replaced, row.public_repos.map(repositories)),
            Change::By(0) | Change::Unknown => return,
            Change::By(by) => {
                self.count_changes.push(CountChange { name: row.login.clone(), link, by, was: row.was });
                if self.count_changes.len() > MAX_BARS * 8 {
                    self.truncate();
                }
                return;
            }
        };
        if list.names.len() < MAX_NAMES {
            list.names.push(LinkedName { name: row.login.clone(), link, note: note.unwrap_or_default() });
        } else {
            list.more += 1;
        }
    }

    /// Keeps the largest changes.
    pub(super) fn truncate(&mut self) {
        self.count_changes.sort_by_key(|change| Reverse(change.by.unsigned_abs()));
        self.count_changes.truncate(MAX_BARS);
    }

    /// Returns the section. [`Self::truncate`] comes first.
    pub(super) fn section(&self, drift: &DiffSummary) -> ChangesSection {
        let largest = self.count_changes.first().map_or(0, |change| change.by.unsigned_abs());
        let bar = |change: &CountChange| {
            Bar::of_change(change.name.clone(), change.link.clone(), change.by, change.was, largest)
        };
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
            since: drift.baseline.clone(),
            stats: stats.into_iter().filter(|stat| stat.value != "0").collect(),
            chart: Chart {
                category: "Account".into(),
                measure: "Change",
                is_centered: true,
                bars: self.count_changes.iter().map(bar).collect(),
                rest: None,
            },
            new: self.new.clone(),
            gone: self.gone.clone(),
            renamed: self.renamed.clone(),
            replaced: self.replaced.clone(),
        }
    }
}
