//! Table for a terminal. It is written at the end, when the widths of all rows are known, and leaves out columns that do not
//! fit. Until then a row is its text: a million rows take about 100 MB.

use std::cmp::Reverse;
use std::io::{self, Write};

use comfy_table::{Attribute, CellAlignment, Color, ColumnConstraint, ContentLineStyle, TableStyle, Width};
use unicode_width::UnicodeWidthStr;

use super::{Output, Renderer};
use crate::report::{AccountKind, Cell, Column, Columns, GroupTotals, Role, Row, Status, Summary, Total};
use crate::text::{collapse_whitespace, format_delta, group_digits, pluralize, sanitize_line};

/// Narrowest column of reasons that is easy to read, in characters: the length of the most frequent one.
const MIN_ERROR_WIDTH: usize = 38;
/// Width of bars, in characters.
const BARS: std::ops::RangeInclusive<usize> = 8..=40;
/// Longer text of reasons and totals is wrapped if the output is not a terminal.
const MAX_PIPED_WIDTH: usize = 60;
/// A longer word in an extra column may be broken.
const MAX_WORD_WIDTH: usize = 12;
/// Longer logins may be wrapped.
const MAX_LOGIN_WIDTH: usize = 26;
/// Narrowest column of logins.
const MIN_LOGIN_WIDTH: usize = 8;
/// Characters around the text of a cell.
const CELL_PADDING: usize = 2;
/// Characters between the text of two cells: their padding, and a space in place of a line.
const COLUMN_GAP: usize = CELL_PADDING + 1;
/// Cells of comfy-table take more memory than their text, so it lays out a part of the rows at once.
const ROWS_PER_BLOCK: usize = 1000;
/// A space at which text is not wrapped.
const NO_BREAK_SPACE: &str = "\u{a0}";
const PUBLIC_REPOS: &str = "public_repos";
/// A narrower terminal shows shorter subtotals.
const WIDE_TERMINAL: u16 = 80;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TerminalStyle {
    pub(crate) color: bool,
    /// False for ASCII only.
    pub(crate) unicode: bool,
    /// Columns. None if the output is not a terminal, so lines may be long.
    pub(crate) width: Option<u16>,
    /// A table with more rows has its totals only.
    pub(crate) max_rows: Option<usize>,
}

pub(super) struct Table {
    out: Output,
    style: TerminalStyle,
    /// Columns except that of the reasons, which is the last one.
    columns: Vec<TableColumn>,
    reasons: Reasons,
    /// Index of the column in which a row without a count has its outcome.
    outcome: Option<usize>,
    /// An account is not a user.
    has_other_kinds: bool,
    rows: Vec<TableRow>,
    /// Logins of the baseline that are not in the input.
    removed: Vec<TableRow>,
    /// Rows that are in the input.
    added: u64,
    /// Rows of logins that were not looked up, which share one line.
    skipped: u64,
    is_too_long: bool,
}

/// Reasons that the table has.
#[derive(Clone, Copy)]
enum Reasons {
    All,
    /// Reasons that say more than the status.
    Further,
    None,
}

struct TableColumn {
    column: Column,
    /// `--columns` names it.
    is_chosen: bool,
    /// Width of the widest cell, in characters.
    width: usize,
    longest_word: usize,
}

/// A row as text.
struct TableRow {
    status: Status,
    count: Option<u64>,
    /// Cells, separated by tabs.
    cells: Box<str>,
    error: Option<Box<str>>,
}

struct TableLayout {
    /// Index and width of each column that has room.
    columns: Vec<(usize, usize)>,
    /// Width of the last column. In it a row has its reason or its bar, and a total the number of logins that were counted.
    last: usize,
    /// Reasons are in the last column, not in lines of their own.
    has_errors: bool,
    /// Width of the longest bar.
    bars: Option<usize>,
}

/// Lines below the rows.
struct Footer {
    subtotals: Vec<FooterLine>,
    total: FooterLine,
}

