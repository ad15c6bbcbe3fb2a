//! Changes since an earlier report. An event is separate from the difference of the counts, so that a failure in either run is
//! not a difference.

use std::fmt;

use serde::Serialize;

use super::{Row, Total};
use crate::text::group_digits;

/// Event since the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Only in this input.
    New,
    /// Only in the baseline.
    Removed,
    /// Same id, other login.
    Renamed,
    /// Same login, other id: the name belongs to another account now.
    Replaced,
    /// Counted before, not found now. Reported once.
    Missing,
    /// Not counted now, or never before.
    Unknown,
}

impl Event {
    pub(crate) const ALL: [Self; 6] =
        [Self::New, Self::Removed, Self::Renamed, Self::Replaced, Self::Missing, Self::Unknown];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Replaced => "replaced",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

/// Numbers of accounts by event or difference, and of their repositories. Sums are null where nothing was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiffSummary {
    pub(crate) baseline: String,
    pub(crate) new: u64,
    pub(crate) removed: u64,
    pub(crate) renamed: u64,
    pub(crate) replaced: u64,
    pub(crate) missing: u64,
    pub(crate) unknown: u64,
    pub(crate) grown: u64,
    pub(crate) shrunk: u64,
    pub(crate) unchanged: u64,
    /// Repositories added by accounts that have grown.
    pub(crate) repositories_added: Total,
    /// Repositories removed by accounts that have shrunk.
    pub(crate) repositories_removed: Total,
    pub(crate) repositories_of_new: Total,
    pub(crate) repositories_of_removed: Total,
}

impl DiffSummary {
    /// Returns true for any event except an unknown change, whose rows have reasons.
    #[cfg(feature = "cli")]
    pub(crate) fn has_events(&self) -> bool {
        self.new + self.removed + self.renamed + self.replaced + self.missing > 0
    }

    pub(crate) fn by_change(&self) -> [(&'static str, u64); 9] {
        [
            ("new", self.new),
            ("removed", self.removed),
            ("renamed", self.renamed),
            ("replaced", self.replaced),
            ("missing", self.missing),
            ("grown", self.grown),
            ("shrunk", self.shrunk),
            ("unchanged", self.unchanged),
            ("unknown", self.unknown),
        ]
    }

    pub(super) fn add(&mut self, row: &Row) {
        match row.event {
            Some(Event::New) => {
                self.new += 1;
                self.repositories_of_new.add(row.public_repos, row);
            }
            Some(Event::Removed) => {
                self.removed += 1;
                self.repositories_of_removed.add(row.was, row);
            }
            Some(Event::Renamed) => self.renamed += 1,
            Some(Event::Replaced) => self.replaced += 1,
            Some(Event::Missing) => self.missing += 1,
            Some(Event::Unknown) => self.unknown += 1,
            None => {}
        }
        let Some(change) = row.change else { return };
        *match change.signum() {
            1 => &mut self.grown,
            -1 => &mut self.shrunk,
            _ => &mut self.unchanged,
        } += 1;
        let by = change.unsigned_abs();
        self.repositories_added.add(Some(if change > 0 { by } else { 0 }), row);
        self.repositories_removed.add(Some(if change < 0 { by } else { 0 }), row);
    }
}

/// `since last.csv: 2 new, 1 removed, 3 grown (+12), 1 shrunk (-2)`, without zeros.
impl fmt::Display for DiffSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (change, number) in self.by_change().into_iter().filter(|(_, number)| *number > 0) {
            let number = group_digits(number);
            parts.push(match change {
                "grown" => format!("{number} grown (+{})", self.repositories_added),
                "shrunk" => format!("{number} shrunk (-{})", self.repositories_removed),
                change => format!("{number} {change}"),
            });
        }
        let parts = if parts.is_empty() { "nothing".into() } else { parts.join(", ") };
        write!(f, "since {}: {parts}", self.baseline)
    }
}
