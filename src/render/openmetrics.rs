//! OpenMetrics, for the textfile collector of Prometheus' node exporter.
//!
//! That collector reads the older Prometheus text format and refuses samples with a time of their own. So
//! every family here is a gauge, which both formats write alike: these are figures of the last run, and
//! nothing that only grows. When it was is a metric itself.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Meta, Output, Renderer};
use crate::report::{Cell, Column, Columns, Row, Status, Summary};

/// A metric and its samples so far.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: String,
}

/// The figures of each account, by their columns.
const FAMILIES: [(Column, &str, &str); 7] = [
    (
        Column::PublicRepos,
        "ghrepos_account_public_repositories",
        "Public repositories that the account owns, forks included.",
    ),
    (Column::Sources, "ghrepos_account_source_repositories", "Public repositories that are no forks."),
    (Column::Forks, "ghrepos_account_forked_repositories", "Public repositories that are forks."),
    (
        Column::Archived,
        "ghrepos_account_archived_repositories",
        "Public repositories that are archived, of either kind.",
    ),
    (
        Column::PrivateRepos,
        "ghrepos_account_private_repositories",
        "Private repositories that the token may see.",
    ),
    (
        Column::Change,
        "ghrepos_account_change_repositories",
        "Public repositories now minus those in the baseline.",
    ),
    (Column::Verified, "ghrepos_account_verified", "1 where GitHub's two APIs agree, 0 where they do not."),
];

pub(super) struct OpenMetrics {
    out: Output,
    meta: Meta,
    accounts: Vec<(Column, Family)>,
    info: Family,
    uncounted: Family,
    /// The names of carried columns, as labels.
    labels: Vec<String>,
    /// No two samples may have the same labels.
    logins: HashSet<Box<str>>,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: String::new() }
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: &dyn std::fmt::Display) {
        self.samples.push_str(self.name);
        for (at, (name, text)) in labels.iter().enumerate() {
            self.samples.push(if at == 0 { '{' } else { ',' });
            // Writing to a String cannot fail.
            let _ = write!(self.samples, "{name}=\"{}\"", escaped(text));
        }
        self.samples.push_str(if labels.is_empty() { " " } else { "} " });
        let _ = writeln!(self.samples, "{value}");
    }

    fn write(&self, out: &mut Output) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let Self { name, help, samples } = self;
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
        if name.ends_with("_seconds") {
            writeln!(out, "# UNIT {name} seconds")?;
        }
        out.write_all(samples.as_bytes())
    }
}

impl OpenMetrics {
    pub(super) fn new(out: Output, columns: &Columns, meta: Meta) -> Self {
        let held = FAMILIES.iter().filter(|(column, ..)| columns.iter().any(|held| held == *column));
        Self {
            accounts: held.map(|(column, name, help)| (*column, Family::new(name, help))).collect(),
            info: Family::new("ghrepos_account_info", "1 for each account that was counted, and what it is."),
            uncounted: Family::new(
                "ghrepos_account_uncounted",
                "1 for each login that could not be counted.",
            ),
            labels: labels(columns.carried()),
            logins: HashSet::new(),
            out,
            meta,
        }
    }

    /// Figures of all.
    fn totals(&self, summary: &Summary) -> Vec<Family> {
        let mut families = Vec::new();
        let mut single = |name, help, value: Option<String>| {
            let mut family = Family::new(name, help);
            if let Some(value) = value {
                family.sample(&[], &value);
                families.push(family);
            }
        };
        let number = |number: u64| Some(number.to_string());
        single(
            "ghrepos_public_repositories",
            "Public repositories of all accounts.",
            number(summary.public_repos),
        );
        single(
            "ghrepos_run_complete",
            "1 if every login was asked for.",
            number(u64::from(summary.complete)),
        );
        let spent = |number: Option<u64>| number.map(|number| number.to_string());
        single("ghrepos_run_duplicate_logins", "Logins that were named again.", spent(summary.duplicates));
        single("ghrepos_run_requests", "Requests sent.", spent(summary.requests));
        single("ghrepos_run_points", "Points of the GraphQL API's budget spent.", spent(summary.points));
        let seconds = summary.seconds.map(|seconds| seconds.to_string());
        single("ghrepos_run_duration_seconds", "Time that the run took.", seconds);
        single(
            "ghrepos_run_start_timestamp_seconds",
            "When the run began, since 1970.",
            Some(self.meta.started.as_second().to_string()),
        );
        let mut logins = Family::new("ghrepos_logins", "Logins by what became of them.");
        for (status, number) in [
            (Status::Ok, summary.ok),
            (Status::NotFound, summary.not_found),
            (Status::Forbidden, summary.forbidden),
            (Status::Invalid, summary.invalid),
            (Status::Failed, summary.failed),
            (Status::Skipped, summary.skipped),
        ] {
            logins.sample(&[("status", status.as_str())], &number);
        }
        let mut run = Family::new("ghrepos_run_info", "1, and what made the report.");
        let api = self.meta.api.as_deref().unwrap_or_default();
        run.sample(&[("api", api), ("generator", &self.meta.generator)], &1);
        families.extend([logins, run]);
        families
    }

