//! Batches: logins that wait together go in one query.
//!
//! Each login waits for an answer of its own, as it would by REST; who is asked together is decided
//! when a request may leave, and not before. So a batch is as large as is known to work by then, what
//! failed is asked again before what was never asked, and a slow stream is not held back.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::LookupError;
use super::governor::{Permit, Resource};
use super::graphql::{self, Query};
use super::persist::Failure;
use super::rest::Account;
use super::sizes::Sizes;
use super::stop::Stop;
use super::{Request, Shared};
use crate::login::Login;

/// What has waited this long goes, full batch or not.
const LINGER: Duration = Duration::from_millis(50);

/// A login that waits for its answer.
struct Waiting {
    login: Login,
    /// How many logins its query may ask for, itself included.
    most: usize,
    /// How often it was asked for in vain.
    failures: u32,
    since: Instant,
    answer: oneshot::Sender<Result<Account, Failure>>,
}

/// The logins that wait.
pub(super) struct Batches {
    state: Mutex<State>,
    wake: Notify,
    jobs: usize,
    /// How many queries a short roster is divided into.
    fill: Option<usize>,
}

struct State {
    fresh: VecDeque<Waiting>,
    again: VecDeque<Waiting>,
    sizes: Sizes,
    /// Streams of logins that have not ended.
    streams: usize,
    begun: bool,
    closed: bool,
}

/// When a batch is due.
enum Due {
    Now,
    At(Instant),
    Unknown,
}

impl Batches {
    pub(super) fn new(jobs: usize, largest: usize, fill: Option<usize>) -> Self {
        let state = State {
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            sizes: Sizes::new(largest),
            streams: 0,
            begun: true,
            closed: false,
        };
        Self { state: Mutex::new(state), wake: Notify::new(), jobs, fill }
    }

    /// Waits in line until there is an answer. `most` is how many logins it may be asked with.
    pub(super) async fn ask(&self, login: Login, most: usize, failures: u32) -> Result<Account, Failure> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { login, most, failures, since: Instant::now(), answer };
        {
            let mut state = self.state();
            let queue = if failures > 0 { &mut state.again } else { &mut state.fresh };
            queue.push_back(waiting);
        }
        self.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(Failure::unsent(Stop::Interrupted)))
    }

    /// Says that logins are going to come, until the guard is dropped: a batch may wait for more.
    pub(super) fn stream(self: &Arc<Self>) -> StreamGuard {
        let mut state = self.state();
        if state.streams == 0 {
            state.begun = false;
            state.sizes.at_most(None);
        }
        state.streams += 1;
        drop(state);
        StreamGuard(Arc::clone(self))
    }

    /// Ends the dispatcher.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves queues that are still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a batch is due; false at the end.
    async fn due(&self) -> bool {
        loop {
            let due = {
                let state = self.state();
                if state.closed {
                    return false;
                }
                state.due(self.jobs)
            };
            match due {
                Due::Now => return true,
                Due::At(moment) => {
                    tokio::select! {
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep_until(moment) => {}
                    }
                }
                Due::Unknown => self.wake.notified().await,
            }
        }
    }

    fn largest(&self) -> usize {
        self.state().sizes.largest()
    }

    fn take(&self) -> Vec<Waiting> {
        self.state().take(self.fill)
    }

    fn take_all(&self) -> Vec<Waiting> {
        let mut state = self.state();
        let mut all: Vec<_> = state.again.drain(..).collect();
        all.extend(state.fresh.drain(..));
        all
    }
}

impl State {
    fn due(&self, jobs: usize) -> Due {
        if !self.again.is_empty() {
            return Due::Now;
        }
        let Some(oldest) = self.fresh.front() else {
            return Due::Unknown;
        };
        // Before the first batch it is not known whether the roster is short.
        let enough = if self.begun { self.sizes.current() } else { jobs * self.sizes.largest() };
        let late = oldest.since + LINGER;
        if self.streams == 0 || self.fresh.len() >= enough || late <= Instant::now() {
            Due::Now
        } else {
            Due::At(late)
        }
    }

    fn take(&mut self, fill: Option<usize>) -> Vec<Waiting> {
        if !std::mem::replace(&mut self.begun, true)
            && let (0, Some(fill)) = (self.streams, fill)
        {
            self.sizes.at_most(Some(self.fresh.len().div_ceil(fill)));
        }
        // Those that failed are asked by themselves: what is wrong with one of them shall not cost
        // logins that were never asked.
        let queue = if self.again.is_empty() { &mut self.fresh } else { &mut self.again };
        let wanted = queue.front().map_or(0, |first| first.most.min(queue.len()));
        let size = self.sizes.next(wanted);
        let mut room = size;
        let mut batch = Vec::with_capacity(room);
        while let Some(next) = queue.front() {
            room = room.min(next.most);
            if batch.len() >= room {
                break;
            }
            batch.extend(queue.pop_front().filter(|next| !next.answer.is_closed()));
        }
        if batch.len() != size {
            self.sizes.forget_probe(size);
        }
        batch
    }
}

