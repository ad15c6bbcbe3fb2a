//! Credentials: a token, or a GitHub App whose private key signs requests for installation tokens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// Variables with a token for github.com and ghe.com, in the order in which `gh` reads them.
pub(crate) const TOKEN_ENV_VARS: [&str; 2] = ["GH_TOKEN", JOB_TOKEN_ENV_VAR];
/// Variables with a token for an Enterprise Server, in the order in which `gh` reads them.
pub(crate) const ENTERPRISE_TOKEN_ENV_VARS: [&str; 2] = ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"];
pub(crate) const JOB_TOKEN_ENV_VAR: &str = "GITHUB_TOKEN";

pub(crate) const GH_CLI_SOURCE: &str = "gh auth token";
pub(crate) const APP_TOKEN_SOURCE: &str = "the app's installation";

/// Age of a signature when it is sent, in seconds: clocks differ.
const JWT_AGE: i64 = 60;
/// Time for which a signature is valid, in seconds; GitHub allows ten minutes, its age included.
const JWT_VALIDITY: i64 = 9 * 60;

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

/// A token for GitHub's API. `Debug`, errors and recordings never contain its text.
#[derive(Clone, Debug)]
pub struct Token {
    secret: SecretString,
    header: HeaderValue,
    /// The variable that it was read from, [`GH_CLI_SOURCE`] or [`APP_TOKEN_SOURCE`].
    source: &'static str,
}

/// Kind of a token, which decides the permissions that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
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

/// A text that is not a token. The message never contains the text.
#[derive(Debug, thiserror::Error)]
#[error("{}{from} is not a valid token: {reason}", if *.from == GH_CLI_SOURCE { "the output of " } else { "" })]
pub struct InvalidToken {
    from: &'static str,
    reason: &'static str,
}

impl Token {
    /// Creates a token from a text such as `ghp_…`, without the white space around it: `cat token.txt` leaves a newline.
    /// `source` names its origin in messages: `GH_TOKEN`.
    ///
    /// # Errors
    /// If the text is not printable ASCII without spaces, or has quotes around it.
    pub fn new(text: &str, source: &'static str) -> Result<Self, InvalidToken> {
        let text = text.trim();
        let mut header = authorization(text).map_err(|reason| InvalidToken { from: source, reason })?;
        // Hides it from `Debug`, and makes reqwest remove it before a redirect to another origin.
        header.set_sensitive(true);
        Ok(Self { secret: SecretString::from(text), header, source })
    }

    pub(crate) fn source(&self) -> &'static str {
        self.source
    }

    pub(crate) fn kind(&self) -> TokenKind {
        let kinds = [
            ("ghp_", TokenKind::Classic),
            ("github_pat_", TokenKind::FineGrained),
            ("gho_", TokenKind::OAuthApp),
            ("ghu_", TokenKind::AppUser),
            ("ghs_", TokenKind::Installation),
        ];
        let kind = kinds.into_iter().find(|(prefix, _)| self.secret().starts_with(prefix));
        kind.map_or(TokenKind::Unknown, |(_, kind)| kind)
    }

    /// Returns true for a text in the form of GitHub's tokens: a documented prefix and at least 20 characters after it.
    pub(crate) fn has_known_form(text: &str) -> bool {
        let text = text.trim();
        let prefixes = ["ghp_", "github_pat_", "gho_", "ghu_", "ghs_", "ghr_"];
        prefixes.iter().any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 20))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    pub(super) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// Quotes that `env` files and CI variables keep, other than a shell.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}'];

/// Returns the value of the header `Authorization`, or the reason for which a text is not a token.
fn authorization(token: &str) -> Result<HeaderValue, &'static str> {
    if token.starts_with(QUOTES) || token.ends_with(QUOTES) {
        return Err("remove the quotes around it");
    }
    let first_word = token.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    match (HeaderValue::try_from(format!("Bearer {token}")), first_word.as_str()) {
        (Ok(header), _) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(header)
        }
        (_, "bearer") => Err("remove \"Bearer\" in front of it"),
        (_, "token") => Err("remove \"token\" in front of it"),
        _ => Err("expected printable ASCII without spaces"),
    }
}

