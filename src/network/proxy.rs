//! Proxies: their URLs, their failures, and what to do about them.

use std::error::Error;
use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::{Cause, ConnectError, tls};
use crate::text::sanitize_line;

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
    /// Without user and password.
    url: String,
    pub(super) variable: &'static str,
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
impl fmt::Display for Proxy {
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
            return Err(ParseProxyError::UnsupportedScheme(sanitize_line(scheme).into_owned()));
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
        Ok(Self { url, variable, scheme, host, port, login })
    }

    pub(crate) fn to_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(&self.url)?;
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
        fmt::Display::fmt(self, f)
    }
}

/// Failures of a proxy.
impl Proxy {
    fn failed(&self, message: &str, way_out: String) -> ConnectError {
        let error = ConnectError::new(format!("{self} {message}")).with_way_out(way_out);
        ConnectError { is_proxy: true, ..error }
    }

    fn cannot_be_used(&self, message: &str) -> ConnectError {
        self.failed(message, format!("check {}, or unset it to connect directly", self.variable))
    }

    fn refused_connection(&self, message: &str) -> ConnectError {
        self.failed(message, format!("unset {} or add the host to NO_PROXY", self.variable))
    }

    fn requires_login(&self, message: &str) -> ConnectError {
        let way_out = match self.login {
            Some(_) => format!("check the user and password in {}", self.variable),
            None => format!("put USER:PASSWORD@ before the host in {}", self.variable),
        };
        self.failed(message, way_out).permanent()
    }

    pub(super) fn unresolved(&self, cause: Cause) -> ConnectError {
        self.cannot_be_used(&format!("has no address ({cause})")).with_cause(cause)
    }

    pub(super) fn unreachable(&self, kind: io::ErrorKind, cause: Cause) -> ConnectError {
        match kind {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => self.closed(),
            io::ErrorKind::TimedOut => self.timed_out(),
            _ => self.cannot_be_used(&format!("cannot be reached: {cause}")).with_cause(cause),
        }
    }

    pub(super) fn timed_out(&self) -> ConnectError {
        self.cannot_be_used("cannot be reached: connection timed out")
    }

    pub(super) fn silent(&self) -> ConnectError {
        self.cannot_be_used("accepted the connection but did not answer")
    }

    pub(super) fn closed(&self) -> ConnectError {
        self.cannot_be_used("closed the connection without an answer")
    }

    /// It does not speak the protocol of its scheme: HTTP, SOCKS or TLS.
    pub(super) fn wrong_protocol(&self, protocol: &str) -> ConnectError {
        let (scheme, kind) =
            if protocol == "HTTP" { ("socks5", "a SOCKS proxy") } else { ("http", "an HTTP proxy") };
        let way_out = format!("write {scheme}:// in {} if it is {kind}", self.variable);
        self.failed(&format!("does not speak {protocol}"), way_out).permanent()
    }

    /// Returns the failure for a response to CONNECT with a status other than 200.
    pub(super) fn refused(&self, status: u16, reason: &str) -> ConnectError {
        let known = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = if reason.trim().is_empty() { known.unwrap_or_default() } else { reason.trim() };
        let message = sanitize_line(&format!("refused the connection: {status} {reason}")).into_owned();
        match status {
            // tinyproxy sends 401 for a wrong password.
            401 | 407 => self.requires_login(&message),
            408 | 429 | 500.. => self.refused_connection(message.trim_end()),
            _ => self.refused_connection(&message).permanent(),
        }
    }

    /// Returns the failure of a connection to the proxy over TLS, if it is one.
    pub(super) fn tls_failure(&self, error: &(dyn Error + 'static)) -> Option<ConnectError> {
        let failure = tls::find_error(error, &self.host, self.port, false)?;
        if tls::is_not_tls(error) {
            return Some(self.wrong_protocol("TLS"));
        }
        let way_out = failure.way_out.unwrap_or_else(|| format!("check {}", self.variable));
        let message = format!("cannot be used over TLS: {}", failure.message);
        Some(ConnectError { is_permanent: failure.is_permanent, ..self.failed(&message, way_out) })
    }

    /// Returns the failure that an error of the HTTP client is about, by its text: hyper-util does not export its error types.
    pub(super) fn failure_from_text(&self, text: &str) -> ConnectError {
        let Some(text) = text.strip_prefix("SOCKS error: ") else {
            return match text {
                "tunnel error: proxy authorization required" => self.refused(407, ""),
                "tunnel error: unexpected end of file" => self.closed(),
                // https proxies refuse a connection without a status.
                _ => self.refused_connection("refused the connection"),
            };
        };
        match text {
            "server does not support user/pass authentication" if self.login.is_some() => {
                let way_out = format!("remove the user and password from {}", self.variable);
                self.failed("does not accept a user and password", way_out).permanent()
            }
            // The same text if no password was offered.
            "server does not support user/pass authentication" => {
                self.requires_login("requires a user and password")
            }
            "credentials not accepted" => self.requires_login("rejected the user and password"),
            "connection not allowed" => {
                self.refused_connection("refused the connection: not allowed by its rules").permanent()
            }
            "io error during SOCKS handshake" => self.closed(),
            "failed parsing server response" => self.wrong_protocol("SOCKS"),
            "general server failure"
            | "network unreachable"
            | "host unreachable"
            | "connection refused"
            | "ttl expired" => self.refused_connection(&format!("cannot connect to the server: {text}")),
            other => self.refused_connection(&format!("refused the connection: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match Proxy::parse(text, "HTTPS_PROXY") {
            Ok(proxy) => proxy.url,
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
        assert_eq!(format!("{proxy:?} {proxy}").matches("ss").count(), 0);
        assert_eq!(proxy.to_string(), "proxy http://proxy:3128 (from https_proxy)");
        assert!(proxy.to_reqwest().is_ok() && proxy.login.is_some());
        assert_eq!(Proxy::parse("proxy", "all_proxy").unwrap().authorization(), None);
    }

    #[test]
    fn a_refusal_by_rule_is_permanent_and_a_bad_gateway_is_not() {
        let proxy = Proxy::parse("http://proxy:3128", "https_proxy").unwrap();
        for (status, permanent) in
            [(302, true), (403, true), (407, true), (408, false), (429, false), (502, false), (503, false)]
        {
            assert_eq!(proxy.refused(status, "").is_permanent, permanent, "{status}");
        }
        for (status, reason, text) in
            [(403, "", "403 Forbidden"), (403, " Filtered\u{1b} ", "403 Filtered\\u{1b}"), (599, "", "599")]
        {
            let expected = format!("{proxy} refused the connection: {text}");
            assert_eq!(proxy.refused(status, reason).to_string(), expected);
        }
    }
}
