//! The retry policy: what to do after a failed attempt. Waits of `retry-after` are the rate limiter's.
//!
//! | error | query for several logins | query for one login, or another request |
//! |---|---|---|
//! | rate limit, no connection | retry: all requests pause meanwhile | the same |
//! | connection closed, 408, a token that had worked refused | back off | back off |
//! | timeout, cut off, not an answer, 5xx, not GitHub | split | back off |
//! | 403 or 451 for the whole query | split | give up |
//! | response too long, 413 | split | give up |
//! | everything else | give up | give up |
//!
//! A split uses no retry: one login of the query, or their number, is to blame. `--retries` bounds all others, except those after
//! a rate limit, which have a bound of their own: they are not the fault of a login.

use tokio::sync::OwnedSemaphorePermit;

use super::error::LookupError;

/// Retries after a rate limit, for each retry of `--retries` (at least 2 of them). It is generous: the rate limiter ends the run
/// before a single request gives up.
const RATE_LIMIT_RETRIES_PER_RETRY: u32 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Send it again as soon as the rate limiter admits it.
    Retry,
    /// Wait with exponential backoff, then send it again.
    BackOff,
    /// Send all logins of the query again at once, in smaller queries of the same batch.
    Split,
    GiveUp,
}

/// The attempts of one lookup, or of another request, so far.
#[derive(Debug, Default)]
pub(crate) struct AttemptLog {
    pub(crate) attempts: u32,
    consecutive_failures: u32,
    has_other_errors: bool,
    last_error: Option<LookupError>,
    pub(super) retries: u32,
    rate_limit_retries: u32,
    /// See [`Batch::slot`](super::Batch::slot).
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

impl AttemptLog {
    pub(super) fn with_slot(slot: Option<OwnedSemaphorePermit>) -> Self {
        Self { slot, ..Self::default() }
    }

    /// Forgets the failures before it: each request of a lookup has its own retries.
    pub(super) fn start_request(&mut self) {
        *self = Self { attempts: self.attempts, slot: self.slot.take(), ..Self::default() };
    }

    /// Records the failure of a request for this number of logins, and decides what to do.
    pub(super) fn on_failure(
        &mut self,
        error: &LookupError,
        logins: usize,
        max_retries: u32,
    ) -> RetryDecision {
        self.consecutive_failures += 1;
        self.has_other_errors |= self.last_error.replace(error.clone()).is_some_and(|last| last != *error);
        if logins > 1 && error.suggests_split() {
            return RetryDecision::Split;
        }
        if !error.is_transient() {
            return RetryDecision::GiveUp;
        }
        let (count, max) = if matches!(error, LookupError::RateLimited { .. }) {
            (&mut self.rate_limit_retries, max_retries.max(2).saturating_mul(RATE_LIMIT_RETRIES_PER_RETRY))
        } else {
            (&mut self.retries, max_retries)
        };
        if *count == max {
            return RetryDecision::GiveUp;
        }
        *count += 1;
        match error {
            LookupError::RateLimited { .. } | LookupError::Connect(_) => RetryDecision::Retry,
            _ => RetryDecision::BackOff,
        }
    }

