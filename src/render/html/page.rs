//! The page: what stands where. The templates hold the markup, and escape what is put into them; no text from
//! elsewhere is made markup here.

use askama::Template;

use super::changes::Shown;
use super::charts::{self, Bar, Chart, repositories};
use super::rows::Table;
use super::spread::Spread;
use super::{BARS, Html};
use crate::report::{Breakdown, Column, Row, Summary};
use crate::text::{format_duration, group_digits, pluralize};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Of fewer counts a distribution says nothing.
const MANY: usize = 10;

/// What a browser may do for the page. The hashes are those of `page.css` and `page.js`; a test tells
/// them.
pub(super) const POLICY: &str = concat!(
    "default-src 'none'; base-uri 'none'; form-action 'none'; ",
    "style-src 'sha256-/vNvkLUJs1PVN5Qii42LL12OxD/hu+SOZ4LzRU/qcsQ='; ",
    "script-src 'sha256-U9ymgVBRshqMnadprjvim6kyMbnjHaaQhmGRygBfR38='"
);

#[derive(Template)]
#[template(path = "page.html", config = "src/render/html/askama.toml")]
pub(super) struct Page<'a> {
    policy: &'static str,
    style: &'static str,
    script: &'static str,
    generator: &'a str,
    title: String,
    heading: String,
    lead: String,
    warnings: Vec<String>,
    /// How many rows are shown, where these are not all.
    shown: Option<String>,
    tiles: Vec<Tile>,
    changes: Option<Shown>,
    groups: Option<Chart>,
    has_breakdown: bool,
    largest: Chart,
    spread: Option<Chart>,
    spread_in_words: String,
    counted: &'a Table,
    uncounted: &'a Table,
    provenance: Vec<(&'static str, String)>,
}

