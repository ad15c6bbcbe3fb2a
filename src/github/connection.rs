//! Sending of one request: returns the redacted headers and body of its response, or an error.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;

use super::auth::Token;
use super::config::ClientConfig;
use super::error::LookupError;
use super::graphql::Query;
use super::redact::Redactor;
use super::response_error::error_for_status;
use super::transport::MAX_BODY;
use crate::login::Login;
use crate::rate_limit::RateLimiter;
use crate::stop::StopReason;

/// A request that the client can send.
pub(super) enum Request<'a> {
    Get(&'a str),
    CreateInstallationToken(&'a str),
    Graphql(Query<'a, &'a Login>),
}

/// Shared by all requests of a client.
pub(super) struct Connection {
    pub(super) octocrab: Octocrab,
    pub(super) config: ClientConfig,
    pub(super) limiter: RateLimiter,
    pub(super) redactor: Redactor,
    requests: AtomicU64,
}

impl Connection {
    pub(super) fn new(octocrab: Octocrab, config: ClientConfig, redactor: Redactor) -> Self {
        let limiter = RateLimiter::new(config.limiter_settings());
        Self { octocrab, config, limiter, redactor, requests: AtomicU64::new(0) }
    }

    /// Returns the number of requests sent so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends a request and collects its response, within the timeout of one attempt. `on_headers` receives the headers of any
    /// response, and whether it is a success.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
        on_headers: impl FnOnce(&HeaderMap, bool),
    ) -> Result<(HeaderMap, Bytes), LookupError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let timeout = self.config.timeout;
        let response = tokio::time::timeout(timeout, self.send_and_collect(request, token, on_headers)).await;
        response.unwrap_or(Err(LookupError::TimedOut(timeout)))
    }

    async fn send_and_collect(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
        on_headers: impl FnOnce(&HeaderMap, bool),
    ) -> Result<(HeaderMap, Bytes), LookupError> {
        let endpoint = &self.config.endpoint;
        let (method, route) = match request {
            Request::Get(route) => (Method::GET, (*route).to_owned()),
            Request::CreateInstallationToken(route) => (Method::POST, (*route).to_owned()),
            Request::Graphql(_) => (Method::POST, endpoint.graphql()),
        };
        let mut builder = http::Request::builder().method(method).uri(route);
        if let Some(value) = token.map(Token::header) {
            builder = builder.header(AUTHORIZATION, value);
        }
        let body = match request {
            Request::Graphql(query) => Some(query),
            Request::Get(_) | Request::CreateInstallationToken(_) => None,
        };
        let response = match self.octocrab.build_request(builder, body) {
            Ok(request) => self.octocrab.execute(request).await,
            Err(error) => Err(error),
        };
        let (mut head, body) =
            response.map_err(|error| LookupError::from_transport(&error, false))?.into_parts();
        // Servers have been seen to echo the request.
        self.redactor.redact_headers(&mut head.headers);
        on_headers(&head.headers, head.status.is_success());
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                // A 404 is only about the account if GitHub's body says so. Other statuses are clear without a body.
                if head.status != StatusCode::NOT_FOUND {
                    error_for_status(head.status, &head.headers, &[])?;
                }
                return Err(LookupError::from_transport(&*error, true));
            }
        };
        // Redaction would remove the new token.
        if matches!(request, Request::CreateInstallationToken(_)) && head.status.is_success() {
            return Ok((head.headers, body));
        }
        let body = self.redactor.redact_body(body);
        match error_for_status(head.status, &head.headers, &body) {
            Ok(()) => Ok((head.headers, body)),
            // A 404 to a query is about the route, not about an account.
            Err(LookupError::NotFound) if matches!(request, Request::Graphql(_)) => {
                let reason = "no GraphQL API at this URL; try --api rest";
                Err(LookupError::Stopped(StopReason::OutOfReach(reason.into())))
            }
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get(route) => write!(f, "GET {route}"),
            Self::CreateInstallationToken(route) => write!(f, "POST {route}"),
            Self::Graphql(query) => {
                write!(f, "query for {}", crate::text::counted(query.login_count(), "login", "logins"))
            }
        }
    }
}
