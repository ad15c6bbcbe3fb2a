//! Taking secrets out of what a server sends back, however it spells them.

use std::borrow::Cow;

use memchr::{memchr2, memchr3_iter, memmem};

/// A token of a few letters is none of GitHub's and no secret; taking it out would only mutilate the words
/// that it is part of.
const SHORTEST: usize = 6;
const INSTEAD: &[u8] = b"[token]";

/// `bytes` without the secret, be it spelled as it is, with JSON's escapes or as in an address.
///
/// It looks at bytes and not at text or JSON: what is cut off in the middle, or is no UTF-8, may hold a
/// secret as well.
pub(super) fn redacted<'a>(bytes: &'a [u8], secret: &str) -> Cow<'a, [u8]> {
    let secret = secret.as_bytes();
    let Some((first, _)) = secret.split_first().filter(|_| (SHORTEST..=bytes.len()).contains(&secret.len()))
    else {
        return Cow::Borrowed(bytes);
    };
    // Nearly no answer holds it; all are searched, so it has to be quick. The first 32 bytes: as many can be
    // looked for at once.
    let found = |secret: &[u8]| memmem::find(bytes, secret.get(..32).unwrap_or(secret)).is_some();
    if memchr2(b'\\', b'%', bytes).is_none() && !found(secret) {
        return Cow::Borrowed(bytes);
    }
    let (mut clean, mut done) = (Vec::new(), 0);
    for at in memchr3_iter(*first, b'\\', b'%', bytes) {
        let Some(end) = (at >= done).then(|| spelled(bytes, at, secret)).flatten() else { continue };
        clean.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        clean.extend_from_slice(INSTEAD);
        done = end;
    }
    if done == 0 {
        return Cow::Borrowed(bytes);
    }
    clean.extend_from_slice(bytes.get(done..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Where the secret ends that is spelled from here on, if it is.
fn spelled(bytes: &[u8], at: usize, secret: &[u8]) -> Option<usize> {
    let mut rest = bytes.get(at..)?;
    for byte in secret {
        let hex = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        rest = match rest {
            [b'\\', b'u', a, b, c, d, rest @ ..] if hex(&[*a, *b, *c, *d]) == Some((*byte).into()) => rest,
            [b'%', a, b, rest @ ..] if hex(&[*a, *b]) == Some((*byte).into()) => rest,
            [b'\\', same, rest @ ..] if same == byte && matches!(byte, b'"' | b'/' | b'\\') => rest,
            [same, rest @ ..] if same == byte => rest,
            _ => return None,
        };
    }
    Some(bytes.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, secret: &str) -> String {
        String::from_utf8(redacted(text.as_bytes(), secret).into_owned()).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_however_it_is_spelled() {
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
            // In the middle of a body, cut off and no JSON.
            assert_eq!(without(&format!("{{\"a\": \"{text}"), "ghp_sample"), "{\"a\": \"[token]");
        }
        assert_eq!(without(r#"a\/b\"c\\d a/b"c\d"#, r#"a/b"c\d"#), "[token] [token]");
        assert_eq!(redacted(b"\xff ghp_sample \xff", "ghp_sample").as_ref(), b"\xff [token] \xff");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in ["", "ghp_", r"ghp_s\u0062mple", "ghp_sampl%", r"ghp_s\u00", "100% \\", "GHP_SAMPLE"] {
            assert!(matches!(redacted(text.as_bytes(), "ghp_sample"), Cow::Borrowed(_)), "{text}");
        }
        assert_eq!(without("write to me", "to"), "write to me");
        assert_eq!(without("anything", ""), "anything");
    }
}
