//! `--from`: finished reports, rendered again without a request.

use anyhow::bail;

use super::coverage::Coverage;
use super::finish::finish;
use super::manifest::ManifestRecorder;
use super::messages::{no_logins, report_command};
use super::pipeline::{Outcome, ROWS_PER_MESSAGE, RowAggregator, Sinks};
use super::{now, open_sinks, print_notes, profile_host, read_baseline};
use crate::config::{Config, unfinished_note};
use crate::exit_status::ExitStatus;
use crate::input::{Input, InputError, InputOptions, InputReport};
use crate::output::Message;
use crate::progress::eprint_status;
use crate::render::{GENERATOR, Meta, SortKey};
use crate::report::{
    ChooseColumnError, Columns, DiffSummary, GroupTotals, ReportSchema, Row, SavedReport, requires_baseline,
};
use crate::stop::StopSignal;

pub(super) async fn rerender(mut config: Config) -> anyhow::Result<ExitStatus> {
    let baseline = read_baseline(&config).await?;
    let list = open_list(&config)?;
    if let Some(note) = unfinished_note(&config.unfinished).filter(|_| !config.quiet) {
        eprint_status(&note);
    }
    let group_by = config.group_by.as_ref().map(GroupTotals::by);
    let saved = SavedReport::read_all(&config.from, group_by)?;
    if let Some(list) = list
        && let Err(exit) = check_list(list, &saved.rows, &config).await
    {
        return Ok(exit);
    }
    let schema = ReportSchema { change: saved.schema.change || baseline.is_some(), ..saved.schema };
    check_columns(&config, &schema)?;
    let groups = config.group_by.as_ref().map(|groups| find_groups(groups, &schema)).transpose()?;
    config.layout.columns = choose_columns(&config, &schema)?;
    let mut rows = saved.rows;
    if baseline.is_some() {
        if let Some(top) = saved.top.filter(|top| rows.len() >= *top) {
            bail!("cannot compare a report that was cut by --top {top}: make it again without --top");
        }
        // Logins that had been removed then are not part of this report's input.
        rows.retain(|row| !row.is_removed());
    }
    let mut meta = saved_metadata(&config, saved.meta.as_ref(), &rows);
    if let Some(baseline) = &baseline {
        meta.baseline_at = baseline.latest();
    }
    meta.top = config.layout.order.top.into_iter().chain(saved.top).min();
    let mut aggregator = RowAggregator::new(&config, groups, baseline, ManifestRecorder::default());
    if aggregator.summary.changes.is_none() && schema.change {
        let baseline = meta.baseline.clone().unwrap_or_else(|| "an earlier report".into());
        aggregator.rules = config.rules.clone();
        aggregator.summary.changes = Some(DiffSummary { baseline, ..DiffSummary::default() });
    }
    let (open, _) = open_sinks(&config, &meta).await?;
    let mut sinks = Sinks { open, ..Sinks::default() };
    // A signal ends the process at once.
    let signal = StopSignal::new(None);
    let input = InputReport { is_complete: true, has_logins: !rows.is_empty(), ..InputReport::default() };
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let rows = aggregator.add(rows.by_ref().take(ROWS_PER_MESSAGE).collect());
        sinks.send(&Message::Rows(rows), &signal).await;
    }
    if input.has_logins || config.input_options.allow_empty {
        sinks.send(&Message::Rows(aggregator.removed(None)), &signal).await;
    }

    aggregator.summary.totals = saved.totals.unwrap_or_default();
    let outcome = Outcome { aggregator, sinks, stop: None, unverified: 0, input };
    Ok(finish(outcome, &config, &signal).await)
}

/// Opens the list of the logins that the reports must have, if one is given.
fn open_list(config: &Config) -> Result<Option<Input>, InputError> {
    if config.sources.is_empty() {
        return Ok(None);
    }
    print_notes(config);
    // The reports have the carried columns.
    let options = InputOptions { carry: Vec::new(), group_column: None, ..config.input_options.clone() };
    let list = Input::open(&config.sources, &options)?;
    if !config.quiet {
        for note in std::mem::take(&mut list.report().lock().notes) {
            eprint_status(&note);
        }
    }
    Ok(Some(list))
}

