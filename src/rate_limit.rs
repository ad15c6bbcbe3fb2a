//! The rate limiter: every request is admitted here, except those for the token of a GitHub App.
//!
//! ```text
//! acquire ──▶ Permit ──▶ request ──▶ on_headers, on_outcome ──▶ Permit dropped
//! ```
//!
//! [`RateLimiter::acquire`] waits until each of these admits a request:
//!
//! | module | limit |
//! |---|---|
//! | [`quota`] | the hourly quota of the resource, from `x-ratelimit-*` headers, and the documented requests per minute |
//! | [`concurrency`] | requests in flight: AIMD, up to `--jobs` |
//! | [`cpu_time`] | the documented CPU time per minute, estimated by response times |
//! | this one | a pause of all requests, after one of them was rejected or could not connect |
//!
//! [`estimate`] has the time of a run under the documented limits. [`failure_streak`] ends the run against a host that is down. [`clock`] has the server's clock, [`settings`] the constants with their units and effects.
//!
//! Requests to one resource are admitted in the order of their calls. A future that waits here has to be polled, even while it
//! holds a permit for another request.

pub(crate) mod clock;
mod concurrency;
mod cpu_time;
pub(crate) mod estimate;
mod failure_streak;
pub(crate) mod quota;
pub(crate) mod settings;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::AsHeaderName;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::clock::Deadline;
use self::clock::{ServerClock, parse_date};
use self::concurrency::{ConcurrencyLimit, InFlightSnapshot};
use self::cpu_time::{CpuTimeLedger, ReservationId};
use self::failure_streak::HostHealth;
pub(crate) use self::quota::Resource;
use self::quota::{HourlyQuota, MinuteWindow, PerResource, Quota};
use self::settings::LimiterSettings;
use crate::stop::{StopReason, StopSignal, WaitReason};
use crate::text;

pub(crate) fn header_str(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A wait of the next request that is shorter is only logged with `-vv`: at a limit per minute there may be one for each request.
const LOGGED_WAIT: Duration = Duration::from_secs(1);

/// A wait that applies to all requests, or to those of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pause {
    pub(crate) until: Deadline,
    pub(crate) reason: WaitReason,
}

/// Decision about the next request. The longest wait is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Admission {
    Ready,
    /// Until a request in flight completes.
    Blocked,
    NotBefore(Pause),
}

