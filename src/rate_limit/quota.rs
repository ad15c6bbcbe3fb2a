//! Quotas of a resource: that of the hour, from the `x-ratelimit-*` headers of responses, and the documented requests per minute.

use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use super::clock::{Deadline, ServerClock};
use super::{Admission, Pause, header_str};
use crate::stop::WaitReason;

pub(crate) const REMAINING: &str = "x-ratelimit-remaining";

pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// Resets that differ by at most this many seconds are the same: GitHub's vary by one from response to response.
const RESET_TOLERANCE_SECS: u64 = 2;

/// A quota that GitHub keeps: requests to the REST API, or points of the GraphQL API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Core,
    Graphql,
}

#[derive(Clone, Copy, Debug, Default)]
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
pub(super) struct Quota {
    /// The quota that the headers are about, if they name it.
    pub(super) resource: Option<Resource>,
    /// Requests or points per window, and left in it.
    pub(super) limit: u64,
    pub(super) remaining: u64,
    /// End of the window, in Unix seconds of the server's clock.
    reset_second: i64,
    pub(super) reset: Deadline,
}

impl Quota {
    /// Parses the headers. None if `remaining` or `reset` is missing, not a number, or cannot be represented.
    pub(super) fn parse(headers: &HeaderMap, clock: &ServerClock) -> Option<Self> {
        let remaining = parse_number(headers, REMAINING)?;
        let reset_second = i64::try_from(parse_number(headers, "x-ratelimit-reset")?).ok()?;
        Some(Self {
            resource: match header_str(headers, "x-ratelimit-resource") {
                Some("core") => Some(Resource::Core),
                Some("graphql") => Some(Resource::Graphql),
                _ => None,
            },
            limit: parse_number(headers, "x-ratelimit-limit").unwrap_or(remaining.max(1)),
            remaining,
            reset_second,
            reset: Deadline::after(clock.duration_until(reset_second)?),
        })
    }
}

fn parse_number(headers: &HeaderMap, name: &str) -> Option<u64> {
    header_str(headers, name)?.parse().ok()
}

/// The current window of a quota. A server whose responses have no quota headers has none.
#[derive(Debug, Default)]
pub(super) struct HourlyQuota {
    pub(super) current: Option<Quota>,
    updated_at: Option<Instant>,
    /// Cost of the requests in flight. `remaining` may or may not include it already.
    reserved: u64,
    /// After a reset one request goes first and brings the headers of the new window (half-open).
    first_in_flight: bool,
}

impl HourlyQuota {
    /// Updates the window from the response to a request that was sent at `sent`. Responses overtake each other: within a window
    /// the lowest `remaining` counts, and the later window replaces the earlier one.
    pub(super) fn update(&mut self, new: Quota, sent: Instant) {
        if let Some(current) = &mut self.current {
            let is_same = new.reset_second == current.reset_second;
            let is_near = new.reset_second.abs_diff(current.reset_second) <= RESET_TOLERANCE_SECS;
            if is_same || (is_near && !current.reset.is_past()) {
                current.remaining = current.remaining.min(new.remaining);
                current.reset = if is_same { new.reset } else { current.reset };
                return;
            }
            // A request that was sent after the last update has the newer window, even if that ends earlier.
            let is_newer = self.updated_at.is_none_or(|updated_at| sent > updated_at) && !new.reset.is_past();
            if new.reset_second < current.reset_second && !is_newer {
                return;
            }
        }
        tracing::debug!(limit = new.limit, remaining = new.remaining, "new quota window");
        (self.current, self.updated_at) = (Some(new), Some(Instant::now()));
    }

    /// Clears the window after a successful response without quota headers: the server has no limits, or none any more.
    pub(super) fn clear(&mut self) {
        self.current = self.current.filter(|quota| quota.remaining == 0 && !quota.reset.is_past());
    }

