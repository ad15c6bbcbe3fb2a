//! A table for a terminal.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, TableStyle};

use super::headings::{heading, is_number, kind, middle};
use super::{Output, Renderer};
use crate::report::{self, Column, Columns, Groups, Row, Status, Subtotal, Summary};
use crate::text::{on_a_line, thousands, visible};

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Colours are wanted.
    pub color: bool,
    /// More than ASCII can be shown.
    pub unicode: bool,
    /// Columns of the terminal; none where the output is no terminal, and lines may be long.
    pub width: Option<u16>,
}

pub(super) struct Table {
    out: Output,
    /// What stands between the kind and the reason.
    middle: Vec<Column>,
    columns: Columns,
    look: Look,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn new(out: Output, columns: Columns, look: Look) -> Self {
        Self { out, middle: middle(&columns), columns, look, rows: Vec::new() }
    }

    fn text(&self, text: &str) -> String {
        if self.look.unicode {
            return visible(text).into_owned();
        }
        visible(text).replace('…', "...").chars().map(escaped_unless_ascii).collect()
    }

    fn cells(&self, row: &Row, with_reasons: bool) -> Vec<Cell> {
        let color = match row.status {
            Status::Ok => None,
            Status::NotFound | Status::Skipped => Some(Color::DarkYellow),
            Status::Forbidden | Status::Invalid | Status::Failed => Some(Color::DarkRed),
        };
        let paint = |cell: Cell| match color {
            Some(color) if self.look.color => cell.fg(color),
            _ => cell,
        };
        let mut cells = vec![Cell::new(self.text(&row.login)), paint(Cell::new(kind(row)))];
        cells.extend(self.middle.iter().map(|column| match row.cell(*column) {
            report::Cell::Signed(0) => Cell::new("="),
            report::Cell::Signed(difference) => {
                let sign = if difference > 0 { '+' } else { '-' };
                Cell::new(format!("{sign}{}", thousands(difference.unsigned_abs())))
            }
            // A cell of several lines would tear the table apart.
            report::Cell::Text(text) => Cell::new(self.text(&on_a_line(&text))),
            report::Cell::Absent if matches!(column, Column::Carried(_)) => Cell::new(""),
            report::Cell::Number(number) => Cell::new(thousands(number)),
            report::Cell::Flag(true) => Cell::new("yes"),
            report::Cell::Flag(false) => Cell::new("NO"),
            report::Cell::Absent => Cell::new("-"),
        }));
        if with_reasons {
            cells.push(paint(Cell::new(
                row.error.as_deref().map(|error| self.text(error)).unwrap_or_default(),
            )));
        }
        cells
    }

    fn footer(&self, summary: &Summary, with_reasons: bool) -> Vec<Cell> {
        let shown = self.rows.iter().filter(|row| !row.is_gone()).count() as u64;
        let logins = if shown < summary.asked {
            format!("{} of {} logins", thousands(shown), thousands(summary.asked))
        } else {
            crate::text::counted(shown, "login", "logins")
        };
        let outcomes = summary.outcomes();
        let (first, others) = outcomes.split_once(", ").unwrap_or((&outcomes, ""));
        let kind = if with_reasons { first } else { &outcomes };
        let mut cells = vec![logins, kind.to_owned(), thousands(summary.public_repos)];
        // The summary has the totals of all; of the other counts, those that are shown are added up.
        cells.extend(self.middle.iter().skip(1).map(|column| {
            let counts = self.rows.iter().filter_map(|row| match row.cell(*column) {
                report::Cell::Number(number) => Some(number),
                _ => None,
            });
            if matches!(column, Column::Verified | Column::Carried(_) | Column::Was | Column::Change)
                || shown < summary.asked
            {
                return String::new();
            }
            thousands(counts.fold(0, u64::saturating_add))
        }));
        if with_reasons {
            cells.push(others.to_owned());
        }
        self.bold(cells)
    }

    /// A row for each group.
    fn subtotals(&self, groups: &Groups) -> Vec<Vec<Cell>> {
        let row = |(name, subtotal): (Option<&str>, Subtotal)| {
            let name = name.map_or_else(
                || format!("(no {})", self.text(groups.by())),
                |name| self.text(&on_a_line(name)),
            );
            let counted =
                format!("{} of {} counted", thousands(subtotal.counted), thousands(subtotal.logins));
            vec![Cell::new(name), Cell::new(counted), Cell::new(thousands(subtotal.public_repos))]
        };
        groups.in_order().into_iter().map(row).collect()
    }

    fn bold(&self, cells: Vec<String>) -> Vec<Cell> {
        let bold = |text| match Cell::new(text) {
            cell if self.look.color => cell.add_attribute(Attribute::Bold),
            cell => cell,
        };
        cells.into_iter().map(bold).collect()
    }
}

fn escaped_unless_ascii(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
}

impl Renderer for Table {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let with_reasons = self.rows.iter().any(|row| row.error.is_some());
        let mut table = comfy_table::Table::new();
        let rule = if self.look.unicode { '─' } else { '-' };
        let line = LineStyle::none().fill(rule).junction(rule);
        table.load_style(TableStyle::new().header_separator(line).row_separator(line));
        if self.look.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let mut header = vec!["Login".to_owned(), "Kind".to_owned()];
        let headings = self.middle.iter().filter_map(|column| heading(*column, &self.columns));
        header.extend(headings.map(|name| self.text(&on_a_line(name))));
        if with_reasons {
            header.push("Reason".into());
        }
        table.set_header(header);
        for row in &self.rows {
            table.add_row(self.cells(row, with_reasons));
        }
        let subtotals = summary.groups.as_ref().map(|groups| self.subtotals(groups)).unwrap_or_default();
        let (above, groups) = (self.rows.len(), subtotals.len());
        table.add_rows(subtotals);
        table.add_row(self.footer(summary, with_reasons));
        if let Some(width) = self.look.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        for (cells, column) in table.column_iter_mut().skip(2).zip(&self.middle) {
            if is_number(*column) {
                cells.set_cell_alignment(CellAlignment::Right);
            }
        }
        // Of the rules between rows those are kept that are above the rows, the subtotals and the totals.
        let is_rule = |line: &str| line.starts_with(rule) && line.chars().all(|c| c == rule);
        let mut met = 0;
        for line in table.lines() {
            if is_rule(&line) {
                met += 1;
                if ![1, above + 1, above + groups + 1].contains(&met) {
                    continue;
                }
            }
            writeln!(self.out, "{}", line.trim_end())?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
