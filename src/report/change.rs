//! What has changed since an earlier report, as a word or a signed number: kept apart from the count, so that
//! a failure then or now is never taken for a difference.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Row, Status};
use crate::text::group_digits;

/// What has changed since an earlier report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was not in the roster then.
    New,
    /// It is not in the roster any more.
    Gone,
    /// The same account, by its id, had another login.
    Renamed,
    /// The login was another account's, by its id: somebody else has taken the name.
    Replaced,
    /// It could not be counted, then or now.
    Unknown,
    /// The count now minus the count then.
    By(i64),
}

impl Change {
    /// The difference between two counts.
    #[must_use]
    pub(crate) fn between(was: u64, is: u64) -> Self {
        let difference = i128::from(is) - i128::from(was);
        // A server can claim any number.
        Self::By(i64::try_from(difference).unwrap_or(if difference > 0 { i64::MAX } else { i64::MIN }))
    }

    /// The word in reports; none for a difference.
    #[must_use]
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

    /// Reads the word or the number in a report.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words = [Self::New, Self::Gone, Self::Renamed, Self::Replaced, Self::Unknown];
        let word = words.into_iter().find(|change| change.word() == Some(text));
        word.or_else(|| text.parse().ok().map(Self::By))
    }
}

/// As it stands in reports.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(difference) => write!(f, "{difference}"),
            other => f.write_str(other.word().unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Cell<'a> {
            Number(i64),
            Word(std::borrow::Cow<'a, str>),
        }
        match Cell::deserialize(deserializer)? {
            Cell::Number(number) => Ok(Self::By(number)),
            Cell::Word(word) => {
                Self::parse(&word).ok_or_else(|| serde::de::Error::custom("an unknown change"))
            }
        }
    }
}

/// What has changed since an earlier report, in numbers. Who came and who went is told apart from the
/// repositories that came and went with those who stayed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiffSummary {
    /// The earlier report.
    pub(crate) baseline: String,
    /// Logins that were not in the roster then.
    pub(crate) new: u64,
    /// Logins that are not in it any more.
    pub(crate) gone: u64,
    /// Accounts under another login.
    pub(crate) renamed: u64,
    /// Logins of other accounts.
    pub(crate) replaced: u64,
    /// Logins that could not be counted, then or now.
    pub(crate) unknown: u64,
    /// Accounts with more repositories than then.
    pub(crate) grown: u64,
    /// Accounts with fewer.
    pub(crate) shrunk: u64,
    /// Accounts with as many.
    pub(crate) unchanged: u64,
    /// Repositories that came to the accounts that have grown.
    pub(crate) repositories_come: u64,
    /// Repositories that went from those that have shrunk.
    pub(crate) repositories_gone: u64,
    /// Repositories of the new.
    pub(crate) repositories_of_new: u64,
    /// Repositories that the gone had.
    pub(crate) repositories_of_gone: u64,
}

impl DiffSummary {
    /// Takes one more row into account.
    pub(super) fn add(&mut self, row: &Row) {
        let Some(change) = row.change else { return };
        let (was, is) = (row.was.unwrap_or(0), row.public_repos.unwrap_or(0));
        let add = |sum: &mut u64, number: u64| *sum = sum.saturating_add(number);
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

/// `2 new, 1 gone, 3 grown (+12), 1 shrunk (-2)`: what there is of it.
impl fmt::Display for DiffSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [
            (self.new, "new", String::new()),
            (self.gone, "gone", String::new()),
            (self.renamed, "renamed", String::new()),
            (self.replaced, "replaced", String::new()),
            (self.grown, "grown", format!(" (+{})", group_digits(self.repositories_come))),
            (self.shrunk, "shrunk", format!(" (-{})", group_digits(self.repositories_gone))),
            (self.unchanged, "unchanged", String::new()),
            (self.unknown, "unknown", String::new()),
        ];
        let said = numbers.iter().filter(|(number, ..)| *number > 0);
        let said: Vec<_> =
            said.map(|(number, word, more)| format!("{} {word}{more}", group_digits(*number))).collect();
        write!(
            f,
            "Since {}: {}",
            self.baseline,
            if said.is_empty() { "nothing".into() } else { said.join(", ") }
        )
    }
}

impl Row {
    /// What was in the roster of an earlier report, and is not in this one's.
    #[must_use]
    pub(crate) fn gone(earlier: &Self) -> Self {
        Self {
            kind: earlier.kind,
            id: earlier.id,
            was: earlier.public_repos,
            change: Some(Change::Gone),
            ..Self::without_count(&earlier.login, Status::Skipped, "not asked: no longer in the list")
        }
    }

    /// Whether it stands for somebody who is not in the roster any more.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        self.change == Some(Change::Gone)
    }
}
