//! The client: octocrab on our own transport, and the requests that it sends.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use http::{HeaderMap, StatusCode};
use octocrab::{AuthState, OctocrabBuilder};
use serde::de::DeserializeOwned;
use tower::service_fn;

use super::account::{ApiKind, Identity};
use super::api_version::VersionNotice;
use super::batch_size::AdaptiveBatchSize;
use super::cassette::{Cassette, Entry};
use super::config::{ClientConfig, TransportMode};
use super::credentials::Credentials;
use super::endpoint::ApiEndpoint;
use super::error::{LookupError, error_in_success};
use super::foreign::ForeignResponse;
use super::graphql::Schema;
use super::lock;
use super::redact::Redactor;
use super::rest::{self, BoundedVec, Existence, Member, Paginator, RateLimits, next_link, parse_json};
use super::retry::{AttemptLog, RetryDecision};
use super::token_provider::{TokenProvider, app_name};
#[cfg(test)]
use super::transport::Responder;
use super::transport::{Request, RequestSender, Transport};
use crate::login::Login;
use crate::network::connector::{BoxError, Connector};
use crate::rate_limit::{Permit, RateLimiter, RequestOutcome, Resource};
use crate::stop::StopReason;
use crate::text::{innermost, sanitize_line};

const RATE_LIMIT: &str = "/rate_limit";
const USER: &str = "/user";
const VALID_SIZES: RangeInclusive<usize> = 1..=100;
/// Longest wait for a response that the run does not depend on.
const BEST_EFFORT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of GitHub's API. Cheap to clone; all clones share one rate limiter.
#[derive(Clone)]
pub struct Client(Arc<ClientInner>);

struct ClientInner {
    sender: RequestSender,
    tokens: TokenProvider,
    batch_size: Mutex<AdaptiveBatchSize>,
    points: AtomicU64,
    lacks_visibility: AtomicBool,
    /// Defect of the GraphQL API, as a predicate. All logins are looked up over REST since then.
    query_error: OnceLock<String>,
    pub(super) doubt: QueryDoubt,
    /// Held while a redirect is followed: one at a time, because each may lead to a sign-in page.
    redirect: tokio::sync::Mutex<()>,
}

/// Queries without a result, as long as none had one. The GraphQL API may not be usable at all.
#[derive(Default)]
pub(super) struct QueryDoubt {
    pub(super) failures: AtomicUsize,
    pub(super) last_response: Mutex<Option<ForeignResponse>>,
    /// The refusal of all queries. No further one is sent.
    pub(super) refusal: OnceLock<LookupError>,
    /// Held while a query is sent after a failure: one at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
}

impl Client {
    /// Creates a client.
    ///
    /// octocrab starts a worker in the tokio runtime, which ends with the client.
    ///
    /// # Errors
    /// [`BuildError`] if the proxies or certificates of the system cannot be used, if concurrency or batch size is not 1 to 100, or if a
    /// token would be sent to another machine over plain HTTP.
    ///
    /// # Panics
    /// If it is called outside of a tokio runtime.
    pub fn new(config: ClientConfig) -> Result<Self, BuildError> {
        if !VALID_SIZES.contains(&config.max_concurrency)
            || config.batch_size.is_some_and(|size| !VALID_SIZES.contains(&size))
        {
            return Err(BuildError::InvalidConfig);
        }
        if config.credentials.is_some() && !config.is_replay() && !config.endpoint.is_secure() {
            return Err(BuildError::InsecureEndpoint(config.endpoint));
        }
        let cassette = match &config.transport {
            TransportMode::Network => None,
            TransportMode::Record(folder) | TransportMode::Replay(folder) => {
                Some(Arc::new(Cassette::new(folder)))
            }
        };
        let transport = match &cassette {
            Some(cassette) if config.is_replay() => Transport::Replay(Arc::clone(cassette)),
            _ => Transport::Network(Arc::new(connector(&config)?)),
        };
        Ok(Self::with_transport(config, cassette, transport))
    }

    /// Creates a client without a network.
    #[cfg(test)]
    pub(crate) fn with_responder(config: ClientConfig, respond: Responder) -> Self {
        Self::with_transport(config, None, Transport::Simulation(respond))
    }

