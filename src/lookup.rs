//! The concurrent stage: logins in, one row for each out.
//!
//! ```text
//! items ─▶ Batcher ─▶ batches ─▶ for_each_concurrent(look_up_batch) ─▶ completed rows ─▶ reorder ─▶ rows
//!            ▲  window: logins read ahead                                   │
//!            │  slots: first attempts                                       └─▶ second stage, for --verify
//! ```
//!
//! A batch is a value in the stream: a group of logins that one future looks up, with all its retries. Rows leave the stage in the
//! order of their completion, each with the position of its login in the input.
//!
//! Two semaphores bound it. A place in the *window* is taken when a login is read and given back when its row has been handed on,
//! so it limits how far the input is read ahead of the output. A *slot* is taken by a batch and given back at its first response:
//! there are `--jobs` of them. Places are taken before a slot, and a slot before the rate limiter's permit; a future that holds
//! one of them never waits for one that comes before it.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::join;
use futures::{FutureExt, Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::PollSemaphore;

use crate::github::account::{ApiKind, CountSelection};
use crate::github::error::LookupError;
use crate::github::{Batch, Client, LookupOutcome, NextSize};
use crate::input::InputRecord;
use crate::login::{Login, ParseLoginError, stable_hash};
use crate::reorder::ReorderBuffer;
use crate::report::{Carried, Row, Status};

/// Logins that may be read ahead of the last row that was handed on, beside two batches for each job. It bounds memory: this many
/// may overtake a login that times out.
const READ_AHEAD: usize = 4096;

/// Time by which a timer may be late before it is started again: the program did not run, so nothing could be read either.
const TIMER_TOLERANCE: Duration = Duration::from_millis(10);

/// Times that a late timer is started again, for one query.
const MAX_TIMER_RESTARTS: u32 = 3;

/// Options of a lookup, beside the configuration of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupOptions {
    /// Percentage of the counted logins that is counted again through the other API.
    pub verify: u8,
    /// Time that an incomplete query waits for more logins while the input is idle. More saves queries where the input is slow, and
    /// delays their rows.
    pub linger: Duration,
}

impl Default for LookupOptions {
    fn default() -> Self {
        Self { verify: 0, linger: Duration::from_millis(50) }
    }
}

impl LookupOptions {
    /// Linger for an input that is read from a file: it continues at once, unless the machine is busy.
    pub(crate) const FILE_LINGER: Duration = Duration::from_secs(1);
}

/// Looks up every login and yields one row for each, in input order. Whatever happens to a login is its row; nothing ends the
/// stream early.
///
/// Sends at most as many requests at once as the client's configuration says. Memory is bounded by a window of logins, not by
/// their number. The stream drives the requests: while it is not polled, responses are not read, and may time out.
///
/// ```no_run
/// use futures::{StreamExt, stream};
/// use ghrepos::{Client, ClientConfig, Login, LookupOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(ClientConfig::default())?;
/// let logins = stream::iter(["torvalds", "gvanrossum", "antirez"]).map(Login::parse);
/// let mut rows = std::pin::pin!(ghrepos::lookup(&client, logins, LookupOptions::default()));
/// while let Some(row) = rows.next().await {
///     println!("{}: {:?}", row.login, row.public_repos);
/// }
/// # Ok(())
/// # }
/// ```
pub fn lookup<S>(client: &Client, logins: S, options: LookupOptions) -> impl Stream<Item = Row> + use<S>
where
    S: Stream<Item = Result<Login, ParseLoginError>>,
{
    let items = logins.map(|login| Item::Lookup(login.into()));
    let (stage, completed) = stage(client.clone(), items, options);
    let mut reorder = ReorderBuffer::default();
    let rows = receive(completed).flat_map(move |completed| {
        reorder.insert(completed.position, completed);
        let in_order: Vec<_> = std::iter::from_fn(|| reorder.pop()).collect();
        stream::iter(in_order).map(|completed| completed.row)
    });
    stream::select(rows.map(Some), stage.into_stream().map(|()| None)).filter_map(std::future::ready)
}

