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
const MAX_REDIRECTS: usize = 5;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// octocrab's own `ReqwestConnector` parses the whole URL for every request, a twentieth of the cost of a request, and wraps each
/// body once more.
pub(crate) struct Connector {
    client: reqwest::Client,
    origin: Url,
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
        if is_loopback_http {
            // Reading the system's certificates takes longer than a request.
            builder = builder.tls_certs_only([]);
        }
        builder = match proxy {
            ProxyChoice::System => builder,
            ProxyChoice::Direct => builder.no_proxy(),
            ProxyChoice::Via(proxy) => builder.no_proxy().proxy(proxy.to_reqwest()?),
        };
        let route = Route::new(origin.clone(), proxy.proxy(), PROBE_TIMEOUT.min(timeout.mul_f64(0.3)));
        Ok(Self { client: builder.build()?, origin, route })
    }

    pub(crate) async fn send(&self, head: Parts, body: Body) -> Result<Response<Body>, BoxError> {
        let mut url = self.origin.clone();
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
