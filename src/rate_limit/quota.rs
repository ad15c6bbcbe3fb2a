//! Hourly quota of a resource, from the `x-ratelimit-*` headers of responses.

use std::time::Duration;

use http::HeaderMap;
use http::header::{AsHeaderName, HeaderName};
use tokio::time::Instant;

use super::clock::Deadline;
use super::{Admission, Pause};
use crate::stop::WaitReason;

static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// Header with the requests or points left in the window.
pub(crate) static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
static RESOURCE: HeaderName = HeaderName::from_static("x-ratelimit-resource");

/// Resets that differ by at most this many seconds are the same: GitHub's vary by one from response to response.
const RESET_TOLERANCE_SECS: u64 = 2;

/// A quota that GitHub keeps: `x-ratelimit-resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Requests to the REST API.
    Core,
    /// Points of the GraphQL API.
    Graphql,
}

/// One value for each resource.
#[derive(Debug, Default)]
pub(super) struct PerResource<T> {
    pub(super) core: T,
    pub(super) graphql: T,
}

impl<T> PerResource<T> {
    pub(super) fn get(&self, resource: Resource) -> &T {
        match resource {
            Resource::Core => &self.core,
            Resource::Graphql => &self.graphql,
        }
    }

    pub(super) fn get_mut(&mut self, resource: Resource) -> &mut T {
        match resource {
            Resource::Core => &mut self.core,
            Resource::Graphql => &mut self.graphql,
        }
    }
}

/// Quota headers of a response. Enterprise Servers usually send none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotaHeaders {
    /// Quota that the headers are about, if they name it.
    pub(crate) resource: Option<Resource>,
    /// Requests or points per window.
    pub(crate) limit: u64,
    /// Requests or points left in the window.
    pub(crate) remaining: u64,
    /// End of the window, in Unix seconds of the server's clock.
    pub(crate) reset: i64,
}

impl QuotaHeaders {
    /// Reads the headers; none where `remaining` or `reset` is missing or not a number.
    pub(crate) fn parse(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &HeaderName| header_str(headers, name)?.parse::<u64>().ok();
        let remaining = number(&REMAINING)?;
        Some(Self {
            resource: match header_str(headers, &RESOURCE) {
                Some("core") => Some(Resource::Core),
                Some("graphql") => Some(Resource::Graphql),
                _ => None,
            },
            limit: number(&LIMIT).unwrap_or(remaining.max(1)),
            remaining,
            reset: number(&RESET).and_then(|reset| i64::try_from(reset).ok())?,
        })
    }
}