/// An item of the input.
#[derive(Debug)]
pub(crate) enum Item {
    /// To be looked up.
    Lookup(InputRecord),
    /// Known from an earlier run: it only keeps its position.
    Resolved(Row),
}

/// A row that the stage has completed.
#[derive(Debug)]
pub(crate) struct CompletedRow {
    /// Position of its login in the input.
    pub(crate) position: u64,
    pub(crate) row: Row,
    /// Whether this run looked it up.
    pub(crate) was_looked_up: bool,
    /// Whether a second count was due and failed.
    pub(crate) verification_failed: bool,
    /// Place in the window. Dropping it lets the next login be read.
    place: Option<OwnedSemaphorePermit>,
}

impl CompletedRow {
    /// Returns the row and its place in the window.
    pub(crate) fn into_parts(self) -> (Row, Option<OwnedSemaphorePermit>) {
        (self.row, self.place)
    }
}

/// A login to look up, with its place and what its row needs beside the outcome.
struct Job<C> {
    position: u64,
    api: ApiKind,
    login: Login,
    place: Option<OwnedSemaphorePermit>,
    context: C,
}

/// Jobs of one batch.
struct Group<C> {
    jobs: Vec<Job<C>>,
    is_probe: bool,
    slot: OwnedSemaphorePermit,
}

/// Returns the stage, which runs while it is polled, and the rows that it completes.
pub(crate) fn stage<S: Stream<Item = Item>>(
    client: Client,
    items: S,
    options: LookupOptions,
) -> (impl Future<Output = ()> + use<S>, UnboundedReceiver<CompletedRow>) {
    // The window bounds what the channels hold.
    let (completed, rows) = mpsc::unbounded_channel();
    let stage = async move {
        let config = client.config();
        let read_ahead = READ_AHEAD + 2 * config.max_concurrency * config.max_batch_size();
        let window = Arc::new(Window::new(read_ahead));
        let jobs = jobs(&client, items, Arc::clone(&window), completed.clone());
        let batcher = Batcher::new(&client, jobs, options.linger).limited_by(window).filling_the_jobs();
        let (to_verify, verify_jobs) = mpsc::unbounded_channel();
        let first = FirstCount { client: &client, options, completed: completed.clone(), to_verify };
        // The second count has batches of its own. It ends when the first one has dropped `to_verify`.
        let verify_batcher = Batcher::new(&client, receive(verify_jobs), options.linger);
        join(
            look_up_all(&client, config.counts, batcher, first),
            look_up_all(&client, CountSelection::default(), verify_batcher, SecondCount { completed }),
        )
        .await;
    };
    (stage, rows)
}

/// Looks up all batches, with as many futures at once as the batcher has slots, and those that retry.
async fn look_up_all<S: Stream<Item = Job<C>>, C: Send>(
    client: &Client,
    counts: CountSelection,
    mut batcher: Batcher<'_, S, C>,
    sink: impl OutcomeSink<C> + Sync,
) {
    let queue = stream::poll_fn(|context| batcher.poll_next(context));
    queue.for_each_concurrent(None, |group| look_up(client, counts, group, &sink)).await;
}

async fn look_up<C: Send>(
    client: &Client,
    counts: CountSelection,
    Group { jobs, is_probe, slot }: Group<C>,
    sink: &(impl OutcomeSink<C> + Sync),
) {
    let Some(api) = jobs.first().map(|job| job.api) else { return };
    let logins = jobs.iter().map(|job| job.login.clone()).collect();
    let mut jobs: Vec<_> = jobs.into_iter().map(Some).collect();
    let mut outcomes = pin!(client.look_up_batch(Batch { api, logins, counts, is_probe, slot: Some(slot) }));
    while let Some(outcomes) = outcomes.next().await {
        for (index, outcome) in outcomes {
            if let Some(job) = jobs.get_mut(index).and_then(Option::take) {
                sink.on_outcome(job, outcome);
            }
        }
    }
}

