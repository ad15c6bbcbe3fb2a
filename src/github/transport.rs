//! The tower service that octocrab runs on: the network, the network with a recording, or a replay.

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use http::header::{ACCEPT, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Collected, Full, Limited, StreamBody};
use octocrab::OctoBody;
use reqwest::Url;
use reqwest::redirect::Policy;
use tower::Service;

use super::cassette::{Cassette, RecordedRequest};
use super::connect::Route;
use super::proxy::ProxyChoice;
use super::redact::Redactor;

/// Upper bound on the body of a response, in bytes; a hundred accounts in full are a tenth of it.
pub(super) const MAX_BODY: usize = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound on the time to find out why a proxy failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 5;

/// Where responses come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportMode {
    /// The network.
    Network,
    /// The network; responses are also written to this folder.
    Record(PathBuf),
    /// The responses that were recorded in this folder, without network and token.
    Replay(PathBuf),
}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = BoxBody<Bytes, BoxError>;

#[derive(Clone, Debug)]
pub(super) enum Transport {
    Network(Connector),
    Record { network: Connector, cassette: Arc<Cassette>, redactor: Redactor },
    Replay(Arc<Cassette>),
}

impl Transport {
    pub(super) fn new(
        mode: &TransportMode,
        http: HttpConfig,
        redactor: &Redactor,
        cassette: Option<&Arc<Cassette>>,
    ) -> Result<Self, BoxError> {
        Ok(match (mode, cassette) {
            (TransportMode::Network, _) | (_, None) => Self::Network(http.connector()?),
            (TransportMode::Record(_), Some(cassette)) => Self::Record {
                network: http.connector()?,
                cassette: Arc::clone(cassette),
                redactor: redactor.clone(),
            },
            (TransportMode::Replay(_), Some(cassette)) => Self::Replay(Arc::clone(cassette)),
        })
    }
}

/// Configuration of the HTTP client.
#[derive(Clone, Debug)]
pub(super) struct HttpConfig {
    /// Scheme, host and port of the API.
    pub(super) origin: String,
    /// Whether the API is on this machine, over plain http.
    pub(super) is_loopback: bool,
    /// Of one attempt.
    pub(super) timeout: Duration,
    /// Trusted beside the system's.
    pub(super) ca_certificates: Vec<reqwest::Certificate>,
    pub(super) proxy: ProxyChoice,
}

impl HttpConfig {
    fn connector(self) -> Result<Connector, BoxError> {
        // A token may be sent to this machine over plain http, but not to a proxy.
        let proxy = if self.is_loopback { ProxyChoice::Direct } else { self.proxy };
        // The connection has to time out before the attempt, so that the error names it. Behind a proxy, time is left for a probe.
        let connect_share = if proxy.proxy().is_some() { 0.5 } else { 0.75 };
        let mut builder = reqwest::Client::builder()
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout.mul_f64(connect_share)))
            .tcp_nodelay(true)
            .redirect(Policy::custom(|attempt| match redirect_violation(attempt.url(), attempt.previous()) {
                Some(violation) => attempt.error(violation),
                None => attempt.follow(),
            }))
            .referer(false);
        if !self.ca_certificates.is_empty() {
            builder = builder.tls_certs_merge(self.ca_certificates);
        }
        if self.is_loopback {
            // Reading the system's certificates takes longer than a request.
            builder = builder.tls_certs_only([]);
        }
        builder = match &proxy {
            ProxyChoice::System => builder,
            ProxyChoice::Direct => builder.no_proxy(),
            ProxyChoice::Via(proxy) => builder.no_proxy().proxy(proxy.to_reqwest()?),
        };
        let origin: Url = self.origin.parse()?;
        let probe_limit = PROBE_TIMEOUT.min(self.timeout.mul_f64(0.3));
        let route = Route::new(origin.clone(), proxy.proxy(), probe_limit);
        Ok(Connector { client: builder.build()?, origin, route: Arc::new(route) })
    }
}

