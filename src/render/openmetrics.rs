//! OpenMetrics, for the textfile collector of Prometheus' node exporter.
//!
//! That collector reads the older Prometheus text format and rejects samples with timestamps. Every family is a gauge, which
//! both formats write alike: the figures are those of the last run. Its start is a metric itself.

use std::collections::HashSet;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use super::{Meta, Output, Renderer};
use crate::report::{AccountKind, Cell, Column, ColumnSpec, Columns, Event, Row, Status, Summary, Total};

pub(super) struct OpenMetrics {
    out: Output,
    meta: Meta,
    accounts: Vec<(&'static ColumnSpec, MetricFamily)>,
    info: MetricFamily,
    uncounted: MetricFamily,
    events: MetricFamily,
    /// Label names of the extra columns.
    labels: Vec<String>,
    /// Logins so far, removed ones apart, because two samples must not have the same labels.
    logins: HashSet<(bool, Box<str>)>,
}

impl OpenMetrics {
    pub(super) fn new(out: Output, columns: &Columns, meta: Meta) -> Self {
        let mut accounts = Vec::new();
        for column in columns.iter() {
            if let Column::Own(spec @ ColumnSpec { metric: Some(metric), .. }) = column {
                accounts.push((*spec, MetricFamily::new(metric.name, metric.help)));
            }
        }
        Self {
            accounts,
            info: MetricFamily::new("ghrepos_account_info", "1 for each account that was counted."),
            uncounted: MetricFamily::new(
                "ghrepos_account_uncounted",
                "1 for each login that could not be counted.",
            ),
            events: MetricFamily::new(
                "ghrepos_account_event",
                "1 for each login with an event since the baseline.",
            ),
            labels: label_names(columns.carried()),
            logins: HashSet::new(),
            out,
            meta,
        }
    }
}

impl Renderer for OpenMetrics {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        if !self.logins.insert((row.is_removed(), row.login.as_str().into())) {
            return Ok(());
        }
        let login = ("login", row.login.as_str());
        if let Some(event) = row.event {
            let previous = row.previous_login.as_deref().unwrap_or_default();
            self.events.sample(&[login, ("event", event.as_str()), ("previous_login", previous)], &1);
        }
        if row.is_removed() {
            return Ok(());
        }
        if row.status != Status::Ok {
            self.uncounted.sample(&[login, ("status", row.status.as_str())], &1);
        }
        for (column, family) in &mut self.accounts {
            match row.own_cell(column) {
                Cell::Number(number) => family.sample(&[login], &number),
                Cell::Delta(number) => family.sample(&[login], &number),
                Cell::Bool(flag) => family.sample(&[login], &u8::from(flag)),
                Cell::Null | Cell::Text(_) => {}
            }
        }
        if row.status == Status::Ok {
            let id = row.id.map(|id| id.to_string()).unwrap_or_default();
            let kind = row.kind.map_or("", AccountKind::as_str);
            let mut labels = vec![login, ("id", id.as_str()), ("type", kind)];
            let texts: Vec<_> =
                (0..self.labels.len()).map(|at| row.extra_text(at).unwrap_or_default()).collect();
            labels.extend(self.labels.iter().zip(&texts).map(|(name, text)| (name.as_str(), &**text)));
            self.info.sample(&labels, &1);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let accounts = self.accounts.iter().map(|(_, family)| family);
        let run = [run_metrics(&self.meta, summary), group_metrics(summary), baseline_metrics(summary)];
        for family in accounts.chain([&self.info, &self.uncounted, &self.events]).chain(run.iter().flatten())
        {
            family.write(&mut self.out)?;
        }
        self.out.write_all(b"# EOF\n")?;
        self.out.flush()
    }
}

fn run_metrics(meta: &Meta, summary: &Summary) -> Vec<MetricFamily> {
    fn text(number: impl Display) -> String {
        number.to_string()
    }
    let figures = [
        (
            "ghrepos_public_repositories",
            "Public repositories of all accounts.",
            summary.public_repos.sum.map(text),
        ),
        ("ghrepos_run_complete", "1 if every login was looked up.", Some(text(u8::from(summary.complete)))),
        ("ghrepos_run_duplicate_logins", "Repeated logins.", summary.duplicates.map(text)),
        ("ghrepos_run_requests", "Requests sent.", summary.requests.map(text)),
        ("ghrepos_run_points", "GraphQL points spent.", summary.points.map(text)),
        ("ghrepos_run_duration_seconds", "Duration of the run.", summary.seconds.map(text)),
        (
            "ghrepos_run_start_timestamp_seconds",
            "Start of the run, since 1970.",
            Some(text(meta.started.as_second())),
        ),
    ];
    let mut families = Vec::new();
    for (name, help, value) in figures {
        let mut family = MetricFamily::new(name, help);
        if let Some(value) = value {
            family.sample(&[], &value);
        }
        families.push(family);
    }
    let mut logins = MetricFamily::new("ghrepos_logins", "Number of logins by status.");
    for (status, number) in summary.by_status() {
        logins.sample(&[("status", status.as_str())], &number);
    }
    let mut run = MetricFamily::new("ghrepos_run_info", "1, with the origin of the report.");
    let api = meta.api.as_deref().unwrap_or_default();
    run.sample(&[("api", api), ("generator", &meta.generator)], &1);
    families.extend([logins, run]);
    families
}

fn group_metrics(summary: &Summary) -> Vec<MetricFamily> {
    let mut logins = MetricFamily::new("ghrepos_group_logins", "Logins of a group.");
    let mut counted =
        MetricFamily::new("ghrepos_group_counted_logins", "Logins of a group that were counted.");
    let mut repos = MetricFamily::new("ghrepos_group_public_repositories", "Public repositories of a group.");
    if let Some(groups) = &summary.groups {
        for (group, subtotal) in groups.sorted() {
            let labels = [("by", groups.by()), ("group", group.unwrap_or_default())];
            logins.sample(&labels, &subtotal.logins);
            counted.sample(&labels, &subtotal.counted);
            repos.total(&labels, subtotal.public_repos);
        }
    }
    vec![logins, counted, repos]
}

fn baseline_metrics(summary: &Summary) -> Vec<MetricFamily> {
    let mut events = MetricFamily::new("ghrepos_event_logins", "Logins by event since the baseline.");
    let mut changes = MetricFamily::new("ghrepos_change_logins", "Logins by change of their count.");
    let mut of_events = MetricFamily::new(
        "ghrepos_event_repositories",
        "Public repositories of new logins, and those that removed logins had.",
    );
    let mut of_changes = MetricFamily::new(
        "ghrepos_change_repositories",
        "Public repositories added and removed since the baseline.",
    );
    if let Some(diff) = &summary.changes {
        for (change, number) in diff.by_change() {
            match Event::parse(change) {
                Some(event) => events.sample(&[("event", event.as_str())], &number),
                None => changes.sample(&[("change", change)], &number),
            }
        }
        of_events.total(&[("event", "new")], diff.repositories_of_new);
        of_events.total(&[("event", "removed")], diff.repositories_of_removed);
        of_changes.total(&[("change", "added")], diff.repositories_added);
        of_changes.total(&[("change", "removed")], diff.repositories_removed);
    }
    vec![events, changes, of_events, of_changes]
}

/// Units with which the name of a family ends.
const UNITS: [&str; 5] = ["logins", "points", "repositories", "requests", "seconds"];

struct MetricFamily {
    name: &'static str,
    help: &'static str,
    samples: String,
}

impl MetricFamily {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: String::new() }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: &dyn Display) {
        self.samples.push_str(self.name);
        for (at, (name, text)) in labels.iter().enumerate() {
            self.samples.push(if at == 0 { '{' } else { ',' });
            // Writing to a String cannot fail.
            let _ = write!(self.samples, "{name}=\"{}\"", escape_label(text));
        }
        self.samples.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(self.samples, "{value}");
    }

    /// Adds a sample, unless nothing was counted.
    fn total(&mut self, labels: &[(&str, &str)], total: Total) {
        if let Some(sum) = total.sum {
            self.sample(labels, &sum);
        }
    }

    fn write(&self, out: &mut Output) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let Self { name, help, samples } = self;
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        let unit = name.rsplit('_').next().unwrap_or_default();
        if UNITS.contains(&unit) {
            writeln!(out, "# UNIT {name} {unit}")?;
        }
        out.write_all(samples.as_bytes())
    }
}