/// Turns items into jobs: numbers them, takes a place in the window for each, and completes those without a lookup.
fn jobs(
    client: &Client,
    items: impl Stream<Item = Item>,
    window: Arc<Window>,
    completed: UnboundedSender<CompletedRow>,
) -> impl Stream<Item = Job<Carried>> {
    let with_place = within_window(items, window).enumerate();
    with_place.filter_map(move |(position, (item, place))| {
        let position = position as u64;
        let row = match item {
            Item::Lookup(InputRecord { login: Ok(login), carried }) => {
                let api = client.api_for(&login);
                return std::future::ready(Some(Job { position, api, login, place, context: carried }));
            }
            Item::Lookup(InputRecord { login: Err(invalid), carried }) => {
                Row { carried, ..Row::without_count(&invalid.text, Status::Invalid, &invalid.to_string()) }
            }
            Item::Resolved(row) => row,
        };
        let _ = completed.send(CompletedRow {
            position,
            row,
            was_looked_up: false,
            verification_failed: false,
            place,
        });
        std::future::ready(None)
    })
}

/// The places of logins that were read and whose rows have not been handed on. Places are taken and given back in input order.
struct Window {
    places: Arc<Semaphore>,
    size: usize,
    taken: AtomicU64,
}

impl Window {
    fn new(size: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(size)), size, taken: AtomicU64::new(0) }
    }

    fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Returns the position of the row that is handed on next.
    fn next_in_turn(&self) -> u64 {
        let held = self.size.saturating_sub(self.places.available_permits());
        self.taken.load(Ordering::Relaxed).saturating_sub(held as u64)
    }
}

/// Takes a place in the window before each item of the input is read.
fn within_window<S: Stream>(
    items: S,
    window: Arc<Window>,
) -> impl Stream<Item = (S::Item, Option<OwnedSemaphorePermit>)> {
    let mut items = Box::pin(items.fuse());
    let mut places = PollSemaphore::new(Arc::clone(&window.places));
    let mut place = None;
    stream::poll_fn(move |context| {
        if place.is_none() {
            place = ready!(places.poll_acquire(context));
            window.taken.fetch_add(1, Ordering::Relaxed);
        }
        let item = ready!(items.as_mut().poll_next(context));
        Poll::Ready(item.map(|item| (item, place.take())))
    })
}

fn receive<T>(mut receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| receiver.poll_recv(context))
}

/// Groups jobs into batches, and releases a batch when there is a slot for it.
struct Batcher<'a, S, C> {
    client: &'a Client,
    jobs: Pin<Box<S>>,
    /// The window that bounds `jobs`, if one does.
    window: Option<Arc<Window>>,
    slots: PollSemaphore,
    /// Logins that share queries.
    graphql: VecDeque<Job<C>>,
    /// Logins with a request each.
    rest: VecDeque<Job<C>>,
    has_ended: bool,
    /// Whether the first query waits until it is known whether the input is short: then it is divided so that it fills the jobs.
    measures_input: bool,
    linger: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    timer_restarts: u32,
    /// Whether the logins for the next query have waited long enough.
    has_lingered: bool,
}

impl<'a, S: Stream<Item = Job<C>>, C> Batcher<'a, S, C> {
    fn new(client: &'a Client, jobs: S, linger: Duration) -> Self {
        client.batch_size().set_soft_max(None);
        Self {
            client,
            jobs: Box::pin(jobs),
            window: None,
            slots: PollSemaphore::new(Arc::new(Semaphore::new(client.config().max_concurrency))),
            graphql: VecDeque::new(),
            rest: VecDeque::new(),
            has_ended: false,
            measures_input: false,
            linger,
            timer: None,
            timer_restarts: 0,
            has_lingered: false,
        }
    }

