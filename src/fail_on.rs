//! Rules of `--fail-on`: `new>0`, `change>50%`, `public_repos>=1000`.
//!
//! ```text
//! rules   = rule *("," rule)
//! rule    = metric (">" | ">=" | "=") (number ["%"] | age)
//! metric  = "new" | "removed" | "renamed" | "replaced" | "missing" | "unknown"
//!         | "not_found" | "forbidden" | "invalid" | "failed" | "skipped"
//!         | "change" | "public_repos" | "last_push"
//! age     = a duration with a unit, as 365d; only and always with last_push
//! ```
//!
//! The metrics of the first two lines count rows by event and by status. Their percentages are of the rows that are neither
//! `skipped` nor `removed`. The others are violated by a single row: `change` is the absolute difference of its counts, and its
//! percentages are of the earlier count, and `last_push` is the time from the push to the response.

use std::cmp::Ordering;
use std::time::Duration;

use crate::report::{Event, Row, Status, Summary};
use crate::text::{collapse_whitespace, group_digits, parse_duration, pluralize, sanitize_line};

type Comparison = fn(Ordering) -> bool;

const COMPARISONS: [(&str, Comparison); 3] =
    [(">=", Ordering::is_ge), (">", Ordering::is_gt), ("=", Ordering::is_eq)];

/// Logins that a violation lists.
const MAX_LOGINS_LISTED: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Event(Event),
    Status(Status),
    Difference,
    PublicRepos,
    LastPush,
}

const METRICS: [(&str, Metric); 14] = [
    ("new", Metric::Event(Event::New)),
    ("removed", Metric::Event(Event::Removed)),
    ("renamed", Metric::Event(Event::Renamed)),
    ("replaced", Metric::Event(Event::Replaced)),
    ("missing", Metric::Event(Event::Missing)),
    ("unknown", Metric::Event(Event::Unknown)),
    ("change", Metric::Difference),
    ("public_repos", Metric::PublicRepos),
    ("last_push", Metric::LastPush),
    ("not_found", Metric::Status(Status::NotFound)),
    ("forbidden", Metric::Status(Status::Forbidden)),
    ("invalid", Metric::Status(Status::Invalid)),
    ("failed", Metric::Status(Status::Failed)),
    ("skipped", Metric::Status(Status::Skipped)),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Threshold {
    /// For `last_push`, in seconds.
    Number(u64),
    Percent(f64),
}

/// A rule, and the rows that match it.
#[derive(Clone, Debug)]
struct Rule {
    text: String,
    metric: Metric,
    is_beyond: Comparison,
    threshold: Threshold,
    rows: u64,
    logins: Vec<String>,
}

/// Rules, with the rows that match them so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid --fail-on {text:?} at character {at}: {reason}")]
pub(crate) struct ParseRuleError {
    text: String,
    /// Position of the mistake in characters, from 1.
    at: usize,
    reason: String,
}

impl Rules {
    /// Parses rules that are separated by commas.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseRuleError> {
        let (mut rules, mut begin) = (Vec::new(), 0);
        for part in text.split(',') {
            let rule = Rule::parse(part).map_err(|(offset, reason)| {
                let before = text.get(..begin + offset).unwrap_or_default();
                ParseRuleError { text: text.to_owned(), at: before.chars().count() + 1, reason }
            });
            rules.push(rule?);
            begin += part.len() + 1;
        }
        Ok(Self(rules))
    }

    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first rule that needs a baseline.
    pub(crate) fn needs_baseline(&self) -> Option<&str> {
        self.0.iter().find(|rule| rule.needs_baseline()).map(|rule| &*rule.text)
    }

    /// Returns the first rule that needs the column `last_push`.
    pub(crate) fn needs_last_push(&self) -> Option<&str> {
        self.0.iter().find(|rule| rule.metric == Metric::LastPush).map(|rule| &*rule.text)
    }

    /// Returns the rules that do not need a baseline.
    pub(crate) fn without_baseline(&self) -> Self {
        let mut rules = self.clone();
        rules.0.retain(|rule| !rule.needs_baseline());
        rules
    }

    pub(crate) fn add(&mut self, row: &Row) {
        for rule in &mut self.0 {
            if let Some(login) = rule.matching_login(row) {
                rule.rows += 1;
                if rule.logins.len() < MAX_LOGINS_LISTED {
                    rule.logins.push(login);
                }
            }
        }
    }

    /// Returns a line for each rule that is violated.
    pub(crate) fn violations(&self, summary: &Summary) -> Vec<String> {
        self.0
            .iter()
            .filter(|rule| rule.is_violated(summary.asked - summary.skipped))
            .map(Rule::describe)
            .collect()
    }
}

