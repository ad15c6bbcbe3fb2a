//! Subtotals by a carried column (`--group-by`): counted while rows pass, since they are not kept.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Row, Status};

/// Subtotals by a carried column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Groups {
    /// The column's name.
    by: String,
    /// Its place among the carried ones.
    column: usize,
    subtotals: BTreeMap<Option<Box<str>>, Subtotal>,
}

/// The totals of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Subtotal {
    /// Distinct logins.
    pub(crate) logins: u64,
    /// Those that were counted.
    pub(crate) counted: u64,
    /// The sum of their public repositories.
    pub(crate) public_repos: u64,
}

impl Groups {
    /// No rows yet, to be grouped by the carried column at `column`, which is called `by`.
    #[must_use]
    pub(crate) fn new(by: String, column: usize) -> Self {
        Self { by, column, subtotals: BTreeMap::new() }
    }

    /// The name of the column.
    #[must_use]
    pub(crate) fn by(&self) -> &str {
        &self.by
    }

    /// Takes one more row into account.
    pub(super) fn add(&mut self, row: &Row) {
        let group = row.carried.get(self.column).cloned().flatten().filter(|group| !group.is_empty());
        let subtotal = self.subtotals.entry(group).or_default();
        subtotal.logins += 1;
        subtotal.counted += u64::from(row.status == Status::Ok);
        subtotal.public_repos = subtotal.public_repos.saturating_add(row.public_repos.unwrap_or(0));
    }

    /// The groups by their names, whatever their case, and at last those who are in none.
    #[must_use]
    pub(crate) fn in_order(&self) -> Vec<(Option<&str>, Subtotal)> {
        let mut groups: Vec<_> =
            self.subtotals.iter().map(|(name, subtotal)| (name.as_deref(), *subtotal)).collect();
        groups.sort_by_cached_key(|(name, _)| (name.is_none(), name.map(str::to_lowercase)));
        groups
    }
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Group<'a> {
            group: Option<&'a str>,
            #[serde(flatten)]
            subtotal: Subtotal,
        }
        let list: Vec<_> =
            self.in_order().into_iter().map(|(group, subtotal)| Group { group, subtotal }).collect();
        let mut groups = serializer.serialize_struct("Groups", 2)?;
        groups.serialize_field("group_by", &self.by)?;
        groups.serialize_field("groups", &list)?;
        groups.end()
    }
}
