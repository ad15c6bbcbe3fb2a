//! Removes tokens from responses: servers have been seen to send them back, in several encodings.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::{memchr3, memchr3_iter, memmem};

use super::credentials::Token;
use super::lock;

/// Tokens that are remembered; each one makes a search longer. An app gets another one every hour, and signs each attempt to get
/// it: those of eight hours without failures.
const MAX_REMEMBERED_TOKENS: usize = 16;
/// Shortest secret that is redacted, in bytes. GitHub's tokens are longer, and a shorter text is part of other words.
const MIN_SECRET_LEN: usize = 6;
/// Shortest beginning of a longer secret that is redacted, in bytes: servers cut long texts.
const MIN_PREFIX_LEN: usize = 20;
/// Longest HTML tag that is skipped within a secret, in bytes.
const MAX_TAG_LEN: usize = 100;
const PLACEHOLDER: &[u8] = b"[token]";

/// Part of a secret that is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    /// At least [`MIN_PREFIX_LEN`] bytes, and the rest of the word that they begin.
    Beginning,
}

#[derive(Default)]
pub(super) struct Redactor(Mutex<VecDeque<Token>>);

impl Redactor {
    pub(super) fn add(&self, token: Token) {
        let mut tokens = lock(&self.0);
        tokens.push_front(token);
        tokens.truncate(MAX_REMEMBERED_TOKENS);
    }

    fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let tokens = lock(&self.0);
        // All tokens of an app begin alike: the beginning of one must not be taken for another one that was cut.
        let passes = [Extent::Whole, Extent::Beginning].into_iter();
        let searches = passes.flat_map(|extent| tokens.iter().map(move |token| (token, extent)));
        searches.fold(Cow::Borrowed(bytes), |bytes, (token, extent)| {
            match redact(&bytes, token.secret(), extent) {
                Cow::Borrowed(_) => bytes,
                Cow::Owned(redacted) => Cow::Owned(redacted),
            }
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

/// Replaces a secret: plain, with JSON escapes, HTML entities or percent-encoded, wrapped by white space or HTML tags, or cut off.
/// Works on bytes, because a response may be cut off or not be UTF-8.
fn redact<'a>(bytes: &'a [u8], secret: &str, extent: Extent) -> Cow<'a, [u8]> {
    let secret = secret.as_bytes();
    let (Some(first), Some(prefix)) = (secret.first(), secret.get(..4)) else { return Cow::Borrowed(bytes) };
    // Every response is searched, and almost none has the secret. memchr searches for up to 32 bytes at once.
    let may_be_encoded = memchr3(b'\\', b'%', b'&', bytes).is_some();
    if secret.len() < MIN_SECRET_LEN || !may_be_encoded && memmem::find(bytes, prefix).is_none() {
        return Cow::Borrowed(bytes);
    }
    let (mut redacted, mut copied) = (Vec::new(), 0);
    for start in memchr3_iter(*first, b'\\', b'%', bytes) {
        let end = if start < copied { None } else { match_encoded(bytes, start, secret, extent) };
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
fn match_encoded(bytes: &[u8], start: usize, secret: &[u8], extent: Extent) -> Option<usize> {
    let mut rest = bytes.get(start..)?;
    for (matched, byte) in secret.iter().enumerate() {
        // A token may contain any printable character, those of a tag as well.
        let after = match strip_encoded(rest, *byte) {
            None if matched > 0 => strip_encoded(skip_wrapping(rest), *byte),
            after => after,
        };
        match after {
            Some(after) => rest = after,
            None if extent == Extent::Beginning && matched >= MIN_PREFIX_LEN => {
                rest = rest.get(rest.iter().take_while(|byte| is_in_word(**byte)).count()..)?;
                break;
            }
            None => return None,
        }
    }
    Some(bytes.len() - rest.len())
}

fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// Returns the text after its first byte, if that is `byte` in any encoding.
fn strip_encoded(text: &[u8], byte: u8) -> Option<&[u8]> {
    let code = Some(u32::from(byte));
    match text {
        [b'\\', b'u', a, b, c, d, rest @ ..] if parse_number(&[*a, *b, *c, *d], 16) == code => Some(rest),
        [b'%', a, b, rest @ ..] if parse_number(&[*a, *b], 16) == code => Some(rest),
        [b'\\', same, rest @ ..] if *same == byte && matches!(byte, b'"' | b'/' | b'\\') => Some(rest),
        [same, rest @ ..] if *same == byte => Some(rest),
        [b'&', b'#', entity @ ..] => {
            let end = entity.iter().take(MAX_TAG_LEN).position(|byte| *byte == b';')?;
            let entity_code = match entity.get(..end)? {
                [b'x' | b'X', digits @ ..] => parse_number(digits, 16),
                digits => parse_number(digits, 10),
            };
            entity.get(end + 1..).filter(|_| entity_code == code)
        }
        _ => None,
    }
}

/// Returns the text after what a page may have within a long word: white space, soft hyphens, zero-width spaces and tags.
fn skip_wrapping(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b' ' | b'\t' | b'\r' | b'\n', rest @ ..]
            | [b'\\', b'n' | b'r' | b't', rest @ ..]
            | [0xc2, 0xad, rest @ ..]
            | [0xe2, 0x80, 0x8b, rest @ ..] => rest,
            [b'<', tag @ ..] => {
                let end = tag.iter().take(MAX_TAG_LEN).position(|byte| *byte == b'>');
                match end.and_then(|end| tag.get(end + 1..)) {
                    Some(rest) => rest,
                    None => return text,
                }
            }
            _ => return text,
        };
    }
}

