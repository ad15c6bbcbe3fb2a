//! What there is room for on a terminal: which columns give way first, and how long bars and reasons may be.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle, Width};

use super::Table;
use crate::render::headings::{heading, is_number};
use crate::report::{Column, Row, Summary};
use crate::text::collapse_whitespace;

/// How a table is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The columns between the kind and the last one.
    pub(super) middle: Vec<Column>,
    /// Those for which there is no room.
    pub(super) hidden: Vec<Column>,
    pub(super) reasons: Reasons,
    /// The width of the bars. They stand in the column of the reasons: no row has both.
    pub(super) bars: Option<usize>,
    /// The width of that column.
    pub(super) last: usize,
}

/// Where the reasons for failures stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reasons {
    /// There are none.
    None,
    /// In the last column.
    Beside,
    /// In lines of their own, where a column would be too narrow to read.
    Beneath,
}

impl Shape {
    /// Whether there is a last column.
    pub(super) fn has_last(&self) -> bool {
        self.bars.is_some() || self.reasons == Reasons::Beside
    }
}

/// A column of reasons that is narrower than the most frequent one is hard to read.
const READABLE: usize = 38;
/// The least and the greatest width of bars.
const BARS: std::ops::RangeInclusive<usize> = 8..=40;
/// Text that is longer can go over several lines.
const WRAPPED: usize = 20;
/// So can a long login, if it has to.
const LOGIN: usize = 26;
/// Rows that tell how wide a column is. What is wider further down goes over several lines.
const MEASURED: usize = 2_000;
/// Around each cell, and between two.
const AROUND: usize = 2;
const BETWEEN: usize = 1;

impl Table {
    /// What there is room for.
    pub(super) fn shape(&self, summary: &Summary) -> Shape {
        let failures = self.rows.iter().filter_map(|row| row.error.as_deref());
        let longest = failures.map(|error| console::measure_text_width(&self.text(error))).max();
        let reasons = if longest.is_some() { Reasons::Beside } else { Reasons::None };
        let mut shape =
            Shape { middle: self.middle.clone(), hidden: Vec::new(), reasons, bars: None, last: 0 };
        let Some(width) = self.look.width.map(usize::from) else { return shape };
        let (mut natural, mut least) = self.widths(summary, &shape);
        while least > width
            && let Some(at) = dispensable(&shape.middle)
        {
            shape.middle.remove(at);
            (natural, least) = self.widths(summary, &shape);
        }
        shape.hidden = self.middle.iter().filter(|column| !shape.middle.contains(column)).copied().collect();
        let room = |taken| width.saturating_sub(taken + AROUND + BETWEEN);
        if longest.is_some_and(|longest| room(least) < longest.min(READABLE)) {
            shape.reasons = Reasons::Beneath;
        }
        let counted = self.rows.iter().filter(|row| row.public_repos.is_some()).count();
        if counted > 1 && room(natural) >= *BARS.start() {
            shape.bars = Some(room(natural).min(*BARS.end()));
        }
        let widest = if shape.reasons == Reasons::Beside { longest.unwrap_or(0) } else { 0 };
        shape.last = widest.max(shape.bars.unwrap_or(0)).min(room(least.max(natural.min(width))));
        shape
    }

    /// How wide the table is without its last column, and how narrow it can be made.
    fn widths(&self, summary: &Summary, shape: &Shape) -> (usize, usize) {
        let bare = Shape { reasons: Reasons::Beneath, bars: None, ..shape.clone() };
        let measured = self.rows.get(..MEASURED).unwrap_or(&self.rows);
        let (table, _) = self.table(measured, summary, &bare, None);
        let widths: Vec<_> = table.column_max_content_widths().into_iter().map(usize::from).collect();
        let frame = widths.len() * (AROUND + BETWEEN) - BETWEEN;
        let is_carried = |at: usize| at >= 2 && matches!(shape.middle.get(at - 2), Some(Column::Carried(_)));
        let least = widths.iter().enumerate().map(|(at, width)| match at {
            0 => (*width).min(LOGIN),
            at if is_carried(at) => (*width).min(WRAPPED),
            _ => *width,
        });
        (widths.iter().sum::<usize>() + frame, least.sum::<usize>() + frame)
    }

    /// The table, with rules between all rows, and what stands beneath each of them.
    pub(super) fn table(
        &self,
        rows: &[Row],
        summary: &Summary,
        shape: &Shape,
        width: Option<u16>,
    ) -> (comfy_table::Table, Vec<String>) {
        let mut table = comfy_table::Table::new();
        let rule = self.rule();
        let line = LineStyle::none().fill(rule).junction(rule);
        table.load_style(TableStyle::new().header_separator(line).row_separator(line));
        if self.look.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let mut header = vec!["Login".to_owned(), "Kind".to_owned()];
        header.extend(shape.middle.iter().map(|column| self.heading(*column)));
        if shape.has_last() {
            header.push(if shape.reasons == Reasons::Beside { "Reason" } else { "" }.into());
        }
        table.set_header(header);
        let largest = self.rows.iter().filter_map(|row| row.public_repos).max().unwrap_or(0);
        let mut beneath = Vec::new();
        for row in rows {
            table.add_row(self.cells(row, shape, largest));
            let reason = row.error.as_deref().filter(|_| shape.reasons == Reasons::Beneath);
            beneath.push(reason.map(|reason| self.text(reason)).unwrap_or_default());
        }
        for subtotal in summary.groups.as_ref().map(|groups| self.subtotals(groups)).unwrap_or_default() {
            table.add_row(subtotal);
            beneath.push(String::new());
        }
        let (footer, others) = self.footer(summary, shape);
        table.add_row(footer);
        beneath.push(others);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        if width.is_some()
            && shape.last > 0
            && let Some(last) = table.column_mut(2 + shape.middle.len())
        {
            let wide = u16::try_from(shape.last + AROUND).unwrap_or(u16::MAX);
            last.set_constraint(ColumnConstraint::Absolute(Width::Fixed(wide)));
        }
        for (cells, column) in table.column_iter_mut().skip(2).zip(&shape.middle) {
            if is_number(*column) {
                cells.set_cell_alignment(CellAlignment::Right);
            }
        }
        (table, beneath)
    }

    /// What stands above a column.
    pub(super) fn heading(&self, column: Column) -> String {
        self.text(&collapse_whitespace(heading(column, &self.columns).unwrap_or_default()))
    }
}

/// The column that one can do without first: what is carried, and then the parts of a count.
fn dispensable(middle: &[Column]) -> Option<usize> {
    let last = |wanted: fn(&Column) -> bool| middle.iter().rposition(wanted);
    last(|column| matches!(column, Column::Carried(_)))
        .or_else(|| last(|column| *column == Column::Verified))
        .or_else(|| last(|column| matches!(column, Column::Sources | Column::Forks | Column::Archived)))
        .or_else(|| last(|column| *column == Column::Was))
}
