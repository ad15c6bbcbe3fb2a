//! The totals of a run: what stands below the table, in `summary` of JSON, and on standard error, so that nobody
//! has to count rows to know whether a run was whole.

use std::fmt;

use serde::Serialize;

use super::{DiffSummary, Groups, Row, Status};
use crate::text::{self, pluralize};

/// The totals of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Distinct logins: the rows of the report.
    pub(crate) asked: u64,
    /// Rows that were counted.
    pub(crate) ok: u64,
    /// Rows that GitHub does not know.
    pub(crate) not_found: u64,
    /// Rows that GitHub refused.
    pub(crate) forbidden: u64,
    /// Rows that are no logins.
    pub(crate) invalid: u64,
    /// Rows without a good answer.
    pub(crate) failed: u64,
    /// Rows that were not asked for.
    pub(crate) skipped: u64,
    /// Logins that were named again, in any case, and dropped. This, and what was spent, is not known of
    /// a report that was rendered again from its rows alone.
    pub(crate) duplicates: Option<u64>,
    /// Rows that were kept from an earlier run, and not asked for.
    pub(crate) kept: u64,
    /// Rows of that run whose logins are no longer in the roster, and were dropped.
    pub(crate) no_longer_asked: u64,
    /// The sum of public repositories over the counted rows.
    pub(crate) public_repos: u64,
    /// Requests sent.
    pub(crate) requests: Option<u64>,
    /// Points of the GraphQL API's budget that they cost, by GitHub's own account where it gives one.
    pub(crate) points: Option<u64>,
    /// Wall time of the run in seconds, to the millisecond.
    pub(crate) seconds: Option<f64>,
    /// Whether every login was asked.
    pub(crate) complete: bool,
    /// Subtotals, where they were asked for.
    #[serde(flatten)]
    pub(crate) groups: Option<Groups>,
    /// What has changed since an earlier report, where this one is compared with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drift: Option<DiffSummary>,
    /// Rows that were counted a second time.
    #[serde(skip)]
    pub(crate) verified: u64,
    /// Those of them for which the two APIs disagree.
    #[serde(skip)]
    pub(crate) disagreed: u64,
}

impl Summary {
    /// Takes one more row into account.
    pub(crate) fn add(&mut self, row: &Row) {
        if let Some(drift) = &mut self.drift {
            drift.add(row);
        }
        if row.is_gone() {
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
        } += 1;
        if let Some(groups) = &mut self.groups {
            groups.add(row);
        }
        self.verified += u64::from(row.verified.is_some());
        self.disagreed += u64::from(row.verified == Some(false));
        // A server can claim any number; the sum must not be what panics.
        self.public_repos = self.public_repos.saturating_add(row.public_repos.unwrap_or(0));
    }

    /// Rows that have no count.
    #[must_use]
    pub(crate) fn uncounted(&self) -> u64 {
        self.asked - self.ok
    }

    /// What became of the logins, in words: `3 counted, 1 not found`.
    #[must_use]
    pub(crate) fn outcomes(&self) -> String {
        let outcomes = [
            (self.ok, "counted"),
            (self.not_found, "not found"),
            (self.forbidden, "forbidden"),
            (self.invalid, "invalid"),
            (self.failed, "failed"),
            (self.skipped, "skipped"),
        ];
        let said = outcomes.iter().filter(|(number, _)| *number > 0);
        said.map(|(number, word)| format!("{} {word}", text::group_digits(*number)))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The line on standard error at the end of a run.
impl Summary {
    /// `4 requests for 3 points in 2s`, as far as it is known.
    pub(crate) fn spent(&self) -> Option<String> {
        let requests = pluralize(self.requests?, "request", "requests");
        let points = self.points.filter(|points| *points > 0);
        let points = points.map(|points| format!(" for {}", pluralize(points, "point", "points")));
        // A report that was read may claim anything.
        let took = self.seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        let took = took.map(|took| format!(" in {}", text::format_duration(took)));
        Some(requests + &points.unwrap_or_default() + &took.unwrap_or_default())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pluralize(self.asked, "login", "logins"))?;
        if let Some(duplicates) = self.duplicates.filter(|duplicates| *duplicates > 0) {
            write!(f, " ({} dropped)", pluralize(duplicates, "duplicate", "duplicates"))?;
        }
        if self.asked > 0 {
            write!(f, ": {}", self.outcomes())?;
        }
        if self.kept > 0 {
            write!(f, ", {} kept from before", text::group_digits(self.kept))?;
        }
        if self.no_longer_asked > 0 {
            write!(f, ". {} no longer asked for, dropped", pluralize(self.no_longer_asked, "row", "rows"))?;
        }
        write!(f, ". {}.", pluralize(self.public_repos, "public repository", "public repositories"))?;
        if let Some(drift) = &self.drift {
            write!(f, " {drift}.")?;
        }
        match self.spent() {
            Some(spent) => write!(f, " {spent}."),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_claims_to_have_taken_is_no_reason_to_fall_over() {
        for seconds in [1e300, f64::NAN, -1.0, f64::INFINITY] {
            let summary = Summary { requests: Some(1), seconds: Some(seconds), ..Summary::default() };
            assert!(summary.to_string().ends_with(" 1 request."), "{summary}");
        }
    }

    #[test]
    fn the_summary_says_what_became_of_every_login() {
        let mut summary = Summary { requests: Some(4), seconds: Some(0.234), ..Summary::default() };
        for repos in [9, 28, 74] {
            let row = Row::without_count("a", Status::Ok, "");
            summary.add(&Row { error: None, public_repos: Some(repos), ..row });
        }
        summary.add(&Row::without_count("b", Status::NotFound, "gone"));
        assert_eq!(
            summary.to_string(),
            "4 logins: 3 counted, 1 not found. 111 public repositories. 4 requests in 0.2s."
        );
        assert_eq!(summary.uncounted(), 1);
    }

    #[test]
    fn a_hostile_count_does_not_overflow_the_sum() {
        let mut summary = Summary::default();
        for _ in 0..2 {
            let row = Row::without_count("a", Status::Ok, "");
            summary.add(&Row { public_repos: Some(u64::MAX), ..row });
        }
        assert_eq!(summary.public_repos, u64::MAX);
    }
}
