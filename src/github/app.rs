//! GitHub Apps: a private key signs requests for installation tokens.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::auth::Token;

/// Source of an app's tokens, as messages name it.
pub(crate) const APP_TOKEN_SOURCE: &str = "the app's installation";

/// Age of a signature when it is sent, in seconds: clocks differ.
const JWT_AGE: i64 = 60;
/// Time for which a signature is valid, in seconds; GitHub allows ten minutes, its age included.
const JWT_VALIDITY: i64 = 9 * 60;

/// A GitHub App and one of its installations.
#[derive(Clone, Debug)]
pub struct App {
    id: u64,
    key: EncodingKey,
    pub(super) installation: Option<u64>,
}

/// A text that is not a private key of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RSA private key in PEM format")]
pub struct InvalidPrivateKey;

impl App {
    /// Creates an app from its id and its private key. `installation` chooses one of several.
    pub fn new(id: u64, pem: &[u8], installation: Option<u64>) -> Result<Self, InvalidPrivateKey> {
        let key = EncodingKey::from_rsa_pem(pem).map_err(|_| InvalidPrivateKey)?;
        let app = Self { id, key, installation };
        // Some damage to a key only shows when it signs.
        app.sign_jwt(Timestamp::now()).map(|_| app).ok_or(InvalidPrivateKey)
    }

    /// Returns the token with which the app authenticates. `now` is a time of the server's clock.
    pub(super) fn sign_jwt(&self, now: Timestamp) -> Option<Token> {
        let now = now.as_second();
        let claims = json!({"iat": now - JWT_AGE, "exp": now + JWT_VALIDITY, "iss": self.id});
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok()?;
        Token::new(&jwt, APP_TOKEN_SOURCE).ok()
    }
}

/// Credentials of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// A token.
    Token(Token),
    /// A GitHub App, which authenticates as one of its installations.
    App(App),
}

impl Credentials {
    pub(crate) fn source(&self) -> &'static str {
        match self {
            Self::Token(token) => token.source(),
            Self::App(_) => APP_TOKEN_SOURCE,
        }
    }
}
