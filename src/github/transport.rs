//! Sends one request: through octocrab to the network or a replay. Redacts its response, records it, and returns its headers and
//! body or an error. The response with a new token of an app keeps its body, and is not recorded.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{error, fmt};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use octocrab::{OctoBody, Octocrab};
use reqwest::redirect::Policy;
use reqwest::{Body, Url};

use super::cassette::{Cassette, RecordedRequest};
use super::config::ClientConfig;
use super::credentials::Token;
use super::endpoint::ApiEndpoint;
use super::error::{LookupError, error_for_status};
use super::graphql::Query;
use super::redact::Redactor;
use crate::network::Route;
use crate::network::proxy::ProxyChoice;
use crate::rate_limit::RateLimiter;
use crate::stop::StopReason;
use crate::text::pluralize;

/// Upper bound on the body of a response, in bytes; a hundred accounts in full are a tenth of it.
pub(super) const MAX_BODY: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound on the time to find out why a proxy failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 5;

/// Source of the responses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportMode {
    /// The network.
    Network,
    /// The network; responses are also written to this folder.
    Record(PathBuf),
    /// The responses that were recorded in this folder, without network and token.
    Replay(PathBuf),
}

pub(super) enum Request<'a> {
    Get(&'a str),
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
            let response = self.octocrab.execute(http_request).await;
            let (mut head, body) = response.map_err(LookupError::from_transport)?.into_parts();
            // Servers have been seen to echo the request.
            self.redactor.redact_headers(&mut head.headers);
            on_headers(&head.headers, head.status.is_success());
            let body = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) => {
                    let error = LookupError::from_body(error);
                    // The rest of a cut-off body may say that a 403 is a rate limit. A 404 is only about the account if GitHub's
                    // body says so. Other statuses are clear without a body.
                    match error_for_status(head.status, &head.headers, &[]) {
                        Err(LookupError::Forbidden { .. }) if !matches!(error, LookupError::TooLong(_)) => {}
                        status if head.status != StatusCode::NOT_FOUND => status?,
                        _ => {}
                    }
                    return Err(error);
                }
            };
            let creates_token = matches!(request, Request::CreateInstallationToken(_));
            // Redaction would remove the token, if the server sends one again that it has sent before.
            if creates_token && head.status.is_success() {
                return Ok((head.headers, body));
            }
            let body = self.redactor.redact_body(body);
            if let (Some(cassette), TransportMode::Record(_), false) =
                (&self.cassette, &self.config.transport, creates_token)
            {
                cassette.record(&recorded, &head, &body).map_err(LookupError::from_transport)?;
            }
            match error_for_status(head.status, &head.headers, &body) {
                Ok(()) => Ok((head.headers, body)),
                // A 404 to a query is about the route, not about an account.
                Err(LookupError::NotFound) if matches!(request, Request::Graphql(_)) => {
                    let reason = "no GraphQL API at this URL; try --api rest";
                    Err(LookupError::Stopped(StopReason::OutOfReach(reason.into())))
                }
                Err(error) => Err(error),
            }
        };
        tokio::time::timeout(timeout, response).await.unwrap_or(Err(LookupError::TimedOut(timeout)))
    }

    fn build(
        &self,
        request: &Request<'_>,
        token: Option<&Token>,
    ) -> http::Result<(http::Request<OctoBody>, RecordedRequest)> {
        let (method, uri, body) = match request {
            Request::Get(route) => (Method::GET, Uri::try_from(*route)?, Bytes::new()),
            Request::CreateInstallationToken(route) => (Method::POST, Uri::try_from(*route)?, Bytes::new()),
            Request::Graphql(query) => {
                let body = serde_json::to_vec(query).unwrap_or_default();
                (Method::POST, Uri::try_from(self.config.endpoint.graphql())?, body.into())
            }
        };
        let mut builder = http::Request::builder()
            .method(&method)
            .uri(&uri)
            .header(USER_AGENT, concat!("ghrepos/", env!("CARGO_PKG_VERSION")))
            .header("x-github-api-version", "2022-11-28")
            .header(ACCEPT, "application/vnd.github+json");
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

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(route) => write!(f, "GET {route}"),
            Self::CreateInstallationToken(route) => write!(f, "POST {route}"),
            Self::Graphql(query) => {
                write!(f, "query for {}", pluralize(query.variables.len() as u64, "login", "logins"))
            }
        }
    }
}

pub(super) type BoxError = Box<dyn error::Error + Send + Sync>;

#[derive(Clone)]
pub(super) enum Transport {
    Network(Arc<Connector>),
    Replay(Arc<Cassette>),
}

impl Transport {
    pub(super) async fn send(self, request: http::Request<OctoBody>) -> Result<Response<Body>, BoxError> {
        let (head, body) = request.into_parts();
        match self {
            Self::Network(connector) => connector.send(head, body).await,
            Self::Replay(cassette) => {
                let body = body.collect().await?.to_bytes();
                let request = RecordedRequest { method: head.method, uri: head.uri, body };
                Ok(cassette.replay(&request)?.map(Body::wrap))
            }
        }
    }
}

