//! A page for people who look rather than read: one file without any outside resource.
//!
//! The page's content security policy allows its own style and its own script alone, by their hashes, so
//! that whatever stands in a row stays text. Without the script only sorting and filtering are missing.

mod changes;
mod charts;
mod page;
mod rows;
mod spread;

use std::io::{self, Write};

use askama::Template;

use self::changes::Changes;
use self::page::Page;
use self::rows::Table;
use super::{Meta, Output, Renderer};
use crate::report::{Breakdown, Columns, Row, Summary};

/// Rows of a table that a page holds. A browser takes seconds for more.
const MOST: usize = 100_000;
/// Accounts, and groups, in a picture.
const BARS: usize = 20;

/// Gathers what the page shows; of many rows not all.
pub(super) struct Html {
    out: Output,
    meta: Meta,
    columns: Columns,
    counted: Table,
    uncounted: Table,
    /// The counts of all that were counted.
    counts: Vec<u64>,
    /// Those of which are what, where all tell it.
    breakdown: Breakdown,
    private: u64,
    largest: Vec<Row>,
    changes: Changes,
    /// Rows of this report, without those who are gone.
    rows: u64,
}

impl Html {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta) -> Self {
        Self {
            out,
            counted: Table::counted(&columns),
            uncounted: Table::uncounted(&columns),
            columns,
            counts: Vec::new(),
            breakdown: Breakdown { sources: 0, forks: 0, archived: 0 },
            private: 0,
            largest: Vec::new(),
            changes: Changes::default(),
            rows: 0,
            meta,
        }
    }

    /// The profile of a row's account, where it is certain that there is one.
    fn profile(&self, row: &Row) -> Option<String> {
        self.meta.profile(row)
    }

    fn shorten(&mut self) {
        self.largest.sort_by_key(|row| std::cmp::Reverse(row.public_repos));
        self.largest.truncate(BARS);
    }
}

impl Renderer for Html {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let link = self.profile(row);
        self.changes.add(row, link.as_deref());
        if row.is_gone() {
            return Ok(());
        }
        self.rows += 1;
        let Some(count) = row.public_repos else {
            return self.uncounted.add(row, link.as_deref());
        };
        self.counts.push(count);
        if let Some(Breakdown { sources, forks, archived }) = row.breakdown {
            let add = |sum: &mut u64, number: u64| *sum = sum.saturating_add(number);
            add(&mut self.breakdown.sources, sources);
            add(&mut self.breakdown.forks, forks);
            add(&mut self.breakdown.archived, archived);
        }
        self.private = self.private.saturating_add(row.private_repos.unwrap_or(0));
        self.largest.push(row.clone());
        if self.largest.len() > BARS * 8 {
            self.shorten();
        }
        self.counted.add(row, link.as_deref())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.shorten();
        let page = Page::of(self, summary).render().map_err(io::Error::other)?;
        self.out.write_all(page.as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
