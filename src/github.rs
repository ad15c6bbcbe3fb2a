//! GitHub: a [`Client`] that is an octocrab on our own transport, and what it can be asked.
//!
//! One request passes the [`governor`], which says when it may leave, then octocrab with our headers,
//! then the [`transport`]. What comes back is made an account by [`rest`] or a [`LookupError`] by
//! [`error`]. What may pass is tried again here, and nowhere else.

pub mod api;
pub mod auth;
pub mod error;
pub mod exchange;
pub mod governor;
pub mod rest;
pub mod stop;
pub mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use tower::util::MapRequestLayer;

use self::api::Api;
use self::auth::Token;
use self::error::LookupError;
use self::governor::Governor;
use self::rest::Account;
use self::transport::{MAX_BODY, Source, Transport};
use crate::login::Login;

/// How a [`Client`] asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API is.
    pub api: Api,
    /// The token, if there is one.
    pub token: Option<Token>,
    /// Where answers come from.
    pub source: Source,
    /// Requests in flight at most.
    pub jobs: usize,
    /// For one attempt, from sending to the body's last byte.
    pub timeout: Duration,
    /// Further attempts at what may pass.
    pub retries: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api: Api::default(),
            token: None,
            source: Source::Network,
            jobs: 10,
            timeout: Duration::from_secs(15),
            retries: 4,
        }
    }
}

/// A client of GitHub's API. Cheap to clone; all clones share one governor.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    octocrab: Octocrab,
    settings: Settings,
    governor: Governor,
    requests: AtomicU64,
}

/// What became of asking for one account.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The account, or the last of the errors.
    pub outcome: Result<Account, LookupError>,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// Whether all of them failed with the same error.
    pub alike: bool,
}

impl Client {
    /// A client that asks as `settings` say.
    ///
    /// Call it inside a tokio runtime: octocrab's worker is started there, and ends with it.
    ///
    /// # Errors
    /// Where the settings of the system (its proxies, its certificates) cannot be used.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let build_error = |error: &dyn std::error::Error| BuildError(error.to_string());
        let secure = settings.api.origin().starts_with("https:");
        let transport =
            Transport::new(&settings.source, secure, settings.token.as_ref()).map_err(|e| build_error(&e))?;
        let replayed = matches!(settings.source, Source::Replay(_));
        let auth = match &settings.token {
            Some(token) if !replayed => AuthState::AccessToken { token: token.secret().clone() },
            _ => AuthState::None,
        };
        let origin = settings.api.origin().parse().map_err(|e: http::uri::InvalidUri| build_error(&e))?;
        let octocrab = OctocrabBuilder::new_empty()
            .with_service(transport)
            .with_layer(&BaseUriLayer::new(origin))
            .with_layer(&MapRequestLayer::new(transport::stamp))
            .with_auth(auth)
            .build()
            .unwrap_or_else(|never| match never {});
        let governor = Governor::new(settings.jobs, settings.retries, !replayed);
        Ok(Self { shared: Arc::new(Shared { octocrab, settings, governor, requests: AtomicU64::new(0) }) })
    }

    /// The place through which every request passes.
    #[must_use]
    pub fn governor(&self) -> &Governor {
        &self.shared.governor
    }

    /// Requests in flight at most.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.shared.settings.jobs
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Asks for one account, and again while the failure is one that may pass.
    ///
    /// Ends early when nobody wants the answer any more.
    pub async fn account(&self, login: &Login) -> Answer {
        let route = self.shared.settings.api.rest(&login.path());
        let mut attempts = 0;
        let mut alike = true;
        let mut last = None;
        loop {
            let again = attempts > 0;
            let outcome = match self.shared.governor.admit(again).await {
                Err(stop) => Err(LookupError::Stopped(stop)),
                Ok(permit) => {
                    attempts += 1;
                    let outcome = tokio::select! {
                        biased;
                        outcome = self.attempt(&route) => outcome,
                        stop = self.shared.governor.abandoned() => Err(LookupError::Stopped(stop)),
                    };
                    drop(permit);
                    outcome.and_then(|body| rest::account(&body))
                }
            };
            match outcome {
                Err(error) if error.is_transient() && attempts <= self.shared.settings.retries => {
                    tracing::info!("{login}: {error}; trying again");
                    alike &= last.as_ref().is_none_or(|last| *last == error);
                    last = Some(error);
                    // Where everything waits, a wait of its own would only come on top.
                    if self.shared.governor.pause().is_none() {
                        self.shared.governor.back_off(attempts).await;
                    }
                }
                outcome => {
                    alike &= last.is_none() || last.as_ref() == outcome.as_ref().err();
                    return Answer { outcome, attempts, alike };
                }
            }
        }
    }

    /// One request, from sending to the answer's last byte, and what the governor learns from it.
    async fn attempt(&self, route: &str) -> Result<Bytes, LookupError> {
        let shared = &self.shared;
        let limit = shared.settings.timeout;
        let started = tokio::time::Instant::now();
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let outcome = tokio::time::timeout(limit, self.exchange(route))
            .await
            .unwrap_or(Err(LookupError::TimedOut(limit)))
            .map_err(|error| self.redacted(error));
        tracing::debug!(
            "GET {route}: {} in {}",
            outcome.as_ref().map_or_else(ToString::to_string, |body| format!("{} bytes", body.len())),
            crate::text::duration(started.elapsed())
        );
        shared.governor.learn(started, outcome.as_ref().map(|_| ()), shared.settings.token.is_some());
        outcome
    }

    async fn exchange(&self, route: &str) -> Result<Bytes, LookupError> {
        let response =
            self.shared.octocrab._get(route).await.map_err(|e| LookupError::transport(&e, false))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes);
        if !head.status.is_success() {
            // The status says enough, even when the page that came with it broke off.
            error::check(head.status, &head.headers, body.as_deref().unwrap_or_default())?;
        }
        body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                LookupError::TooLong(MAX_BODY)
            } else {
                LookupError::transport(&*error, true)
            }
        })
    }

    /// Servers have been seen to send back what they were sent.
    fn redacted(&self, mut error: LookupError) -> LookupError {
        if let Some(token) = &self.shared.settings.token {
            for said in error.said() {
                *said = token.redact(said);
            }
        }
        error
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the network: {0}")]
pub struct BuildError(String);
