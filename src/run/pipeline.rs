//! The pipeline: input, lookup, reorder buffer, summary, outputs.
//!
//! ```text
//! input ─▶ lookup::stage ─▶ reorder buffer ─▶ RowAggregator ─▶ sinks
//!                                 └─▶ journal: rows that wait behind a slower one
//! ```
//!
//! The stage and its consumer are two futures of one task: a slow output pauses reading ahead, but not the requests in flight.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::advice::for_quota;
use super::aggregate::RowAggregator;
use super::evidence::Evidence;
use crate::config::Config;
use crate::fail_on::Rules;
use crate::github::Client;
use crate::github::transport::TransportMode;
use crate::input::Input;
use crate::journal::Checkpoint;
use crate::lookup::{CompletedRow, Item, LookupOptions, stage};
use crate::output::Sink;
use crate::progress::{Progress, eprint_status};
use crate::rate_limit::RateLimiter;
use crate::reorder::ReorderBuffer;
use crate::report::{Row, Status, Summary};
use crate::stop::StopReason;
use crate::text::{group_digits, pluralize};

/// Rows per message to the sinks. The allocator would return larger buffers to the system each time.
const ROWS_PER_MESSAGE: usize = 128;
/// After a stop, the rest of a pipe is read until nothing has come for this long.
const INPUT_IDLE: Duration = Duration::from_millis(250);
/// After a stop, the rest of a pipe is read for at most this long.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// A row that has waited this long behind a slower one is written to the journal out of order: a run that is killed keeps it.
const OUT_OF_ORDER_FLUSH_DELAY: Duration = Duration::from_millis(500);
/// Interval of looking for such rows.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// Result of a run, before its reports are finished.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) summary: Summary,
    /// Rules of `--fail-on`, with what they have counted.
    pub(super) rules: Rules,
    /// Reason of an early end.
    pub(super) stop: Option<StopReason>,
    /// Logins whose second count failed.
    pub(super) unverified: u64,
    pub(super) sinks: Vec<Sink>,
    /// Whether the input was read to its end.
    pub(super) whole: bool,
    /// Inputs that broke off, outputs that cannot be written: one line each.
    pub(super) problems: Vec<String>,
    /// Other messages about the inputs.
    pub(super) remarks: Vec<String>,
}

/// Looks up the input, and passes the rows to the sinks.
pub(super) async fn run_pipeline(
    roster: Input,
    mut kept: Option<Checkpoint>,
    client: &Client,
    sinks: Vec<Sink>,
    config: &Config,
    tally: RowAggregator,
    progress: &Progress,
) -> (Outcome, Evidence) {
    let notes = roster.report();
    let is_unbounded = roster.is_unbounded();
    let linger = if is_unbounded { config.options.linger } else { LookupOptions::FILE_LINGER };
    let last_read = Cell::new(Instant::now());
    let stop_input = stop_input(client, &last_read, is_unbounded, config.has_input_query());
    let entries =
        roster.into_stream().take_until(Box::pin(stop_input)).inspect(|_| last_read.set(Instant::now()));
    let pending = Cell::new(0);
    let kept_rows = &mut kept;
    let items = entries.map(|entry| {
        if let Some(row) = kept_rows.as_mut().and_then(|kept| kept.take(&entry)) {
            return Item::Resolved(row);
        }
        pending.set(pending.get() + u64::from(entry.login.is_ok()));
        Item::Lookup { login: entry.login, carried: entry.carried }
    });
    let (stage, completed) = stage(client.clone(), items, LookupOptions { linger, ..config.options });
    let consumer = Consumer {
        limiter: client.limiter(),
        tally,
        sinks,
        progress,
        pending: &pending,
        quota_hint: low_quota_hint(config),
        reorder: ReorderBuffer::default(),
        unverified: 0,
        problems: Vec::new(),
    };
    let ((), consumer) = join(stage, consumer.run(completed)).await;
    let Consumer { mut tally, mut sinks, mut problems, unverified, .. } = consumer;
    let whole = notes.is_complete();
    problems.extend(notes.failure().map(str::to_owned));
    // Logins that were removed are known only when the whole input was read.
    if whole {
        let gone = SinkMessage::Ordered(tally.gone(config.input_options.shard));
        sinks = broadcast(&gone, sinks, &mut problems).await;
    }
    let RowAggregator { mut summary, rules, evidence, .. } = tally;
    summary.duplicates = Some(notes.duplicates());
    if let Some(kept) = kept {
        summary.kept = kept.taken();
        summary.no_longer_asked = if whole { kept.left() } else { 0 };
    }
    (summary.requests, summary.points) = (Some(client.requests()), Some(client.points()));
    let stop = client.limiter().stop.reason();
    let remarks = notes.notices();
    (Outcome { summary, rules, stop, unverified, sinks, whole, problems, remarks }, evidence)
}

/// Takes the rows that the stage completes, and passes them on in input order.
struct Consumer<'a> {
    limiter: &'a RateLimiter,
    tally: RowAggregator,
    sinks: Vec<Sink>,
    progress: &'a Progress,
    /// Logins that were read and have no row yet.
    pending: &'a Cell<u64>,
    /// Hint that is shown once, if the requests that are left do not suffice.
    quota_hint: Option<String>,
    reorder: ReorderBuffer<CompletedRow>,
    unverified: u64,
    problems: Vec<String>,
}

