//! Sums that know whether a count is missing.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{Row, Status};
use crate::text::{group_digits, pluralize};

/// Sum of a count over rows, some of which may not have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Total {
    /// None if no row has the count.
    pub(crate) sum: Option<u64>,
    /// There are more: an account that may exist has no count.
    pub(crate) is_partial: bool,
}

impl Total {
    /// Adds the count of a row. An account that does not exist has none that would be missing.
    pub(super) fn add(&mut self, count: Option<u64>, row: &Row) {
        match count {
            // A server can report any number.
            Some(count) => self.sum = Some(self.sum.unwrap_or(0).saturating_add(count)),
            None => self.is_partial |= !matches!(row.status, Status::NotFound | Status::Invalid),
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let both = self.sum.zip(other.sum).map(|(one, other)| one.saturating_add(other));
        Self { sum: both.or(self.sum).or(other.sum), is_partial: self.is_partial || other.is_partial }
    }

    /// `at least 1,234 repositories`; None without a sum.
    pub(crate) fn with_noun(self, singular: &str, plural: &str) -> Option<String> {
        let least = if self.is_partial { "at least " } else { "" };
        Some(format!("{least}{}", pluralize(self.sum?, singular, plural)))
    }
}

impl From<u64> for Total {
    fn from(sum: u64) -> Self {
        Self { sum: Some(sum), is_partial: false }
    }
}

/// `1,234`, `at least 1,234`, or `–` without a sum.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sum {
            None => f.write_str("–"),
            Some(sum) if self.is_partial => write!(f, "at least {}", group_digits(sum)),
            Some(sum) => f.write_str(&group_digits(sum)),
        }
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sum.serialize(serializer)
    }
}
