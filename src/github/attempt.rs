//! One request: its token, its sending, its answer, and what is learnt from that.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Limited};

use super::auth::Token;
use super::error::LookupError;
use super::governor::Permit;
use super::graphql::Query;
use super::stop::Stop;
use super::transport::MAX_BODY;
use super::{Shared, refusal};

/// What can be asked.
pub(super) enum Request<'a> {
    Get(String),
    /// For a token of an app's installation.
    Issue(String),
    Query(Query<'a>),
}

impl Shared {
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// One request, from sending to the answer's last byte, and what the governor learns from it.
    pub(super) async fn attempt<T>(
        &self,
        request: &Request<'_>,
        permit: &mut Permit,
        read: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, LookupError>,
    ) -> Result<T, LookupError> {
        let bearer = tokio::select! {
            biased;
            // It has not left yet.
            stop = self.governor.stopped(), if self.session.changes() => return Err(LookupError::Stopped(stop)),
            bearer = self.token() => bearer?,
        };
        let limit = self.settings.timeout;
        let started = permit.send();
        self.count_request();
        let hear = |headers: &HeaderMap, good| self.governor.hear(permit, headers, good);
        let outcome = tokio::select! {
            biased;
            outcome = tokio::time::timeout(limit, self.exchange(request, bearer.token.as_ref(), hear)) => outcome,
            stop = self.governor.abandoned() => return Err(LookupError::Stopped(stop)),
        };
        let mut length = 0;
        let outcome = outcome.unwrap_or(Err(LookupError::TimedOut(limit))).and_then(|(headers, body)| {
            length = body.len();
            read(&headers, &body).map_err(|error| match error {
                // A limit of the GraphQL API comes with a success; its wait is in the headers.
                LookupError::RateLimited { status, .. } => refusal::limited(status, &headers),
                error => error,
            })
        });
        let outcome = if self.session.learn(&bearer, &outcome) {
            outcome.map_err(|_| LookupError::TokenExpired)
        } else {
            outcome
        };
        tracing::debug!(
            "{request}: {} in {}",
            outcome.as_ref().err().map_or_else(|| format!("{length} bytes"), ToString::to_string),
            crate::text::duration(started.elapsed())
        );
        self.governor.learn(permit, outcome.as_ref().map(|_| ()), bearer.token.is_some());
        outcome
    }

    /// Sends a request and takes its whole answer.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
        listen: impl FnOnce(&HeaderMap, bool),
    ) -> Result<(HeaderMap, Bytes), LookupError> {
        let api = &self.settings.api;
        let (method, route) = match request {
            Request::Get(route) => (Method::GET, route.clone()),
            Request::Issue(route) => (Method::POST, route.clone()),
            Request::Query(_) => (Method::POST, api.graphql()),
        };
        let mut builder = http::Request::builder().method(method).uri(route);
        if let Some(value) = token.map(Token::header) {
            builder = builder.header(AUTHORIZATION, value);
        }
        let body = match request {
            Request::Query(query) => Some(query),
            Request::Get(_) | Request::Issue(_) => None,
        };
        let response = match self.octocrab.build_request(builder, body) {
            Ok(request) => self.octocrab.execute(request).await,
            Err(error) => Err(error),
        };
        let (mut head, body) = response.map_err(|error| LookupError::transport(&error, false))?.into_parts();
        // Servers have been seen to send back what they were sent.
        let secrets = &self.session.secrets;
        secrets.redact_headers(&mut head.headers);
        listen(&head.headers, head.status.is_success());
        let body = Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes);
        match body {
            Ok(body) => {
                // A new token would be taken out as well.
                if matches!(request, Request::Issue(_)) && head.status.is_success() {
                    return Ok((head.headers, body));
                }
                let body = secrets.redact_body(body);
                match refusal::check(head.status, &head.headers, &body) {
                    Ok(()) => Ok((head.headers, body)),
                    // Of a query it says nothing about any account, but that nobody takes queries here.
                    Err(LookupError::NotFound) if matches!(request, Request::Query(_)) => {
                        let missing = "there is no GraphQL API at this address; try --api rest";
                        Err(LookupError::Stopped(Stop::OutOfReach(missing.into())))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                // A 404 is one only in GitHub's own words; any other status says enough, even when
                // the page that came with it broke off.
                if head.status != StatusCode::NOT_FOUND {
                    refusal::check(head.status, &head.headers, &[])?;
                }
                Err(LookupError::transport(&*error, true))
            }
        }
    }
}

impl std::fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get(route) => write!(f, "GET {route}"),
            Self::Issue(route) => write!(f, "POST {route}"),
            Self::Query(query) => {
                write!(f, "query for {}", crate::text::counted(query.len(), "login", "logins"))
            }
        }
    }
}
