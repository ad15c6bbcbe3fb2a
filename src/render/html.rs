//! HTML page: one file without outside resources.
//!
//! The content security policy allows only the page's own style and script, by their hashes, so text in a row stays text.
//! Without the script only sorting and filtering are missing. The template escapes all text; none is made markup here.

mod changes;
mod charts;
mod failures;
mod rows;

use std::io::{self, Write};
use std::time::Duration;

use askama::Template;

use self::changes::{ChangeCollector, ChangesSection};
use self::charts::{Bar, Chart, Distribution, Stat, rest_note};
use self::failures::{FailureCollector, FailuresSection};
use self::rows::RowTable;
use super::{Meta, Output, Renderer, RowOrder, SortKey};
use crate::report::{Column, ColumnSpec, Columns, Row, Summary};
use crate::text::{format_duration, group_digits, pluralize};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Content security policy. A test compares the hashes with `page.css` and `page.js`.
const CSP: &str = concat!(
    "default-src 'none'; base-uri 'none'; form-action 'none'; ",
    "style-src 'sha256-S/pwtWqWqwq1zQfWpx1wc7o7Gjg7+93fKV+Ej3oRl6U='; ",
    "script-src 'sha256-7g9pU2UenyVmDpEFnlIY9fOv1/kTjmrPRZIvWdw2AvY='"
);

/// Maximum number of accounts, and of groups, in a chart.
const MAX_BARS: usize = 20;
const MIN_FOR_HISTOGRAM: usize = 10;

/// Collects what the page shows, which is not every row.
pub(super) struct Html {
    out: Output,
    meta: Meta,
    order: RowOrder,
    columns: Columns,
    counted: RowTable,
    uncounted: RowTable,
    /// Public repositories of each counted account.
    counts: Vec<u64>,
    largest: Vec<Row>,
    changes: ChangeCollector,
    failures: FailureCollector,
    /// Rows that are in the input and on the page.
    rows: u64,
}

impl Html {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta, order: RowOrder) -> Self {
        Self {
            out,
            counted: RowTable::counted(&columns),
            uncounted: RowTable::uncounted(&columns),
            counts: Vec::new(),
            columns,
            largest: Vec::new(),
            changes: ChangeCollector::default(),
            failures: FailureCollector::default(),
            rows: 0,
            meta,
            order,
        }
    }
}

/// Inserts a row among the `max` rows with the largest keys, the largest first.
fn insert_largest<K: Ord>(rows: &mut Vec<Row>, row: &Row, max: usize, key: fn(&Row) -> K) {
    let index = rows.partition_point(|other| key(other) >= key(row));
    if index < max {
        rows.insert(index, row.clone());
        rows.truncate(max);
    }
}

impl Renderer for Html {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        let link = self.meta.profile_url(row);
        self.changes.add(row, link.as_deref());
        if row.is_removed() {
            return Ok(());
        }
        self.rows += 1;
        let Some(count) = row.public_repos else {
            self.failures.add(row);
            return self.uncounted.add(row, link.as_deref());
        };
        self.counts.push(count);
        insert_largest(&mut self.largest, row, MAX_BARS, |row| row.public_repos);
        self.counted.add(row, link.as_deref())
    }

    fn left_out(&mut self, row: &Row) {
        if !row.is_removed() && row.public_repos.is_none() {
            self.failures.add_left_out(row);
        }
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let page = Page::of(self, summary).render().map_err(io::Error::other)?;
        self.out.write_all(page.as_bytes())?;
        self.out.flush()
    }
}

#[derive(Template)]
#[template(path = "page.html", config = "src/render/html/askama.toml")]
struct Page<'a> {
    html: &'a Html,
    title: String,
    heading: String,
    summary_sentence: String,
    warnings: Vec<String>,
    /// Number of rows, if not all are shown.
    shown: Option<String>,
    failures: Option<FailuresSection>,
    stats: Vec<Stat>,
    changes: Option<ChangesSection<'a>>,
    groups: Option<Chart>,
    has_breakdown: bool,
    largest: Chart,
    distribution: Option<Chart>,
    distribution_description: String,
    run_metadata: Vec<(&'static str, String)>,
}

