//! Section about the accounts that were not counted: how many there are for which reason.

use std::collections::HashMap;

use crate::report::{Row, Status, Summary};
use crate::text::{group_digits, pluralize};

/// Maximum number of reasons in the section.
const MAX_LISTED: usize = 8;
/// Maximum number of distinct reasons that are remembered. A reason may quote the input, so that each row has its own.
const MAX_REMEMBERED: usize = 1_000;

#[derive(Default)]
pub(super) struct FailureCollector {
    accounts_by_reason: HashMap<(Status, String), u64>,
    /// Accounts that the page does not list.
    left_out: u64,
}

pub(super) struct FailuresSection {
    /// `4 of 200 accounts were not counted`.
    pub(super) title: String,
    pub(super) reasons: Vec<FailureReason>,
    /// Accounts whose reasons are not listed.
    pub(super) others: Option<String>,
    /// Sentence about accounts that `--top` leaves out of the page.
    pub(super) left_out: Option<String>,
}

pub(super) struct FailureReason {
    pub(super) accounts: String,
    pub(super) label: &'static str,
    pub(super) reason: String,
}

impl FailureCollector {
    pub(super) fn add(&mut self, row: &Row) {
        let key = (row.status, row.error.clone().unwrap_or_default());
        if self.accounts_by_reason.len() < MAX_REMEMBERED || self.accounts_by_reason.contains_key(&key) {
            *self.accounts_by_reason.entry(key).or_default() += 1;
        }
    }

    /// Adds a row that `--top` leaves out.
    pub(super) fn add_left_out(&mut self, row: &Row) {
        self.left_out += 1;
        self.add(row);
    }

    /// Returns None if every account was counted.
    pub(super) fn section(&self, summary: &Summary) -> Option<FailuresSection> {
        let uncounted = summary.uncounted();
        let mut reasons: Vec<_> = self.accounts_by_reason.iter().collect();
        reasons.sort_by_key(|((status, reason), accounts)| {
            (std::cmp::Reverse(**accounts), status.label(), reason.as_str())
        });
        reasons.truncate(MAX_LISTED);
        let listed = reasons.iter().map(|(_, accounts)| **accounts).sum();
        let others = uncounted.saturating_sub(listed);
        let asked = pluralize(summary.asked, "account was", "accounts were");
        (uncounted > 0).then(|| FailuresSection {
            title: format!("{} of {asked} not counted", group_digits(uncounted)),
            reasons: reasons
                .into_iter()
                .map(|((status, reason), accounts)| FailureReason {
                    accounts: group_digits(*accounts),
                    label: status.label(),
                    reason: reason.clone(),
                })
                .collect(),
            others: (others > 0).then(|| group_digits(others)),
            left_out: self.left_out_note(uncounted),
        })
    }

    fn left_out_note(&self, uncounted: u64) -> Option<String> {
        let accounts = match self.left_out {
            0 => return None,
            all if all == uncounted => "them".to_owned(),
            some => format!("{} of them", group_digits(some)),
        };
        Some(format!("--top leaves {accounts} out of this page."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(rows: &[Row]) -> Option<FailuresSection> {
        let (mut failures, mut summary) = (FailureCollector::default(), Summary::default());
        for row in rows {
            summary.add(row);
            if row.public_repos.is_none() {
                failures.add(row);
            }
        }
        failures.section(&summary)
    }

    #[test]
    fn the_most_frequent_reason_is_listed_first() {
        let not_found = |login| Row::without_count(login, Status::NotFound, "no such account");
        let rows = [Row::without_count("a", Status::Failed, "timed out"), not_found("b"), not_found("c")];
        let section = section(&rows).unwrap();
        assert_eq!(section.title, "3 of 3 accounts were not counted");
        let reasons = section
            .reasons
            .iter()
            .map(|reason| format!("{} {}: {}", reason.accounts, reason.label, reason.reason));
        assert_eq!(reasons.collect::<Vec<_>>(), ["2 not found: no such account", "1 failed: timed out"]);
        assert_eq!(section.others, None);
    }

    #[test]
    fn reasons_beyond_the_maximum_are_counted() {
        let rows: Vec<_> = (0..MAX_REMEMBERED + 5)
            .map(|number| Row::without_count("a", Status::Invalid, &format!("not a login: {number}")))
            .collect();
        let section = section(&rows).unwrap();
        assert_eq!(section.reasons.len(), MAX_LISTED);
        assert_eq!(section.others.as_deref(), Some("997"));
    }

    #[test]
    fn a_report_without_failures_has_no_section() {
        let row = Row { public_repos: Some(1), ..Row::without_count("a", Status::Ok, "") };
        assert!(section(&[row]).is_none());
        assert!(section(&[]).is_none());
    }
}