    fn groups(summary: &Summary) -> Vec<Family> {
        let mut logins = Family::new("ghrepos_group_logins", "Logins of a group.");
        let mut counted = Family::new("ghrepos_group_counted_logins", "Logins of a group that were counted.");
        let mut repos = Family::new("ghrepos_group_public_repositories", "Public repositories of a group.");
        if let Some(groups) = &summary.groups {
            for (group, subtotal) in groups.in_order() {
                let labels = [("by", groups.by()), ("group", group.unwrap_or_default())];
                logins.sample(&labels, &subtotal.logins);
                counted.sample(&labels, &subtotal.counted);
                repos.sample(&labels, &subtotal.public_repos);
            }
        }
        vec![logins, counted, repos]
    }

    fn drift(summary: &Summary) -> Vec<Family> {
        let mut logins =
            Family::new("ghrepos_baseline_logins", "Logins by what has changed since the baseline.");
        let mut repos = Family::new(
            "ghrepos_baseline_repositories",
            "Repositories that came and went since the baseline.",
        );
        if let Some(drift) = &summary.drift {
            for (change, number) in [
                ("new", drift.new),
                ("gone", drift.gone),
                ("renamed", drift.renamed),
                ("replaced", drift.replaced),
                ("unknown", drift.unknown),
                ("grown", drift.grown),
                ("shrunk", drift.shrunk),
                ("unchanged", drift.unchanged),
            ] {
                logins.sample(&[("change", change)], &number);
            }
            for (change, number) in [
                ("come", drift.repositories_come),
                ("gone", drift.repositories_gone),
                ("of_new", drift.repositories_of_new),
                ("of_gone", drift.repositories_of_gone),
            ] {
                repos.sample(&[("change", change)], &number);
            }
        }
        vec![logins, repos]
    }
}

impl Renderer for OpenMetrics {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        if row.is_gone() || !self.logins.insert(row.login.as_str().into()) {
            return Ok(());
        }
        let login = ("login", row.login.as_str());
        if row.status != Status::Ok {
            self.uncounted.sample(&[login, ("status", row.status.as_str())], &1);
        }
        for (column, family) in &mut self.accounts {
            match row.cell(*column) {
                Cell::Number(number) => family.sample(&[login], &number),
                Cell::Signed(number) => family.sample(&[login], &number),
                Cell::Flag(flag) => family.sample(&[login], &u8::from(flag)),
                Cell::Absent | Cell::Text(_) => {}
            }
        }
        if row.status == Status::Ok {
            let id = row.id.map(|id| id.to_string()).unwrap_or_default();
            let kind = row.kind.map_or("", crate::report::Kind::as_str);
            let mut labels = vec![login, ("id", id.as_str()), ("kind", kind)];
            let carried = self.labels.iter().zip(&row.carried);
            labels.extend(carried.map(|(name, text)| (name.as_str(), text.as_deref().unwrap_or_default())));
            self.info.sample(&labels, &1);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let accounts = std::mem::take(&mut self.accounts);
        for (_, family) in &accounts {
            family.write(&mut self.out)?;
        }
        self.info.write(&mut self.out)?;
        self.uncounted.write(&mut self.out)?;
        let rest = [self.totals(summary), Self::groups(summary), Self::drift(summary)];
        for family in rest.iter().flatten() {
            family.write(&mut self.out)?;
        }
        self.out.write_all(b"# EOF\n")?;
        self.out.flush()
    }
}

