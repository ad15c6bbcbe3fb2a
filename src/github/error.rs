//! What can go wrong with a request, named for what it means to a person.
//!
//! Everything that octocrab, the network or GitHub can answer with becomes a [`LookupError`] here and
//! nowhere else: transport errors by `LookupError::transport`, answers by [`refusal`](super::refusal).

use std::error::Error;
use std::time::Duration;

use http_body_util::LengthLimitError;

use super::connect::ConnectError;
use super::exchange::{NotKept, NotRecorded};
use super::transport::{Astray, MAX_BODY};
use crate::rate_limit::{Outcome, StopReason};
use crate::text;

/// Why a request gave no count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// 404: no account has this login, or it is one that we may not see.
    #[error("no user or organisation has this login")]
    NotFound,
    /// 403 that is no limit, in GitHub's words, with the address at which single sign-on lets us in.
    #[error("GitHub refuses access: {message}{}", sso.as_ref().map(|url| format!(" (authorize the token at {url})")).unwrap_or_default())]
    Forbidden {
        /// GitHub's own message.
        message: String,
        /// From the header `X-GitHub-SSO`.
        sso: Option<String>,
    },
    /// 401: the token is wrong, or there is none and one is needed. Every further request would meet it.
    #[error("GitHub refused the token: {0}")]
    Unauthorized(String),
    /// 401, with a token of an app that was good before, or is new: there will be another.
    #[error("the app's token was refused")]
    TokenExpired,
    /// 403 or 429 because of a limit: everything has to wait.
    #[error("GitHub answered {status} (rate limit)")]
    RateLimited {
        /// 403 or 429.
        status: u16,
        /// How long GitHub asks us to wait; none when it does not say.
        wait: Option<Duration>,
        /// The budget of the hour is spent: the wait is until its reset.
        primary: bool,
    },
    /// Any other status that is no success.
    #[error("GitHub answered {status}{}", said(message))]
    Status {
        /// The status.
        status: u16,
        /// GitHub's own message, or nothing.
        message: String,
        /// How long the server asks us to wait.
        wait: Option<Duration>,
    },
    /// No complete answer within the time for one attempt.
    #[error("timed out after {}", text::duration(*.0))]
    TimedOut(Duration),
    /// No connection: no such host, refused, no agreement on TLS, a failure of the proxy.
    #[error("could not connect: {0}")]
    NoConnection(Box<ConnectError>),
    /// The connection ended before an answer began.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer ended too early.
    #[error("the answer was truncated: {0}")]
    Truncated(String),
    /// The answer was longer than any that GitHub gives.
    #[error("the answer was too long: more than {0} bytes")]
    TooLong(usize),
    /// A success whose body is not what was asked for.
    #[error("the answer was {0}")]
    Malformed(&'static str),
    /// An answer in part, and not for this login; or a query that GitHub gave up.
    #[error("GitHub gave no answer: {0}")]
    Unanswered(String),
    /// A folder of recorded exchanges holds none for this request.
    #[error("{0}")]
    NotRecorded(NotRecorded),
    /// Redirected in circles, or to where no request of ours goes.
    #[error("GitHub redirected the request {0}")]
    Redirected(&'static str),
    /// The run ended before there was an answer.
    #[error("{0}")]
    Stopped(StopReason),
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl LookupError {
    /// Whether the same request may succeed later.
    ///
    /// A status of 5xx or 408, a broken connection and a broken body pass; a limit passes with time.
    /// 404, 401, other 403s, 410 and 451 are answers, and asking again only costs.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::TokenExpired
            | Self::TimedOut(_)
            | Self::NoConnection(_)
            | Self::Broken(_)
            | Self::Truncated(_)
            | Self::Malformed(_)
            | Self::Unanswered(_) => true,
            Self::Status { status, .. } => *status == 408 || *status >= 500,
            Self::NotFound
            | Self::Forbidden { .. }
            | Self::Unauthorized(_)
            | Self::TooLong(_)
            | Self::NotRecorded(_)
            | Self::Redirected(_)
            | Self::Stopped(_) => false,
        }
    }

    /// Whether a smaller batch may succeed: GitHub ends one that takes more than ten
    /// seconds with a 502 or 504, often in HTML, or with nothing or half of it.
    #[must_use]
    pub fn suggests_smaller_batch(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Truncated(_)
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::Unanswered(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 413,
            _ => false,
        }
    }

    /// How long the server asks everyone to wait, if it asks.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait, .. } | Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }

    /// Returns the outcome for the rate limiter. `authorized`: the request had a token. `has_ca_file`: certificate authorities
    /// were given.
    pub(super) fn limiter_outcome(&self, authorized: bool, has_ca_file: bool) -> Outcome<'_> {
        match self {
            Self::Unauthorized(message) if authorized => {
                Outcome::Stop(StopReason::TokenRefused(message.clone()))
            }
            Self::Unauthorized(message) => Outcome::Stop(StopReason::AuthenticationRequired(message.clone())),
            Self::Stopped(stop) => Outcome::Stop(stop.clone()),
            Self::RateLimited { wait, primary, .. } => {
                Outcome::Throttled { retry_after: *wait, quota_exhausted: *primary }
            }
            Self::Status { wait: Some(wait), .. } => Outcome::Busy { retry_after: *wait },
            Self::NoConnection(error) => Outcome::ConnectFailed {
                is_permanent: error.is_permanent(),
                stop: StopReason::not_connected(error, has_ca_file),
            },
            Self::TimedOut(_) | Self::Broken(_) => Outcome::NoResponse(self),
            error if error.is_transient() => Outcome::BadResponse(self),
            _ => Outcome::Response,
        }
    }

    /// An error of the transport: before an answer's head, or in its body.
    pub(super) fn transport(error: &(dyn Error + 'static), in_body: bool) -> Self {
        let chain = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
        if let Some(missing) = chain().find_map(|error| error.downcast_ref::<NotRecorded>()) {
            return Self::NotRecorded(missing.clone());
        }
        if let Some(lost) = chain().find_map(|error| error.downcast_ref::<NotKept>()) {
            return Self::Stopped(StopReason::RecordingFailed(lost.to_string()));
        }
        if let Some(Astray(why)) = chain().find_map(|error| error.downcast_ref::<Astray>()) {
            return Self::Redirected(why);
        }
        if let Some(error) = chain().find_map(|error| error.downcast_ref::<ConnectError>()) {
            return error.clone().into();
        }
        // The innermost cause says what happened; those around it only repeat it. reqwest's own
        // Display would add the address.
        let cause = text::reason(chain().last().unwrap_or(error));
        if chain().any(<dyn Error>::is::<LengthLimitError>) {
            return Self::TooLong(MAX_BODY);
        }
        if in_body { Self::Truncated(cause) } else { Self::Broken(cause) }
    }
}

impl From<ConnectError> for LookupError {
    fn from(error: ConnectError) -> Self {
        Self::NoConnection(Box::new(error))
    }
}