pub(crate) enum RequestOutcome<'a> {
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
    /// No connection: the request never reached the server. `stop` ends the run after several rounds, or at once if the reason
    /// `is_permanent` and the host has never responded.
    ConnectFailed { is_permanent: bool, stop: StopReason },
    /// No response: timed out, or the connection was closed.
    NoResponse(&'a dyn Display),
    /// A response that is not GitHub's. `stop` ends the run after several rounds.
    Foreign { request: &'a str, stop: StopReason },
    /// A redirect within the API: that of a moved account if GitHub has answered before, else as `Foreign`.
    Redirect { request: &'a str, stop: StopReason },
    /// The run cannot go on.
    Stop(StopReason),
}

/// Admits, pauses and ends the requests of a run.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    pub(crate) settings: LimiterSettings,
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
    cpu_time: CpuTimeLedger,
    health: HostHealth,
}

#[derive(Debug, Default)]
struct ResourceState {
    quota: HourlyQuota,
    window: MinuteWindow,
    in_flight: usize,
    /// Wait of the next request.
    wait: Option<Pause>,
    /// Time that the next request has waited so far.
    waited: BTreeMap<WaitReason, Duration>,
}

impl LimiterState {
    /// Checks all limits for the next request to a resource. Logs a wait once, beside the pause of all requests.
    fn check(&mut self, resource: Resource, cost: u64) -> Admission {
        if self.pause.is_some_and(|pause| pause.until.is_past()) {
            self.pause = None;
            tracing::debug!("pause ended");
        }
        let pause = self.pause.map_or(Admission::Ready, Admission::NotBefore);
        // The host is tried with one request at a time until GitHub answers again.
        let in_flight = self.resources.core.in_flight + self.resources.graphql.in_flight;
        let has_capacity = self.concurrency.has_capacity() && (in_flight == 0 || !self.health.is_foreign());
        let concurrency = if has_capacity { Admission::Ready } else { Admission::Blocked };
        let cpu_time = self.cpu_time.check(resource);
        let limits = self.resources.get_mut(resource);
        let window = limits.window.check(limits.in_flight);
        let quota = limits.quota.check(cost, limits.in_flight);
        let admission = quota.max(concurrency).max(window).max(cpu_time).max(pause);
        let wait = if let Admission::NotBefore(pause) = admission { Some(pause) } else { None };
        if let Some(Pause { until, reason }) = wait.filter(|_| wait != limits.wait && wait != self.pause) {
            let (reason, wait) = (reason.as_noun(), until.remaining());
            let is_long = wait >= LOGGED_WAIT;
            let wait = text::format_duration(wait);
            if is_long {
                tracing::info!(?resource, reason, %wait, "requests wait");
            } else {
                tracing::debug!(?resource, reason, %wait, "requests wait");
            }
        }
        limits.wait = wait;
        admission
    }

    /// Returns the pause that the outcome asks for, or the end of the run.
    fn on_outcome(
        &mut self,
        permit: &mut Permit<'_>,
        outcome: RequestOutcome<'_>,
    ) -> Result<Option<(Duration, WaitReason)>, StopReason> {
        let (sent, settings) = (permit.sent_at(), &permit.limiter.settings);
        match outcome {
            RequestOutcome::Success => {
                self.on_response(sent);
                self.health.on_success();
                self.health.on_answer();
            }
            RequestOutcome::Response => {
                self.on_response(sent);
                self.health.on_answer();
            }
            RequestOutcome::BadResponse(error) => {
                self.on_response(sent);
                let streak = self.health.bad_responses.record(sent);
                if streak >= settings.max_bad_responses {
                    let error = format!("{error}, and nothing else for {streak} rounds of requests");
                    return Err(StopReason::OutOfReach(error));
                }
            }
            RequestOutcome::NoResponse(error) => {
                if self.health.no_response.record(sent) >= settings.max_no_response {
                    return Err(StopReason::OutOfReach(error.to_string()));
                }
            }
            RequestOutcome::Busy { retry_after, error } => {
                self.health.on_response();
                let waits = self.health.busy.record(sent) - 1;
                if waits >= settings.max_waits() {
                    return Err(StopReason::OutOfReach(format!("{error}, after {waits} waits")));
                }
                return Ok(Some((retry_after, WaitReason::RetryAfter)));
            }
            RequestOutcome::ConnectFailed { is_permanent, stop } => {
                // The request never reached GitHub: it costs nothing.
                permit.quota_observed = true;
                let max = match (self.health.has_responded, is_permanent) {
                    // A host that has responded before gets the benefit of the doubt.
                    (true, _) => settings.max_connect_failures,
                    (false, true) => 1,
                    (false, false) => settings.max_connect_failures.min(settings.retries.saturating_add(1)),
                };
                let streak = self.health.connect_failures.record(sent);
                if streak >= max {
                    return Err(stop);
                }
                // Other requests would not get a connection either.
                return Ok(Some((settings.backoff(streak), WaitReason::Reconnect)));
            }
            RequestOutcome::Throttled { retry_after, quota_exhausted } => {
                self.health.on_response();
                // A recording will not answer differently later.
                if settings.enabled {
                    let wait = self.on_throttled(permit, retry_after, quota_exhausted)?;
                    return Ok(wait.map(|wait| (wait, WaitReason::RateLimit)));
                }
            }
            RequestOutcome::Redirect { .. } if self.health.has_answered => self.on_response(sent),
            RequestOutcome::Redirect { request, stop } | RequestOutcome::Foreign { request, stop } => {
                self.health.on_response();
                // A recording will not answer differently later.
                if settings.enabled {
                    self.health.last_foreign = Some(stop.clone());
                    let rounds = self.health.record_foreign(sent, request);
                    if rounds >= settings.max_foreign {
                        return Err(stop);
                    }
                    // A host that has answered as GitHub before may soon do so again.
                    let patience = if self.health.has_answered { 2 } else { 0 };
                    let wait = settings.backoff(rounds + patience).min(settings.max_wait);
                    return Ok(Some((wait, WaitReason::NotGithub)));
                }
            }
            RequestOutcome::Stop(reason) => return Err(reason),
        }
        Ok(None)
    }

    fn on_response(&mut self, sent: Instant) {
        self.concurrency.on_accepted(sent);
        self.health.on_response();
        self.health.on_not_throttled(sent);
    }

    /// Returns the wait of all requests. A quota that is used up has a wait of its own.
    fn on_throttled(
        &mut self,
        permit: &Permit<'_>,
        retry_after: Option<Duration>,
        quota_exhausted: bool,
    ) -> Result<Option<Duration>, StopReason> {
        let (sent, settings) = (permit.sent_at(), &permit.limiter.settings);
        let streak = self.health.throttled.record(sent);
        if streak > settings.max_waits() {
            return Err(StopReason::StillRateLimited(streak - 1));
        }
        if let (true, Some(quota)) = (quota_exhausted, permit.quota) {
            // Repeated rejections after the advertised reset mean that the wait is too short: increase it.
            let grace = if streak <= settings.max_short_waits {
                settings.reset_grace * 3u32.saturating_pow(streak - 1)
            } else {
                settings.default_retry_after
            };
            self.resources.get_mut(permit.resource).quota.mark_exhausted(quota, grace);
            tracing::debug!(resource = ?permit.resource, reset_in = ?quota.reset.remaining(), "quota exhausted");
            return Ok(retry_after);
        }
        // A first `retry-after` of zero is obeyed; a rejection after it is waited for.
        let least = if streak > 1 { settings.reset_grace * streak.min(10) } else { Duration::ZERO };
        let wait = match retry_after {
            Some(wait) => wait.max(least),
            None => settings.default_retry_after * 2u32.saturating_pow(streak.saturating_sub(1)),
        };
        self.concurrency.on_rejected(sent, permit.snapshot, wait);
        Ok(Some(wait))
    }
}

impl RateLimiter {
    pub(crate) fn new(settings: LimiterSettings) -> Self {
        let is_paced = settings.is_paced();
        let core = MinuteWindow::new(is_paced.then_some(settings.rest_requests_per_minute));
        let graphql = MinuteWindow::new(is_paced.then_some(settings.graphql_queries_per_minute));
        let state = LimiterState {
            points_reserved: 0,
            pause: None,
            clock: ServerClock::new(),
            resources: PerResource {
                core: ResourceState { window: core, ..ResourceState::default() },
                graphql: ResourceState { window: graphql, ..ResourceState::default() },
            },
            concurrency: ConcurrencyLimit::new(settings),
            cpu_time: CpuTimeLedger::new(&settings),
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
            let (until, reason) = {
                let mut state = self.state();
                let admission =
                    if self.settings.enabled { state.check(resource, cost) } else { Admission::Ready };
                match admission {
                    Admission::Ready => return Permit::new(self, &mut state, resource, cost),
                    // A quota window may start meanwhile.
                    Admission::Blocked => (Deadline::after(self.settings.recheck_interval), None),
                    Admission::NotBefore(pause) => {
                        self.enforce_max_wait(pause);
                        (pause.until, Some(pause.reason))
                    }
                }
            };
            let start = Instant::now();
            tokio::select! {
                () = changed => {}
                () = until.sleep_until() => {}
            }
            if let Some(reason) = reason {
                let mut state = self.state();
                *state.resources.get_mut(resource).waited.entry(reason).or_default() += start.elapsed();
            }
        }
    }

    /// Ends the run if a wait is longer than `--max-wait`, or lasts beyond `--deadline`.
    fn enforce_max_wait(&self, Pause { until, reason }: Pause) {
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
        self.on_date(headers, sent);
        let mut state = self.state();
        if let Some(quota) = Quota::parse(headers, &state.clock) {
            permit.quota = Some(quota);
            if quota.resource.is_none_or(|resource| resource == permit.resource) {
                state.resources.get_mut(permit.resource).quota.update(quota, sent);
                permit.quota_observed = true;
            }
        } else if is_success {
            state.resources.get_mut(permit.resource).quota.clear();
        }
    }

    pub(crate) fn on_date(&self, headers: &HeaderMap, sent: Instant) {
        if let Some(date) = parse_date(headers) {
            self.state().clock.observe_date(date, sent);
        }
    }

    /// Updates the limits from the outcome of a request. Pauses all requests, or ends the run, if the outcome asks for that.
    pub(crate) fn on_outcome(&self, permit: &mut Permit<'_>, outcome: RequestOutcome<'_>) {
        let pause = self.state().on_outcome(permit, outcome);
        match pause {
            Ok(None) => {}
            Ok(Some((wait, reason))) => self.pause_all(wait, reason),
            Err(reason) => drop(self.stop.request(reason)),
        }
    }

    /// Pauses all requests, unless a longer pause is active.
    pub(crate) fn pause_all(&self, wait: Duration, reason: WaitReason) {
        if !self.settings.enabled {
            return;
        }
        let pause = Pause { until: Deadline::after(wait), reason };
        let mut state = self.state();
        if state.pause.is_some_and(|active| active.until.remaining() >= wait) {
            return;
        }
        state.pause = Some(pause);
        drop(state);
        tracing::info!(reason = reason.as_noun(), wait = %text::format_duration(wait), "all requests pause");
        self.enforce_max_wait(pause);
        self.changed.notify_waiters();
    }

    /// Returns the reason for the end of a run to which only other servers than GitHub have answered.
    pub(crate) fn never_answered(&self) -> Option<StopReason> {
        let state = self.state();
        state.health.last_foreign.clone().filter(|_| !state.health.has_answered)
    }

    /// Returns the longest active wait: of all requests, or of the next request to a resource.
    pub(crate) fn current_pause(&self) -> Option<Pause> {
        let state = self.state();
        let waits = [state.pause, state.resources.core.wait, state.resources.graphql.wait];
        waits.into_iter().flatten().filter(|pause| !pause.until.is_past()).max()
    }

    /// Returns the time that requests have waited for each reason; the APIs may wait at once, and the longer wait counts.
    pub(crate) fn time_waited(&self) -> BTreeMap<WaitReason, Duration> {
        let state = self.state();
        let mut waited = state.resources.core.waited.clone();
        for (reason, time) in &state.resources.graphql.waited {
            let longest = waited.entry(*reason).or_default();
            *longest = (*longest).max(*time);
        }
        waited
    }

    /// Takes points from `--max-points` before a request is sent; ends the run if they do not suffice.
    pub(crate) fn reserve_points(&self, points: u64) -> Result<(), StopReason> {
        let mut state = self.state();
        let reserved = state.points_reserved.saturating_add(points);
        if let Some(max_points) = self.settings.max_points.filter(|max_points| reserved > *max_points) {
            return Err(self.stop.request(StopReason::PointBudgetExhausted(max_points)));
        }
        state.points_reserved = reserved;
        Ok(())
    }

    /// Replaces the estimated cost of a request with the cost that GitHub reported.
    pub(crate) fn reconcile_points(&self, reserved: u64, actual: u64) {
        let mut state = self.state();
        state.points_reserved = state.points_reserved.saturating_add(actual).saturating_sub(reserved);
    }

    /// Returns the hourly limit of the REST API and what remained of it at the last response, if a response said so.
    pub(crate) fn remaining_requests(&self) -> Option<(u64, u64)> {
        self.state().resources.core.quota.current.map(|quota| (quota.limit, quota.remaining))
    }

    /// Waits before the attempt that follows `failures` failed ones, unless all requests pause anyway.
    pub(crate) async fn back_off(&self, failures: u32) {
        let is_paused = self.state().pause.is_some_and(|pause| !pause.until.is_past());
        if self.settings.enabled && !is_paused {
            let _ = tokio::time::timeout(self.settings.backoff(failures), self.stop.requested()).await;
        }
    }

    pub(crate) fn clock(&self) -> ServerClock {
        self.state().clock
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
    cpu_time: Option<ReservationId>,
    /// True for the first request of a new quota window.
    opens_window: bool,
    sent: Option<Instant>,
    quota: Option<Quota>,
    /// True after a response with the remaining quota, and for a request that cost nothing.
    quota_observed: bool,
}

impl<'a> Permit<'a> {
    fn new(limiter: &'a RateLimiter, state: &mut LimiterState, resource: Resource, cost: u64) -> Self {
        let limits = state.resources.get_mut(resource);
        let opens_window = limits.quota.acquire(cost);
        limits.in_flight += 1;
        Self {
            limiter,
            resource,
            cost,
            snapshot: state.concurrency.acquire(),
            cpu_time: state.cpu_time.reserve(resource),
            opens_window,
            sent: None,
            quota: None,
            quota_observed: false,
        }
    }

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
        let limits = state.resources.get_mut(self.resource);
        limits.quota.release(self.cost, was_sent && !self.quota_observed, self.opens_window);
        limits.in_flight = limits.in_flight.saturating_sub(1);
        if was_sent {
            limits.window.on_completed();
        }
        state.concurrency.release();
        state.cpu_time.settle(self.cpu_time, was_sent);
        drop(state);
        self.limiter.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
