//! Why a run ends before every login was asked.

use jiff::Timestamp;

/// Why a run ended before every login was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read our output has gone.
    #[error("nobody reads the output any more")]
    ReaderGone,
    /// 401, with a token.
    #[error("GitHub refused the token: {0}")]
    TokenRefused(String),
    /// 401, without a token.
    #[error("GitHub wants a token: {0}")]
    TokenNeeded(String),
    /// Nothing answered, several times over.
    #[error("GitHub is out of reach: {0}")]
    OutOfReach(String),
    /// A limit ends only after the longest wait allowed.
    #[error("GitHub's rate limit lasts until {until}")]
    Limited {
        /// When to go on.
        until: Timestamp,
    },
    /// Refused for a limit again and again, with the waits that were asked for in between.
    #[error("GitHub's rate limit still refused after {0} waits")]
    RefusedAgain(u32),
    /// A report or a recording could not be written.
    #[error("{0}")]
    RecordingFailed(String),
}