/// Names of columns as names of labels, no two alike.
fn labels(names: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let label: String = "carried_".chars().chain(name.chars().map(plain)).collect();
        let mut free = label.clone();
        for number in 2.. {
            if !labels.contains(&free) {
                break;
            }
            free = format!("{label}_{number}");
        }
        labels.push(free);
    }
    labels
}

/// A label's value, as both formats write it.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n").replace('\r', r"\\r")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, Look, Order, SortKey, sample};

    #[test]
    fn every_figure_has_its_metric() {
        let order = Order { by: SortKey::Roster, top: Some(4) };
        insta::assert_snapshot!(sample::report(Format::Openmetrics, order, Look::default()), @r##"
        # HELP ghrepos_account_public_repositories Public repositories that the account owns, forks included.
        # TYPE ghrepos_account_public_repositories gauge
        ghrepos_account_public_repositories{login="torvalds"} 9
        ghrepos_account_public_repositories{login="microsoft"} 7421
        # HELP ghrepos_account_info 1 for each account that was counted, and what it is.
        # TYPE ghrepos_account_info gauge
        ghrepos_account_info{login="torvalds",id="1024025",kind="user"} 1
        ghrepos_account_info{login="microsoft",id="6154722",kind="organization"} 1
        # HELP ghrepos_account_uncounted 1 for each login that could not be counted.
        # TYPE ghrepos_account_uncounted gauge
        ghrepos_account_uncounted{login="nosuchlogin",status="not_found"} 1
        ghrepos_account_uncounted{login="=cmd|' /C calc'!A0",status="invalid"} 1
        # HELP ghrepos_public_repositories Public repositories of all accounts.
        # TYPE ghrepos_public_repositories gauge
        ghrepos_public_repositories 7430
        # HELP ghrepos_run_complete 1 if every login was asked for.
        # TYPE ghrepos_run_complete gauge
        ghrepos_run_complete 1
        # HELP ghrepos_run_requests Requests sent.
        # TYPE ghrepos_run_requests gauge
        ghrepos_run_requests 3
        # HELP ghrepos_run_duration_seconds Time that the run took.
        # TYPE ghrepos_run_duration_seconds gauge
        # UNIT ghrepos_run_duration_seconds seconds
        ghrepos_run_duration_seconds 0.25
        # HELP ghrepos_run_start_timestamp_seconds When the run began, since 1970.
        # TYPE ghrepos_run_start_timestamp_seconds gauge
        # UNIT ghrepos_run_start_timestamp_seconds seconds
        ghrepos_run_start_timestamp_seconds 1795348800
        # HELP ghrepos_logins Logins by what became of them.
        # TYPE ghrepos_logins gauge
        ghrepos_logins{status="ok"} 2
        ghrepos_logins{status="not_found"} 1
        ghrepos_logins{status="forbidden"} 0
        ghrepos_logins{status="invalid"} 2
        ghrepos_logins{status="failed"} 0
        ghrepos_logins{status="skipped"} 0
        # HELP ghrepos_run_info 1, and what made the report.
        # TYPE ghrepos_run_info gauge
        ghrepos_run_info{api="https://api.github.com",generator="ghrepos 0.1.0"} 1
        # EOF
        "##);
    }

    #[test]
    fn no_two_samples_are_the_same_and_no_label_breaks_its_line() {
        let columns = Columns::of(&crate::report::Holds {
            carried: ["Team name", "team-name", "überall"].map(str::to_owned).to_vec(),
            ..crate::report::Holds::default()
        });
        assert_eq!(
            labels(columns.carried()),
            ["carried_team_name", "carried_team_name_2", "carried__berall"]
        );
        assert_eq!(escaped("a\\b\"c\r\nd"), r#"a\\b\"c\\r\nd"#);
        let twice = [sample::rows(), sample::rows()].concat();
        let out = sample::Shared::default();
        let mut metrics =
            OpenMetrics::new(io::BufWriter::new(Box::new(out.clone())), &columns, Meta::default());
        for row in &twice {
            metrics.row(row).unwrap();
        }
        metrics.finish(&Summary::default()).unwrap();
        let text = out.text();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let all = samples.len();
        samples.sort_unstable();
        samples.dedup();
        assert_eq!(samples.len(), all);
        assert!(text.ends_with("\n# EOF\n"));
    }
}