struct FooterLine {
    cells: Vec<String>,
    /// Text in the last column.
    counted: String,
}

#[derive(Clone, Copy)]
enum Line {
    Header,
    Row(Status),
    Subtotal,
    Total,
}

impl TableColumn {
    /// Returns the width with wrapped cells.
    fn min_width(&self) -> usize {
        match self.column.role() {
            Role::Login => self.width.min(MAX_LOGIN_WIDTH),
            Role::Extra => self.width.min(self.longest_word.clamp(MIN_LOGIN_WIDTH, MAX_WORD_WIDTH)),
            Role::Event => self.longest_word,
            _ if self.column.is_numeric() => self.longest_word,
            _ => self.width,
        }
    }

    /// Returns the turn in which the column is hidden on a narrow terminal. Columns that were not requested come first, and those
    /// of `--columns` are hidden from the right. None for a column that stays.
    fn hiding_turn(&self) -> Option<u8> {
        match self.column.role() {
            Role::Login => None,
            _ if self.column.key() == PUBLIC_REPOS => None,
            _ if self.is_chosen => Some(0),
            Role::Kind => Some(0),
            Role::Verified => Some(1),
            Role::Was => Some(2),
            Role::Status | Role::Technical | Role::Error => Some(3),
            Role::LastPush => Some(4),
            Role::Measure if self.column.is_part() => Some(4),
            Role::Measure => Some(5),
            Role::Change => Some(6),
            Role::Extra => Some(7),
            Role::Event => Some(8),
        }
    }
}

impl Table {
    pub(super) fn new(out: Output, columns: &Columns, style: TerminalStyle) -> Self {
        let shown: Vec<_> = match columns.chosen() {
            Some(chosen) => chosen.iter().filter(|column| column.role() != Role::Error).cloned().collect(),
            None => default_columns(columns),
        };
        let reasons = match columns.chosen() {
            None => Reasons::Further,
            Some(chosen) if chosen.iter().any(|column| column.role() == Role::Error) => Reasons::All,
            Some(_) => Reasons::None,
        };
        let position = |role| shown.iter().position(|column: &Column| column.role() == role);
        let count = shown.iter().position(|column| column.key() == PUBLIC_REPOS);
        let outcome =
            if position(Role::Status).is_some() { None } else { count.or_else(|| position(Role::Measure)) };
        let is_chosen = columns.chosen().is_some();
        let shown = shown.into_iter();
        let columns =
            shown.map(|column| TableColumn { column, is_chosen, width: 0, longest_word: 0 }).collect();
        let mut table = Self {
            out,
            style,
            columns,
            reasons,
            outcome,
            has_other_kinds: false,
            rows: Vec::new(),
            removed: Vec::new(),
            added: 0,
            skipped: 0,
            is_too_long: false,
        };
        table.measure(&table.headings());
        table
    }

    fn headings(&self) -> Vec<String> {
        let headings =
            self.columns.iter().map(|column| column.column.heading().unwrap_or(column.column.key()));
        headings.map(|heading| self.text(&collapse_whitespace(heading))).collect()
    }

    fn text(&self, text: &str) -> String {
        if self.style.unicode {
            return sanitize_line(text).into_owned();
        }
        sanitize_line(text).replace('…', "...").chars().map(escape_unless_ascii).collect()
    }

