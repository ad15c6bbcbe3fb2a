//! Changes since an earlier report: a word or a signed number. They are separate from the count, so that a failure in either
//! run is not a difference.

use std::fmt;

use serde::Serialize;

use super::{AccountKind, Row, Status};
use crate::text::group_digits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only in this input.
    New,
    /// Only in the baseline.
    Gone,
    /// Same id, other login.
    Renamed,
    /// Same login, other id: the name belongs to another account now.
    Replaced,
    /// Not counted in one of the two runs.
    Unknown,
    /// Count now minus count in the baseline.
    By(i64),
}

impl Change {
    pub(crate) fn between(was: u64, is: u64) -> Self {
        // A server can report any number.
        Self::By(is.checked_signed_diff(was).unwrap_or(if is > was { i64::MAX } else { i64::MIN }))
    }

    /// Returns the word in reports; None for a difference.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::New => Some("new"),
            Self::Gone => Some("gone"),
            Self::Renamed => Some("renamed"),
            Self::Replaced => Some("replaced"),
            Self::Unknown => Some("unknown"),
            Self::By(_) => None,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words = [Self::New, Self::Gone, Self::Renamed, Self::Replaced, Self::Unknown];
        let word = words.into_iter().find(|change| change.word() == Some(text));
        word.or_else(|| text.parse().ok().map(Self::By))
    }
}

/// Numbers of accounts by change, and of their repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiffSummary {
    pub(crate) baseline: String,
    pub(crate) new: u64,
    pub(crate) gone: u64,
    pub(crate) renamed: u64,
    pub(crate) replaced: u64,
    pub(crate) unknown: u64,
    pub(crate) grown: u64,
    pub(crate) shrunk: u64,
    pub(crate) unchanged: u64,
    /// Repositories added by accounts that have grown.
    pub(crate) repositories_come: u64,
    /// Repositories removed by accounts that have shrunk.
    pub(crate) repositories_gone: u64,
    pub(crate) repositories_of_new: u64,
    pub(crate) repositories_of_gone: u64,
}

/// Adds to a sum that a hostile count cannot overflow.
fn add(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

impl DiffSummary {
    pub(crate) fn by_change(&self) -> [(&'static str, u64); 8] {
        [
            ("new", self.new),
            ("gone", self.gone),
            ("renamed", self.renamed),
            ("replaced", self.replaced),
            ("grown", self.grown),
            ("shrunk", self.shrunk),
            ("unchanged", self.unchanged),
            ("unknown", self.unknown),
        ]
    }

    pub(super) fn add(&mut self, row: &Row) {
        let Some(change) = row.change else { return };
        let (was, is) = (row.was.unwrap_or(0), row.public_repos.unwrap_or(0));
        match change {
            Change::New => {
                self.new += 1;
                add(&mut self.repositories_of_new, is);
            }
            Change::Gone => {
                self.gone += 1;
                add(&mut self.repositories_of_gone, was);
            }
            Change::Replaced => self.replaced += 1,
            Change::Unknown => self.unknown += 1,
            Change::Renamed | Change::By(_) => {
                self.renamed += u64::from(change == Change::Renamed);
                *match is.cmp(&was) {
                    std::cmp::Ordering::Greater => &mut self.grown,
                    std::cmp::Ordering::Less => &mut self.shrunk,
                    std::cmp::Ordering::Equal => &mut self.unchanged,
                } += 1;
                add(&mut self.repositories_come, is.saturating_sub(was));
                add(&mut self.repositories_gone, was.saturating_sub(is));
            }
        }
    }
}

/// `2 new, 1 gone, 3 grown (+12), 1 shrunk (-2)`, without zeros.
impl fmt::Display for DiffSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (change, number) in self.by_change().into_iter().filter(|(_, number)| *number > 0) {
            let number = group_digits(number);
            parts.push(match change {
                "grown" => format!("{number} grown (+{})", group_digits(self.repositories_come)),
                "shrunk" => format!("{number} shrunk (-{})", group_digits(self.repositories_gone)),
                change => format!("{number} {change}"),
            });
        }
        let parts = if parts.is_empty() { "nothing".into() } else { parts.join(", ") };
        write!(f, "Since {}: {parts}", self.baseline)
    }
}

impl Row {
    pub(crate) fn is_gone(&self) -> bool {
        self.change == Some(Change::Gone)
    }

    /// Returns the kind of a counted account, or the words of the status.
    pub(crate) fn label(&self) -> &'static str {
        match (self.status, self.kind) {
            _ if self.is_gone() => "gone",
            (Status::Ok, kind) => kind.map_or("", AccountKind::as_str),
            (status, _) => status.label(),
        }
    }
}
