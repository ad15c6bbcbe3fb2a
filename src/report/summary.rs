//! Totals of a run, and subtotals by an extra column (`--group-by`). They are added up while rows pass, because rows are not
//! kept.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::{COLUMNS, Column, DiffSummary, Role, Row, Status, Total, groups_in};
use crate::text::{self, group_digits, pluralize};

/// Totals of a run; `summary` of a JSON report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Distinct logins.
    pub(crate) asked: u64,
    pub(crate) ok: u64,
    pub(crate) not_found: u64,
    pub(crate) forbidden: u64,
    pub(crate) invalid: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) public_repos: Total,
    #[serde(flatten)]
    pub(crate) totals: RunTotals,
    /// Every login was looked up.
    pub(crate) complete: bool,
    #[serde(flatten)]
    pub(crate) groups: Option<GroupTotals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<DiffSummary>,
    /// Sums of the measures, in the order of [`COLUMNS`].
    #[serde(skip)]
    pub(crate) sums: [Total; COLUMNS.len()],
    /// Rows that were counted through both APIs.
    #[serde(skip)]
    pub(crate) verified: u64,
    /// Rows for which the two APIs disagree.
    #[serde(skip)]
    pub(crate) mismatched: u64,
    /// A line for each rule of `--fail-on` that matched.
    #[serde(skip)]
    pub(crate) violations: Vec<String>,
}

/// Figures of a run that cannot be computed from its rows. Not known if the report was read back from rows only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunTotals {
    /// Repeated logins that were dropped.
    pub(crate) duplicates: Option<u64>,
    /// Rows that were kept from an earlier run.
    pub(crate) kept: Option<u64>,
    /// Rows of that run that were dropped because their logins are no longer in the input.
    pub(crate) no_longer_asked: Option<u64>,
    pub(crate) requests: Option<u64>,
    /// GraphQL points, as GitHub reported them.
    pub(crate) points: Option<u64>,
    /// Duration of the run in seconds, to the millisecond.
    pub(crate) seconds: Option<f64>,
}

impl Summary {
    pub(crate) fn add(&mut self, row: &Row) {
        if let Some(changes) = &mut self.changes {
            changes.add(row);
        }
        if row.is_removed() {
            return;
        }
        self.asked += 1;
        *match row.status {
            Status::Ok => &mut self.ok,
            Status::NotFound => &mut self.not_found,
            Status::Forbidden => &mut self.forbidden,
            Status::Invalid => &mut self.invalid,
            Status::Failed => &mut self.failed,
            Status::Skipped => &mut self.skipped,
            Status::Removed => return,
        } += 1;
        if let Some(groups) = &mut self.groups {
            groups.add(row);
        }
        self.verified += u64::from(row.verified.is_some());
        self.mismatched += u64::from(row.verified == Some(false));
        for (sum, spec) in self.sums.iter_mut().zip(&COLUMNS) {
            if spec.role == Role::Measure {
                sum.add(row.own_cell(spec).as_number(), row);
            }
        }
        self.public_repos.add(row.public_repos, row);
    }

    /// Returns the sum of a measure. None for other columns.
    pub(crate) fn sum(&self, column: &Column) -> Option<Total> {
        let Column::Own(spec) = column else { return None };
        let index = COLUMNS.iter().position(|other| other == *spec)?;
        self.sums.get(index).copied().filter(|_| spec.role == Role::Measure)
    }

    pub(crate) fn by_status(&self) -> [(Status, u64); 6] {
        [
            (Status::Ok, self.ok),
            (Status::NotFound, self.not_found),
            (Status::Forbidden, self.forbidden),
            (Status::Invalid, self.invalid),
            (Status::Failed, self.failed),
            (Status::Skipped, self.skipped),
        ]
    }

    pub(crate) fn uncounted(&self) -> u64 {
        self.asked - self.ok
    }

    /// `3 counted, 1 not found`, without zeros.
    pub(crate) fn status_line(&self) -> String {
        let mut parts = Vec::new();
        for (status, number) in self.by_status().into_iter().filter(|(_, number)| *number > 0) {
            let label = if status == Status::Ok { "counted" } else { status.label() };
            parts.push(format!("{} {label}", group_digits(number)));
        }
        parts.join(", ")
    }

    /// Returns the parts of the summary that are not in the last line of a table.
    pub(crate) fn beside_totals(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if let Some(duplicates) = self.totals.duplicates.filter(|duplicates| *duplicates > 0) {
            parts.push(pluralize(duplicates, "duplicate dropped", "duplicates dropped"));
        }
        if let Some(kept) = self.totals.kept.filter(|kept| *kept > 0) {
            parts.push(format!("{} kept from an earlier run", pluralize(kept, "row", "rows")));
        }
        if let Some(rows) = self.totals.no_longer_asked.filter(|rows| *rows > 0) {
            parts
                .push(format!("{} no longer in the input", pluralize(rows, "row dropped:", "rows dropped:")));
        }
        parts.extend(self.changes.as_ref().map(ToString::to_string));
        parts.extend(self.cost_line());
        parts
    }

