//! The tables of rows: who was counted, and who was not.

use std::io;

use askama::Template;

use super::MOST;
use crate::render::headings::{heading, is_number, outcome};
use crate::report::{Cell, Column, Columns, Row};
use crate::text::{format_delta, group_digits, pluralize};

/// Rows that are shown at once; the rest is a click away.
const AT_ONCE: usize = 200;

/// A table, its rows as they stand in the page.
pub(super) struct Table {
    pub(super) headings: Vec<Heading>,
    columns: Vec<Column>,
    rows: Vec<String>,
    /// Rows beyond what a page holds.
    pub(super) left_out: u64,
}

/// What stands above a column.
pub(super) struct Heading {
    pub(super) text: String,
    pub(super) number: bool,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<tr><th scope=\"row\">{% if let Some(link) = link %}<a href=\"{{ link }}\">{{ login }}</a>{% else %}<bdi>{{ login }}</bdi>{% endif %}</th>\
              {% for cell in cells %}<td{% if !cell.class.is_empty() %} class=\"{{ cell.class }}\"{% endif %}{% if cell.free %} dir=\"auto\"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>"
)]
struct Line<'a> {
    login: &'a str,
    link: Option<&'a str>,
    cells: Vec<Shown<'a>>,
}

struct Shown<'a> {
    class: &'static str,
    text: std::borrow::Cow<'a, str>,
    /// Text from elsewhere, which may be written from right to left.
    free: bool,
}

impl Table {
    /// Those who were counted.
    pub(super) fn counted(columns: &Columns) -> Self {
        Self::of(columns, |column| !matches!(column, Column::Status | Column::Error))
    }

    /// Those who were not, and why.
    pub(super) fn uncounted(columns: &Columns) -> Self {
        let mut table = Self::of(columns, |column| {
            matches!(column, Column::Status | Column::Error | Column::Carried(_) | Column::Was)
        });
        // The reason is what one looks for.
        let middle = table.columns.iter().position(|column| *column == Column::Error);
        if let Some(at) = middle {
            let error = table.columns.remove(at);
            table.columns.insert(1, error);
            let heading = table.headings.remove(at + 1);
            table.headings.insert(2, heading);
        }
        table
    }

    fn of(columns: &Columns, wanted: fn(Column) -> bool) -> Self {
        let shown = columns.iter().filter(|column| *column == Column::Login || wanted(*column));
        let heading =
            |column| Some(Heading { text: heading(column, columns)?.to_owned(), number: is_number(column) });
        let (columns, headings): (Vec<_>, Vec<_>) =
            shown.filter_map(|column| Some((column, heading(column)?))).unzip();
        let columns = columns.into_iter().skip(1).collect();
        Self { headings, columns, rows: Vec::new(), left_out: 0 }
    }

    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) -> io::Result<()> {
        if self.rows.len() >= MOST {
            self.left_out += 1;
            return Ok(());
        }
        let cells = self.columns.iter().map(|column| shown(row, *column)).collect();
        let html = Line { login: &row.login, link, cells }.render();
        self.rows.push(html.map_err(io::Error::other)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Those that are shown at once.
    pub(super) fn first(&self) -> &[String] {
        self.rows.get(..AT_ONCE).unwrap_or(&self.rows)
    }

    /// Those that are shown on demand.
    pub(super) fn rest(&self) -> &[String] {
        self.rows.get(AT_ONCE..).unwrap_or_default()
    }

    /// How many rows there are in the page.
    pub(super) fn shown(&self) -> String {
        group_digits(self.rows.len() as u64)
    }

    pub(super) fn left_out_in_words(&self) -> String {
        let more = pluralize(self.left_out, "more row is", "more rows are");
        format!("This table has {} rows; {more}", self.shown())
    }
}

fn shown(row: &Row, column: Column) -> Shown<'_> {
    let plain = |class, text: &'static str| Shown { class, text: text.into(), free: false };
    match (column, row.cell(column)) {
        (Column::Status, _) => plain("", outcome(row.status)),
        (Column::Carried(_), Cell::Absent) => plain("", ""),
        (Column::Carried(_), Cell::Text(text)) => Shown { class: "", text, free: true },
        (Column::Was | Column::PrivateRepos, Cell::Absent) => plain("n", "–"),
        (_, Cell::Absent) => plain("", "–"),
        (_, Cell::Number(number)) => Shown { class: "n", text: group_digits(number).into(), free: false },
        (_, Cell::Signed(by)) => {
            let class = match by.signum() {
                1 => "n up",
                -1 => "n down",
                _ => "n",
            };
            Shown { class, text: format_delta(by).into(), free: false }
        }
        (_, Cell::Flag(true)) => plain("", "yes"),
        (_, Cell::Flag(false)) => plain("down", "NO"),
        (Column::Change, Cell::Text(text)) => Shown { class: "n word", text, free: false },
        (Column::Error, Cell::Text(text)) => Shown { class: "reason", text, free: false },
        (_, Cell::Text(text)) => Shown { class: "", text, free: false },
    }
}
