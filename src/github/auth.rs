//! Tokens: where they come from, and how they stay secret.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::redact::redacted;

/// Variables with a token for github.com and ghe.com, in the order in which `gh` reads them.
pub const TOKEN_ENV_VARS: [&str; 2] = ["GH_TOKEN", JOB_TOKEN_ENV_VAR];
/// Variables with a token for an Enterprise Server, in the order in which `gh` reads them.
pub const ENTERPRISE_TOKEN_ENV_VARS: [&str; 2] = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];
/// Variable with the token of a GitHub Actions job.
pub const JOB_TOKEN_ENV_VAR: &str = "GITHUB_TOKEN";

/// Source of a token that no variable has.
pub const GH_CLI_SOURCE: &str = "gh auth token";

/// A token for GitHub's API. Its text is in no `Debug`, no error and no recording.
#[derive(Clone, Debug)]
pub struct Token(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    secret: SecretString,
    /// What stands in the header `Authorization`, made once for all requests.
    header: HeaderValue,
    source: &'static str,
    kind: TokenKind,
}

/// Kind of a token, which decides the permissions that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Personal access token with scopes.
    Classic,
    /// Personal access token with permissions.
    FineGrained,
    /// Token of an OAuth app such as `gh`, with scopes.
    OAuthApp,
    /// Token of a person who uses a GitHub App.
    AppUser,
    /// Token of a GitHub App's installation, such as that of an Actions job.
    Installation,
    /// Token without a documented prefix, as older servers issue.
    Unknown,
}

impl TokenKind {
    fn of(text: &str) -> Self {
        match text.split_inclusive('_').next() {
            Some("ghp_") => Self::Classic,
            Some("github_") if text.starts_with("github_pat_") => Self::FineGrained,
            Some("gho_") => Self::OAuthApp,
            Some("ghu_") => Self::AppUser,
            Some("ghs_") => Self::Installation,
            _ => Self::Unknown,
        }
    }
}

/// A text that cannot be a token. The message never contains the text.
#[derive(Debug, thiserror::Error)]
#[error("{}{from} is not a valid token: {reason}", if *.from == GH_CLI_SOURCE { "the output of " } else { "" })]
pub struct InvalidToken {
    from: &'static str,
    reason: InvalidTokenReason,
}

/// Why a text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenReason {
    /// Quotes that a shell would have removed, and an `env` file or a CI variable keeps.
    #[error("remove the quotes around it")]
    Quoted,
    /// The scheme of the header `Authorization` in front of the token.
    #[error("remove {0:?} in front of it")]
    Scheme(&'static str),
    /// A character that cannot be in a header, or a space.
    #[error("expected printable ASCII without spaces")]
    InvalidCharacter,
}

impl InvalidTokenReason {
    fn of(text: &str) -> Option<Self> {
        if text.starts_with(is_quote) || text.ends_with(is_quote) {
            return Some(Self::Quoted);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let first = text.split_whitespace().next().unwrap_or_default();
        let scheme = ["Bearer", "token"].into_iter().find(|scheme| scheme.eq_ignore_ascii_case(first));
        Some(scheme.map_or(Self::InvalidCharacter, Self::Scheme))
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}')
}

impl Token {
    /// Takes `text` from the variable `source`, without the white space around it: octocrab panics on
    /// the newline that `cat token.txt` leaves.
    ///
    /// # Errors
    /// [`InvalidToken`] where the text could not stand in a header, or has quotes around it.
    pub fn new(text: &str, source: &'static str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        if let Some(reason) = InvalidTokenReason::of(text) {
            return Err(InvalidToken { from: source, reason });
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}"))
            .map_err(|_| InvalidToken { from: source, reason: InvalidTokenReason::InvalidCharacter })?;
        // It is shown in no `Debug`, and taken off where a redirect leads elsewhere.
        header.set_sensitive(true);
        let kind = TokenKind::of(text);
        Ok(Self(Arc::new(Inner { secret: SecretString::from(text), header, source, kind })))
    }

    /// The variable that it was taken from, or [`GH_CLI_SOURCE`].
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.0.source
    }

    /// Its kind, by its documented prefix.
    #[must_use]
    pub fn kind(&self) -> TokenKind {
        self.0.kind
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
pub(crate) struct Redactor(Arc<Mutex<VecDeque<Token>>>);

impl Redactor {
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
        let secrets = Redactor::default();
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
        for (text, reason) in [
            ("", "expected printable ASCII without spaces"),
            ("\n", "expected printable ASCII without spaces"),
            ("ghp a", "expected printable ASCII without spaces"),
            ("ghp\nb", "expected printable ASCII without spaces"),
            ("gh\u{e9}", "expected printable ASCII without spaces"),
            ("\"ghp_sample\"", "remove the quotes around it"),
            (" 'ghp_sample' ", "remove the quotes around it"),
            ("ghp_sample\"", "remove the quotes around it"),
            ("\u{201c}ghp_sample\u{201d}", "remove the quotes around it"),
            ("Bearer ghp_sample", "remove \"Bearer\" in front of it"),
            ("TOKEN  ghp_sample", "remove \"token\" in front of it"),
        ] {
            let refused = Token::new(text, "GH_TOKEN").unwrap_err();
            assert_eq!(refused.to_string(), format!("GH_TOKEN is not a valid token: {reason}"));
            assert!(!format!("{refused:?}").contains("sample"));
        }
        let refused = Token::new("not logged in", GH_CLI_SOURCE).unwrap_err();
        assert!(refused.to_string().starts_with("the output of gh auth token is not a valid token: "));
    }

    #[test]
    fn a_prefix_shows_the_kind_of_a_token() {
        for (text, kind) in [
            ("ghp_sample", TokenKind::Classic),
            ("github_pat_11SAMPLE_x", TokenKind::FineGrained),
            ("gho_sample", TokenKind::OAuthApp),
            ("ghu_sample", TokenKind::AppUser),
            ("ghs_sample", TokenKind::Installation),
            ("ghs_12345_eyJ.eyJ.x-_y", TokenKind::Installation),
            ("0123456789abcdef0123456789abcdef01234567", TokenKind::Unknown),
            ("github_other", TokenKind::Unknown),
            ("v1.ghp_sample", TokenKind::Unknown),
        ] {
            assert_eq!(Token::new(text, "GH_TOKEN").unwrap().kind(), kind, "{text}");
        }
    }
}
