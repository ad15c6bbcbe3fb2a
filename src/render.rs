//! Renderers: rows in, a report out. They know rows, never GitHub.
//!
//! CSV, TSV, JSON and NDJSON write each row as it comes; the other formats collect rows. CONTRIBUTING lists the files of a new
//! format.

mod csv;
mod html;
mod json;
mod markdown;
mod openmetrics;
mod schema;
mod table;
mod xlsx;

use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::LazyLock;

use clap::builder::PossibleValue;
use serde::{Deserialize, Serialize};

pub(crate) use self::json::{RowObject, line, row_as_json};
pub(crate) use self::schema::schema;
pub(crate) use self::table::TerminalStyle;
#[cfg(test)]
pub(crate) use self::tests::sample;
use crate::login::Login;
use crate::report::{COLUMNS, Cell, Column, ColumnSpec, Columns, Identity, Role, Row, Status, Summary};
use crate::text::{collapse_whitespace, sanitize_line};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text for a terminal.
    Table,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Tab-separated values, quoted like CSV.
    Tsv,
    /// Workbook, for Excel.
    Xlsx,
    /// One document with `meta`, `rows` and `summary`.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// GitHub Flavored Markdown, for a pull request or a job summary.
    Markdown,
    /// One page without outside resources.
    Html,
    /// Metrics for the textfile collector of Prometheus.
    Openmetrics,
}

impl Format {
    pub(crate) const EXTENSIONS: [(&'static str, Self); 11] = [
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("xlsx", Self::Xlsx),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("jsonl", Self::Ndjson),
        ("md", Self::Markdown),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
        ("htm", Self::Html),
        ("prom", Self::Openmetrics),
    ];

    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
    }
}

/// Name and version of the program.
pub(crate) const GENERATOR: &str = concat!("ghrepos ", env!("CARGO_PKG_VERSION"));

/// Facts about the run that a report comes from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) generator: String,
    /// Base URL of the API. None if no request was sent.
    pub(crate) api: Option<String>,
    #[serde(flatten)]
    pub(crate) identity: Identity,
    /// Folder of the recording that was made or replayed.
    pub(crate) exchanges: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<String>,
    /// Time of the latest response in the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline_at: Option<jiff::Timestamp>,
    /// Reports that this one was rendered from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) from: Vec<String>,
    /// Number of `--top`. The report may lack rows: it cannot be a baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) top: Option<usize>,
    pub(crate) started: jiff::Timestamp,
    /// Command line, without passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// Host of the profile pages, if it is known.
    #[serde(skip)]
    pub(crate) site: Option<String>,
}

impl Meta {
    /// Parses `meta` of a JSON report, which is now compared with `baseline`.
    pub(crate) fn read(meta: &serde_json::Value, baseline: Option<String>) -> Option<Self> {
        let mut meta = Self::deserialize(meta).ok()?;
        meta.baseline = baseline.or(meta.baseline);
        meta.sanitize();
        Some(meta)
    }

    /// Removes control characters.
    pub(crate) fn sanitize(&mut self) {
        let Self { generator, api, identity, exchanges, baseline, from, command, .. } = self;
        let optional = [api, &mut identity.viewer, &mut identity.app, exchanges, baseline, command];
        for text in optional.into_iter().flatten().chain(from).chain([generator]) {
            *text = sanitize_line(text).into_owned();
        }
    }

    /// Returns the host that was asked: that of the profile pages, or else of the API.
    fn host(&self) -> Option<&str> {
        let api = || self.api.as_deref()?.split("://").nth(1)?.split('/').next();
        self.site.as_deref().or_else(api)
    }

    /// Returns the URL of a row's profile page. None if the account was not counted.
    fn profile_url(&self, row: &Row) -> Option<String> {
        let site = self.site.as_ref()?;
        let login = Login::exact(&row.login).ok().filter(|_| row.status == Status::Ok)?;
        // The profile page of a bot is that of its app.
        match login.as_str().strip_suffix("[bot]") {
            Some(app) => Some(format!("https://{site}/apps/{app}")),
            None => Some(format!("https://{site}/{login}")),
        }
    }
}

/// Writes a report. Its errors are those of the output.
pub(crate) trait Renderer {
    fn row(&mut self, row: &Row) -> io::Result<()>;

    /// Takes a row that `--top` leaves out. A page counts the reasons of failures in all rows.
    fn left_out(&mut self, _row: &Row) {}

    /// Passes on the rows that were written, if the format writes each row as it comes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

pub(crate) type Output = BufWriter<Box<dyn Write + Send>>;

/// Heading of a column that may be aligned to the right.
struct Heading {
    text: String,
    is_numeric: bool,
}

impl Heading {
    fn new(text: &str, is_numeric: bool) -> Self {
        Self { text: collapse_whitespace(text), is_numeric }
    }

