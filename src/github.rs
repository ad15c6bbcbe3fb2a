//! GitHub: a [`Client`] that is an octocrab on our own transport, and what it can be asked.
//!
//! One request passes the [`governor`], which says when it may leave, then octocrab with our headers,
//! then the [`transport`]. What comes back is made an account by [`rest`] or a [`LookupError`] by
//! [`error`]. What may pass is tried again here, and nowhere else.

mod account;
pub mod api;
pub mod app;
mod attempt;
pub mod auth;
mod batch;
mod causes;
pub mod connect;
pub mod error;
pub mod exchange;
mod few;
mod get;
pub mod governor;
pub mod graphql;
mod issue;
pub mod members;
mod pages;
mod persist;
pub mod proxy;
mod redact;
pub mod refusal;
pub mod rest;
mod session;
pub mod settings;
mod sizes;
pub mod stop;
pub mod tls;
pub mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use serde::Deserialize;
use tower::util::MapRequestLayer;

pub use self::account::Answer;
use self::app::Credentials;
use self::attempt::Request;
pub(crate) use self::batch::List;
use self::batch::{Batches, HoldGuard, StreamGuard};
use self::error::LookupError;
use self::exchange::Exchanges;
use self::governor::Governor;
use self::persist::Tries;
use self::rest::Limits;
use self::session::Session;
pub use self::settings::Settings;
use self::stop::Stop;
use self::transport::{Network, Source, Transport};
use crate::login::Login;
use crate::report::{Via, Whose};
use crate::text::visible;

/// The route that tells what is left; asking it is free.
const RATE_LIMIT: &str = "/rate_limit";
/// The longest wait for what is asked as a courtesy.
const COURTESY: Duration = Duration::from_secs(5);
/// The route that tells whose token it is.
const USER: &str = "/user";

/// A client of GitHub's API. Cheap to clone; all clones share one governor.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    octocrab: Octocrab,
    settings: Settings,
    session: Session,
    exchanges: Option<Arc<Exchanges>>,
    governor: Governor,
    batches: Arc<Batches>,
    requests: AtomicU64,
    points: AtomicU64,
    unverified: AtomicU64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.batches.close();
    }
}

