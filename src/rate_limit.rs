//! The rate limiter: every request is admitted here.
//!
//! ```text
//! acquire ──▶ Permit ──▶ request ──▶ on_headers, on_outcome ──▶ Permit dropped
//! ```
//!
//! [`RateLimiter::acquire`] waits until each of these admits a request:
//!
//! | module | limit |
//! |---|---|
//! | [`quota`] | the hourly quota of the resource, from `x-ratelimit-*` headers |
//! | [`window`] | the documented requests per minute |
//! | [`concurrency`] | requests in flight: AIMD, up to `--jobs` |
//! | this one | a pause of all requests, after one of them was rejected |
//!
//! [`failure_streak`] ends the run against a host that is down. [`clock`] has the server's clock, [`settings`] every constant
//! with its unit and effect.
//!
//! Requests to one resource are admitted in the order of their calls. A future that waits here has to be polled, even while it holds
//! a permit for another request.

pub(crate) mod clock;
mod concurrency;
mod failure_streak;
pub(crate) mod quota;
pub(crate) mod settings;
mod window;

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::clock::Deadline;
use self::clock::{ServerClock, parse_date};
use self::concurrency::{ConcurrencyLimit, InFlightSnapshot};
use self::failure_streak::HostHealth;
pub(crate) use self::quota::Resource;
use self::quota::{PerResource, QuotaHeaders, QuotaWindow};
use self::settings::LimiterSettings;
use self::window::SlidingWindow;
use crate::stop::{StopReason, StopSignal, WaitReason};
use crate::text;

/// A wait that applies to all requests, or to those of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// End of the wait.
    pub(crate) until: Deadline,
    /// Reason of the wait.
    pub(crate) reason: WaitReason,
}

/// Whether a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Ready,
    /// Until a request in flight completes.
    Blocked,
    NotBefore(Deadline, WaitReason),
}

impl Admission {
    fn most_restrictive(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotBefore(one, _), Self::NotBefore(another, _))
                if one.remaining() < another.remaining() =>
            {
                other
            }
            (Self::Ready, _) | (Self::Blocked, Self::NotBefore(..)) => other,
            _ => self,
        }
    }
}

