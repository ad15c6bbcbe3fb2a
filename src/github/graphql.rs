//! The GraphQL API: a hundred logins in one query and one point of the hourly five thousand.
//!
//! Logins go as variables and never into the query's text. GitHub answers in part: `data` beside
//! `errors`, so one bad alias must not cost the others their answer, and a `null` is "not found" only
//! where no error speaks of it. octocrab's own `graphql()` throws `data` away as soon as there is one
//! error, hence our own envelope.

mod envelope;

use std::fmt::Write as _;

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use self::envelope::{Data, Envelope, GraphqlError, Slot};
use super::error::LookupError;
use super::rest::Account;
use crate::login::Login;
use crate::report::Measures;

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
        return Err(LookupError::RateLimited { status: 200, wait: None, primary: false });
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
                assert_eq!(error, LookupError::RateLimited { status: 200, wait: None, primary: false });
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