impl<'a> Page<'a> {
    fn of(html: &'a Html, summary: &'a Summary) -> Self {
        let accounts = pluralize(summary.asked, "account", "accounts");
        let repos = summary.public_repos.with_noun("repository", "repositories");
        let shown = (html.rows < summary.asked).then(|| group_digits(html.rows));
        let distribution = Distribution::of(html.counts.clone());
        let median = distribution.as_ref().map(|distribution| distribution.median);
        let mut distribution_description =
            distribution.as_ref().map(Distribution::description).unwrap_or_default();
        if let Some(shown) = &shown {
            distribution_description = format!("Of the {shown} that are shown. {distribution_description}");
        }
        Self {
            html,
            title: format!("{accounts}, {} · ghrepos", repos.as_deref().unwrap_or("none counted")),
            heading: heading(html, summary),
            summary_sentence: summary_sentence(html, summary, shown.as_deref()),
            warnings: warnings(summary),
            failures: html.failures.section(summary),
            stats: stats(html, summary, median),
            changes: summary.changes.as_ref().map(|changes| html.changes.section(changes, &html.meta)),
            groups: summary.groups.as_ref().map(|groups| Chart::of_groups(groups, MAX_BARS)),
            has_breakdown: html.columns.iter().any(Column::is_part),
            largest: largest(html),
            distribution: distribution
                .filter(|_| html.counts.len() >= MIN_FOR_HISTOGRAM)
                .map(Distribution::chart),
            distribution_description,
            run_metadata: run_metadata(html, summary),
            shown,
        }
    }
}

/// Link to a section of the page.
struct SectionLink {
    id: &'static str,
    title: String,
}

impl Page<'_> {
    /// Returns links to the sections that the page has below its totals, in their order.
    fn sections(&self) -> Vec<SectionLink> {
        let groups = self.groups.as_ref().map(|groups| format!("By {}", groups.category));
        let has_largest = !self.largest.bars.is_empty();
        let sections = [
            ("changes", self.changes.as_ref().map(|_| "Changes".into())),
            ("groups", groups),
            ("largest", has_largest.then(|| "Largest accounts".into())),
            (
                "distribution",
                self.distribution.as_ref().filter(|_| has_largest).map(|_| "Distribution".into()),
            ),
            ("uncounted-title", (!self.html.uncounted.is_empty()).then(|| "Not counted".into())),
            ("counted-title", (!self.html.counted.is_empty()).then(|| "Accounts".into())),
            ("about", Some("About this report".into())),
        ];
        sections.into_iter().filter_map(|(id, title)| Some(SectionLink { id, title: title? })).collect()
    }
}