    /// Marks the window as exhausted until the reset of a rejection, whatever other responses said. A reset that has already
    /// passed is replaced by `grace`: it was in whole seconds, and the window may end a little later.
    pub(super) fn mark_exhausted(&mut self, mut quota: Quota, grace: Duration) {
        quota.remaining = 0;
        if quota.reset.remaining() < grace {
            quota.reset = Deadline::after(grace);
        }
        (self.current, self.updated_at) = (Some(quota), Some(Instant::now()));
    }

    /// Returns the window if it has less than `cost` left, beside the reserved part.
    fn exhausted(&self, cost: u64) -> Option<Quota> {
        self.current.filter(|quota| quota.remaining.saturating_sub(self.reserved) < cost.min(quota.limit))
    }

    pub(super) fn check(&self, cost: u64, in_flight: usize) -> Admission {
        let Some(quota) = self.exhausted(cost) else { return Admission::Ready };
        match quota.reset.is_past() {
            true if !self.first_in_flight => Admission::Ready,
            false if in_flight == 0 => {
                Admission::NotBefore(Pause { until: quota.reset, reason: WaitReason::RateLimit })
            }
            _ => Admission::Blocked,
        }
    }

    /// Reserves the cost of a request. Returns whether it is the first of a new window.
    pub(super) fn acquire(&mut self, cost: u64) -> bool {
        let is_first = self.exhausted(cost).is_some_and(|quota| quota.reset.is_past());
        self.reserved += cost;
        self.first_in_flight |= is_first;
        is_first
    }

    /// Ends a request. `charged`: it was sent, and no response said what remains.
    pub(super) fn release(&mut self, cost: u64, charged: bool, is_first: bool) {
        self.first_in_flight &= !is_first;
        self.reserved = self.reserved.saturating_sub(cost);
        if let (true, Some(quota)) = (charged, &mut self.current) {
            quota.remaining = quota.remaining.saturating_sub(cost);
        }
    }
}

/// Requests of the last minute.
///
/// No minute holds more than `limit` requests, wherever it starts. GitHub counts a request at some time between its sending and
/// its response; so it counts here from the sending until a minute after the response.
#[derive(Debug, Default)]
pub(super) struct MinuteWindow {
    limit: Option<u32>,
    completed: VecDeque<Instant>,
}