    fn limited_by(self, window: Arc<Window>) -> Self {
        Self { window: Some(window), ..self }
    }

    fn filling_the_jobs(self) -> Self {
        Self { measures_input: self.client.config().target_batch_count().is_some(), ..self }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Group<C>>> {
        self.read_jobs(context);
        if self.rest.is_empty() && self.graphql.is_empty() {
            return if self.has_ended { Poll::Ready(None) } else { Poll::Pending };
        }
        if self.rest.is_empty() && !self.is_query_due(context) {
            return Poll::Pending;
        }
        // The semaphore is never closed.
        let Some(slot) = ready!(self.slots.poll_acquire(context)) else { return Poll::Ready(None) };
        Poll::Ready(Some(match self.rest.pop_front() {
            Some(job) => Group { jobs: vec![job], is_probe: false, slot },
            None => self.take_query(slot),
        }))
    }

    /// Reads what is there, as far as the window reaches.
    fn read_jobs(&mut self, context: &mut Context<'_>) {
        while !self.has_ended {
            match self.jobs.as_mut().poll_next(context) {
                Poll::Ready(Some(job)) => match job.api {
                    ApiKind::Graphql => self.graphql.push_back(job),
                    ApiKind::Rest => self.rest.push_back(job),
                },
                Poll::Ready(None) => self.has_ended = true,
                Poll::Pending => return,
            }
        }
    }

    /// Whether the jobs that were read make a query: a full one, the last one, or one that has waited long enough.
    fn is_query_due(&mut self, context: &mut Context<'_>) -> bool {
        let enough = {
            let batch_size = self.client.batch_size();
            if self.measures_input {
                self.client.config().max_concurrency * batch_size.max()
            } else {
                batch_size.peek(usize::MAX).size
            }
        };
        let is_full = self.window.as_ref().is_some_and(|window| window.is_full());
        self.has_ended
            || self.graphql.len() >= enough
            || if is_full { self.holds_up_all() } else { self.poll_linger(context) }
    }

    /// Whether the window is full because of a login that waits here: no row is handed on, and no login read, before it is sent.
    /// Otherwise a slow output is the reason, and time does not count.
    fn holds_up_all(&mut self) -> bool {
        self.timer = None;
        let Some((window, first)) = self.window.as_ref().zip(self.graphql.front()) else { return false };
        self.has_lingered || first.position <= window.next_in_turn()
    }

    fn take_query(&mut self, slot: OwnedSemaphorePermit) -> Group<C> {
        (self.timer, self.has_lingered) = (None, false);
        let mut batch_size = self.client.batch_size();
        if std::mem::take(&mut self.measures_input)
            && self.has_ended
            && let Some(batches) = self.client.config().target_batch_count()
        {
            batch_size.set_soft_max(Some(self.graphql.len().div_ceil(batches)));
        }
        let NextSize { size, is_probe } = batch_size.next_size(self.graphql.len());
        Group { jobs: self.graphql.drain(..size).collect(), is_probe, slot }
    }

    /// Whether the first login has waited for `linger` since the input was idle.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> bool {
        let linger = self.linger;
        let restarts = &mut self.timer_restarts;
        let timer = self.timer.get_or_insert_with(|| {
            *restarts = 0;
            Box::pin(tokio::time::sleep(linger))
        });
        while !self.has_lingered && timer.as_mut().poll(context).is_ready() {
            let is_late = Instant::now() > timer.deadline() + TIMER_TOLERANCE;
            if is_late && self.timer_restarts < MAX_TIMER_RESTARTS {
                self.timer_restarts += 1;
                timer.as_mut().reset(Instant::now() + linger);
            } else {
                self.has_lingered = true;
            }
        }
        self.has_lingered
    }
}

/// Receives the outcome of each job.
trait OutcomeSink<C> {
    fn on_outcome(&self, job: Job<C>, outcome: LookupOutcome);
}

