//! Responses of the REST API, and lists that it sends in pages, each with a link to the next.

use std::collections::HashSet;
use std::fmt;

use http::HeaderMap;
use http::header::LINK;
use jiff::Timestamp;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::account::{Account, AccountKind};
use super::endpoint::ApiEndpoint;
use super::error::LookupError;
use crate::login::Login;
use crate::object::Object;

/// Upper bound on the items of a list; GitHub sends at most 100 on a page. Items are larger in memory than in JSON, so a body
/// within its own limit could otherwise fill the memory.
pub(super) const MAX_ITEMS: usize = 1000;
/// Upper bound on the pages of a list. GitHub's longest lists have half as many: 100,000 repositories of an account, or 100,000
/// members of an organization, 100 on a page.
pub(super) const MAX_PAGES: usize = 2000;
/// Upper bound on the path and query of a page, in bytes: all of them are remembered.
const MAX_PATH_LEN: usize = 2000;
pub(super) const TOO_MANY_PAGES: LookupError = LookupError::Pagination("the list has too many pages");

/// A list of at most [`MAX_ITEMS`] items. A longer one is an error.
pub(super) struct BoundedVec<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for BoundedVec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self(Vec::new()))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVec<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_ITEMS} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(item) = list.next_element()? {
            if self.0.len() == MAX_ITEMS {
                return Err(A::Error::invalid_length(MAX_ITEMS + 1, &self));
            }
            self.0.push(item);
        }
        Ok(self)
    }
}

/// `GET /users/{login}`: a user, an organization or a bot.
#[derive(Deserialize)]
struct User {
    login: String,
    id: u64,
    #[serde(rename = "type")]
    kind: Option<String>,
    public_repos: u64,
}

/// Parses a JSON body. `other_kind` is the error for JSON of another kind.
pub(super) fn parse_json<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    other_kind: &'static str,
) -> Result<T, LookupError> {
    serde_json::from_slice(body).map_err(|error| {
        tracing::debug!(%error, "cannot parse a response");
        if error.is_data() { LookupError::OtherJson(other_kind) } else { LookupError::Malformed("not JSON") }
    })
}

/// `requested`: None after a redirect, because a renamed account answers with another login.
pub(crate) fn parse_account(body: &[u8], requested: Option<&Login>) -> Result<Account, LookupError> {
    let Object(user): Object<User> = parse_json(body, "missing account fields")?;
    let login = match requested {
        Some(requested) => verify_login(&user.login, requested)?,
        None => Login::exact(&user.login).map_err(|_| LookupError::Malformed("invalid login"))?,
    };
    let kind = user.kind.as_deref().and_then(AccountKind::parse);
    Ok(Account::new(login, kind, Some(user.id), user.public_repos))
}

/// Returns the login as GitHub spells it. Caches have been seen to return a different account.
pub(super) fn verify_login(returned: &str, requested: &Login) -> Result<Login, LookupError> {
    requested.with_case_of(returned).ok_or_else(|| {
        let reason = if Login::exact(returned).is_ok() { "a different account" } else { "invalid login" };
        LookupError::Malformed(reason)
    })
}

#[derive(Deserialize)]
pub(super) struct Repo {
    pub(super) fork: bool,
    /// Missing on servers from before 2019, which have no archived repositories.
    #[serde(default)]
    pub(super) archived: bool,
    pub(super) pushed_at: Option<Timestamp>,
}

/// An account in a list, or the token's owner.
#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) login: String,
}

/// Meaning of a 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existence {
    /// There is nothing at this path.
    Unknown,
    /// An earlier response was about the same account or list: a 404 contradicts it, and is retried.
    Known,
}

/// Follows the links of one list. A server cannot make it request pages forever, or from another host.
pub(super) struct Paginator<'a> {
    endpoint: &'a ApiEndpoint,
    pub(super) next: Option<String>,
    pub(super) existence: Existence,
    seen: HashSet<String>,
}

impl<'a> Paginator<'a> {
    /// `first` is a path below that of the REST API.
    pub(super) fn new(first: &str, existence: Existence, endpoint: &'a ApiEndpoint) -> Self {
        let first = endpoint.rest(first);
        Self { endpoint, existence, seen: HashSet::from([first.clone()]), next: Some(first) }
    }

    /// Sets the next page after one with this number of items and this link.
    pub(super) fn follow(&mut self, items: usize, link: Option<&str>) -> Result<(), LookupError> {
        self.existence = Existence::Known;
        let Some(link) = link else { return Ok(()) };
        let Some(path) = self.endpoint.path_of(link).filter(|path| path.len() <= MAX_PATH_LEN) else {
            return Err(LookupError::Pagination("the next page is on another host"));
        };
        if items == 0 || self.seen.len() >= MAX_PAGES {
            return Err(TOO_MANY_PAGES);
        }
        if !self.seen.insert(path.to_owned()) {
            return Err(LookupError::Pagination("the next page is an earlier one"));
        }
        self.next = Some(path.to_owned());
        Ok(())
    }
}

