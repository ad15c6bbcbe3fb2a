//! OpenMetrics, for the textfile collector of Prometheus' node exporter.
//!
//! That collector reads the older Prometheus text format and refuses samples with a time of their own. So
//! every family here is a gauge, which both formats write alike: these are figures of the last run, and
//! nothing that only grows. When it was is a metric itself.

mod family;
mod totals;

use std::collections::HashSet;
use std::io::{self, Write};

use self::family::{Family, labels};
use super::{Meta, Output, Renderer};
use crate::report::{Cell, Column, Columns, Row, Status, Summary};

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
            let kind = row.kind.map_or("", crate::report::AccountKind::as_str);
            let mut labels = vec![login, ("id", id.as_str()), ("kind", kind)];
            let carried = self.labels.iter().zip(&row.carried);
            labels.extend(carried.map(|(name, text)| (name.as_str(), text.as_deref().unwrap_or_default())));
            self.info.sample(&labels, &1);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        let accounts = std::mem::take(&mut self.accounts);
        for (_, family) in &accounts {
            family.write(&mut self.out)?;
        }
        self.info.write(&mut self.out)?;
        self.uncounted.write(&mut self.out)?;
        let rest = [totals::run(&self.meta, summary), totals::groups(summary), totals::drift(summary)];
        for family in rest.iter().flatten() {
            family.write(&mut self.out)?;
        }
        self.out.write_all(b"# EOF\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::family::escaped;
    use super::*;
    use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
    use crate::report::Groups;

    #[test]
    fn every_figure_has_its_metric() {
        let order = RowOrder { by: SortKey::Input, top: Some(4) };
        insta::assert_snapshot!(sample::report(Format::Openmetrics, order, TerminalStyle::default()), @r##"
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
        let columns = Columns::of(&crate::report::ReportSchema {
            carried: ["Team name", "team-name", "überall"].map(str::to_owned).to_vec(),
            ..crate::report::ReportSchema::default()
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
        let mut summary = Summary { groups: Some(Groups::new("team".into(), 0)), ..Summary::default() };
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