fn date_text(time: jiff::Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// With `--top`, the heading names the accounts that the page lists; the totals cover all of them.
fn heading(html: &Html, summary: &Summary) -> String {
    let accounts = pluralize(summary.asked, "GitHub account", "GitHub accounts");
    if html.rows >= summary.asked {
        return format!("Public repositories of {accounts}");
    }
    let shown = group_digits(html.rows);
    let is_counted = html.rows > 0 && html.counts.len() as u64 == html.rows;
    if html.order.by != SortKey::public_repos() || !is_counted {
        return format!("Public repositories: {shown} of {accounts}");
    }
    let extreme = if html.order.reverse { "smallest" } else { "largest" };
    match html.rows {
        1 => format!("Public repositories: the {extreme} of {accounts}"),
        _ => format!("Public repositories: the {shown} {extreme} of {accounts}"),
    }
}

fn summary_sentence(html: &Html, summary: &Summary, shown: Option<&str>) -> String {
    let date = date_text(html.meta.started);
    let host = html.meta.host().map(|host| format!(" on {host}")).unwrap_or_default();
    let statuses = if summary.asked == 0 { "the input is empty".into() } else { summary.status_line() };
    let shown = shown.map(|shown| format!(" {shown} are shown.")).unwrap_or_default();
    format!("{date}{host}: {statuses}.{shown}")
}

fn warnings(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if !summary.complete {
        warnings.push(match summary.skipped {
            0 => "This report is incomplete: see the messages of the run.".into(),
            skipped => {
                let skipped = pluralize(skipped, "account was", "accounts were");
                format!("This report is incomplete: {skipped} not looked up before the run ended.")
            }
        });
    }
    if summary.mismatched > 0 {
        let rows = pluralize(summary.mismatched, "account", "accounts");
        warnings.push(format!(
            "GitHub’s two APIs disagree on {rows} of {} that were counted twice.",
            group_digits(summary.verified)
        ));
    }
    warnings
}

fn stats(html: &Html, summary: &Summary, median: Option<u64>) -> Vec<Stat> {
    let mut stats = vec![
        Stat::new("Public repositories", summary.public_repos, ""),
        Stat::new("Counted", summary.ok, format!("of {}", group_digits(summary.asked))),
    ];
    if html.rows == summary.asked {
        stats.extend(
            median.map(|median| Stat::new("Median", median, "half of those counted have this many or fewer")),
        );
        for column in html.columns.iter() {
            if let (Column::Own(spec @ ColumnSpec { group: Some(_), .. }), Some(sum)) =
                (column, summary.sum(column))
            {
                stats.push(Stat::new(spec.heading, sum, spec.note));
            }
        }
    }
    if summary.uncounted() > 0 {
        stats.push(Stat::new("Not counted", summary.uncounted(), ""));
    }
    stats
}

fn largest(html: &Html) -> Chart {
    let largest = html.largest.first().and_then(|row| row.public_repos).unwrap_or(0);
    let shown = html.largest.iter().filter_map(|row| row.public_repos).fold(0, u64::saturating_add);
    let all = html.counts.iter().copied().fold(0, u64::saturating_add);
    let others = html.counts.len().saturating_sub(html.largest.len()) as u64;
    Chart {
        category: "Account".into(),
        measure: "Repositories",
        is_centered: false,
        bars: html
            .largest
            .iter()
            .map(|row| Bar::of_account(row, html.meta.profile_url(row), largest))
            .collect(),
        rest: rest_note(others, all.saturating_sub(shown)),
    }
}

fn run_metadata(html: &Html, summary: &Summary) -> Vec<(&'static str, String)> {
    fn unless_zero(number: Option<u64>) -> Option<String> {
        number.filter(|number| *number > 0).map(group_digits)
    }
    let meta = &html.meta;
    let app = meta.identity.app.as_ref().map(|app| format!("the app {app}"));
    let took = summary.totals.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let lines = [
        ("Started", Some(meta.started.to_string())),
        ("Duration", took.map(format_duration)),
        ("API", meta.api.clone()),
        ("Token owner", meta.identity.viewer.clone().or(app)),
        ("Requests", summary.totals.requests.map(group_digits)),
        ("Points", summary.totals.points.map(group_digits)),
        ("Complete", Some(if summary.complete { "yes" } else { "no" }.into())),
        ("Duplicates dropped", unless_zero(summary.totals.duplicates)),
        ("Kept from an earlier run", unless_zero(summary.totals.kept)),
        ("Rows dropped from an earlier run", unless_zero(summary.totals.no_longer_asked)),
        ("Compared with", meta.baseline.clone()),
        ("Date of the baseline", meta.baseline_at.map(|time| time.to_string())),
        ("Recording", meta.exchanges.clone()),
        ("Rendered from", (!meta.from.is_empty()).then(|| meta.from.join(", "))),
        (if meta.exchanges.is_some() { "Recorded with" } else { "Command" }, meta.command.clone()),
        ("Generated by", Some(meta.generator.clone())),
    ];
    lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests;
