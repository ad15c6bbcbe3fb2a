//! Rules on which a run fails: `new>0`, `change>50%`, `public_repos>=1000`.
//!
//! ```text
//! rules   = rule *("," rule)
//! rule    = measure (">" | ">=" | "=") number ["%"]
//! measure = "new" | "gone" | "renamed" | "replaced" | "unknown"
//!         | "not_found" | "forbidden" | "invalid" | "failed" | "skipped"
//!         | "change" | "public_repos"
//! ```
//!
//! The first two lines of measures count rows, and a percentage is that of the logins asked for. The
//! others hold if they hold for a row: `change` is the difference of its counts, up or down, and a
//! percentage that of the count then.

use crate::report::{Change, Row, Status, Summary};
use crate::text::{group_digits, pluralize};

/// Logins that are named to whoever wonders which rows it was.
const NAMED: usize = 20;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    Rows(Change),
    Status(Status),
    Difference,
    PublicRepos,
}

const MEASURES: [(&str, Measure); 12] = [
    ("new", Measure::Rows(Change::New)),
    ("gone", Measure::Rows(Change::Gone)),
    ("renamed", Measure::Rows(Change::Renamed)),
    ("replaced", Measure::Rows(Change::Replaced)),
    ("unknown", Measure::Rows(Change::Unknown)),
    ("change", Measure::Difference),
    ("public_repos", Measure::PublicRepos),
    ("not_found", Measure::Status(Status::NotFound)),
    ("forbidden", Measure::Status(Status::Forbidden)),
    ("invalid", Measure::Status(Status::Invalid)),
    ("failed", Measure::Status(Status::Failed)),
    ("skipped", Measure::Status(Status::Skipped)),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    More,
    AtLeast,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Number(u64),
    Percent(f64),
}

/// A rule, and the rows that it is about.
#[derive(Clone, Debug)]
struct Rule {
    text: String,
    measure: Measure,
    comparison: Comparison,
    bound: Bound,
    rows: u64,
    names: Vec<String>,
}

/// Rules, and what they have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

/// A rule that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand --fail-on {text:?} at character {at}: {reason}")]
pub(crate) struct ParseRuleError {
    text: String,
    /// Counted from one.
    at: usize,
    reason: String,
}

impl Rules {
    /// Reads rules with commas between them.
    ///
    /// # Errors
    /// [`ParseRuleError`] names the place and what is wrong there.
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

    /// Adds other rules.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The first rule that makes sense only beside an earlier report.
    #[must_use]
    pub(crate) fn needs_baseline(&self) -> Option<&str> {
        let needs = |rule: &&Rule| matches!(rule.measure, Measure::Rows(_) | Measure::Difference);
        self.0.iter().find(needs).map(|rule| rule.text.as_str())
    }

    /// Takes one more row into account.
    pub(crate) fn add(&mut self, row: &Row) {
        for rule in &mut self.0 {
            if let Some(name) = rule.is_about(row) {
                rule.rows += 1;
                if rule.names.len() < NAMED {
                    rule.names.push(name);
                }
            }
        }
    }

    /// The rules that hold, with the rows that they are about: a line each.
    #[must_use]
    pub(crate) fn that_hold(&self, summary: &Summary) -> Vec<String> {
        self.0.iter().filter(|rule| rule.holds(summary.asked)).map(Rule::told).collect()
    }
}

