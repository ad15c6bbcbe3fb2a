//! Table for a terminal. It is written at the end, when the widths of all rows are known, and leaves out columns that do not
//! fit.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width,
};

use super::{Output, Renderer};
use crate::report::{self, Column, Columns, GroupTotals, Role, Row, Status, Summary};
use crate::text::{collapse_whitespace, group_digits, pluralize, sanitize_line};

/// Narrowest column of reasons that is easy to read, in characters: the length of the most frequent one.
const MIN_ERROR_WIDTH: usize = 38;
/// Width of bars, in characters.
const BARS: std::ops::RangeInclusive<usize> = 8..=40;
/// Longer text in an extra column may be wrapped.
const WRAP_WIDTH: usize = 20;
/// Longer logins may be wrapped.
const MAX_LOGIN_WIDTH: usize = 26;
/// Rows that are measured. Wider cells further down are wrapped.
const WIDTH_SAMPLE_ROWS: usize = 2_000;
/// Characters around the text of a cell.
const CELL_PADDING: usize = 2;
/// Characters between two cells.
const COLUMN_GAP: usize = 1;
/// A narrower terminal shows shorter subtotals.
const WIDE_TERMINAL: u16 = 80;
/// Columns before `details`: login and kind.
const LEADING_COLUMNS: usize = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TerminalStyle {
    pub(crate) color: bool,
    /// False for ASCII only.
    pub(crate) unicode: bool,
    /// Columns. None if the output is not a terminal, so lines may be long.
    pub(crate) width: Option<u16>,
}

pub(super) struct Table {
    out: Output,
    /// Columns between the kind and the reason.
    details: Vec<Column>,
    style: TerminalStyle,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct TableLayout {
    /// Columns between the kind and the last one.
    details: Vec<Column>,
    errors: ErrorPlacement,
    /// Width of the bars. They share the last column with the reasons: no row has both.
    bars: Option<usize>,
    /// Width of the last column, with the bars or reasons.
    last: usize,
}

/// Place of the reasons why logins could not be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorPlacement {
    /// Every login was counted.
    None,
    /// In the last column.
    Column,
    /// In lines of their own, because a column would be too narrow to read.
    OwnLine,
}

impl TableLayout {
    fn has_last_column(&self) -> bool {
        self.bars.is_some() || self.errors == ErrorPlacement::Column
    }
}

/// Width of a table without its last column, in characters.
struct TableWidth {
    /// Without wrapped cells.
    natural: usize,
    min: usize,
}

/// A table with rules between all rows.
struct RuledTable {
    table: comfy_table::Table,
    /// Text below each row.
    continuations: Vec<String>,
}

impl Table {
    pub(super) fn new(out: Output, columns: &Columns, style: TerminalStyle) -> Self {
        Self { out, details: columns.details(), style, rows: Vec::new() }
    }

    fn rule(&self) -> char {
        if self.style.unicode { '─' } else { '-' }
    }

    /// Writes text below a row.
    fn write_continuation(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let width = usize::from(self.style.width.unwrap_or(u16::MAX)).saturating_sub(4).max(10);
        let mut length = 0;
        for word in text.split(' ') {
            let word_length = console::measure_text_width(word) + 1;
            let (before, start) = match length {
                0 => ("   ", 0),
                _ if length + word_length > width => ("\n   ", 0),
                _ => (" ", length),
            };
            write!(self.out, "{before}{word}")?;
            length = start + word_length;
        }
        writeln!(self.out)
    }

    fn layout(&self, summary: &Summary) -> TableLayout {
        let failures = self.rows.iter().filter_map(|row| row.error.as_deref());
        let longest = failures.map(|error| console::measure_text_width(&self.text(error))).max();
        let errors = if longest.is_some() { ErrorPlacement::Column } else { ErrorPlacement::None };
        let mut layout = TableLayout { details: self.details.clone(), errors, bars: None, last: 0 };
        let Some(width) = self.style.width.map(usize::from) else { return layout };
        let mut needed = self.measure(summary, &layout);
        while needed.min > width
            && let Some(at) = lowest_priority(&layout.details)
        {
            layout.details.remove(at);
            needed = self.measure(summary, &layout);
        }
        let TableWidth { natural, min } = needed;
        let room = width.saturating_sub(CELL_PADDING + COLUMN_GAP);
        if longest.is_some_and(|longest| room.saturating_sub(min) < longest.min(MIN_ERROR_WIDTH)) {
            layout.errors = ErrorPlacement::OwnLine;
        }
        let counted = self.rows.iter().filter(|row| row.public_repos.is_some()).count();
        let room_for_bars = room.saturating_sub(natural);
        if counted > 1 && room_for_bars >= *BARS.start() {
            layout.bars = Some(room_for_bars.min(*BARS.end()));
        }
        let widest = if layout.errors == ErrorPlacement::Column { longest.unwrap_or(0) } else { 0 };
        let room = room.saturating_sub(min.max(natural.min(width)));
        layout.last = widest.max(layout.bars.unwrap_or(0)).min(room);
        layout
    }

