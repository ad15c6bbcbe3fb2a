//! Tokens: where they come from, and how they stay secret.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderValue;
use memchr::{memchr_iter, memmem};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

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
    header: Option<HeaderValue>,
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
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).ok();
        // It is shown in no `Debug`, and taken off where a redirect leads elsewhere.
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        Ok(Self(Arc::new(Inner { secret: SecretString::from(text), header, source })))
    }

    /// The variable that it was taken from, or [`GH`].
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.0.source
    }

    /// What stands in the header `Authorization`; none where it could not.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.0.header.clone()
    }

    fn secret(&self) -> &str {
        self.0.secret.expose_secret()
    }

    /// `text` with the token, should a server have sent it back, taken out.
    ///
    /// A token of a few letters is none of GitHub's and no secret; taking it out would only mutilate
    /// the words that it is part of.
    fn redact(&self, text: &str) -> String {
        match self.secret() {
            short if short.len() < 6 => text.to_owned(),
            secret => text.replace(secret, "[token]"),
        }
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

    /// `text` with the tokens, should a server have sent them back, taken out.
    pub(super) fn redact(&self, text: &str) -> String {
        self.tokens().iter().fold(text.to_owned(), |text, token| token.redact(&text))
    }

    /// A body with the tokens taken out, be they spelled with JSON's escapes.
    pub(super) fn redact_body(&self, body: &Bytes) -> Bytes {
        // The first 32 bytes: as many can be looked for at once.
        let holds = |secret: &[u8]| memmem::find(body, secret.get(..32).unwrap_or(secret)).is_some();
        // Nearly no answer holds either; all are searched, so it has to be quick.
        let escapes = memchr_iter(b'\\', body).any(|at| body.get(at + 1) == Some(&b'u'));
        if !escapes && !self.tokens().iter().any(|token| holds(token.secret().as_bytes())) {
            return body.clone();
        }
        // What is no text is no message either, and never shown.
        std::str::from_utf8(body).map_or_else(|_| body.clone(), |text| self.redact_json(text).into())
    }

    /// The same of a text that may be JSON.
    pub(super) fn redact_json(&self, text: &str) -> String {
        match serde_json::from_str(text) {
            Ok(mut json) => {
                self.redact_value(&mut json);
                json.to_string()
            }
            Err(_) => self.redact(text),
        }
    }

    fn tokens(&self) -> MutexGuard<'_, VecDeque<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redact_value(&self, json: &mut Value) {
        match json {
            Value::String(text) => *text = self.redact(text),
            Value::Array(list) => list.iter_mut().for_each(|value| self.redact_value(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.redact_value(value)),
            _ => {}
        }
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
        assert_eq!(secrets.redact_body(&escaped), r#"{"a":["[token]"]}"#);
        assert_eq!(secrets.redact("Bad credentials: ghp_sample"), "Bad credentials: [token]");
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
