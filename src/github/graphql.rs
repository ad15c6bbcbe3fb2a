//! The GraphQL API: a hundred logins in one query and one point of the hourly five thousand.
//!
//! Logins go as variables and never into the query's text. GitHub answers in part: `data` beside
//! `errors`, so one bad alias must not cost the others their answer, and a `null` is "not found" only
//! where no error speaks of it. octocrab's own `graphql()` throws `data` away as soon as there is one
//! error, hence our own envelope.

use std::fmt::Write as _;

use http::HeaderMap;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{self, LookupError};
use super::exchange::{NOT_RECORDED, NotRecorded};
use super::rest::{self, Account};
use crate::login::Login;
use crate::report::{Breakdown, Kind, Measures};
use crate::text::visible;

/// What is posted: one document, with the logins as its variables.
#[derive(Serialize)]
pub(super) struct Query<'a> {
    query: &'a str,
    variables: serde_json::Map<String, Value>,
}

impl<'a> Query<'a> {
    pub(super) fn new(document: &'a str, logins: &[Login]) -> Self {
        let variable = |(at, login): (usize, &Login)| (format!("l{at}"), Value::from(login.as_str()));
        Self { query: document, variables: logins.iter().enumerate().map(variable).collect() }
    }

    /// How many logins it asks for.
    pub(super) fn len(&self) -> u64 {
        self.variables.len() as u64
    }
}

/// The query that asks for `size` accounts.
///
/// `ownerAffiliations` has to be given: by default GitHub adds the repositories of others on which a
/// user collaborates.
#[must_use]
pub fn document(size: usize, measures: Measures) -> String {
    let mut text = String::with_capacity(400 + 64 * size);
    text.push_str("query Accounts(");
    for at in 0..size {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}$l{at}: String!", if at == 0 { "" } else { ", " });
    }
    text.push_str(") {\n  rateLimit { cost remaining resetAt }\n");
    for at in 0..size {
        let _ = writeln!(text, "  a{at}: repositoryOwner(login: $l{at}) {{ ...Account }}");
    }
    text.push_str(
        "}\nfragment Account on RepositoryOwner {\n  __typename\n  login\n  ... on User { databaseId }\n  \
         ... on Organization { databaseId }\n",
    );
    for (name, filter) in connections(measures) {
        let _ = writeln!(text, "  {name}: repositories({filter}, ownerAffiliations: OWNER) {{ totalCount }}");
    }
    text.push_str("}\n");
    text
}

/// The connections that are asked for of an account; GitHub's price is a point for a hundred.
fn connections(measures: Measures) -> impl Iterator<Item = (&'static str, &'static str)> {
    let breakdown =
        [("forks", "privacy: PUBLIC, isFork: true"), ("archived", "privacy: PUBLIC, isArchived: true")];
    std::iter::once(("public", "privacy: PUBLIC"))
        .chain(breakdown.into_iter().filter(move |_| measures.breakdown))
        .chain(measures.private.then_some(("private", "privacy: PRIVATE")))
}

/// Connections that a query for one account asks for.
#[must_use]
pub fn connections_of(measures: Measures) -> usize {
    connections(measures).count()
}

/// What GitHub takes for a query: its connections divided by a hundred, rounded, at least 1.
#[must_use]
pub fn points(accounts: usize, measures: Measures) -> u64 {
    ((accounts * connections_of(measures) + 50) / 100).max(1) as u64
}

/// The most accounts in a query: a hundred, or as many as still cost one point.
#[must_use]
pub fn most_accounts(measures: Measures) -> usize {
    (149 / connections_of(measures)).min(100)
}

/// A query's answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Points that it cost, by GitHub's own account.
    pub(super) cost: Option<u64>,
    /// Whether the server has limits at all.
    pub(super) limited: bool,
    /// An outcome for each login, in their order. One that is transient means that GitHub left this
    /// one out and has to be asked again.
    pub(super) outcomes: Vec<Result<Account, LookupError>>,
}

