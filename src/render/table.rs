//! A table for a terminal: for people, so it gives way where there is no room, and is only drawn when the widths
//! of all rows are known.

mod cells;
mod shape;

use std::io::{self, Write};

use super::headings::middle;
use super::{Output, Renderer};
use crate::report::{Column, Columns, Row, Summary};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TerminalStyle {
    /// Colours are wanted.
    pub(crate) color: bool,
    /// More than ASCII can be shown.
    pub(crate) unicode: bool,
    /// Columns of the terminal; none where the output is no terminal, and lines may be long.
    pub(crate) width: Option<u16>,
}

pub(super) struct Table {
    out: Output,
    /// What stands between the kind and the reason.
    middle: Vec<Column>,
    columns: Columns,
    look: TerminalStyle,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(out: Output, columns: Columns, look: TerminalStyle) -> Self {
        Self { out, middle: middle(&columns), columns, look, rows: Vec::new() }
    }

    fn rule(&self) -> char {
        if self.look.unicode { '─' } else { '-' }
    }

    /// The reason of the row above, where there is no column for it.
    fn write_beneath(&mut self, text: Option<&String>) -> io::Result<()> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
        let width = usize::from(self.look.width.unwrap_or(u16::MAX)).saturating_sub(4).max(10);
        let mut length = 0;
        for word in text.split(' ') {
            let word_length = console::measure_text_width(word) + 1;
            let (before, begun) = match length {
                0 => ("   ", 0),
                _ if length + word_length > width => ("\n   ", 0),
                _ => (" ", length),
            };
            write!(self.out, "{before}{word}")?;
            length = begun + word_length;
        }
        writeln!(self.out)
    }
}

impl Renderer for Table {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let shape = self.shape(summary);
        let (table, beneath) = self.table(&self.rows, summary, &shape, self.look.width);
        let rule = self.rule();
        let groups = beneath.len() - self.rows.len() - 1;
        // Of the rules between rows those are kept that are above the rows, the subtotals and the totals.
        let above = self.rows.len();
        let is_rule = |line: &str| line.starts_with(rule) && line.chars().all(|c| c == rule);
        // The first rule ends the header, each further one a row; nothing is behind the last row.
        let mut met = 0;
        for line in table.lines() {
            if !is_rule(&line) {
                writeln!(self.out, "{}", line.trim_end())?;
                continue;
            }
            met += 1;
            if met > 1 {
                self.write_beneath(beneath.get(met - 2))?;
            }
            if [1, above + 1, above + groups + 1].contains(&met) {
                writeln!(self.out, "{line}")?;
            }
        }
        self.write_beneath(beneath.last())?;
        if !shape.hidden.is_empty() {
            let hidden: Vec<_> = shape.hidden.iter().map(|column| self.heading(*column)).collect();
            let told = format!("No room for {}. A report to a file has every column.", hidden.join(", "));
            self.write_beneath(Some(&told))?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
