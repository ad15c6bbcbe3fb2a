//! Responses of the REST API.

use std::fmt;

use http::HeaderMap;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::account::{Account, AccountKind};
use super::error::LookupError;
use super::pagination::next_link;
use crate::login::Login;
use crate::object::Object;

/// Upper bound on the items of a list; GitHub sends at most 100 on a page. Items are larger in memory than in JSON, so a body
/// within its own limit could otherwise fill the memory.
pub(super) const MAX_ITEMS: usize = 1000;

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

/// Parses a body that is a JSON object. `other_kind` is the error for JSON of another kind.
pub(super) fn parse_object<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    other_kind: &'static str,
) -> Result<T, LookupError> {
    match serde_json::from_slice(body) {
        Ok(Object(value)) => Ok(value),
        Err(error) => Err(LookupError::Malformed(if error.is_data() { other_kind } else { "not JSON" })),
    }
}

pub(crate) fn parse_account(body: &[u8], requested: &Login) -> Result<Account, LookupError> {
    let user: User = parse_object(body, "missing account fields")?;
    let login = verify_login(&user.login, requested)?;
    let kind = user.kind.as_deref().and_then(AccountKind::parse);
    Ok(Account::new(login, kind, Some(user.id), user.public_repos))
}

/// Returns the login as GitHub spells it. Caches have been seen to return a different account.
pub(super) fn verify_login(returned: &str, requested: &Login) -> Result<Login, LookupError> {
    requested.spelled(returned).ok_or_else(|| {
        let reason = if Login::parse(returned).is_ok() { "a different account" } else { "invalid login" };
        LookupError::Malformed(reason)
    })
}

/// One page of an account's repositories.
pub(super) struct RepoPage {
    pub(super) repos: usize,
    pub(super) forks: u64,
    pub(super) archived: u64,
    /// URL of the next page.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Repo {
    fork: bool,
    /// Missing on servers from before 2019, which have no archived repositories.
    #[serde(default)]
    archived: bool,
}

pub(super) fn repos_path(login: &Login) -> String {
    format!("{}/repos?type=owner&per_page=100", login.path())
}

pub(super) fn parse_repo_page(headers: &HeaderMap, body: &[u8]) -> Result<RepoPage, LookupError> {
    let BoundedVec(repos): BoundedVec<Repo> =
        serde_json::from_slice(body).map_err(|_| LookupError::Malformed("not a list of repositories"))?;
    Ok(RepoPage {
        repos: repos.len(),
        forks: repos.iter().filter(|repo| repo.fork).count() as u64,
        archived: repos.iter().filter(|repo| repo.archived).count() as u64,
        next: next_link(headers),
    })
}

/// Hourly quotas: of the REST API in requests, of the GraphQL API in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct RateLimits {
    pub(crate) core: Quota,
    /// None without a token.
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
    let response: RateLimitResponse =
        serde_json::from_slice(body).map_err(|_| LookupError::Malformed("missing rate limits"))?;
    Ok(response.resources)
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
            parse_account(body, &asked("torvalds")).unwrap(),
            Account {
                login: asked("Torvalds"),
                kind: Some(AccountKind::User),
                id: Some(1_024_025),
                public_repos: 9,
                breakdown: None,
                private_repos: None,
            }
        );
        let error = |body: &str| parse_account(body.as_bytes(), &asked("a"));
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
}
