//! A finished report, rendered again. Nothing is asked.

use std::sync::Arc;

use jiff::Timestamp;

use super::aggregate::RowAggregator;
use super::evidence::Evidence;
use super::finish::conclude;
use super::messages::command;
use super::pipeline::{Outcome, SinkMessage, broadcast};
use super::{Failure, opened};
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::github::endpoint::ApiEndpoint;
use crate::render::Meta;
use crate::report::{Columns, DiffSummary, GroupTotals, ReportSchema, Row, SavedReport};

/// Rows that are handed on together.
const BATCH: usize = 512;

/// Renders finished reports, joined, as the flags say.
pub(super) async fn render_again(config: Config) -> Result<ExitStatus, Failure> {
    let baseline = super::baseline(&config).await?;
    let finished = SavedReport::read_all(&config.from)?;
    let mut config = config;
    let holds = ReportSchema { change: finished.schema.change || baseline.is_some(), ..finished.schema };
    let groups = match &config.groups_by {
        None => None,
        Some(by) => Some(grouped(by, &holds)?),
    };
    config.layout.columns = Columns::of(&holds);
    let mut rows = finished.rows;
    if baseline.is_some() {
        // What was gone then is not in this report's roster.
        rows.retain(|row| !row.is_gone());
    }
    let meta = meta(&config, finished.meta.as_ref(), &rows);
    let mut tally = RowAggregator::new(&config, groups, baseline.map(Arc::new), Evidence::default());
    if tally.summary.drift.is_none() && holds.change {
        let baseline = meta.baseline.clone().unwrap_or_else(|| "an earlier report".into());
        tally.summary.drift = Some(DiffSummary { baseline, ..DiffSummary::default() });
    }
    let mut sinks = opened(&config, &meta).await?;
    let mut problems = Vec::new();
    let mut rows = rows.into_iter();
    loop {
        let batch: Vec<_> = rows.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let news = SinkMessage::Ordered(tally.take(batch));
        sinks = broadcast(&news, sinks, &mut problems).await;
    }
    let gone = SinkMessage::Ordered(tally.gone(config.reading.shard));
    sinks = broadcast(&gone, sinks, &mut problems).await;
    let RowAggregator { mut summary, rules, .. } = tally;
    let totals = finished.totals.unwrap_or_default();
    (summary.duplicates, summary.requests) = (totals.duplicates, totals.requests);
    (summary.points, summary.seconds) = (totals.points, totals.seconds);
    summary.kept = totals.kept.unwrap_or(0);
    summary.no_longer_asked = totals.no_longer_asked.unwrap_or(0);

    let outcome = Outcome { summary, rules, sinks, whole: true, problems, ..Outcome::default() };
    Ok(conclude(outcome, &config).await)
}

/// The column to group by, which has to be one that the report carries.
fn grouped(by: &GroupTotals, holds: &ReportSchema) -> Result<GroupTotals, Failure> {
    let same = |name: &String| name.to_lowercase() == by.by().to_lowercase();
    let column = holds.carried.iter().position(same);
    let column = column.ok_or_else(|| {
        let carried = if holds.carried.is_empty() { "nothing".into() } else { holds.carried.join(", ") };
        Failure::NotCarried(by.by().to_owned(), carried)
    })?;
    Ok(GroupTotals::new(by.by().to_owned(), column))
}

/// What the report says of its run, or else of this one.
fn meta(config: &Config, told: Option<&serde_json::Value>, rows: &[Row]) -> Meta {
    let of_the_run = told.and_then(|meta| Meta::read(meta, config.compared_with()));
    let mut meta = of_the_run.unwrap_or_else(|| Meta {
        from: config.from.iter().map(|path| path.display().to_string()).collect(),
        baseline: config.compared_with(),
        // The rows tell when they were answered.
        started: rows.iter().filter_map(|row| row.at).min().unwrap_or_else(now),
        command: command(config),
        ..Meta::default()
    });
    let endpoint = meta.api.as_deref().and_then(|url| ApiEndpoint::parse(url).ok());
    meta.site = endpoint.map(|endpoint| endpoint.web_host().to_owned());
    meta
}

/// To the second.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}
