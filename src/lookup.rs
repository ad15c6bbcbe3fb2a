//! The concurrent stage: logins in, one row for each out.
//!
//! ```text
//! items ─▶ Batcher ─▶ batches ─▶ for_each_concurrent(look_up_batch) ─▶ completed rows ─▶ reorder ─▶ rows
//!            ▲  window: logins read ahead                                   │
//!            │  slots: first attempts                                       └─▶ second count, for --verify
//! ```
//!
//! A batch is a value in the stream: a group of logins that one future looks up, with all its retries. Rows leave the stage in the
//! order of their completion, each with the position of its login in the input.
//!
//! Two semaphores bound it. A place in the *window* is taken when a login is read and given back when its row has been handed on,
//! so it limits how far the input is read ahead of the output. A *slot* is taken by a batch and given back at the end of its
//! first attempt: there are `--jobs` of them, and as many for the second count. Places are taken before a slot, and a slot before
//! the rate limiter's permit; a future that holds one of them never waits for one that comes before it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, ready};
use futures::{FutureExt, Stream, StreamExt, stream};
use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::github::account::{ApiKind, CountSelection};
use crate::github::cassette::Entry;
use crate::github::error::LookupError;
use crate::github::{Batch, Client, LookupOutcome};
use crate::login::{Login, ParseLoginError, stable_hash};
use crate::reorder::ReorderBuffer;
use crate::report::{Carried, Row, Status};

/// Size of the window beyond two batches for each job: this many logins may overtake one that times out. It bounds memory.
const WINDOW_MARGIN: usize = 4096;

/// Least time that an incomplete query waits while the window is full: mostly the output is slow then, and not the input.
const FULL_WINDOW_LINGER: Duration = Duration::from_secs(1);

const HIDDEN_MANAGED_USER: &str = "not visible: no such user, or a managed user that this token cannot see";

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

/// Looks up every login and yields one row for each, in input order. Whatever happens to a login is its row; nothing ends the
/// stream early.
///
/// Sends at most as many requests at once as the client's configuration says. Memory is bounded by a window of logins, not by
/// their number. The stream drives the requests: while it is not polled, responses are not read, and may time out. The
/// documentation of the [crate] has an example.
pub fn lookup<S>(client: &Client, logins: S, options: LookupOptions) -> impl Stream<Item = Row> + use<S>
where
    S: Stream<Item = Result<Login, ParseLoginError>>,
{
    let items = logins.map(|login| Item::Lookup { login, carried: Carried::default() });
    let (stage, completed) = stage(client.clone(), items, options);
    let mut reorder = ReorderBuffer::default();
    let rows = receive(completed).flat_map(move |completed| {
        reorder.insert(completed.position, completed);
        let in_order: Vec<_> = std::iter::from_fn(|| reorder.pop()).collect();
        stream::iter(in_order).map(|completed| completed.row)
    });
    stream::select(rows.map(Some), stage.into_stream().map(|()| None)).filter_map(ready)
}

#[derive(Debug)]
pub(crate) enum Item {
    /// To be looked up. Its row has the carried columns too.
    Lookup { login: Result<Login, ParseLoginError>, carried: Carried },
    /// Known from an earlier run: it only keeps its position.
    Resolved(Box<Row>),
}

#[derive(Debug)]
pub(crate) struct CompletedRow {
    pub(crate) position: u64,
    pub(crate) row: Row,
    pub(crate) was_looked_up: bool,
    pub(crate) verification_failed: bool,
    /// Place in the window. Dropping it lets the next login be read.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// A login to look up. `C`: what its row needs beside the outcome.
struct PendingRow<C> {
    position: u64,
    api: ApiKind,
    login: Login,
    place: Option<OwnedSemaphorePermit>,
    context: C,
}

impl<C> AsRef<Login> for PendingRow<C> {
    fn as_ref(&self) -> &Login {
        &self.login
    }
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
        let window =
            Arc::new(Semaphore::new(WINDOW_MARGIN + 2 * config.max_concurrency * config.max_batch_size()));
        let pending = pending_rows(&client, items, Arc::clone(&window), completed.clone());
        let first_counts = Batcher::new(&client, config.counts, pending, options.linger, Some(window));
        let (to_verify, pending) = mpsc::unbounded_channel();
        let second_counts =
            Batcher::new(&client, CountSelection::default(), receive(pending), options.linger, None);
        let (client, verify, completed_again) = (&client, options.verify, completed.clone());
        // Both receivers live as long as the stage.
        let on_first_count = move |pending, outcome| match first_count(client, verify, pending, outcome) {
            FirstCount::Complete(row) => drop(completed.send(row)),
            FirstCount::ToVerify(pending) => drop(to_verify.send(pending)),
        };
        let on_second_count =
            move |pending, outcome| drop(completed_again.send(second_count(pending, outcome)));
        let first = look_up_all(first_counts, on_first_count);
        // It ends when the first count has dropped `to_verify`.
        let second = look_up_all(second_counts, on_second_count);
        join(first, second).await;
    };
    (stage, rows)
}