    /// Widens the columns for these cells.
    fn measure(&mut self, cells: &[String]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.width = column.width.max(cell.width());
            column.longest_word = cell.split(' ').map(str::width).fold(column.longest_word, usize::max);
        }
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let mut cells: Vec<_> = self.columns.iter().map(|column| self.cell(row, &column.column)).collect();
        if row.status != Status::Ok
            && let Some(cell) = self.outcome.and_then(|outcome| cells.get_mut(outcome))
        {
            *cell = outcome(row.status);
        }
        cells
    }

    fn cell(&self, row: &Row, column: &Column) -> String {
        match (column.role(), row.cell(column)) {
            (Role::Status, _) => row.status.label().into(),
            (Role::Event, Cell::Text(_)) => self.text(&row.event_label()),
            (Role::LastPush, _) => {
                row.last_push.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
            }
            // A line end would break the layout.
            (_, Cell::Text(text)) => self.text(&collapse_whitespace(&text)),
            (Role::Technical, Cell::Number(number)) => number.to_string(),
            (_, Cell::Number(number)) => group_digits(number),
            (_, Cell::Delta(by)) => format_delta(by).replace('−', "-"),
            (_, Cell::Bool(true)) => "yes".into(),
            (_, Cell::Bool(false)) => "NO".into(),
            (Role::Extra | Role::Event | Role::Kind, Cell::Null) => String::new(),
            (_, Cell::Null) => "-".into(),
        }
    }

    fn footer(&self, summary: &Summary) -> Footer {
        let subtotals = summary.groups.as_ref().map(|groups| self.subtotals(groups)).unwrap_or_default();
        Footer { subtotals, total: self.total(summary) }
    }

    fn subtotals(&self, groups: &GroupTotals) -> Vec<FooterLine> {
        let is_wide = self.style.width.is_none_or(|width| width >= WIDE_TERMINAL);
        let mut lines = Vec::new();
        for (name, subtotal) in groups.sorted() {
            let name = self.text(&collapse_whitespace(&groups.label(name)));
            let counted = format!("{} of {}", group_digits(subtotal.counted), group_digits(subtotal.logins));
            let counted = if is_wide { counted + " counted" } else { counted };
            let cells = self.footer_cells(&name, |column| {
                (column.key() == PUBLIC_REPOS).then_some(subtotal.public_repos)
            });
            lines.push(FooterLine { cells, counted });
        }
        lines
    }

    fn total(&self, summary: &Summary) -> FooterLine {
        let has_all = self.added == summary.asked;
        let logins = if has_all {
            pluralize(summary.asked, "login", "logins")
        } else {
            format!("{} of {} logins", group_digits(self.added), group_digits(summary.asked))
        };
        // A sum beside some of the rows would look like theirs.
        let cells = self.footer_cells(&logins, |column| {
            summary.sum(column).filter(|_| has_all || column.key() == PUBLIC_REPOS)
        });
        FooterLine { cells, counted: summary.status_line() }
    }

    fn footer_cells(&self, login: &str, sum: impl Fn(&Column) -> Option<Total>) -> Vec<String> {
        let cells = self.columns.iter().map(|TableColumn { column, .. }| match column.role() {
            Role::Login => login.to_owned(),
            _ => sum(column).map(total_cell).unwrap_or_default(),
        });
        cells.collect()
    }

    /// Returns the columns that a terminal of any width could show, with their indexes.
    fn wanted_columns(&self) -> Vec<(usize, &TableColumn)> {
        let is_wanted = |column: &TableColumn| {
            column.column.role() != Role::Kind || column.is_chosen || self.has_other_kinds
        };
        self.columns.iter().enumerate().filter(|(_, column)| is_wanted(column)).collect()
    }

    fn layout(&self, footer: &Footer) -> TableLayout {
        let errors = self.rows.iter().filter_map(|row| row.error.as_deref());
        let longest = errors.map(str::width).max().unwrap_or(0);
        let subtotal = footer.subtotals.iter().map(|line| line.counted.width()).max().unwrap_or(0);
        let total = footer.total.counted.width();
        let mut shown = self.wanted_columns();
        let Some(width) = self.style.width else {
            let columns = shown.iter().map(|(index, column)| (*index, column.width)).collect();
            let last = longest.max(subtotal).max(total).min(MAX_PIPED_WIDTH);
            return TableLayout { columns, last, has_errors: longest > 0, bars: None };
        };
        // Half a gap is left at each edge, so one gap belongs to each column.
        let width = usize::from(width) + 1;
        let for_subtotals = if subtotal > 0 { subtotal + COLUMN_GAP } else { 0 };
        while min_width(&shown) + for_subtotals > width
            && let Some(at) = Self::first_to_hide(&shown)
        {
            shown.remove(at);
        }
        let min = min_width(&shown);
        let for_errors = COLUMN_GAP + longest.min(MIN_ERROR_WIDTH).max(subtotal);
        let has_errors = longest > 0 && min + for_errors <= width;
        let reserved = if has_errors { for_errors } else { for_subtotals };
        let mut room = width.saturating_sub(min + reserved);
        let mut columns = Vec::new();
        for (index, column) in shown {
            let mut least = column.min_width();
            let more = (column.width - least).min(room);
            room -= more;
            if column.column.role() == Role::Login {
                let missing = (min + reserved).saturating_sub(width);
                least = least.saturating_sub(missing).max(least.min(MIN_LOGIN_WIDTH));
            }
            columns.push((index, least + more));
        }
        let room = (room + reserved).saturating_sub(COLUMN_GAP);
        let counted = self.rows.iter().filter(|row| row.count.is_some()).count();
        let bars = (counted > 1 && room >= *BARS.start()).then(|| room.min(*BARS.end()));
        let errors = if has_errors { longest } else { 0 };
        let total = if total <= room { total } else { 0 };
        let last = errors.max(subtotal).max(total).max(bars.unwrap_or(0)).min(room);
        TableLayout { columns, last, has_errors, bars }
    }

    /// Returns the index of the column to hide first. None if the others stay.
    fn first_to_hide(columns: &[(usize, &TableColumn)]) -> Option<usize> {
        let turns = columns
            .iter()
            .enumerate()
            .filter_map(|(at, (_, column))| Some((column.hiding_turn()?, Reverse(at))));
        turns.min().map(|(_, Reverse(at))| at).filter(|_| columns.len() > 1)
    }

    /// Adds cells to a block, in which each of them may take several lines.
    fn add_line(
        &self,
        block: &mut comfy_table::Table,
        layout: &TableLayout,
        line: Line,
        cells: &[impl AsRef<str>],
        last: &str,
    ) {
        let shown = layout.columns.iter().map(|(index, _)| {
            let text = cells.get(*index).map_or("", AsRef::as_ref);
            let column = self.columns.get(*index).map(|column| &column.column);
            let cell = self.styled(line, column.map(Column::role), text);
            let is_right = column.is_some_and(Column::is_numeric);
            if is_right { cell.set_alignment(CellAlignment::Right) } else { cell }
        });
        let last = (layout.last > 0).then(|| self.styled(line, None, last));
        block.add_row(shown.chain(last));
    }

    /// Returns a cell with its style. The last column has no role.
    fn styled(&self, line: Line, role: Option<Role>, text: &str) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(text);
        if !self.style.color {
            return cell;
        }
        match (line, role) {
            (Line::Total, _) => cell.add_attribute(Attribute::Bold),
            (Line::Row(Status::Ok), None) => cell.fg(Color::DarkCyan),
            (Line::Row(status), Some(Role::Measure)) if text != outcome(status) => cell,
            (Line::Row(status), Some(Role::Status | Role::Measure) | None) => match status {
                Status::Ok => cell,
                Status::NotFound | Status::Skipped | Status::Removed => cell.fg(Color::DarkYellow),
                Status::Forbidden | Status::Invalid | Status::Failed => cell.fg(Color::DarkRed),
            },
            (Line::Row(_), Some(Role::Change)) if text.starts_with('+') => cell.fg(Color::DarkGreen),
            (Line::Row(_), Some(Role::Change)) if text.starts_with('-') && text.len() > 1 => {
                cell.fg(Color::DarkRed)
            }
            (Line::Row(_), Some(Role::Event)) => cell.fg(Color::DarkYellow),
            (Line::Row(_), Some(Role::Verified)) if text == "NO" => cell.fg(Color::DarkRed),
            _ => cell,
        }
    }

    fn write_block(&mut self, layout: &TableLayout, block: &mut comfy_table::Table) -> io::Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        block.load_style(TableStyle::new().content_lines(ContentLineStyle::none().junction(' ')));
        if self.style.color {
            block.enforce_styling();
        } else {
            block.force_no_tty();
        }
        let widths = layout.columns.iter().map(|(_, width)| *width).chain([layout.last]);
        for (column, width) in block.column_iter_mut().zip(widths) {
            let width = u16::try_from(width + CELL_PADDING).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        for line in std::mem::take(block).lines() {
            writeln!(self.out, "{}", line.trim_end().replace(NO_BREAK_SPACE, " "))?;
        }
        Ok(())
    }

    fn write_line(
        &mut self,
        layout: &TableLayout,
        line: Line,
        cells: &[impl AsRef<str>],
        last: &str,
    ) -> io::Result<()> {
        let mut block = comfy_table::Table::new();
        self.add_line(&mut block, layout, line, cells, last);
        self.write_block(layout, &mut block)
    }

    fn write_rule(&mut self, layout: &TableLayout) -> io::Result<()> {
        let last = if layout.last > 0 { layout.last + COLUMN_GAP } else { 0 };
        let width = layout.columns.iter().map(|(_, width)| width + COLUMN_GAP).sum::<usize>() + last;
        let rule = if self.style.unicode { "─" } else { "-" };
        writeln!(self.out, "{}", rule.repeat(width.saturating_sub(1)))
    }

    /// Writes text in lines of its own.
    fn write_note(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut note = comfy_table::Table::new();
        note.load_style(TableStyle::new()).force_no_tty().add_row([text]);
        let width = self.style.width.map_or(u16::MAX, |width| width.saturating_sub(2).max(12));
        for column in note.column_iter_mut() {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(width)));
        }
        note.lines().try_for_each(|line| writeln!(self.out, "   {}", line.trim()))
    }

    fn write_rows(&mut self, layout: &TableLayout, rows: Vec<TableRow>) -> io::Result<()> {
        let largest = rows.iter().filter_map(|row| row.count).max().unwrap_or(0);
        let mut block = comfy_table::Table::new();
        for row in rows {
            let error = row.error.as_deref().unwrap_or_default();
            let last = match layout.bars {
                _ if layout.has_errors && !error.is_empty() => error.to_owned(),
                Some(width) if error.is_empty() => {
                    bar(row.count.unwrap_or(0), largest, width, self.style.unicode)
                }
                _ => String::new(),
            };
            let cells: Vec<_> = row.cells.split('\t').collect();
            self.add_line(&mut block, layout, Line::Row(row.status), &cells, &last);
            let has_note = !layout.has_errors && !error.is_empty();
            if has_note || block.row_count() >= ROWS_PER_BLOCK {
                self.write_block(layout, &mut block)?;
            }
            if has_note {
                self.write_note(error)?;
            }
        }
        self.write_block(layout, &mut block)
    }
}