/// A figure with its name.
pub(super) struct Tile {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

impl<'a> Page<'a> {
    pub(super) fn of(html: &'a mut Html, summary: &Summary) -> Self {
        let changes = summary.drift.as_ref().map(|drift| html.changes.shown(drift));
        let html = &*html;
        let accounts = pluralize(summary.asked, "account", "accounts");
        let shown = (html.rows < summary.asked).then(|| group_digits(html.rows));
        let spread = Spread::of(html.counts.clone());
        let mut spread_in_words = spread.as_ref().map(in_words).unwrap_or_default();
        if let Some(shown) = &shown {
            spread_in_words = format!("Of the {shown} that are shown. {spread_in_words}");
        }
        Self {
            policy: POLICY,
            style: STYLE,
            script: SCRIPT,
            generator: &html.meta.generator,
            title: format!("{accounts}, {} · ghrepos", repositories(summary.public_repos)),
            heading: format!(
                "Public repositories of {}",
                pluralize(summary.asked, "GitHub account", "GitHub accounts")
            ),
            lead: lead(html, summary, shown.as_deref()),
            warnings: warnings(summary),
            tiles: tiles(html, summary, spread.as_ref()),
            changes,
            groups: summary.groups.as_ref().map(|groups| charts::groups(groups, BARS)),
            has_breakdown: html.columns.iter().any(|column| column == Column::Sources),
            largest: largest(html),
            spread: spread.filter(|_| html.counts.len() >= MANY).map(classes),
            spread_in_words,
            counted: &html.counted,
            uncounted: &html.uncounted,
            provenance: provenance(html, summary),
            shown,
        }
    }
}

/// The first sentence: when, where, and what came of it.
fn lead(html: &Html, summary: &Summary, shown: Option<&str>) -> String {
    let date = html.meta.started.strftime("%-d %B %Y, %H:%M UTC");
    let site = html.meta.site.as_ref().map(|site| format!(" on {site}")).unwrap_or_default();
    let outcomes = if summary.asked == 0 { "nobody was asked for".into() } else { summary.outcomes() };
    let shown = shown.map(|shown| format!(" {shown} are shown.")).unwrap_or_default();
    format!("{date}{site}: {outcomes}.{shown}")
}

fn warnings(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if !summary.complete {
        warnings.push(match summary.skipped {
            0 => "This report is incomplete: the run told what went wrong.".into(),
            skipped => {
                let skipped = pluralize(skipped, "account was", "accounts were");
                format!("This report is incomplete: {skipped} not asked for before the run ended.")
            }
        });
    }
    if summary.disagreed > 0 {
        let rows = pluralize(summary.disagreed, "account", "accounts");
        warnings.push(format!(
            "GitHub’s two APIs disagree on {rows} of {} that were counted twice.",
            group_digits(summary.verified)
        ));
    }
    warnings
}

fn tiles(html: &Html, summary: &Summary, spread: Option<&Spread>) -> Vec<Tile> {
    let tile = |name, value: u64, note: String| Tile { name, value: group_digits(value), note };
    let mut tiles = vec![
        tile("Public repositories", summary.public_repos, String::new()),
        tile("Counted", summary.ok, format!("of {}", group_digits(summary.asked))),
    ];
    if html.rows == summary.asked {
        if let Some(spread) = spread {
            tiles.push(tile("Median", spread.median, "half are not above it".into()));
        }
        let Breakdown { sources, forks, archived } = html.breakdown;
        for column in html.columns.iter() {
            match column {
                Column::Sources => tiles.push(tile("Sources", sources, String::new())),
                Column::Forks => tiles.push(tile("Forks", forks, String::new())),
                Column::Archived => tiles.push(tile("Archived", archived, "sources or forks".into())),
                Column::PrivateRepos => {
                    tiles.push(tile("Private", html.private, "that the token may see".into()));
                }
                _ => {}
            }
        }
    }
    if summary.uncounted() > 0 {
        tiles.push(tile("Not counted", summary.uncounted(), String::new()));
    }
    tiles
}

fn largest(html: &Html) -> Chart {
    let most = html.largest.first().and_then(|row| row.public_repos).unwrap_or(0);
    let bar = |row: &Row| {
        let repos = row.public_repos.unwrap_or(0);
        charts::count(row.login.clone(), html.profile(row), repos, row.breakdown, most)
    };
    let others = html.counts.len().saturating_sub(html.largest.len()) as u64;
    let have = html.largest.iter().filter_map(|row| row.public_repos).fold(0, u64::saturating_add);
    let all = html.counts.iter().copied().fold(0, u64::saturating_add);
    let rest =
        || format!("{} more have {} together.", group_digits(others), repositories(all.saturating_sub(have)));
    Chart {
        of: "Account".into(),
        measure: "Repositories",
        from_the_middle: false,
        bars: html.largest.iter().map(bar).collect(),
        rest: (others > 0).then(rest),
    }
}

fn in_words(spread: &Spread) -> String {
    let Spread { median, largest, tenth, .. } = spread;
    let most = format!("the largest has {}", group_digits(*largest));
    format!(
        "Half of the accounts have {} or fewer, {most}; the largest tenth has {tenth}\u{a0}% of all.",
        group_digits(*median)
    )
}

fn classes(spread: Spread) -> Chart {
    let most = spread.classes.iter().map(|class| class.accounts).max().unwrap_or(0);
    let bar =
        |class: super::spread::Class| -> Bar { charts::count(class.label, None, class.accounts, None, most) };
    Chart {
        of: "Repositories".into(),
        measure: "Accounts",
        from_the_middle: false,
        bars: spread.classes.into_iter().map(bar).collect(),
        rest: None,
    }
}

/// When, where, by whom and at what cost.
fn provenance(html: &Html, summary: &Summary) -> Vec<(&'static str, String)> {
    let meta = &html.meta;
    let asked_by =
        meta.whose.viewer.clone().or_else(|| meta.whose.app.as_ref().map(|app| format!("the app {app}")));
    let known = |number: Option<u64>| number.map(group_digits);
    let took = summary.seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let more = |number: u64| (number > 0).then(|| group_digits(number));
    let from = (!meta.from.is_empty()).then(|| meta.from.join(", "));
    let lines = [
        ("Begun", Some(meta.started.to_string())),
        ("Took", took.map(format_duration)),
        ("API", meta.api.clone()),
        ("Asked by", asked_by),
        ("Requests", known(summary.requests)),
        ("Points", known(summary.points)),
        ("Complete", Some(if summary.complete { "yes" } else { "no" }.into())),
        ("Duplicates dropped", summary.duplicates.and_then(more)),
        ("Kept from an earlier run", more(summary.kept)),
        ("Rows of logins no longer asked for", more(summary.no_longer_asked)),
        ("Compared with", meta.baseline.clone()),
        ("Exchanges", meta.exchanges.clone()),
        ("Rendered from", from),
        (if meta.exchanges.is_some() { "Recorded with" } else { "Command" }, meta.command.clone()),
        ("Made by", Some(meta.generator.clone())),
    ];
    lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