/// Reason for which a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockedRedirect {
    /// More than five in a row.
    #[error("too many redirects")]
    TooMany,
    /// From https to plain http.
    #[error("it leads from https to plain http")]
    ToPlainHttp,
    /// A second redirect, after one that led to another server.
    #[error("it comes from another server")]
    FromOtherServer,
    /// Not to an http or https URL.
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

/// The HTTP client.
///
/// octocrab's own `ReqwestConnector` parses the whole URL for every request, a twentieth of the cost of a request, and wraps each
/// body once more.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: reqwest::Client,
    origin: Url,
    route: Arc<Route>,
}

impl Connector {
    fn send(
        &self,
        request: Request<OctoBody>,
    ) -> impl Future<Output = Result<Response<reqwest::Body>, BoxError>> + Send + use<> {
        let (head, body) = request.into_parts();
        let mut url = self.origin.clone();
        url.set_path(head.uri.path());
        url.set_query(head.uri.query());
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let response = self.client.execute(request);
        let route = Arc::clone(&self.route);
        async move {
            match response.await {
                Ok(response) => match route.refused(response.status()) {
                    Some(error) => Err(error.into()),
                    None => Ok(response.into()),
                },
                Err(error) => match route.classify(&error).await {
                    Some(classified) => Err(classified.into()),
                    None => Err(error.into()),
                },
            }
        }
    }
}

impl Service<Request<OctoBody>> for Transport {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        match self {
            Self::Network(network) => {
                let response = network.send(request);
                async move { Ok(response.await?.map(|body| body.map_err(Into::into).boxed())) }.boxed()
            }
            Self::Record { network, cassette, redactor } => {
                let captured = capture_request(&request);
                let response = network.send(request);
                record(captured, response, Arc::clone(cassette), redactor.clone()).boxed()
            }
            Self::Replay(cassette) => {
                let (cassette, captured) = (Arc::clone(cassette), capture_request(&request));
                async move {
                    let response = cassette.replay(&captured.await)?;
                    Ok(response.map(|body| body.map_err(|never| match never {}).boxed()))
                }
                .boxed()
            }
        }
    }
}

/// Records a response, and returns it.
async fn record(
    request: impl Future<Output = RecordedRequest>,
    response: impl Future<Output = Result<Response<reqwest::Body>, BoxError>>,
    cassette: Arc<Cassette>,
    redactor: Redactor,
) -> Result<Response<Body>, BoxError> {
    let (mut head, body) = response.await?.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        // An incomplete body is not recorded.
        Err(error) => return Ok(Response::from_parts(head, error_body(error))),
    };
    let request = request.await;
    // The response to this request is a token.
    if !request.uri.path().ends_with("/access_tokens") {
        cassette.record(&request, &head, &body, &redactor)?;
    }
    // They describe the body as it was sent.
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(TRANSFER_ENCODING);
    Ok(Response::from_parts(head, full_body(body)))
}

fn capture_request(request: &Request<OctoBody>) -> impl Future<Output = RecordedRequest> + Send + use<> {
    let (method, uri, body) = (request.method().clone(), request.uri().clone(), request.body().try_clone());
    async move {
        let body = match body {
            Some(body) => body.collect().await.map(Collected::to_bytes).unwrap_or_default(),
            None => Bytes::new(),
        };
        RecordedRequest { method, uri, body }
    }
}

fn error_body(error: BoxError) -> Body {
    StreamBody::new(stream::once(std::future::ready(Err::<Frame<Bytes>, _>(error)))).boxed()
}

fn full_body(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// Sets the headers of every request. octocrab appends to some of them, and some gateways reject duplicates.
pub(super) fn set_standard_headers(mut request: Request<OctoBody>) -> Request<OctoBody> {
    let is_get = request.method() == http::Method::GET;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("ghrepos/", env!("CARGO_PKG_VERSION"))));
    headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    if is_get {
        // octocrab sets it to 0.
        headers.remove(CONTENT_LENGTH);
    }
    request
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
