//! The line in which logins wait, and when a batch of them is due.

mod guards;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::guards::UnderWay;
pub(crate) use self::guards::{HoldGuard, StreamGuard};
use super::super::graphql;
use super::super::persist::Failure;
use super::super::rest::Account;
use super::super::sizes::Sizes;
use super::super::stop::Stop;
use crate::login::Login;
use crate::report::Measures;

/// What has waited this long goes, full batch or not. Time in which nobody took answers does not count.
const LINGER: Duration = Duration::from_millis(50);
/// The same where more is about to come: of a file, or behind an answer that is under way. It is late where
/// the machine is busy, and hardly ever otherwise.
const PATIENCE: Duration = Duration::from_secs(1);
/// These waits are measured in steps. A step that takes longer is one all the same: where this program did not
/// run, nobody could read the list either.
const STEP: Duration = Duration::from_millis(10);

/// A login that waits for its answer.
pub(super) struct Waiting {
    pub(super) login: Login,
    /// How many logins its query may ask for, itself included.
    pub(super) most: usize,
    /// How often it was asked for in vain.
    pub(super) failures: u32,
    /// On the clock of the line.
    since: Duration,
    pub(super) answer: oneshot::Sender<Result<Account, Failure>>,
}

/// The logins that wait.
pub(in crate::github) struct Batches {
    state: Mutex<State>,
    wake: Notify,
    jobs: usize,
    /// How many queries a short roster is divided into.
    fill: Option<usize>,
    /// The last document and for how many logins it is: most queries are for as many.
    document: Mutex<(usize, Arc<str>)>,
}

pub(super) struct State {
    fresh: VecDeque<Waiting>,
    pub(super) again: VecDeque<Waiting>,
    pub(super) sizes: Sizes,
    /// Streams of logins that have not ended.
    streams: usize,
    list: List,
    /// Queries that wait for their answers.
    under_way: usize,
    /// Nobody takes answers.
    held: bool,
    /// How long logins could have come, and when that was last looked at.
    clock: Duration,
    looked: Instant,
    /// When the last batch was taken: what it left has been the first in line since then.
    taken: Duration,
    begun: bool,
    closed: bool,
}

/// What the list of logins does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    /// The next login is being read from a file.
    Read,
    /// Nobody knows when the next one comes.
    Slow,
    /// There are as many in line as may be: the next one is taken when the first one has its row.
    Full,
}

/// When a batch is due.
enum Due {
    Now,
    Soon,
    Unknown,
}

impl Batches {
    pub(in crate::github) fn new(jobs: usize, largest: usize, fill: Option<usize>) -> Self {
        let state = State {
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            sizes: Sizes::new(largest),
            streams: 0,
            list: List::Slow,
            under_way: 0,
            held: false,
            clock: Duration::ZERO,
            looked: Instant::now(),
            taken: Duration::ZERO,
            begun: true,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            jobs,
            fill,
            document: Mutex::new((0, "".into())),
        }
    }

    /// Waits in line until there is an answer. `most` is how many logins it may be asked with.
    /// `coming` has told of it, where somebody has.
    pub(in crate::github) async fn ask(
        &self,
        login: Login,
        most: usize,
        failures: u32,
        coming: Option<StreamGuard>,
    ) -> Result<Account, Failure> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.state();
            let waiting = Waiting { login, most, failures, since: state.clock, answer };
            let queue = if failures > 0 { &mut state.again } else { &mut state.fresh };
            queue.push_back(waiting);
        }
        drop(coming);
        self.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(Failure::unsent(Stop::Interrupted)))
    }

    /// Says that logins are going to come, until the guard is dropped: a batch may wait for more.
    pub(in crate::github) fn stream(self: &Arc<Self>) -> StreamGuard {
        let mut state = self.state();
        if state.streams == 0 {
            state.begun = false;
            state.sizes.at_most(None);
        }
        state.streams += 1;
        drop(state);
        StreamGuard(Arc::clone(self))
    }

    /// Says that nobody takes answers, until the guard is dropped: logins that wait are in no hurry, and
    /// more may come with the next ones.
    pub(in crate::github) fn hold(self: &Arc<Self>) -> HoldGuard {
        let mut state = self.state();
        state.look();
        state.held = true;
        drop(state);
        HoldGuard(Arc::clone(self))
    }

    /// Says what the list does.
    pub(in crate::github) fn list(&self, list: List) {
        self.state().list = list;
    }

    /// Says that a query is under way, until the guard is dropped.
    pub(super) fn under_way(self: &Arc<Self>) -> UnderWay {
        self.state().under_way += 1;
        UnderWay(Arc::clone(self))
    }

    /// Ends the dispatcher.
    pub(in crate::github) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves queues that are still true.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a batch is due; false at the end.
    pub(super) async fn due(&self) -> bool {
        loop {
            let due = {
                let mut state = self.state();
                if state.closed {
                    return false;
                }
                state.due(self.jobs)
            };
            match due {
                Due::Now => return true,
                Due::Soon => {
                    let _ = tokio::time::timeout(STEP, self.wake.notified()).await;
                }
                Due::Unknown => self.wake.notified().await,
            }
        }
    }

    /// The query for so many logins.
    pub(super) fn document(&self, size: usize, measures: Measures) -> Arc<str> {
        let mut last = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != size {
            *last = (size, graphql::document(size, measures).into());
        }
        Arc::clone(&last.1)
    }

    pub(super) fn largest(&self) -> usize {
        self.state().sizes.largest()
    }

    pub(super) fn take(&self) -> Vec<Waiting> {
        self.state().take(self.fill)
    }

    pub(super) fn take_all(&self) -> Vec<Waiting> {
        let mut state = self.state();
        let mut all: Vec<_> = state.again.drain(..).collect();
        all.extend(state.fresh.drain(..));
        all
    }
}

impl State {
    /// Sets the clock.
    fn look(&mut self) {
        let passed = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        if !self.held {
            self.clock += passed.min(STEP);
        }
    }

    fn due(&mut self, jobs: usize) -> Due {
        self.look();
        if !self.again.is_empty() {
            return Due::Now;
        }
        let Some(oldest) = self.fresh.front() else {
            return Due::Unknown;
        };
        // Before the first batch it is not known whether the roster is short.
        let enough = if self.begun { self.sizes.current() } else { jobs * self.sizes.largest() };
        let soon = match self.list {
            List::Read => true,
            List::Slow => false,
            List::Full => self.under_way > 0,
        };
        let linger = if soon { PATIENCE } else { LINGER };
        let late = self.clock >= oldest.since.max(self.taken) + linger;
        if self.streams == 0 || self.fresh.len() >= enough || (late && !self.held) {
            Due::Now
        } else if self.held {
            Due::Unknown
        } else {
            Due::Soon
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
        self.taken = self.clock;
        if batch.len() != size {
            self.sizes.forget_probe(size);
        }
        batch
    }
}

#[cfg(test)]
mod tests;
