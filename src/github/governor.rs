//! The one place through which every request passes.
//!
//! It holds the permits that bound the requests in flight, the moment before which none may leave,
//! and the end of the run. A refusal met by one request is a pause for all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::error::LookupError;
use super::stop::Stop;
use crate::text;

/// The longest wait for a limit; a longer one ends the run.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);
/// What GitHub asks clients to wait at least, after a refusal that does not say how long.
const WAIT_UNTOLD: Duration = Duration::from_secs(60);
/// Rounds of attempts without a connection before the host counts as out of reach, and rounds of
/// refusals before it counts as unwilling.
const MAX_ROUNDS: u32 = 5;
/// Rounds of attempts that broke or timed out, without any answer in between, before the host counts
/// as out of reach. More than above: a single request may well be unlucky five times.
const MAX_MUTE_ROUNDS: u32 = 12;
/// Rounds of attempts with bad answers (5xx, no JSON), without a good one in between, before the
/// server counts as down: it is not to be asked a million times.
const MAX_ILL_ROUNDS: u32 = 100;
/// Back-off before the second attempt; it doubles with every further one.
const BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// A wait for all requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When requests may leave again.
    pub until: Instant,
    /// What is waited for, in words.
    pub reason: &'static str,
}

/// Bounds, pauses and ends the requests of a run.
#[derive(Debug)]
pub struct Governor {
    permits: Arc<Semaphore>,
    newcomers: Arc<Semaphore>,
    state: Mutex<State>,
    stop: watch::Sender<Option<Stop>>,
    retries: u32,
    patient: bool,
    budget: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// What the requests so far have cost, of the budget.
    spent: u64,
    pause: Option<Pause>,
    refusals: Rounds,
    /// Whether the host has ever answered, however badly.
    answered: bool,
    unconnected: Rounds,
    mute: Rounds,
    ill: Rounds,
}

/// Consecutive failures, counted in rounds: of many requests that were in flight together and failed
/// together, only the first counts.
#[derive(Debug, Default)]
struct Rounds {
    number: u32,
    last: Option<Instant>,
}

impl Rounds {
    fn add(&mut self, started: Instant) -> u32 {
        if self.last.is_none_or(|last| started > last) {
            self.number += 1;
            self.last = Some(Instant::now());
        }
        self.number
    }
}