impl Consumer<'_> {
    async fn run(mut self, mut completed: UnboundedReceiver<CompletedRow>) -> Self {
        let has_journal = self.sinks.iter().any(Sink::is_journal);
        let mut flush = interval(FLUSH_INTERVAL);
        let mut received = Vec::with_capacity(ROWS_PER_MESSAGE);
        loop {
            tokio::select! {
                number = completed.recv_many(&mut received, ROWS_PER_MESSAGE) => {
                    if number == 0 {
                        return self;
                    }
                    self.receive(&mut received);
                    self.pass_on().await;
                }
                _ = flush.tick(), if has_journal || self.quota_hint.is_some() => {
                    if has_journal {
                        self.flush_out_of_order().await;
                    }
                }
            }
            self.warn_low_quota();
            if self.sinks.is_empty() {
                // Rows that reach no output are not worth a request.
                self.limiter.stop.request(StopReason::OutputClosed);
            }
            // Waking a writer costs more than a row: rows that complete meanwhile go with the next message.
            tokio::task::yield_now().await;
        }
    }

    fn receive(&mut self, received: &mut Vec<CompletedRow>) {
        for completed in received.drain(..) {
            if completed.was_looked_up {
                self.pending.set(self.pending.get().saturating_sub(1));
            }
            self.unverified += u64::from(completed.verification_failed);
            self.reorder.insert(completed.position, completed);
        }
    }

    /// Passes the rows whose turn it is to the sinks, and then gives their places in the window back.
    async fn pass_on(&mut self) {
        let in_order: Vec<_> = std::iter::from_fn(|| self.reorder.pop()).collect();
        let mut in_order = in_order.into_iter().peekable();
        while in_order.peek().is_some() {
            let (rows, places): (Vec<_>, Vec<_>) = in_order
                .by_ref()
                .take(ROWS_PER_MESSAGE)
                .map(|completed| (completed.row, completed.place))
                .unzip();
            self.progress.add(rows.len());
            let rows = SinkMessage::Ordered(self.tally.take(rows));
            self.sinks = broadcast(&rows, std::mem::take(&mut self.sinks), &mut self.problems).await;
            drop(places);
        }
    }

    /// Writes rows that have waited behind a slower one to the journal, if `--resume` would keep them.
    async fn flush_out_of_order(&mut self) {
        let waiting = self.reorder.take_waiting(OUT_OF_ORDER_FLUSH_DELAY);
        let is_kept = |row: &Row| matches!(row.status, Status::Ok | Status::NotFound);
        let worth_it = waiting.filter(|(_, completed)| completed.was_looked_up && is_kept(&completed.row));
        let baseline = self.tally.baseline.as_deref();
        let rows: Vec<_> = worth_it
            .map(|(position, completed)| {
                let mut row = completed.row.clone();
                if let Some(baseline) = baseline {
                    baseline.compare(&mut row);
                }
                (position, row)
            })
            .collect();
        let rows = SinkMessage::OutOfOrder(Arc::new(rows));
        self.sinks = broadcast(&rows, std::mem::take(&mut self.sinks), &mut self.problems).await;
    }

    /// Shows the hint, once, if the requests that are left are fewer than the logins that wait.
    fn warn_low_quota(&mut self) {
        let pending = self.pending.get();
        let Some((limit, left)) = self.limiter.remaining_requests().filter(|(_, left)| pending > *left)
        else {
            return;
        };
        if let Some(hint) = self.quota_hint.take() {
            let (limit, left) = (pluralize(limit, "request", "requests"), group_digits(left));
            eprint_status(&format!(
                "unauthenticated limit: {left} of {limit} left this hour, not enough for this list; {hint}"
            ));
        }
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits until the input is not read any further, after the run has stopped. For a file that is never: its other rows are due. What a
/// pipe holds already is read, but it may never end. A query's other rows stay in the database.
async fn stop_input(client: &Client, last_read: &Cell<Instant>, is_unbounded: bool, is_query: bool) {
    if client.limiter().stop.requested().await == StopReason::OutputClosed || is_query {
        return;
    }
    let stopped = Instant::now();
    let is_idle = || last_read.get().max(stopped).elapsed() >= INPUT_IDLE;
    while !is_unbounded || (!is_idle() && stopped.elapsed() < DRAIN_LIMIT) {
        tokio::time::sleep(INPUT_IDLE / 5).await;
    }
}

/// Returns the hint for a run without a token, which has few requests.
fn low_quota_hint(config: &Config) -> Option<String> {
    let settings = &config.settings;
    let is_anonymous =
        !matches!(settings.transport, TransportMode::Replay(_)) && settings.credentials.is_none();
    (is_anonymous && !config.quiet).then(|| for_quota(config))
}

/// Rows for the sinks.
pub(super) enum SinkMessage {
    /// In input order.
    Ordered(Arc<Vec<Row>>),
    /// Ahead of their turn, by position: for the journal.
    OutOfOrder(Arc<Vec<(u64, Row)>>),
}

/// Passes rows to all sinks, and keeps the sinks that took them.
pub(super) async fn broadcast(
    message: &SinkMessage,
    sinks: Vec<Sink>,
    problems: &mut Vec<String>,
) -> Vec<Sink> {
    let mut left = Vec::with_capacity(sinks.len());
    for mut sink in sinks {
        let taken = match message {
            SinkMessage::Ordered(rows) => sink.rows(rows).await,
            SinkMessage::OutOfOrder(rows) if rows.is_empty() => Ok(()),
            SinkMessage::OutOfOrder(rows) => sink.early(rows).await,
        };
        match taken {
            Ok(()) => left.push(sink),
            Err(error) if error.is_closed_pipe() => {}
            Err(error) => problems.push(error.to_string()),
        }
    }
    left
}
