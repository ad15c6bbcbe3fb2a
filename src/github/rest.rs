//! Responses of the REST API.

use std::borrow::Cow;

use http::HeaderMap;
use serde::Deserialize;

use super::account::{Account, AccountKind};
use super::bounded_vec::BoundedVec;
use super::error::LookupError;
use super::pagination::next_link;
use crate::login::Login;
use crate::object::Object;

/// `GET /users/{login}`: a user, an organization or a bot.
#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Option<BorrowedStr<'a>>,
    public_repos: u64,
}

/// A string that is not copied, unless it has escapes. serde borrows no [`Cow`] inside of an [`Option`] or as a key.
#[derive(Deserialize)]
pub(super) struct BorrowedStr<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Parses a JSON object. Checking a whole body as UTF-8 is faster than checking its strings one by one.
pub(super) fn from_json_object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> serde_json::Result<T> {
    let parsed = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    parsed.map(|Object(value)| value)
}

/// Returns the error for a body that is not JSON, or is JSON of another kind.
pub(super) fn json_error(error: &serde_json::Error, other_kind: &'static str) -> LookupError {
    LookupError::Malformed(if error.is_data() { other_kind } else { "not JSON" })
}

pub(crate) fn parse_account(body: &[u8], requested: &Login) -> Result<Account, LookupError> {
    let user: User<'_> =
        from_json_object(body).map_err(|error| json_error(&error, "missing account fields"))?;
    Ok(Account {
        login: verify_login(&user.login, requested)?,
        kind: user.kind.as_ref().and_then(|BorrowedStr(kind)| AccountKind::parse(kind)),
        id: Some(user.id),
        public_repos: user.public_repos,
        breakdown: None,
        private_repos: None,
    })
}

/// Returns the login as GitHub spells it. Caches have been seen to return a different account.
pub(super) fn verify_login(returned: &str, requested: &Login) -> Result<Login, LookupError> {
    requested.spelled(returned).ok_or_else(|| {
        let reason = if Login::parse(returned).is_ok() { "a different account" } else { "invalid login" };
        LookupError::Malformed(reason)
    })
}

/// One page of an account's repositories.
#[derive(Debug, PartialEq, Eq)]
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

/// Returns the path of the first page of an account's repositories.
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

/// Hourly quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct RateLimits {
    /// Of the REST API, in requests.
    pub core: Quota,
    /// Of the GraphQL API, in points. None without a token.
    pub graphql: Option<Quota>,
}

/// An hourly quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Quota {
    /// Requests or points per hour.
    pub limit: u64,
    /// Requests or points left.
    pub remaining: u64,
    /// Time of the reset, in Unix seconds.
    pub reset: i64,
}

/// Parses the response to `GET /rate_limit`.
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
