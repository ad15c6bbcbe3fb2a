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
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::graphql::{self, Query};
use super::rest::Account;
use super::sizes::Sizes;
use super::{Failure, LookupError, Request, Shared, Stop};
use crate::login::Login;

/// What has waited this long goes, full batch or not.
const LINGER: Duration = Duration::from_millis(50);

/// A login that waits for its answer.
struct Waiting {
    login: Login,
    /// How many logins its query may ask for, itself included.
    most: usize,
    since: Instant,
    answer: oneshot::Sender<Result<Account, Failure>>,
}

/// The logins that wait.
pub(super) struct Batches {
    state: Mutex<State>,
    wake: Notify,
    jobs: usize,
    /// Whether a short roster is divided so that it fills the jobs.
    divide: bool,
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
    pub(super) fn new(jobs: usize, largest: usize, divide: bool) -> Self {
        let state = State {
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            sizes: Sizes::new(largest),
            streams: 0,
            begun: false,
            closed: false,
        };
        Self { state: Mutex::new(state), wake: Notify::new(), jobs, divide }
    }

    /// Waits in line until there is an answer. `most` is how many logins it may be asked with.
    pub(super) async fn ask(&self, login: Login, most: usize, again: bool) -> Result<Account, Failure> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { login, most, since: Instant::now(), answer };
        {
            let mut state = self.state();
            let queue = if again { &mut state.again } else { &mut state.fresh };
            queue.push_back(waiting);
        }
        self.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(Failure::unsent(Stop::Interrupted)))
    }

    /// Says that logins are going to come, until the guard is dropped: a batch may wait for more.
    pub(super) fn stream(self: &Arc<Self>) -> StreamGuard {
        self.state().streams += 1;
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

    fn take(&self) -> Vec<Waiting> {
        self.state().take(self.jobs, self.divide)
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

    fn take(&mut self, jobs: usize, divide: bool) -> Vec<Waiting> {
        if !self.begun {
            self.begun = true;
            if divide && self.streams == 0 {
                self.sizes.at_most(self.fresh.len().div_ceil(jobs));
            }
        }
        // Those that failed are asked by themselves: what is wrong with one of them shall not cost
        // logins that were never asked.
        let queue = if self.again.is_empty() { &mut self.fresh } else { &mut self.again };
        let wanted = queue.front().map_or(0, |first| first.most.min(queue.len()));
        let mut room = self.sizes.next(wanted);
        let mut batch = Vec::with_capacity(room);
        while let Some(next) = queue.front() {
            room = room.min(next.most);
            if batch.len() >= room {
                break;
            }
            batch.extend(queue.pop_front().filter(|next| !next.answer.is_closed()));
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
        match shared.governor.admit(again).await {
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

fn send(batches: &Arc<Batches>, shared: Arc<Shared>, batch: Vec<Waiting>, permit: OwnedSemaphorePermit) {
    let measures = shared.settings.measures;
    let price = graphql::points(batch.len(), measures);
    if let Err(stop) = shared.governor.spend(price) {
        return refuse(batch, &stop);
    }
    let batches = Arc::clone(batches);
    tokio::spawn(async move {
        let (logins, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.login, (waiting.most, waiting.answer))).unzip();
        let document = graphql::document(logins.len(), measures);
        let request = Request::Query(Query::new(&document, &logins));
        let read = |headers: &HeaderMap, body: &[u8]| graphql::answer(headers, body, &logins, measures);
        let outcome = shared.attempt(&request, read).await;
        drop(permit);
        let number = logins.len();
        match outcome {
            Ok(answer) => {
                // Servers without limits do not tell a price: there is none.
                let cost = answer.cost.unwrap_or(0);
                shared.governor.put_right(price, cost);
                shared.points.fetch_add(cost, Ordering::Relaxed);
                let left_out = answer.outcomes.iter().filter(|outcome| is_left_out(outcome)).count();
                batches.state().sizes.learn(number, left_out <= number / 4);
                for (outcome, (_, waits)) in answer.outcomes.into_iter().zip(answers) {
                    let failure = |error| Failure {
                        most: left_out.div_ceil(2).max(1),
                        own: number == 1,
                        ..Failure::from(error)
                    };
                    let _ = waits.send(outcome.map_err(failure));
                }
            }
            Err(error) => {
                // What GitHub took for an answer that never came is not known.
                shared.points.fetch_add(price, Ordering::Relaxed);
                let too_much = error.may_be_too_much();
                if too_much {
                    batches.state().sizes.learn(number, false);
                }
                for (most, waits) in answers {
                    let most = if too_much { number.div_ceil(2) } else { most };
                    let own = !too_much || number == 1;
                    let _ = waits.send(Err(Failure { most, own, ..Failure::from(error.clone()) }));
                }
            }
        }
    });
}

fn is_left_out(outcome: &Result<Account, LookupError>) -> bool {
    outcome.as_ref().is_err_and(LookupError::is_transient)
}
