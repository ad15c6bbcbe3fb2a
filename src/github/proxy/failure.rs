//! Failures of a proxy, and what to do about them.

use super::ProxyName;
use crate::github::tls::TlsError;

/// Failure of a proxy. It says nothing about the API's host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyFailure {
    /// DNS has no address for it.
    #[error("has no address ({0})")]
    Unresolved(String),
    /// No TCP connection to it.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It accepted the connection and did not respond in time.
    #[error("accepted the connection but did not answer")]
    Silent,
    /// It closed the connection before it responded.
    #[error("closed the connection without an answer")]
    Closed,
    /// Status of its response to CONNECT.
    #[error("refused the connection: {status}{}", reason_phrase(reason))]
    Refused {
        /// Not 200.
        status: u16,
        /// The reason phrase, or an empty text.
        reason: String,
    },
    /// It does not speak the protocol of its scheme: HTTP, SOCKS or TLS.
    #[error("does not speak {0}")]
    WrongProtocol(&'static str),
    /// It cannot connect to the server.
    #[error("cannot connect to the server: {0}")]
    Upstream(String),
    /// It requires a user and password.
    #[error("requires a user and password")]
    LoginRequired,
    /// It rejected the user and password.
    #[error("rejected the user and password")]
    LoginRejected,
    /// It does not support users and passwords.
    #[error("does not accept a user and password")]
    LoginUnsupported,
    /// Its rules do not allow the connection.
    #[error("refused the connection: not allowed by its rules")]
    NotAllowed,
    /// The TLS handshake with an https proxy failed.
    #[error("cannot be used over TLS: {0}")]
    Tls(#[source] TlsError),
    /// It refused the connection without a status, as https proxies do.
    #[error("refused the connection")]
    RefusedWithoutStatus,
    /// Any other refusal of a SOCKS proxy.
    #[error("refused the connection: {0}")]
    Other(String),
}

fn reason_phrase(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" {reason}") }
}

impl ProxyFailure {
    /// Returns the failure for a response to CONNECT with a status other than 200.
    pub(in crate::github) fn refused(status: u16, reason: &str) -> Self {
        let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = if reason.trim().is_empty() { known.unwrap_or_default() } else { reason.trim() };
        Self::Refused { status, reason: crate::text::sanitize_line(reason).into_owned() }
    }

    /// Returns the failure that an error of the HTTP client is about, by its text: hyper-util does not export its error types.
    pub(in crate::github) fn from_text(text: &str, has_login: bool) -> Self {
        let Some(text) = text.strip_prefix("SOCKS error: ") else {
            return match text {
                "tunnel error: proxy authorization required" => Self::refused(407, ""),
                "tunnel error: unexpected end of file" => Self::Closed,
                _ => Self::RefusedWithoutStatus,
            };
        };
        match text {
            "server does not support user/pass authentication" if has_login => Self::LoginUnsupported,
            // The same text if no password was offered.
            "server does not support user/pass authentication" => Self::LoginRequired,
            "credentials not accepted" => Self::LoginRejected,
            "connection not allowed" => Self::NotAllowed,
            "io error during SOCKS handshake" => Self::Closed,
            "failed parsing server response" => Self::WrongProtocol("SOCKS"),
            "general server failure"
            | "network unreachable"
            | "host unreachable"
            | "connection refused"
            | "ttl expired" => Self::Upstream(text.to_owned()),
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether a retry would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status < 500 && !matches!(status, 408 | 429),
            Self::WrongProtocol(_)
            | Self::LoginRequired
            | Self::LoginRejected
            | Self::LoginUnsupported
            | Self::NotAllowed => true,
            Self::Tls(error) => error.is_permanent(),
            Self::Unresolved(_)
            | Self::Unreachable(_)
            | Self::Silent
            | Self::Closed
            | Self::Upstream(_)
            | Self::RefusedWithoutStatus
            | Self::Other(_) => false,
        }
    }

    /// Returns what to do about it, as an imperative.
    pub(crate) fn way_out(&self, proxy: &ProxyName) -> String {
        let variable = proxy.variable;
        match self {
            // tinyproxy sends 401 for a wrong password.
            Self::Refused { status: 401 | 407, .. } if proxy.has_login => {
                format!("check the user and password in {variable}")
            }
            Self::LoginRequired | Self::Refused { status: 401 | 407, .. } => {
                format!("put USER:PASSWORD@ before the host in {variable}")
            }
            Self::LoginRejected => format!("check the user and password in {variable}"),
            Self::LoginUnsupported => format!("remove the user and password from {variable}"),
            Self::Refused { .. }
            | Self::RefusedWithoutStatus
            | Self::NotAllowed
            | Self::Upstream(_)
            | Self::Other(_) => {
                format!("unset {variable} or add the host to NO_PROXY")
            }
            Self::WrongProtocol("HTTP") => format!("write socks5:// in {variable} if it is a SOCKS proxy"),
            Self::WrongProtocol(_) => format!("write http:// in {variable} if it is an HTTP proxy"),
            Self::Tls(error) => error.way_out(false).unwrap_or_else(|| format!("check {variable}")),
            Self::Unresolved(_) | Self::Unreachable(_) | Self::Silent | Self::Closed => {
                format!("check {variable}, or unset it to connect directly")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_by_rule_is_permanent_and_a_bad_gateway_is_not() {
        for (status, permanent) in
            [(302, true), (403, true), (407, true), (408, false), (429, false), (502, false), (503, false)]
        {
            assert_eq!(ProxyFailure::refused(status, "").is_permanent(), permanent, "{status}");
        }
        assert_eq!(ProxyFailure::refused(403, "").to_string(), "refused the connection: 403 Forbidden");
        assert_eq!(
            ProxyFailure::refused(403, " Filtered\u{1b} ").to_string(),
            "refused the connection: 403 Filtered\\u{1b}"
        );
        assert_eq!(ProxyFailure::refused(599, "").to_string(), "refused the connection: 599");
    }
}
