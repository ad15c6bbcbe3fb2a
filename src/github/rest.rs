//! The REST API: `GET /users/{login}` answers for users, organisations and bots.

use std::borrow::Cow;

use serde::Deserialize;

use super::error::LookupError;
use crate::login::Login;
use crate::report::Kind;

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// As GitHub spells it.
    pub login: Login,
    /// Its kind, if it is one that we know.
    pub kind: Option<Kind>,
    /// Its numeric id.
    pub id: u64,
    /// Public repositories that it owns, forks included.
    pub public_repos: u64,
}

/// The four of the thirty fields that we need.
#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    public_repos: u64,
}

/// Reads the user, organisation or bot that was asked for.
pub(super) fn account(body: &[u8], asked: &Login) -> Result<Account, LookupError> {
    let user: User<'_> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => LookupError::Malformed("JSON, but no account"),
        _ => LookupError::Malformed("not JSON"),
    })?;
    let login = spelled(&user.login, asked)?;
    let kind = user.kind.as_deref().and_then(Kind::parse);
    Ok(Account { login, kind, id: user.id, public_repos: user.public_repos })
}

/// GitHub's own spelling of a login, which goes into reports. An answer that is about somebody else,
/// from a cache that mixes them up, is none.
pub(super) fn spelled(answered: &str, asked: &Login) -> Result<Login, LookupError> {
    let login =
        Login::parse(answered).map_err(|_| LookupError::Malformed("an account without a proper login"))?;
    if login.key() != asked.key() {
        return Err(LookupError::Malformed("about another account"));
    }
    Ok(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_and_never_made_up() {
        let asked = |login: &str| Login::parse(login).unwrap();
        let body = br#"{"login":"\u0054orvalds","id":1024025,"type":"User","public_repos":9,"name":"Linus"}"#;
        assert_eq!(
            account(body, &asked("torvalds")).unwrap(),
            Account { login: asked("Torvalds"), kind: Some(Kind::User), id: 1_024_025, public_repos: 9 }
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
