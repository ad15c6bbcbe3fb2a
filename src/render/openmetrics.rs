//! OpenMetrics, for the textfile collector of Prometheus' node exporter.
//!
//! That collector reads the older Prometheus text format and rejects samples with timestamps. Every family is a gauge, which
//! both formats write alike: the figures are those of the last run. Its start is a metric itself.

use std::collections::{HashMap, HashSet};
use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use super::{Meta, Output, Renderer};
use crate::report::{
    AccountKind, Cell, Column, ColumnSpec, Columns, DiffSummary, Event, GroupTotals, Row, RunTotals, Status,
    Summary,
};

/// Families of a report after those of the columns, in their order: name and help.
const FAMILIES: [(&str, &str); 19] = [
    ("ghrepos_account_info", "1 for each account that was counted."),
    ("ghrepos_account_uncounted", "1 for each login that could not be counted."),
    ("ghrepos_account_event", "1 for each login with an event since the baseline."),
    ("ghrepos_public_repositories", "Public repositories of all accounts."),
    ("ghrepos_run_complete", "1 if every login was looked up."),
    ("ghrepos_run_duplicate_logins", "Repeated logins."),
    ("ghrepos_run_requests", "Requests sent."),
    ("ghrepos_run_points", "GraphQL points spent."),
    ("ghrepos_run_duration_seconds", "Duration of the run."),
    ("ghrepos_run_start_timestamp_seconds", "Start of the run, since 1970."),
    ("ghrepos_logins", "Number of logins by status."),
    ("ghrepos_run_info", "1, with the origin of the report."),
    ("ghrepos_group_logins", "Logins of a group."),
    ("ghrepos_group_counted_logins", "Logins of a group that were counted."),
    ("ghrepos_group_public_repositories", "Public repositories of a group."),
    ("ghrepos_event_logins", "Logins by event since the baseline."),
    ("ghrepos_change_logins", "Logins by change of their count."),
    ("ghrepos_event_repositories", "Public repositories of new logins, and those that removed logins had."),
    ("ghrepos_change_repositories", "Public repositories added and removed since the baseline."),
];

/// Units with which the name of a family ends.
const UNITS: [&str; 5] = ["logins", "points", "repositories", "requests", "seconds"];

pub(super) struct OpenMetrics {
    out: Output,
    meta: Meta,
    /// Columns with a family.
    columns: Vec<&'static ColumnSpec>,
    samples: Samples,
    /// Label names of the extra columns.
    labels: Vec<String>,
    /// Logins so far, removed ones apart, because two samples must not have the same labels.
    logins: HashSet<(bool, Box<str>)>,
}

/// Samples as text, by the name of their family.
#[derive(Default)]
struct Samples(HashMap<&'static str, String>);

impl Samples {
    fn add(&mut self, family: &'static str, labels: &[(&str, &str)], value: impl Display) {
        let samples = self.0.entry(family).or_default();
        samples.push_str(family);
        for (at, (name, text)) in labels.iter().enumerate() {
            samples.push(if at == 0 { '{' } else { ',' });
            // Writing to a String cannot fail.
            let _ = write!(samples, "{name}=\"{}\"", escape_label(text));
        }
        samples.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(samples, "{value}");
    }

    fn add_known(&mut self, family: &'static str, labels: &[(&str, &str)], value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(family, labels, value);
        }
    }

    fn add_run(&mut self, meta: &Meta, summary: &Summary) {
        let RunTotals { duplicates, requests, points, seconds, .. } = summary.totals;
        self.add_known("ghrepos_public_repositories", &[], summary.public_repos.sum);
        self.add("ghrepos_run_complete", &[], u8::from(summary.complete));
        self.add_known("ghrepos_run_duplicate_logins", &[], duplicates);
        self.add_known("ghrepos_run_requests", &[], requests);
        self.add_known("ghrepos_run_points", &[], points);
        self.add_known("ghrepos_run_duration_seconds", &[], seconds);
        self.add("ghrepos_run_start_timestamp_seconds", &[], meta.started.as_second());
        for (status, number) in summary.by_status() {
            self.add("ghrepos_logins", &[("status", status.as_str())], number);
        }
        let api = meta.api.as_deref().unwrap_or_default();
        self.add("ghrepos_run_info", &[("api", api), ("generator", &meta.generator)], 1);
    }

    fn add_groups(&mut self, groups: &GroupTotals) {
        for (group, subtotal) in groups.sorted() {
            let labels = [("by", groups.by()), ("group", group.unwrap_or_default())];
            self.add("ghrepos_group_logins", &labels, subtotal.logins);
            self.add("ghrepos_group_counted_logins", &labels, subtotal.counted);
            self.add_known("ghrepos_group_public_repositories", &labels, subtotal.public_repos.sum);
        }
    }

    fn add_changes(&mut self, diff: &DiffSummary) {
        for (change, number) in diff.by_change() {
            match Event::parse(change) {
                Some(_) => self.add("ghrepos_event_logins", &[("event", change)], number),
                None => self.add("ghrepos_change_logins", &[("change", change)], number),
            }
        }
        for (event, total) in [("new", diff.repositories_of_new), ("removed", diff.repositories_of_removed)] {
            self.add_known("ghrepos_event_repositories", &[("event", event)], total.sum);
        }
        for (change, total) in [("added", diff.repositories_added), ("removed", diff.repositories_removed)] {
            self.add_known("ghrepos_change_repositories", &[("change", change)], total.sum);
        }
    }
}