/// octocrab's own `ReqwestConnector` parses the whole URL for every request, a twentieth of the cost of a request, and wraps each
/// body once more.
pub(super) struct Connector {
    client: reqwest::Client,
    origin: Url,
    route: Route,
}

impl Connector {
    /// Creates a client that trusts `ca_certificates` beside the system's. `timeout` is that of one attempt.
    pub(super) fn new(
        endpoint: &ApiEndpoint,
        proxy: &ProxyChoice,
        timeout: Duration,
        ca_certificates: &[reqwest::Certificate],
    ) -> Result<Self, BoxError> {
        // A token may be sent to this machine over plain http, but not to a proxy.
        let proxy = if endpoint.is_loopback_http() { &ProxyChoice::Direct } else { proxy };
        // The connection has to time out before the attempt, so that the error names it. A proxy's probe needs time too.
        let connect_share = if proxy.proxy().is_some() { 0.5 } else { 0.75 };
        let mut builder = reqwest::Client::builder()
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout.mul_f64(connect_share)))
            .tcp_nodelay(true)
            .redirect(Policy::custom(|attempt| match redirect_violation(attempt.url(), attempt.previous()) {
                Some(violation) => attempt.error(violation),
                None => attempt.follow(),
            }))
            .referer(false);
        if !ca_certificates.is_empty() {
            builder = builder.tls_certs_merge(ca_certificates.to_vec());
        }
        if endpoint.is_loopback_http() {
            // Reading the system's certificates takes longer than a request.
            builder = builder.tls_certs_only([]);
        }
        builder = match proxy {
            ProxyChoice::System => builder,
            ProxyChoice::Direct => builder.no_proxy(),
            ProxyChoice::Via(proxy) => builder.no_proxy().proxy(proxy.to_reqwest()?),
        };
        let origin: Url = endpoint.origin().parse()?;
        let route = Route::new(origin.clone(), proxy.proxy(), PROBE_TIMEOUT.min(timeout.mul_f64(0.3)));
        Ok(Self { client: builder.build()?, origin, route })
    }

    async fn send(&self, head: http::request::Parts, body: OctoBody) -> Result<Response<Body>, BoxError> {
        let mut url = self.origin.clone();
        url.set_path(head.uri.path());
        url.set_query(head.uri.query());
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(Body::wrap(body));
        let response = self.client.execute(request).await.map_err(Arc::new);
        let error = match &response {
            Ok(response) => self.route.refused(response.status()),
            Err(error) => self.route.classify(error).await,
        };
        match error {
            Some(error) => Err(error.into()),
            None => Ok(response?.into()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BlockedRedirect {
    #[error("too many redirects")]
    TooMany,
    #[error("it leads from https to plain http")]
    ToPlainHttp,
    /// A second redirect, after one that led to another server.
    #[error("it comes from another server")]
    FromOtherServer,
    #[error("it does not lead to an http or https URL")]
    NotHttp,
}

/// Returns the reason for which a redirect to `next` is not followed.
///
/// reqwest removes `Authorization` from a request to another origin, but compares only with the previous hop and starts with all
/// headers again. A second redirect within another origin would send it the token, so that one is not followed.
fn redirect_violation(next: &Url, previous: &[Url]) -> Option<BlockedRedirect> {
    let (first, last) = (previous.first()?, previous.last()?);
    match next.scheme() {
        "http" | "https" if previous.len() > MAX_REDIRECTS => Some(BlockedRedirect::TooMany),
        "http" if last.scheme() == "https" => Some(BlockedRedirect::ToPlainHttp),
        "http" | "https" if last.origin() != first.origin() => Some(BlockedRedirect::FromOtherServer),
        "http" | "https" => None,
        _ => Some(BlockedRedirect::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_plain_http_or_from_another_server_is_blocked() {
        let url = |url: &&str| Url::parse(url).unwrap();
        let violation = |previous: &[&str], next: &str| {
            redirect_violation(&url(&next), &previous.iter().map(url).collect::<Vec<_>>())
        };
        let api = "https://api.github.com/users/a";
        for next in ["https://api.github.com/user/1", "https://example.com/", "https://api.github.com:8443/"]
        {
            assert_eq!(violation(&[api], next), None, "{next}");
        }
        for next in ["http://api.github.com/users/a", "http://127.0.0.1/", "http://example.com:443/"] {
            assert_eq!(violation(&[api], next), Some(BlockedRedirect::ToPlainHttp), "{next}");
        }
        // Plain http stays plain, or becomes https.
        for next in ["http://127.0.0.1:1/b", "http://127.0.0.1:2/b", "https://127.0.0.1/"] {
            assert_eq!(violation(&["http://127.0.0.1:1/a"], next), None, "{next}");
        }
        for next in ["https://example.com/b", "https://api.github.com/user/1", "https://example.org/"] {
            assert_eq!(
                violation(&[api, "https://example.com/a"], next),
                Some(BlockedRedirect::FromOtherServer),
                "{next}"
            );
        }
        assert_eq!(violation(&[api], "ftp://api.github.com/a"), Some(BlockedRedirect::NotHttp));
        assert_eq!(violation(&[api; MAX_REDIRECTS], api), None);
        assert_eq!(violation(&[api; MAX_REDIRECTS + 1], api), Some(BlockedRedirect::TooMany));
    }
}
