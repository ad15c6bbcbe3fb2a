//! Rows in another order than the roster's, and the first few of them.

use std::cmp::Reverse;
use std::io;

use super::Renderer;
use crate::report::{Row, Summary};

/// What a report is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum SortKey {
    /// The order in which the logins were named.
    Input,
    /// By login, A to Z, in any case.
    Login,
    /// Most public repositories first; rows without a count last.
    PublicRepos,
    /// Most sources first.
    Sources,
    /// Most forks first.
    Forks,
    /// Most archived repositories first.
    Archived,
    /// Most private repositories first.
    PrivateRepos,
}

/// The order of a report's rows, and how many of them it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowOrder {
    /// What it is sorted by.
    pub(crate) by: SortKey,
    /// Rows at most.
    pub(crate) top: Option<usize>,
}

impl RowOrder {
    /// Whether rows leave as they come, all of them.
    #[must_use]
    pub(crate) fn is_the_rosters(self) -> bool {
        self == Self { by: SortKey::Input, top: None }
    }

    /// A renderer that hands the rows on to `inner` in this order. All rows have to be gathered for
    /// it, unless they stay as they are.
    pub(super) fn applied_to(self, inner: Box<dyn Renderer + Send>) -> Box<dyn Renderer + Send> {
        match self {
            Self { by: SortKey::Input, top: None } => inner,
            Self { by: SortKey::Input, top: Some(top) } => Box::new(First { inner, left: top }),
            order => Box::new(Sorted { inner, order, rows: Vec::new() }),
        }
    }
}

struct First {
    inner: Box<dyn Renderer + Send>,
    left: usize,
}

impl Renderer for First {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        self.inner.row(row)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.inner.finish(summary)
    }
}

struct Sorted {
    inner: Box<dyn Renderer + Send>,
    order: RowOrder,
    rows: Vec<Row>,
}

impl Renderer for Sorted {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        match self.order.by {
            SortKey::Input => {}
            SortKey::Login => self.rows.sort_by_cached_key(|row| row.login.to_ascii_lowercase()),
            // `None` is less than every number, so it comes last when the largest comes first.
            SortKey::PublicRepos => self.rows.sort_by_key(|row| Reverse(row.public_repos)),
            SortKey::Sources => self.rows.sort_by_key(|row| Reverse(row.breakdown.map(|part| part.sources))),
            SortKey::Forks => self.rows.sort_by_key(|row| Reverse(row.breakdown.map(|part| part.forks))),
            SortKey::Archived => {
                self.rows.sort_by_key(|row| Reverse(row.breakdown.map(|part| part.archived)));
            }
            SortKey::PrivateRepos => self.rows.sort_by_key(|row| Reverse(row.private_repos)),
        }
        for row in self.rows.iter().take(self.order.top.unwrap_or(usize::MAX)) {
            self.inner.row(row)?;
        }
        self.inner.finish(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, TerminalStyle, sample};

    fn logins(by: SortKey, top: Option<usize>) -> Vec<String> {
        let report = sample::report(Format::Ndjson, RowOrder { by, top }, TerminalStyle::default());
        let login =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["login"].to_string();
        report.lines().map(login).map(|login| login.chars().take(10).collect()).collect()
    }

    #[test]
    fn the_largest_come_first_and_those_without_a_count_last() {
        assert_eq!(
            logins(SortKey::PublicRepos, None),
            ["\"microsoft", "\"torvalds\"", "\"nosuchlog", "\"=cmd|' /C", "\"a\\\\u{1b}["]
        );
        assert_eq!(logins(SortKey::PublicRepos, Some(1)), ["\"microsoft"]);
    }

    #[test]
    fn by_login_and_as_in_the_roster() {
        assert_eq!(logins(SortKey::Login, Some(2)), ["\"=cmd|' /C", "\"a\\\\u{1b}["]);
        assert_eq!(logins(SortKey::Input, Some(2)), ["\"torvalds\"", "\"microsoft"]);
    }
}