impl Rule {
    /// Parses a rule. The error is the offset of the mistake, in bytes, and a message.
    fn parse(part: &str) -> Result<Self, (usize, String)> {
        let spaces = part.len() - part.trim_start().len();
        let text = part.trim();
        let end = text.find(['>', '=', '<']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let name = name.trim_end();
        let Some(&(_, metric)) = METRICS.iter().find(|(known, _)| *known == name) else {
            let known = METRICS.map(|(name, _)| name).join(", ");
            return Err((spaces, format!("unknown metric {:?}, expected {known}", sanitize_line(name))));
        };
        let mut comparisons = COMPARISONS.into_iter();
        let comparison =
            comparisons.find_map(|(sign, is_beyond)| Some((is_beyond, rest.strip_prefix(sign)?)));
        let Some((is_beyond, number)) = comparison else {
            return Err((spaces + end, "expected >, >= or =".into()));
        };
        let at = spaces + text.len() - number.trim_start().len();
        let number = number.trim();
        let threshold = match number.strip_suffix('%') {
            _ if metric == Metric::LastPush => {
                let age = parse_age(number).ok_or((at, "expected an age with a unit such as 365d".into()))?;
                Some(Threshold::Number(age.as_secs()))
            }
            Some(_) if metric == Metric::PublicRepos => {
                return Err((at, "public_repos is compared with a number, not with a percentage".into()));
            }
            Some(percent) => {
                let percent = percent.trim_end();
                let plain = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                percent.parse().ok().filter(|_| plain).map(Threshold::Percent)
            }
            None => number.parse().ok().filter(|_| !number.starts_with('+')).map(Threshold::Number),
        };
        let Some(threshold) = threshold else {
            return Err((at, "expected a number or a percentage such as 5 or 10%".into()));
        };
        let text = collapse_whitespace(text);
        Ok(Self { text, metric, is_beyond, threshold, rows: 0, logins: Vec::new() })
    }

    fn needs_baseline(&self) -> bool {
        matches!(self.metric, Metric::Event(_) | Metric::Difference)
    }

    /// Returns the login of a row that matches, with its counts.
    fn matching_login(&self, row: &Row) -> Option<String> {
        match self.metric {
            Metric::Event(event) => (row.event == Some(event)).then(|| row.login.clone()),
            Metric::Status(status) => (row.status == status).then(|| row.login.clone()),
            Metric::PublicRepos => {
                let is = row.public_repos?;
                self.compares(is, 1).then(|| format!("{} ({})", row.login, group_digits(is)))
            }
            Metric::LastPush => {
                let (at, pushed) = (row.at?, row.last_push?);
                // GitHub's clock may be ahead of this machine's.
                let age = u64::try_from(at.duration_since(pushed).as_secs()).unwrap_or(0);
                self.compares(age, 1).then(|| format!("{} ({})", row.login, pushed.strftime("%Y-%m-%d")))
            }
            Metric::Difference => {
                let (Some(was), Some(is), Some(_)) = (row.was, row.public_repos, row.change) else {
                    return None;
                };
                self.compares(is.abs_diff(was), was)
                    .then(|| format!("{} ({} to {})", row.login, group_digits(was), group_digits(is)))
            }
        }
    }

    fn is_violated(&self, looked_up: u64) -> bool {
        match self.metric {
            Metric::Event(_) | Metric::Status(_) => self.compares(self.rows, looked_up),
            Metric::Difference | Metric::PublicRepos | Metric::LastPush => self.rows > 0,
        }
    }

    /// Compares a number with the threshold, whose percentages are of `total`.
    #[expect(clippy::cast_precision_loss, reason = "a percentage of more than 2^53 may be off")]
    fn compares(&self, number: u64, total: u64) -> bool {
        let ordering = match self.threshold {
            Threshold::Number(threshold) => Some(number.cmp(&threshold)),
            // Of zero, zero is 0 %, and any other number more than every percentage.
            Threshold::Percent(percent) if total == 0 => {
                (if number > 0 { f64::INFINITY } else { 0.0 }).partial_cmp(&percent)
            }
            Threshold::Percent(percent) => (number as f64 * 100.0).partial_cmp(&(percent * total as f64)),
        };
        ordering.is_some_and(self.is_beyond)
    }

    fn describe(&self) -> String {
        let mut line = format!("--fail-on {}: {}", self.text, pluralize(self.rows, "login", "logins"));
        if !self.logins.is_empty() {
            line += ": ";
            line += &self.logins.join(", ");
        }
        let more = self.rows - self.logins.len() as u64;
        if more > 0 {
            line = format!("{line} and {} more", group_digits(more));
        }
        line
    }
}

/// Parses a duration with a unit. A number alone would be seconds, which no age is meant to be.
fn parse_age(text: &str) -> Option<Duration> {
    let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
    parse_duration(text).ok().filter(|_| has_unit)
}

#[cfg(test)]
mod tests;
