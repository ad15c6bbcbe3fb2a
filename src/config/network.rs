//! The way to the server: the proxy that the environment names, by curl's rules, and certificate authorities.

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use reqwest::{Certificate, Url};

use super::error::{CertificateError, ConfigError};
use super::server::Env;
use crate::github::endpoint::ApiEndpoint;
use crate::network::proxy::{Proxy, ProxyChoice};
use crate::text::sanitize_line;

/// Variables for an https API, in the order in which they are read.
const HTTPS_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables for an http API. `HTTP_PROXY` is left out: a CGI server sets it from a request's header `Proxy`.
const HTTP_VARIABLES: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];

fn read_certificates(path: &Path) -> Result<Vec<Certificate>, CertificateError> {
    let pem = std::fs::read(path).map_err(CertificateError::Read)?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(CertificateError::Parse)?;
    if certificates.is_empty() { Err(CertificateError::NoneInFile) } else { Ok(certificates) }
}

pub(super) fn ca_certificates(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    read_certificates(path)
        .map_err(|source| ConfigError::UnusableCaFile { path: path.display().to_string(), source })
}

/// Checks the variables that replace the system's authorities: the library that reads their files skips those that it cannot
/// read. Does nothing on systems on which it does not read them.
pub(super) fn check_certificate_variables(endpoint: &ApiEndpoint, env: &Env<'_>) -> Result<(), ConfigError> {
    let are_read = cfg!(all(unix, not(target_vendor = "apple"), not(target_os = "android")));
    if !are_read || !endpoint.origin().starts_with("https://") {
        return Ok(());
    }
    let (file, folders) = (env("SSL_CERT_FILE"), env("SSL_CERT_DIR"));
    if let Some(file) = &file {
        read_certificates(Path::new(file)).map_err(|source| unusable("SSL_CERT_FILE", file, source))?;
    }
    let mut has_certificate = file.is_some();
    let folders = folders.as_deref().unwrap_or_default();
    for folder in std::env::split_paths(folders).filter(|folder| !folder.as_os_str().is_empty()) {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            unusable("SSL_CERT_DIR", &folder.display().to_string(), CertificateError::Read(error))
        })?;
        has_certificate |= entries.flatten().any(|entry| read_certificates(&entry.path()).is_ok());
    }
    if folders.is_empty() || has_certificate {
        return Ok(());
    }
    Err(unusable("SSL_CERT_DIR", folders, CertificateError::NoneInFolder))
}

fn unusable(variable: &'static str, path: &str, source: CertificateError) -> ConfigError {
    ConfigError::UnusableCertificates { variable, path: sanitize_line(path).into_owned(), source }
}

/// An empty variable counts as unset. A proxy that cannot be used never leads to a direct connection.
pub(super) fn choose_proxy(endpoint: &ApiEndpoint, env: &Env<'_>) -> Result<ProxyChoice, ConfigError> {
    // A token for this machine may be sent to it in the clear, and to no other machine.
    let url = Url::parse(endpoint.origin()).ok().filter(|_| !endpoint.is_loopback_http());
    let Some(url) = url else { return Ok(ProxyChoice::Direct) };
    let variables = if url.scheme() == "https" { &HTTPS_VARIABLES[..] } else { &HTTP_VARIABLES[..] };
    let Some((variable, text)) = first_set(variables, env) else {
        // macOS and Windows have proxies in their settings.
        let has_settings = cfg!(any(target_os = "macos", windows));
        return Ok(if has_settings { ProxyChoice::System } else { ProxyChoice::Direct });
    };
    if first_set(&NO_PROXY_VARIABLES, env).is_some_and(|(_, list)| excludes(&list, &url)) {
        return Ok(ProxyChoice::Direct);
    }
    Proxy::parse(&text, variable).map(ProxyChoice::Via).map_err(|source| ConfigError::UnusableProxy {
        proxy: redact_proxy(&text),
        variable,
        source,
    })
}

