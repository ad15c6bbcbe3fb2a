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

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use tower::util::MapRequestLayer;

use self::api::Api;
use self::auth::Token;
use self::error::LookupError;
use self::governor::Governor;
use self::rest::Account;
use self::stop::Stop;
use self::transport::{MAX_BODY, Network, Source, Transport};
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
        let network = Network { local: settings.api.is_on_this_machine(), timeout: settings.timeout };
        let transport = Transport::new(&settings.source, network, settings.token.as_ref())
            .map_err(|e| build_error(&e))?;
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
        let mut tries = Tries::default();
        let outcome = self
            .persist(&mut tries, async |again| {
                let body = self.send(&route, again).await?;
                Ok(rest::account(&body, login)?)
            })
            .await;
        Answer { outcome, attempts: tries.attempts, alike: tries.alike }
    }

    /// Makes attempts until one succeeds, or fails with what will not pass, or too many have failed.
    async fn persist<T>(
        &self,
        tries: &mut Tries,
        mut attempt: impl AsyncFnMut(bool) -> Result<T, Failure>,
    ) -> Result<T, LookupError> {
        let governor = &self.shared.governor;
        let retries = self.shared.settings.retries;
        let (mut failures, mut refusals) = (0, 0);
        loop {
            let Failure { error, sent } = match attempt(tries.attempts > 0).await {
                Ok(answer) => {
                    tries.attempts += 1;
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            tries.attempts += u32::from(sent);
            if let LookupError::Stopped(_) = error {
                return Err(error);
            }
            tries.failed(&error);
            // A limit is nobody's own failure, and everybody waits for it together. But there is no
            // end of it where a server refuses just this one.
            let (number, most) = match error {
                LookupError::RateLimited { .. } => (&mut refusals, retries.saturating_mul(REFUSALS_A_RETRY)),
                _ => (&mut failures, retries),
            };
            *number += 1;
            if !error.is_transient() || *number > most {
                return Err(error);
            }
            tracing::info!("{error}; trying again");
            // Where everything waits, a wait of its own would only come on top.
            if governor.pause().is_none() {
                governor.back_off(*number).await;
            }
        }
    }

    /// Sends one request when it may leave, on a task of its own: a reader of our output who takes a
    /// break must not make an answer late.
    async fn send(&self, route: &str, again: bool) -> Result<Bytes, Failure> {
        let permit = match self.shared.governor.admit(again).await {
            Ok(permit) => permit,
            Err(stop) => return Err(Failure { error: LookupError::Stopped(stop), sent: false }),
        };
        let (client, route) = (self.clone(), route.to_owned());
        let task = tokio::spawn(async move {
            let outcome = tokio::select! {
                biased;
                outcome = client.attempt(&route) => outcome,
                stop = client.shared.governor.abandoned() => Err(LookupError::Stopped(stop)),
            };
            drop(permit);
            outcome
        });
        let outcome = AbortOnDrop(task).await;
        outcome.unwrap_or_else(|_| Err(LookupError::Stopped(Stop::Interrupted))).map_err(Failure::from)
    }

    /// One request, from sending to the answer's last byte, and what the governor learns from it.
    async fn attempt(&self, route: &str) -> Result<Bytes, LookupError> {
        let shared = &self.shared;
        let limit = shared.settings.timeout;
        let started = tokio::time::Instant::now();
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let outcome = tokio::time::timeout(limit, self.exchange(route)).await;
        let outcome = outcome.unwrap_or(Err(LookupError::TimedOut(limit)));
        tracing::debug!(
            "GET {route}: {} in {}",
            outcome.as_ref().map_or_else(ToString::to_string, |body| format!("{} bytes", body.len())),
            crate::text::duration(started.elapsed())
        );
        shared.governor.learn(started, outcome.as_ref().map(|_| ()), shared.settings.token.is_some());
        outcome
    }

    async fn exchange(&self, route: &str) -> Result<Bytes, LookupError> {
        let response = self.shared.octocrab._get(route).await;
        let (head, body) = response.map_err(|error| LookupError::transport(&error, false))?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes);
        // Servers have been seen to send back what they were sent.
        let token = self.shared.settings.token.as_ref();
        let redact = |text: &str| token.map_or_else(|| text.to_owned(), |token| token.redact(text));
        match body {
            Ok(body) => {
                error::check(head.status, &head.headers, &body, redact)?;
                Ok(body)
            }
            Err(error) => {
                // A 404 is one only in GitHub's own words; any other status says enough, even when
                // the page that came with it broke off.
                if head.status != StatusCode::NOT_FOUND {
                    error::check(head.status, &head.headers, &[], redact)?;
                }
                Err(LookupError::transport(&*error, true))
            }
        }
    }
}

/// Refusals because of a limit that a login outlasts, for each further attempt that it has.
const REFUSALS_A_RETRY: u32 = 4;

/// How often something was tried.
#[derive(Debug)]
struct Tries {
    attempts: u32,
    alike: bool,
    last: Option<LookupError>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { attempts: 0, alike: true, last: None }
    }
}

impl Tries {
    fn failed(&mut self, error: &LookupError) {
        self.alike &= self.last.as_ref().is_none_or(|last| last == error);
        self.last = Some(error.clone());
    }
}

/// An attempt that gave no answer.
struct Failure {
    error: LookupError,
    /// Whether the request left.
    sent: bool,
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self { error, sent: true }
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the network: {0}")]
pub struct BuildError(String);