/// Looks up all batches, with as many futures at once as the batcher has slots, and those that retry.
async fn look_up_all<S: Stream<Item = PendingRow<C>>, C: Send>(
    batcher: Batcher<'_, S, C>,
    on_outcome: impl Fn(PendingRow<C>, LookupOutcome),
) {
    let client = batcher.client;
    let formed = stream::unfold(batcher, async |mut batcher| Some((batcher.next().await?, batcher)));
    formed.for_each_concurrent(None, |batch| client.look_up_batch(batch, &on_outcome)).await;
}

/// Numbers the items, takes a place in the window for each, and completes those without a lookup.
fn pending_rows(
    client: &Client,
    items: impl Stream<Item = Item>,
    window: Arc<Semaphore>,
    completed: UnboundedSender<CompletedRow>,
) -> impl Stream<Item = PendingRow<Carried>> {
    within_window(items, window).enumerate().filter_map(move |(position, (item, place))| {
        let position = position as u64;
        let row = match item {
            Item::Lookup { login: Ok(login), carried: context } => {
                let api = client.api_for(&login);
                return ready(Some(PendingRow { position, api, login, place, context }));
            }
            Item::Lookup { login: Err(invalid), carried } => {
                Row { carried, ..Row::without_count(&invalid.text, Status::Invalid, &invalid.to_string()) }
            }
            Item::Resolved(row) => *row,
        };
        let (was_looked_up, verification_failed) = (false, false);
        let _ = completed.send(CompletedRow { position, row, was_looked_up, verification_failed, place });
        ready(None)
    })
}

/// Takes a place in the window before each item of the input is read.
fn within_window<S: Stream>(
    items: S,
    window: Arc<Semaphore>,
) -> impl Stream<Item = (S::Item, Option<OwnedSemaphorePermit>)> {
    stream::unfold(Box::pin(items), move |mut items| {
        let window = Arc::clone(&window);
        async move {
            // The semaphore is never closed.
            let place = window.acquire_owned().await.ok();
            let item = items.next().await?;
            Some(((item, place), items))
        }
    })
}

fn receive<T>(mut receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| receiver.poll_recv(context))
}

/// Groups logins into batches, and releases a batch when there is a slot for it.
struct Batcher<'a, S, C> {
    client: &'a Client,
    counts: CountSelection,
    pending: Pin<Box<S>>,
    /// The window that bounds `pending`. None for the second count.
    window: Option<Arc<Semaphore>>,
    slots: Arc<Semaphore>,
    graphql: VecDeque<PendingRow<C>>,
    rest: VecDeque<PendingRow<C>>,
    has_ended: bool,
    /// The first query waits until the input is known to be short or long: a short one is divided so that it fills the jobs.
    measures_input: bool,
    /// Lower for a short input.
    max_batch_size: usize,
    linger: Duration,
    lingers_until: Instant,
}

impl<'a, S: Stream<Item = PendingRow<C>>, C> Batcher<'a, S, C> {
    fn new(
        client: &'a Client,
        counts: CountSelection,
        pending: S,
        linger: Duration,
        window: Option<Arc<Semaphore>>,
    ) -> Self {
        Self {
            client,
            counts,
            pending: Box::pin(pending),
            measures_input: window.is_some() && client.config().target_batch_count().is_some(),
            window,
            slots: Arc::new(Semaphore::new(client.config().max_concurrency)),
            graphql: VecDeque::new(),
            rest: VecDeque::new(),
            has_ended: false,
            max_batch_size: usize::MAX,
            linger,
            lingers_until: Instant::now(),
        }
    }

    async fn next(&mut self) -> Option<Batch<PendingRow<C>>> {
        loop {
            let is_due = !self.rest.is_empty() || self.is_query_due();
            let slot = Arc::clone(&self.slots).acquire_owned();
            tokio::select! {
                biased;
                // Reads what is there, as far as the window reaches.
                pending = self.pending.next(), if !self.has_ended => self.push(pending),
                slot = slot, if is_due => return Some(self.take_batch(slot.ok())),
                () = tokio::time::sleep_until(self.lingers_until), if !is_due && !self.graphql.is_empty() => {}
                else => return None,
            }
        }
    }

    fn push(&mut self, pending: Option<PendingRow<C>>) {
        match pending {
            Some(pending) if pending.api == ApiKind::Rest => self.rest.push_back(pending),
            Some(pending) => {
                if self.graphql.is_empty() {
                    self.start_linger();
                }
                self.graphql.push_back(pending);
            }
            None => self.has_ended = true,
        }
    }

