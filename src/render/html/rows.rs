//! Tables of the rows that were counted, and of those that were not.

use std::borrow::Cow;
use std::io;

use askama::Template;

use crate::render::Heading;
use crate::report::{Cell, Column, Columns, Role, Row};
use crate::text::{format_delta, group_digits, pluralize};

/// Maximum number of rows of a table on the page. A browser takes seconds for more.
pub(super) const MAX_ROWS: usize = 100_000;
/// Rows that are visible at first. `page.js` has the same number.
const VISIBLE_ROWS: usize = 200;

pub(super) struct RowTable {
    pub(super) headings: Vec<Heading>,
    /// Columns after the login.
    columns: Vec<Column>,
    /// Rows as HTML.
    rows: Vec<String>,
    /// Rows beyond [`MAX_ROWS`].
    pub(super) left_out: u64,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<tr{% if has_changed %} class=\"changed\"{% endif %}><th scope=\"row\">{% if let Some(link) = link %}<a href=\"{{ link }}\">{{ login }}</a>{% else %}<bdi>{{ login }}</bdi>{% endif %}</th>\
              {% for cell in cells %}<td{% if !cell.class.is_empty() %} class=\"{{ cell.class }}\"{% endif %}{% if cell.is_foreign %} dir=\"auto\"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>"
)]
struct RowTemplate<'a> {
    login: &'a str,
    link: Option<&'a str>,
    has_changed: bool,
    cells: Vec<CellView<'a>>,
}

struct CellView<'a> {
    class: &'static str,
    text: Cow<'a, str>,
    /// The text is from the input, so it may be written from right to left.
    is_foreign: bool,
}

impl RowTable {
    /// Makes a table whose second column is the count, followed by its comparison. On a phone these are on the screen.
    pub(super) fn counted(columns: &Columns) -> Self {
        let mut columns: Vec<_> =
            columns.iter().filter(|column| !matches!(column.role(), Role::Status | Role::Error)).collect();
        // The sort is stable: the other columns keep their order.
        columns.sort_by_key(|column| match column.role() {
            Role::Login => 0,
            Role::Measure if column.key() == "public_repos" => 1,
            Role::Was | Role::Change | Role::Event => 2,
            _ => 3,
        });
        Self::of(columns.into_iter())
    }

    /// Makes a table whose third column is the reason.
    pub(super) fn uncounted(columns: &Columns) -> Self {
        let first = [Role::Login, Role::Status, Role::Error];
        let last = [Role::Extra, Role::Was, Role::Event];
        let first = columns.iter().filter(|column| first.contains(&column.role()));
        Self::of(first.chain(columns.iter().filter(|column| last.contains(&column.role()))))
    }

    fn of<'a>(columns: impl Iterator<Item = &'a Column>) -> Self {
        let columns: Vec<_> = columns.filter(|column| column.heading().is_some()).cloned().collect();
        let headings = columns.iter().map(Heading::of).collect();
        Self { headings, columns: columns.into_iter().skip(1).collect(), rows: Vec::new(), left_out: 0 }
    }

    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) -> io::Result<()> {
        if self.rows.len() >= MAX_ROWS {
            self.left_out += 1;
            return Ok(());
        }
        let cells = self.columns.iter().map(|column| cell_view(row, column)).collect();
        let html = RowTemplate { login: &row.login, link, has_changed: row.has_changed(), cells }.render();
        self.rows.push(html.map_err(io::Error::other)?);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn first(&self) -> &[String] {
        self.rows.get(..VISIBLE_ROWS).unwrap_or(&self.rows)
    }

    /// Returns the rows that are shown on demand.
    pub(super) fn rest(&self) -> &[String] {
        self.rows.get(VISIBLE_ROWS..).unwrap_or_default()
    }

    pub(super) fn shown(&self) -> String {
        group_digits(self.rows.len() as u64)
    }

    pub(super) fn left_out_label(&self) -> String {
        let more = pluralize(self.left_out, "more row is", "more rows are");
        format!("This table has {} rows; {more}", self.shown())
    }
}

fn cell_view<'a>(row: &'a Row, column: &Column) -> CellView<'a> {
    let role = column.role();
    let number_class = if column.is_numeric() { "n" } else { "" };
    let (class, text) = match row.cell(column) {
        _ if role == Role::Status => ("", row.status.label().into()),
        Cell::Null if matches!(role, Role::Extra | Role::Event) => ("", "".into()),
        Cell::Null => (number_class, "–".into()),
        Cell::Number(number) => ("n", group_digits(number).into()),
        Cell::Delta(by) => {
            let class = match by.signum() {
                1 => "n up",
                -1 => "n down",
                _ => "n",
            };
            (class, format_delta(by).into())
        }
        Cell::Bool(true) => ("", "yes".into()),
        Cell::Bool(false) => ("down", "NO".into()),
        Cell::Text(text) => match role {
            Role::Event => ("word", row.event_label()),
            Role::Error => ("reason", text),
            _ => ("", text),
        },
    };
    let is_foreign = role == Role::Extra && !text.is_empty();
    CellView { class, text, is_foreign }
}
