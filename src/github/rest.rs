//! The REST API: `GET /users/{login}` answers for users, organisations and bots.

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
    login: &'a str,
    id: u64,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    public_repos: u64,
}

/// Reads a user, organisation or bot.
pub(super) fn account(body: &[u8]) -> Result<Account, LookupError> {
    let user: User<'_> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => LookupError::Malformed("JSON, but no account"),
        _ => LookupError::Malformed("not JSON"),
    })?;
    // Its spelling goes into reports, so it has to be a login as well.
    let login =
        Login::parse(user.login).map_err(|_| LookupError::Malformed("an account without a proper login"))?;
    let kind = match user.kind {
        Some("User") => Some(Kind::User),
        Some("Organization") => Some(Kind::Organization),
        Some("Bot") => Some(Kind::Bot),
        _ => None,
    };
    Ok(Account { login, kind, id: user.id, public_repos: user.public_repos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_and_never_made_up() {
        let account = |body: &str| super::account(body.as_bytes());
        let read =
            account(r#"{"login":"Torvalds","id":1024025,"type":"User","public_repos":9,"name":"Linus"}"#);
        assert_eq!(
            read.unwrap(),
            Account {
                login: Login::parse("Torvalds").unwrap(),
                kind: Some(Kind::User),
                id: 1_024_025,
                public_repos: 9
            }
        );
        for (body, reason) in [
            ("<html>", "the answer was not JSON"),
            ("", "the answer was not JSON"),
            (r#"{"login":"a","id":1,"public_rep"#, "the answer was not JSON"),
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