/// Reads the answer to a query for `logins`.
///
/// # Errors
/// Where there is no answer for any of them.
pub(super) fn answer(
    headers: &HeaderMap,
    body: &[u8],
    logins: &[Login],
    measures: Measures,
) -> Result<Answer, LookupError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => LookupError::Malformed("JSON, but no answer to a query"),
        _ => LookupError::Malformed("not JSON"),
    })?;
    let errors = envelope.errors.unwrap_or_default().into_iter();
    let errors: Vec<_> = errors.map(GraphqlError::read).collect();
    if let Some(limit) = errors.iter().find(|error| error.is_limit()) {
        tracing::info!("GitHub: {}", limit.text());
        return Err(LookupError::RateLimited { status: 200, wait: None });
    }
    // An error that names no place puts every null in doubt.
    let doubt = errors.iter().find(|error| error.path.is_none());
    let doubt = doubt.map(|error| LookupError::Unanswered(error.text()));
    let (mut data, doubt) = match (envelope.data, errors.first()) {
        (Some(data), _) => (data, doubt),
        (None, None) => return Err(LookupError::Malformed("JSON, but no answer to a query")),
        (None, Some(_)) if errors.iter().any(|error| error.alias().is_some()) => {
            let other = || LookupError::Unanswered("the whole query failed for another login".into());
            (Data::default(), Some(doubt.unwrap_or_else(other)))
        }
        (None, Some(error)) if error.is_final() => return Err(error.forbidden(headers)),
        (None, Some(error)) => return Err(LookupError::Unanswered(error.text())),
    };
    let mut outcomes: Vec<Option<LookupError>> = vec![None; logins.len()];
    for error in errors {
        if let Some(outcome) = error.alias().and_then(|alias| outcomes.get_mut(alias)) {
            *outcome = Some(error.meaning(headers));
        }
    }
    data.owners.resize_with(logins.len(), Slot::default);
    let outcome = |((owner, error), login): ((Slot, Option<LookupError>), &Login)| match (owner, error) {
        (_, Some(error)) => Err(error),
        (Slot::Owner(owner), None) => owner.account(login, measures),
        (Slot::Broken, None) => Err(LookupError::Malformed("JSON, but no account")),
        (Slot::Null, None) => Err(doubt.clone().unwrap_or(LookupError::NotFound)),
        (Slot::Missing, None) => {
            let missing = || LookupError::Unanswered("the answer left this login out".into());
            Err(doubt.clone().unwrap_or_else(missing))
        }
    };
    let outcomes = data.owners.into_iter().zip(outcomes).zip(logins).map(outcome).collect();
    Ok(Answer { cost: data.cost, limited: headers.contains_key("x-ratelimit-limit"), outcomes })
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Data>,
    errors: Option<Vec<Value>>,
}