/// Makes a row of each outcome, and passes it on to be counted again if it is in the sample.
struct FirstCount<'a> {
    client: &'a Client,
    options: LookupOptions,
    completed: UnboundedSender<CompletedRow>,
    to_verify: UnboundedSender<Job<Row>>,
}

impl OutcomeSink<Carried> for FirstCount<'_> {
    fn on_outcome(&self, job: Job<Carried>, outcome: LookupOutcome) {
        let Job { position, login, place, context: carried, .. } = job;
        let exchange = self.client.cassette_entry_for(outcome.api, &login);
        let row = Row { carried, exchange, ..row(&login, outcome) };
        // Both receivers live as long as the stage.
        if let Some(other) = self.other_api(&login, &row) {
            let _ = self.to_verify.send(Job { position, api: other, login, place, context: row });
        } else {
            let (was_looked_up, verification_failed) = (true, false);
            let _ = self.completed.send(CompletedRow {
                position,
                row,
                was_looked_up,
                verification_failed,
                place,
            });
        }
    }
}

impl FirstCount<'_> {
    /// Returns the API that counts a login again, if it is in the sample and was counted.
    fn other_api(&self, login: &Login, row: &Row) -> Option<ApiKind> {
        let is_due = row.status == Status::Ok && is_sampled(login, self.options.verify);
        match row.via.filter(|_| is_due)? {
            ApiKind::Graphql => Some(ApiKind::Rest),
            ApiKind::Rest => (self.client.can_query_graphql() && !login.is_bot()).then_some(ApiKind::Graphql),
        }
    }
}

/// Compares each outcome with the row of the first count.
struct SecondCount {
    completed: UnboundedSender<CompletedRow>,
}

impl OutcomeSink<Row> for SecondCount {
    fn on_outcome(&self, job: Job<Row>, outcome: LookupOutcome) {
        let Job { position, login, place, context: mut row, .. } = job;
        row.attempts += outcome.attempts;
        let mut verification_failed = false;
        row.verified = match outcome.result {
            Ok(account) => {
                let is_same_account = account.id.is_none() || row.id.is_none() || account.id == row.id;
                Some(is_same_account && Some(account.public_repos) == row.public_repos)
            }
            Err(LookupError::NotFound) => Some(false),
            Err(error) => {
                tracing::info!(%login, %error, "could not be verified");
                verification_failed = true;
                None
            }
        };
        if row.verified == Some(false) {
            tracing::info!(%login, "the two APIs disagree");
        }
        let was_looked_up = true;
        let _ =
            self.completed.send(CompletedRow { position, row, was_looked_up, verification_failed, place });
    }
}

/// Whether a login is in a sample of `percent`: the same logins in every run and on every machine.
pub(crate) fn is_sampled(login: &Login, percent: u8) -> bool {
    percent > 0 && u64::from(stable_hash(login.as_str())) % 100 < u64::from(percent)
}

