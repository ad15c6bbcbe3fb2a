//! Reasons for which requests wait, and for which a run ends early.

use std::time::Duration;

use jiff::Timestamp;

use crate::text;

/// Reason of a wait. Its text continues with `until 14:03:02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitReason {
    /// The hourly quota is used up, or a rejection named a wait.
    #[error("GitHub's rate limit lasts")]
    PrimaryLimit,
    /// The documented requests per minute.
    #[error("GitHub's limit of requests a minute lasts")]
    SecondaryLimit,
    /// A server error with `retry-after`.
    #[error("GitHub is busy")]
    RetryAfter,
    /// The host accepts no connections.
    #[error("no connection")]
    Reconnect,
}

impl WaitReason {
    /// Returns a noun for `waiting for …`.
    #[must_use]
    pub fn as_noun(self) -> &'static str {
        match self {
            Self::PrimaryLimit => "GitHub's rate limit",
            Self::SecondaryLimit => "GitHub's limit of requests a minute",
            Self::RetryAfter => "GitHub, which is busy",
            Self::Reconnect => "a connection",
        }
    }
}

/// Reason for which a run ended before every login was looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// SIGTERM.
    #[error("terminated")]
    Terminated,
    /// The reader of the output closed it.
    #[error("nobody reads the output any more")]
    OutputClosed,
    /// 401 to a request with a token.
    #[error("GitHub refused the token: {0}")]
    TokenRefused(String),
    /// 401 to a request without a token.
    #[error("GitHub wants a token: {0}")]
    AuthenticationRequired(String),
    /// A GitHub App without an installation, or with more than one.
    #[error("{0}")]
    AmbiguousInstallation(String),
    /// No connection, several times in a row, or for a reason that will not change.
    #[error("no connection: {error}")]
    NotConnected {
        /// The reason.
        error: String,
        /// What a person can do about it, as an imperative.
        way_out: Option<String>,
        /// Whether the proxy failed, not the server.
        is_proxy: bool,
    },
    /// No usable response, several times in a row.
    #[error("GitHub is out of reach: {0}")]
    OutOfReach(String),
    /// The next request would have to wait longer than `--max-wait`.
    #[error("{reason} until {until}")]
    RateLimitTooLong {
        /// Time at which requests are admitted again.
        until: Timestamp,
        /// Reason of the wait.
        reason: WaitReason,
    },
    /// `--deadline` has passed, or would pass before the next request is admitted.
    #[error("the deadline of {} has come", text::duration(*.given))]
    Deadline {
        /// `--deadline`.
        given: Duration,
        /// Time at which the next request would be admitted, and the reason of that wait.
        until: Option<(Timestamp, WaitReason)>,
    },
    /// Rejected because of a limit again and again, after each wait that was asked for.
    #[error("GitHub's rate limit still refused after {0} waits")]
    StillRateLimited(u32),
    /// `--max-points` is used up.
    #[error("the budget of {} is spent", text::counted(*.0, "point", "points"))]
    PointBudgetExhausted(u64),
    /// A response could not be recorded.
    #[error("{0}")]
    RecordingFailed(String),
}

impl StopReason {
    /// Whether responses to requests in flight are not worth waiting for: their rows would be dropped or be the same error.
    #[must_use]
    pub fn cancels_in_flight(&self) -> bool {
        self.is_signal()
            || matches!(
                self,
                Self::OutputClosed
                    | Self::TokenRefused(_)
                    | Self::AuthenticationRequired(_)
                    | Self::AmbiguousInstallation(_)
            )
    }

    /// Whether a person or the system ended the run.
    #[must_use]
    pub fn is_signal(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated)
    }
}