impl OpenMetrics {
    pub(super) fn new(out: Output, columns: &Columns, meta: Meta) -> Self {
        let labels = label_names(columns.carried());
        let columns = columns.iter().filter_map(|column| match column {
            Column::Own(spec) if !spec.metric.is_empty() => Some(*spec),
            _ => None,
        });
        let columns = columns.collect();
        Self { out, meta, columns, samples: Samples::default(), labels, logins: HashSet::new() }
    }
}

impl Renderer for OpenMetrics {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        if !self.logins.insert((row.is_removed(), row.login.as_str().into())) {
            return Ok(());
        }
        let samples = &mut self.samples;
        let login = ("login", row.login.as_str());
        if let Some(event) = row.event {
            let previous = row.previous_login.as_deref().unwrap_or_default();
            let labels = [login, ("event", event.as_str()), ("previous_login", previous)];
            samples.add("ghrepos_account_event", &labels, 1);
        }
        if row.is_removed() {
            return Ok(());
        }
        for spec in &self.columns {
            match row.own_cell(spec) {
                Cell::Number(number) => samples.add(spec.metric, &[login], number),
                Cell::Delta(number) => samples.add(spec.metric, &[login], number),
                Cell::Bool(flag) => samples.add(spec.metric, &[login], u8::from(flag)),
                time @ Cell::Text(_) => samples.add_known(spec.metric, &[login], time.as_integer()),
                Cell::Null => {}
            }
        }
        if row.status != Status::Ok {
            samples.add("ghrepos_account_uncounted", &[login, ("status", row.status.as_str())], 1);
            return Ok(());
        }
        let id = row.id.map(|id| id.to_string()).unwrap_or_default();
        let kind = row.kind.map_or("", AccountKind::as_str);
        let mut labels = vec![login, ("id", id.as_str()), ("type", kind)];
        let texts: Vec<_> = (0..self.labels.len()).map(|at| row.extra_text(at).unwrap_or_default()).collect();
        labels.extend(self.labels.iter().zip(&texts).map(|(name, text)| (name.as_str(), &**text)));
        samples.add("ghrepos_account_info", &labels, 1);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.samples.add_run(&self.meta, summary);
        if let Some(groups) = &summary.groups {
            self.samples.add_groups(groups);
        }
        if let Some(changes) = &summary.changes {
            self.samples.add_changes(changes);
        }
        let columns = self.columns.iter().map(|spec| (spec.metric, spec.help));
        for (name, help) in columns.chain(FAMILIES) {
            let Some(samples) = self.samples.0.get(name) else { continue };
            writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
            let unit = name.rsplit('_').next().unwrap_or_default();
            if UNITS.contains(&unit) {
                writeln!(self.out, "# UNIT {name} {unit}")?;
            }
            self.out.write_all(samples.as_bytes())?;
        }
        self.out.write_all(b"# EOF\n")?;
        self.out.flush()
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