    /// `4 requests for 3 points in 2s`, as far as it is known.
    pub(crate) fn cost_line(&self) -> Option<String> {
        let requests = pluralize(self.totals.requests?, "request", "requests");
        let points = self.totals.points.filter(|points| *points > 0);
        let points = points.map(|points| format!(" for {}", pluralize(points, "point", "points")));
        // A report that was read back may have any number.
        let took =
            self.totals.seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        let took = took.map(|took| format!(" in {}", text::format_duration(took)));
        Some(requests + &points.unwrap_or_default() + &took.unwrap_or_default())
    }
}

/// The line on standard error at the end of a run.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pluralize(self.asked, "login", "logins"))?;
        if self.asked > 0 {
            write!(f, ": {}", self.status_line())?;
        }
        if let Some(repos) = self.public_repos.with_noun("public repository", "public repositories") {
            write!(f, "; {repos}")?;
        }
        self.beside_totals().iter().try_for_each(|part| write!(f, "; {part}"))
    }
}

/// Subtotals by an extra column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupTotals {
    by: String,
    /// Index among the extra columns.
    column: usize,
    subtotals: BTreeMap<Option<Box<str>>, Subtotal>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Subtotal {
    pub(crate) logins: u64,
    pub(crate) counted: u64,
    pub(crate) public_repos: Total,
}

impl GroupTotals {
    pub(crate) fn new(by: String, column: usize) -> Self {
        Self { by, column, subtotals: BTreeMap::new() }
    }

    pub(crate) fn by(&self) -> &str {
        &self.by
    }

    pub(crate) fn column(&self) -> usize {
        self.column
    }

    /// Adds a row to each of its groups.
    fn add(&mut self, row: &Row) {
        let cell = row.carried.get(self.column).and_then(Option::as_deref).unwrap_or_default();
        let mut groups: Vec<_> = groups_in(cell).map(|group| Some(group.into())).collect();
        if groups.is_empty() {
            groups.push(None);
        }
        for group in groups {
            let subtotal = self.subtotals.entry(group).or_default();
            subtotal.logins += 1;
            subtotal.counted += u64::from(row.status == Status::Ok);
            subtotal.public_repos.add(row.public_repos, row);
        }
    }

    /// Returns the groups by name, in any case; the rows without a group come last.
    pub(crate) fn sorted(&self) -> Vec<(Option<&str>, Subtotal)> {
        let mut groups: Vec<_> =
            self.subtotals.iter().map(|(name, subtotal)| (name.as_deref(), *subtotal)).collect();
        groups.sort_by_cached_key(|(name, _)| (name.is_none(), name.map(str::to_lowercase)));
        groups
    }

    pub(crate) fn label(&self, group: Option<&str>) -> String {
        group.map_or_else(|| format!("(no {})", self.by), str::to_owned)
    }
}

impl Serialize for GroupTotals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Groups<'a> {
            group_by: &'a str,
            groups: Vec<Group<'a>>,
        }
        #[derive(Serialize)]
        struct Group<'a> {
            group: Option<&'a str>,
            #[serde(flatten)]
            subtotal: Subtotal,
        }
        let groups = self.sorted().into_iter().map(|(group, subtotal)| Group { group, subtotal });
        Groups { group_by: &self.by, groups: groups.collect() }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_duration_is_left_out() {
        for seconds in [1e300, f64::NAN, -1.0, f64::INFINITY] {
            let totals = RunTotals { requests: Some(1), seconds: Some(seconds), ..RunTotals::default() };
            let summary = Summary { totals, ..Summary::default() };
            assert!(summary.to_string().ends_with("; 1 request"), "{summary}");
        }
    }

    #[test]
    fn the_summary_counts_each_status() {
        let totals = RunTotals { requests: Some(4), seconds: Some(0.234), ..RunTotals::default() };
        let mut summary = Summary { totals, ..Summary::default() };
        for repos in [9, 28, 74] {
            let row = Row::without_count("a", Status::Ok, "");
            summary.add(&Row { error: None, public_repos: Some(repos), ..row });
        }
        summary.add(&Row::without_count("b", Status::NotFound, "gone"));
        assert_eq!(
            summary.to_string(),
            "4 logins: 3 counted, 1 not found; 111 public repositories; 4 requests in 0.2s"
        );
        assert_eq!(summary.uncounted(), 1);
    }

    #[test]
    fn a_hostile_count_does_not_overflow() {
        let mut summary = Summary::default();
        for _ in 0..2 {
            let row = Row::without_count("a", Status::Ok, "");
            summary.add(&Row { public_repos: Some(u64::MAX), ..row });
        }
        assert_eq!(summary.public_repos.sum, Some(u64::MAX));
    }
}