fn first_set(variables: &[&'static str], env: &Env<'_>) -> Option<(&'static str, String)> {
    variables.iter().find_map(|variable| Some((*variable, super::server::non_empty_env(env, variable)?)))
}

/// Returns the URL of a proxy without anything that may belong to a password, however malformed the URL is.
fn redact_proxy(text: &str) -> String {
    let (scheme, rest) = text.trim().split_once("://").unwrap_or(("", text.trim()));
    let host = rest.rsplit('@').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    sanitize_line(&format!("{scheme}{separator}{host}")).into_owned()
}

/// Looks for the host of a URL in a list of hosts without a proxy. Entries are separated by commas or blanks; `*` alone is every
/// host.
fn excludes(list: &str, url: &Url) -> bool {
    let mut entries = list.split(|c: char| c == ',' || c.is_whitespace());
    list.trim() == "*" || entries.any(|entry| excludes_host(entry, url))
}

fn excludes_host(entry: &str, url: &Url) -> bool {
    let (entry, port) = split_port(entry);
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => {
            let network =
                entry.parse().or_else(|_| entry.parse().map(|address: IpAddr| IpNet::from(address)));
            network.is_ok_and(|network| network.contains(&address))
        }
        Err(_) => is_in_domain(host, entry),
    }
}

/// `host` is in lower case, as in every [`Url`].
fn is_in_domain(host: &str, entry: &str) -> bool {
    let domain = entry.strip_prefix("*.").unwrap_or(entry).trim_matches('.').to_ascii_lowercase();
    let Some(before) = host.strip_suffix(&domain) else { return false };
    !domain.is_empty() && (before.is_empty() || before.ends_with('.'))
}

