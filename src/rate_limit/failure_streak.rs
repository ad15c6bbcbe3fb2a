//! Failures without a success in between: they end a run against a host that is down.

use tokio::time::Instant;

/// Consecutive failures of one kind. Requests that were in flight together and failed together count once.
#[derive(Debug, Default)]
pub(super) struct FailureStreak {
    length: u32,
    last: Option<Instant>,
}

impl FailureStreak {
    /// Adds the failure of a request that was sent at `sent`, and returns the length of the streak.
    pub(super) fn record(&mut self, sent: Instant) -> u32 {
        if self.last.is_none_or(|last| sent > last) {
            self.length += 1;
            self.last = Some(Instant::now());
        }
        self.length
    }
}

#[derive(Debug, Default)]
pub(super) struct HostHealth {
    pub(super) throttled: FailureStreak,
    /// Responses that ask all clients to wait, other than a rate limit.
    pub(super) busy: FailureStreak,
    pub(super) connect_failures: FailureStreak,
    pub(super) no_response: FailureStreak,
    pub(super) bad_responses: FailureStreak,
    pub(super) has_responded: bool,
}

impl HostHealth {
    pub(super) fn on_response(&mut self) {
        self.has_responded = true;
        self.connect_failures = FailureStreak::default();
        self.no_response = FailureStreak::default();
    }

    /// Ends the streak of rejections. A request that was in flight when another was rejected says nothing against that rejection.
    pub(super) fn on_not_throttled(&mut self, sent: Instant) {
        if self.throttled.last.is_some_and(|last| sent > last) {
            self.throttled = FailureStreak::default();
        }
    }

    pub(super) fn on_success(&mut self) {
        self.busy = FailureStreak::default();
        self.bad_responses = FailureStreak::default();
    }
}