/// Keeps a batch waiting for more while it lives.
pub(crate) struct StreamGuard(Arc<Batches>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.state().streams -= 1;
        self.0.wake.notify_one();
    }
}

/// Sends batches as they become due and as the governor lets them, until the client is gone.
pub(super) async fn dispatch(batches: Arc<Batches>, client: Weak<Shared>) {
    while batches.due().await {
        let Some(shared) = client.upgrade() else {
            return;
        };
        let again = !batches.state().again.is_empty();
        // How many there will be is decided when they may leave; what the most would cost is known.
        let price = graphql::points(batches.largest(), shared.settings.measures);
        match shared.governor.admit(Resource::Graphql, price, again).await {
            Ok(permit) => {
                let batch = batches.take();
                if !batch.is_empty() {
                    send(&batches, shared, batch, permit);
                }
            }
            Err(stop) => refuse(batches.take_all(), &stop),
        }
    }
}

fn refuse(batch: Vec<Waiting>, stop: &Stop) {
    for waiting in batch {
        let _ = waiting.answer.send(Err(Failure::unsent(stop.clone())));
    }
}

fn send(batches: &Arc<Batches>, shared: Arc<Shared>, batch: Vec<Waiting>, mut permit: Permit) {
    let measures = shared.settings.measures;
    let price = graphql::points(batch.len(), measures);
    if let Err(stop) = shared.governor.spend(price) {
        return refuse(batch, &stop);
    }
    let batches = Arc::clone(batches);
    tokio::spawn(async move {
        let failures = batch.iter().map(|waiting| waiting.failures).max().unwrap_or(0);
        let (logins, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.login, (waiting.most, waiting.answer))).unzip();
        let document = graphql::document(logins.len(), measures);
        let request = Request::Query(Query::new(&document, &logins));
        let read = |headers: &HeaderMap, body: &[u8]| graphql::answer(headers, body, &logins, measures);
        let outcome = shared.attempt(&request, &mut permit, read).await;
        drop(permit);
        let number = logins.len();
        match outcome {
            Ok(answer) => {
                // Servers without limits do not tell a price: there is none.
                let cost = answer.cost.unwrap_or(if answer.limited { price } else { 0 });
                shared.governor.put_right(price, cost);
                shared.points.fetch_add(cost, Ordering::Relaxed);
                let left_out = answer.outcomes.iter().filter(|outcome| is_left_out(outcome)).count();
                {
                    let mut state = batches.state();
                    state.sizes.learn(number, left_out <= number / 4);
                    if left_out > number / 4 {
                        state.sizes.learn(number - left_out, true);
                    }
                }
                let most = left_out.div_ceil(2).max(1);
                for (outcome, (_, waits)) in answer.outcomes.into_iter().zip(answers) {
                    let failure = |error: LookupError| {
                        let own = number == 1 || !error.is_transient();
                        Failure { most, own, ..Failure::from(error) }
                    };
                    let _ = waits.send(outcome.map_err(failure));
                }
            }
            Err(error) => {
                // What GitHub took for an answer that never came is not known; without a connection
                // it was nothing.
                let cost = if matches!(error, LookupError::NoConnection(_)) { 0 } else { price };
                shared.governor.put_right(price, cost);
                shared.points.fetch_add(cost, Ordering::Relaxed);
                let too_much = error.may_be_too_much();
                let mut smaller = number;
                if too_much {
                    let mut state = batches.state();
                    state.sizes.learn(number, false);
                    smaller = state.sizes.after_failure(number);
                } else {
                    batches.state().sizes.forget_probe(number);
                    // One wait for all of them, so that they come back together.
                    if error.is_transient() && shared.governor.pause().is_none() {
                        shared.governor.back_off(failures + 1).await;
                    }
                }
                for (most, waits) in answers {
                    let most = if too_much { smaller } else { most };
                    let own = !too_much || number == 1;
                    let _ = waits.send(Err(Failure {
                        most,
                        own,
                        rested: !too_much,
                        ..Failure::from(error.clone())
                    }));
                }
            }
        }
    });
}

fn is_left_out(outcome: &Result<Account, LookupError>) -> bool {
    outcome.as_ref().is_err_and(LookupError::is_transient)
}