    /// Returns the reason for a lookup without an account, as one line for its row.
    pub(crate) fn describe(&self, error: &LookupError) -> String {
        match (error, self.consecutive_failures) {
            (LookupError::Stopped(stop), _) if self.attempts == 0 => format!("not looked up: {stop}"),
            (LookupError::Stopped(stop), _) => format!("no answer yet: {stop}"),
            (_, ..=1) => error.to_string(),
            _ if !error.is_transient() => error.to_string(),
            (_, failures) if self.has_other_errors => format!("{error}, the last of {failures} failures"),
            (_, failures) => format!("{error}, {failures} times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::network::{Cause, ConnectError};
    use crate::stop::StopReason;

    /// One error of each kind of response.
    fn errors() -> Vec<LookupError> {
        let status = |status| LookupError::Status { status, message: String::new(), retry_after: None };
        vec![
            LookupError::RateLimited { status: 403, retry_after: None, quota_exhausted: false },
            LookupError::Connect(Box::new(ConnectError::new("refused"))),
            LookupError::ConnectionClosed(Cause::new("reset")),
            status(408),
            LookupError::TokenRejected,
            LookupError::TimedOut(Duration::from_secs(15)),
            LookupError::Truncated(Cause::new("end of file")),
            LookupError::Malformed("not JSON"),
            LookupError::PartialResponse("timeout".into()),
            status(502),
            LookupError::TooLong(1),
            status(413),
            status(422),
            LookupError::NotFound,
            LookupError::Forbidden { message: "no".into(), sso_url: None },
            LookupError::Unauthorized("no".into()),
            LookupError::Stopped(StopReason::Interrupted),
        ]
    }

    #[test]
    fn each_error_has_one_decision() {
        let mut table = String::new();
        for error in errors() {
            let decide = |logins| AttemptLog::default().on_failure(&error, logins, 4);
            let text = error.to_string();
            writeln!(table, "{text:<44} {:<8} {:?}", format!("{:?}", decide(100)), decide(1)).unwrap();
        }
        insta::assert_snapshot!(table, @"
        HTTP 403 (rate limit)                        Retry    Retry
        could not connect: refused                   Retry    Retry
        connection lost: reset                       BackOff  BackOff
        HTTP 408                                     BackOff  BackOff
        the token was rejected                       BackOff  BackOff
        timed out after 15s                          Split    BackOff
        response truncated: end of file              Split    BackOff
        unexpected response: not JSON                Split    BackOff
        incomplete response: timeout                 Split    BackOff
        HTTP 502                                     Split    BackOff
        response too large: more than 1 bytes        Split    GiveUp
        HTTP 413                                     Split    GiveUp
        HTTP 422                                     GiveUp   GiveUp
        no such user or organization                 GiveUp   GiveUp
        access forbidden: no                         GiveUp   GiveUp
        GitHub refused the token: no                 GiveUp   GiveUp
        interrupted                                  GiveUp   GiveUp
        ");
    }

    #[test]
    fn retries_are_bounded_and_a_split_uses_none() {
        let broken = LookupError::ConnectionClosed(Cause::new("reset"));
        let rejected = LookupError::RateLimited { status: 429, retry_after: None, quota_exhausted: false };
        let timed_out = LookupError::TimedOut(Duration::from_secs(15));
        let attempts = |error: &LookupError, max_retries| {
            let mut log = AttemptLog::default();
            while log.on_failure(error, 1, max_retries) != RetryDecision::GiveUp {}
            log.consecutive_failures
        };
        assert_eq!([0, 1, 4].map(|retries| attempts(&broken, retries)), [1, 2, 5]);
        assert_eq!([0, 1, 4].map(|retries| attempts(&rejected, retries)), [9, 9, 17]);
        let mut log = AttemptLog::default();
        for _ in 0..10 {
            assert_eq!(log.on_failure(&timed_out, 2, 1), RetryDecision::Split);
        }
        assert_eq!(log.on_failure(&timed_out, 1, 1), RetryDecision::BackOff);
        assert_eq!(log.on_failure(&timed_out, 1, 1), RetryDecision::GiveUp);
        assert_eq!((log.consecutive_failures, log.has_other_errors), (12, false));
        log.start_request();
        assert_eq!((log.consecutive_failures, log.retries), (0, 0));
    }

    /// Describes the last of these errors.
    fn description(errors: &[LookupError]) -> String {
        let mut log = AttemptLog::default();
        for error in errors {
            log.attempts += 1;
            log.on_failure(error, 1, 4);
        }
        log.describe(errors.last().unwrap())
    }

    #[test]
    fn reasons_are_one_sentence() {
        let timed_out = LookupError::TimedOut(Duration::from_secs(15));
        let gateway = LookupError::Status { status: 502, message: String::new(), retry_after: None };
        assert_eq!(description(&vec![timed_out.clone(); 5]), "timed out after 15s, 5 times");
        assert_eq!(description(std::slice::from_ref(&timed_out)), "timed out after 15s");
        assert_eq!(description(&vec![gateway.clone(); 5]), "HTTP 502, 5 times");
        assert_eq!(description(&[timed_out.clone(), gateway]), "HTTP 502, the last of 2 failures");
        assert_eq!(description(&[timed_out, LookupError::NotFound]), "no such user or organization");
        let interrupted = LookupError::Stopped(StopReason::Interrupted);
        assert_eq!(AttemptLog::default().describe(&interrupted), "not looked up: interrupted");
    }
}