    fn start_linger(&mut self) {
        let is_full = self.window.as_ref().is_some_and(|window| window.available_permits() == 0);
        let linger = if is_full { self.linger.max(FULL_WINDOW_LINGER) } else { self.linger };
        self.lingers_until = Instant::now() + linger;
    }

    /// A query is due if it is full, is the last one, or has waited long enough.
    fn is_query_due(&self) -> bool {
        let config = self.client.config();
        let enough = if self.measures_input {
            config.max_concurrency * config.max_batch_size()
        } else {
            self.batch_size()
        };
        self.graphql.len() >= enough
            || !self.graphql.is_empty() && (self.has_ended || Instant::now() >= self.lingers_until)
    }

    fn take_batch(&mut self, slot: Option<OwnedSemaphorePermit>) -> Batch<PendingRow<C>> {
        let counts = self.counts;
        if let Some(pending) = self.rest.pop_front() {
            return Batch { api: ApiKind::Rest, logins: vec![pending], counts, slot };
        }
        if std::mem::take(&mut self.measures_input)
            && self.has_ended
            && let Some(batches) = self.client.config().target_batch_count()
        {
            self.max_batch_size = self.graphql.len().div_ceil(batches);
        }
        let size = self.graphql.len().min(self.batch_size());
        let logins = self.graphql.drain(..size).collect();
        self.start_linger();
        Batch { api: ApiKind::Graphql, logins, counts, slot }
    }

    fn batch_size(&self) -> usize {
        self.client.batch_size().full_size().min(self.max_batch_size)
    }
}

enum FirstCount {
    Complete(CompletedRow),
    /// To be counted again through the other API.
    ToVerify(PendingRow<Row>),
}

fn first_count(
    client: &Client,
    verify: u8,
    pending: PendingRow<Carried>,
    outcome: LookupOutcome,
) -> FirstCount {
    let PendingRow { position, login, place, context: carried, .. } = pending;
    let entry = client.cassette_entry_for(outcome.api, &login);
    let mut row = Row { carried, ..row(&login, outcome) };
    if let Some(Entry { path, date }) = entry {
        row.exchange = Some(path);
        // A replay takes place at another time than the response.
        if date.is_some() || client.config().is_replay() {
            row.at = row.at.and(date);
        }
    }
    let is_due = row.status == Status::Ok && is_sampled(&login, verify);
    let other_api = match row.api.filter(|_| is_due) {
        Some(ApiKind::Graphql) => Some(ApiKind::Rest),
        Some(ApiKind::Rest) if may_query_graphql(client, &login) => Some(ApiKind::Graphql),
        _ => None,
    };
    if let Some(api) = other_api {
        // An account that has moved answered under its new login.
        let login = Login::exact(&row.login).unwrap_or(login);
        return FirstCount::ToVerify(PendingRow { position, api, login, place, context: row });
    }
    let (was_looked_up, verification_failed) = (true, false);
    FirstCount::Complete(CompletedRow { position, row, was_looked_up, verification_failed, place })
}

/// True unless the GraphQL API has no such accounts, or has failed for this login.
fn may_query_graphql(client: &Client, login: &Login) -> bool {
    client.config().api == ApiKind::Rest && client.can_query_graphql() && !login.is_bot()
}

/// Compares an outcome with the row of the first count.
fn second_count(pending: PendingRow<Row>, outcome: LookupOutcome) -> CompletedRow {
    let PendingRow { position, login, place, context: mut row, .. } = pending;
    let LookupOutcome { result, log, .. } = outcome;
    row.attempts += log.attempts;
    row.verified = match result {
        Ok(account) => {
            let is_same_account = account.id.is_none() || row.id.is_none() || account.id == row.id;
            Some(is_same_account && Some(account.public_repos) == row.public_repos)
        }
        Err(LookupError::NotFound) => Some(false),
        Err(error) => {
            tracing::info!(%login, %error, "could not be verified");
            None
        }
    };
    if row.verified == Some(false) {
        tracing::info!(%login, "the two APIs disagree");
    }
    CompletedRow { position, was_looked_up: true, verification_failed: row.verified.is_none(), row, place }
}

/// Selects a sample of `percent`: the same logins in every run and on every machine.
pub(crate) fn is_sampled(login: &Login, percent: u8) -> bool {
    percent > 0 && u64::from(stable_hash(login.as_str())) % 100 < u64::from(percent)
}

