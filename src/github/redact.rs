//! Removes tokens from responses: servers have been seen to send them back, in several encodings.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::{memchr2, memchr3_iter, memmem};

use super::credentials::Token;
use super::lock;

/// Tokens that are remembered. Installation tokens are renewed; no request is in flight with an older one.
const MAX_REMEMBERED_TOKENS: usize = 8;
/// Shortest secret that is redacted, in bytes. GitHub's tokens are longer, and a shorter text is part of other words.
const MIN_SECRET_LEN: usize = 6;
const PLACEHOLDER: &[u8] = b"[token]";

#[derive(Default)]
pub(super) struct Redactor(Mutex<VecDeque<Token>>);

impl Redactor {
    pub(super) fn add(&self, token: Token) {
        let mut tokens = lock(&self.0);
        tokens.push_front(token);
        tokens.truncate(MAX_REMEMBERED_TOKENS);
    }

    fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        lock(&self.0).iter().fold(Cow::Borrowed(bytes), |bytes, token| match redact(&bytes, token.secret()) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(redacted) => Cow::Owned(redacted),
        })
    }

    pub(super) fn redact_body(&self, body: Bytes) -> Bytes {
        match self.redact(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(redacted) => redacted.into(),
        }
    }

    pub(super) fn redact_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Cow::Owned(redacted) = self.redact(value.as_bytes())
                && let Ok(redacted) = HeaderValue::try_from(redacted)
            {
                *value = redacted;
            }
        }
    }
}

/// Replaces a secret: plain, with JSON escapes, or percent-encoded. Works on bytes, because a response may be cut off or not be
/// UTF-8.
fn redact<'a>(bytes: &'a [u8], secret: &str) -> Cow<'a, [u8]> {
    let secret = secret.as_bytes();
    let is_long_enough = (MIN_SECRET_LEN..=bytes.len()).contains(&secret.len());
    let Some(first) = secret.first().filter(|_| is_long_enough) else { return Cow::Borrowed(bytes) };
    // Every response is searched, and almost none has the secret. memchr searches for up to 32 bytes at once.
    let may_be_encoded = memchr2(b'\\', b'%', bytes).is_some();
    if !may_be_encoded && memmem::find(bytes, secret.get(..32).unwrap_or(secret)).is_none() {
        return Cow::Borrowed(bytes);
    }
    let (mut redacted, mut copied) = (Vec::new(), 0);
    for start in memchr3_iter(*first, b'\\', b'%', bytes) {
        let end = if start < copied { None } else { match_encoded(bytes, start, secret) };
        let Some(end) = end else { continue };
        redacted.extend_from_slice(bytes.get(copied..start).unwrap_or_default());
        redacted.extend_from_slice(PLACEHOLDER);
        copied = end;
    }
    if copied == 0 {
        return Cow::Borrowed(bytes);
    }
    redacted.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Cow::Owned(redacted)
}

/// Returns the end of the secret that begins at `start`.
fn match_encoded(bytes: &[u8], start: usize, secret: &[u8]) -> Option<usize> {
    let mut rest = bytes.get(start..)?;
    for byte in secret {
        rest = match rest {
            [b'\\', b'u', a, b, c, d, rest @ ..] if parse_hex(&[*a, *b, *c, *d]) == Some((*byte).into()) => {
                rest
            }
            [b'%', a, b, rest @ ..] if parse_hex(&[*a, *b]) == Some((*byte).into()) => rest,
            [b'\\', same, rest @ ..] if same == byte && matches!(byte, b'"' | b'/' | b'\\') => rest,
            [same, rest @ ..] if same == byte => rest,
            _ => return None,
        };
    }
    Some(bytes.len() - rest.len())
}

fn parse_hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_headers_are_redacted() {
        let redactor = Redactor::default();
        redactor.add(Token::new("ghp_sample", "GH_TOKEN").unwrap());
        let escaped = Bytes::from_static(br#"{"a":["ghp_s\u0061mple"]}"#);
        assert_eq!(redactor.redact_body(escaped), r#"{"a":["[token]"]}"#);
        assert_eq!(redactor.redact(b"Bad credentials: ghp_sample").as_ref(), b"Bad credentials: [token]");
        let mut headers = HeaderMap::new();
        headers.insert("link", HeaderValue::from_static("<https://x/?t=ghp_sample>; rel=\"next\""));
        redactor.redact_headers(&mut headers);
        assert_eq!(headers["link"], "<https://x/?t=[token]>; rel=\"next\"");
    }

    fn without(text: &str, secret: &str) -> String {
        String::from_utf8(redact(text.as_bytes(), secret).into_owned()).unwrap()
    }

    #[test]
    fn a_secret_is_removed_however_it_is_encoded() {
        for text in [
            "ghp_sample",
            r"ghp_s\u0061mple",
            r"\u0067\u0068\u0070\u005f\u0073\u0061\u006d\u0070\u006c\u0065",
            r"\u0067\u0068\u0070\u005F\u0073\u0061\u006D\u0070\u006C\u0065",
            "ghp%5fsample",
            "%67%68%70%5F%73%61%6D%70%6C%65",
            r"ghp%5Fs\u0061mple",
        ] {
            assert_eq!(without(text, "ghp_sample"), "[token]", "{text}");
            assert_eq!(
                without(&format!("ghp_{text}% \\{text}\\u"), "ghp_sample"),
                "ghp_[token]% \\[token]\\u"
            );
            // A body that was cut off is not JSON.
            assert_eq!(without(&format!("{{\"a\": \"{text}"), "ghp_sample"), "{\"a\": \"[token]");
        }
        assert_eq!(without(r#"a\/b\"c\\d a/b"c\d"#, r#"a/b"c\d"#), "[token] [token]");
        assert_eq!(redact(b"\xff ghp_sample \xff", "ghp_sample").as_ref(), b"\xff [token] \xff");
    }

    #[test]
    fn everything_else_is_unchanged() {
        for text in ["", "ghp_", r"ghp_s\u0062mple", "ghp_sampl%", r"ghp_s\u00", "100% \\", "GHP_SAMPLE"] {
            assert!(matches!(redact(text.as_bytes(), "ghp_sample"), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(without("write to me", "to"), "write to me");
        assert_eq!(without("anything", ""), "anything");
    }
}
