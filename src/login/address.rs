//! Addresses of accounts and of their repositories, gists and teams: on the web, in Git, and in the API.

use super::{BOT, is_name_char, validate};
use crate::text::sanitize_line;

const SCHEMES: [&str; 6] = ["https", "http", "ssh", "git", "git+ssh", "git+https"];

/// First segments of paths on github.com that are pages of its own, in alphabetical order.
const RESERVED: [&str; 60] = [
    "about",
    "account",
    "accounts",
    "advisories",
    "blog",
    "codespaces",
    "collections",
    "contact",
    "copilot",
    "customer-stories",
    "dashboard",
    "discussions",
    "enterprise",
    "events",
    "explore",
    "features",
    "git-guides",
    "github-copilot",
    "home",
    "images",
    "issues",
    "join",
    "login",
    "logout",
    "marketplace",
    "mcp",
    "mobile",
    "models",
    "new",
    "newsroom",
    "nonprofit",
    "notifications",
    "oauth",
    "open-source",
    "organizations",
    "password_reset",
    "premium-support",
    "pricing",
    "pulls",
    "readme",
    "repos",
    "resources",
    "search",
    "security",
    "select-plan",
    "session",
    "sessions",
    "settings",
    "signup",
    "site",
    "solutions",
    "spark",
    "sponsors",
    "stafftools",
    "stars",
    "team",
    "topics",
    "trending",
    "watching",
    "why-github",
];

/// Endings of addresses that belong to the account itself: its avatar, keys and feed.
const SUFFIXES: [&str; 5] = [".git", ".png", ".keys", ".gpg", ".atom"];
/// Lengths of the ids of gists, in hexadecimal digits.
const GIST_ID_LENGTHS: [usize; 2] = [20, 32];
/// Upper bound on the part of a host that a message quotes, in characters.
const MAX_QUOTED_HOST: usize = 64;

/// Contents of a host.
enum Site {
    Web,
    Gists,
    /// Files or archives: the path begins with a repository.
    Repositories,
    Api,
}

/// Returns the account of an address. None if `text` is not an address.
pub(super) fn account_in_address(text: &str, web_host: &str) -> Option<Result<String, String>> {
    let (host, path) = split_address(text, web_host)?;
    if text.contains(char::is_whitespace) {
        return Some(Err("an address with a blank in it".into()));
    }
    let Some(site) = site(&host, web_host) else {
        return Some(Err(foreign_host(&host, web_host)));
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Some(match site {
        Site::Web => account_on_web(&segments, web_host),
        Site::Gists => account_of_gist(&segments, web_host),
        Site::Repositories => first_account(&segments),
        Site::Api => account_in_api(&segments, web_host),
    })
}

/// Returns the organization and the slug in the address of a team. None if `text` is not an address.
pub(crate) fn team_in_address(text: &str, web_host: &str) -> Option<Result<(String, String), String>> {
    let (host, path) = split_address(text, web_host)?;
    let Some(site) = site(&host, web_host) else {
        return Some(Err(foreign_host(&host, web_host)));
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    Some(match (site, &segments[..]) {
        (Site::Web | Site::Api, ["orgs", organization, "teams", team, ..]) => {
            Ok(((*organization).to_owned(), (*team).to_owned()))
        }
        _ => Err("not a team URL".into()),
    })
}

/// Splits an address into its host, in lower case and without a user, and the rest. None if `text` is not an address.
fn split_address<'a>(text: &'a str, web_host: &str) -> Option<(String, &'a str)> {
    let after_scheme = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, rest)| rest);
    let rest = after_scheme.unwrap_or(text);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let path = rest.get(authority.len()..).unwrap_or_default();
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if after_scheme.is_some() {
        return Some((normalize_host(host), path));
    }
    // `git@github.com:owner/repo.git`
    if let Some((name, _)) = host.split_once(':') {
        let name = normalize_host(name);
        let is_remote = user.is_some() || site(&name, web_host).is_some();
        let after_colon = rest.get(rest.find(':')? + 1..)?;
        return (is_remote && user.is_none_or(|user| !user.contains(':'))).then_some((name, after_colon));
    }
    let host = normalize_host(host);
    let is_known = site(&host, web_host).is_some();
    (user.is_none() && (is_known || path.starts_with('/') && is_domain(&host))).then_some((host, path))
}

