//! Sends one request: through octocrab to the network or a replay. Redacts its response, records it, and returns its headers and
//! body or an error. The response with a new token of an app keeps its body, and is not recorded.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
#[cfg(test)]
use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::{BodyExt, Limited};
use octocrab::{OctoBody, Octocrab};
use reqwest::{Body, Url};

use super::api_version::{API_VERSION, VersionNotice};
use super::cassette::{Cassette, RecordedRequest};
use super::config::{ClientConfig, TransportMode};
use super::credentials::Token;
use super::error::{LookupError, MAX_BODY, error_for_status};
use super::foreign::{ForeignResponse, is_html};
use super::graphql::Query;
use super::lock;
use super::redact::Redactor;
use crate::network::connector::{BoxError, Connector};
use crate::rate_limit::{RateLimiter, header_str};
use crate::text::pluralize;

/// Media types of a response. GitHub recommends the first one; a strict server in front of GitHub only knows the second one.
const MEDIA_TYPES: &str = "application/vnd.github+json, application/json;q=0.9";

pub(super) enum Request<'a> {
    Get(&'a str),
    /// A GET of the path to which another request was redirected. A second redirect is not GitHub's.
    Follow(&'a str),
    CreateInstallationToken(&'a str),
    Graphql(Query<'a>),
}

pub(super) struct RequestSender {
    pub(super) octocrab: Octocrab,
    pub(super) config: ClientConfig,
    pub(super) limiter: RateLimiter,
    pub(super) redactor: Redactor,
    pub(super) cassette: Option<Arc<Cassette>>,
    pub(super) requests: AtomicU64,
    /// A query was answered.
    pub(super) has_graphql: AtomicBool,
    /// Most urgent notice about the version of the API.
    pub(super) version_notice: Mutex<Option<VersionNotice>>,
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
            let (http_request, recorded) = self.build(request, token).map_err(LookupError::from_transport)?;
            let url = self.url(request);
            let response = self.octocrab.execute(http_request).await;
            let (mut head, body) = response.map_err(LookupError::from_transport)?.into_parts();
            // Servers have been seen to echo the request.
            self.redactor.redact_headers(&mut head.headers);
            on_headers(&head.headers, head.status.is_success());
            let body = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => {
                    // The rest of a cut-off body decides what a 4xx means, except for a limit that the headers name.
                    return Err(match error_for_status(head.status, &head.headers, &[], &url) {
                        Err(clear @ (LookupError::Status { .. } | LookupError::RateLimited { .. })) => clear,
                        _ => LookupError::from_body(error),
                    });
                }
            };
            let creates_token = matches!(request, Request::CreateInstallationToken(_));
            // Redaction would remove the token, if the server sends one again that it has sent before. Any other text may contain it
            // too, and is not quoted.
            if creates_token && head.status.is_success() && !is_html(&head.headers, &body) {
                return Ok((head.headers, body));
            }
            let body = self.redactor.redact_body(body);
            if let (Some(cassette), TransportMode::Record(_), false) =
                (&self.cassette, &self.config.transport, creates_token)
            {
                cassette.record(&recorded, &head, &body).map_err(LookupError::from_transport)?;
            }
            let checked = self.check(request, &head, &body, &url);
            // The headers of another server say nothing about GitHub's API.
            if !matches!(checked, Err(LookupError::NotGithub(_) | LookupError::QueryNotFound(_))) {
                self.observe_version_notice(&head.headers);
            }
            checked?;
            Ok((head.headers, body))
        };
        tokio::time::timeout(timeout, response).await.unwrap_or(Err(LookupError::TimedOut(timeout)))
    }

    fn observe_version_notice(&self, headers: &HeaderMap) {
        if let Some(notice) = VersionNotice::parse(headers) {
            let mut most_urgent = lock(&self.version_notice);
            *most_urgent = Some(most_urgent.map_or(notice, |earlier| earlier.min(notice)));
        }
    }

    /// Returns the error of a complete response, unless its body may be what was requested.
    fn check(&self, request: &Request<'_>, head: &Parts, body: &[u8], url: &str) -> Result<(), LookupError> {
        let is_get = matches!(request, Request::Get(_) | Request::Follow(_));
        let is_query = matches!(request, Request::Graphql(_));
        if let Request::Get(requested) = request
            && let Some(route) = self.moved_to(head, url).filter(|route| route != requested)
        {
            let response = ForeignResponse::new(head.status, &head.headers, body, url);
            return Err(LookupError::Moved { route, response });
        }
        let is_foreign = match error_for_status(head.status, &head.headers, body, url) {
            // Only a query that takes too long has an empty response.
            Ok(()) => is_get && body.trim_ascii().is_empty(),
            // A 404 to a query is about the route, not about an account.
            Err(LookupError::NotFound) if is_query => {
                let response = ForeignResponse::new(head.status, &head.headers, body, url);
                return Err(LookupError::QueryNotFound(response));
            }
            // A proxy's limit on the size of a request: one for fewer logins may pass.
            Err(LookupError::NotGithub(_)) if head.status == 413 && request.logins() > 1 => {
                return Err(LookupError::Status { status: 413, message: String::new(), retry_after: None });
            }
            Err(error) => return Err(error),
        };
        if is_foreign {
            return Err(LookupError::NotGithub(ForeignResponse::new(head.status, &head.headers, body, url)));
        }
        Ok(())
    }

    /// Returns the new path of an account, an organization or a repository that has moved within this API. GitHub sends no
    /// temporary redirect for it.
    fn moved_to(&self, head: &Parts, url: &str) -> Option<String> {
        let is_permanent = matches!(head.status.as_u16(), 301 | 308);
        let location = header_str(&head.headers, LOCATION).filter(|_| is_permanent)?;
        let target = Url::parse(url).ok()?.join(location).ok()?;
        let route = self.config.endpoint.path_of(target.as_str())?;
        let path = route.strip_prefix(self.config.endpoint.rest("/").as_str())?;
        let path = path.split('?').next()?;
        let mut segments = path.split('/');
        let (kind, name) = (segments.next()?, segments.next()?);
        let is_moved = match kind {
            "user" | "organizations" | "repositories" => name.bytes().all(|byte| byte.is_ascii_digit()),
            // The login of a managed user has an underscore.
            "users" | "orgs" => {
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }
            _ => false,
        };
        (is_moved && !name.is_empty()).then(|| route.to_owned())
    }

    pub(super) fn url(&self, request: &Request<'_>) -> String {
        format!("{}{}", self.config.endpoint.origin(), self.route(request))
    }

    /// Returns the path and query of a request.
    fn route(&self, request: &Request<'_>) -> String {
        match request {
            Request::Get(route) | Request::Follow(route) | Request::CreateInstallationToken(route) => {
                (*route).to_owned()
            }
            Request::Graphql(_) => self.config.endpoint.graphql(),
        }
    }

    fn build(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
    ) -> http::Result<(http::Request<OctoBody>, RecordedRequest)> {
        let uri = Uri::try_from(self.route(request))?;
        let (method, body) = match request {
            Request::Get(_) | Request::Follow(_) => (Method::GET, Bytes::new()),
            Request::CreateInstallationToken(_) => (Method::POST, Bytes::new()),
            Request::Graphql(query) => (Method::POST, serde_json::to_vec(query).unwrap_or_default().into()),
        };
        let mut builder = http::Request::builder()
            .method(&method)
            .uri(&uri)
            .header(USER_AGENT, concat!("ghrepos/", env!("CARGO_PKG_VERSION")))
            .header("x-github-api-version", API_VERSION)
            .header(ACCEPT, MEDIA_TYPES);
        if matches!(request, Request::Graphql(_)) {
            builder = builder.header(CONTENT_TYPE, "application/json");
        } else if method == Method::POST {
            builder = builder.header(CONTENT_LENGTH, "0");
        }
        if let Some(token) = token {
            builder = builder.header(AUTHORIZATION, token.header());
        }
        Ok((builder.body(OctoBody::from(body.clone()))?, RecordedRequest { method, uri, body }))
    }
}