pub(super) fn next_link(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|link| parse_next_link(link.to_str().ok()?)).map(str::to_owned)
}

/// Finds the URL in `<https://…?page=2>; rel="next", <…>; rel="last"`.
fn parse_next_link(mut links: &str) -> Option<&str> {
    // A URL may contain commas; they separate links only after the closing bracket.
    while let Some((url, rest)) = links.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let (params, others) = rest.split_once(',').unwrap_or((rest, ""));
        if params.split(';').any(|param| matches!(param.trim(), r#"rel="next""# | "rel=next")) {
            return Some(url);
        }
        links = others;
    }
    None
}

/// Hourly quotas: of the REST API in requests, of the GraphQL API in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct RateLimits {
    pub(crate) core: Quota,
    pub(crate) graphql: Option<Quota>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Quota {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// In Unix seconds.
    pub(crate) reset: i64,
}

pub(super) fn parse_rate_limit(body: &[u8]) -> Result<RateLimits, LookupError> {
    #[derive(Deserialize)]
    struct RateLimitResponse {
        resources: RateLimits,
    }
    parse_json(body, "missing rate limits").map(|RateLimitResponse { resources }| resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_items_are_read_and_one_more_is_an_error() {
        let list = |length: usize| serde_json::to_string(&vec![1; length]).unwrap();
        let parse = |json: &str| serde_json::from_str::<BoundedVec<u8>>(json);
        assert_eq!(parse(&list(MAX_ITEMS)).unwrap().0.len(), MAX_ITEMS);
        assert!(parse(&list(MAX_ITEMS + 1)).is_err_and(|error| error.is_data()));
    }

    #[test]
    fn an_account_without_a_count_is_an_error() {
        let asked = |login: &str| Login::parse(login).unwrap();
        let body = br#"{"login":"\u0054orvalds","id":1024025,"type":"User","public_repos":9,"name":"Linus"}"#;
        assert_eq!(
            parse_account(body, Some(&asked("torvalds"))).unwrap(),
            Account {
                login: asked("Torvalds"),
                kind: Some(AccountKind::User),
                id: Some(1_024_025),
                public_repos: 9,
                breakdown: None,
                private_repos: None,
                internal_repos: None,
                last_push: None,
            }
        );
        let error = |body: &str| parse_account(body.as_bytes(), Some(&asked("a")));
        for (body, reason) in [
            ("<html>", "unexpected response: not JSON"),
            ("", "unexpected response: not JSON"),
            (r#"{"login":"a","id":1,"public_rep"#, "unexpected response: not JSON"),
            (
                r#"{"login":"b","id":1,"type":"User","public_repos":1}"#,
                "unexpected response: a different account",
            ),
            (r#"["a",1,"User",9]"#, "unexpected response: missing account fields"),
            (r#"{"message":"Server Error"}"#, "unexpected response: missing account fields"),
            (r#"{"login":"a","id":1,"type":"User"}"#, "unexpected response: missing account fields"),
            (
                r#"{"login":"a","id":1,"type":"User","public_repos":null}"#,
                "unexpected response: missing account fields",
            ),
            (
                r#"{"login":"a","id":1,"type":"User","public_repos":-1}"#,
                "unexpected response: missing account fields",
            ),
            (
                r#"{"login":"a b","id":1,"type":"User","public_repos":1}"#,
                "unexpected response: invalid login",
            ),
        ] {
            assert_eq!(error(body).unwrap_err().to_string(), reason, "{body}");
        }
    }

    #[test]
    fn the_next_page_is_found_in_the_links() {
        let next = "<https://api.github.com/user/1/repos?page=3>; rel=\"next\"";
        let links =
            format!("<https://api.github.com/user/1/repos?page=1>; rel=\"prev\", {next}, <x>; rel=\"last\"");
        assert_eq!(parse_next_link(&links), Some("https://api.github.com/user/1/repos?page=3"));
        assert_eq!(parse_next_link("<https://api.github.com/user/1/repos?page=1>; rel=\"first\""), None);
        for nonsense in ["nonsense", "", "<", "<x", ">; rel=next", "<a>", "<a>, rel=next"] {
            assert_eq!(parse_next_link(nonsense), None, "{nonsense}");
        }
        assert_eq!(
            parse_next_link("<https://x/?after=a,b>; rel=\"next\", <y>; rel=\"last\""),
            Some("https://x/?after=a,b")
        );
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<a>; rel=\"last\"".parse().unwrap());
        headers.append(LINK, "<b>; rel=\"next\"".parse().unwrap());
        assert_eq!(next_link(&headers).as_deref(), Some("b"));
    }
}