fn is_scheme(text: &str) -> bool {
    SCHEMES.iter().any(|scheme| text.eq_ignore_ascii_case(scheme))
}

fn is_domain(host: &str) -> bool {
    let labels: Vec<_> = host.split('.').collect();
    let has_top_level = labels
        .last()
        .is_some_and(|last| last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_alphabetic()));
    labels.len() > 1
        && has_top_level
        && labels.iter().all(|label| !label.is_empty() && label.chars().all(is_name_char))
}

fn normalize_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    host.strip_prefix("www.").unwrap_or(&host).to_owned()
}

/// Returns the contents of a host. None if it is not GitHub's.
fn site(host: &str, web_host: &str) -> Option<Site> {
    // The port of a remote; a server on a port of its own is compared with it first.
    let name = if host == web_host { host } else { host.split(':').next().unwrap_or_default() };
    if name == web_host {
        return Some(Site::Web);
    }
    if let Some(prefix) = name.strip_suffix(web_host).and_then(|prefix| prefix.strip_suffix('.')) {
        return match prefix {
            "ssh" => Some(Site::Web),
            "gist" => Some(Site::Gists),
            "raw" | "codeload" => Some(Site::Repositories),
            "api" => Some(Site::Api),
            _ => None,
        };
    }
    match name {
        "raw.githubusercontent.com" | "github.dev" if web_host == "github.com" => Some(Site::Repositories),
        "gist.githubusercontent.com" if web_host == "github.com" => Some(Site::Gists),
        _ => None,
    }
}

fn foreign_host(host: &str, web_host: &str) -> String {
    let pages_of = host.strip_suffix(".github.io").filter(|name| validate(name).is_ok());
    let host: String = host.chars().take(MAX_QUOTED_HOST).collect();
    let reason = format!("an address on {}, not on {web_host}", sanitize_line(&host));
    match pages_of {
        Some(name) => format!("{reason}; for the account of that site write {name}"),
        None => reason,
    }
}

/// Returns the account of a path on the web: of a profile, a repository and their pages.
pub(super) fn account_on_web(segments: &[&str], web_host: &str) -> Result<String, String> {
    let [first, rest @ ..] = segments else { return Err("an address without an account".into()) };
    match (first.to_ascii_lowercase().as_str(), rest) {
        ("orgs" | "organizations", [organization, "teams", team, ..]) => Err(use_team(organization, team)),
        ("orgs" | "organizations" | "users" | "stars" | "sponsors", [account, ..])
            if !is_reserved(account) =>
        {
            Ok(decode(account))
        }
        ("apps", [app, ..]) => Ok(format!("{app}{BOT}")),
        ("enterprises", [slug, ..]) => Err(use_enterprise(slug)),
        // Those of an Enterprise Server.
        ("gist", [_, ..]) => account_of_gist(rest, web_host),
        ("raw", [_, ..]) if web_host != "github.com" => first_account(rest),
        ("api", ["v3", rest @ ..]) => account_in_api(rest, web_host),
        ("orgs" | "users" | "apps" | "enterprises" | "gist" | "api", _) => Err(other_page(web_host)),
        (reserved, _) if is_reserved(reserved) => Err(other_page(web_host)),
        _ => first_account(segments),
    }
}

fn is_reserved(segment: &str) -> bool {
    RESERVED.iter().any(|reserved| segment.eq_ignore_ascii_case(reserved))
}

fn other_page(web_host: &str) -> String {
    format!("an address of {web_host} itself, not of an account")
}

fn account_of_gist(segments: &[&str], web_host: &str) -> Result<String, String> {
    match segments {
        [] => Err("an address without an account".into()),
        [first, ..] if is_gist_id(first) => Err("the address of a gist without its owner".into()),
        [first, ..] if is_reserved(first) || matches!(*first, "discover" | "starred" | "forked" | "mine") => {
            Err(other_page(web_host))
        }
        _ => first_account(segments),
    }
}