/// Makes the row of an outcome.
fn row(login: &Login, outcome: LookupOutcome) -> Row {
    let LookupOutcome { result, attempts, consecutive_failures, same_error_each_time, api } = outcome;
    let at = Some(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    let error = match result {
        Ok(account) => return Row::counted(account, api, at, attempts),
        Err(error) => error,
    };
    let status = match error {
        LookupError::NotFound => Status::NotFound,
        LookupError::Forbidden { .. } => Status::Forbidden,
        LookupError::Stopped(_) => Status::Skipped,
        _ => Status::Failed,
    };
    let reason = match (&error, consecutive_failures) {
        (LookupError::Stopped(stop), _) if attempts == 0 => format!("not asked: {stop}"),
        (LookupError::Stopped(stop), _) => format!("no answer yet: {stop}"),
        (_, ..=1) => error.to_string(),
        (error, _) if !error.is_transient() => error.to_string(),
        (error, times) if same_error_each_time => format!("{error}, {times} times"),
        (error, times) => format!("{error}, the last of {times} failures"),
    };
    let answered = matches!(status, Status::NotFound | Status::Forbidden);
    Row {
        attempts,
        via: answered.then_some(api),
        at: if answered { at } else { None },
        ..Row::without_count(login.as_str(), status, &reason)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::poll_fn;
    use futures::poll;

    use super::*;
    use crate::github::ClientConfig;
    use crate::github::transport::TransportMode;
    use crate::stop::StopReason;

    const LINGER: Duration = Duration::from_millis(50);

    /// A client for queries of three logins.
    fn client(max_concurrency: usize) -> Client {
        let config = ClientConfig {
            api: ApiKind::Graphql,
            batch_size: Some(3),
            max_concurrency,
            ..ClientConfig::default()
        };
        Client::new(config).unwrap()
    }

    fn send(sender: &UnboundedSender<Job<()>>, logins: usize) {
        for position in 0..logins {
            let login = Login::parse(&format!("user-{position}")).unwrap();
            let api = ApiKind::Graphql;
            sender.send(Job { position: position as u64, api, login, place: None, context: () }).unwrap();
        }
    }

    /// Returns the next batch, if it is due.
    async fn next<S: Stream<Item = Job<()>>>(batcher: &mut Batcher<'_, S, ()>) -> Option<Group<()>> {
        match poll!(poll_fn(|context| batcher.poll_next(context))) {
            Poll::Ready(group) => group,
            Poll::Pending => None,
        }
    }

    async fn next_size<S: Stream<Item = Job<()>>>(batcher: &mut Batcher<'_, S, ()>) -> usize {
        next(batcher).await.map_or(0, |group| group.jobs.len())
    }

    #[tokio::test]
    async fn the_stream_of_rows_can_be_sent_to_another_thread() {
        fn assert_send<T: Send>(_: &T) {}
        let logins = stream::iter(["a"]).map(Login::parse);
        assert_send(&lookup(&client(1), logins, LookupOptions::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_incomplete_query_lingers_and_a_full_one_does_not() {
        let client = client(10);
        let (sender, jobs) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER);
        send(&sender, 5);
        assert_eq!([next_size(&mut batcher).await, next_size(&mut batcher).await], [3, 0]);
        tokio::time::advance(LINGER.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(next_size(&mut batcher).await, 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(next_size(&mut batcher).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_input_sends_what_is_left() {
        let client = client(10);
        let (sender, jobs) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER);
        send(&sender, 4);
        drop(sender);
        assert_eq!([next_size(&mut batcher).await, next_size(&mut batcher).await], [3, 1]);
        let end = poll!(poll_fn(|context| batcher.poll_next(context)));
        assert!(matches!(end, Poll::Ready(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_slow_output_fills_the_window_nothing_is_late() {
        let client = client(10);
        let (sender, jobs) = mpsc::unbounded_channel();
        let window = Arc::new(Window::new(3));
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER).limited_by(Arc::clone(&window));
        // The place of a row that the output has not taken, and those of two logins behind it.
        let places = Arc::clone(&window.places).try_acquire_many_owned(3).unwrap();
        window.taken.store(3, Ordering::Relaxed);
        for position in [1, 2] {
            let login = Login::parse("a").unwrap();
            let job = Job { position, api: ApiKind::Graphql, login, place: None, context: () };
            sender.send(job).unwrap();
        }
        for _ in 0..20 {
            assert_eq!(next_size(&mut batcher).await, 0);
            tokio::time::advance(LINGER).await;
        }
        let mut places = places;
        drop(places.split(1).unwrap());
        assert_eq!(next_size(&mut batcher).await, 0);
        tokio::time::advance(LINGER).await;
        assert_eq!(next_size(&mut batcher).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_holds_up_a_full_window_is_sent() {
        let rows = READ_AHEAD + 10_000;
        let invalid = stream::iter(0..rows).map(|_| Login::parse("not/a/login"));
        let logins = stream::iter([Login::parse("a")]).chain(invalid);
        let config = ClientConfig {
            transport: TransportMode::Replay("fixtures/github".into()),
            api: ApiKind::Graphql,
            ..ClientConfig::default()
        };
        let client = Client::new(config).unwrap();
        let looked_up = lookup(&client, logins, LookupOptions::default()).count();
        assert_eq!(tokio::time::timeout(Duration::from_mins(1), looked_up).await, Ok(rows + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_has_lingered_waits_only_for_its_slot() {
        let client = client(1);
        let (sender, jobs) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER);
        send(&sender, 5);
        let first = next(&mut batcher).await.unwrap();
        assert!(next(&mut batcher).await.is_none());
        tokio::time::advance(LINGER).await;
        assert!(next(&mut batcher).await.is_none());
        tokio::time::advance(10 * LINGER).await;
        drop(first);
        assert_eq!(next_size(&mut batcher).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_fires_late_starts_again() {
        let client = client(10);
        let (sender, jobs) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER);
        send(&sender, 2);
        assert_eq!(next_size(&mut batcher).await, 0);
        for _ in 0..MAX_TIMER_RESTARTS {
            tokio::time::advance(10 * LINGER).await;
            assert_eq!(next_size(&mut batcher).await, 0);
        }
        tokio::time::advance(10 * LINGER).await;
        assert_eq!(next_size(&mut batcher).await, 2, "but not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_for_a_slot() {
        let client = client(1);
        let (sender, jobs) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, receive(jobs), LINGER);
        send(&sender, 6);
        let first = next(&mut batcher).await.unwrap();
        assert!(next(&mut batcher).await.is_none());
        drop(first);
        assert_eq!(next_size(&mut batcher).await, 3);
    }

    fn reason(error: LookupError, attempts: u32, same_error_each_time: bool) -> (Status, String) {
        let outcome = LookupOutcome {
            result: Err(error),
            attempts,
            consecutive_failures: attempts,
            same_error_each_time,
            api: ApiKind::Rest,
        };
        let row = row(&Login::parse("a").unwrap(), outcome);
        assert_eq!(row.attempts, attempts);
        assert_eq!(row.public_repos, None);
        (row.status, row.error.unwrap())
    }

    #[test]
    fn the_sample_is_stable_and_about_as_large_as_asked() {
        let logins: Vec<_> = (0..10_000).map(|at| Login::parse(&format!("User-{at}")).unwrap()).collect();
        for percent in [0, 1, 10, 50, 100] {
            let sampled = logins.iter().filter(|login| is_sampled(login, percent)).count();
            let wanted = usize::from(percent) * 100;
            assert!(sampled.abs_diff(wanted) <= 150, "{percent}%: {sampled}");
        }
        assert_eq!(is_sampled(&logins[7], 50), is_sampled(&Login::parse("uSER-7").unwrap(), 50));
    }

    #[test]
    fn reasons_are_one_sentence() {
        let timed_out = LookupError::TimedOut(Duration::from_secs(15));
        let gateway = LookupError::Status { status: 502, message: String::new(), retry_after: None };
        assert_eq!(
            reason(timed_out.clone(), 5, true),
            (Status::Failed, "timed out after 15s, 5 times".into())
        );
        assert_eq!(reason(timed_out, 1, true), (Status::Failed, "timed out after 15s".into()));
        assert_eq!(reason(gateway.clone(), 5, true), (Status::Failed, "HTTP 502, 5 times".into()));
        assert_eq!(reason(gateway, 5, false), (Status::Failed, "HTTP 502, the last of 5 failures".into()));
        assert_eq!(
            reason(LookupError::NotFound, 2, false),
            (Status::NotFound, "no such user or organization".into())
        );
        assert_eq!(
            reason(LookupError::Stopped(StopReason::Interrupted), 0, true),
            (Status::Skipped, "not asked: interrupted".into())
        );
    }
}
