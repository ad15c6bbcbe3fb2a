//! Errors of a request, by what they mean for its login.
//!
//! Every failure of octocrab, of the network or of GitHub becomes a [`LookupError`] here and nowhere else: transport errors in
//! `LookupError::from_transport`, responses in `response_error`.

use std::error::Error;
use std::time::Duration;

use http_body_util::LengthLimitError;

use super::cassette::{CassetteMiss, RecordError};
use super::connect::ConnectError;
use super::pagination::PaginationError;
use super::transport::{BlockedRedirect, MAX_BODY};
use crate::rate_limit::Outcome;
use crate::stop::StopReason;
use crate::text::{self, causes, innermost};

/// Reason for which a login has no count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    /// 404: no account has this login, or the token cannot see it.
    #[error("no such user or organization")]
    NotFound,
    /// 403 that is not a rate limit.
    #[error("access forbidden: {message}{}", sso_hint(sso_url.as_deref()))]
    Forbidden {
        /// GitHub's message.
        message: String,
        /// URL at which to authorize the token for single sign-on.
        sso_url: Option<String>,
    },
    /// 401: the token is invalid, or a token is required. Every other request would fail too.
    #[error("GitHub refused the token: {0}")]
    Unauthorized(String),
    /// 401 to an installation token that is new, or was accepted before: it is renewed.
    #[error("the app's token was rejected")]
    InstallationTokenRejected,
    /// 403 or 429 because of a rate limit; 200 from the GraphQL API.
    #[error("HTTP {status} (rate limit)")]
    RateLimited {
        /// HTTP status.
        status: u16,
        /// Wait from `retry-after`. None if the response has no such header.
        retry_after: Option<Duration>,
        /// Whether the hourly quota is used up.
        quota_exhausted: bool,
    },
    /// Any other status that is not a success.
    #[error("HTTP {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status {
        /// HTTP status.
        status: u16,
        /// GitHub's message. May be empty.
        message: String,
        /// Wait from `retry-after`.
        retry_after: Option<Duration>,
    },
    /// No complete response within the timeout of one attempt.
    #[error("timed out after {}", text::format_duration(*.0))]
    TimedOut(Duration),
    /// No connection to the server.
    #[error("could not connect: {0}")]
    Connect(#[source] Box<ConnectError>),
    /// The connection failed before the response began.
    #[error("connection lost: {0}")]
    ConnectionClosed(String),
    /// The response ended early.
    #[error("response truncated: {0}")]
    Truncated(String),
    /// The response is larger than any that GitHub sends.
    #[error("response too large: more than {0} bytes")]
    TooLong(usize),
    /// A success with a body of another kind.
    #[error("unexpected response: {0}")]
    Malformed(&'static str),
    /// A list whose pages cannot be followed.
    #[error("pagination error: {0}")]
    Pagination(#[from] PaginationError),
    /// A response without a result for this login, or a query that GitHub gave up.
    #[error("incomplete response: {0}")]
    PartialResponse(String),
    /// The recording has no response to this request.
    #[error("{0}")]
    NotRecorded(#[source] CassetteMiss),
    /// A redirect that is not followed.
    #[error("redirect not followed: {0}")]
    Redirect(#[source] BlockedRedirect),
    /// The run ended before a response arrived.
    #[error("{0}")]
    Stopped(StopReason),
}

fn sso_hint(url: Option<&str>) -> String {
    url.map(|url| format!(" (authorize the token for SSO at {url})")).unwrap_or_default()
}

impl LookupError {
    /// Whether the same request may succeed later: after 5xx and 408, failed connections, incomplete bodies and rate limits.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 408 || *status >= 500,
            Self::NotFound
            | Self::Forbidden { .. }
            | Self::Unauthorized(_)
            | Self::TooLong(_)
            | Self::NotRecorded(_)
            | Self::Redirect(_)
            | Self::Stopped(_) => false,
            Self::RateLimited { .. }
            | Self::InstallationTokenRejected
            | Self::TimedOut(_)
            | Self::Connect(_)
            | Self::ConnectionClosed(_)
            | Self::Truncated(_)
            | Self::Malformed(_)
            | Self::Pagination(_)
            | Self::PartialResponse(_) => true,
        }
    }

    /// Whether a query for fewer logins may succeed. GitHub ends queries of more than ten seconds with a 502 or 504, often in HTML,
    /// or with an empty or incomplete body.
    pub(crate) fn suggests_smaller_batch(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Truncated(_)
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::PartialResponse(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 413,
            _ => false,
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
            Self::RateLimited { retry_after, quota_exhausted, .. } => {
                Outcome::Throttled { retry_after: *retry_after, quota_exhausted: *quota_exhausted }
            }
            Self::Status { retry_after: Some(retry_after), .. } => {
                Outcome::Busy { retry_after: *retry_after, error: self }
            }
            Self::Connect(error) => Outcome::ConnectFailed {
                is_permanent: error.is_permanent(),
                stop: StopReason::not_connected(error, has_ca_file),
            },
            Self::TimedOut(_) | Self::ConnectionClosed(_) => Outcome::NoResponse(self),
            error if error.is_transient() => Outcome::BadResponse(self),
            _ => Outcome::Response,
        }
    }

    /// Classifies an error of the transport. `in_body`: the head of the response had arrived.
    pub(super) fn from_transport(error: &(dyn Error + 'static), in_body: bool) -> Self {
        if let Some(missing) = find_cause::<CassetteMiss>(error) {
            return Self::NotRecorded(missing.clone());
        }
        if let Some(error) = find_cause::<RecordError>(error) {
            return Self::Stopped(StopReason::RecordingFailed(error.to_string()));
        }
        if let Some(blocked) = find_cause::<BlockedRedirect>(error) {
            return Self::Redirect(*blocked);
        }
        if let Some(error) = find_cause::<ConnectError>(error) {
            return error.clone().into();
        }
        if find_cause::<LengthLimitError>(error).is_some() {
            return Self::TooLong(MAX_BODY);
        }
        let cause = innermost(error);
        if in_body { Self::Truncated(cause) } else { Self::ConnectionClosed(cause) }
    }
}

impl From<ConnectError> for LookupError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Box::new(error))
    }
}

fn find_cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}