fn row(login: &Login, LookupOutcome { result, api, log }: LookupOutcome) -> Row {
    let status = match result {
        Ok(_) => Status::Ok,
        Err(LookupError::NotFound) => Status::NotFound,
        Err(LookupError::Forbidden { .. }) => Status::Forbidden,
        Err(LookupError::Stopped(_)) => Status::Skipped,
        Err(_) => Status::Failed,
    };
    let row = match result {
        Ok(account) => Row::counted(account),
        // GitHub does not distinguish the two.
        Err(LookupError::NotFound) if login.is_managed_user() => {
            Row::without_count(login.as_str(), status, HIDDEN_MANAGED_USER)
        }
        Err(error) => Row::without_count(login.as_str(), status, &log.describe(&error)),
    };
    let is_answer = matches!(status, Status::Ok | Status::NotFound | Status::Forbidden);
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    Row { api: is_answer.then_some(api), at: is_answer.then_some(now), attempts: log.attempts, ..row }
}

#[cfg(test)]
mod tests {
    mod simulation;

    use super::*;
    use crate::github::ClientConfig;
    use crate::github::config::TransportMode;

    const PLAIN: CountSelection = CountSelection { breakdown: false, private: false, last_push: false };
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

    fn send(sender: &UnboundedSender<PendingRow<()>>, logins: usize) {
        for position in 0..logins {
            let login = Login::parse(&format!("user-{position}")).unwrap();
            let api = ApiKind::Graphql;
            sender
                .send(PendingRow { position: position as u64, api, login, place: None, context: () })
                .unwrap();
        }
    }

    /// Returns the next batch, if it is due.
    fn next<S: Stream<Item = PendingRow<()>>>(
        batcher: &mut Batcher<'_, S, ()>,
    ) -> Option<Batch<PendingRow<()>>> {
        batcher.next().now_or_never().flatten()
    }

    fn next_size<S: Stream<Item = PendingRow<()>>>(batcher: &mut Batcher<'_, S, ()>) -> usize {
        next(batcher).map_or(0, |batch| batch.logins.len())
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
        let (sender, pending) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, PLAIN, receive(pending), LINGER, None);
        send(&sender, 5);
        assert_eq!([next_size(&mut batcher), next_size(&mut batcher)], [3, 0]);
        tokio::time::advance(LINGER.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(next_size(&mut batcher), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(next_size(&mut batcher), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_input_sends_what_is_left() {
        let client = client(10);
        let (sender, pending) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, PLAIN, receive(pending), LINGER, None);
        send(&sender, 4);
        drop(sender);
        assert_eq!([next_size(&mut batcher), next_size(&mut batcher)], [3, 1]);
        assert!(matches!(batcher.next().now_or_never(), Some(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_lingers_longer_while_a_slow_output_fills_the_window() {
        let client = client(10);
        let (sender, pending) = mpsc::unbounded_channel();
        let full_window = Arc::new(Semaphore::new(0));
        let mut batcher = Batcher::new(&client, PLAIN, receive(pending), LINGER, Some(full_window));
        send(&sender, 2);
        assert_eq!(next_size(&mut batcher), 0);
        tokio::time::advance(FULL_WINDOW_LINGER / 2).await;
        assert_eq!(next_size(&mut batcher), 0);
        tokio::time::advance(FULL_WINDOW_LINGER / 2).await;
        assert_eq!(next_size(&mut batcher), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_holds_up_a_full_window_is_sent() {
        let rows = WINDOW_MARGIN + 10_000;
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

    #[tokio::test]
    async fn a_short_input_does_not_limit_another_lookup() {
        let client = Client::new(ClientConfig { api: ApiKind::Graphql, ..ClientConfig::default() }).unwrap();
        let (sender, pending) = mpsc::unbounded_channel();
        let mut short =
            Batcher::new(&client, PLAIN, receive(pending), LINGER, Some(Arc::new(Semaphore::new(100))));
        send(&sender, 20);
        drop(sender);
        assert_eq!(next_size(&mut short), 2, "divided among ten jobs");
        let (sender, pending) = mpsc::unbounded_channel();
        let mut long = Batcher::new(&client, PLAIN, receive(pending), LINGER, None);
        send(&sender, 100);
        assert_eq!([next_size(&mut long), next_size(&mut short)], [100, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_has_lingered_waits_only_for_its_slot() {
        let client = client(1);
        let (sender, pending) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, PLAIN, receive(pending), LINGER, None);
        send(&sender, 5);
        let first = next(&mut batcher).unwrap();
        assert!(next(&mut batcher).is_none());
        tokio::time::advance(LINGER).await;
        assert!(next(&mut batcher).is_none());
        tokio::time::advance(10 * LINGER).await;
        drop(first);
        assert_eq!(next_size(&mut batcher), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_for_a_slot() {
        let client = client(1);
        let (sender, pending) = mpsc::unbounded_channel();
        let mut batcher = Batcher::new(&client, PLAIN, receive(pending), LINGER, None);
        send(&sender, 6);
        let first = next(&mut batcher).unwrap();
        assert!(next(&mut batcher).is_none());
        drop(first);
        assert_eq!(next_size(&mut batcher), 3);
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
}
