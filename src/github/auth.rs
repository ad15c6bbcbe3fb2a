//! Tokens: where they come from, and how they stay secret.

use bytes::Bytes;
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
pub struct Token {
    secret: SecretString,
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
        Ok(Self { secret: SecretString::from(text), source })
    }

    /// The variable that it was taken from, or [`GH`].
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// `text` with the token, should a server have sent it back, taken out.
    ///
    /// A token of a few letters is none of GitHub's and no secret; taking it out would only mutilate
    /// the words that it is part of.
    pub(super) fn redact(&self, text: &str) -> String {
        match self.secret.expose_secret() {
            short if short.len() < 6 => text.to_owned(),
            secret => text.replace(secret, "[token]"),
        }
    }
}

impl Token {
    /// A body with the token taken out, be it spelled with JSON's escapes.
    pub(super) fn redact_body(&self, body: &Bytes) -> Bytes {
        match std::str::from_utf8(body) {
            Ok(text) if text.contains("\\u") || text.contains(self.secret.expose_secret()) => {
                self.redact_json(text).into()
            }
            // What is no text is no message either, and never shown.
            _ => body.clone(),
        }
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
        assert_eq!(token.secret().expose_secret(), "ghp_sample");
        assert!(!format!("{token:?}").contains("sample"));
        let escaped = Bytes::from_static(br#"{"a":["ghp_s\u0061mple"]}"#);
        assert_eq!(token.redact_body(&escaped), r#"{"a":["[token]"]}"#);
        assert_eq!(token.redact("Bad credentials: ghp_sample"), "Bad credentials: [token]");
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
