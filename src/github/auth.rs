//! Tokens: where they come from, and how they stay secret.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::redact::redacted;

/// The variables that hold a token for github.com, in the order in which `gh` reads them.
pub const VARIABLES: [&str; 2] = ["GH_TOKEN", "GITHUB_TOKEN"];
/// The variables that hold a token for an Enterprise Server.
pub const ENTERPRISE_VARIABLES: [&str; 2] = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];

/// The command that gives a token where no variable does.
pub const GH: &str = "gh auth token";

/// A token for GitHub's API. Its text is in no `Debug`, no error and no recording.
#[derive(Clone, Debug)]
pub struct Token(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    secret: SecretString,
    /// What stands in the header `Authorization`, made once for all requests.
    header: HeaderValue,
    source: &'static str,
}

/// A text that cannot be a token.
#[derive(Debug, thiserror::Error)]
#[error("{0} holds no token: a token is made of visible ASCII characters without spaces")]
pub struct NotAToken(pub &'static str);

impl Token {
    /// Takes `text` from the variable `source`, without the white space around it: octocrab panics on
    /// the newline that `cat token.txt` leaves.
    ///
    /// # Errors
    /// [`NotAToken`] where the text could not stand in a header.
    pub fn new(text: &str, source: &'static str) -> Result<Self, NotAToken> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotAToken(source));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| NotAToken(source))?;
        // It is shown in no `Debug`, and taken off where a redirect leads elsewhere.
        header.set_sensitive(true);
        Ok(Self(Arc::new(Inner { secret: SecretString::from(text), header, source })))
    }

    /// The variable that it was taken from, or [`GH`].
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.0.source
    }

    /// What stands in the header `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }

    fn secret(&self) -> &str {
        self.0.secret.expose_secret()
    }
}

/// The tokens that nobody shall see: of an app's the last few.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Arc<Mutex<VecDeque<Token>>>);

impl Secrets {
    /// Tokens that are remembered: of those before no request is under way.
    const REMEMBERED: usize = 8;

    pub(super) fn add(&self, token: Token) {
        let mut tokens = self.tokens();
        tokens.push_front(token);
        tokens.truncate(Self::REMEMBERED);
    }

    /// `bytes` with the tokens, should a server have sent them back, taken out.
    pub(super) fn redact<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.tokens().iter().fold(Cow::Borrowed(bytes), |bytes, token| {
            match redacted(&bytes, token.secret()) {
                Cow::Borrowed(_) => bytes,
                Cow::Owned(clean) => Cow::Owned(clean),
            }
        })
    }

    /// A body with the tokens taken out.
    pub(super) fn redact_body(&self, body: Bytes) -> Bytes {
        match self.redact(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(clean) => clean.into(),
        }
    }

    /// Headers with the tokens taken out: some are shown, or asked for.
    pub(super) fn redact_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Cow::Owned(clean) = self.redact(value.as_bytes())
                && let Ok(clean) = HeaderValue::try_from(clean)
            {
                *value = clean;
            }
        }
    }

    fn tokens(&self) -> MutexGuard<'_, VecDeque<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_shown() {
        let token = Token::new("ghp_sample \r\n", "GH_TOKEN").unwrap();
        assert_eq!(token.secret(), "ghp_sample");
        let secrets = Secrets::default();
        secrets.add(token.clone());
        assert!(!format!("{token:?}").contains("sample"));
        let escaped = Bytes::from_static(br#"{"a":["ghp_s\u0061mple"]}"#);
        assert_eq!(secrets.redact_body(escaped), r#"{"a":["[token]"]}"#);
        assert_eq!(secrets.redact(b"Bad credentials: ghp_sample").as_ref(), b"Bad credentials: [token]");
        let mut headers = HeaderMap::new();
        headers.insert("link", HeaderValue::from_static("<https://x/?t=ghp_sample>; rel=\"next\""));
        secrets.redact_headers(&mut headers);
        assert_eq!(headers["link"], "<https://x/?t=[token]>; rel=\"next\"");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused_without_being_shown() {
        for text in ["", "\n", "ghp a", "ghp\nb", "gh\u{e9}"] {
            let refused = Token::new(text, "GH_TOKEN").unwrap_err().to_string();
            assert_eq!(
                refused,
                "GH_TOKEN holds no token: a token is made of visible ASCII characters without spaces"
            );
        }
    }
}
