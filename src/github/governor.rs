//! The one place through which every request passes.
//!
//! It holds the permits that bound the requests in flight, what is known of GitHub's budgets, the pace,
//! the moment before which none may leave, and the end of the run. A refusal met by one request is a
//! pause for all of them.

mod budget;
mod crowd;
mod gate;
mod health;
mod heard;
mod learn;
mod moment;
mod pace;
mod permit;
mod resource;

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use self::crowd::Place;
use self::gate::{Gate, Leave, State};
pub(super) use self::heard::{REMAINING, date, header, told};
pub use self::moment::Moment;
pub use self::pace::{QUERIES_A_MINUTE, REST_A_MINUTE};
pub(super) use self::permit::Permit;
use self::resource::Each;
pub use self::resource::Resource;
use super::settings::Settings;
use super::stop::{Hold, Stop};
use super::transport::Source;
use crate::text;

/// How often it is looked whether somebody may leave, though nobody has come back.
const LOOK: Duration = Duration::from_millis(250);
/// Back-off before the second attempt; it doubles with every further one.
const BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A wait for all requests, or for those of one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When requests may leave again.
    pub until: Moment,
    /// What is waited for.
    pub reason: Hold,
}

/// A place among the first that were never asked.
#[derive(Debug)]
pub(super) struct Newcomer<'a> {
    _place: SemaphorePermit<'a>,
}

/// Bounds, pauses and ends the requests of a run.
#[derive(Debug)]
pub struct Governor {
    permits: Arc<Semaphore>,
    newcomers: Semaphore,
    /// Whoever is first in line for a budget.
    first: Each<tokio::sync::Mutex<()>>,
    gate: Arc<Gate>,
    stop: watch::Sender<Option<Stop>>,
    retries: u32,
    patient: bool,
    budget: Option<u64>,
    max_wait: Duration,
    deadline: Option<(Instant, Duration)>,
}

