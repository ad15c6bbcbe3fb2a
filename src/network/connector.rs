//! The HTTP client: one connection or a few to the server of an API.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::request::Parts;
use reqwest::redirect::Policy;
use reqwest::{Body, Url};

use super::Route;
use super::proxy::ProxyChoice;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper bound on the time to find out why a proxy failed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// octocrab's own `ReqwestConnector` parses the whole URL for every request, a twentieth of the cost of a request, and wraps each
/// body once more.
pub(crate) struct Connector {
    client: reqwest::Client,
    route: Route,
}

impl Connector {
    /// Creates a client that trusts `ca_certificates` beside the system's. `timeout` is that of one attempt.
    pub(crate) fn new(
        origin: Url,
        is_loopback_http: bool,
        proxy: &ProxyChoice,
        timeout: Duration,
        ca_certificates: &[reqwest::Certificate],
    ) -> Result<Self, BoxError> {
        // A token may be sent to this machine over plain http, but not to a proxy.
        let proxy = if is_loopback_http { &ProxyChoice::Direct } else { proxy };
        // The connection has to time out before the attempt, so that the error names it. A proxy's probe needs time too.
        let connect_share = if proxy.proxy().is_some() { 0.5 } else { 0.75 };
        // reqwest takes the process's provider. An error means that the process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .gzip(true)
            .connect_timeout(CONNECT_TIMEOUT.min(timeout.mul_f64(connect_share)))
            .tcp_nodelay(true)
            // A connection that a router has dropped without notice is replaced before its requests time out.
            .http2_keep_alive_interval(timeout / 3)
            .http2_keep_alive_timeout(timeout / 3)
            .redirect(Policy::none());
        if !ca_certificates.is_empty() {
            builder = builder.tls_certs_merge(ca_certificates.to_vec());
        }
        if is_loopback_http {
            // Reading the system's certificates takes longer than a request.
            builder = builder.tls_certs_only([]);
        }
        builder = match proxy {
            ProxyChoice::System => builder,
            ProxyChoice::Direct => builder.no_proxy(),
            ProxyChoice::Via(proxy) => builder.no_proxy().proxy(proxy.to_reqwest()?),
        };
        let route = Route {
            origin,
            proxy: proxy.proxy().cloned(),
            probe_limit: PROBE_TIMEOUT.min(timeout.mul_f64(0.3)),
            probed: Arc::default(),
            has_ca_file: !ca_certificates.is_empty(),
        };
        Ok(Self { client: builder.build()?, route })
    }

    pub(crate) async fn send(&self, head: Parts, body: Body) -> Result<Response<Body>, BoxError> {
        let mut url = self.route.origin.clone();
        url.set_path(head.uri.path());
        url.set_query(head.uri.query());
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(body);
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
