//! The proxy: its URL and its failures.

mod failure;
mod probe;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::Url;

pub(crate) use self::failure::ProxyFailure;
pub(super) use self::probe::{Probe, Probed};

/// Default port of every proxy without a port, except https; curl has the same default.
const DEFAULT_PORT: u16 = 1080;
const DEFAULT_HTTPS_PORT: u16 = 443;

/// Choice of a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// The HTTP client reads the environment and the system's settings.
    #[default]
    System,
    /// No proxy.
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

/// Protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// HTTP, over plain TCP.
    Http,
    /// HTTP, over TLS.
    Https,
    /// SOCKS4; the host's address is resolved here.
    Socks4,
    /// SOCKS4; the proxy resolves the host.
    Socks4a,
    /// SOCKS5; the host's address is resolved here.
    Socks5,
    /// SOCKS5; the proxy resolves the host.
    Socks5h,
}

impl ProxyScheme {
    fn parse(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Socks4, Self::Socks4a, Self::Socks5, Self::Socks5h]
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    pub(super) fn is_socks(self) -> bool {
        !matches!(self, Self::Http | Self::Https)
    }
}

/// A proxy and the environment variable that names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Its name in messages.
    pub(crate) name: ProxyName,
    pub(super) scheme: ProxyScheme,
    host: String,
    port: u16,
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
    /// The environment variable.
    pub(crate) variable: &'static str,
    /// Whether the variable has a user or a password.
    pub(crate) has_login: bool,
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} (from {})", self.url, self.variable)
    }
}

/// Reason for which a text is not the URL of a usable proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseProxyError {
    /// A protocol that is not implemented.
    #[error("unsupported scheme {0:?}; use http, https, socks5 or socks5h")]
    UnsupportedScheme(String),
    /// The host or the port is missing or malformed.
    #[error("{0}; expected a URL like http://proxy.example:3128")]
    InvalidUrl(String),
    /// The password contains a character that ends the host.
    #[error("unescaped /, ? or # before the @; write them as %2F, %3F and %23")]
    UnescapedLogin,
    /// The user and password are longer than SOCKS allows.
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
        let Some(scheme) = ProxyScheme::parse(scheme) else {
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
            None if scheme == ProxyScheme::Https => DEFAULT_HTTPS_PORT,
            None => DEFAULT_PORT,
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let login = (!url.username().is_empty() || url.password().is_some()).then(|| ProxyLogin {
            user: decode(url.username()),
            password: decode(url.password().unwrap_or_default()),
        });
        if scheme.is_socks() && login.as_ref().is_some_and(ProxyLogin::is_long) {
            return Err(ParseProxyError::LongLogin);
        }
        let url = format!("{}://{host}:{port}", scheme.name());
        let name = ProxyName { url, variable, has_login: login.is_some() };
        Ok(Self { name, scheme, host, port, login })
    }

    /// Returns its name or address. IPv6 addresses have brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn to_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(&self.name.url)?;
        Ok(match &self.login {
            Some(login) => proxy.basic_auth(&login.user, &login.password),
            None => proxy,
        })
    }

    /// Returns the value of the header `Proxy-Authorization`.
    fn authorization(&self) -> Option<String> {
        let ProxyLogin { user, password } = self.login.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }
}

impl ProxyLogin {
    fn is_long(&self) -> bool {
        self.user.len() + self.password.len() > 255
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name, f)
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
}
