//! The REST API: `GET /users/{login}` answers for users, organisations and bots.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::LINK;
use serde::Deserialize;

use super::account::{Account, AccountKind};
use super::error::LookupError;
use super::few::Few;
use crate::login::Login;
use crate::object::Object;

/// The four of the thirty fields that we need.
#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    public_repos: u64,
}

/// A text that stays where it is, if it holds no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Reads a JSON object. Where a body is text as a whole, its strings need not be looked at one by one.
pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> serde_json::Result<T> {
    let read = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    };
    read.map(|Object(value)| value)
}

/// Reads the user, organisation or bot that was asked for.
pub(crate) fn account(body: &[u8], asked: &Login) -> Result<Account, LookupError> {
    let user: User<'_> = json(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => LookupError::Malformed("JSON, but no account"),
        _ => LookupError::Malformed("not JSON"),
    })?;
    let login = spelled(&user.login, asked)?;
    let kind = user.kind.as_ref().and_then(|Text(kind)| AccountKind::parse(kind));
    let (id, public_repos) = (Some(user.id), user.public_repos);
    Ok(Account { login, kind, id, public_repos, breakdown: None, private_repos: None })
}

/// A page of an account's repositories.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) repositories: usize,
    pub(super) forks: u64,
    pub(super) archived: u64,
    /// The whole address of the next page, if there is one.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    fork: bool,
    // Servers from before 2019 do not have it; nothing is archived there.
    #[serde(default)]
    archived: bool,
}

/// The route of an account's repositories, from the first page on.
pub(super) fn repositories(login: &Login) -> String {
    format!("{}/repos?type=owner&per_page=100", login.path())
}

/// Reads a page of repositories.
pub(super) fn page(headers: &HeaderMap, body: &[u8]) -> Result<Page, LookupError> {
    let Few(list): Few<Repository> =
        serde_json::from_slice(body).map_err(|_| LookupError::Malformed("no list of repositories"))?;
    let number =
        |which: fn(&Repository) -> bool| list.iter().filter(|repository| which(repository)).count() as u64;
    Ok(Page {
        repositories: list.len(),
        forks: number(|repository| repository.fork),
        archived: number(|repository| repository.archived),
        next: next_page_of(headers),
    })
}

/// The address of the next page of a list, if there is one.
pub(super) fn next_page_of(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|link| next_page(link.to_str().ok()?)).map(str::to_owned)
}

/// The address in `<https://…?page=2>; rel="next", <…>; rel="last"`. It is absent from the last page,
/// and the whole header where one page holds all.
fn next_page(mut link: &str) -> Option<&str> {
    // An address may hold commas, what stands behind it none that count.
    while let Some((url, rest)) = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let (rel, others) = rest.split_once(',').unwrap_or((rest, ""));
        if rel.split(';').any(|rel| matches!(rel.trim(), r#"rel="next""# | "rel=next")) {
            return Some(url);
        }
        link = others;
    }
    None
}

/// What is left of the hourly budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the REST API, in requests.
    pub core: Budget,
    /// Of the GraphQL API, in points; none without a token.
    pub graphql: Option<Budget>,
}

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Budget {
    /// In an hour.
    pub limit: u64,
    /// Left of it.
    pub remaining: u64,
    /// When there is a full one again, in Unix seconds.
    pub reset: i64,
}

/// Reads `GET /rate_limit`. Its newest version has no `rate` beside `resources` any more.
pub(super) fn limits(body: &[u8]) -> Result<Limits, LookupError> {
    #[derive(Deserialize)]
    struct Answer {
        resources: Resources,
    }
    #[derive(Deserialize)]
    struct Resources {
        core: Budget,
        graphql: Option<Budget>,
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| LookupError::Malformed("no list of limits"))?;
    Ok(Limits { core: answer.resources.core, graphql: answer.resources.graphql })
}

/// GitHub's own spelling of a login, which goes into reports. An answer that is about somebody else,
/// from a cache that mixes them up, is none.
pub(super) fn spelled(answered: &str, asked: &Login) -> Result<Login, LookupError> {
    asked.spelled(answered).ok_or_else(|| match Login::parse(answered) {
        Ok(_) => LookupError::Malformed("about another account"),
        Err(_) => LookupError::Malformed("an account without a proper login"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_links() {
        let next = "<https://api.github.com/user/1/repos?page=3>; rel=\"next\"";
        let links =
            format!("<https://api.github.com/user/1/repos?page=1>; rel=\"prev\", {next}, <x>; rel=\"last\"");
        assert_eq!(next_page(&links), Some("https://api.github.com/user/1/repos?page=3"));
        assert_eq!(next_page("<https://api.github.com/user/1/repos?page=1>; rel=\"first\""), None);
        for nonsense in ["nonsense", "", "<", "<x", ">; rel=next", "<a>", "<a>, rel=next"] {
            assert_eq!(next_page(nonsense), None, "{nonsense}");
        }
        assert_eq!(
            next_page("<https://x/?after=a,b>; rel=\"next\", <y>; rel=\"last\""),
            Some("https://x/?after=a,b")
        );
        let mut headers = HeaderMap::new();
        headers.append(LINK, "<a>; rel=\"last\"".parse().unwrap());
        headers.append(LINK, "<b>; rel=\"next\"".parse().unwrap());
        assert_eq!(next_page_of(&headers).as_deref(), Some("b"));
    }

    #[test]
    fn a_count_is_read_and_never_made_up() {
        let asked = |login: &str| Login::parse(login).unwrap();
        let body = br#"{"login":"\u0054orvalds","id":1024025,"type":"User","public_repos":9,"name":"Linus"}"#;
        assert_eq!(
            account(body, &asked("torvalds")).unwrap(),
            Account {
                login: asked("Torvalds"),
                kind: Some(AccountKind::User),
                id: Some(1_024_025),
                public_repos: 9,
                breakdown: None,
                private_repos: None,
            }
        );
        let account = |body: &str| account(body.as_bytes(), &asked("a"));
        for (body, reason) in [
            ("<html>", "the answer was not JSON"),
            ("", "the answer was not JSON"),
            (r#"{"login":"a","id":1,"public_rep"#, "the answer was not JSON"),
            (
                r#"{"login":"b","id":1,"type":"User","public_repos":1}"#,
                "the answer was about another account",
            ),
            (r#"["a",1,"User",9]"#, "the answer was JSON, but no account"),
            (r#"{"message":"Server Error"}"#, "the answer was JSON, but no account"),
            (r#"{"login":"a","id":1,"type":"User"}"#, "the answer was JSON, but no account"),
            (
                r#"{"login":"a","id":1,"type":"User","public_repos":null}"#,
                "the answer was JSON, but no account",
            ),
            (
                r#"{"login":"a","id":1,"type":"User","public_repos":-1}"#,
                "the answer was JSON, but no account",
            ),
            (
                r#"{"login":"a b","id":1,"type":"User","public_repos":1}"#,
                "the answer was an account without a proper login",
            ),
        ] {
            assert_eq!(account(body).unwrap_err().to_string(), reason, "{body}");
        }
    }
}