impl Governor {
    /// A governor for requests as `settings` say. For answers from a folder it never waits.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(settings.jobs)),
            newcomers: Semaphore::new(settings.jobs),
            first: Each::default(),
            gate: Arc::new(Gate::new(settings)),
            stop: watch::Sender::new(None),
            retries: settings.retries,
            patient: !matches!(settings.source, Source::Replay(_)),
            budget: settings.budget,
            max_wait: settings.max_wait,
            deadline: settings.deadline.map(|deadline| (Instant::now() + deadline, deadline)),
        }
    }

    /// Waits in the line of those that were never asked, until only `jobs` of them are before the gate.
    ///
    /// A login that is asked again is in no such line: it overtakes all but those. Behind a whole window
    /// of newcomers it would hold up the rows behind it.
    pub(super) async fn newcomer(&self) -> Result<Newcomer<'_>, Stop> {
        // It is closed by the end of the run: thousands that listened for that would be thousands of listeners.
        match self.newcomers.acquire().await {
            Ok(place) => Ok(Newcomer { _place: place }),
            Err(_) => Err(self.stop().unwrap_or(Stop::Interrupted)),
        }
    }

    /// Waits until a request may leave. `price`: what it costs of GitHub's budget. `newcomer`: where it is
    /// a login's first.
    pub(super) async fn admit(
        &self,
        resource: Resource,
        price: u64,
        newcomer: Option<Newcomer<'_>>,
    ) -> Result<Permit, Stop> {
        let admitted = async {
            // These permits are never refused; were they, asking on would be the lesser evil.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            drop(newcomer);
            let _first = self.first.of(resource).lock().await;
            let place = self.leave(resource, price).await;
            Permit::new(permit, Arc::clone(&self.gate), resource, price, place)
        };
        tokio::select! {
            biased;
            stop = self.stopped() => Err(stop),
            permit = admitted => Ok(permit),
        }
    }

    /// Waits until the first in line may leave, or for ever where the run ends before.
    async fn leave(&self, resource: Resource, price: u64) -> (Place, bool) {
        loop {
            let mut changed = std::pin::pin!(self.gate.changed.notified());
            changed.as_mut().enable();
            let wait = {
                let mut state = self.state();
                let leave = if self.patient { state.leave(resource, price) } else { Leave::Now };
                *state.waits.of_mut(resource) = match leave {
                    Leave::At(until, reason) => Some(Pause { until, reason }),
                    _ => None,
                };
                match leave {
                    Leave::Now => return state.depart(resource, price),
                    Leave::Changed => None,
                    Leave::At(moment, reason) => Some((moment, reason)),
                }
            };
            match wait {
                // A reset may come meanwhile.
                None => drop(tokio::time::timeout(LOOK, changed).await),
                Some((moment, reason)) => {
                    self.allow(moment, reason);
                    tokio::select! {
                        () = changed => {}
                        () = moment.come() => {}
                    }
                }
            }
        }
    }

    /// Ends the run where a wait is longer than any that was allowed.
    fn allow(&self, moment: Moment, reason: Hold) {
        let wait = moment.wait();
        if wait > self.max_wait {
            self.end(Stop::Limited { until: moment.timestamp(), reason });
        } else if let Some((deadline, given)) = self.deadline
            && Instant::now() + wait > deadline
        {
            self.end(Stop::Deadline { given, until: Some((moment.timestamp(), reason)) });
        }
    }

    /// Lets nobody leave for this long.
    pub(super) fn wait(&self, wait: Duration, reason: Hold) {
        if !self.patient {
            return;
        }
        let until = Moment::after(wait);
        let mut state = self.state();
        if state.pause.as_ref().is_none_or(|pause| pause.until.wait() < wait) {
            tracing::info!("{reason}: waiting {}", text::duration(wait));
            state.pause = Some(Pause { until, reason });
            drop(state);
            self.allow(until, reason);
            self.gate.changed.notify_waiters();
        }
    }

    /// The wait that is on, if one is: the longest.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        let state = self.state();
        let pauses = state.waits.both().into_iter().chain([&state.pause]).flatten();
        pauses.filter(|pause| !pause.until.has_come()).max_by_key(|pause| pause.until.wait()).cloned()
    }

    /// Takes a request's price from the budget of this run before it leaves, or ends the run.
    pub(super) fn spend(&self, price: u64) -> Result<(), Stop> {
        let mut state = self.state();
        if let Some(budget) = self.budget
            && state.spent.saturating_add(price) > budget
        {
            drop(state);
            let stop = Stop::Spent(budget);
            self.end(stop.clone());
            return Err(self.stop().unwrap_or(stop));
        }
        state.spent = state.spent.saturating_add(price);
        Ok(())
    }

    /// Puts right what was taken, once GitHub has told the price.
    pub(super) fn put_right(&self, taken: u64, price: u64) {
        let mut state = self.state();
        state.spent = state.spent.saturating_add(price).saturating_sub(taken);
    }

    /// Requests of the REST API in an hour and those that are left, where an answer has told.
    #[must_use]
    pub fn requests_left(&self) -> Option<(u64, u64)> {
        self.state().budgets.of(Resource::Core).told()
    }

    /// What was spent of the budget of this run.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.state().spent
    }

    /// Sleeps before the next attempt after `attempts` failed ones: exponential, with full jitter.
    pub(super) async fn back_off(&self, attempts: u32) {
        if self.patient {
            tokio::select! {
                _ = self.stopped() => {}
                () = tokio::time::sleep(backoff(attempts)) => {}
            }
        }
    }

    /// Ends the run: no further request leaves. The first reason stays, but for an interruption,
    /// which goes before all others.
    pub fn end(&self, stop: Stop) {
        self.stop.send_if_modified(|current| {
            let change = match current {
                None => true,
                Some(current) => stop.is_signal() && !current.is_signal(),
            };
            if change {
                tracing::info!("stopping: {stop}");
                *current = Some(stop);
            }
            change
        });
        self.newcomers.close();
    }

    /// Why the run has ended, if it has.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        self.stop.borrow().clone()
    }

    /// Waits for the end of the run.
    pub async fn stopped(&self) -> Stop {
        self.stopped_by(|_| true).await
    }

    /// Waits until nobody wants answers any more, not even of the requests in flight.
    pub(super) async fn abandoned(&self) -> Stop {
        self.stopped_by(Stop::is_immediate).await
    }

    async fn stopped_by(&self, which: impl Fn(&Stop) -> bool) -> Stop {
        let mut stop = self.stop.subscribe();
        let found =
            stop.wait_for(|stop| stop.as_ref().is_some_and(&which)).await.ok().and_then(|stop| stop.clone());
        match found {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.gate.state()
    }
}

/// A random time up to a bound that doubles with each attempt (full jitter), so that those who failed
/// together do not come back together.
fn backoff(attempts: u32) -> Duration {
    let bound = BACKOFF.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1))).min(MAX_BACKOFF);
    bound.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests;
