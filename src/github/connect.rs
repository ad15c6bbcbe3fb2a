//! Connections that were not made: the reason, and whether the proxy or the server is to blame.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::OnceCell;

use super::causes::{causes, innermost};
use super::proxy::{Probe, Probed, Proxy, ProxyFailure, ProxyName};
use super::tls::TlsError;
use crate::rate_limit::StopReason;

/// The reason why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// DNS has no address for the host.
    #[error("no address for this host ({0})")]
    Unresolved(String),
    /// The same, where the proxy could resolve the host.
    #[error("no address for this host ({cause})")]
    UnresolvedHere {
        /// The resolver's reason.
        cause: String,
        /// The environment variable with the proxy.
        variable: &'static str,
    },
    /// No answer in the time for connecting.
    #[error("connection timed out")]
    TimedOut,
    /// The operating system reports an error.
    #[error("{0}")]
    Io(String),
    /// No agreement on TLS.
    #[error("{0}")]
    Tls(TlsError),
    /// The proxy failed, or refused the connection.
    #[error("{proxy} {failure}")]
    Proxy {
        /// The proxy, without its password.
        proxy: ProxyName,
        /// What it did.
        failure: ProxyFailure,
    },
}

impl ConnectError {
    /// Whether the next attempt would fail in the same way.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unresolved(_) | Self::UnresolvedHere { .. } | Self::TimedOut | Self::Io(_) => false,
            Self::Tls(error) => error.is_permanent(),
            Self::Proxy { failure, .. } => failure.is_permanent(),
        }
    }

    /// The way out, as an imperative. `ca_file`: whether certificate authorities were given.
    #[must_use]
    pub fn way_out(&self, ca_file: bool) -> Option<String> {
        match self {
            Self::Unresolved(_) | Self::TimedOut | Self::Io(_) => None,
            Self::UnresolvedHere { variable, .. } => {
                Some(format!("write socks5h:// in {variable} to let the proxy resolve it"))
            }
            Self::Tls(error) => error.way_out(ca_file),
            Self::Proxy { proxy, failure } => Some(failure.way_out(proxy)),
        }
    }
}

impl StopReason {
    /// The end of a run that has no connection. `has_ca_file`: certificate authorities were given.
    pub(super) fn not_connected(error: &ConnectError, has_ca_file: bool) -> Self {
        Self::NotConnected {
            error: error.to_string(),
            way_out: error.way_out(has_ca_file),
            is_proxy: matches!(error, ConnectError::Proxy { .. }),
        }
    }
}

/// The way to the API's server, for telling apart the failures on it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    origin: Url,
    proxy: Option<ProxyRoute>,
}

#[derive(Clone, Debug)]
struct ProxyRoute {
    proxy: Proxy,
    probe_limit: Duration,
    /// A proxy is probed once in a run.
    probed: Arc<OnceCell<Probed>>,
}

impl Route {
    pub(super) fn new(origin: Url, proxy: Option<&Proxy>, probe_limit: Duration) -> Self {
        let proxy =
            proxy.map(|proxy| ProxyRoute { proxy: proxy.clone(), probe_limit, probed: Arc::default() });
        Self { origin, proxy }
    }

    /// Classifies an error of the HTTP client; none where a connection was made.
    pub(super) async fn classify(&self, error: &reqwest::Error) -> Option<ConnectError> {
        // After a redirect it is not the API's server.
        let url = error.url().unwrap_or(&self.origin);
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
        let tls = TlsError::find(error, host, port);
        if !error.is_connect() {
            return tls.filter(TlsError::wants_client_certificate).map(ConnectError::Tls);
        }
        match &self.proxy {
            Some(route) if !is_behind_proxy(error) => Some(route.classify(error, url).await),
            _ => Some(tls.map_or_else(|| direct(error), ConnectError::Tls)),
        }
    }

    /// The proxy's refusal of a plain http request, which it answers itself.
    pub(super) fn refused(&self, status: http::StatusCode) -> Option<ConnectError> {
        let route = self.proxy.as_ref()?;
        (status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            .then(|| route.failed(ProxyFailure::refused(status.as_u16(), "")))
    }
}

impl ProxyRoute {
    fn failed(&self, failure: ProxyFailure) -> ConnectError {
        ConnectError::Proxy { proxy: self.proxy.name.clone(), failure }
    }

    /// Classifies an error before the proxy has let the connection through.
    async fn classify(&self, error: &reqwest::Error, url: &Url) -> ConnectError {
        if let Some(error) = TlsError::find(error, self.proxy.host(), self.proxy.port()) {
            return self.failed(match error {
                TlsError::NotTls { .. } => ProxyFailure::WrongProtocol("TLS"),
                error => ProxyFailure::Tls(error),
            });
        }
        let is_socks = self.proxy.scheme.is_socks();
        // The client hides the cause of a failed connection to a SOCKS proxy: it is the server's name, which
        // socks4 and socks5 have resolved here.
        if error.is_dns() && is_socks {
            return ConnectError::UnresolvedHere {
                cause: innermost(error),
                variable: self.proxy.name.variable,
            };
        }
        if error.is_dns() {
            return self.failed(ProxyFailure::Unresolved(innermost(error)));
        }
        if let Some(socket) = socket_error(error).filter(|_| !error.is_timeout()) {
            return self.failed(ProxyFailure::unreachable(socket));
        }
        match self.probed.get_or_init(|| self.probe(url)).await {
            Probed::Failed(failure) => self.failed(failure.clone()),
            Probed::Tunneled if error.is_timeout() => ConnectError::TimedOut,
            Probed::Reachable if error.is_timeout() => self.failed(ProxyFailure::Silent),
            _ => self.failed(ProxyFailure::from_text(&innermost(error), self.proxy.name.has_login)),
        }
    }

    async fn probe(&self, url: &Url) -> Probed {
        let host = url.host_str().unwrap_or_default();
        let target = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
        let target = (url.scheme() == "https").then_some(target.as_str());
        Probe { proxy: &self.proxy, target, limit: self.probe_limit }.run().await
    }
}

/// Whether the proxy had let the connection through before the error: reqwest's error holds that of the
/// client, which holds the socket's own only for the handshake with the server.
fn is_behind_proxy(error: &reqwest::Error) -> bool {
    let cause = error.source().and_then(Error::source);
    cause.is_some_and(<dyn Error>::is::<io::Error>)
}

/// An error of a connection without a proxy, or behind one.
fn direct(error: &reqwest::Error) -> ConnectError {
    if error.is_dns() {
        ConnectError::Unresolved(innermost(error))
    } else if error.is_timeout() {
        ConnectError::TimedOut
    } else if socket_error(error).is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        ConnectError::Io("the server closed the connection during the TLS handshake".into())
    } else {
        ConnectError::Io(innermost(error))
    }
}

/// The innermost error of the operating system.
fn socket_error(error: &reqwest::Error) -> Option<&io::Error> {
    causes(error).filter_map(|error| error.downcast_ref()).last()
}
