//! What octocrab runs on: a tower service that answers from the network, from the network with every
//! exchange recorded, or from a folder of recorded exchanges. All that is above it is the same.

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
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use octocrab::OctoBody;
use reqwest::Url;
use tower::Service;

use super::auth::Redactor;
use super::connect::Route;
use super::exchange::{Asked, Exchanges};
use super::proxy::ProxyChoice;

/// No answer to a question of ours is longer; a hundred accounts in full are a tenth of it.
pub(super) const MAX_BODY: usize = 16 << 20;
/// Whoever has not taken our call by then will hardly do so later.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound on the time to learn why a proxy failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: usize = 5;

/// Where answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportMode {
    /// The network.
    Network,
    /// The network, with every exchange written to a folder.
    Record(PathBuf),
    /// A folder of recorded exchanges, without network or token.
    Replay(PathBuf),
}

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = BoxBody<Bytes, BoxError>;

#[derive(Clone, Debug)]
pub(super) enum Transport {
    Network(Connector),
    Record { network: Connector, exchanges: Arc<Exchanges>, redactor: Redactor },
    Replay(Arc<Exchanges>),
}

impl Transport {
    pub(super) fn new(
        source: &TransportMode,
        network: Network,
        redactor: &Redactor,
        exchanges: Option<&Arc<Exchanges>>,
    ) -> Result<Self, BoxError> {
        Ok(match (source, exchanges) {
            (TransportMode::Network, _) | (_, None) => Self::Network(network.connector()?),
            (TransportMode::Record(_), Some(exchanges)) => Self::Record {
                network: network.connector()?,
                exchanges: Arc::clone(exchanges),
                redactor: redactor.clone(),
            },
            (TransportMode::Replay(_), Some(exchanges)) => Self::Replay(Arc::clone(exchanges)),
        })
    }
}

/// How to reach the network.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// Scheme, host and port of the API.
    pub(super) origin: String,
    /// The API is on this machine, by plain http.
    pub(super) local: bool,
    /// For one attempt.
    pub(super) timeout: Duration,
    /// Trusted beside the system's.
    pub(super) authorities: Vec<reqwest::Certificate>,
    pub(super) proxy: ProxyChoice,
}