    fn with_transport(config: ClientConfig, cassette: Option<Arc<Cassette>>, transport: Transport) -> Self {
        let credentials = config.credentials.clone().filter(|_| !config.is_replay());
        let redactor = Redactor::default();
        if let Some(Credentials::Token(token)) = &credentials {
            redactor.add(token.clone());
        }
        let octocrab = OctocrabBuilder::new_empty()
            .with_service(service_fn(move |request| transport.clone().send(request)))
            .with_auth(AuthState::None)
            .build()
            .unwrap_or_else(|never| match never {});
        Self(Arc::new(ClientInner {
            tokens: TokenProvider::new(credentials),
            batch_size: Mutex::new(AdaptiveBatchSize::new(config.max_batch_size())),
            points: AtomicU64::new(0),
            lacks_visibility: AtomicBool::new(false),
            query_error: OnceLock::new(),
            doubt: QueryDoubt::default(),
            redirect: tokio::sync::Mutex::default(),
            sender: RequestSender {
                octocrab,
                limiter: RateLimiter::new(config.limiter_settings()),
                config,
                redactor,
                cassette,
                requests: AtomicU64::new(0),
                has_graphql: AtomicBool::new(false),
                version_notice: Mutex::default(),
            },
        }))
    }

    /// Returns the API for a login. A bot is not a `RepositoryOwner` in the GraphQL API.
    pub(crate) fn api_for(&self, login: &Login) -> ApiKind {
        if login.is_bot() || self.query_error().is_some() { ApiKind::Rest } else { self.config().api }
    }

    /// Returns the defect of the GraphQL API, as a predicate, if REST is used instead.
    pub(crate) fn query_error(&self) -> Option<&str> {
        self.0.query_error.get().map(String::as_str)
    }

    /// GraphQL requires a token, or a recording.
    pub(crate) fn can_query_graphql(&self) -> bool {
        (self.config().credentials.is_some() || self.config().is_replay()) && self.query_error().is_none()
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.0.sender.config
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.sender.requests.load(Ordering::Relaxed)
    }

    /// Returns the points of the GraphQL API used so far, as GitHub reported them.
    pub(crate) fn points(&self) -> u64 {
        self.0.points.load(Ordering::Relaxed)
    }

    /// Returns the most urgent notice about the version of the API so far.
    pub(crate) fn version_notice(&self) -> Option<VersionNotice> {
        *lock(&self.0.sender.version_notice)
    }

    pub(crate) fn limiter(&self) -> &RateLimiter {
        &self.0.sender.limiter
    }

    pub(super) fn add_points(&self, points: u64) {
        self.0.points.fetch_add(points, Ordering::Relaxed);
    }

    pub(super) fn set_query_error(&self, error: &str) {
        self.0.query_error.get_or_init(|| error.to_owned());
    }

    pub(super) fn doubt(&self) -> &QueryDoubt {
        &self.0.doubt
    }

    /// True once a query had a result.
    pub(super) fn has_graphql(&self) -> bool {
        self.0.sender.has_graphql.load(Ordering::Relaxed)
    }

    pub(super) fn schema(&self) -> Schema {
        if self.0.lacks_visibility.load(Ordering::Relaxed) {
            Schema::WithoutVisibility
        } else {
            Schema::Current
        }
    }

    pub(super) fn set_lacks_visibility(&self) {
        self.0.lacks_visibility.store(true, Ordering::Relaxed);
    }

