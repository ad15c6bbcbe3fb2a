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

use futures::future::join;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior};

use super::manifest::ManifestRecorder;
use super::messages::QuotaHint;
use crate::config::Config;
use crate::diff::Baseline;
use crate::fail_on::Rules;
use crate::github::Client;
use crate::input::{Input, InputRecord, InputReport};
use crate::journal::Checkpoint;
use crate::lookup::{CompletedRow, Item, LookupOptions, stage};
use crate::output::{Message, Sink};
use crate::progress::Progress;
use crate::rate_limit::RateLimiter;
use crate::reorder::ReorderBuffer;
use crate::report::{GroupTotals, Row, RunTotals, Status, Summary};
use crate::shard::Shard;
use crate::stop::{StopReason, StopSignal};
use crate::text::error_chain;

/// Rows per message to the sinks. The allocator would return larger buffers to the system each time.
pub(super) const ROWS_PER_MESSAGE: usize = 128;
/// After a stop, the rest of a pipe is read until nothing has come for this long.
const INPUT_IDLE: Duration = Duration::from_millis(250);
/// After a stop, the rest of a pipe is read for at most this long.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// A row that has waited this long behind a slower one is written to the journal out of order: a run that is killed keeps it.
const OUT_OF_ORDER_FLUSH_DELAY: Duration = Duration::from_millis(500);
/// Linger for an input that is read from files: it continues at once, unless the machine is busy.
const FILE_LINGER: Duration = Duration::from_secs(1);
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Outcome {
    pub(super) aggregator: RowAggregator,
    pub(super) sinks: Sinks,
    pub(super) stop: Option<StopReason>,
    /// Logins whose second count failed.
    pub(super) unverified: u64,
    pub(super) input: InputReport,
}

pub(super) async fn run_pipeline(
    input: Input,
    mut checkpoint: Option<Checkpoint>,
    client: &Client,
    sinks: Vec<Sink>,
    config: &Config,
    aggregator: RowAggregator,
    progress: &Progress,
) -> Outcome {
    let input_report = input.report();
    let is_unbounded = input.is_unbounded();
    let linger = if is_unbounded { config.options.linger } else { FILE_LINGER };
    let waiting_since = Cell::new(None);
    let stop_input = stop_input(client, &waiting_since, is_unbounded, config.input_query.is_some());
    let records = note_waits(input.into_stream(), &waiting_since).take_until(Box::pin(stop_input));
    let pending = Cell::new(0);
    let rows = &mut checkpoint;
    let items = records.map(|record| {
        if let Some(row) = rows.as_mut().and_then(|rows| rows.take(&record)) {
            return Item::Resolved(Box::new(row));
        }
        pending.set(pending.get() + u64::from(record.login.is_ok()));
        Item::Lookup { login: record.login, carried: record.carried }
    });
    let (stage, completed) = stage(client.clone(), items, LookupOptions { linger, ..config.options });
    let consumer = Consumer {
        limiter: client.limiter(),
        aggregator,
        sinks: Sinks { open: sinks, errors: Vec::new() },
        progress,
        pending: &pending,
        quota_hint: QuotaHint::new(config),
        reorder: ReorderBuffer::default(),
        unverified: 0,
    };
    let ((), consumer) = join(stage, consumer.run(completed)).await;
    let Consumer { mut aggregator, mut sinks, unverified, .. } = consumer;
    let mut input = input_report.lock().clone();
    // Logins that were removed are known only when the whole input was read. One without logins may be a mistake.
    if input.is_complete && (input.has_logins || config.input_options.allow_empty) {
        let removed = Message::Rows(aggregator.removed(config.input_options.shard));
        sinks.send(&removed, &client.limiter().stop).await;
    }
    let unclaimed = checkpoint.as_ref().filter(|_| input.is_complete);
    aggregator.summary.totals = RunTotals {
        duplicates: Some(input.duplicates),
        kept: Some(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.claimed)),
        no_longer_asked: Some(unclaimed.map_or(0, |checkpoint| checkpoint.unclaimed)),
        requests: Some(client.requests()),
        points: Some(client.points()),
        seconds: None,
    };
    if let Some(error) = client.query_error() {
        let endpoint = &config.client.endpoint;
        input.notices.push(format!("the GraphQL API of {endpoint} {error}; looked up over REST"));
    }
    let stop = client.limiter().stop.reason().or_else(|| client.limiter().never_answered());
    Outcome { aggregator, sinks, stop, unverified, input }
}