impl Governor {
    /// A governor for at most `jobs` requests in flight. An impatient one, for answers from a folder,
    /// never waits. `budget` is what may be spent, in points or requests.
    #[must_use]
    pub fn new(jobs: usize, retries: u32, patient: bool, budget: Option<u64>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(jobs)),
            newcomers: Arc::new(Semaphore::new(jobs)),
            state: Mutex::default(),
            stop: watch::Sender::new(None),
            retries,
            patient,
            budget,
        }
    }

    /// Waits until a request may leave. `again`: it is not the login's first.
    ///
    /// A login that is asked again overtakes all that were never asked but the `jobs` next ones.
    /// Behind a whole window of newcomers it would hold up the rows behind it.
    pub(super) async fn admit(&self, again: bool) -> Result<OwnedSemaphorePermit, Stop> {
        let admitted = async {
            // The semaphores are never closed; were they, asking on would be the lesser evil.
            let newcomer = if again { None } else { self.newcomers.acquire().await.ok() };
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            drop(newcomer);
            while let Some(pause) = self.pause() {
                tokio::time::sleep_until(pause.until).await;
            }
            permit
        };
        tokio::select! {
            biased;
            stop = self.stopped() => Err(stop),
            permit = admitted => permit.ok_or(Stop::Interrupted),
        }
    }

    /// Learns from an attempt that left at `started`.
    pub(super) fn learn(&self, started: Instant, outcome: Result<(), &LookupError>, authorized: bool) {
        let error = match outcome {
            Ok(()) => {
                let mut state = self.state();
                let (pause, spent) = (state.pause.take(), state.spent);
                *state = State { pause, spent, answered: true, ..State::default() };
                return;
            }
            Err(error) => error,
        };
        if error.is_answer() {
            let mut state = self.state();
            state.answered = true;
            state.unconnected = Rounds::default();
            state.mute = Rounds::default();
        }
        match error {
            LookupError::Unauthorized(message) if authorized => self.end(Stop::TokenRefused(message.clone())),
            LookupError::Unauthorized(message) => self.end(Stop::TokenNeeded(message.clone())),
            LookupError::RateLimited { wait, .. } => self.refused(started, *wait),
            LookupError::Status { wait: Some(wait), .. } => self.wait(*wait, "GitHub is busy"),
            LookupError::NoConnection(_) => {
                let mut state = self.state();
                let rounds = state.unconnected.add(started);
                // A host that has answered before gets the benefit of the doubt.
                let most = if state.answered { MAX_ROUNDS } else { MAX_ROUNDS.min(self.retries + 1) };
                drop(state);
                if rounds >= most {
                    self.end(Stop::OutOfReach(error.to_string()));
                } else {
                    // Not even a connection: the others would fare no better just now.
                    self.wait(backoff(rounds), "no connection");
                }
            }
            LookupError::TimedOut(_) | LookupError::Broken(_) => {
                let rounds = self.state().mute.add(started);
                if rounds >= MAX_MUTE_ROUNDS {
                    self.end(Stop::OutOfReach(error.to_string()));
                }
            }
            LookupError::Stopped(stop) => self.end(stop.clone()),
            error if error.is_transient() => {
                let rounds = self.state().ill.add(started);
                if rounds >= MAX_ILL_ROUNDS {
                    self.end(Stop::OutOfReach(format!(
                        "{error}, and nothing else for {rounds} rounds of requests"
                    )));
                }
            }
            _ => {}
        }
    }

    /// Takes a request's price from the budget before it leaves, or ends the run.
    pub(super) fn spend(&self, price: u64) -> Result<(), Stop> {
        let mut state = self.state();
        if let Some(budget) = self.budget
            && state.spent + price > budget
        {
            drop(state);
            let stop = Stop::Spent(budget);
            self.end(stop.clone());
            return Err(self.stop().unwrap_or(stop));
        }
        state.spent += price;
        Ok(())
    }

    /// Puts right what was taken, once GitHub has told the price.
    pub(super) fn put_right(&self, taken: u64, price: u64) {
        let mut state = self.state();
        state.spent = (state.spent + price).saturating_sub(taken);
    }

    /// What was spent of the budget.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.state().spent
    }

    fn refused(&self, started: Instant, wait: Option<Duration>) {
        let rounds = self.state().refusals.add(started);
        if rounds > MAX_ROUNDS.max(self.retries + 1) {
            return self.end(Stop::RefusedAgain(rounds - 1));
        }
        let wait = wait.unwrap_or(WAIT_UNTOLD * 2u32.saturating_pow(rounds.saturating_sub(1)));
        self.wait(wait, "GitHub's rate limit lasts");
    }

    fn wait(&self, wait: Duration, reason: &'static str) {
        if !self.patient {
            return;
        }
        if wait > MAX_WAIT {
            let until = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
            let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
            return self.end(Stop::Limited { until, reason });
        }
        let until = Instant::now() + wait;
        let mut state = self.state();
        if state.pause.as_ref().is_none_or(|pause| pause.until < until) {
            tracing::info!("{reason}: waiting {}", text::duration(wait));
            state.pause = Some(Pause { until, reason });
        }
    }

    /// The pause that is on, if one is.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        self.state().pause.clone().filter(|pause| pause.until > Instant::now())
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
            let change =
                current.is_none() || (stop == Stop::Interrupted && *current != Some(Stop::Interrupted));
            if change {
                tracing::info!("stopping: {stop}");
                *current = Some(stop);
            }
            change
        });
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
        // A panic elsewhere leaves a state that is still true: a deadline and two counters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A random time up to a bound that doubles with each attempt (full jitter), so that those who failed