/// Outcome of a request, as far as it matters to the limits.
pub(crate) enum Outcome<'a> {
    /// A usable response.
    Success,
    /// A final response that is not a success: 404, 403, 451 …
    Response,
    /// A response that may be better next time: 5xx, not JSON, cut off.
    BadResponse(&'a dyn Display),
    /// Any response that asks all clients to wait, other than a rate limit: 503 with `retry-after`.
    Busy { retry_after: Duration, error: &'a dyn Display },
    /// Rejected because of a rate limit. `quota_exhausted`: it is the hourly quota.
    Throttled { retry_after: Option<Duration>, quota_exhausted: bool },
    /// No connection: the request never reached the server. `stop` ends the run if it happens again, or at once if the reason
    /// `is_permanent` and the host has never responded.
    ConnectFailed { is_permanent: bool, stop: StopReason },
    /// No response: timed out, or the connection was closed.
    NoResponse(&'a dyn Display),
    /// The run cannot go on.
    Stop(StopReason),
}

/// Admits, pauses and ends the requests of a run.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    settings: LimiterSettings,
    state: Mutex<LimiterState>,
    /// Wakes the heads of the queues when a request completes or a pause starts.
    changed: Notify,
    /// The request that is admitted next holds the lock; the others queue for it.
    head_of_queue: PerResource<tokio::sync::Mutex<()>>,
    pub(crate) stop: StopSignal,
}

#[derive(Debug)]
struct LimiterState {
    /// Points of `--max-points` used so far, including those of requests in flight.
    points_reserved: u64,
    pause: Option<Pause>,
    clock: ServerClock,
    resources: PerResource<ResourceState>,
    concurrency: ConcurrencyLimit,
    health: HostHealth,
}

/// Limits of one resource.
#[derive(Debug)]
struct ResourceState {
    quota: QuotaWindow,
    window: Option<SlidingWindow>,
    /// Wait of the next request.
    wait: Option<Pause>,
}

/// Consequence of an outcome, beside the changed limits.
enum Action {
    None,
    PauseAll(Duration, WaitReason),
    Stop(StopReason),
}

impl LimiterState {
    fn check(&mut self, resource: Resource, cost: u64) -> Admission {
        if self.pause.as_ref().is_some_and(|pause| pause.until.is_past()) {
            self.pause = None;
            tracing::debug!("pause ended");
        }
        let pause = match &self.pause {
            Some(pause) => Admission::NotBefore(pause.until, pause.reason),
            None => Admission::Ready,
        };
        let concurrency = if self.concurrency.has_capacity() { Admission::Ready } else { Admission::Blocked };
        let resource = self.resources.get_mut(resource);
        let window = resource.window.as_mut().map_or(Admission::Ready, SlidingWindow::check);
        let quota = resource.quota.check(cost);
        pause.most_restrictive(window).most_restrictive(concurrency).most_restrictive(quota)
    }

    /// Records the wait of the next request, and logs it once.
    fn set_wait(&mut self, resource: Resource, admission: Admission) {
        let last = &mut self.resources.get_mut(resource).wait;
        let wait = match admission {
            Admission::NotBefore(until, reason) => Some(Pause { until, reason }),
            Admission::Ready | Admission::Blocked => None,
        };
        if let Some(Pause { until, reason }) = wait.as_ref().filter(|wait| last.as_ref() != Some(*wait)) {
            let wait = text::format_duration(until.remaining());
            tracing::debug!(?resource, reason = reason.as_noun(), wait, "requests wait");
        }
        *last = wait;
    }

    fn on_outcome(
        &mut self,
        settings: &LimiterSettings,
        permit: &mut Permit<'_>,
        outcome: Outcome<'_>,
    ) -> Action {
        let (sent, tuning) = (permit.sent_at(), &settings.tuning);
        match outcome {
            Outcome::Success => {
                self.concurrency.on_success(sent);
                self.health.on_success(sent);
                Action::None
            }
            Outcome::Response => {
                self.on_response(sent);
                Action::None
            }
            Outcome::Busy { retry_after, error } => {
                self.health.on_response();
                let max = tuning.max_throttled.max(settings.retries.saturating_add(1));
                match self.health.busy.record(sent) {
                    streak if streak <= max => Action::PauseAll(retry_after, WaitReason::RetryAfter),
                    streak => {
                        Action::Stop(StopReason::OutOfReach(format!("{error}, after {} waits", streak - 1)))
                    }
                }
            }
            Outcome::BadResponse(error) => {
                self.on_response(sent);
                match self.health.bad_responses.record(sent) {
                    streak if streak < tuning.max_bad_responses => Action::None,
                    streak => Action::Stop(StopReason::OutOfReach(format!(
                        "{error}, and nothing else for {streak} rounds of requests"
                    ))),
                }
            }
            Outcome::NoResponse(error) => match self.health.no_response.record(sent) {
                streak if streak < tuning.max_no_response => Action::None,
                _ => Action::Stop(StopReason::OutOfReach(error.to_string())),
            },
            Outcome::ConnectFailed { is_permanent, stop } => {
                // The request never reached GitHub: it costs nothing.
                permit.quota_observed = true;
                let max = match (self.health.has_responded, is_permanent) {
                    // A host that has responded before gets the benefit of the doubt.
                    (true, _) => tuning.max_connect_failures,
                    (false, true) => 1,
                    (false, false) => tuning.max_connect_failures.min(settings.retries.saturating_add(1)),
                };
                match self.health.connect_failures.record(sent) {
                    // Other requests would not get a connection either.
                    streak if streak < max => Action::PauseAll(tuning.backoff(streak), WaitReason::Reconnect),
                    _ => Action::Stop(stop),
                }
            }
            Outcome::Throttled { retry_after, quota_exhausted } => {
                self.health.on_response();
                // A recording will not answer differently later.
                if !settings.enabled {
                    return Action::None;
                }
                self.on_throttled(settings, permit, retry_after, quota_exhausted)
            }
            Outcome::Stop(reason) => Action::Stop(reason),
        }
    }

    fn on_response(&mut self, sent: Instant) {
        self.concurrency.on_success(sent);
        self.health.on_response();
        self.health.on_not_throttled(sent);
    }

    fn on_throttled(
        &mut self,
        settings: &LimiterSettings,
        permit: &Permit<'_>,
        retry_after: Option<Duration>,
        quota_exhausted: bool,
    ) -> Action {
        let (sent, tuning) = (permit.sent_at(), &settings.tuning);
        let streak = self.health.throttled.record(sent);
        if streak > tuning.max_throttled.max(settings.retries.saturating_add(1)) {
            return Action::Stop(StopReason::StillRateLimited(streak - 1));
        }
        if let (true, Some((quota, reset))) = (quota_exhausted, permit.quota) {
            // Repeated rejections after the advertised reset mean that the wait is too short: increase it.
            let grace = if streak <= tuning.max_short_waits {
                tuning.reset_grace * 3u32.saturating_pow(streak - 1)
            } else {
                tuning.default_retry_after
            };
            self.resources.get_mut(permit.resource).quota.mark_exhausted(quota, reset, grace);
            tracing::debug!(resource = ?permit.resource, reset_in = ?reset.remaining(), "quota exhausted");
            return match retry_after {
                Some(wait) => Action::PauseAll(wait, WaitReason::RateLimit),
                None => Action::None,
            };
        }
        // A first `retry-after` of zero is obeyed; a rejection after it is waited for.
        let least = if streak > 1 { tuning.reset_grace * streak.min(10) } else { Duration::ZERO };
        let wait = match retry_after {
            Some(wait) => wait.max(least),
            None => tuning.default_retry_after * 2u32.saturating_pow(streak.saturating_sub(1)),
        };
        self.concurrency.on_rejected(sent, permit.snapshot, wait);
        Action::PauseAll(wait, WaitReason::RateLimit)
    }
}

impl RateLimiter {
    pub(crate) fn new(settings: LimiterSettings) -> Self {
        let tuning = settings.tuning;
        let resource = |per_minute| ResourceState {
            quota: QuotaWindow::default(),
            window: settings.per_minute.then(|| SlidingWindow::new(per_minute)),
            wait: None,
        };
        let state = LimiterState {
            points_reserved: 0,
            pause: None,
            clock: ServerClock::new(),
            resources: PerResource {
                core: resource(tuning.rest_requests_per_minute),
                graphql: resource(tuning.graphql_queries_per_minute),
            },
            concurrency: ConcurrencyLimit::new(settings.max_concurrency, tuning),
            health: HostHealth::default(),
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            head_of_queue: PerResource::default(),
            stop: StopSignal::new(settings.deadline),
            settings,
        }
    }

    /// Waits until a request is admitted. `cost`: what it takes from the quota of its resource.
    pub(crate) async fn acquire(&self, resource: Resource, cost: u64) -> Result<Permit<'_>, StopReason> {
        tokio::select! {
            biased;
            stop = self.stop.requested() => Err(stop),
            permit = self.wait_until_admitted(resource, cost) => Ok(permit),
        }
    }

    async fn wait_until_admitted(&self, resource: Resource, cost: u64) -> Permit<'_> {
        let _head = self.head_of_queue.get(resource).lock().await;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let admission = {
                let mut state = self.state();
                let admission =
                    if self.settings.enabled { state.check(resource, cost) } else { Admission::Ready };
                state.set_wait(resource, admission);
                if admission == Admission::Ready {
                    return Permit::new(self, &mut state, resource, cost);
                }
                admission
            };
            if let Admission::NotBefore(deadline, reason) = admission {
                self.enforce_max_wait(deadline, reason);
                tokio::select! {
                    () = changed => {}
                    () = deadline.sleep_until() => {}
                }
            } else {
                // A quota window may start meanwhile.
                let _ = tokio::time::timeout(self.settings.tuning.recheck_interval, changed).await;
            }
        }
    }

    /// Ends the run if a wait is longer than `--max-wait`, or lasts beyond `--deadline`.
    fn enforce_max_wait(&self, until: Deadline, reason: WaitReason) {
        let wait = until.remaining();
        if wait > self.settings.max_wait {
            self.stop.request(StopReason::RateLimitTooLong { until: until.timestamp(), reason });
        } else if let Some(given) = self.stop.deadline_before(wait) {
            self.stop.request(StopReason::Deadline { given, until: Some((until.timestamp(), reason)) });
        }
    }

    /// Updates the quota and the server's clock from the headers of a response.
    pub(crate) fn on_headers(&self, permit: &mut Permit<'_>, headers: &HeaderMap, is_success: bool) {
        if !self.settings.enabled {
            return;
        }
        let sent = permit.sent_at();
        let mut state = self.state();
        if let Some(date) = parse_date(headers) {
            state.clock.observe_date(date, sent);
        }
        let Some(quota) = QuotaHeaders::parse(headers) else {
            if is_success {
                state.resources.get_mut(permit.resource).quota.clear();
            }
            return;
        };
        // Ignore reset times that cannot be represented.
        let Some(wait) = state.clock.duration_until(quota.reset) else { return };
        let reset = Deadline::after(wait);
        permit.quota = Some((quota, reset));
        if quota.resource.is_none_or(|resource| resource == permit.resource) {
            state.resources.get_mut(permit.resource).quota.update(quota, reset, sent);
            permit.quota_observed = true;
        }
    }

    /// Updates the server's clock from a response to a request that was sent at `sent` without a permit.
    pub(crate) fn on_date(&self, headers: &HeaderMap, sent: Instant) {
        if let Some(date) = parse_date(headers) {
            self.state().clock.observe_date(date, sent);
        }
    }

    /// Updates the limits from the outcome of a request. Pauses all requests, or ends the run, if the outcome asks for that.
    pub(crate) fn on_outcome(&self, permit: &mut Permit<'_>, outcome: Outcome<'_>) {
        let action = self.state().on_outcome(&self.settings, permit, outcome);
        match action {
            Action::None => {}
            Action::PauseAll(wait, reason) => self.pause_all(wait, reason),
            Action::Stop(reason) => self.stop.request(reason),
        }
    }

    /// Pauses all requests, unless a longer pause is active.
    pub(crate) fn pause_all(&self, wait: Duration, reason: WaitReason) {
        if !self.settings.enabled {
            return;
        }
        let until = Deadline::after(wait);
        {
            let mut state = self.state();
            if state.pause.as_ref().is_some_and(|pause| pause.until.remaining() >= wait) {
                return;
            }
            state.pause = Some(Pause { until, reason });
        }
        tracing::info!(reason = reason.as_noun(), wait = text::format_duration(wait), "all requests pause");
        self.enforce_max_wait(until, reason);
        self.changed.notify_waiters();
    }

    /// Whether all requests pause.
    pub(crate) fn is_paused(&self) -> bool {
        self.state().pause.as_ref().is_some_and(|pause| !pause.until.is_past())
    }

    /// Returns the longest active wait: of all requests, or of the next request to a resource.
    pub(crate) fn current_pause(&self) -> Option<Pause> {
        let state = self.state();
        let waits = [&state.pause, &state.resources.core.wait, &state.resources.graphql.wait];
        let active = waits.into_iter().flatten().filter(|pause| !pause.until.is_past());
        active.max_by_key(|pause| pause.until.remaining()).cloned()
    }

    /// Takes points from `--max-points` before a request is sent; ends the run if they do not suffice.
    pub(crate) fn reserve_points(&self, points: u64) -> Result<(), StopReason> {
        let mut state = self.state();
        if let Some(max_points) = self.settings.max_points
            && state.points_reserved.saturating_add(points) > max_points
        {
            drop(state);
            let reason = StopReason::PointBudgetExhausted(max_points);
            self.stop.request(reason.clone());
            return Err(self.stop.reason().unwrap_or(reason));
        }
        state.points_reserved = state.points_reserved.saturating_add(points);
        Ok(())
    }

    /// Replaces the estimated cost of a request with the cost that GitHub reported.
    pub(crate) fn reconcile_points(&self, reserved: u64, actual: u64) {
        let mut state = self.state();
        state.points_reserved = state.points_reserved.saturating_add(actual).saturating_sub(reserved);
    }

    /// Returns the hourly limit of the REST API and what remained of it at the last response, if a response said so.
    pub(crate) fn remaining_requests(&self) -> Option<(u64, u64)> {
        self.state().resources.core.quota.remaining()
    }

    /// Sleeps before the attempt that follows `failures` failed ones: exponential, with full jitter.
    pub(crate) async fn sleep_backoff(&self, failures: u32) {
        if self.settings.enabled {
            tokio::select! {
                _ = self.stop.requested() => {}
                () = tokio::time::sleep(self.settings.tuning.backoff(failures)) => {}
            }
        }
    }

    /// Returns the time by the server's clock, as far as it is known.
    pub(crate) fn server_time(&self) -> Timestamp {
        self.state().clock.now()
    }

    /// Returns the time until a moment of the server's clock, in Unix seconds.
    pub(crate) fn duration_until(&self, second: i64) -> Option<Duration> {
        self.state().clock.duration_until(second)
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        // After a panic elsewhere the state is still consistent: deadlines and counters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to have one request in flight, from its admission to the last byte of its response. Dropping it gives everything
/// back, however the request ended.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    limiter: &'a RateLimiter,
    resource: Resource,
    cost: u64,
    snapshot: InFlightSnapshot,
    is_probe: bool,
    sent: Option<Instant>,
    quota: Option<(QuotaHeaders, Deadline)>,
    /// Whether a response said what remains of the quota, or the request cost nothing.
    quota_observed: bool,
}

impl<'a> Permit<'a> {
    fn new(limiter: &'a RateLimiter, state: &mut LimiterState, resource: Resource, cost: u64) -> Self {
        let limits = state.resources.get_mut(resource);
        let is_probe = limits.quota.acquire(cost);
        if let Some(window) = &mut limits.window {
            window.acquire();
        }
        let snapshot = state.concurrency.acquire();
        Self { limiter, resource, cost, snapshot, is_probe, sent: None, quota: None, quota_observed: false }
    }

    /// Marks the request as sent now.
    pub(crate) fn mark_sent(&mut self) -> Instant {
        *self.sent.insert(Instant::now())
    }

    fn sent_at(&self) -> Instant {
        self.sent.unwrap_or_else(Instant::now)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        let was_sent = self.sent.is_some();
        let charged = was_sent && !self.quota_observed;
        let limits = state.resources.get_mut(self.resource);
        limits.quota.release(self.cost, charged, self.is_probe);
        if let Some(window) = &mut limits.window {
            window.release(was_sent);
        }
        state.concurrency.release();
        drop(state);
        self.limiter.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