    fn of(column: &Column) -> Self {
        Self::new(column.heading().unwrap_or(column.key()), column.is_numeric())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ReportLayout {
    pub(crate) columns: Columns,
    pub(crate) order: RowOrder,
    pub(crate) style: TerminalStyle,
}

pub(crate) fn renderer(
    format: Format,
    layout: &ReportLayout,
    meta: &Meta,
    out: Output,
) -> Box<dyn Renderer + Send> {
    let columns = layout.columns.clone();
    let renderer: Box<dyn Renderer + Send> = match format {
        Format::Table => Box::new(table::Table::new(out, &columns, layout.style)),
        Format::Csv => Box::new(csv::Csv::new(out, columns.shown(), b',')),
        Format::Tsv => Box::new(csv::Csv::new(out, columns.shown(), b'\t')),
        Format::Xlsx => Box::new(xlsx::Xlsx::new(out, columns, meta.clone())),
        Format::Json => Box::new(json::Json::new(out, columns, meta.clone())),
        Format::Ndjson => Box::new(json::Ndjson::new(out, columns)),
        Format::Markdown => Box::new(markdown::Markdown::new(out, &columns, meta.clone())),
        Format::Html => Box::new(html::Html::new(out, columns, meta.clone(), layout.order)),
        Format::Openmetrics => Box::new(openmetrics::OpenMetrics::new(out, &columns, meta.clone())),
    };
    layout.order.wrap(renderer)
}

/// Key of `--sort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SortKey {
    #[default]
    Input,
    /// In any case.
    Login,
    /// A count, the difference or a time: largest first; rows without one last.
    Measure(&'static ColumnSpec),
}

impl SortKey {
    pub(crate) fn public_repos() -> Self {
        Self::measures().next().unwrap_or_default()
    }

    fn measures() -> impl Iterator<Item = Self> {
        COLUMNS
            .iter()
            .filter(|spec| matches!(spec.role, Role::Measure | Role::LastPush | Role::Change))
            .map(Self::Measure)
    }

    fn is_missing_in(self, row: &Row) -> bool {
        match self {
            Self::Measure(spec) => row.own_cell(spec) == Cell::Null,
            Self::Input | Self::Login => false,
        }
    }
}

impl clap::ValueEnum for SortKey {
    fn value_variants<'a>() -> &'a [Self] {
        static KEYS: LazyLock<Vec<SortKey>> = LazyLock::new(|| {
            [SortKey::Input, SortKey::Login].into_iter().chain(SortKey::measures()).collect()
        });
        &KEYS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Input => "input",
            Self::Login => "login",
            Self::Measure(spec) => spec.key,
        }))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowOrder {
    pub(crate) by: SortKey,
    pub(crate) reverse: bool,
    pub(crate) top: Option<usize>,
}

impl RowOrder {
    /// Returns true if the report has every row, in input order.
    pub(crate) fn is_input_order(self) -> bool {
        self == Self::default()
    }

    /// Wraps a renderer so that it gets the rows in this order.
    fn wrap(self, inner: Box<dyn Renderer + Send>) -> Box<dyn Renderer + Send> {
        if self.is_input_order() { inner } else { Box::new(SortBy { inner, order: self, rows: Vec::new() }) }
    }
}

/// Collects the rows, and passes them on in another order.
struct SortBy {
    inner: Box<dyn Renderer + Send>,
    order: RowOrder,
    rows: Vec<Row>,
}

impl Renderer for SortBy {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let RowOrder { by, reverse, top } = self.order;
        let is_beyond_top = top.is_some_and(|top| self.rows.len() >= top);
        if by != SortKey::Input || reverse || !is_beyond_top {
            self.rows.push(row.clone());
        } else {
            self.inner.left_out(row);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let RowOrder { by, reverse, top } = self.order;
        // Two sorts, because rows without a count and removed ones are last in both directions.
        match by {
            SortKey::Input => {}
            SortKey::Login => self.rows.sort_by_cached_key(|row| row.login.to_ascii_lowercase()),
            SortKey::Measure(spec) => {
                self.rows.sort_by_cached_key(|row| Reverse(row.own_cell(spec).as_integer()));
            }
        }
        if reverse {
            self.rows.reverse();
        }
        self.rows.sort_by_key(|row| (row.is_removed(), by.is_missing_in(row)));
        let top = top.unwrap_or(usize::MAX);
        for row in self.rows.iter().take(top) {
            self.inner.row(row)?;
        }
        for row in self.rows.iter().skip(top) {
            self.inner.left_out(row);
        }
        self.inner.finish(summary)
    }
}

#[cfg(test)]
mod tests {
    pub(crate) mod sample;

    use super::*;

    fn logins(by: SortKey, top: Option<usize>) -> Vec<String> {
        logins_in(RowOrder { by, top, ..RowOrder::default() })
    }

    fn logins_in(order: RowOrder) -> Vec<String> {
        let report = sample::report(Format::Ndjson, order, TerminalStyle::default());
        let login =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["login"].to_string();
        report.lines().map(login).map(|login| login.chars().take(10).collect()).collect()
    }

    #[test]
    fn rows_without_a_count_are_sorted_last() {
        assert_eq!(
            logins(SortKey::public_repos(), None),
            ["\"microsoft", "\"torvalds\"", "\"nosuchlog", "\"=cmd|' /C", "\"a\\\\u{1b}["]
        );
        assert_eq!(logins(SortKey::public_repos(), Some(1)), ["\"microsoft"]);
    }

    #[test]
    fn rows_without_a_count_are_last_in_reverse_order_too() {
        let reversed = |by| logins_in(RowOrder { by, reverse: true, top: Some(3) });
        assert_eq!(reversed(SortKey::public_repos()), ["\"torvalds\"", "\"microsoft", "\"a\\\\u{1b}["]);
        assert_eq!(reversed(SortKey::Input), ["\"a\\\\u{1b}[", "\"=cmd|' /C", "\"nosuchlog"]);
        assert_eq!(reversed(SortKey::Login), ["\"torvalds\"", "\"nosuchlog", "\"microsoft"]);
    }

    #[test]
    fn logins_are_sorted_in_any_case() {
        assert_eq!(logins(SortKey::Login, Some(2)), ["\"=cmd|' /C", "\"a\\\\u{1b}["]);
        assert_eq!(logins(SortKey::Input, Some(2)), ["\"torvalds\"", "\"microsoft"]);
    }
}