impl Renderer for Table {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.added += u64::from(!row.is_removed());
        if row.status == Status::Skipped {
            self.skipped += 1;
            return Ok(());
        }
        let length = self.rows.len() + self.removed.len();
        if self.is_too_long || self.style.max_rows.is_some_and(|max| length >= max) {
            self.is_too_long = true;
            (self.rows, self.removed) = (Vec::new(), Vec::new());
            self.has_other_kinds = false;
            return Ok(());
        }
        self.has_other_kinds |= row.kind.is_some_and(|kind| kind != AccountKind::User);
        let cells = self.cells(row);
        self.measure(&cells);
        let error = match self.reasons {
            Reasons::All if !row.is_removed() => row.error.as_deref(),
            Reasons::All | Reasons::Further => row.further_reason(),
            Reasons::None => None,
        };
        let error = error.map(|error| self.text(error).into());
        let rows = if row.is_removed() { &mut self.removed } else { &mut self.rows };
        rows.push(TableRow {
            status: row.status,
            count: row.public_repos,
            cells: cells.join("\t").into(),
            error,
        });
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let footer = self.footer(summary);
        footer.subtotals.iter().chain([&footer.total]).for_each(|line| self.measure(&line.cells));
        let layout = self.layout(&footer);

        let headings = self.headings();
        let last = if layout.has_errors && layout.bars.is_none() { "Reason" } else { "" };
        self.write_line(&layout, Line::Header, &headings, last)?;
        self.write_rule(&layout)?;
        let (rows, removed) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.removed));
        self.write_rows(&layout, rows)?;
        if self.skipped > 0 {
            let logins = pluralize(self.skipped, "login was", "logins were");
            self.write_note(&format!("{logins} not looked up"))?;
        }
        if self.is_too_long {
            self.write_note(&format!(
                "{} rows are too many for a terminal: write them to a file with -o FILE.csv, or print all with -F table",
                group_digits(self.added - self.skipped)
            ))?;
        }
        self.write_rule(&layout)?;
        if !removed.is_empty() {
            self.write_rows(&layout, removed)?;
            self.write_rule(&layout)?;
        }
        for FooterLine { cells, counted } in &footer.subtotals {
            self.write_line(&layout, Line::Subtotal, cells, counted)?;
        }
        if !footer.subtotals.is_empty() {
            self.write_rule(&layout)?;
        }
        let FooterLine { cells, counted } = &footer.total;
        // A reason may be wrapped, and so may the total beside it.
        let is_beside = layout.has_errors || counted.width() <= layout.last;
        self.write_line(&layout, Line::Total, cells, if is_beside { counted } else { "" })?;
        if !is_beside {
            self.write_note(counted)?;
        }
        let is_hidden = |index: usize| layout.columns.iter().all(|(shown, _)| *shown != index);
        let wanted: Vec<_> = self.wanted_columns().into_iter().map(|(index, _)| index).collect();
        let hidden = wanted.into_iter().filter(|index| is_hidden(*index));
        let hidden = hidden.filter_map(|index| headings.get(index).cloned());
        let hidden: Vec<_> = hidden.collect();
        if let Some(width) = self.style.width.filter(|_| !hidden.is_empty()) {
            let hidden = hidden.join(", ");
            self.write_note(&format!(
                "Hidden to fit {width} columns: {hidden}. Use -o FILE.csv for all columns."
            ))?;
        }
        self.out.flush()
    }
}