fn is_gist_id(segment: &str) -> bool {
    let id = segment.strip_suffix(".git").unwrap_or(segment);
    GIST_ID_LENGTHS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn account_in_api(segments: &[&str], web_host: &str) -> Result<String, String> {
    match segments {
        ["orgs", organization, "teams", team, ..] => Err(use_team(organization, team)),
        ["users" | "repos" | "orgs", account, ..] => Ok(decode(account)),
        ["apps", app, ..] => Ok(format!("{app}{BOT}")),
        ["enterprises", slug, ..] => Err(use_enterprise(slug)),
        _ => Err(format!("an address of the API of {web_host} without a login")),
    }
}

/// Returns the account in the first segment, without an `@` before it and without the ending of its feed.
fn first_account(segments: &[&str]) -> Result<String, String> {
    let Some(first) = segments.first() else { return Err("an address without an account".into()) };
    let name = first.strip_prefix('@').unwrap_or(first);
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).filter(|_| segments.len() == 1);
    Ok(decode(plain.unwrap_or(name)))
}

/// Decodes the brackets of a bot: `dependabot%5Bbot%5D`. No login has another character that is encoded.
fn decode(segment: &str) -> String {
    let encoded = BOT.replace('[', "%5b").replace(']', "%5d");
    let at = segment.len().checked_sub(encoded.len());
    let parts = at.and_then(|at| segment.split_at_checked(at));
    match parts.filter(|(_, suffix)| suffix.eq_ignore_ascii_case(&encoded)) {
        Some((name, _)) => format!("{name}{BOT}"),
        None => segment.to_owned(),
    }
}

/// Returns the reason for which a team is not a login, with the flag for it.
pub(super) fn use_team(organization: &str, team: &str) -> String {
    let is_team = validate(organization).is_ok() && !team.is_empty() && team.chars().all(is_name_char);
    let team = if is_team { format!("{organization}/{team}") } else { "ORG/TEAM".to_owned() };
    format!("a team: look up its members with --team {team}")
}

fn use_enterprise(slug: &str) -> String {
    let slug = if !slug.is_empty() && slug.chars().all(is_name_char) { slug } else { "SLUG" };
    format!("an enterprise: look up its members with --enterprise {slug}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Option<Result<String, String>> {
        account_in_address(text, "github.com")
    }

    #[test]
    fn an_address_without_a_scheme_has_a_known_host_or_a_domain() {
        for text in
            ["torvalds", "a/b", "5/3/2024", "12:30", "../orgs/x", "a.b", "x@y.z", "@acme/core", "C:/team"]
        {
            assert_eq!(account(text), None, "{text}");
        }
        for text in ["github.com/a", "gist.github.com/a/1", "git@github.com:a/b", "github.com:a/b"] {
            assert_eq!(account(text), Some(Ok("a".into())), "{text}");
        }
        for text in ["gitlab.com/a", "git@gitlab.com:a/b.git", "https://gitlab.com/a", "user:pw@gitlab.com/a"]
        {
            let reason = account(text).map(|account| account.unwrap_err());
            let expected = "an address on gitlab.com, not on github.com";
            assert!(reason.is_none_or(|reason| reason == expected), "{text}");
        }
    }

    #[test]
    fn an_enterprise_server_has_sites_of_its_own() {
        for text in [
            "https://git.example.com/a",
            "https://git.example.com:443/a/b",
            "https://git.example.com/api/v3/users/a",
            "https://git.example.com/api/v3/repos/a/b",
            "https://git.example.com/gist/a/0123456789abcdef0123",
            "https://git.example.com/raw/a/b/main/x.txt",
            "https://raw.git.example.com/a/b/main/x.txt",
            "git@git.example.com:a/b.git",
        ] {
            assert_eq!(account_in_address(text, "git.example.com"), Some(Ok("a".into())), "{text}");
        }
        let reason = account_in_address("https://github.com/a", "git.example.com").unwrap().unwrap_err();
        assert_eq!(reason, "an address on github.com, not on git.example.com");
        let port = account_in_address("http://127.0.0.1:8080/a", "127.0.0.1:8080");
        assert_eq!(port, Some(Ok("a".into())));
    }
}