impl Network {
    fn connector(self) -> Result<Connector, BoxError> {
        // A token that may go to this machine in the clear may not go so to a proxy.
        let proxy = if self.local { ProxyChoice::Direct } else { self.proxy };
        // Behind a proxy there has to be time left to learn why it failed.
        let connect_share = if proxy.proxy().is_some() { 0.5 } else { 0.75 };
        let mut builder = reqwest::Client::builder()
            .gzip(true)
            // Sooner than the attempt ends, so that it is the connection that gets the blame.
            .connect_timeout(CONNECT_TIMEOUT.min(self.timeout.mul_f64(connect_share)))
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::custom(|attempt| {
                match astray(attempt.url(), attempt.previous()) {
                    Some(astray) => attempt.error(astray),
                    None => attempt.follow(),
                }
            }))
            .referer(false);
        if !self.authorities.is_empty() {
            builder = builder.tls_certs_merge(self.authorities);
        }
        if self.local {
            // Reading the system's certificates would take longer than a request.
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

/// A redirect that is not followed, and why: it leads …
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Astray(pub(super) &'static str);

/// Why a redirect to `next` is not followed, if it is not.
///
/// One to another origin loses the token: reqwest takes `Authorization` off. But it begins with all headers
/// anew for every hop, and looks at the last one alone: a hop within that other origin would be sent the
/// token. So there is none.
fn astray(next: &Url, previous: &[Url]) -> Option<Astray> {
    let (first, last) = (previous.first()?, previous.last()?);
    Some(Astray(match next.scheme() {
        "http" | "https" if previous.len() > MAX_REDIRECTS => "too often",
        "http" if last.scheme() == "https" => "from https to plain http",
        "http" | "https" if last.origin() != first.origin() => "to another server, and on from there",
        "http" | "https" => return None,
        _ => "to no web address",
    }))
}

/// A client of the network, and the origin to which everything goes.
///
/// As octocrab's own `ReqwestConnector`, but that it does not take the whole address apart for every request:
/// that was a twentieth of what a request costs, and wrapping each body once more another part.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: reqwest::Client,
    origin: Url,
    route: Arc<Route>,
}

impl Connector {
    fn call(
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
        let answer = self.client.execute(request);
        let route = Arc::clone(&self.route);
        async move {
            match answer.await {
                Ok(response) => match route.refused(response.status()) {
                    Some(refused) => Err(refused.into()),
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
                let answer = network.call(request);
                async move { Ok(answer.await?.map(|body| body.map_err(Into::into).boxed())) }.boxed()
            }
            Self::Record { network, exchanges, redactor } => {
                let (exchanges, redactor) = (Arc::clone(exchanges), redactor.clone());
                let (asked, answer) = (asked(&request), network.call(request));
                async move {
                    let (mut head, body) = answer.await?.into_parts();
                    let body = match Limited::new(body, MAX_BODY).collect().await {
                        Ok(body) => body.to_bytes(),
                        // A broken body is no exchange to keep, and breaks as it would have without.
                        Err(error) => return Ok(Response::from_parts(head, broken(error))),
                    };
                    let asked = asked.await;
                    // A token is no evidence of anything, and nobody shall find it in a folder.
                    if !asked.uri.path().ends_with("/access_tokens") {
                        exchanges.keep(&asked, &head, &body, |bytes| redactor.redact(bytes).into_owned())?;
                    }
                    // What was true of the body on its way need not be true of it now.
                    head.headers.remove(CONTENT_LENGTH);
                    head.headers.remove(TRANSFER_ENCODING);
                    Ok(Response::from_parts(head, whole(body)))
                }
                .boxed()
            }
            Self::Replay(exchanges) => {
                let (exchanges, asked) = (Arc::clone(exchanges), asked(&request));
                async move {
                    let answer = exchanges.answer(&asked.await)?;
                    Ok(answer.map(|body| body.map_err(|never| match never {}).boxed()))
                }
                .boxed()
            }
        }
    }
}

/// A copy of what is asked.
fn asked(request: &Request<OctoBody>) -> impl Future<Output = Asked> + Send + use<> {
    let (method, uri, body) = (request.method().clone(), request.uri().clone(), request.body().try_clone());
    async move {
        let body = match body {
            Some(body) => body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default(),
            None => Bytes::new(),
        };
        Asked { method, uri, body }
    }
}

fn broken(error: BoxError) -> Body {
    StreamBody::new(stream::once(std::future::ready(Err::<Frame<Bytes>, _>(error)))).boxed()
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// Puts our headers on a request. octocrab *appends* to some of them, and two of a kind are refused
/// by some gateways, so they are inserted here, below everything of its.
pub(super) fn stamp(mut request: Request<OctoBody>) -> Request<OctoBody> {
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("ghrepos/", env!("CARGO_PKG_VERSION"))));
    headers.insert("x-github-api-version", HeaderValue::from_static("2022-11-28"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    if request.method() == http::Method::GET {
        // octocrab says that a GET has a body of no bytes; it has none.
        request.headers_mut().remove(CONTENT_LENGTH);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_from_https_to_plain_http_nor_on_from_another_server() {
        let url = |url: &&str| Url::parse(url).unwrap();
        let refused = |previous: &[&str], next: &str| {
            astray(&url(&next), &previous.iter().map(url).collect::<Vec<_>>()).map(|Astray(why)| why)
        };
        let api = "https://api.github.com/users/a";
        for next in ["https://api.github.com/user/1", "https://example.com/", "https://api.github.com:8443/"]
        {
            assert_eq!(refused(&[api], next), None, "{next}");
        }
        for next in ["http://api.github.com/users/a", "http://127.0.0.1/", "http://example.com:443/"] {
            assert_eq!(refused(&[api], next), Some("from https to plain http"), "{next}");
        }
        // What was plain from the beginning stays so, and may become safe.
        for next in ["http://127.0.0.1:1/b", "http://127.0.0.1:2/b", "https://127.0.0.1/"] {
            assert_eq!(refused(&["http://127.0.0.1:1/a"], next), None, "{next}");
        }
        for next in ["https://example.com/b", "https://api.github.com/user/1", "https://example.org/"] {
            let why = "to another server, and on from there";
            assert_eq!(refused(&[api, "https://example.com/a"], next), Some(why), "{next}");
        }
        assert_eq!(refused(&[api], "ftp://api.github.com/a"), Some("to no web address"));
        assert_eq!(refused(&[api; MAX_REDIRECTS], api), None);
        assert_eq!(refused(&[api; MAX_REDIRECTS + 1], api), Some("too often"));
    }
}
