//! Responses that GitHub's API does not send: those of gateways, sign-in pages, maintenance pages, and single sign-on.
//!
//! They say nothing about an account. GitHub's own pages for 5xx are HTML too; these are not recognized here.

use std::fmt;

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use memchr::memmem;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::object::Object;
use crate::rate_limit::header_str;
use crate::text::{collapse_whitespace, redact_url, sanitize_line};

/// Upper bound on the part of a page that is searched for its title, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// Upper bound on the title, or on the quoted beginning of another body, in characters.
const MAX_QUOTE: usize = 100;

/// Part of the message after several requests with a token that is not valid, in lower case. GitHub sends it with a 403, in two
/// wordings.
pub(super) const TOO_MANY_LOGINS: &str = "number of login attempt";

/// Parts of messages that GitHub sends with a 403, in lower case.
const FORBIDDEN_MESSAGES: [&str; 13] = [
    "forbids access via",
    "ip allow list",
    TOO_MANY_LOGINS,
    "must have admin rights",
    "must have push access",
    "need to be a member",
    "oauth app access restrictions",
    "personal access token",
    "repository access blocked",
    "request forbidden by administrative rules",
    "resource not accessible by",
    "saml",
    "user agent string",
];

/// A JSON body with which GitHub reports an error.
#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    documentation_url: Option<Value>,
    /// The HTTP status as text, since 2024.
    status: Option<Value>,
}

impl ErrorBody {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok().map(|Object(body)| body)
    }

    fn is_from_github(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.documentation_url.as_ref().is_some_and(Value::is_string)
            || self.status.as_ref().and_then(Value::as_str) == Some(status.as_str())
            || headers.contains_key("x-github-request-id")
            || match status.as_u16() {
                403 => {
                    is_suspension(&message) || FORBIDDEN_MESSAGES.iter().any(|part| message.contains(part))
                }
                404 => self.message == "Not Found",
                _ => true,
            }
    }
}

/// Returns true for the message, in lower case, that GitHub sends to an account or app that it refuses: one that is suspended,
/// flagged, locked, blocked or not verified.
pub(super) fn is_suspension(message: &str) -> bool {
    let is_locked =
        message.contains("your account") && (message.contains("locked") || message.contains("disabled"));
    let is_suspended = (message.contains("suspended") || message.contains("flagged"))
        && ["account", "app", "installation", "integration"].iter().any(|noun| message.contains(noun));
    let is_unverified = message.contains("email address")
        && ["must verify", "must be verified", "not verified"].iter().any(|part| message.contains(part));
    is_locked || is_suspended || is_unverified
}

/// Returns true for a response that is not GitHub's.
pub(super) fn is_foreign(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
    match status.as_u16() {
        // GitHub sends an empty body for a query that took too long. Binary data is a response that was damaged.
        200..300 => {
            !matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
                && str::from_utf8(body).is_ok()
        }
        300..400 => true,
        429 => is_html(headers, body),
        // A proxy's limit on the duration of a request.
        408 => false,
        403 if headers.contains_key("x-github-sso") => false,
        400..500 => ErrorBody::parse(body).is_none_or(|body| !body.is_from_github(status, headers)),
        _ => false,
    }
}

pub(super) fn is_html(headers: &HeaderMap, body: &[u8]) -> bool {
    header_str(headers, "content-type").is_some_and(|kind| kind.starts_with("text/html"))
        || body.trim_ascii_start().first() == Some(&b'<')
}

/// A response that is not GitHub's, as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignResponse(String);

impl ForeignResponse {
    /// `url`: that of the request. It is named without its query, which may contain secrets.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8], url: &str) -> Self {
        let target = header_str(headers, LOCATION).filter(|_| status.is_redirection());
        let target = target.and_then(|location| Url::parse(url).ok()?.join(location).ok());
        let status = status.as_u16();
        if let Some(mut target) = target {
            target.set_query(None);
            target.set_fragment(None);
            return Self(format!("HTTP {status} redirects to {}", redact_url(target.as_str())));
        }
        let content = match (title(body), quote(body)) {
            (Some(title), _) => format!("with the page {title:?}"),
            (None, text) if text.is_empty() => "without a body".to_owned(),
            (None, text) => format!("with {text}"),
        };
        let address = sanitize_line(url.split('?').next().unwrap_or(url));
        Self(format!("HTTP {status} {content} at {address}"))
    }
}

impl fmt::Display for ForeignResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the title of an HTML page, unless it only names its HTTP status.
pub(super) fn telling_title(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    title(body).filter(|title| is_html(headers, body) && !title.starts_with(status.as_str()))
}