/// Returns the columns for people, except that of the reasons. The status is in the column of the kind.
fn default_columns(columns: &Columns) -> Vec<Column> {
    let readable = columns.iter().filter(|column| column.heading().is_some());
    let shown = readable.filter(|column| !matches!(column.role(), Role::Status | Role::Error));
    let mut shown: Vec<_> = shown.cloned().collect();
    let position = |role| shown.iter().position(|column: &Column| column.role() == role);
    if let (Some(measure), Some(was)) = (position(Role::Measure), position(Role::Was)) {
        // The count before, and then the count now.
        shown.get_mut(measure..=was).into_iter().for_each(|columns| columns.rotate_right(1));
    }
    shown
}

/// Returns the words in place of a count. They stay in one line.
fn outcome(status: Status) -> String {
    status.label().replace(' ', NO_BREAK_SPACE)
}

fn total_cell(total: Total) -> String {
    match total.sum {
        None => "-".into(),
        Some(_) => total.to_string().replace("at least", &format!("at{NO_BREAK_SPACE}least")),
    }
}

/// Returns the width of the columns with wrapped cells, with a gap for each.
fn min_width(columns: &[(usize, &TableColumn)]) -> usize {
    columns.iter().map(|(_, column)| column.min_width() + COLUMN_GAP).sum()
}

fn escape_unless_ascii(c: char) -> String {
    if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }
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
