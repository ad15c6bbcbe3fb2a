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
use self::proxy::{Proxy, ProxyFailure, ProxyName};
use self::tls::TlsError;
use crate::text::{causes, innermost};

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
        f.write_str(&innermost(&*self.0))
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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no address for this host ({0})")]
    Unresolved(#[source] Cause),
    /// DNS has no address for the host, but the proxy could resolve it.
    #[error("no address for this host ({cause})")]
    UnresolvedHere {
        #[source]
        cause: Cause,
        variable: &'static str,
    },
    #[error("connection timed out")]
    TimedOut,
    /// The connection was closed, and not by an alert.
    #[error("the server closed the connection during the TLS handshake")]
    HandshakeClosed,
    #[error("{0}")]
    Io(#[source] Cause),
    #[error(transparent)]
    Tls(TlsError),
    #[error("{proxy} {failure}")]
    Proxy {
        proxy: ProxyName,
        #[source]
        failure: ProxyFailure,
    },
}

impl ConnectError {
    /// A retry would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_permanent(),
            Self::Proxy { failure, .. } => failure.is_permanent(),
            _ => false,
        }
    }

    /// Returns what to do about it, as an imperative. `ca_file`: whether certificate authorities were given.
    pub(crate) fn way_out(&self, ca_file: bool) -> Option<String> {
        match self {
            Self::UnresolvedHere { variable, .. } => {
                Some(format!("write socks5h:// in {variable} to let the proxy resolve it"))
            }
            Self::Tls(error) => error.way_out(ca_file),
            Self::Proxy { proxy, failure } => Some(failure.way_out(proxy)),
            _ => None,
        }
    }
}

/// Route to the API's server: it decides which errors are the proxy's.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    origin: Url,
    proxy: Option<ProxyRoute>,
}

#[derive(Clone, Debug)]
struct ProxyRoute {
    proxy: Proxy,
    probe_limit: Duration,
    /// Result of the probe: there is at most one in a run.
    probed: Arc<OnceCell<Probed>>,
}

impl Route {
    pub(crate) fn new(origin: Url, proxy: Option<&Proxy>, probe_limit: Duration) -> Self {
        let proxy =
            proxy.map(|proxy| ProxyRoute { proxy: proxy.clone(), probe_limit, probed: Arc::default() });
        Self { origin, proxy }
    }

    /// Classifies an error of the HTTP client. None if a connection was made.
    pub(crate) async fn classify(&self, error: &Arc<reqwest::Error>) -> Option<ConnectError> {
        // After a redirect it may be another server.
        let url = error.url().unwrap_or(&self.origin);
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let tls = TlsError::find(&**error, host, port);
        if !error.is_connect() {
            return tls.filter(TlsError::wants_client_certificate).map(ConnectError::Tls);
        }
        match &self.proxy {
            Some(route) if !is_behind_proxy(error) => Some(route.classify(error, url).await),
            _ => Some(tls.map_or_else(|| direct(error), ConnectError::Tls)),
        }
    }

    /// Returns the proxy's own response to a plain http request, if it refused the request.
    pub(crate) fn refused(&self, status: http::StatusCode) -> Option<ConnectError> {
        let route = self.proxy.as_ref()?;
        (status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            .then(|| route.failed(ProxyFailure::refused(status.as_u16(), "")))
    }
}

impl ProxyRoute {
    fn failed(&self, failure: ProxyFailure) -> ConnectError {
        ConnectError::Proxy { proxy: self.proxy.name.clone(), failure }
    }

    /// Classifies an error from before the connection through the proxy was open.
    async fn classify(&self, error: &Arc<reqwest::Error>, url: &Url) -> ConnectError {
        if let Some(error) = TlsError::find(&**error, &self.proxy.host, self.proxy.port) {
            return self.failed(match error {
                TlsError::NotTls { .. } => ProxyFailure::WrongProtocol("TLS"),
                error => ProxyFailure::Tls(error),
            });
        }
        let is_socks = self.proxy.is_socks();
        // socks4 and socks5 resolve the server's name here, so it is not the proxy that has no address.
        if error.is_dns() && is_socks {
            return ConnectError::UnresolvedHere {
                cause: Cause(error.clone()),
                variable: self.proxy.name.variable,
            };
        }
        if error.is_dns() {
            return self.failed(ProxyFailure::Unresolved(Cause(error.clone())));
        }
        if let Some(socket) = socket_error(error).filter(|_| !error.is_timeout()) {
            return self.failed(ProxyFailure::unreachable(socket.kind(), Cause(error.clone())));
        }
        match self.probed.get_or_init(|| probe(&self.proxy, url, self.probe_limit)).await {
            Probed::Failed(failure) => self.failed(failure.clone()),
            Probed::Tunneled if error.is_timeout() => ConnectError::TimedOut,
            Probed::Reachable if error.is_timeout() => self.failed(ProxyFailure::Silent),
            _ => self.failed(ProxyFailure::from_text(&innermost(&**error), self.proxy.name.has_login)),
        }
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
        ConnectError::Unresolved(Cause(error.clone()))
    } else if error.is_timeout() {
        ConnectError::TimedOut
    } else if socket_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        ConnectError::HandshakeClosed
    } else {
        ConnectError::Io(Cause(error.clone()))
    }
}

fn socket_error(error: &reqwest::Error) -> Option<&io::Error> {
    causes(error).filter_map(|error| error.downcast_ref()).last()
}
