//! What stands in the cells of the table, and in which colour: all that a terminal may or may not be able to
//! show is decided here.

use comfy_table::{Attribute, Cell, Color};

use super::Table;
use super::shape::{Reasons, Shape};
use crate::render::headings::kind;
use crate::report::{self, Column, Groups, Row, Status, Subtotal, Summary};
use crate::text::{collapse_whitespace, group_digits, sanitize_line};

impl Table {
    pub(super) fn text(&self, text: &str) -> String {
        if self.look.unicode {
            return sanitize_line(text).into_owned();
        }
        sanitize_line(text).replace('…', "...").chars().map(escaped_unless_ascii).collect()
    }

    pub(super) fn cells(&self, row: &Row, shape: &Shape, largest: u64) -> Vec<Cell> {
        let mut cells =
            vec![Cell::new(self.text(&row.login)), self.painted(Cell::new(kind(row)), failure(row.status))];
        cells.extend(shape.middle.iter().map(|column| {
            match row.cell(*column) {
                report::Cell::Signed(0) => Cell::new("="),
                report::Cell::Signed(difference) => {
                    let (sign, color) =
                        if difference > 0 { ('+', Color::DarkGreen) } else { ('-', Color::DarkRed) };
                    let cell = Cell::new(format!("{sign}{}", group_digits(difference.unsigned_abs())));
                    self.painted(cell, Some(color))
                }
                report::Cell::Text(text) if *column == Column::Change => {
                    self.painted(Cell::new(text), Some(Color::DarkYellow))
                }
                // A cell of several lines would tear the table apart.
                report::Cell::Text(text) => Cell::new(self.text(&collapse_whitespace(&text))),
                report::Cell::Absent if matches!(column, Column::Carried(_)) => Cell::new(""),
                report::Cell::Number(number) => Cell::new(group_digits(number)),
                report::Cell::Flag(true) => Cell::new("yes"),
                report::Cell::Flag(false) => self.painted(Cell::new("NO"), Some(Color::DarkRed)),
                report::Cell::Absent => Cell::new("-"),
            }
        }));
        match (row.error.as_deref(), shape.bars) {
            (Some(error), _) if shape.reasons == Reasons::Beside => {
                cells.push(self.painted(Cell::new(self.text(error)), failure(row.status)));
            }
            (None, Some(width)) => {
                let bar = bar(row.public_repos.unwrap_or(0), largest, width, self.look.unicode);
                cells.push(self.painted(Cell::new(bar), Some(Color::DarkCyan)));
            }
            _ if shape.has_last() => cells.push(Cell::new("")),
            _ => {}
        }
        cells
    }

    fn painted(&self, cell: Cell, color: Option<Color>) -> Cell {
        match color {
            Some(color) if self.look.color => cell.fg(color),
            _ => cell,
        }
    }

    /// The totals, and what stands beneath them.
    pub(super) fn footer(&self, summary: &Summary, shape: &Shape) -> (Vec<Cell>, String) {
        let shown = self.rows.iter().filter(|row| !row.is_gone()).count() as u64;
        let logins = if shown < summary.asked {
            format!("{} of {} logins", group_digits(shown), group_digits(summary.asked))
        } else {
            crate::text::pluralize(shown, "login", "logins")
        };
        let outcomes = summary.outcomes();
        let (first, others) = outcomes.split_once(", ").unwrap_or((&outcomes, ""));
        let mut cells = vec![logins, first.to_owned(), group_digits(summary.public_repos)];
        // The summary has the totals of all; of the other counts, those that are shown are added up.
        cells.extend(shape.middle.iter().skip(1).map(|column| {
            let counts = self.rows.iter().filter_map(|row| match row.cell(*column) {
                report::Cell::Number(number) => Some(number),
                _ => None,
            });
            if matches!(column, Column::Verified | Column::Carried(_) | Column::Was | Column::Change)
                || shown < summary.asked
            {
                return String::new();
            }
            group_digits(counts.fold(0, u64::saturating_add))
        }));
        let beside = shape.reasons == Reasons::Beside;
        cells.push(if beside { others } else { "" }.to_owned());
        cells.truncate(2 + shape.middle.len() + usize::from(shape.has_last()));
        (self.bold(cells), if beside { "" } else { others }.to_owned())
    }

    /// A row for each group.
    pub(super) fn subtotals(&self, groups: &Groups) -> Vec<Vec<Cell>> {
        let row = |(name, subtotal): (Option<&str>, Subtotal)| {
            let name = name.map_or_else(
                || format!("(no {})", self.text(groups.by())),
                |name| self.text(&collapse_whitespace(name)),
            );
            let counted = format!("{} of {}", group_digits(subtotal.counted), group_digits(subtotal.logins));
            let is_wide = self.look.width.is_none_or(|width| width >= WIDE);
            let counted = if is_wide { counted + " counted" } else { counted };
            vec![Cell::new(name), Cell::new(counted), Cell::new(group_digits(subtotal.public_repos))]
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

/// A narrower terminal has no room for words that go without saying.
const WIDE: u16 = 80;

/// The colour of a failure.
fn failure(status: Status) -> Option<Color> {
    match status {
        Status::Ok => None,
        Status::NotFound | Status::Skipped => Some(Color::DarkYellow),
        Status::Forbidden | Status::Invalid | Status::Failed => Some(Color::DarkRed),
    }
}

/// A bar that is as much of `width` as `count` is of `largest`, and something where there is anything.
pub(super) fn bar(count: u64, largest: u64, width: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let steps = if unicode { width * 8 } else { width };
    let length = u128::from(count) * steps as u128 / u128::from(largest.max(1));
    let length = usize::try_from(length).unwrap_or(steps).clamp(usize::from(count > 0), steps);
    if !unicode {
        return "#".repeat(length);
    }
    "█".repeat(length / 8) + EIGHTHS.get(length % 8).copied().unwrap_or_default()
}
