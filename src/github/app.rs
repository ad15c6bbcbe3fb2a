//! A GitHub App: its key signs for tokens of an installation.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::auth::Token;

/// What an app's tokens are said to come from.
pub const APP: &str = "the app's installation";
/// A GitHub App, and where it is installed.
#[derive(Clone)]
pub struct App {
    id: u64,
    key: EncodingKey,
    pub(super) installation: Option<u64>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

/// A text that is no private key of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no RSA private key in PEM format in it")]
pub struct NotAKey;

impl App {
    /// The app with this id and its private key, a PEM; of several installations the one with this id.
    ///
    /// # Errors
    /// [`NotAKey`] where the text is none.
    pub fn new(id: u64, pem: &[u8], installation: Option<u64>) -> Result<Self, NotAKey> {
        let key = EncodingKey::from_rsa_pem(pem).map_err(|_| NotAKey)?;
        // A key that is broken inside is found out by signing with it.
        let app = Self { id, key, installation };
        app.signed(Timestamp::now()).map(|_| app).ok_or(NotAKey)
    }

    /// What tells GitHub that it is the app who asks, `now` by the server's clock: signed a minute ago,
    /// and good for nine more, where ten are allowed.
    pub(super) fn signed(&self, now: Timestamp) -> Option<Token> {
        #[derive(Serialize)]
        struct Claims {
            iat: i64,
            exp: i64,
            iss: u64,
        }
        let now = now.as_second();
        let claims = Claims { iat: now - 60, exp: now + 9 * 60, iss: self.id };
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok()?;
        Token::new(&signed, APP).ok()
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Whoever has this token.
    Token(Token),
    /// An app, at one of its installations.
    App(App),
}

impl Credentials {
    /// Where they were taken from.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self {
            Self::Token(token) => token.source(),
            Self::App(_) => APP,
        }
    }
}