impl Client {
    /// A client that asks as `settings` say.
    ///
    /// Call it inside a tokio runtime: octocrab's worker is started there, and ends with it.
    ///
    /// # Errors
    /// Where the settings of the system (its proxies, its certificates) cannot be used; where there are no
    /// jobs; where a token would go to another machine in the clear.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let build_error = |error: &(dyn std::error::Error + 'static)| {
            // The innermost cause says what is wrong.
            let chain = std::iter::successors(Some(error), |error: &&(dyn std::error::Error + 'static)| {
                (*error).source()
            });
            let reason = crate::text::reason(chain.last().unwrap_or(error));
            let given = if settings.authorities.is_empty() {
                ""
            } else {
                " (with the certificate authorities that were given)"
            };
            BuildError(format!("{reason}{given}"))
        };
        let Settings { jobs, batch, api, .. } = &settings;
        let replayed = matches!(settings.source, Source::Replay(_));
        if *jobs == 0 || *batch == Some(0) {
            return Err(BuildError("nothing is asked by no jobs, or in queries for nobody".into()));
        }
        if settings.credentials.is_some() && !replayed && !api.is_safe_for_tokens() {
            return Err(BuildError(format!("{api} is plain http: the token would be readable on the way")));
        }
        let network = Network {
            origin: settings.api.origin().to_owned(),
            local: settings.api.is_on_this_machine(),
            timeout: settings.timeout,
            authorities: settings.authorities.clone(),
            proxy: settings.proxy.clone(),
        };
        let session = Session::new(settings.credentials.clone().filter(|_| !replayed));
        let exchanges = match &settings.source {
            Source::Network => None,
            Source::Record(folder) | Source::Replay(folder) => Some(Arc::new(Exchanges::new(folder))),
        };
        let transport = Transport::new(&settings.source, network, &session.secrets, exchanges.as_ref())
            .map_err(|e| build_error(&*e))?;
        let origin = settings.api.origin().parse().map_err(|e: http::uri::InvalidUri| build_error(&e))?;
        let octocrab = OctocrabBuilder::new_empty()
            .with_service(transport)
            .with_layer(&BaseUriLayer::new(origin))
            .with_layer(&MapRequestLayer::new(transport::stamp))
            .with_auth(AuthState::None)
            .build()
            .unwrap_or_else(|never| match never {});
        let governor = Governor::new(&settings);
        let largest = settings.batch.unwrap_or_else(|| graphql::most_accounts(settings.measures));
        let batches = Arc::new(Batches::new(settings.jobs, largest, settings.fill()));
        let (requests, points, unverified) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let shared = Shared {
            octocrab,
            settings,
            session,
            exchanges,
            governor,
            batches,
            requests,
            points,
            unverified,
        };
        let client = Self { shared: Arc::new(shared) };
        tokio::spawn(batch::dispatch(Arc::clone(&client.shared.batches), Arc::downgrade(&client.shared)));
        client.keep_deadline();
        Ok(client)
    }

    /// Ends asking at the deadline, unless the client is gone by then.
    fn keep_deadline(&self) {
        if let Some(deadline) = self.shared.settings.deadline {
            let shared = Arc::downgrade(&self.shared);
            tokio::spawn(async move {
                tokio::time::sleep(deadline).await;
                if let Some(shared) = shared.upgrade() {
                    shared.governor.end(Stop::Deadline { given: deadline, until: None });
                }
            });
        }
    }

    /// The place through which every request passes.
    #[must_use]
    pub fn governor(&self) -> &Governor {
        &self.shared.governor
    }

    /// How it asks.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Points of the GraphQL API's budget spent so far, by GitHub's own account where it gives one.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.shared.points.load(Ordering::Relaxed)
    }

    /// Logins that could not be counted a second time.
    #[must_use]
    pub fn unverified(&self) -> u64 {
        self.shared.unverified.load(Ordering::Relaxed)
    }

    pub(crate) fn could_not_verify(&self) {
        self.shared.unverified.fetch_add(1, Ordering::Relaxed);
    }

    /// The API that is asked for a login. A bot is no owner of repositories to the GraphQL API.
    #[must_use]
    pub fn via(&self, login: &Login) -> Via {
        if login.is_bot() { Via::Rest } else { self.shared.settings.via }
    }

    /// What is left of the budgets; none where the server has no limits.
    pub async fn limits(&self) -> Result<Option<Limits>, LookupError> {
        let route = self.shared.settings.api.rest(RATE_LIMIT);
        let read = |_: &HeaderMap, body: &[u8]| rest::limits(body);
        match self.get(&mut Tries::default(), None, route, read).await {
            // An Enterprise Server says "Rate limiting is not enabled."
            Err(LookupError::NotFound) => Ok(None),
            limits => limits.map(Some),
        }
    }

    /// Who asks: the login of the token's owner, or the name of the app, where GitHub tells.
    pub async fn whose(&self) -> Whose {
        #[derive(Deserialize)]
        struct User {
            login: String,
        }
        let settings = &self.shared.settings;
        let route = settings.api.rest(USER);
        let recorded = match &settings.source {
            Source::Replay(folder) => {
                folder.join(format!("{}.json", route.trim_start_matches('/'))).is_file()
            }
            Source::Network | Source::Record(_) => false,
        };
        match &settings.credentials {
            Some(Credentials::App(app)) => tokio::select! {
                app = self.app_name(app) => Whose { viewer: None, app },
                _ = self.governor().stopped() => Whose::default(),
                () = tokio::time::sleep(COURTESY) => Whose::default(),
            },
            None if !recorded => Whose::default(),
            _ => {
                let read = |_: &HeaderMap, body: &[u8]| {
                    serde_json::from_slice(body).map_err(|_| LookupError::Malformed("no user"))
                };
                let user: Option<User> = self.courtesy(route, read).await.and_then(Result::ok);
                Whose { viewer: user.map(|user| visible(&user.login).into_owned()), app: None }
            }
        }
    }

    /// The file with the exchange that the last answer for a login came from, where there are some.
    pub(crate) fn exchange_of(&self, via: Via, login: &Login) -> Option<Box<str>> {
        self.shared.exchanges.as_ref()?.file_of(via, login.as_str())
    }

    /// The most logins that a query of this client may ask for.
    pub(crate) fn largest_batch(&self) -> usize {
        let settings = &self.shared.settings;
        settings.batch.unwrap_or_else(|| graphql::most_accounts(settings.measures))
    }

    /// Says that logins are going to be asked for, until the guard is dropped.
    pub(crate) fn stream(&self) -> StreamGuard {
        self.shared.batches.stream()
    }

    /// Says what the list of logins does: how long a batch that is not full waits for more.
    pub(crate) fn list(&self, list: List) {
        self.shared.batches.list(list);
    }

    /// Says that nobody takes answers, until the guard is dropped.
    pub(crate) fn hold(&self) -> HoldGuard {
        self.shared.batches.hold()
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the network: {0}")]
pub struct BuildError(String);

#[cfg(test)]
mod tests;
