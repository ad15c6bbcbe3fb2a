//! Sending of one request: returns the redacted headers and body of its response, or an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;

use super::cassette::{Cassette, RecordedRequest};
use super::config::ClientConfig;
use super::credentials::Token;
use super::error::{LookupError, error_for_status};
use super::graphql::Query;
use super::redact::Redactor;
use super::transport::MAX_BODY;
use crate::rate_limit::RateLimiter;
use crate::stop::StopReason;

pub(super) enum Request<'a> {
    Get(&'a str),
    CreateInstallationToken(&'a str),
    Graphql(Query<'a>),
}

/// Shared by all requests of a client.
pub(super) struct RequestSender {
    pub(super) octocrab: Octocrab,
    pub(super) config: ClientConfig,
    pub(super) limiter: RateLimiter,
    pub(super) redactor: Redactor,
    /// The recording that is written or replayed.
    pub(super) cassette: Option<Arc<Cassette>>,
    pub(super) requests: AtomicU64,
}

impl RequestSender {
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
        let response = async {
            let (method, route, query) = match request {
                Request::Get(route) => (Method::GET, (*route).to_owned(), None),
                Request::CreateInstallationToken(route) => (Method::POST, (*route).to_owned(), None),
                Request::Graphql(query) => (Method::POST, self.config.endpoint.graphql(), Some(query)),
            };
            let builder = http::Request::builder().method(&method).uri(&route);
            let mut http_request =
                self.octocrab.build_request(builder, query).map_err(LookupError::from_transport)?;
            let uri = http_request.uri().clone();
            // octocrab appends to some headers, and some gateways reject duplicates.
            let headers = http_request.headers_mut();
            headers
                .insert(USER_AGENT, HeaderValue::from_static(concat!("ghrepos/", env!("CARGO_PKG_VERSION"))));
            headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
            if let Some(token) = token {
                headers.insert(AUTHORIZATION, token.header());
            }
            if method == Method::GET {
                // octocrab sets it to 0.
                headers.remove(CONTENT_LENGTH);
            }
            let response = self.octocrab.execute(http_request).await;
            let (mut head, body) = response.map_err(LookupError::from_transport)?.into_parts();
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
                    return Err(LookupError::from_body(error));
                }
            };
            let creates_token = matches!(request, Request::CreateInstallationToken(_));
            // Redaction would remove the new token.
            if creates_token && head.status.is_success() {
                return Ok((head.headers, body));
            }
            let body = self.redactor.redact_body(body);
            if let Some(cassette) =
                self.cassette.as_ref().filter(|_| !creates_token && !self.config.is_replay())
            {
                let query = query.and_then(|query| serde_json::to_vec(query).ok()).unwrap_or_default();
                let recorded = RecordedRequest { method, uri, body: query.into() };
                cassette.record(&recorded, &head, &body).map_err(LookupError::from_transport)?;
            }
            match error_for_status(head.status, &head.headers, &body) {
                Ok(()) => Ok((head.headers, body)),
                // A 404 to a query is about the route, not about an account.
                Err(LookupError::NotFound) if query.is_some() => {
                    let reason = "no GraphQL API at this URL; try --api rest";
                    Err(LookupError::Stopped(StopReason::OutOfReach(reason.into())))
                }
                Err(error) => Err(error),
            }
        };
        tokio::time::timeout(timeout, response).await.unwrap_or(Err(LookupError::TimedOut(timeout)))
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get(route) => write!(f, "GET {route}"),
            Self::CreateInstallationToken(route) => write!(f, "POST {route}"),
            Self::Graphql(query) => {
                write!(f, "query for {}", crate::text::pluralize(query.login_count(), "login", "logins"))
            }
        }
    }
}