/// Splits an entry into host, without brackets, and port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.split_once(':') {
        // More than one colon: an IPv6 address.
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(api: &str, env: &[(&str, &str)]) -> Result<String, String> {
        let read = |name: &str| Some(env.iter().find(|(set, _)| *set == name)?.1.to_owned());
        match choose_proxy(&ApiEndpoint::parse(api).unwrap(), &read) {
            Ok(ProxyChoice::Via(proxy)) => Ok(format!("{proxy:?}")),
            Ok(ProxyChoice::Direct | ProxyChoice::System) => Ok("none".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_first_variable_that_is_set_names_the_proxy() {
        let all = [
            ("https_proxy", "a:1"),
            ("HTTPS_PROXY", "b:2"),
            ("all_proxy", "c:3"),
            ("ALL_PROXY", "d:4"),
            ("http_proxy", "e:5"),
            ("HTTP_PROXY", "f:6"),
        ];
        let (https, http) = ("https://api.github.com", "http://git.example.com/api/v3");
        for (api, from, expected) in [
            (https, 0, "proxy http://a:1 (from https_proxy)"),
            (https, 1, "proxy http://b:2 (from HTTPS_PROXY)"),
            (https, 2, "proxy http://c:3 (from all_proxy)"),
            (https, 3, "proxy http://d:4 (from ALL_PROXY)"),
            (https, 4, "none"),
            (http, 4, "proxy http://e:5 (from http_proxy)"),
            (http, 5, "none"),
            ("http://127.0.0.1:8080", 0, "none"),
            ("http://localhost:8080", 0, "none"),
            ("https://localhost:8443", 0, "proxy http://a:1 (from https_proxy)"),
        ] {
            assert_eq!(chosen(api, &all[from..]).unwrap(), expected, "{api} {from}");
        }
        let http_only = [("HTTP_PROXY", "f:6"), ("ALL_PROXY", "socks5h://d:4")];
        assert_eq!(chosen(http, &http_only).unwrap(), "proxy socks5h://d:4 (from ALL_PROXY)");
        for empty in ["", " "] {
            let env = [("https_proxy", empty), ("HTTPS_PROXY", "b:2")];
            assert_eq!(chosen(https, &env).unwrap(), "proxy http://b:2 (from HTTPS_PROXY)");
        }
        assert_eq!(chosen(https, &[("https_proxy", "a:1"), ("NO_PROXY", "github.com")]).unwrap(), "none");
        let env = [("https_proxy", "a:1"), ("no_proxy", "example.com"), ("NO_PROXY", "*")];
        assert_eq!(chosen(https, &env).unwrap(), "proxy http://a:1 (from https_proxy)");
    }

    #[test]
    fn an_unusable_proxy_is_an_error() {
        for (text, message) in [
            (
                "ftp://me:s3cret@proxy:21",
                "cannot use the proxy \"ftp://proxy:21\" (from HTTPS_PROXY): unsupported scheme \"ftp\"; use http, \
                 https, socks5 or socks5h",
            ),
            (
                "http://me:s3cret@[bad",
                "cannot use the proxy \"http://[bad\" (from HTTPS_PROXY): invalid IPv6 address; expected a URL like \
                 http://proxy.example:3128",
            ),
            (
                "me:s3/cret@proxy:3128",
                "cannot use the proxy \"proxy:3128\" (from HTTPS_PROXY): unescaped /, ? or # before the @; write \
                 them as %2F, %3F and %23",
            ),
        ] {
            let env = [("HTTPS_PROXY", text)];
            assert_eq!(chosen("https://api.github.com", &env).unwrap_err(), message, "{text}");
            // The proxy is not used for these.
            assert_eq!(chosen("http://127.0.0.1:8080", &env).unwrap(), "none");
            let excluded = [env[0], ("NO_PROXY", "*")];
            assert_eq!(chosen("https://api.github.com", &excluded).unwrap(), "none");
        }
    }

    #[test]
    fn no_proxy_matches_domains_ports_and_networks() {
        let (github, ip, ip6) = ("https://api.github.com", "https://10.1.2.3:8443", "https://[2001:db8::1]");
        for (list, url, excluded) in [
            ("*", github, true),
            (" * ", ip6, true),
            ("*,example.com", github, false),
            ("", github, false),
            (",, ,", github, false),
            ("api.github.com", github, true),
            ("API.GitHub.com.", github, true),
            ("github.com", github, true),
            (".github.com", github, true),
            ("..github.com", github, true),
            ("*.github.com", github, true),
            (".api.github.com", github, true),
            ("*.api.github.com", github, true),
            ("*github.com", github, false),
            ("hub.com", github, false),
            ("i.github.com", github, false),
            ("v3.api.github.com", github, false),
            (".", github, false),
            ("example.com api.github.com", github, true),
            ("example.com,\tapi.github.com", github, true),
            ("github.com:443", github, true),
            (".github.com:443", github, true),
            ("github.com:8443", github, false),
            ("github.com:https", github, false),
            ("git.example.com:80", "http://git.example.com", true),
            ("git.example.com:443", "http://git.example.com", false),
            ("github.com", "https://api.github.com.", true),
            ("10.1.2.3", ip, true),
            ("10.1.2.3:8443", ip, true),
            ("10.1.2.3:443", ip, false),
            ("10.0.0.0/8", ip, true),
            ("10.0.0.0/8:8443", ip, true),
            ("10.1.2.0/31", ip, false),
            ("10.1.2.0/99", ip, false),
            ("2.3", ip, false),
            (".3", ip, false),
            ("2001:db8::1", ip6, true),
            ("2001:DB8:0::1", ip6, true),
            ("[2001:db8::1]", ip6, true),
            ("[2001:db8::1]:443", ip6, true),
            ("[2001:db8::1]:8443", ip6, false),
            ("2001:db8::/32", ip6, true),
            ("2001:db9::/32", ip6, false),
            ("::1", ip6, false),
        ] {
            assert_eq!(excludes(list, &Url::parse(url).unwrap()), excluded, "{list:?} {url}");
        }
    }
}
