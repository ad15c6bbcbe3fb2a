//! What can go wrong with a request, named for what it means to a person.
//!
//! Everything that octocrab, the network or GitHub can answer with becomes a [`LookupError`] here and
//! nowhere else: transport errors by `LookupError::transport`, answers by `check`.

use std::error::Error;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::LengthLimitError;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;

use super::exchange::{NotKept, NotRecorded};
use super::stop::Stop;
use super::transport::MAX_BODY;
use crate::text::{self, visible};

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
    /// 403 or 429 because of a limit: everything has to wait.
    #[error("GitHub answered {status} (rate limit)")]
    RateLimited {
        /// 403 or 429.
        status: u16,
        /// How long GitHub asks us to wait; none when it does not say.
        wait: Option<Duration>,
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
    /// No connection: no such host, refused, no route, no agreement on TLS.
    #[error("could not connect: {0}")]
    NoConnection(String),
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
    /// Redirected in circles.
    #[error("GitHub redirected the request too often")]
    Redirected,
    /// The run ended before there was an answer.
    #[error("{0}")]
    Stopped(Stop),
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
            | Self::Redirected
            | Self::Stopped(_) => false,
        }
    }

    /// Whether a smaller query might have been answered: GitHub ends one that takes more than ten
    /// seconds with a 502 or 504, often in HTML, or with nothing or half of it.
    #[must_use]
    pub fn may_be_too_much(&self) -> bool {
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

    /// Whether this came from a server that answered, however badly.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::TimedOut(_) | Self::NoConnection(_) | Self::Broken(_) | Self::Stopped(_))
    }

    /// An error of the transport: before an answer's head, or in its body.
    pub(super) fn transport(error: &(dyn Error + 'static), in_body: bool) -> Self {
        let chain = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
        if let Some(missing) = chain().find_map(|error| error.downcast_ref::<NotRecorded>()) {
            return Self::NotRecorded(missing.clone());
        }
        if let Some(lost) = chain().find_map(|error| error.downcast_ref::<NotKept>()) {
            return Self::Stopped(Stop::RecordingFailed(lost.to_string()));
        }
        // The innermost cause says what happened; those around it only repeat it. reqwest's own
        // Display would add the address.
        let cause = text::reason(chain().last().unwrap_or(error));
        let http = chain().find_map(|error| error.downcast_ref::<reqwest::Error>());
        if chain().any(<dyn Error>::is::<LengthLimitError>) {
            return Self::TooLong(MAX_BODY);
        }
        match http {
            Some(http) if http.is_redirect() => Self::Redirected,
            Some(http) if http.is_dns() => Self::NoConnection(format!("no address for this host ({cause})")),
            Some(http) if http.is_connect() && http.is_timeout() => {
                Self::NoConnection("nobody answers at its address".into())
            }
            Some(http) if http.is_connect() => Self::NoConnection(cause),
            _ if in_body => Self::Truncated(cause),
            _ => Self::Broken(cause),
        }
    }
}

/// The error that GitHub sends with a status that is no success.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

/// Turns an answer's head and body into an error, unless it is a success. `redact` takes secrets out
/// of the server's own words; it has to see them whole, before anything is cut.
pub(super) fn check(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    redact: impl Fn(&str) -> String,
) -> Result<(), LookupError> {
    if status.is_success() {
        return Ok(());
    }
    // Proxies answer in HTML, and old servers without some fields: a message is a courtesy.
    let refusal = serde_json::from_slice::<Refusal>(body).ok();
    let is_githubs = refusal.is_some();
    let message =
        visible(&redact(&refusal.and_then(|refusal| refusal.message).unwrap_or_default())).into_owned();
    let limit = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => {
            headers.contains_key("retry-after")
                || header(headers, "x-ratelimit-remaining") == Some("0")
                || is_limit(&message)
        }
        _ => false,
    };
    Err(match status.as_u16() {
        status if limit => LookupError::RateLimited { status, wait: wait_asked(headers, true) },
        401 => LookupError::Unauthorized(message),
        403 => LookupError::Forbidden {
            message: or(message, "no reason given"),
            sso: sso_address(headers).map(|url| visible(&redact(url)).into_owned()),
        },
        404 if is_githubs => LookupError::NotFound,
        // A gateway that does not know the way answers 404 as well. That says nothing of the account.
        404 => LookupError::Status { status: 404, message: "but not in GitHub's words".into(), wait: None },
        status => LookupError::Status { status, message, wait: wait_asked(headers, false) },
    })
}

fn or(message: String, otherwise: &str) -> String {
    if message.is_empty() { otherwise.to_owned() } else { message }
}

