//! Why a run ends before every login was asked.

use std::time::Duration;

use jiff::Timestamp;

use super::connect::ConnectError;
use crate::text;

/// What requests wait for. As text: what lasts until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hold {
    /// A budget's reset, or the wait that a refusal asked for.
    #[error("GitHub's rate limit lasts")]
    RateLimit,
    /// The documented requests a minute.
    #[error("GitHub's limit of requests a minute lasts")]
    Minute,
    /// A server that asks for a while.
    #[error("GitHub is busy")]
    Busy,
    /// A host that takes no connections.
    #[error("no connection")]
    Connection,
}

impl Hold {
    /// For those who wait: `waiting for …`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "GitHub's rate limit",
            Self::Minute => "GitHub's limit of requests a minute",
            Self::Busy => "GitHub, which is busy",
            Self::Connection => "a connection",
        }
    }
}

/// Why a run ended before every login was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// SIGTERM.
    #[error("terminated")]
    Terminated,
    /// Whoever read our output has gone.
    #[error("nobody reads the output any more")]
    ReaderGone,
    /// 401, with a token.
    #[error("GitHub refused the token: {0}")]
    TokenRefused(String),
    /// 401, without a token.
    #[error("GitHub wants a token: {0}")]
    TokenNeeded(String),
    /// An app without an installation, or with more than one.
    #[error("{0}")]
    WhichInstallation(String),
    /// Nothing answered, several times over.
    #[error("GitHub is out of reach: {0}")]
    OutOfReach(String),
    /// No connection, several times over, or for a reason that stays.
    #[error("no connection: {0}")]
    NotConnected(Box<ConnectError>),
    /// GitHub asks for a wait that is longer than the longest allowed.
    #[error("{reason} until {until}")]
    Limited {
        /// When to go on.
        until: Timestamp,
        /// What is waited for.
        reason: Hold,
    },
    /// The time that was given is over, or would be before the next request may leave.
    #[error("the deadline of {} has come", text::duration(*.given))]
    Deadline {
        /// How long the run was to ask.
        given: Duration,
        /// When the next request could leave, and what it would wait for.
        until: Option<(Timestamp, Hold)>,
    },
    /// Refused for a limit again and again, with the waits that were asked for in between.
    #[error("GitHub's rate limit still refused after {0} waits")]
    RefusedAgain(u32),
    /// The budget of `--max-points` is spent.
    #[error("the budget of {} is spent", text::counted(*.0, "point", "points"))]
    Spent(u64),
    /// A recording could not be written.
    #[error("{0}")]
    RecordingFailed(String),
}

impl Stop {
    /// Whether the answers of the requests in flight are not worth waiting for: nobody wants them, or
    /// they will be refusals as well.
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        self.is_signal()
            || matches!(
                self,
                Self::ReaderGone | Self::TokenRefused(_) | Self::TokenNeeded(_) | Self::WhichInstallation(_)
            )
    }

    /// Whether a person or the system wants the run to end.
    #[must_use]
    pub fn is_signal(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Terminated)
    }
}
