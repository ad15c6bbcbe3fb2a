//! The token that requests carry: the one that was given, or an app's, which changes.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::Shared;
use super::app::Credentials;
use super::auth::{Secrets, Token};
use super::error::LookupError;
use super::governor::Moment;
use super::issue::Issued;

/// A token that is refused this soon after it was issued may be good a moment later.
const NEW: Duration = Duration::from_secs(5);

/// Who asks, and with what.
#[derive(Debug)]
pub(super) struct Session {
    credentials: Option<Credentials>,
    /// The app's token.
    current: Mutex<Option<Current>>,
    /// The app's installation, where it was not named.
    pub(super) installation: OnceLock<u64>,
    /// Held by whoever gets a new one.
    renewing: tokio::sync::Mutex<()>,
    pub(super) secrets: Secrets,
}

#[derive(Debug)]
struct Current {
    issued: Issued,
    number: u64,
    /// Whether a request with it was answered.
    proved: bool,
}

/// What a request carries: the token, and which of the app's it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearer {
    pub(super) token: Option<Token>,
    number: Option<u64>,
}

impl Session {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        let secrets = Secrets::default();
        if let Some(Credentials::Token(token)) = &credentials {
            secrets.add(token.clone());
        }
        let (current, installation, renewing) =
            (Mutex::default(), OnceLock::new(), tokio::sync::Mutex::default());
        Self { credentials, current, installation, renewing, secrets }
    }

    /// Whether the token may have to be asked for.
    pub(super) fn changes(&self) -> bool {
        matches!(self.credentials, Some(Credentials::App(_)))
    }

    /// Takes note of an answer. True where the token had expired and there will be another.
    pub(super) fn learn<T>(&self, bearer: &Bearer, outcome: &Result<T, LookupError>) -> bool {
        let Some(number) = bearer.number else { return false };
        let mut current = self.current();
        let Some(current) = current.as_mut().filter(|current| current.number == number) else {
            // There is another already.
            return matches!(outcome, Err(LookupError::Unauthorized(_)));
        };
        match outcome {
            Ok(_) => current.proved = true,
            Err(LookupError::Unauthorized(_)) if current.proved => {
                current.issued.renew = Moment::after(Duration::ZERO);
                return true;
            }
            // Not all of GitHub's servers know of a new token at once.
            Err(LookupError::Unauthorized(_)) if current.issued.at.elapsed() < NEW => return true,
            Err(_) => {}
        }
        false
    }

    fn fresh(&self) -> Option<Bearer> {
        let current = self.current();
        let current = current.as_ref().filter(|current| !current.issued.renew.has_come())?;
        Some(Bearer { token: Some(current.issued.token.clone()), number: Some(current.number) })
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The token that the next request carries, a new one if need be.
    pub(super) async fn token(&self) -> Result<Bearer, LookupError> {
        let session = &self.session;
        let app = match &session.credentials {
            None => return Ok(Bearer::default()),
            Some(Credentials::Token(token)) => {
                return Ok(Bearer { token: Some(token.clone()), number: None });
            }
            Some(Credentials::App(app)) => app,
        };
        if let Some(fresh) = session.fresh() {
            return Ok(fresh);
        }
        let _renewing = session.renewing.lock().await;
        // Somebody else may have got one meanwhile, or found that there is none to be had.
        if let Some(stop) = self.governor.stop() {
            return Err(LookupError::Stopped(stop));
        }
        if let Some(fresh) = session.fresh() {
            return Ok(fresh);
        }
        let issued = self.issue(app).await?;
        let token = issued.token.clone();
        let mut current = session.current();
        let number = current.as_ref().map_or(0, |current| current.number + 1);
        *current = Some(Current { issued, number, proved: false });
        Ok(Bearer { token: Some(token), number: Some(number) })
    }
}