/// The beginnings of the messages with which GitHub refuses because of a limit; the last is from
/// before 2021, and still on Enterprise Servers.
fn is_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["you have exceeded a secondary rate limit", "api rate limit exceeded", "you have triggered an abuse"]
        .iter()
        .any(|begin| message.starts_with(begin))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// How long to wait, as GitHub's documentation has it: `retry-after`; else, when nothing remains,
/// until the reset. The reset is told by the server's clock, so it is read against its `Date`.
pub(super) fn wait_asked(headers: &HeaderMap, limited: bool) -> Option<Duration> {
    let date = |text: &str| DateTimeParser::new().parse_timestamp(text).ok();
    let now = header(headers, "date").and_then(date).unwrap_or_else(Timestamp::now);
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    if let Some(after) = header(headers, "retry-after") {
        let digits = !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = digits.then(|| Duration::from_secs(after.parse().unwrap_or(u64::MAX)));
        if let Some(wait) = seconds.or_else(|| date(after).map(until)) {
            return Some(wait);
        }
    }
    if limited && header(headers, "x-ratelimit-remaining") == Some("0") {
        let reset = header(headers, "x-ratelimit-reset")?.parse().ok()?;
        return Timestamp::from_second(reset).ok().map(until);
    }
    None
}

/// `X-GitHub-SSO: required; url=https://github.com/orgs/…`
pub(super) fn sso_address(headers: &HeaderMap) -> Option<&str> {
    let (_, url) = header(headers, "x-github-sso")?.split_once("url=")?;
    Some(url.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> LookupError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        check(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes(), str::to_owned).unwrap_err()
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_not() {
        for status in [408, 500, 502, 503, 504] {
            assert!(answer(status, &[], "<html>").is_transient(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410, 422, 451] {
            assert!(!answer(status, &[], "{}").is_transient(), "{status}");
        }
        assert!(answer(429, &[], "").is_transient());
    }

    #[test]
    fn a_limit_is_told_from_a_refusal() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit. Please wait"}"#;
        assert_eq!(answer(403, &[], secondary), LookupError::RateLimited { status: 403, wait: None });
        assert_eq!(
            answer(403, &[("retry-after", "60")], "{}"),
            LookupError::RateLimited { status: 403, wait: wait(60) }
        );
        assert_eq!(
            answer(
                403,
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "1774180830"),
                    ("date", "Sun, 22 Mar 2026 12:00:00 GMT")
                ],
                "{}"
            ),
            LookupError::RateLimited { status: 403, wait: wait(30) }
        );
        assert_eq!(
            answer(
                429,
                &[
                    ("date", "Sun, 22 Nov 2026 12:00:00 GMT"),
                    ("retry-after", "Sun, 22 Nov 2026 12:01:00 GMT")
                ],
                ""
            ),
            LookupError::RateLimited { status: 429, wait: wait(60) }
        );
        let blocked =
            answer(403, &[("x-ratelimit-remaining", "59")], r#"{"message":"Repository access blocked"}"#);
        assert_eq!(blocked.to_string(), "GitHub refuses access: Repository access blocked");
    }

    #[test]
    fn a_wait_that_makes_no_sense_is_none_and_an_absurd_one_is_long() {
        let wait = |after| answer(429, &[("retry-after", after)], "").wait();
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        for after in ["-1", "1.5", "soon", ""] {
            assert_eq!(wait(after), None, "{after}");
        }
    }

    #[test]
    fn a_404_that_is_not_githubs_says_nothing_of_the_account() {
        assert_eq!(answer(404, &[], r#"{"message":"Not Found"}"#), LookupError::NotFound);
        for body in ["<html>", "", "404 page not found"] {
            assert_eq!(answer(404, &[], body).to_string(), "GitHub answered 404: but not in GitHub's words");
        }
    }

    #[test]
    fn the_address_for_single_sign_on_reaches_the_person() {
        let error = answer(
            403,
            &[("x-github-sso", "required; url=https://github.com/orgs/acme/sso?authorization_request=A")],
            r#"{"message":"Resource protected by organization SAML enforcement."}"#,
        );
        assert_eq!(
            error.to_string(),
            "GitHub refuses access: Resource protected by organization SAML enforcement. \
             (authorize the token at https://github.com/orgs/acme/sso?authorization_request=A)"
        );
    }

    #[test]
    fn a_message_from_a_server_is_one_harmless_line() {
        let error = answer(451, &[], "{\"message\":\"gone\\n\\u001b[31m\"}");
        assert_eq!(error.to_string(), "GitHub answered 451: gone\\n\\u{1b}[31m");
    }
}
