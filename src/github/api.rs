//! Where the API is: an origin, and the routes under it.

use std::fmt;

use http::uri::Authority;

/// The address of GitHub's API.
///
/// octocrab joins a base and a route by comparing text, which goes wrong for an Enterprise Server
/// (`/api/v3` beside `/api/graphql`). So the base is the bare origin, and routes are spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    origin: String,
    rest: String,
}

/// An address at which there can be no API.
#[derive(Debug, thiserror::Error)]
pub enum NotAnApi {
    /// Not an absolute http or https address.
    #[error("expected a URL such as https://api.github.com")]
    NotAnAddress,
    /// A name and password in the address would end in logs.
    #[error("it contains a user name: remove it, tokens are read from the environment")]
    UserInfo,
    /// Not the name of a host.
    #[error("expected a host such as github.com or https://git.example.com, without a path")]
    NotAHost,
    /// A query or fragment.
    #[error("it contains a query ('?') or a fragment ('#'): remove it")]
    Query,
}

impl Default for Api {
    fn default() -> Self {
        Self { origin: "https://api.github.com".into(), rest: String::new() }
    }
}

impl Api {
    /// Reads the address of an API, of a gateway before one, or of a test server. One that ends in
    /// `/api/v3` is an Enterprise Server's.
    ///
    /// # Errors
    /// [`NotAnApi`] says what is wrong with the address.
    pub fn parse(url: &str) -> Result<Self, NotAnApi> {
        let url = reqwest::Url::parse(url.trim()).map_err(|_| NotAnApi::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(NotAnApi::NotAnAddress);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAnApi::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(NotAnApi::Query);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { origin, rest: url.path().trim_end_matches('/').to_owned() })
    }

    /// The API of a host: github.com, `SUB.ghe.com`, or an Enterprise Server. `https://` before the name and
    /// slashes after it are ignored.
    ///
    /// # Errors
    /// [`NotAnApi`] for what is no name of a host.
    pub fn of_host(host: &str) -> Result<Self, NotAnApi> {
        let host = bare_host(host);
        let (name, port) = host.split_once(':').unwrap_or((&host, "443"));
        let is_label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        if !name.split('.').all(is_label) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(NotAnApi::NotAHost);
        }
        let host = if port == "443" { name } else { host.as_str() };
        match host {
            "github.com" | "www.github.com" | "api.github.com" => Ok(Self::default()),
            server if name == "github.com" || name.ends_with(".ghe.com") && server != name => {
                Err(NotAnApi::NotAHost)
            }
            tenant if tenant.ends_with(".ghe.com") => {
                let name = tenant.strip_prefix("api.").unwrap_or(tenant);
                Ok(Self { origin: format!("https://api.{name}"), rest: String::new() })
            }
            server => Self::parse(&format!("https://{server}/api/v3")).map_err(|_| NotAnApi::NotAHost),
        }
    }

    /// The API of the server at `url`, as `GITHUB_SERVER_URL` has it. Plain http is only valid for an
    /// Enterprise Server.
    ///
    /// # Errors
    /// [`NotAnApi`] for what is no address of a server.
    pub fn of_server_url(url: &str) -> Result<Self, NotAnApi> {
        let url = url.trim().to_ascii_lowercase();
        let Some(host) = url.strip_prefix("http://") else { return Self::of_host(&url) };
        let host = host.trim_end_matches('/');
        if host.starts_with("https:") || !Self::of_host(host)?.is_enterprise() {
            return Err(NotAnApi::NotAHost);
        }
        Self::parse(&format!("http://{host}/api/v3")).map_err(|_| NotAnApi::NotAHost)
    }

    /// The host on which accounts have their profiles.
    #[must_use]
    pub fn site(&self) -> &str {
        let host = self.origin.split("://").last().unwrap_or_default();
        if self.is_enterprise() {
            host
        } else if host.ends_with(".ghe.com") {
            host.strip_prefix("api.").unwrap_or(host)
        } else {
            "github.com"
        }
    }

    /// Scheme, host and port: `https://api.github.com`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The route of the REST API's `path`, below the origin.
    #[must_use]
    pub fn rest(&self, path: &str) -> String {
        format!("{}{path}", self.rest)
    }

    /// The route of the GraphQL API, below the origin. An Enterprise Server has it beside `/api/v3`.
    #[must_use]
    pub fn graphql(&self) -> String {
        match self.rest.strip_suffix("/api/v3") {
            Some(before) => format!("{before}/api/graphql"),
            None => format!("{}/graphql", self.rest),
        }
    }

    /// The route that a whole address leads to, where it is one of this API, and of no neighbour behind
    /// the same gateway.
    #[must_use]
    pub fn route<'a>(&self, url: &'a str) -> Option<&'a str> {
        let route = url.strip_prefix(&self.origin)?;
        let below = route.strip_prefix(&self.rest)?;
        let path = below.split(['?', '#']).next().unwrap_or_default();
        // What would be taken for a step up, and how else that can be spelled.
        let climbs = |part: &str| part.to_ascii_lowercase().replace("%2e", ".").trim_matches('.').is_empty();
        let plain =
            !path.contains('\\') && !path.split('/').skip(1).any(|part| !part.is_empty() && climbs(part));
        (path.starts_with('/') && plain).then_some(route)
    }

    /// Whether a route is that of the REST API's `path`.
    pub(super) fn is(&self, route: &str, path: &str) -> bool {
        route.strip_suffix(path) == Some(&self.rest)
    }

    /// Whether these are the routes of an Enterprise Server.
    #[must_use]
    pub fn is_enterprise(&self) -> bool {
        self.rest.ends_with("/api/v3")
    }

    /// Whether it is GitHub's own: github.com or a `SUB.ghe.com`, with the documented limits.
    #[must_use]
    pub fn is_githubs(&self) -> bool {
        self.rest.is_empty()
            && (self.origin == "https://api.github.com"
                || self.origin.starts_with("https://api.") && self.origin.ends_with(".ghe.com"))
    }

    /// Whether a token may be sent there: by https, or to this machine.
    #[must_use]
    pub fn is_safe_for_tokens(&self) -> bool {
        self.origin.starts_with("https://") || self.is_on_this_machine()
    }

    /// Whether it is on this machine, by plain http.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let Some(authority) = self.origin.strip_prefix("http://") else {
            return false;
        };
        let host = authority.parse::<Authority>().map(|authority| authority.host().to_owned());
        let host = host.unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// `host` in lower case, without `https://` and trailing slashes.
pub(crate) fn bare_host(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    host.strip_prefix("https://").unwrap_or(&host).trim_end_matches('/').to_owned()
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.rest)
    }
}

#[cfg(test)]
mod tests;
