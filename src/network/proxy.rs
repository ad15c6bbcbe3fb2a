//! Proxies: their URLs, their failures, and what to do about them.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::Cause;
use super::tls::TlsError;

/// Default port of every proxy without a port, except https; curl has the same default.
const DEFAULT_PORT: u16 = 1080;
const DEFAULT_HTTPS_PORT: u16 = 443;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// The HTTP client reads the environment and the system's settings.
    #[default]
    System,
    Direct,
    /// This proxy, for every host.
    Via(Proxy),
}

impl ProxyChoice {
    /// Returns the proxy that was chosen explicitly.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Via(proxy) => Some(proxy),
            Self::System | Self::Direct => None,
        }
    }
}

/// Schemes of proxies. With `socks4` and `socks5` the host's address is resolved here; the other proxies resolve it.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A proxy and the environment variable that names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) name: ProxyName,
    /// One of [`SCHEMES`].
    pub(super) scheme: &'static str,
    /// Name or address. IPv6 addresses have brackets.
    pub(super) host: String,
    pub(super) port: u16,
    login: Option<ProxyLogin>,
}

/// The user and password in a proxy's URL, decoded.
#[derive(Clone, PartialEq, Eq)]
struct ProxyLogin {
    user: String,
    password: String,
}

/// Name of a proxy in messages: `proxy http://proxy.example:3128 (from HTTPS_PROXY)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyName {
    /// Without user and password.
    pub(crate) url: String,
    pub(crate) variable: &'static str,
    pub(crate) has_login: bool,
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} (from {})", self.url, self.variable)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseProxyError {
    #[error("unsupported scheme {0:?}; use http, https, socks5 or socks5h")]
    UnsupportedScheme(String),
    #[error("{0}; expected a URL like http://proxy.example:3128")]
    InvalidUrl(String),
    /// The password contains a character that ends the host.
    #[error("unescaped /, ? or # before the @; write them as %2F, %3F and %23")]
    UnescapedLogin,
    #[error("SOCKS allows at most 255 bytes of user and password together")]
    LongLogin,
}

impl Proxy {
    /// Parses the value of an environment variable. Without a scheme it is an http proxy.
    ///
    /// # Errors
    /// [`ParseProxyError`] never repeats the user and password.
    pub(crate) fn parse(text: &str, variable: &'static str) -> Result<Self, ParseProxyError> {
        let (scheme, rest) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
        let Some(scheme) = SCHEMES.into_iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
            return Err(ParseProxyError::UnsupportedScheme(crate::text::sanitize_line(scheme).into_owned()));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if rest[authority.len()..].contains('@') {
            return Err(ParseProxyError::UnescapedLogin);
        }
        // Hosts of other schemes than http are neither checked nor normalized by the parser.
        let url = Url::parse(&format!("http://{authority}"))
            .map_err(|error| ParseProxyError::InvalidUrl(error.to_string()))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = match url.port() {
            Some(0) => return Err(ParseProxyError::InvalidUrl("port 0 cannot be used".into())),
            Some(port) => port,
            // The parser drops http's own port.
            None if authority.ends_with(":80") => 80,
            None if scheme == "https" => DEFAULT_HTTPS_PORT,
            None => DEFAULT_PORT,
        };
        let login = (!url.username().is_empty() || url.password().is_some()).then(|| ProxyLogin {
            user: percent_decode(url.username()),
            password: percent_decode(url.password().unwrap_or_default()),
        });
        let login_len = login.as_ref().map_or(0, |login| login.user.len() + login.password.len());
        if scheme.starts_with("socks") && login_len > 255 {
            return Err(ParseProxyError::LongLogin);
        }
        let url = format!("{scheme}://{host}:{port}");
        let name = ProxyName { url, variable, has_login: login.is_some() };
        Ok(Self { name, scheme, host, port, login })
    }

    pub(crate) fn to_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(&self.name.url)?;
        Ok(match &self.login {
            Some(login) => proxy.basic_auth(&login.user, &login.password),
            None => proxy,
        })
    }

    pub(super) fn is_socks(&self) -> bool {
        self.scheme.starts_with("socks")
    }

    /// Returns the value of the header `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<String> {
        let ProxyLogin { user, password } = self.login.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name, f)
    }
}