/// together do not come back together.
fn backoff(attempts: u32) -> Duration {
    let bound = BACKOFF.saturating_mul(2u32.saturating_pow(attempts.saturating_sub(1))).min(MAX_BACKOFF);
    bound.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(seconds: u64) -> LookupError {
        LookupError::RateLimited { status: 403, wait: Some(Duration::from_secs(seconds)) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_one_pauses_all_until_the_latest_moment_asked_for() {
        let governor = Governor::new(10, 4, true, None);
        let start = Instant::now();
        governor.learn(start, Err(&refusal(7)), true);
        governor.learn(start, Err(&refusal(3)), true);
        let (first, second) = tokio::join!(governor.admit(false), governor.admit(true));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(start.elapsed().as_secs(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_without_an_end_end_the_run() {
        let governor = Governor::new(10, 4, true, None);
        for _ in 0..5 {
            drop(governor.admit(false).await.unwrap());
            governor.learn(Instant::now(), Err(&refusal(1)), true);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(governor.stop(), None);
        drop(governor.admit(false).await.unwrap());
        governor.learn(Instant::now(), Err(&refusal(1)), true);
        assert_eq!(governor.admit(false).await.unwrap_err(), Stop::RefusedAgain(5));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_the_wait_is_a_minute_and_doubles() {
        let governor = Governor::new(1, 4, true, None);
        let untold = LookupError::RateLimited { status: 403, wait: None };
        let start = Instant::now();
        governor.learn(start, Err(&untold), true);
        drop(governor.admit(true).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), 60);
        governor.learn(Instant::now(), Err(&untold), true);
        drop(governor.admit(true).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), 180);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_beyond_the_longest_ends_the_run() {
        let governor = Governor::new(10, 4, true, None);
        governor.learn(Instant::now(), Err(&refusal(3000)), true);
        assert!(matches!(governor.admit(false).await, Err(Stop::Limited { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_out_of_reach_ends_the_run_after_five_rounds_not_five_requests() {
        let governor = Governor::new(10, 9, true, None);
        let refused = LookupError::NoConnection("connection refused".into());
        for round in 1..=5 {
            assert_eq!(governor.stop(), None, "round {round}");
            let started = Instant::now();
            tokio::time::advance(Duration::from_millis(1)).await;
            for _ in 0..10 {
                governor.learn(started, Err(&refused), false);
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(matches!(governor.stop(), Some(Stop::OutOfReach(_))));
    }

    #[test]
    fn the_budget_is_never_overdrawn() {
        let governor = Governor::new(10, 4, true, Some(3));
        assert!(governor.spend(2).is_ok());
        governor.put_right(2, 1);
        assert!(governor.spend(2).is_ok());
        assert_eq!(governor.spend(1), Err(Stop::Spent(3)));
        assert_eq!((governor.spent(), governor.stop()), (3, Some(Stop::Spent(3))));
    }

    #[tokio::test(start_paused = true)]
    async fn those_asked_again_overtake_the_newcomers() {
        let governor = Governor::new(1, 4, true, None);
        let busy = governor.admit(false).await.unwrap();
        let order = Mutex::new(Vec::new());
        let ask = |name, again| {
            let (governor, order) = (&governor, &order);
            async move {
                let _permit = governor.admit(again).await.unwrap();
                order.lock().unwrap().push(name);
            }
        };
        tokio::join!(
            ask("first", false),
            ask("second", false),
            ask("third", false),
            ask("again", true),
            async {
                tokio::task::yield_now().await;
                drop(busy);
            }
        );
        assert_eq!(order.into_inner().unwrap(), ["first", "again", "second", "third"]);
    }

    #[test]
    fn back_off_doubles_up_to_its_bound() {
        for (attempts, bound) in [(1, 500), (2, 1000), (4, 4000), (7, 30_000), (u32::MAX, 30_000)] {
            let longest = (0..200).map(|_| backoff(attempts).as_millis()).max().unwrap();
            assert!(longest <= bound && longest > bound / 2, "{attempts}: {longest}");
        }
    }
}
