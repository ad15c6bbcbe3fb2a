//! The early end of a run, and the reasons for it and for waits.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::text;

/// Reason of a wait. Its text continues with `until 14:03:02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum WaitReason {
    /// The hourly quota is used up, or a rejection named a wait.
    #[error("GitHub's rate limit lasts")]
    RateLimit,
    /// The documented requests per minute.
    #[error("GitHub's limit of requests a minute lasts")]
    PerMinuteLimit,
    /// The documented CPU time per minute.
    #[error("GitHub's limit on CPU time lasts")]
    CpuTime,
    /// A server error with `retry-after`.
    #[error("GitHub is busy")]
    RetryAfter,
    /// The host accepts no connections.
    #[error("no connection")]
    Reconnect,
    /// The host answered, but not as GitHub.
    #[error("no response from GitHub")]
    NotGithub,
}

impl WaitReason {
    /// Returns true for GitHub's limits, as opposed to failures.
    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::RateLimit | Self::PerMinuteLimit | Self::CpuTime)
    }

    /// Returns a noun for `waiting for …`.
    pub(crate) fn as_noun(self) -> &'static str {
        match self {
            Self::RateLimit => "GitHub's rate limit",
            Self::PerMinuteLimit => "GitHub's limit of requests a minute",
            Self::CpuTime => "GitHub's limit on CPU time",
            Self::RetryAfter => "GitHub, which is busy",
            Self::Reconnect => "a connection",
            Self::NotGithub => "a response from GitHub",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StopReason {
    #[error("interrupted")]
    Interrupted,
    #[error("terminated")]
    Terminated,
    #[error("output closed")]
    OutputClosed,
    /// 401 to a request with a token.
    #[error("GitHub refused the token: {0}")]
    TokenRefused(String),
    /// 401 to a request without a token.
    #[error("authentication required: {0}")]
    AuthenticationRequired(String),
    /// GitHub has suspended, flagged or locked the token's account, or the app, or the account is not verified.
    #[error("GitHub rejects the token's account: {0}")]
    Suspended(String),
    /// 410, or 400 with a message about it: GitHub no longer has the version of the API that requests name.
    #[error("GitHub has retired version {version} of its API{}{message}", if message.is_empty() { "" } else { ": " })]
    ApiVersionRetired { version: &'static str, message: String },
    /// The GraphQL API of an older Enterprise Server lacks a field or an argument.
    #[error("the server's GraphQL API is too old: {0}")]
    QueryUnsupported(String),
    /// GitHub's 404 to every query.
    #[error("no GraphQL API at this URL; use --api rest")]
    NoGraphqlApi,
    /// Another server than GitHub answers, or a gateway in front of GitHub.
    #[error("not GitHub: {0}")]
    NotGithub(String),
    /// A GitHub App without an installation, or with more than one.
    #[error("{0}")]
    AmbiguousInstallation(String),
    /// No connection, several times in a row, or for a reason that will not change.
    #[error("no connection: {error}")]
    NotConnected {
        error: String,
        /// The remedy, as an imperative.
        way_out: Option<String>,
        /// True if the proxy failed, not the server.
        is_proxy: bool,
    },
    /// No usable response, several times in a row.
    #[error("GitHub is unreachable: {0}")]
    OutOfReach(String),
    /// The next request would have to wait longer than `--max-wait`.
    #[error("{reason} until {until}")]
    RateLimitTooLong { until: Timestamp, reason: WaitReason },
    /// `--deadline` has passed, or would pass before the next request is admitted.
    #[error("deadline of {} reached", text::format_duration(*.given))]
    Deadline {
        given: Duration,
        /// Time at which the next request would be admitted, and the reason of that wait.
        until: Option<(Timestamp, WaitReason)>,
    },
    /// Rejected after every wait that GitHub requested.
    #[error("still rate-limited after {0} waits")]
    StillRateLimited(u32),
    #[error("budget of {} spent", text::pluralize(*.0, "point", "points"))]
    PointBudgetExhausted(u64),
    #[error("{0}")]
    RecordingFailed(String),
}

impl StopReason {
    /// Responses to requests in flight are not worth waiting for: their rows would be dropped or have the same error.
    pub(crate) fn cancels_in_flight(&self) -> bool {
        self.is_signal()
            || matches!(
                self,
                Self::OutputClosed
                    | Self::TokenRefused(_)
                    | Self::AuthenticationRequired(_)
                    | Self::AmbiguousInstallation(_)
                    | Self::Suspended(_)
                    | Self::ApiVersionRetired { .. }
                    | Self::QueryUnsupported(_)
                    | Self::NoGraphqlApi
                    | Self::NotGithub(_)
            )
    }

    /// The next request would have to wait for a rate limit.
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(
            self,
            Self::RateLimitTooLong { reason: WaitReason::RateLimit, .. }
                | Self::Deadline { until: Some((_, WaitReason::RateLimit)), .. }
        )
    }

    pub(crate) fn is_signal(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated)
    }
}