/// Checks that each login of a list has a row. The error is the status of a run that writes nothing.
async fn check_list(list: Input, rows: &[Row], config: &Config) -> Result<(), ExitStatus> {
    let report = list.report();
    let coverage = Coverage::of(list, rows, config.parts).await;
    let report = report.lock().clone();
    let is_empty = !report.has_logins && !config.input_options.allow_empty;
    if let Some(error) = report.failure.or_else(|| is_empty.then(|| no_logins(config))) {
        eprint_status(&error);
        return Err(ExitStatus::Usage);
    }
    let notes = report.notices.into_iter().chain(coverage.unlisted_note());
    notes.filter(|_| !config.quiet).for_each(|note| eprint_status(&note));
    if coverage.is_complete() {
        return Ok(());
    }
    // An interrupted part is the likely reason.
    let unfinished = unfinished_note(&config.unfinished).filter(|_| config.quiet);
    unfinished.into_iter().chain(coverage.describe()).for_each(|line| eprint_status(&line));
    Err(ExitStatus::Incomplete)
}

/// Checks that the report has what `--sort` and `--fail-on` read. Without it they would do nothing.
fn check_columns(config: &Config, schema: &ReportSchema) -> anyhow::Result<()> {
    if let SortKey::Measure(spec) = config.layout.order.by
        && let Some(group) = spec.group.filter(|group| !(group.is_in)(schema))
        && !(requires_baseline(spec.key) && config.missing_baseline.is_some())
    {
        let (key, flag) = (spec.key, group.flag);
        bail!(
            "cannot sort by {key}: the report has no such column; sort by another one, or count again with {flag}"
        );
    }
    let needs_baseline =
        config.rules.needs_baseline().filter(|_| !schema.change && config.missing_baseline.is_none());
    if let Some(rule) = needs_baseline {
        bail!(
            "--fail-on {rule} requires an earlier report: this one was made without --baseline; add --baseline FILE"
        );
    }
    if let Some(rule) = config.rules.needs_last_push().filter(|_| !schema.counts.last_push) {
        bail!(
            "cannot check --fail-on {rule}: the report has no column last_push; count again with --last-push"
        );
    }
    Ok(())
}

fn choose_columns(config: &Config, schema: &ReportSchema) -> anyhow::Result<Columns> {
    match Columns::of(schema).choose(&config.chosen_columns) {
        Err(ChooseColumnError::NotRequested { key, flag }) => bail!(
            "cannot show {key}: the report has no such column; choose another one, or count again with {flag}"
        ),
        columns => Ok(columns?),
    }
}

fn find_groups(groups: &GroupTotals, schema: &ReportSchema) -> anyhow::Result<GroupTotals> {
    let Some(column) = schema.carried_index(groups.by()) else {
        let by = groups.by();
        match schema.carried.join(", ").as_str() {
            "" => bail!(
                "cannot group by {by}: the report has no carried columns; count again with --group-by {by}"
            ),
            carried => bail!("cannot group by {by}: the carried columns are {carried}; choose one of them"),
        }
    };
    Ok(GroupTotals::new(groups.by().to_owned(), column))
}

/// Returns the metadata of the run that made the report, or of this one if the report has none.
fn saved_metadata(config: &Config, saved: Option<&serde_json::Value>, rows: &[Row]) -> Meta {
    let saved = saved.and_then(|meta| Meta::read(meta, config.baseline_name()));
    let mut meta = saved.unwrap_or_else(|| Meta {
        generator: GENERATOR.into(),
        from: config.from.iter().map(|path| path.display().to_string()).collect(),
        baseline: config.baseline_name(),
        started: rows.iter().filter_map(|row| row.at).min().unwrap_or_else(now),
        command: report_command(config),
        ..Meta::default()
    });
    meta.site = profile_host(meta.api.as_deref());
    meta
}