/// Sees every row once, since rows are not kept: compares it with the baseline, and adds it to the totals, the subtotals, the
/// rules and the manifest.
pub(super) struct RowAggregator {
    pub(super) summary: Summary,
    pub(super) rules: Rules,
    pub(super) manifest: ManifestRecorder,
    baseline: Option<Baseline>,
}

impl RowAggregator {
    pub(super) fn new(
        config: &Config,
        groups: Option<GroupTotals>,
        baseline: Option<Baseline>,
        manifest: ManifestRecorder,
    ) -> Self {
        let changes = baseline.as_ref().map(Baseline::empty_summary);
        let summary = Summary { groups, changes, ..Summary::default() };
        let rules = match &baseline {
            Some(_) => config.rules.clone(),
            None => config.rules.without_baseline(),
        };
        Self { summary, rules, manifest, baseline }
    }

    pub(super) fn add(&mut self, mut rows: Vec<Row>) -> Arc<Vec<Row>> {
        for row in &mut rows {
            self.manifest.observe(row);
            self.compare(row);
        }
        self.sum(&rows);
        Arc::new(rows)
    }

    /// Returns rows for the logins of the baseline that were not in the input, which was read to its end.
    pub(super) fn removed(&mut self, shard: Option<Shard>) -> Arc<Vec<Row>> {
        let rows = self.baseline.as_ref().map(|baseline| baseline.removed_rows(shard)).unwrap_or_default();
        self.sum(&rows);
        Arc::new(rows)
    }

    fn compare(&self, row: &mut Row) {
        if let Some(baseline) = &self.baseline {
            baseline.compare(row);
        }
    }

    fn sum(&mut self, rows: &[Row]) {
        for row in rows {
            self.summary.add(row);
            self.rules.add(row);
        }
    }
}

struct Consumer<'a> {
    limiter: &'a RateLimiter,
    aggregator: RowAggregator,
    sinks: Sinks,
    progress: &'a Progress,
    /// Logins that were read and have no row yet.
    pending: &'a Cell<u64>,
    quota_hint: QuotaHint,
    reorder: ReorderBuffer<CompletedRow>,
    unverified: u64,
}