    pub(crate) fn batch_size(&self) -> MutexGuard<'_, AdaptiveBatchSize> {
        lock(&self.0.batch_size)
    }

    /// Waits for the permit of a request. A token is renewed before: in these seconds all requests may have to pause.
    pub(super) async fn acquire(&self, resource: Resource, cost: u64) -> Result<Permit<'_>, StopReason> {
        if let Err(LookupError::Stopped(stop)) = self.0.tokens.token(&self.0.sender).await {
            return Err(stop);
        }
        self.limiter().acquire(resource, cost).await
    }

    /// Sends one request with a permit and parses its response. Updates the rate limiter from its headers and its outcome.
    pub(super) async fn send<T>(
        &self,
        request: &Request<'_>,
        permit: &mut Permit<'_>,
        parse: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let (sender, limiter) = (&self.0.sender, self.limiter());
        let token = self.0.tokens.token(sender).await?;
        let sent = permit.mark_sent();
        let on_headers = |headers: &HeaderMap, is_success| limiter.on_headers(permit, headers, is_success);
        let response = tokio::select! {
            biased;
            response = sender.send(request, token.as_ref(), on_headers) => response,
            stop = limiter.stop.canceled() => return Err(LookupError::Stopped(stop)),
        };
        let is_query = matches!(request, Request::Graphql(_));
        let (mut bytes, mut other_json) = (None, None);
        let mut result = response.and_then(|(headers, body)| {
            bytes = Some(body.len());
            parse(&headers, &body).map_err(|error| match error {
                LookupError::OtherJson(_) | LookupError::Malformed(_) | LookupError::PartialResponse(_)
                    if is_query || matches!(error, LookupError::OtherJson(_)) =>
                {
                    let url = sender.url(request);
                    other_json = Some(ForeignResponse::new(StatusCode::OK, &headers, &body, &url));
                    error_in_success(&headers, &body).unwrap_or(error)
                }
                error => error,
            })
        });
        if self.0.tokens.on_response(token.as_ref(), sent, &result) {
            result = Err(LookupError::TokenRejected);
        }
        if is_query && result.is_ok() {
            sender.has_graphql.store(true, Ordering::Relaxed);
        }
        let is_doubtful = is_query && !self.has_graphql();
        if is_doubtful && other_json.is_some() {
            lock(&self.0.doubt.last_response).clone_from(&other_json);
        }
        let took = crate::text::format_duration(sent.elapsed());
        let error = result.as_ref().err();
        tracing::debug!(error = error.map(tracing::field::display), bytes, %took, "{request}");
        let key = request.key();
        let outcome = match (error, other_json) {
            (None, _) => RequestOutcome::Success,
            (Some(error @ (LookupError::OtherJson(_) | LookupError::QueryNotFound(_))), _) if is_doubtful => {
                RequestOutcome::BadResponse(error)
            }
            (Some(LookupError::OtherJson(_)), Some(response)) => {
                RequestOutcome::Foreign { request: &key, stop: StopReason::NotGithub(response.to_string()) }
            }
            (Some(LookupError::QueryUnsupported(message)), _) if self.config().can_fall_back_to_rest() => {
                self.set_query_error(&format!("is too old: {message}"));
                RequestOutcome::Response
            }
            (Some(error), _) => error.limiter_outcome(&key, token.is_some()),
        };
        limiter.on_outcome(permit, outcome);
        result
    }

    /// Sends a GET request, with retries. `parse` receives the path that answered, which is another one after a redirect.
    pub(super) async fn get<T>(
        &self,
        log: &mut AttemptLog,
        route: &str,
        parse: impl Fn(&str, &HeaderMap, &[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        self.get_existing(log, route, Existence::Unknown, parse).await
    }

    pub(super) async fn get_existing<T>(
        &self,
        log: &mut AttemptLog,
        route: &str,
        existence: Existence,
        parse: impl Fn(&str, &HeaderMap, &[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        log.start_request();
        loop {
            let error = match self.get_once(log, route, &parse).await {
                Err(LookupError::NotFound) if existence == Existence::Known => {
                    LookupError::PartialResponse("HTTP 404 for a list of an existing account".into())
                }
                Err(error @ LookupError::Forbidden { .. }) if existence == Existence::Known => {
                    LookupError::PartialResponse(format!("a list of an existing account: {error}"))
                }
                Err(error) => error,
                response => return response,
            };
            let decision = log.on_failure(&error, 1, self.config().retries);
            if decision == RetryDecision::GiveUp {
                return Err(error);
            }
            tracing::info!(%error, ?decision, attempt = log.attempts, %route, "retrying a request");
            if decision == RetryDecision::BackOff {
                self.limiter().back_off(log.retries).await;
            }
        }
    }

    /// Sends a GET request once, and follows a redirect.
    async fn get_once<T>(
        &self,
        log: &mut AttemptLog,
        route: &str,
        parse: impl Fn(&str, &HeaderMap, &[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let endpoint = &self.config().endpoint;
        let cost = u64::from(!endpoint.is_rest_path(route, RATE_LIMIT));
        let mut permit = self.acquire(Resource::Core, cost).await.map_err(LookupError::Stopped)?;
        let counts_points = self.config().api == ApiKind::Rest && !endpoint.is_rest_path(route, USER);
        let points = if counts_points { cost } else { 0 };
        self.limiter().reserve_points(points).map_err(LookupError::Stopped)?;
        log.attempts += 1;
        let request = Request::Get(route);
        let response = self.send(&request, &mut permit, |headers, body| parse(route, headers, body)).await;
        log.slot = None;
        let Err(LookupError::Moved { route, .. }) = response else { return response };
        let _turn = self.0.redirect.lock().await;
        if let Some(stop) = self.limiter().stop.reason() {
            return Err(LookupError::Stopped(stop));
        }
        self.limiter().reserve_points(points).map_err(LookupError::Stopped)?;
        log.attempts += 1;
        self.send(&Request::Follow(&route), &mut permit, |headers, body| parse(&route, headers, body)).await
    }

    /// Requests the next page of a list. None after the last one.
    pub(super) async fn get_page<T: DeserializeOwned>(
        &self,
        log: &mut AttemptLog,
        pages: &mut Paginator<'_>,
        other_kind: &'static str,
    ) -> Result<Option<Vec<T>>, LookupError> {
        let Some(route) = pages.next.take() else { return Ok(None) };
        let parse = |_: &str, headers: &HeaderMap, body: &[u8]| {
            Ok((parse_json(body, other_kind)?, next_link(headers)))
        };
        let (BoundedVec(items), link) = self.get_existing(log, &route, pages.existence, parse).await?;
        pages.follow(items.len(), link.as_deref())?;
        Ok(Some(items))
    }

    /// Sends a GET request once. None if the response does not arrive soon.
    pub(super) async fn get_best_effort<T: DeserializeOwned>(
        &self,
        route: &str,
        other_kind: &'static str,
    ) -> Option<Result<T, LookupError>> {
        let mut log = AttemptLog::default();
        let response = self.get_once(&mut log, route, |_, _, body| parse_json(body, other_kind));
        self.best_effort(response.map(Some)).await
    }

    async fn best_effort<T>(&self, response: impl Future<Output = Option<T>>) -> Option<T> {
        tokio::select! {
            response = response => response,
            _ = self.limiter().stop.requested() => None,
            () = tokio::time::sleep(BEST_EFFORT_TIMEOUT) => None,
        }
    }

    /// Requests the current quotas. None if the server has none.
    pub(crate) async fn rate_limits(&self) -> Result<Option<RateLimits>, LookupError> {
        let route = self.config().endpoint.rest(RATE_LIMIT);
        match self.get(&mut AttemptLog::default(), &route, |_, _, body| rest::parse_rate_limit(body)).await {
            // An Enterprise Server: "Rate limiting is not enabled."
            Err(LookupError::NotFound) => Ok(None),
            limits => limits.map(Some),
        }
    }

    /// Requests the login of the token's owner, or the name of the app. Unknown if the response does not arrive soon.
    pub(crate) async fn identity(&self) -> Identity {
        let config = self.config();
        if let Some(Credentials::App(app)) = &config.credentials {
            let app = self.best_effort(app_name(app, &self.0.sender)).await;
            return Identity { viewer: None, app };
        }
        let route = config.endpoint.rest(USER);
        let is_recorded = matches!(&config.transport, TransportMode::Replay(folder)
            if folder.join(format!("{}.json", route.trim_start_matches('/'))).is_file());
        if config.credentials.is_none() && !is_recorded {
            return Identity::default();
        }
        let user: Option<Result<Member, _>> = self.get_best_effort(&route, "missing user fields").await;
        let user = user.and_then(Result::ok);
        Identity { viewer: user.map(|user| sanitize_line(&user.login).into_owned()), app: None }
    }

    pub(crate) fn cassette_entry_for(&self, api: ApiKind, login: &Login) -> Option<Entry> {
        self.0.sender.cassette.as_ref()?.entry_for(api, login.as_str())
    }
}

fn connector(config: &ClientConfig) -> Result<Connector, BuildError> {
    let ClientConfig { endpoint, proxy, timeout, ca_certificates, .. } = config;
    let connector = endpoint.origin().parse().map_err(BoxError::from).and_then(|origin| {
        Connector::new(origin, endpoint.is_loopback_http(), proxy, *timeout, ca_certificates)
    });
    connector.map_err(|source| BuildError::Transport {
        has_ca_file: !ca_certificates.is_empty(),
        // reqwest's outer error says "builder error".
        source: innermost(&*source).into(),
    })
}

/// A client could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Concurrency or batch size is 0 or more than 100.
    #[error("invalid client configuration: jobs and batch size must be 1 to 100")]
    InvalidConfig,
    /// There is a token, and the endpoint is another machine over plain HTTP.
    #[error("refusing to send a token over plain HTTP to {0}")]
    InsecureEndpoint(ApiEndpoint),
    /// The HTTP client could not be created.
    #[error("cannot set up the network{}", if *has_ca_file { " with --ca-file" } else { "" })]
    Transport {
        /// True if certificate authorities were given.
        has_ca_file: bool,
        /// The reason.
        source: BoxError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::credentials::Token;

    fn build_error(config: ClientConfig) -> Option<String> {
        Client::new(config).err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_config_that_would_hang_or_leak_a_token_is_rejected() {
        assert_eq!(build_error(ClientConfig::default()), None);
        let no_jobs = ClientConfig { max_concurrency: 0, ..ClientConfig::default() };
        let empty_batches = ClientConfig { batch_size: Some(0), ..ClientConfig::default() };
        for config in [no_jobs, empty_batches] {
            let error = build_error(config).unwrap();
            assert!(error.ends_with("jobs and batch size must be 1 to 100"), "{error}");
        }
        let token = || Some(Credentials::Token(Token::new("ghp_sample", "GH_TOKEN").unwrap()));
        for (url, is_accepted) in [
            ("http://git.example.com", false),
            ("https://git.example.com", true),
            ("http://127.0.0.1:1", true),
        ] {
            let endpoint = ApiEndpoint::parse(url).unwrap();
            let error =
                build_error(ClientConfig { endpoint, credentials: token(), ..ClientConfig::default() });
            assert_eq!(error.is_none(), is_accepted, "{error:?}");
        }
    }
}
