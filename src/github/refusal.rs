//! Answers that are no success: what the status, the headers and GitHub's own words mean.

use std::time::Duration;

use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;

use super::connect::ConnectError;
use super::error::LookupError;
use super::tls::TlsError;
use crate::object::Object;
use crate::rate_limit::clock::parse_date;
use crate::rate_limit::quota::{QuotaHeaders, REMAINING, header_str};
use crate::text::visible;

static SSO: HeaderName = HeaderName::from_static("x-github-sso");

/// The error that GitHub sends with a status that is no success.
#[derive(Deserialize)]
struct Refusal {
    message: Option<String>,
}

/// Turns an answer's head and body into an error, unless it is a success.
pub(crate) fn check(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), LookupError> {
    if status.is_success() {
        return Ok(());
    }
    // Proxies answer in HTML, and old servers without some fields: a message is a courtesy.
    let refusal = serde_json::from_slice::<Object<Refusal>>(body).ok().map(|Object(refusal)| refusal);
    let is_githubs = refusal.is_some();
    let message = visible(&refusal.and_then(|refusal| refusal.message).unwrap_or_default()).into_owned();
    let limit = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => {
            headers.contains_key(RETRY_AFTER)
                || header_str(headers, &REMAINING) == Some("0")
                || is_limit(&message)
        }
        _ => false,
    };
    Err(match status.as_u16() {
        status if limit => limited(status, headers),
        400 if wants_client_certificate(body) => ConnectError::Tls(TlsError::ClientCertificate).into(),
        401 => LookupError::Unauthorized(message),
        403 => LookupError::Forbidden {
            message: or(message, "no reason given"),
            sso: sso_address(headers).map(|url| visible(url).into_owned()),
        },
        404 if is_githubs => LookupError::NotFound,
        // It began as GitHub's answer, and broke off.
        404 if body.trim_ascii_start().starts_with(b"{") => LookupError::Malformed("not JSON"),
        // A gateway that does not know the way answers 404 as well. That says nothing of the account.
        404 => LookupError::Status { status: 404, message: "but not in GitHub's words".into(), wait: None },
        status => LookupError::Status { status, message, wait: wait_asked(headers) },
    })
}

/// Whether it is nginx's page for a client without a certificate, which it sends after the handshake.
fn wants_client_certificate(body: &[u8]) -> bool {
    memchr::memmem::find(body, b"No required SSL certificate was sent").is_some()
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

/// A refusal because of a limit, as GitHub's documentation tells them apart: with `retry-after` the
/// wait is told; where nothing remains, it is until the reset; else it is not told.
pub(super) fn limited(status: u16, headers: &HeaderMap) -> LookupError {
    let wait = wait_asked(headers);
    let primary = QuotaHeaders::parse(headers).is_some_and(|quota| quota.remaining == 0);
    LookupError::RateLimited { status, wait, primary }
}

/// The wait that `retry-after` asks for, in seconds or until a date of the server's clock.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let after = header_str(headers, RETRY_AFTER)?;
    if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(after.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTimeParser::new().parse_timestamp(after).ok()?;
    let now = parse_date(headers).unwrap_or_else(Timestamp::now);
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

/// `X-GitHub-SSO: required; url=https://github.com/orgs/…`
pub(super) fn sso_address(headers: &HeaderMap) -> Option<&str> {
    let (_, url) = header_str(headers, &SSO)?.split_once("url=")?;
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
        check(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes()).unwrap_err()
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
        assert_eq!(
            answer(403, &[], secondary),
            LookupError::RateLimited { status: 403, wait: None, primary: false }
        );
        assert_eq!(
            answer(403, &[("retry-after", "60")], "{}"),
            LookupError::RateLimited { status: 403, wait: wait(60), primary: false }
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
            LookupError::RateLimited { status: 403, wait: None, primary: true }
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
            LookupError::RateLimited { status: 429, wait: wait(60), primary: false }
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
        assert!(answer(404, &[], r#"{"message":"Not F"#).is_transient(), "it broke off");
        for body in ["<html>", "", "404 page not found", r#"["Not Found"]"#] {
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