    fn measure(&self, summary: &Summary, layout: &TableLayout) -> TableWidth {
        let bare = TableLayout { errors: ErrorPlacement::OwnLine, bars: None, ..layout.clone() };
        let sample = self.rows.get(..WIDTH_SAMPLE_ROWS).unwrap_or(&self.rows);
        let RuledTable { table, .. } = self.table(sample, summary, &bare, None);
        let widths: Vec<_> = table.column_max_content_widths().into_iter().map(usize::from).collect();
        let frame = widths.len() * (CELL_PADDING + COLUMN_GAP) - COLUMN_GAP;
        let details = layout.details.iter().map(|column| match column.role() {
            Role::Extra => WRAP_WIDTH,
            _ => usize::MAX,
        });
        let max_widths = [MAX_LOGIN_WIDTH, usize::MAX].into_iter().chain(details);
        let min = widths.iter().zip(max_widths).map(|(width, max)| max.min(*width));
        TableWidth { natural: widths.iter().sum::<usize>() + frame, min: min.sum::<usize>() + frame }
    }

    fn table(&self, rows: &[Row], summary: &Summary, layout: &TableLayout, width: Option<u16>) -> RuledTable {
        let mut table = comfy_table::Table::new();
        let rule = self.rule();
        let line = LineStyle::none().fill(rule).junction(rule);
        table.load_style(TableStyle::new().header_separator(line).row_separator(line));
        if self.style.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let mut header = vec!["Login".to_owned(), "Kind".to_owned()];
        header.extend(layout.details.iter().map(|column| self.heading(column)));
        if layout.has_last_column() {
            header.push(if layout.errors == ErrorPlacement::Column { "Reason" } else { "" }.into());
        }
        table.set_header(header);
        let largest = self.rows.iter().filter_map(|row| row.public_repos).max().unwrap_or(0);
        let mut continuations = Vec::new();
        for row in rows {
            table.add_row(self.cells(row, layout, largest));
            let error = row.error.as_deref().filter(|_| layout.errors == ErrorPlacement::OwnLine);
            continuations.push(error.map(|error| self.text(error)).unwrap_or_default());
        }
        for subtotal in summary.groups.as_ref().map(|groups| self.subtotals(groups)).unwrap_or_default() {
            table.add_row(subtotal);
            continuations.push(String::new());
        }
        let status_line = summary.status_line();
        let (first, others) = status_line.split_once(", ").unwrap_or((&status_line, ""));
        let is_column = layout.errors == ErrorPlacement::Column;
        table.add_row(self.footer(summary, layout, first, if is_column { others } else { "" }));
        continuations.push(if is_column { "" } else { others }.to_owned());
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            let last = table.column_mut(LEADING_COLUMNS + layout.details.len());
            if let Some(last) = last.filter(|_| layout.last > 0) {
                let wide = u16::try_from(layout.last + CELL_PADDING).unwrap_or(u16::MAX);
                last.set_constraint(ColumnConstraint::Absolute(Width::Fixed(wide)));
            }
        }
        for (cells, column) in table.column_iter_mut().skip(LEADING_COLUMNS).zip(&layout.details) {
            if column.is_numeric() {
                cells.set_cell_alignment(CellAlignment::Right);
            }
        }
        RuledTable { table, continuations }
    }

    fn heading(&self, column: &Column) -> String {
        self.text(&collapse_whitespace(column.heading().unwrap_or_default()))
    }

    fn text(&self, text: &str) -> String {
        if self.style.unicode {
            return sanitize_line(text).into_owned();
        }
        sanitize_line(text).replace('…', "...").chars().map(escape_unless_ascii).collect()
    }

    fn cells(&self, row: &Row, layout: &TableLayout, largest: u64) -> Vec<Cell> {
        let mut cells = vec![
            Cell::new(self.text(&row.login)),
            self.styled(Cell::new(row.label()), status_color(row.status)),
        ];
        cells.extend(layout.details.iter().map(|column| {
            match row.cell(column) {
                report::Cell::Delta(0) => Cell::new("="),
                report::Cell::Delta(difference) => {
                    let (sign, color) =
                        if difference > 0 { ('+', Color::DarkGreen) } else { ('-', Color::DarkRed) };
                    let cell = Cell::new(format!("{sign}{}", group_digits(difference.unsigned_abs())));
                    self.styled(cell, Some(color))
                }
                report::Cell::Text(_) if column.role() == Role::Event => {
                    self.styled(Cell::new(self.text(&row.event_label())), Some(Color::DarkYellow))
                }
                // A line end would break the layout.
                report::Cell::Text(text) => Cell::new(self.text(&collapse_whitespace(&text))),
                report::Cell::Null if matches!(column.role(), Role::Extra | Role::Event) => Cell::new(""),
                report::Cell::Number(number) => Cell::new(group_digits(number)),
                report::Cell::Bool(true) => Cell::new("yes"),
                report::Cell::Bool(false) => self.styled(Cell::new("NO"), Some(Color::DarkRed)),
                report::Cell::Null => Cell::new("-"),
            }
        }));
        match (row.error.as_deref(), layout.bars) {
            (Some(error), _) if layout.errors == ErrorPlacement::Column => {
                cells.push(self.styled(Cell::new(self.text(error)), status_color(row.status)));
            }
            (None, Some(width)) => {
                let bar = bar(row.public_repos.unwrap_or(0), largest, width, self.style.unicode);
                cells.push(self.styled(Cell::new(bar), Some(Color::DarkCyan)));
            }
            _ if layout.has_last_column() => cells.push(Cell::new("")),
            _ => {}
        }
        cells
    }

    fn styled(&self, cell: Cell, color: Option<Color>) -> Cell {
        match color {
            Some(color) if self.style.color => cell.fg(color),
            _ => cell,
        }
    }

    fn footer(&self, summary: &Summary, layout: &TableLayout, counted: &str, others: &str) -> Vec<Cell> {
        let shown = self.rows.iter().filter(|row| !row.is_removed()).count() as u64;
        let logins = if shown < summary.asked {
            format!("{} of {} logins", group_digits(shown), group_digits(summary.asked))
        } else {
            pluralize(shown, "login", "logins")
        };
        let mut cells = vec![logins, counted.to_owned(), group_digits(summary.public_repos)];
        // A sum beside some of the rows would look like theirs.
        let sums = layout.details.iter().skip(1).map(|column| summary.sum(column));
        cells.extend(
            sums.map(|sum| sum.filter(|_| shown == summary.asked).map(group_digits).unwrap_or_default()),
        );
        cells.push(others.to_owned());
        cells.truncate(LEADING_COLUMNS + layout.details.len() + usize::from(layout.has_last_column()));
        let cells = cells.into_iter().map(Cell::new);
        cells.map(|cell| if self.style.color { cell.add_attribute(Attribute::Bold) } else { cell }).collect()
    }

    fn subtotals(&self, groups: &GroupTotals) -> Vec<[String; 3]> {
        let is_wide = self.style.width.is_none_or(|width| width >= WIDE_TERMINAL);
        let mut rows = Vec::new();
        for (name, subtotal) in groups.sorted() {
            let counted = format!("{} of {}", group_digits(subtotal.counted), group_digits(subtotal.logins));
            rows.push([
                self.text(&collapse_whitespace(&groups.label(name))),
                if is_wide { counted + " counted" } else { counted },
                group_digits(subtotal.public_repos),
            ]);
        }
        rows
    }
}