impl Rule {
    /// Reads a rule, or tells at which byte it makes no sense, and why.
    fn parse(part: &str) -> Result<Self, (usize, String)> {
        let spaces = part.len() - part.trim_start().len();
        let text = part.trim();
        let end = text.find(['>', '=', '<']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let measure = MEASURES.iter().find(|(known, _)| *known == name.trim_end());
        let Some((_, measure)) = measure else {
            let known = MEASURES.map(|(name, _)| name).join(", ");
            let name = crate::text::sanitize_line(name.trim_end());
            return Err((spaces, format!("there is no measure {name:?}, but {known}")));
        };
        let (comparison, number) = if let Some(number) = rest.strip_prefix(">=") {
            (Comparison::AtLeast, number)
        } else if let Some(number) = rest.strip_prefix('>') {
            (Comparison::More, number)
        } else if let Some(number) = rest.strip_prefix('=') {
            (Comparison::Equal, number)
        } else {
            return Err((spaces + end, "here stands >, >= or =".into()));
        };
        let at = spaces + text.len() - number.trim_start().len();
        let number = number.trim();
        let bound = match number.strip_suffix('%') {
            Some(_) if *measure == Measure::PublicRepos => {
                return Err((at, "public_repos is compared with a number, and not with a percentage".into()));
            }
            Some(percent) => {
                let percent = percent.trim_end();
                let plain = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                percent.parse().ok().filter(|_| plain).map(Bound::Percent)
            }
            None => number.parse().ok().filter(|_| !number.starts_with('+')).map(Bound::Number),
        };
        let Some(bound) = bound else {
            return Err((at, "here stands a number or a percentage, as 5 or 10%".into()));
        };
        // White space may hold line ends, and what is told of a rule is a line.
        let (text, measure) = (crate::text::on_a_line(text), *measure);
        Ok(Self { text, measure, comparison, bound, rows: 0, names: Vec::new() })
    }

    /// How a row is named, if the rule is about it.
    fn is_about(&self, row: &Row) -> Option<String> {
        match self.measure {
            Measure::Rows(change) => (row.change == Some(change)).then(|| row.login.clone()),
            Measure::Status(status) => (row.status == status && !row.is_gone()).then(|| row.login.clone()),
            Measure::PublicRepos => {
                let is = row.public_repos?;
                self.compares(is, 1).then(|| format!("{} ({})", row.login, group_digits(is)))
            }
            Measure::Difference => {
                let (was, is) = match row.change? {
                    Change::By(_) | Change::Renamed => (row.was?, row.public_repos?),
                    _ => return None,
                };
                let name = || format!("{} ({} to {})", row.login, group_digits(was), group_digits(is));
                self.compares(is.abs_diff(was), was).then(name)
            }
        }
    }

    /// Whether the rule as a whole holds.
    fn holds(&self, asked: u64) -> bool {
        match self.measure {
            Measure::Rows(_) | Measure::Status(_) => self.compares(self.rows, asked),
            Measure::Difference | Measure::PublicRepos => self.rows > 0,
        }
    }

    /// Compares a number, which is a part of `whole`, with the bound.
    #[expect(clippy::cast_precision_loss, reason = "a percentage of more than 2^53 may be off")]
    fn compares(&self, number: u64, whole: u64) -> bool {
        let ordering = match self.bound {
            Bound::Number(bound) => Some(number.cmp(&bound)),
            // Of nothing, nothing is no part, and everything else more than any.
            Bound::Percent(percent) if whole == 0 => {
                (if number > 0 { f64::INFINITY } else { 0.0 }).partial_cmp(&percent)
            }
            Bound::Percent(percent) => (number as f64 * 100.0).partial_cmp(&(percent * whole as f64)),
        };
        match self.comparison {
            Comparison::More => ordering.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::AtLeast => ordering.is_some_and(std::cmp::Ordering::is_ge),
            Comparison::Equal => ordering.is_some_and(std::cmp::Ordering::is_eq),
        }
    }

    fn told(&self) -> String {
        let mut line = format!("--fail-on {}: {}", self.text, pluralize(self.rows, "login", "logins"));
        if !self.names.is_empty() {
            line += ": ";
            line += &self.names.join(", ");
        }
        let more = self.rows - self.names.len() as u64;
        if more > 0 {
            line = format!("{line} and {} more", group_digits(more));
        }
        line
    }
}

#[cfg(test)]
mod tests;