/// `data`: the limit, and an owner for each alias. An alias that is not there at all is told from one
/// that is null.
#[derive(Default)]
struct Data {
    cost: Option<u64>,
    owners: Vec<Slot>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Aliases;
        impl<'de> Visitor<'de> for Aliases {
            type Value = Data;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of aliases")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = Data::default();
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    if key == "rateLimit" {
                        data.cost = map.next_value::<Value>()?.get("cost").and_then(Value::as_u64);
                    } else if let Some(at) = alias(&key) {
                        if data.owners.len() <= at {
                            data.owners.resize_with(at + 1, Slot::default);
                        }
                        if let Some(slot) = data.owners.get_mut(at) {
                            // Read by itself: one that makes no sense must not spoil the others.
                            *slot = match map.next_value::<Option<&RawValue>>()?.map(RawValue::get) {
                                None => Slot::Null,
                                Some(json) => serde_json::from_str(json).map_or(Slot::Broken, Slot::Owner),
                            };
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(Aliases)
    }
}

/// The number of an alias of ours: `a17`.
fn alias(name: &str) -> Option<usize> {
    // No query of ours has more; a server that claims one must not make us room for it.
    name.strip_prefix('a')?.parse().ok().filter(|at| *at < 1000)
}

/// What stands behind an alias.
#[derive(Default)]
enum Slot {
    /// The alias is not there at all.
    #[default]
    Missing,
    Null,
    /// Something that is no owner.
    Broken,
    Owner(Owner),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(rename = "__typename")]
    typename: Option<String>,
    login: Option<String>,
    database_id: Option<u64>,
    public: Option<Count>,
    forks: Option<Count>,
    archived: Option<Count>,
    private: Option<Count>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

impl Owner {
    fn account(self, asked: &Login, measures: Measures) -> Result<Account, LookupError> {
        let missing = || LookupError::Malformed("JSON, but no account");
        let count = |count: Option<Count>| count.map(|count| count.total_count).ok_or_else(missing);
        let login = rest::spelled(&self.login.ok_or_else(missing)?, asked)?;
        let public_repos = count(self.public)?;
        let breakdown = if measures.breakdown {
            let forks = count(self.forks)?;
            let sources = public_repos.saturating_sub(forks);
            Some(Breakdown { sources, forks, archived: count(self.archived)? })
        } else {
            None
        };
        Ok(Account {
            login,
            kind: self.typename.as_deref().and_then(Kind::parse),
            id: self.database_id,
            public_repos,
            breakdown,
            private_repos: if measures.private { Some(count(self.private)?) } else { None },
        })
    }
}

/// An error, read as far as it makes sense: one that makes none must not spoil the answer.
struct GraphqlError {
    kind: Option<String>,
    path: Option<Vec<Value>>,
    message: Option<String>,
    extensions: Option<Value>,
}

impl GraphqlError {
    fn read(mut error: Value) -> Self {
        let mut take = |name: &str| error.get_mut(name).map(Value::take).filter(|value| !value.is_null());
        let text = |value: Value| value.as_str().map(str::to_owned);
        Self {
            kind: take("type").and_then(text),
            path: take("path").and_then(|path| path.as_array().cloned()),
            message: take("message").and_then(text),
            // GitHub has its codes beside the message or in the extensions.
            extensions: take("extensions")
                .or_else(|| take("code").map(|code| serde_json::json!({ "code": code }))),
        }
    }

    /// The login that it is about.
    fn alias(&self) -> Option<usize> {
        alias(self.path.as_ref()?.first()?.as_str()?)
    }

    fn text(&self) -> String {
        visible(self.message.as_deref().or(self.kind.as_deref()).unwrap_or("an error without a message"))
            .into_owned()
    }

    fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.as_ref()?.get(name)
    }

    fn code(&self) -> Option<&str> {
        self.extension("code")?.as_str()
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Both spellings of the type have been seen, and the code in either place.
    fn is_limit(&self) -> bool {
        self.is("RATE_LIMITED") || self.is("RATE_LIMIT") || self.code() == Some("graphql_rate_limit")
    }

    /// Whether the whole query would be refused again.
    fn is_final(&self) -> bool {
        self.is("FORBIDDEN") || self.is("INSUFFICIENT_SCOPES") || self.code() == Some("undefinedField")
    }

    /// The address for single sign-on, where the server gives one with the error.
    fn sso(&self) -> Option<String> {
        let failure = self.extension("sso").or_else(|| self.extension("saml_failure"))?;
        let url = failure.as_str().or_else(|| failure.get("url")?.as_str())?;
        url.starts_with("https://").then(|| visible(url).into_owned())
    }

    /// A refusal, with the address for single sign-on from the error or from the answer's headers.
    fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        let from_headers = || error::sso_address(headers).map(|url| visible(url).into_owned());
        LookupError::Forbidden { message: self.text(), sso: self.sso().or_else(from_headers) }
    }