impl MinuteWindow {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, completed: VecDeque::new() }
    }

    pub(super) fn check(&mut self, in_flight: usize) -> Admission {
        let Some(limit) = self.limit else { return Admission::Ready };
        let now = Instant::now();
        while self.completed.front().is_some_and(|completed| *completed + MINUTE <= now) {
            self.completed.pop_front();
        }
        match self.completed.front() {
            _ if self.completed.len() + in_flight < limit as usize => Admission::Ready,
            Some(oldest) => {
                let until = Deadline::after(*oldest + MINUTE - now);
                Admission::NotBefore(Pause { until, reason: WaitReason::PerMinuteLimit })
            }
            None => Admission::Blocked,
        }
    }

    pub(super) fn on_completed(&mut self) {
        if self.limit.is_some() {
            self.completed.push_back(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response: what remains, the reset by the server's clock, and by ours.
    fn quota(remaining: u64, second: i64, reset: Deadline) -> Quota {
        Quota { resource: None, limit: 100, remaining, reset_second: second, reset }
    }

    fn in_seconds(seconds: u64) -> Deadline {
        Deadline::after(Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn responses_out_of_order_do_not_raise_remaining() {
        let (mut window, reset) = (HourlyQuota::default(), in_seconds(60));
        window.update(quota(5, 1000, reset), Instant::now());
        window.update(quota(7, 1000, reset), Instant::now());
        window.update(quota(9, 999, reset), Instant::now());
        window.update(quota(80, 900, reset), Instant::now());
        for in_flight in 0..5 {
            assert_eq!(window.check(1, in_flight), Admission::Ready);
            window.acquire(1);
        }
        assert_eq!(window.check(1, 5), Admission::Blocked, "all that is left is in flight");
        for left in [4, 3, 2, 1, 0] {
            window.update(quota(left, 1000, reset), Instant::now());
            window.release(1, false, false);
        }
        assert!(matches!(window.check(1, 0), Admission::NotBefore(pause) if pause.until == reset));
        window.update(quota(99, 4600, in_seconds(3600)), Instant::now());
        assert_eq!(window.check(1, 0), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_without_headers_does_not_end_an_exhausted_window() {
        let mut window = HourlyQuota::default();
        let reset = in_seconds(60);
        for (remaining, is_kept) in [(0, true), (3, false)] {
            window.update(quota(remaining, 1000, reset), Instant::now());
            window.clear();
            assert_eq!(window.current.is_some(), is_kept, "{remaining}");
            tokio::time::advance(Duration::from_secs(61)).await;
            window.clear();
            assert!(window.current.is_none(), "{remaining}: after the reset");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_reset_one_request_goes_first() {
        let mut window = HourlyQuota::default();
        window.update(quota(0, 1000, in_seconds(0)), Instant::now());
        assert_eq!(window.check(1, 0), Admission::Ready);
        window.acquire(1);
        assert_eq!(window.check(1, 1), Admission::Blocked);
        window.release(1, true, true);
        window.mark_exhausted(quota(0, 1000, in_seconds(0)), Duration::from_millis(100));
        assert!(matches!(window.check(1, 0), Admission::NotBefore(..)), "rejected again: not at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_overrides_earlier_headers() {
        let mut window = HourlyQuota::default();
        window.update(quota(99, 9000, in_seconds(8000)), Instant::now());
        let reset = in_seconds(3);
        window.mark_exhausted(quota(0, 1000, reset), Duration::from_millis(100));
        assert_eq!(
            window.check(1, 0),
            Admission::NotBefore(Pause { until: reset, reason: WaitReason::RateLimit })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_response_may_shorten_the_window() {
        let mut window = HourlyQuota::default();
        window.update(quota(0, 9000, in_seconds(8000)), Instant::now());
        tokio::time::advance(Duration::from_millis(1)).await;
        window.update(quota(50, 1000, in_seconds(3)), Instant::now());
        assert_eq!(window.check(1, 0), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_sent_before_a_reset_do_not_block_the_first_after_it() {
        let mut window = HourlyQuota::default();
        window.acquire(1);
        window.update(quota(0, 1000, in_seconds(3)), Instant::now());
        assert_eq!(window.check(1, 1), Admission::Blocked);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(window.check(1, 1), Admission::Ready);
        assert!(window.acquire(1));
        assert_eq!(window.check(1, 2), Admission::Blocked, "only one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_response_is_charged() {
        let mut window = HourlyQuota::default();
        window.update(quota(1, 1000, in_seconds(60)), Instant::now());
        window.acquire(1);
        window.release(1, true, true);
        assert!(matches!(window.check(1, 0), Admission::NotBefore(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cost_above_the_limit_needs_the_full_window() {
        let mut window = HourlyQuota::default();
        window.update(quota(100, 1000, in_seconds(60)), Instant::now());
        assert_eq!(window.check(300, 0), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        const LIMIT: u32 = 900;
        let mut window = MinuteWindow::new(Some(LIMIT));
        let mut sent = Vec::new();
        let start = Instant::now();
        while sent.len() < 3_000 {
            match window.check(0) {
                Admission::Ready => {
                    sent.push(Instant::now());
                    tokio::time::advance(Duration::from_millis(11)).await;
                    window.on_completed();
                }
                Admission::NotBefore(pause) => pause.until.sleep_until().await,
                Admission::Blocked => panic!("nothing is in flight"),
            }
        }
        for (first, last) in sent.iter().zip(sent.iter().skip(LIMIT as usize)) {
            assert!(*last - *first >= MINUTE);
        }
        let least = MINUTE * 3;
        assert!(start.elapsed() < least + least / 20, "{:?}", start.elapsed());
    }
}
