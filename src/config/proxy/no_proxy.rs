//! The list of hosts that are connected to directly.

use std::net::IpAddr;

use ipnet::IpNet;
use reqwest::Url;

/// Whether a list excludes the host of a URL: entries are separated by commas or blanks, and `*` alone is
/// every host.
pub(super) fn excludes(list: &str, url: &Url) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    let host = Host::new(host, port);
    let is_separator = |c: char| c == ',' || c.is_whitespace();
    list.trim() == "*" || list.split(is_separator).any(|entry| host.matches(entry))
}

struct Host<'a> {
    name: &'a str,
    address: Option<IpAddr>,
    port: u16,
}

impl<'a> Host<'a> {
    fn new(host: &'a str, port: u16) -> Self {
        let name = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        Self { name, address: name.parse().ok(), port }
    }

    fn matches(&self, entry: &str) -> bool {
        let (entry, port) = split_port(entry);
        if port.is_some_and(|port| port != self.port) {
            return false;
        }
        match self.address {
            Some(address) => {
                let is_same = entry.parse().is_ok_and(|entry: IpAddr| entry == address);
                is_same || entry.parse().is_ok_and(|network: IpNet| network.contains(&address))
            }
            None => self.is_in_domain(entry),
        }
    }

    /// Whether the name is that domain or one of its subdomains.
    fn is_in_domain(&self, entry: &str) -> bool {
        let domain = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
        let domain = domain.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        let name = self.name.to_ascii_lowercase();
        let Some(before) = name.strip_suffix(&domain) else { return false };
        !domain.is_empty() && (before.is_empty() || before.ends_with('.'))
    }
}

/// An entry without its brackets, and its port.
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
