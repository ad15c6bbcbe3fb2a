//! Failures without a success in between: they end a run against a host that is down.

use tokio::time::Instant;

use crate::stop::StopReason;

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
    foreign: FailureStreak,
    /// The requests of that streak.
    foreign_requests: Vec<String>,
    /// Names the last response that was not GitHub's.
    pub(super) last_foreign: Option<StopReason>,
    /// GitHub has answered.
    pub(super) has_answered: bool,
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

    /// A response of GitHub ends the streak of those that are not.
    pub(super) fn on_answer(&mut self) {
        self.has_answered = true;
        self.foreign = FailureStreak::default();
        self.foreign_requests.clear();
    }

    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.length > 0
    }

    /// Records a response that is not GitHub's, and returns the length of the streak. After a response from GitHub, the retries of one
    /// request count once: a gateway may block a single login.
    pub(super) fn record_foreign(&mut self, sent: Instant, request: &str) -> u32 {
        let rounds = self.foreign.record(sent);
        if !self.foreign_requests.iter().any(|known| known == request) {
            self.foreign_requests.push(request.to_owned());
        }
        let requests = u32::try_from(self.foreign_requests.len()).unwrap_or(u32::MAX);
        if self.has_answered { rounds.min(requests) } else { rounds }
    }

    pub(super) fn on_success(&mut self) {
        self.busy = FailureStreak::default();
        self.bad_responses = FailureStreak::default();
    }
}
