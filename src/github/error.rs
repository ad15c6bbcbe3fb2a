//! Errors of a request, by what they mean for its login.
//!
//! A failure of the transport becomes a [`LookupError`] in [`LookupError::from_transport`], an unsuccessful response in
//! [`error_for_status`]; the parsers of successful responses make their own. Its text is complete, as in the row of its
//! login: it names the innermost cause, and is printed without the chain.

use std::error::Error;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::de::IgnoredAny;

use super::api_version::API_VERSION;
use super::cassette::{CassetteMiss, RecordError};
use super::foreign::{
    ErrorBody, ForeignResponse, TOO_MANY_LOGINS, is_foreign, is_html, is_suspension, telling_title,
};
use crate::network::tls::client_certificate;
use crate::network::{Cause, ConnectError};
use crate::rate_limit::RequestOutcome;
use crate::rate_limit::clock::parse_date;
use crate::rate_limit::header_str;
use crate::rate_limit::quota::REMAINING;
use crate::stop::StopReason;
use crate::text::{self, sanitize_line};

/// Upper bound on the body of a response, in bytes; a hundred accounts in full are a tenth of it.
pub(super) const MAX_BODY: usize = 16 << 20;
/// Reason of a login that was not found.
pub(crate) const NO_SUCH_ACCOUNT: &str = "no such user or organization";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    /// 404: no account has this login, or the token cannot see it.
    #[error("{NO_SUCH_ACCOUNT}")]
    NotFound,
    /// 403 that is not a rate limit.
    #[error("access forbidden: {message}{}", sso_hint(sso_url.as_deref()))]
    Forbidden {
        message: String,
        /// URL at which to authorize the token for single sign-on.
        sso_url: Option<String>,
    },
    /// 401: the token is invalid, or a token is required. Every other request would fail too.
    #[error("GitHub refused the token: {0}")]
    Unauthorized(String),
    /// 401 to a token that was accepted before, or to a new one of an app.
    #[error("the token was rejected")]
    TokenRejected,
    /// 403 or 429 because of a rate limit; 200 from the GraphQL API.
    #[error("HTTP {status} (rate limit)")]
    RateLimited {
        status: u16,
        /// Wait from `retry-after`. None if the response has no such header.
        retry_after: Option<Duration>,
        quota_exhausted: bool,
    },
    #[error("HTTP {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status { status: u16, message: String, retry_after: Option<Duration> },
    #[error("timed out after {}", text::format_duration(*.0))]
    TimedOut(Duration),
    #[error("could not connect: {0}")]
    Connect(#[source] Box<ConnectError>),
    /// The connection failed before the response began.
    #[error("connection lost: {0}")]
    ConnectionClosed(#[source] Cause),
    #[error("response truncated: {0}")]
    Truncated(#[source] Cause),
    #[error("response too large: more than {0} bytes")]
    TooLong(usize),
    /// A success whose body is cut off, or has other contents than requested.
    #[error("unexpected response: {0}")]
    Malformed(&'static str),
    /// A success with JSON of another kind than requested.
    #[error("unexpected response: {0}")]
    OtherJson(&'static str),
    /// The GraphQL API does not know a field or an argument of the query.
    #[error("the server's GraphQL API is too old: {0}")]
    QueryUnsupported(String),
    /// A classic token without the scope for a list.
    #[error("the token lacks a scope")]
    InsufficientScope,
    /// The GraphQL API does not know a list.
    #[error("the server cannot list them: {0}")]
    ListUnsupported(String),
    #[error("pagination error: {0}")]
    Pagination(&'static str),
    /// A response without a result for this login, or a query that GitHub gave up.
    #[error("incomplete response: {0}")]
    PartialResponse(String),
    /// The schema of an older Enterprise Server. The query is sent again without the argument.
    #[error("{0}")]
    NoVisibility(String),
    #[error(transparent)]
    NotRecorded(CassetteMiss),
    /// 301 of a resource that has another path now. The client follows it.
    #[error("{response}")]
    Moved { route: String, response: ForeignResponse },
    #[error("not a response from GitHub: {0}")]
    NotGithub(ForeignResponse),
    /// 404 of GitHub to a query: there is no GraphQL API, or a gateway refused the query.
    #[error("not a response from GitHub: {0}")]
    QueryNotFound(ForeignResponse),
    #[error("{0}")]
    Stopped(StopReason),
}

fn sso_hint(url: Option<&str>) -> String {
    url.map(|url| format!(" (authorize the token for SSO at {url})")).unwrap_or_default()
}

impl LookupError {
    fn version_retired(message: String) -> Self {
        Self::Stopped(StopReason::ApiVersionRetired { version: API_VERSION, message })
    }

    /// The same request may succeed later: after 5xx and 408, failed connections, incomplete bodies and rate limits.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == 408 || *status >= 500,
            Self::NotFound
            | Self::Forbidden { .. }
            | Self::Unauthorized(_)
            | Self::InsufficientScope
            | Self::ListUnsupported(_)
            | Self::QueryUnsupported(_)
            | Self::TooLong(_)
            | Self::NoVisibility(_)
            | Self::NotRecorded(_)
            | Self::Moved { .. }
            | Self::Stopped(_) => false,
            _ => true,
        }
    }

    /// A query for fewer logins may succeed. GitHub ends queries of more than ten seconds with a 502 or 504, often in
    /// HTML, or with an empty or incomplete body.
    pub(crate) fn suggests_smaller_batch(&self) -> bool {
        match self {
            Self::TimedOut(_)
            | Self::Truncated(_)
            | Self::TooLong(_)
            | Self::Malformed(_)
            | Self::OtherJson(_)
            | Self::PartialResponse(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 413,
            _ => false,
        }
    }

    /// One login of a query may be to blame: its size, or a gateway that refuses the query because of it.
    pub(crate) fn suggests_split(&self) -> bool {
        self.suggests_smaller_batch() || self.is_query_refused()
    }

    pub(crate) fn is_query_refused(&self) -> bool {
        matches!(self, Self::NotGithub(_) | Self::QueryNotFound(_))
    }

    /// The response to a query has nothing about any of its logins. Until a query has a result, the GraphQL API may not be
    /// usable at all.
    pub(super) fn is_without_result(&self) -> bool {
        matches!(
            self,
            Self::Forbidden { .. }
                | Self::QueryNotFound(_)
                | Self::Malformed(_)
                | Self::OtherJson(_)
                | Self::PartialResponse(_)
        )
    }

    /// `request` identifies it. `authorized`: it had a token.
    pub(super) fn limiter_outcome<'a>(&'a self, request: &'a str, authorized: bool) -> RequestOutcome<'a> {
        match self {
            Self::Unauthorized(message) if authorized => {
                RequestOutcome::Stop(StopReason::TokenRefused(message.clone()))
            }
            Self::Unauthorized(message) => {
                RequestOutcome::Stop(StopReason::AuthenticationRequired(message.clone()))
            }
            Self::Stopped(stop) => RequestOutcome::Stop(stop.clone()),
            Self::QueryUnsupported(message) => {
                RequestOutcome::Stop(StopReason::QueryUnsupported(message.clone()))
            }
            Self::RateLimited { retry_after, quota_exhausted, .. } => {
                RequestOutcome::Throttled { retry_after: *retry_after, quota_exhausted: *quota_exhausted }
            }
            Self::Status { retry_after: Some(retry_after), .. } => {
                RequestOutcome::Busy { retry_after: *retry_after, error: self }
            }
            Self::Connect(error) => RequestOutcome::ConnectFailed {
                is_permanent: error.is_permanent,
                stop: StopReason::not_connected(error),
            },
            Self::TimedOut(_) | Self::ConnectionClosed(_) => RequestOutcome::NoResponse(self),
            Self::Moved { response, .. } => {
                RequestOutcome::Redirect { request, stop: StopReason::NotGithub(response.to_string()) }
            }
            Self::NotGithub(response) | Self::QueryNotFound(response) => {
                RequestOutcome::Foreign { request, stop: StopReason::NotGithub(response.to_string()) }
            }
            error if error.is_transient() => RequestOutcome::BadResponse(self),
            _ => RequestOutcome::Response,
        }
    }

    /// Classifies an error of the transport from before the body of the response.
    pub(super) fn from_transport(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Cause::new(error);
        if let Some(missing) = cause.find::<CassetteMiss>() {
            return Self::NotRecorded(missing.clone());
        }
        if let Some(error) = cause.find::<RecordError>() {
            return Self::Stopped(StopReason::RecordingFailed(error.to_string()));
        }
        if let Some(error) = cause.find::<ConnectError>() {
            return Self::Connect(Box::new(error.clone()));
        }
        if cause.find::<LengthLimitError>().is_some() {
            return Self::TooLong(MAX_BODY);
        }
        Self::ConnectionClosed(cause)
    }

    pub(super) fn from_body(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        match Self::from_transport(error) {
            Self::ConnectionClosed(cause) => Self::Truncated(cause),
            other => other,
        }
    }
}

impl StopReason {
    pub(crate) fn not_connected(error: &ConnectError) -> Self {
        let ConnectError { way_out, is_proxy, .. } = error;
        Self::NotConnected { error: error.to_string(), way_out: way_out.clone(), is_proxy: *is_proxy }
    }
}

/// Upper bound on the body of a success that reports an error, in bytes.
const MAX_ERROR: usize = 64 << 10;
/// Beginnings of the messages with which GitHub reports a rate limit, in lower case. The last one is from before 2021; Enterprise
/// Servers still send it.
const RATE_LIMIT_MESSAGES: [&str; 3] =
    ["you have exceeded a secondary rate limit", "api rate limit exceeded", "you have triggered an abuse"];

/// Part of nginx's page for a client without a certificate, which nginx sends after the handshake.
const CLIENT_CERTIFICATE_PAGE: &[u8] = b"No required SSL certificate was sent";

/// Returns the error of a response, unless it may be a success. `url` is that of the request.
pub(crate) fn error_for_status(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    url: &str,
) -> Result<(), LookupError> {
    if status.is_success() && !is_foreign(status, headers, body) {
        return Ok(());
    }
    let message = ErrorBody::parse(body).map(|body| body.message).unwrap_or_default();
    let message = sanitize_line(&message).into_owned();
    let lower = message.to_ascii_lowercase();
    let is_rate_limit = headers.contains_key(RETRY_AFTER)
        || header_str(headers, REMAINING) == Some("0")
        || is_rate_limit_message(&lower);
    Err(match status.as_u16() {
        429 if !is_html(headers, body) => rate_limit_error(429, headers),
        403 if is_rate_limit && !is_html(headers, body) => rate_limit_error(403, headers),
        400 if memchr::memmem::find(body, CLIENT_CERTIFICATE_PAGE).is_some() => {
            LookupError::Connect(Box::new(client_certificate()))
        }
        400..500 if is_broken_json(body) => LookupError::Malformed("not JSON"),
        _ if is_foreign(status, headers, body) => {
            LookupError::NotGithub(ForeignResponse::new(status, headers, body, url))
        }
        401 | 403 if is_suspension(&lower) => LookupError::Stopped(StopReason::Suspended(message)),
        401 => LookupError::Unauthorized(message),
        403 if lower.contains(TOO_MANY_LOGINS) => LookupError::Unauthorized(message),
        403 => LookupError::Forbidden {
            message: if message.is_empty() { "no reason given".into() } else { message },
            sso_url: sso_url(headers),
        },
        404 => LookupError::NotFound,
        410 => LookupError::version_retired(message),
        400 if is_about_version(&lower) => LookupError::version_retired(message),
        451 => {
            let message = format!("unavailable for legal reasons: {message}");
            LookupError::Forbidden { message, sso_url: None }
        }
        code => {
            let title = telling_title(status, headers, body).map(|title| format!("the page {title:?}"));
            let message = title.unwrap_or(message);
            LookupError::Status { status: code, message, retry_after: retry_after(headers) }
        }
    })
}

/// Returns true for the message, in lower case, of a server without this version of the API.
fn is_about_version(message: &str) -> bool {
    message.contains("version") && message.contains("supported")
}

/// Returns the error that a success reports in a body like that of a 403.
pub(super) fn error_in_success(headers: &HeaderMap, body: &[u8]) -> Option<LookupError> {
    // An error is short, and parsing a long body again takes time.
    let body = Some(body).filter(|body| body.len() < MAX_ERROR)?;
    let message = ErrorBody::parse(body)?.message;
    let lower = message.to_ascii_lowercase();
    if is_rate_limit_message(&lower) {
        Some(rate_limit_error(200, headers))
    } else if is_suspension(&lower) {
        Some(LookupError::Stopped(StopReason::Suspended(sanitize_line(&message).into_owned())))
    } else {
        None
    }
}

/// True for GitHub's response that was cut off, and for any other text that only begins like it.
fn is_broken_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(body).is_err()
}

/// `message`: in lower case.
pub(super) fn is_rate_limit_message(message: &str) -> bool {
    RATE_LIMIT_MESSAGES.iter().any(|beginning| message.starts_with(beginning))
}

pub(super) fn rate_limit_error(status: u16, headers: &HeaderMap) -> LookupError {
    let quota_exhausted = header_str(headers, REMAINING) == Some("0");
    LookupError::RateLimited { status, retry_after: retry_after(headers), quota_exhausted }
}

/// Parses `retry-after`: seconds, or a date by the server's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = header_str(headers, RETRY_AFTER)?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    let now = parse_date(headers).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// Parses `X-GitHub-SSO: required; url=https://github.com/orgs/…`.
pub(super) fn sso_url(headers: &HeaderMap) -> Option<String> {
    let (_, url) = header_str(headers, "x-github-sso")?.split_once("url=")?;
    Some(sanitize_line(url.trim()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, headers: &[(&'static str, &str)], body: &str) -> LookupError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        error_for_status(
            StatusCode::from_u16(status).unwrap(),
            &map,
            body.as_bytes(),
            "https://api.github.com/users/a?page=1",
        )
        .unwrap_err()
    }

    #[test]
    fn server_errors_are_transient_and_client_errors_are_not() {
        for status in [408, 500, 502, 503, 504] {
            assert!(error(status, &[], "<html>").is_transient(), "{status}");
        }
        let body = r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#;
        for status in [400, 401, 403, 404, 410, 422, 451] {
            assert!(!error(status, &[], body).is_transient(), "{status}");
        }
        assert!(error(429, &[], "").is_transient());
    }

    #[test]
    fn a_rate_limit_is_not_a_forbidden_access() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait"}"#;
        assert_eq!(
            error(403, &[], secondary),
            LookupError::RateLimited { status: 403, retry_after: None, quota_exhausted: false }
        );
        assert_eq!(
            error(403, &[("retry-after", "60")], "{}"),
            LookupError::RateLimited { status: 403, retry_after: wait(60), quota_exhausted: false }
        );
        assert_eq!(
            error(
                403,
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1774180830"),
                    ("date", "Sun, 22 Mar 2026 12:00:00 GMT")
                ],
                "{}"
            ),
            LookupError::RateLimited { status: 403, retry_after: None, quota_exhausted: true }
        );
        assert_eq!(
            error(
                429,
                &[
                    ("date", "Sun, 22 Nov 2026 12:00:00 GMT"),
                    ("retry-after", "Sun, 22 Nov 2026 12:01:00 GMT")
                ],
                ""
            ),
            LookupError::RateLimited { status: 429, retry_after: wait(60), quota_exhausted: false }
        );
        let blocked =
            error(403, &[("x-ratelimit-remaining", "59")], r#"{"message":"Repository access blocked"}"#);
        assert_eq!(blocked.to_string(), "access forbidden: Repository access blocked");
    }

    #[test]
    fn too_many_attempts_with_a_wrong_token_are_a_refused_token() {
        for message in ["Maximum number of login attempts exceeded", "Max number of login attempt exceeded"] {
            let error = error(403, &[], &format!(r#"{{"message":"{message}"}}"#));
            assert_eq!(error, LookupError::Unauthorized(message.into()));
        }
    }

    #[test]
    fn an_invalid_retry_after_is_ignored_and_a_huge_one_is_long() {
        let wait = |after| match error(429, &[("retry-after", after)], "") {
            LookupError::RateLimited { retry_after, .. } => retry_after,
            other => panic!("{other}"),
        };
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        for after in ["-1", "1.5", "soon", ""] {
            assert_eq!(wait(after), None, "{after}");
        }
    }

    #[test]
    fn a_404_that_is_not_from_github_is_not_a_missing_account() {
        assert_eq!(error(404, &[], r#"{"message":"Not Found"}"#), LookupError::NotFound);
        assert!(error(404, &[], r#"{"message":"Not F"#).is_transient(), "it was cut off");
        for body in
            ["<html>", "", "404 page not found", r#"["Not Found"]"#, "{}", r#"{"message":"not found"}"#]
        {
            let error = error(404, &[], body);
            assert!(matches!(error, LookupError::NotGithub(_)) && error.is_transient(), "{body}: {error}");
        }
    }

    #[test]
    fn the_message_has_the_url_for_single_sign_on() {
        let error = error(
            403,
            &[("x-github-sso", "required; url=https://github.com/orgs/acme/sso?authorization_request=A")],
            r#"{"message":"Resource protected by organization SAML enforcement."}"#,
        );
        assert_eq!(
            error.to_string(),
            "access forbidden: Resource protected by organization SAML enforcement. \
             (authorize the token for SSO at https://github.com/orgs/acme/sso?authorization_request=A)"
        );
    }

    #[test]
    fn a_message_from_a_server_is_one_printable_line() {
        let error = error(451, &[], "{\"message\":\"gone\\n\\u001b[31m\"}");
        assert_eq!(error.to_string(), "access forbidden: unavailable for legal reasons: gone\\n\\u{1b}[31m");
    }
}