/// A GitHub App and one of its installations.
#[derive(Clone, Debug)]
pub struct App {
    id: u64,
    key: Arc<dyn SigningKey>,
    pub(super) installation: Option<u64>,
}

/// A text that is not a private key of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an RSA private key in PEM format")]
pub struct InvalidPrivateKey;

impl App {
    /// Creates an app from its id and its RSA private key in PEM format. `installation` is the id of one of its installations,
    /// or None if there is only one.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn new(id: u64, pem: &[u8], installation: Option<u64>) -> Result<Self, InvalidPrivateKey> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| InvalidPrivateKey)?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| InvalidPrivateKey)?;
        let app = Self { id, key, installation };
        // Some damage to a key only shows when it signs.
        app.sign_jwt(Timestamp::now()).map(|_| app).ok_or(InvalidPrivateKey)
    }

    /// Returns the token with which the app authenticates. `now` is by the server's clock: octocrab signs by ours, which may be
    /// wrong by more than a signature is valid.
    pub(super) fn sign_jwt(&self, now: Timestamp) -> Option<Token> {
        let now = now.as_second();
        let claims = json!({"iat": now - JWT_AGE, "exp": now + JWT_VALIDITY, "iss": self.id});
        let header = json!({"typ": "JWT", "alg": "RS256"});
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()).ok()?);
        Token::new(&format!("{message}.{signature}"), APP_TOKEN_SOURCE).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sample data: no app has this key.
    const PKCS1: &str = include_str!("../../fixtures/app/sample-key.pem");
    const PKCS8: &str = include_str!("../../fixtures/app/sample-key-pkcs8.pem");

    #[test]
    fn both_formats_of_a_private_key_sign_the_same_jwt() {
        let [pkcs1, pkcs8] = [PKCS1, PKCS8].map(|pem| {
            let app = App::new(12, pem.as_bytes(), None).unwrap();
            app.sign_jwt(Timestamp::from_second(1_000).unwrap()).unwrap().secret().to_owned()
        });
        assert_eq!(pkcs1, pkcs8);
        let parts: Vec<_> = pkcs1.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        assert_eq!(parts[0], br#"{"typ":"JWT","alg":"RS256"}"#);
        assert_eq!(parts[1], br#"{"iat":940,"exp":1540,"iss":12}"#);
        let pair = PrivateKeyDer::from_pem_slice(PKCS1.as_bytes()).unwrap();
        let pair = ring::signature::RsaKeyPair::from_der(pair.secret_der()).unwrap();
        let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
        let public = ring::signature::UnparsedPublicKey::new(algorithm, pair.public());
        let (message, _) = pkcs1.rsplit_once('.').unwrap();
        public.verify(message.as_bytes(), &parts[2]).unwrap();
    }

    #[test]
    fn a_key_that_cannot_sign_is_rejected_and_never_shown() {
        let damaged = PKCS1.replacen("MII", "MIJ", 1);
        let public_key = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
        for pem in
            ["", "MIIE", damaged.as_str(), public_key, include_str!("../../fixtures/app/sample-key-ec.pem")]
        {
            assert_eq!(App::new(12, pem.as_bytes(), None).err(), Some(InvalidPrivateKey));
        }
        let app = App::new(12, PKCS1.as_bytes(), None).unwrap();
        assert!(!format!("{app:?}").contains("MII"), "{app:?}");
        assert!(format!("{app:?}").len() < 100, "{app:?}");
    }

    #[test]
    fn a_token_is_trimmed_and_never_shown() {
        let token = Token::new("ghp_sample \r\n", "GH_TOKEN").unwrap();
        assert_eq!(token.secret(), "ghp_sample");
        assert!(!format!("{token:?}").contains("sample"));
    }

    #[test]
    fn an_invalid_token_is_rejected_without_being_shown() {
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
            let error = Token::new(text, "GH_TOKEN").unwrap_err();
            assert_eq!(error.to_string(), format!("GH_TOKEN is not a valid token: {reason}"));
            assert!(!format!("{error:?}").contains("sample"));
        }
        let error = Token::new("not logged in", GH_CLI_SOURCE).unwrap_err();
        assert!(error.to_string().starts_with("the output of gh auth token is not a valid token: "));
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
