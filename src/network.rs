//! Connections: proxies, certificates, and the reason for which a connection failed.
//!
//! It knows no API.

pub(crate) mod connector;
pub(crate) mod proxy;
pub(crate) mod tls;

mod probe;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use reqwest::Url;
use tokio::sync::OnceCell;

use self::probe::{Probed, probe};
use self::proxy::Proxy;
use crate::text::{causes, innermost};

/// Beginnings of the texts of rustls and h2 for a connection that ends without notice. That of rustls has a link to its manual.
const CLOSED_TEXTS: [&str; 2] = ["peer closed connection without", "stream closed because of a broken pipe"];

/// Cause of a failed request, shared by the logins of a batch. Its text is that of the innermost error. Causes with the same text
/// are equal.
#[derive(Clone, Debug)]
pub(crate) struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into().into())
    }

    pub(crate) fn find<T: Error + 'static>(&self) -> Option<&T> {
        causes(&*self.0).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = innermost(&*self.0);
        let is_closed = CLOSED_TEXTS.iter().any(|beginning| text.starts_with(beginning));
        f.write_str(if is_closed { "the connection was closed" } else { &text })
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Cause {}

/// A connection that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ConnectError {
    message: String,
    #[source]
    cause: Option<Cause>,
    /// What to do about it, as an imperative.
    pub(crate) way_out: Option<String>,
    /// A retry would fail in the same way.
    pub(crate) is_permanent: bool,
    /// The proxy failed, which says nothing about the API's host.
    pub(crate) is_proxy: bool,
}

impl ConnectError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None, way_out: None, is_permanent: false, is_proxy: false }
    }

    fn with_cause(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    fn with_way_out(self, way_out: impl Into<String>) -> Self {
        Self { way_out: Some(way_out.into()), ..self }
    }

    fn permanent(self) -> Self {
        Self { is_permanent: true, ..self }
    }

    fn timed_out() -> Self {
        Self::new("connection timed out")
    }

    fn unresolved(cause: Cause) -> Self {
        Self::new(format!("no address for this host ({cause})")).with_cause(cause)
    }
}

impl From<Cause> for ConnectError {
    fn from(cause: Cause) -> Self {
        Self::new(cause.to_string()).with_cause(cause)
    }
}

/// Route to the API's server: it decides which errors are the proxy's.
#[derive(Clone, Debug)]
struct Route {
    origin: Url,
    proxy: Option<Proxy>,
    probe_limit: Duration,
    /// Result of the probe of the proxy: there is at most one in a run.
    probed: Arc<OnceCell<Probed>>,
    /// Certificate authorities were given.
    has_ca_file: bool,
}

impl Route {
    /// Classifies an error of the HTTP client. None if a connection was made.
    async fn classify(&self, error: &Arc<reqwest::Error>) -> Option<ConnectError> {
        // After a redirect it may be another server.
        let url = error.url().unwrap_or(&self.origin);
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let tls = tls::find_error(&**error, host, port, self.has_ca_file);
        if !error.is_connect() {
            // With TLS 1.3 this error arrives after the handshake.
            return tls.filter(|error| *error == tls::client_certificate());
        }
        match &self.proxy {
            Some(proxy) if !is_behind_proxy(error) => Some(self.classify_of_proxy(proxy, error, url).await),
            _ => Some(tls.unwrap_or_else(|| direct(error))),
        }
    }

    /// Classifies an error from before the connection through the proxy was open.
    async fn classify_of_proxy(&self, proxy: &Proxy, error: &Arc<reqwest::Error>, url: &Url) -> ConnectError {
        if let Some(failure) = proxy.tls_failure(&**error) {
            return failure;
        }
        // socks4 and socks5 resolve the server's name here, so it is not the proxy that has no address.
        if error.is_dns() && proxy.is_socks() {
            let way_out = format!("write socks5h:// in {} to let the proxy resolve it", proxy.variable);
            return ConnectError::unresolved(Cause(error.clone())).with_way_out(way_out);
        }
        if error.is_dns() {
            return proxy.unresolved(Cause(error.clone()));
        }
        if let Some(socket) = socket_error(error).filter(|_| !error.is_timeout()) {
            return proxy.unreachable(socket.kind(), Cause(error.clone()));
        }
        match self.probed.get_or_init(|| probe(proxy, url, self.probe_limit)).await {
            Probed::Failed(failure) => failure.clone(),
            Probed::Tunneled if error.is_timeout() => ConnectError::timed_out(),
            Probed::Reachable if error.is_timeout() => proxy.silent(),
            _ => proxy.failure_from_text(&innermost(&**error)),
        }
    }

    /// Returns the proxy's own response to a plain http request, if it refused the request.
    fn refused(&self, status: http::StatusCode) -> Option<ConnectError> {
        let proxy = self.proxy.as_ref()?;
        (status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            .then(|| proxy.refused(status.as_u16(), ""))
    }
}

/// True if the connection through the proxy was open before the error. Only then the cause inside of the client's error is that
/// of the socket.
fn is_behind_proxy(error: &reqwest::Error) -> bool {
    let cause = error.source().and_then(Error::source);
    cause.is_some_and(<dyn Error>::is::<io::Error>)
}

/// Returns the error of a connection without a proxy, or after the proxy.
fn direct(error: &Arc<reqwest::Error>) -> ConnectError {
    if error.is_dns() {
        ConnectError::unresolved(Cause(error.clone()))
    } else if error.is_timeout() {
        ConnectError::timed_out()
    } else if socket_error(error).is_some_and(|error| is_closed(error.kind())) {
        // It was closed, and not by an alert.
        ConnectError::new("the server closed the connection during the TLS handshake")
    } else {
        ConnectError::from(Cause(error.clone()))
    }
}

/// True if the peer has closed an open connection. A server that closes it before it has read all resets it.
fn is_closed(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

fn socket_error(error: &reqwest::Error) -> Option<&io::Error> {
    causes(error).filter_map(|error| error.downcast_ref()).last()
}