/// Returns a unique label name for each extra column.
fn label_names(names: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut label = "carried_".to_owned();
        label.extend(
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }),
        );
        let mut unique = label.clone();
        for number in 2.. {
            if !labels.contains(&unique) {
                break;
            }
            unique = format!("{label}_{number}");
        }
        labels.push(unique);
    }
    labels
}

fn escape_label(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n").replace('\r', r"\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, RowOrder, TerminalStyle, sample};
    use crate::report::GroupTotals;

    #[test]
    fn every_figure_has_a_metric() {
        let order = RowOrder { top: Some(4), ..RowOrder::default() };
        insta::assert_snapshot!(sample::report(Format::Openmetrics, order, TerminalStyle::default()), @r##"
        # HELP ghrepos_account_public_repositories Public repositories that the account owns, forks included.
        # TYPE ghrepos_account_public_repositories gauge
        # UNIT ghrepos_account_public_repositories repositories
        ghrepos_account_public_repositories{login="torvalds"} 9
        ghrepos_account_public_repositories{login="microsoft"} 7421
        # HELP ghrepos_account_info 1 for each account that was counted.
        # TYPE ghrepos_account_info gauge
        ghrepos_account_info{login="torvalds",id="1024025",type="user"} 1
        ghrepos_account_info{login="microsoft",id="6154722",type="organization"} 1
        # HELP ghrepos_account_uncounted 1 for each login that could not be counted.
        # TYPE ghrepos_account_uncounted gauge
        ghrepos_account_uncounted{login="nosuchlogin",status="not_found"} 1
        ghrepos_account_uncounted{login="=cmd|' /C calc'!A0",status="invalid"} 1
        # HELP ghrepos_public_repositories Public repositories of all accounts.
        # TYPE ghrepos_public_repositories gauge
        # UNIT ghrepos_public_repositories repositories
        ghrepos_public_repositories 7430
        # HELP ghrepos_run_complete 1 if every login was looked up.
        # TYPE ghrepos_run_complete gauge
        ghrepos_run_complete 1
        # HELP ghrepos_run_requests Requests sent.
        # TYPE ghrepos_run_requests gauge
        # UNIT ghrepos_run_requests requests
        ghrepos_run_requests 3
        # HELP ghrepos_run_duration_seconds Duration of the run.
        # TYPE ghrepos_run_duration_seconds gauge
        # UNIT ghrepos_run_duration_seconds seconds
        ghrepos_run_duration_seconds 0.25
        # HELP ghrepos_run_start_timestamp_seconds Start of the run, since 1970.
        # TYPE ghrepos_run_start_timestamp_seconds gauge
        # UNIT ghrepos_run_start_timestamp_seconds seconds
        ghrepos_run_start_timestamp_seconds 1795348800
        # HELP ghrepos_logins Number of logins by status.
        # TYPE ghrepos_logins gauge
        # UNIT ghrepos_logins logins
        ghrepos_logins{status="ok"} 2
        ghrepos_logins{status="not_found"} 1
        ghrepos_logins{status="forbidden"} 0
        ghrepos_logins{status="invalid"} 2
        ghrepos_logins{status="failed"} 0
        ghrepos_logins{status="skipped"} 0
        # HELP ghrepos_run_info 1, with the origin of the report.
        # TYPE ghrepos_run_info gauge
        ghrepos_run_info{api="https://api.github.com",generator="ghrepos 0.1.0"} 1
        # EOF
        "##);
    }

    #[test]
    fn samples_are_unique_and_labels_are_escaped() {
        let columns = Columns::of(&crate::report::ReportSchema {
            carried: ["Team name", "team-name", "überall"].map(str::to_owned).to_vec(),
            ..crate::report::ReportSchema::default()
        });
        assert_eq!(
            label_names(columns.carried()),
            ["carried_team_name", "carried_team_name_2", "carried__berall"]
        );
        assert_eq!(escape_label("a\\b\"c\r\nd"), r#"a\\b\"c\\r\nd"#);
        let twice = [sample::rows(), sample::rows()].concat();
        let out = sample::Shared::default();
        let mut metrics =
            OpenMetrics::new(io::BufWriter::new(Box::new(out.clone())), &columns, Meta::default());
        for row in &twice {
            metrics.row(row).unwrap();
        }
        let mut summary = Summary { groups: Some(GroupTotals::new("team".into(), 0)), ..Summary::default() };
        for group in [None, Some(""), Some("x\r\ny"), Some("x\ny")] {
            let row = Row::without_count("a", Status::Ok, "");
            summary.add(&Row { carried: [group.map(Into::into)].into(), ..row });
        }
        metrics.finish(&summary).unwrap();
        let text = out.text();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let all = samples.len();
        samples.sort_unstable();
        samples.dedup();
        assert_eq!(samples.len(), all);
        assert!(text.ends_with("\n# EOF\n"));
    }
}