/// Returns a header as text, trimmed.
pub(crate) fn header_str(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The current window of a quota. A server whose responses have no quota headers has none.
#[derive(Debug, Default)]
pub(super) struct QuotaWindow {
    current: Option<(QuotaHeaders, Deadline)>,
    updated_at: Option<Instant>,
    /// Cost of the requests in flight. `remaining` may or may not include it already.
    reserved: u64,
    in_flight: usize,
    /// After a reset one request goes first and brings the headers of the new window (half-open).
    first_in_flight: bool,
}

impl QuotaWindow {
    /// Updates the window from the response to a request that was sent at `sent`. Responses overtake each other: within a window
    /// the lowest `remaining` counts, and the later window replaces the earlier one.
    pub(super) fn update(&mut self, quota: QuotaHeaders, reset: Deadline, sent: Instant) {
        let now = Instant::now();
        let Some((current, current_reset)) = &mut self.current else {
            tracing::debug!(limit = quota.limit, remaining = quota.remaining, "first quota headers");
            (self.current, self.updated_at) = (Some((quota, reset)), Some(now));
            return;
        };
        let same_reset =
            quota.reset.abs_diff(current.reset) <= RESET_TOLERANCE_SECS && !current_reset.is_past();
        // A request that was sent after the last update has the newer window, even if that ends earlier.
        let newer = self.updated_at.is_none_or(|updated_at| sent > updated_at) && !reset.is_past();
        if quota.reset == current.reset || same_reset {
            current.remaining = current.remaining.min(quota.remaining);
            if quota.reset == current.reset {
                *current_reset = reset;
            }
        } else if quota.reset > current.reset || newer {
            tracing::debug!(limit = quota.limit, remaining = quota.remaining, "new quota window");
            (self.current, self.updated_at) = (Some((quota, reset)), Some(now));
        }
    }

    /// Returns the limit and what remained of it at the last update.
    pub(super) fn remaining(&self) -> Option<(u64, u64)> {
        self.current.as_ref().map(|(quota, _)| (quota.limit, quota.remaining))
    }

    /// Clears the window after a successful response without quota headers: the server has no limits, or none any more.
    pub(super) fn clear(&mut self) {
        if self.current.as_ref().is_some_and(|(quota, reset)| quota.remaining > 0 || reset.is_past()) {
            self.current = None;
        }
    }

    /// Marks the window as exhausted until the reset of a rejection, whatever other responses said. A reset that has already
    /// passed is replaced by `grace`: it was in whole seconds, and the window may end a little later.
    pub(super) fn mark_exhausted(&mut self, quota: QuotaHeaders, reset: Deadline, grace: Duration) {
        let reset = if reset.remaining() < grace { Deadline::after(grace) } else { reset };
        self.current = Some((QuotaHeaders { remaining: 0, ..quota }, reset));
        self.updated_at = Some(Instant::now());
    }

    /// Whether a request of this cost is admitted.
    pub(super) fn check(&self, cost: u64) -> Admission {
        let Some((quota, reset)) = &self.current else {
            return Admission::Ready;
        };
        if quota.remaining.saturating_sub(self.reserved) >= cost.min(quota.limit) {
            Admission::Ready
        } else if reset.is_past() {
            if self.first_in_flight { Admission::Blocked } else { Admission::Ready }
        } else if self.in_flight > 0 {
            Admission::Blocked
        } else {
            Admission::NotBefore(Pause { until: *reset, reason: WaitReason::RateLimit })
        }
    }

    /// Reserves the cost of a request. Returns whether it is the first of a new window.
    pub(super) fn acquire(&mut self, cost: u64) -> bool {
        let is_first = self.current.as_ref().is_some_and(|(quota, reset)| {
            reset.is_past() && quota.remaining.saturating_sub(self.reserved) < cost.min(quota.limit)
        });
        self.reserved += cost;
        self.in_flight += 1;
        self.first_in_flight |= is_first;
        is_first
    }

    /// Ends a request. `charged`: it was sent, and no response said what remains.
    pub(super) fn release(&mut self, cost: u64, charged: bool, is_first: bool) {
        self.first_in_flight &= !is_first;
        self.reserved = self.reserved.saturating_sub(cost);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let (true, Some((quota, _))) = (charged, &mut self.current) {
            quota.remaining = quota.remaining.saturating_sub(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(remaining: u64, reset: i64) -> QuotaHeaders {
        QuotaHeaders { resource: None, limit: 100, remaining, reset }
    }

    #[tokio::test(start_paused = true)]
    async fn responses_out_of_order_do_not_raise_remaining() {
        let (mut window, reset) = (QuotaWindow::default(), Deadline::after(Duration::from_mins(1)));
        window.update(headers(5, 1000), reset, Instant::now());
        window.update(headers(7, 1000), reset, Instant::now());
        window.update(headers(9, 999), reset, Instant::now());
        window.update(headers(80, 900), reset, Instant::now());
        for _ in 0..5 {
            assert_eq!(window.check(1), Admission::Ready);
            window.acquire(1);
        }
        assert_eq!(window.check(1), Admission::Blocked, "all that is left is in flight");
        for left in [4, 3, 2, 1, 0] {
            window.update(headers(left, 1000), reset, Instant::now());
            window.release(1, false, false);
        }
        assert!(matches!(window.check(1), Admission::NotBefore(pause) if pause.until == reset));
        window.update(headers(99, 4600), Deadline::after(Duration::from_hours(1)), Instant::now());
        assert_eq!(window.check(1), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_reset_one_request_goes_first() {
        let mut window = QuotaWindow::default();
        window.update(headers(0, 1000), Deadline::after(Duration::ZERO), Instant::now());
        assert_eq!(window.check(1), Admission::Ready);
        window.acquire(1);
        assert_eq!(window.check(1), Admission::Blocked);
        window.release(1, true, true);
        window.mark_exhausted(headers(0, 1000), Deadline::after(Duration::ZERO), Duration::from_millis(100));
        assert!(matches!(window.check(1), Admission::NotBefore(..)), "rejected again: not at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_overrides_earlier_headers() {
        let mut window = QuotaWindow::default();
        window.update(headers(99, 9000), Deadline::after(Duration::from_secs(8000)), Instant::now());
        let reset = Deadline::after(Duration::from_secs(3));
        window.mark_exhausted(headers(0, 1000), reset, Duration::from_millis(100));
        assert_eq!(
            window.check(1),
            Admission::NotBefore(Pause { until: reset, reason: WaitReason::RateLimit })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_response_may_shorten_the_window() {
        let mut window = QuotaWindow::default();
        window.update(headers(0, 9000), Deadline::after(Duration::from_secs(8000)), Instant::now());
        tokio::time::advance(Duration::from_millis(1)).await;
        window.update(headers(50, 1000), Deadline::after(Duration::from_secs(3)), Instant::now());
        assert_eq!(window.check(1), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_sent_before_a_reset_do_not_block_the_first_after_it() {
        let mut window = QuotaWindow::default();
        window.acquire(1);
        window.update(headers(0, 1000), Deadline::after(Duration::from_secs(3)), Instant::now());
        assert_eq!(window.check(1), Admission::Blocked);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(window.check(1), Admission::Ready);
        assert!(window.acquire(1));
        assert_eq!(window.check(1), Admission::Blocked, "only one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_response_is_charged() {
        let mut window = QuotaWindow::default();
        window.update(headers(1, 1000), Deadline::after(Duration::from_mins(1)), Instant::now());
        window.acquire(1);
        window.release(1, true, true);
        assert!(matches!(window.check(1), Admission::NotBefore(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cost_above_the_limit_needs_the_full_window() {
        let mut window = QuotaWindow::default();
        window.update(headers(100, 1000), Deadline::after(Duration::from_mins(1)), Instant::now());
        assert_eq!(window.check(300), Admission::Ready);
    }
}