impl Renderer for Table {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let layout = self.layout(summary);
        let RuledTable { table, continuations } = self.table(&self.rows, summary, &layout, self.style.width);
        let rule = self.rule();
        // Only the rules above the rows, the subtotals and the totals are written.
        let above_groups = self.rows.len() + 1;
        let above_totals = continuations.len();
        // The first rule ends the header, each further one a row. The last row has none.
        let mut rules = 0;
        let mut continuations = continuations.iter();
        for line in table.lines() {
            if !line.starts_with(rule) || line.contains(|c| c != rule) {
                writeln!(self.out, "{}", line.trim_end())?;
                continue;
            }
            rules += 1;
            if rules > 1
                && let Some(text) = continuations.next()
            {
                self.write_continuation(text)?;
            }
            if [1, above_groups, above_totals].contains(&rules) {
                writeln!(self.out, "{line}")?;
            }
        }
        if let Some(text) = continuations.next() {
            self.write_continuation(text)?;
        }
        let hidden = self.details.iter().filter(|column| !layout.details.contains(column));
        let hidden: Vec<_> = hidden.map(|column| self.heading(column)).collect();
        if !hidden.is_empty() {
            let text = format!("No room for {}. A report to a file has every column.", hidden.join(", "));
            self.write_continuation(&text)?;
        }
        self.out.flush()
    }
}

/// Returns the index of the column to leave out first: extra columns, then the parts of a count.
fn lowest_priority(details: &[Column]) -> Option<usize> {
    let candidates: [fn(&Column) -> bool; 4] = [
        |column| column.role() == Role::Extra,
        |column| column.role() == Role::Verified,
        Column::is_part,
        |column| column.role() == Role::Was,
    ];
    candidates.into_iter().find_map(|is_candidate| details.iter().rposition(is_candidate))
}

fn escape_unless_ascii(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
}

fn status_color(status: Status) -> Option<Color> {
    match status {
        Status::Ok => None,
        Status::NotFound | Status::Skipped | Status::Removed => Some(Color::DarkYellow),
        Status::Forbidden | Status::Invalid | Status::Failed => Some(Color::DarkRed),
    }
}

/// Returns a bar whose share of `width` is that of `count` in `largest`. It is visible if the count is not 0.
fn bar(count: u64, largest: u64, width: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let steps = if unicode { width * 8 } else { width };
    let length = u128::from(count) * steps as u128 / u128::from(largest.max(1));
    let length = usize::try_from(length).unwrap_or(steps).clamp(usize::from(count > 0), steps);
    if !unicode {
        return "#".repeat(length);
    }
    "█".repeat(length / 8) + EIGHTHS.get(length % 8).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