/// Ends a run: no further request is sent. All parts of a run share one.
#[derive(Debug)]
pub(crate) struct StopSignal {
    reason: watch::Sender<Option<StopReason>>,
    /// `--deadline`, and the time at which it passes.
    deadline: Option<(Duration, Instant)>,
}

impl StopSignal {
    pub(crate) fn new(deadline: Option<Duration>) -> Self {
        // A deadline that the clock cannot represent never passes.
        let deadline = deadline.and_then(|given| Some((given, Instant::now().checked_add(given)?)));
        Self { reason: watch::Sender::new(None), deadline }
    }

    /// Ends the run, and returns the reason that stays: the first one, except that a signal replaces every other one.
    pub(crate) fn request(&self, mut reason: StopReason) -> StopReason {
        self.reason.send_if_modified(|current| match current {
            Some(first) if first.is_signal() || !reason.is_signal() => {
                reason = first.clone();
                false
            }
            _ => {
                tracing::info!(%reason, "stopping");
                *current = Some(reason.clone());
                true
            }
        });
        reason
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.borrow().clone()
    }

    /// Returns `--deadline` if a wait would last beyond it.
    pub(crate) fn deadline_before(&self, wait: Duration) -> Option<Duration> {
        let (given, deadline) = self.deadline?;
        (deadline.saturating_duration_since(Instant::now()) < wait).then_some(given)
    }

    /// Waits for the end of the run. The deadline ends it here.
    pub(crate) async fn requested(&self) -> StopReason {
        let requested = self.requested_if(|_| true);
        let Some((given, deadline)) = self.deadline else {
            return requested.await;
        };
        tokio::select! {
            biased;
            reason = requested => reason,
            () = tokio::time::sleep_until(deadline) => {
                self.request(StopReason::Deadline { given, until: None })
            }
        }
    }

    /// Waits until responses to requests in flight are not wanted either.
    pub(crate) async fn canceled(&self) -> StopReason {
        self.requested_if(StopReason::cancels_in_flight).await
    }

    /// Waits for SIGTERM.
    pub(crate) async fn terminated(&self) {
        self.requested_if(|reason| *reason == StopReason::Terminated).await;
    }

    async fn requested_if(&self, condition: impl Fn(&StopReason) -> bool) -> StopReason {
        let mut receiver = self.reason.subscribe();
        let requested = receiver.wait_for(|reason| reason.as_ref().is_some_and(&condition)).await;
        match requested.ok().and_then(|reason| reason.clone()) {
            Some(reason) => reason,
            // The sender lives as long as this signal.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_signal_replaces_every_other_reason() {
        let stop = StopSignal::new(None);
        stop.request(StopReason::OutOfReach("down".into()));
        stop.request(StopReason::OutputClosed);
        assert_eq!(stop.reason(), Some(StopReason::OutOfReach("down".into())));
        stop.request(StopReason::Interrupted);
        assert_eq!(stop.canceled().await, StopReason::Interrupted);
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_run() {
        let given = Duration::from_secs(30);
        let stop = StopSignal::new(Some(given));
        let start = Instant::now();
        assert_eq!(stop.requested().await, StopReason::Deadline { given, until: None });
        assert_eq!(start.elapsed(), given);
    }
}