impl Request<'_> {
    /// Returns the number of logins of a query.
    fn logins(&self) -> usize {
        if let Self::Graphql(query) = self { query.logins } else { 0 }
    }

    /// Returns a text that retries of the same request share.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Get(route) | Self::Follow(route) | Self::CreateInstallationToken(route) => {
                (*route).to_owned()
            }
            // Retries of a page share all variables, and those of a query for logins the first.
            Self::Graphql(query) => {
                let shared = if query.logins == 0 { query.variables.len() } else { 1 };
                query.variables.values().take(shared).map(ToString::to_string).collect()
            }
        }
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(route) | Self::Follow(route) => write!(f, "GET {route}"),
            Self::CreateInstallationToken(route) => write!(f, "POST {route}"),
            Self::Graphql(query) if query.logins == 0 => f.write_str("query for a page of members"),
            Self::Graphql(query) => {
                write!(f, "query for {}", pluralize(query.logins as u64, "login", "logins"))
            }
        }
    }
}

#[derive(Clone)]
pub(super) enum Transport {
    Network(Arc<Connector>),
    Replay(Arc<Cassette>),
    #[cfg(test)]
    Simulation(Responder),
}

/// Responds in place of a server: a simulation on a paused clock has no sockets.
#[cfg(test)]
pub(crate) type Responder =
    Arc<dyn Fn(http::Request<Bytes>) -> BoxFuture<'static, Result<Response<Body>, BoxError>> + Send + Sync>;

impl Transport {
    pub(super) async fn send(self, request: http::Request<OctoBody>) -> Result<Response<Body>, BoxError> {
        let (head, body) = request.into_parts();
        // reqwest sends a request again that the server did not process, but only with a body of bytes.
        let body = body.collect().await?.to_bytes();
        match self {
            Self::Network(connector) => connector.send(head, body.into()).await,
            Self::Replay(cassette) => {
                let request = RecordedRequest { method: head.method, uri: head.uri, body };
                Ok(cassette.replay(&request)?.map(Body::wrap))
            }
            #[cfg(test)]
            Self::Simulation(respond) => respond(http::Request::from_parts(head, body)).await,
        }
    }
}
