//! The proxy variables of the environment, by curl's rules.

mod no_proxy;

use reqwest::Url;

use self::no_proxy::excludes;
use super::ConfigError;
use crate::github::endpoint::ApiEndpoint;
use crate::network::proxy::{Proxy, ProxyChoice};

/// Variables for an https API, in the order in which they are read.
const HTTPS_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// Variables for an http API. `HTTP_PROXY` is left out: a CGI server sets it from a request's header `Proxy`.
const HTTP_VARIABLES: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
const NO_PROXY_VARIABLES: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy for an API. An empty variable counts as unset.
///
/// # Errors
/// A proxy that cannot be used is never a reason for a direct connection.
pub(super) fn choose(
    endpoint: &ApiEndpoint,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyChoice, ConfigError> {
    // A token for this machine may go there in the clear, and to no other one.
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
    match Proxy::parse(&text, variable) {
        Ok(proxy) => Ok(ProxyChoice::Via(proxy)),
        Err(reason) => Err(ConfigError::UnusableProxy { proxy: without_login(&text), variable, reason }),
    }
}

fn first_set(
    variables: &[&'static str],
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<(&'static str, String)> {
    variables
        .iter()
        .find_map(|variable| Some((*variable, env(variable).filter(|text| !text.trim().is_empty())?)))
}

/// A proxy's URL, however malformed, without all that may belong to its password.
fn without_login(text: &str) -> String {
    let (scheme, rest) = text.trim().split_once("://").unwrap_or(("", text.trim()));
    let host = rest.rsplit('@').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    crate::text::sanitize_line(&format!("{scheme}{separator}{host}")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(api: &str, env: &[(&str, &str)]) -> Result<String, String> {
        let read = |name: &str| Some(env.iter().find(|(set, _)| *set == name)?.1.to_owned());
        match choose(&ApiEndpoint::parse(api).unwrap(), &read) {
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
    fn an_unusable_proxy_is_an_error_and_no_detour() {
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
            // It is not used for these.
            assert_eq!(chosen("http://127.0.0.1:8080", &env).unwrap(), "none");
            let excluded = [env[0], ("NO_PROXY", "*")];
            assert_eq!(chosen("https://api.github.com", &excluded).unwrap(), "none");
        }
    }
}