    /// What it means for the login that it is about.
    fn meaning(&self, headers: &HeaderMap) -> LookupError {
        match self.kind.as_deref() {
            Some("NOT_FOUND") => LookupError::NotFound,
            Some(NOT_RECORDED) => LookupError::NotRecorded(NotRecorded(self.text())),
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => self.forbidden(headers),
            _ => LookupError::Unanswered(self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Measures = Measures { breakdown: false, private: false };
    const ALL: Measures = Measures { breakdown: true, private: true };

    fn logins(number: usize) -> Vec<Login> {
        (0..number).map(|at| Login::parse(&format!("u{at}")).unwrap()).collect()
    }

    fn outcomes(body: &str, number: usize) -> Vec<String> {
        let answer = answer(&HeaderMap::new(), body.as_bytes(), &logins(number), PLAIN).unwrap();
        let told = |outcome: Result<Account, LookupError>| match outcome {
            Ok(account) => format!("{} {}", account.login, account.public_repos),
            Err(error) => format!("{}{error}", if error.is_transient() { "again: " } else { "" }),
        };
        answer.outcomes.into_iter().map(told).collect()
    }

    #[test]
    fn the_document_holds_variables_and_no_logins() {
        insta::assert_snapshot!(document(2, ALL), @"
        query Accounts($l0: String!, $l1: String!) {
          rateLimit { cost remaining resetAt }
          a0: repositoryOwner(login: $l0) { ...Account }
          a1: repositoryOwner(login: $l1) { ...Account }
        }
        fragment Account on RepositoryOwner {
          __typename
          login
          ... on User { databaseId }
          ... on Organization { databaseId }
          public: repositories(privacy: PUBLIC, ownerAffiliations: OWNER) { totalCount }
          forks: repositories(privacy: PUBLIC, isFork: true, ownerAffiliations: OWNER) { totalCount }
          archived: repositories(privacy: PUBLIC, isArchived: true, ownerAffiliations: OWNER) { totalCount }
          private: repositories(privacy: PRIVATE, ownerAffiliations: OWNER) { totalCount }
        }
        ");
        let query = serde_json::to_string(&Query::new("Q", &logins(2))).unwrap();
        assert_eq!(query, r#"{"query":"Q","variables":{"l0":"u0","l1":"u1"}}"#);
    }

    #[test]
    fn a_query_stays_within_a_point() {
        let breakdown = Measures { breakdown: true, private: false };
        let private = Measures { breakdown: false, private: true };
        assert_eq!([PLAIN, private, breakdown, ALL].map(most_accounts), [100, 74, 49, 37]);
        for measures in [PLAIN, private, breakdown, ALL] {
            assert_eq!(points(most_accounts(measures), measures), 1);
        }
        assert_eq!((points(100, breakdown), points(50, breakdown), points(1, PLAIN)), (3, 2, 1));
    }

    #[test]
    fn every_login_has_its_own_outcome() {
        let owner = |login: &str, count: u64| {
            format!(
                r#"{{"__typename":"User","login":"{login}","databaseId":1,"public":{{"totalCount":{count}}}}}"#
            )
        };
        let body = format!(
            r#"{{"data":{{"rateLimit":{{"cost":1}},"a0":{},"a1":null,"a2":null,"a3":null,"a4":null,"a6":{}}},
            "errors":[{{"type":"NOT_FOUND","path":["a2"],"message":"Could not resolve"}},
                      {{"type":"FORBIDDEN","path":["a3"],"message":"SAML","extensions":{{"saml_failure":true}}}},
                      {{"type":"RESOURCE_LIMITS_EXCEEDED","path":["a4"],"message":"Resource limits"}},
                      {{"message":"Something went wrong","path":["a6","public"]}}]}}"#,
            owner("U0", 3),
            owner("u6", 9)
        );
        assert_eq!(
            outcomes(&body, 7),
            [
                "U0 3",
                "no user or organisation has this login",
                "no user or organisation has this login",
                "GitHub refuses access: SAML",
                "again: GitHub gave no answer: Resource limits",
                "again: GitHub gave no answer: the answer left this login out",
                "again: GitHub gave no answer: Something went wrong",
            ]
        );
    }

    #[test]
    fn a_null_beside_an_error_without_a_path_is_not_a_missing_account() {
        let body = r#"{"data":{"a0":null},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits"}]}"#;
        assert_eq!(outcomes(body, 1), ["again: GitHub gave no answer: Resource limits"]);
    }

    #[test]
    fn an_oddity_beside_the_data_does_not_spoil_it() {
        let owner = r#""a0":{"login":"u0","databaseId":null,"public":{"totalCount":3}},"a1":null"#;
        let odd = r#"[{"path":["x"],"message":7,"type":[]}]"#;
        for errors in ["null", "[]", r#"[{"path":["rateLimit"],"message":"no"}]"#, odd] {
            for limit in ["null", "{}", r#"{"cost":null}"#, "7"] {
                let body = format!(r#"{{"data":{{"rateLimit":{limit},{owner}}},"errors":{errors}}}"#);
                assert_eq!(outcomes(&body, 2), ["u0 3", "no user or organisation has this login"], "{body}");
            }
        }
    }

    #[test]
    fn without_data_an_error_speaks_for_its_own_login_alone() {
        let body = r#"{"data":null,"errors":[{"type":"FORBIDDEN","path":["a1"],"message":"SAML"}]}"#;
        let told = outcomes(body, 3);
        assert_eq!(told[1], "GitHub refuses access: SAML");
        assert!(told[0].starts_with("again: ") && told[2].starts_with("again: "), "{told:?}");
        let body = r#"{"errors":[{"message":"no field x","extensions":{"code":"undefinedField"}}]}"#;
        let refused = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
        assert!(!refused.is_transient());
    }

    #[test]
    fn a_limit_comes_with_a_success_and_in_two_spellings() {
        for kind in ["RATE_LIMITED", "RATE_LIMIT"] {
            for data in [r#""data":null,"#, "", r#""data":{"a0":null},"#] {
                let body = format!(
                    r#"{{{data}"errors":[{{"type":"{kind}","message":"API rate limit exceeded"}}]}}"#
                );
                let error = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
                assert_eq!(error, LookupError::RateLimited { status: 200, wait: None });
            }
        }
        let body = r#"{"errors":[{"message":"limit","extensions":{"code":"graphql_rate_limit"}}]}"#;
        assert!(matches!(
            answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN),
            Err(LookupError::RateLimited { .. })
        ));
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_never_a_count() {
        for (body, reason) in [
            ("<html>", "the answer was not JSON"),
            ("{}", "the answer was JSON, but no answer to a query"),
            ("[]", "the answer was JSON, but no answer to a query"),
            (
                r#"{"data":null,"errors":[{"message":"Something went wrong"}]}"#,
                "GitHub gave no answer: Something went wrong",
            ),
        ] {
            let error = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
            assert_eq!(error.to_string(), reason, "{body}");
            assert!(error.is_transient());
        }
        let refused =
            r#"{"data":null,"errors":[{"type":"INSUFFICIENT_SCOPES","message":"Your token has not"}]}"#;
        assert!(
            !answer(&HeaderMap::new(), refused.as_bytes(), &logins(1), PLAIN).unwrap_err().is_transient()
        );
        for owner in [
            "{}",
            r#"{"login":"u0"}"#,
            r#"{"login":"u0","public":null}"#,
            r#"{"login":"a b","public":{"totalCount":1}}"#,
            r#"{"login":"u0","public":{"totalCount":-1}}"#,
            "[]",
            r#"{"login":"u1","public":{"totalCount":1}}"#,
        ] {
            let told = outcomes(&format!(r#"{{"data":{{"a0":{owner}}}}}"#), 1);
            assert!(told[0].starts_with("again: the answer was "), "{told:?}");
        }
    }
}