/// Failure of a proxy. It says nothing about the API's host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyFailure {
    #[error("has no address ({0})")]
    Unresolved(#[source] Cause),
    #[error("cannot be reached: {0}")]
    Unreachable(#[source] Cause),
    /// It accepted the connection and did not respond in time.
    #[error("accepted the connection but did not answer")]
    Silent,
    #[error("closed the connection without an answer")]
    Closed,
    #[error("refused the connection: {status}{}", reason_phrase(reason))]
    Refused { status: u16, reason: String },
    /// It does not speak the protocol of its scheme: HTTP, SOCKS or TLS.
    #[error("does not speak {0}")]
    WrongProtocol(&'static str),
    #[error("cannot connect to the server: {0}")]
    Upstream(String),
    #[error("requires a user and password")]
    LoginRequired,
    #[error("rejected the user and password")]
    LoginRejected,
    #[error("does not accept a user and password")]
    LoginUnsupported,
    #[error("refused the connection: not allowed by its rules")]
    NotAllowed,
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
    pub(super) fn refused(status: u16, reason: &str) -> Self {
        let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = if reason.trim().is_empty() { known.unwrap_or_default() } else { reason.trim() };
        Self::Refused { status, reason: crate::text::sanitize_line(reason).into_owned() }
    }

    pub(super) fn unreachable(kind: io::ErrorKind, cause: Cause) -> Self {
        match kind {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            io::ErrorKind::TimedOut => Self::timed_out(),
            _ => Self::Unreachable(cause),
        }
    }

    pub(super) fn timed_out() -> Self {
        Self::Unreachable(Cause::new("connection timed out"))
    }

    /// Returns the failure that an error of the HTTP client is about, by its text: hyper-util does not export its error types.
    pub(super) fn from_text(text: &str, has_login: bool) -> Self {
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

    /// A retry would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status < 500 && !matches!(status, 408 | 429),
            Self::WrongProtocol(_)
            | Self::LoginRequired
            | Self::LoginRejected
            | Self::LoginUnsupported
            | Self::NotAllowed => true,
            Self::Tls(error) => error.is_permanent(),
            _ => false,
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

    fn parsed(text: &str) -> String {
        match Proxy::parse(text, "HTTPS_PROXY") {
            Ok(proxy) => proxy.name.url,
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_proxy_has_the_default_ports_of_curl() {
        for (text, url) in [
            ("proxy.example", "http://proxy.example:1080"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("http://proxy.example", "http://proxy.example:1080"),
            ("http://proxy.example:80/", "http://proxy.example:80"),
            ("HTTP://Proxy.Example:3128/ignored?a#b", "http://proxy.example:3128"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("https://proxy.example:80", "https://proxy.example:80"),
            ("socks5://Proxy.Example", "socks5://proxy.example:1080"),
            ("socks5h://127.0.0.1:9050", "socks5h://127.0.0.1:9050"),
            ("socks4a://proxy", "socks4a://proxy:1080"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            (" http://me:secret@proxy.example:3128\n", "http://proxy.example:3128"),
            ("me:secret@proxy.example", "http://proxy.example:1080"),
        ] {
            assert_eq!(parsed(text), url, "{text}");
        }
    }

    #[test]
    fn an_unusable_proxy_is_refused_without_its_password() {
        for (text, reason) in [
            ("ftp://proxy.example", "unsupported scheme \"ftp\"; use http, https, socks5 or socks5h"),
            ("socks://proxy.example", "unsupported scheme \"socks\"; use http, https, socks5 or socks5h"),
            ("http://[bad", "invalid IPv6 address; expected a URL like http://proxy.example:3128"),
            ("http://", "empty host; expected a URL like http://proxy.example:3128"),
            ("socks5://me:secret@", "empty host; expected a URL like http://proxy.example:3128"),
            ("http://proxy:99999", "invalid port number; expected a URL like http://proxy.example:3128"),
            ("http://proxy:0", "port 0 cannot be used; expected a URL like http://proxy.example:3128"),
            (
                "http://me:sec/ret@proxy:3128",
                "unescaped /, ? or # before the @; write them as %2F, %3F and %23",
            ),
        ] {
            assert_eq!(parsed(text), reason, "{text}");
        }
        let long = format!("socks5://{}:{}@proxy", "a".repeat(200), "b".repeat(56));
        assert_eq!(parsed(&long), "SOCKS allows at most 255 bytes of user and password together");
        assert_eq!(parsed(&long.replace("socks5", "http")), "http://proxy:1080");
    }

    #[test]
    fn a_password_is_decoded_and_never_shown() {
        let proxy = Proxy::parse("http://m%65:p%40ss:w%2Frd@proxy:3128", "https_proxy").unwrap();
        let encoded = STANDARD.encode("me:p@ss:w/rd");
        assert_eq!(proxy.authorization(), Some(format!("Basic {encoded}")));
        assert_eq!(format!("{proxy:?} {}", proxy.name).matches("ss").count(), 0);
        assert_eq!(proxy.name.to_string(), "proxy http://proxy:3128 (from https_proxy)");
        assert!(proxy.to_reqwest().is_ok() && proxy.name.has_login);
        assert_eq!(Proxy::parse("proxy", "all_proxy").unwrap().authorization(), None);
    }

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