fn parse_number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
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
        let redactor = Redactor::default();
        if let Ok(token) = Token::new(secret, "GH_TOKEN") {
            redactor.add(token);
        }
        String::from_utf8(redactor.redact(text.as_bytes()).into_owned()).unwrap()
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
        let redacted = redact(b"\xff ghp_sample \xff", "ghp_sample", Extent::Whole);
        assert_eq!(redacted.as_ref(), b"\xff [token] \xff");
    }

    #[test]
    fn a_long_secret_is_removed_when_it_is_wrapped_or_cut() {
        let secret = "ghs_12345_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjEyfQ.SAMPLE-sample_0123456789";
        let parts: Vec<_> =
            secret.as_bytes().chunks(7).map(|part| std::str::from_utf8(part).unwrap()).collect();
        for separator in [
            "",
            " ",
            "\n",
            "\r\n  ",
            r"\n",
            "<wbr>",
            "<br/>\n",
            "</span><span class=\"x\">",
            "\u{ad}",
            "\u{200b}",
        ] {
            let wrapped = parts.join(separator);
            assert_eq!(without(&format!("<p>{wrapped}</p>"), secret), "<p>[token]</p>", "{separator:?}");
        }
        let entities = secret.replace('_', "&#95;").replace('.', "&#x2E;").replace('-', "&#45;");
        assert_eq!(without(&format!("<p>{entities}&#39;"), secret), "<p>[token]&#39;");
        for length in [20, 31, 32, 33, secret.len() - 1] {
            let cut = &secret[..length];
            assert_eq!(without(cut, secret), "[token]", "{length}");
            assert_eq!(
                without(&format!("{cut}… <b>{cut}</b>"), secret),
                "[token]… <b>[token]</b>",
                "{length}"
            );
        }
        // A line end or a tag before a secret is no part of it.
        assert_eq!(
            without(&format!(r"a\n{secret}%20 <b>{secret}</b>"), secret),
            r"a\n[token]%20 <b>[token]</b>"
        );
        let odd = r"token\nwith<characters>&#of-pages";
        assert_eq!(without(&format!("<p>{odd}</p>"), odd), "<p>[token]</p>");
        assert_eq!(without("ghs_12345_eyJ ghs_12345_other <b", secret), "ghs_12345_eyJ ghs_12345_other <b");
    }

    #[test]
    fn tokens_with_the_same_beginning_are_all_removed() {
        let redactor = Redactor::default();
        let tokens =
            [".oldest", ".older", ".a-newer-one"].map(|end| format!("ghs_12345_eyJhbGciOiJSUzI1NiJ9{end}"));
        for token in &tokens {
            redactor.add(Token::new(token, "GH_TOKEN").unwrap());
        }
        for separator in [" ", ", ", "</p><p>"] {
            let redacted = redactor.redact(tokens.join(separator).as_bytes()).into_owned();
            assert_eq!(String::from_utf8(redacted).unwrap(), ["[token]"; 3].join(separator));
        }
        let unknown = "a ghs_12345_eyJhbGciOiJSUzI1NiJ9.of_another-job.";
        assert_eq!(redactor.redact(unknown.as_bytes()).as_ref(), b"a [token]");
    }

    #[test]
    fn everything_else_is_unchanged() {
        for text in ["", "ghp_", r"ghp_s\u0062mple", "ghp_sampl%", r"ghp_s\u00", "100% \\", "GHP_SAMPLE"] {
            assert!(
                matches!(redact(text.as_bytes(), "ghp_sample", Extent::Beginning), Cow::Borrowed(_)),
                "{text}"
            );
        }
        assert_eq!(without("write to me", "to"), "write to me");
        assert_eq!(without("anything", ""), "anything");
    }
}