/// Returns the title of an HTML page.
fn title(body: &[u8]) -> Option<String> {
    let head = body.get(..MAX_HEAD).unwrap_or(body).to_ascii_lowercase();
    let start = memmem::find(&head, b"<title")?;
    let start = start + memmem::find(head.get(start..)?, b">")? + 1;
    let length = memmem::find(head.get(start..)?, b"</title")?;
    let title = quote(body.get(start..start + length)?);
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&middot;", "·"), ("&amp;", "&")];
    let title = entities.into_iter().fold(title, |title, (entity, text)| title.replace(entity, text));
    (!title.is_empty()).then_some(title)
}

/// Returns the beginning of a text, on one line.
fn quote(text: &[u8]) -> String {
    let text = text.get(..4 * MAX_QUOTE).unwrap_or(text);
    let text = collapse_whitespace(&String::from_utf8_lossy(text));
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", sanitize_line(text.get(..end).unwrap_or_default())),
        None => sanitize_line(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn describe(status: u16, headers: &[(&'static str, &str)], body: &str) -> Option<String> {
        let status = StatusCode::from_u16(status).unwrap();
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let url = "https://api.example/users/a?secret=1";
        is_foreign(status, &headers, body.as_bytes())
            .then(|| ForeignResponse::new(status, &headers, body.as_bytes(), url).to_string())
    }

    #[test]
    fn a_page_of_another_server_is_named_by_its_title() {
        for (body, text) in [
            ("<html><title>Sign in</title>", "the page \"Sign in\""),
            (
                "<HTML lang=\"de\"><Title class=x>\n A &lt;b&gt;\n &amp;lt; </TITLE>",
                "the page \"A <b> &lt;\"",
            ),
            ("<title></title>", "<title></title>"),
            ("<title>cut off", "<title>cut off"),
            ("Maintenance \u{1b}[2J", "Maintenance \\u{1b}[2J"),
        ] {
            let expected = format!("HTTP 200 with {text} at https://api.example/users/a");
            assert_eq!(describe(200, &[], body).as_deref(), Some(&*expected), "{body}");
        }
        let long = describe(404, &[], &format!("<title>{}</title>", "ä".repeat(500))).unwrap();
        assert!(long.contains(&format!("\"{}…\"", "ä".repeat(100))), "{long}");
    }

    #[test]
    fn a_redirect_is_named_by_its_target_without_a_query() {
        for (location, target) in [
            ("https://me:secret@sso.example/login?x=secret#y", "redirects to https://sso.example/login"),
            ("/login", "redirects to https://api.example/login"),
            ("http://[bad", "with {} at https://api.example/users/a"),
        ] {
            let text = describe(302, &[("location", location)], "{}");
            assert_eq!(text, Some(format!("HTTP 302 {target}")), "{location}");
        }
    }

    #[test]
    fn githubs_own_refusals_are_recognized() {
        for (status, headers, body) in [
            (200, &[][..], "{}"),
            (200, &[], " [1]"),
            (200, &[], ""),
            (502, &[], "<html><title>Unicorn!</title>"),
            (503, &[], ""),
            (429, &[], ""),
            // The page of a proxy in front of GitHub: the request may succeed later.
            (408, &[], "<html><title>Request Timeout</title>"),
            (404, &[], r#"{"message":"Not Found"}"#),
            (404, &[], r#"{"message":"Rate limiting is not enabled.","documentation_url":"https://docs"}"#),
            (403, &[], r#"{"message":"Resource not accessible by integration"}"#),
            (403, &[], r#"{"message":"You need to be a member"}"#),
            (403, &[], r#"{"message":"Missing or invalid User Agent string."}"#),
            (403, &[], r#"{"message":"Max number of login attempt exceeded"}"#),
            (
                403,
                &[],
                r#"{"message":"Although you appear to have the correct authorization credentials, the `a` organization has an IP allow list enabled"}"#,
            ),
            (403, &[], r#"{"message":"Anything","status":"403"}"#),
            (403, &[("x-github-request-id", "A")], r#"{"message":"Anything"}"#),
            (403, &[("x-github-sso", "required; url=x")], "{}"),
            (401, &[], r#"{"message":"Bad credentials"}"#),
            (422, &[], r#"{"message":"Validation Failed"}"#),
        ] {
            assert_eq!(describe(status, headers, body), None, "{status} {body}");
        }
    }

    #[test]
    fn other_refusals_are_not_githubs() {
        for (status, body) in [
            (200, "<html>"),
            (200, "null"),
            (400, "<html>"),
            (401, "{}"),
            (403, r#"{"message":"Forbidden"}"#),
            (403, r#"{"message":null,"documentation_url":"https://docs"}"#),
            (403, ""),
            (404, r#"{"message":"not found"}"#),
            (404, r#"["Not Found"]"#),
            (410, "gone"),
            (413, "<html>"),
            (418, "I'm a teapot"),
            (422, "{}"),
            (429, "<html>"),
            (451, "<html>"),
        ] {
            assert!(describe(status, &[], body).is_some(), "{status} {body}");
        }
    }
}
