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
    #[error("not an address: it has to look like https://api.github.com")]
    NotAnAddress,
    /// A name and password in the address would end in logs.
    #[error("an address with a user name in it; put a token into GH_TOKEN instead")]
    UserInfo,
    /// Not the bare name of a host.
    #[error("not a host: it has to look like github.com or git.example.com, without https:// and path")]
    NotAHost,
    /// A query or fragment.
    #[error("an address with a query ('?') or a fragment ('#')")]
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

    /// The API of a host: github.com, `SUB.ghe.com`, or an Enterprise Server.
    ///
    /// # Errors
    /// [`NotAnApi`] for what is no name of a host.
    pub fn of_host(host: &str) -> Result<Self, NotAnApi> {
        let host = host.trim().to_ascii_lowercase();
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

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_spelled_out_below_the_origin() {
        assert_eq!(Api::default().rest("/users/a"), "/users/a");
        let test = Api::parse("http://127.0.0.1:8099").unwrap();
        assert_eq!((test.origin(), test.rest("/users/a")), ("http://127.0.0.1:8099", "/users/a".into()));
        let enterprise = Api::parse("https://git.example.com/api/v3/").unwrap();
        assert!(enterprise.is_enterprise() && !test.is_enterprise());
        assert_eq!(enterprise.rest("/users/a"), "/api/v3/users/a");
        assert_eq!(enterprise.graphql(), "/api/graphql");
        assert_eq!(test.graphql(), "/graphql");
        assert_eq!(Api::parse("http://gateway/github/").unwrap().graphql(), "/github/graphql");
        assert_eq!(test.route("http://127.0.0.1:8099/users/a/repos?page=2"), Some("/users/a/repos?page=2"));
        assert_eq!(test.route("http://127.0.0.1:80991/x"), None);
        assert_eq!(test.route("https://elsewhere/x"), None);
        let gateway = Api::parse("http://gateway/github").unwrap();
        assert_eq!(gateway.route("http://gateway/github/users/a?b=../c"), Some("/github/users/a?b=../c"));
        for neighbour in
            ["admin", "githubs/x", "github", "github/../admin", "github/%2E%2e/admin", "github/.\\../admin"]
        {
            assert_eq!(gateway.route(&format!("http://gateway/{neighbour}")), None, "{neighbour}");
        }
        assert!(gateway.is("/github/user", "/user") && !gateway.is("/github/users/user", "/user"));
        assert_eq!(enterprise.to_string(), "https://git.example.com/api/v3");
    }

    #[test]
    fn every_kind_of_host_has_its_routes_and_its_profiles() {
        for (host, rest, graphql, site, githubs) in [
            ("github.com", "https://api.github.com", "/graphql", "github.com", true),
            ("github.com:443", "https://api.github.com", "/graphql", "github.com", true),
            ("GitHub.com", "https://api.github.com", "/graphql", "github.com", true),
            ("acme.ghe.com", "https://api.acme.ghe.com", "/graphql", "acme.ghe.com", true),
            ("git.example.com", "https://git.example.com/api/v3", "/api/graphql", "git.example.com", false),
            (
                "git.example.com:8443",
                "https://git.example.com:8443/api/v3",
                "/api/graphql",
                "git.example.com:8443",
                false,
            ),
        ] {
            let api = Api::of_host(host).unwrap();
            assert_eq!((api.to_string(), api.graphql(), api.site()), (rest.into(), graphql.into(), site));
            assert_eq!((api.is_githubs(), api.is_enterprise()), (githubs, !githubs), "{host}");
        }
        for wrong in [
            "",
            "https://github.com",
            "github.com/acme",
            "a b",
            "me@host",
            "host:port",
            "x:99999",
            ".ghe.com",
            "a..b",
            "*",
            "github.com:8443",
            "a.ghe.com:1",
            "[::1]",
        ] {
            assert!(Api::of_host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "api.github.com",
            "ftp://a",
            "http://",
            "https://a b",
            "/users",
            "http://:80",
            "http://h:99999",
            "http://300.1.1.1",
            "mailto:a@b.c",
        ] {
            assert!(matches!(Api::parse(url), Err(NotAnApi::NotAnAddress)), "{url}");
        }
        assert!(matches!(Api::parse("https://me:secret@host"), Err(NotAnApi::UserInfo)));
        assert!(matches!(Api::parse("https://host/?x=1"), Err(NotAnApi::Query)));
    }

    #[test]
    fn a_token_goes_out_in_the_clear_to_this_machine_alone() {
        for url in
            ["https://api.github.com", "http://127.0.0.1:1", "http://localhost:80", "http://[::1]:8099"]
        {
            assert!(Api::parse(url).unwrap().is_safe_for_tokens(), "{url}");
        }
        for url in [
            "http://api.github.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://127.0.0.1.nip.io",
        ] {
            assert!(!Api::parse(url).unwrap().is_safe_for_tokens(), "{url}");
        }
    }
}
