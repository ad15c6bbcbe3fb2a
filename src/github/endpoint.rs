//! The URL of GitHub's API: its origin, and the paths below it.

use std::fmt;
use std::net::IpAddr;

use http::uri::Authority;

use crate::login::is_name_char;

/// The endpoint of a GitHub API: github.com, ghe.com, an Enterprise Server, a gateway or a test server.
///
/// Requests are built from the bare origin and a full path. octocrab joins a base URL and a path by comparing text, which fails
/// for an Enterprise Server, where `/api/graphql` is not below `/api/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiEndpoint {
    /// `https://api.github.com`
    origin: String,
    /// Path of the REST API, without a trailing slash. Empty at github.com.
    rest_path: String,
}

/// A text that is not the endpoint of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// Not an absolute http or https URL.
    #[error("expected a URL such as https://api.github.com")]
    NotAUrl,
    /// A user name or password, which would end up in logs.
    #[error("it contains a user name: remove it, tokens are read from the environment")]
    Credentials,
    /// Not a host name.
    #[error("expected a host such as github.com or https://git.example.com, without a path")]
    NotAHost,
    /// A query or fragment.
    #[error("it contains a query ('?') or a fragment ('#'): remove it")]
    Query,
}

impl Default for ApiEndpoint {
    fn default() -> Self {
        Self { origin: "https://api.github.com".into(), rest_path: String::new() }
    }
}

impl ApiEndpoint {
    /// Parses the URL of an API. One that ends in `/api/v3` is an Enterprise Server; any other path is that of a gateway.
    pub fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        let url = reqwest::Url::parse(url.trim()).map_err(|_| InvalidEndpoint::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(InvalidEndpoint::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidEndpoint::Query);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { origin, rest_path: url.path().trim_end_matches('/').to_owned() })
    }

    /// Parses a host: github.com, `SUB.ghe.com`, or an Enterprise Server; `https://` and slashes at the end are ignored.
    pub(crate) fn from_host(host: &str) -> Result<Self, InvalidEndpoint> {
        let host = bare_host(host);
        let (name, port) = host.split_once(':').unwrap_or((&host, "443"));
        let is_name = name.split('.').all(|label| !label.is_empty() && label.chars().all(is_name_char));
        if !is_name || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(InvalidEndpoint::NotAHost);
        }
        match name {
            "github.com" | "www.github.com" | "api.github.com" if port == "443" => Ok(Self::default()),
            tenant if tenant.ends_with(".ghe.com") && port == "443" => {
                let name = tenant.strip_prefix("api.").unwrap_or(tenant);
                Ok(Self { origin: format!("https://api.{name}"), rest_path: String::new() })
            }
            cloud if cloud == "github.com" || cloud.ends_with(".ghe.com") => Err(InvalidEndpoint::NotAHost),
            _ => Self::parse(&format!("https://{host}/api/v3")).map_err(|_| InvalidEndpoint::NotAHost),
        }
    }

    /// Returns the endpoint of a server URL such as `GITHUB_SERVER_URL`. Plain http is only valid for an Enterprise Server.
    pub(crate) fn from_server_url(url: &str) -> Result<Self, InvalidEndpoint> {
        let url = url.trim().to_ascii_lowercase();
        let Some(host) = url.strip_prefix("http://") else { return Self::from_host(&url) };
        let host = host.trim_end_matches('/');
        if host.starts_with("https:") || !Self::from_host(host)?.is_enterprise() {
            return Err(InvalidEndpoint::NotAHost);
        }
        Self::parse(&format!("http://{host}/api/v3")).map_err(|_| InvalidEndpoint::NotAHost)
    }

    pub(crate) fn web_host(&self) -> &str {
        let host = self.origin.split("://").last().unwrap_or_default();
        if self.is_enterprise() {
            host
        } else if host.ends_with(".ghe.com") {
            host.strip_prefix("api.").unwrap_or(host)
        } else {
            "github.com"
        }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn rest(&self, path: &str) -> String {
        format!("{}{path}", self.rest_path)
    }

    /// Returns the full path of the GraphQL API. An Enterprise Server has it beside `/api/v3`.
    pub(crate) fn graphql(&self) -> String {
        match self.rest_path.strip_suffix("/api/v3") {
            Some(parent) => format!("{parent}/api/graphql"),
            None => format!("{}/graphql", self.rest_path),
        }
    }

    /// Returns the path and query of an absolute URL. None outside of this API, even behind the same gateway.
    pub(crate) fn path_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let path_and_query = url.strip_prefix(&self.origin)?;
        let below = path_and_query.strip_prefix(&self.rest_path)?;
        let path = below.split(['?', '#']).next().unwrap_or_default();
        let is_inside = path.starts_with('/') && !path.contains('\\') && !path.split('/').any(is_dot_segment);
        is_inside.then_some(path_and_query)
    }

    pub(super) fn is_rest_path(&self, route: &str, path: &str) -> bool {
        route.strip_suffix(path) == Some(&self.rest_path)
    }

    pub(crate) fn is_enterprise(&self) -> bool {
        self.rest_path.ends_with("/api/v3")
    }

    /// github.com or a `SUB.ghe.com`, where GitHub's documented limits apply.
    pub(crate) fn is_github_cloud(&self) -> bool {
        self.rest_path.is_empty()
            && (self.origin == "https://api.github.com"
                || self.origin.starts_with("https://api.") && self.origin.ends_with(".ghe.com"))
    }

    /// A token may be sent over https, or to this machine.
    pub(crate) fn is_secure(&self) -> bool {
        self.origin.starts_with("https://") || self.is_loopback_http()
    }

    pub(crate) fn is_loopback_http(&self) -> bool {
        let Some(authority) = self.origin.strip_prefix("http://") else { return false };
        let authority = authority.parse::<Authority>();
        let host = authority.as_ref().map(Authority::host).unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// A server could take such a path segment for `.` or `..`.
fn is_dot_segment(segment: &str) -> bool {
    !segment.is_empty() && segment.to_ascii_lowercase().replace("%2e", ".").trim_matches('.').is_empty()
}

/// Returns `host` in lower case, without `https://` and trailing slashes.
pub(crate) fn bare_host(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    host.strip_prefix("https://").unwrap_or(&host).trim_end_matches('/').to_owned()
}

impl fmt::Display for ApiEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.rest_path)
    }
}

#[cfg(test)]
mod tests;