impl Consumer<'_> {
    async fn run(mut self, mut completed: UnboundedReceiver<CompletedRow>) -> Self {
        let has_journal = self.sinks.open.iter().any(|sink| sink.is_journal);
        let mut flush = tokio::time::interval(FLUSH_INTERVAL);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut received = Vec::with_capacity(ROWS_PER_MESSAGE);
        let mut is_first = true;
        loop {
            tokio::select! {
                number = completed.recv_many(&mut received, ROWS_PER_MESSAGE) => {
                    if number == 0 {
                        return self;
                    }
                    self.receive(&mut received);
                    // Later rows may be on their way: they still count as pending, but their requests no longer as left.
                    if is_first {
                        self.quota_hint.print_if_short(self.limiter, self.pending.get());
                    }
                    is_first = false;
                    self.quota_hint.print_if_ended(self.limiter);
                    self.pass_on().await;
                }
                _ = flush.tick(), if has_journal || self.quota_hint.is_pending() => {
                    if completed.is_empty() {
                        self.quota_hint.print_if_short(self.limiter, self.pending.get());
                    }
                    self.flush_out_of_order().await;
                }
            }
            if self.sinks.open.is_empty() {
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
        loop {
            let in_order = std::iter::from_fn(|| self.reorder.pop()).take(ROWS_PER_MESSAGE);
            let (rows, places): (Vec<_>, Vec<_>) =
                in_order.map(|completed| (completed.row, completed.place)).unzip();
            if rows.is_empty() {
                return;
            }
            self.progress.add(rows.len());
            self.sinks.send(&Message::Rows(self.aggregator.add(rows)), &self.limiter.stop).await;
            drop(places);
        }
    }

    /// Writes rows that have waited behind a slower one to the journal, if `--resume` would keep them.
    async fn flush_out_of_order(&mut self) {
        let mut rows = Vec::new();
        for (position, completed) in self.reorder.mark_overdue(OUT_OF_ORDER_FLUSH_DELAY) {
            if completed.was_looked_up && matches!(completed.row.status, Status::Ok | Status::NotFound) {
                let mut row = completed.row.clone();
                self.aggregator.compare(&mut row);
                rows.push((position, row));
            }
        }
        if !rows.is_empty() {
            self.sinks.send(&Message::OutOfOrder(Arc::new(rows)), &self.limiter.stop).await;
        }
    }
}

/// Passes the input on, and keeps the time since which its next record is awaited.
fn note_waits(
    mut records: BoxStream<'static, InputRecord>,
    waiting_since: &Cell<Option<Instant>>,
) -> impl Stream<Item = InputRecord> {
    stream::poll_fn(move |context| {
        let polled = records.poll_next_unpin(context);
        let since = waiting_since.get().unwrap_or_else(Instant::now);
        waiting_since.set(polled.is_pending().then_some(since));
        polled
    })
}

/// Waits until the input is not to be read any further, after the run has stopped. A file is read to its end, so that every login
/// has a row. A pipe may never end: only what it holds already is read. The other rows of a query stay in the database.
async fn stop_input(
    client: &Client,
    waiting_since: &Cell<Option<Instant>>,
    is_unbounded: bool,
    is_query: bool,
) {
    if client.limiter().stop.requested().await == StopReason::OutputClosed || is_query {
        return;
    }
    if !is_unbounded {
        return std::future::pending().await;
    }
    let stopped = Instant::now();
    // While the window is full, nothing is read: that is not the silence of the pipe.
    while waiting_since.get().is_none_or(|since| since.max(stopped).elapsed() < INPUT_IDLE)
        && stopped.elapsed() < DRAIN_LIMIT
    {
        tokio::time::sleep(INPUT_IDLE / 5).await;
    }
}

/// Outputs that can still be written.
#[derive(Default)]
pub(super) struct Sinks {
    pub(super) open: Vec<Sink>,
    /// Errors of the other outputs and of the input: one line each.
    pub(super) errors: Vec<String>,
}

impl Sinks {
    pub(super) async fn send(&mut self, message: &Message, signal: &StopSignal) {
        for mut sink in std::mem::take(&mut self.open) {
            match sink.send(message.clone(), signal).await {
                Ok(()) => self.open.push(sink),
                Err(error) if error.is_broken_pipe() => {}
                Err(error) => self.errors.push(error_chain(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::ClientConfig;
    use crate::login::Login;

    #[tokio::test(start_paused = true)]
    async fn a_full_window_is_not_the_silence_of_a_pipe() {
        let client = Client::new(ClientConfig::default()).unwrap();
        let waiting_since = Cell::new(None);
        let pipe = stream::iter(["a", "b", "c"]).map(|login| InputRecord::from(Login::parse(login)));
        let stop = stop_input(&client, &waiting_since, true, false);
        let pipe = note_waits(pipe.chain(stream::pending()).boxed(), &waiting_since);
        let mut records = Box::pin(pipe.take_until(Box::pin(stop)));
        assert!(records.next().await.is_some());
        client.limiter().stop.request(StopReason::OutOfReach(String::new()));
        assert!(records.next().await.is_some());
        // Nothing is read while the window is full.
        tokio::time::advance(4 * INPUT_IDLE).await;
        assert!(records.next().await.is_some());
        // The pipe stays open and is silent.
        let start = Instant::now();
        assert!(records.next().await.is_none());
        assert!(start.elapsed() <= 2 * INPUT_IDLE, "{:?}", start.elapsed());
    }
}
