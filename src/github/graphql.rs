//! The GraphQL API: a hundred logins in one query and one point of the hourly five thousand.
//!
//! Logins go as variables and never into the query's text. GitHub answers in part: `data` beside
//! `errors`, so one bad alias must not cost the others their answer, and a `null` is "not found" only
//! where no error speaks of it. octocrab's own `graphql()` throws `data` away as soon as there is one
//! error, hence our own envelope.

mod envelope;
mod errors;

use std::borrow::Borrow;
use std::fmt::Write as _;

use http::HeaderMap;
use serde::{Serialize, Serializer};

use self::envelope::{Data, Slot};
use self::errors::{GraphqlError, Place};
use super::account::{Account, CountSelection};
use super::error::LookupError;
use super::few::Few;
use crate::login::Login;

/// What is posted: one document, with the logins as its variables.
#[derive(Serialize)]
#[serde(bound = "L: Borrow<Login>")]
pub(super) struct Query<'a, L> {
    query: &'a str,
    variables: Variables<'a, L>,
}

/// `{"l0": "torvalds", "l1": …}`
struct Variables<'a, L>(&'a [L]);

/// `l17`
struct Variable(usize);

impl<'a, L> Query<'a, L> {
    pub(super) fn new(document: &'a str, logins: &'a [L]) -> Self {
        Self { query: document, variables: Variables(logins) }
    }

    /// How many logins it asks for.
    pub(super) fn len(&self) -> u64 {
        self.variables.0.len() as u64
    }
}

impl<L: Borrow<Login>> Serialize for Variables<'_, L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbered = self.0.iter().enumerate();
        serializer.collect_map(numbered.map(|(at, login)| (Variable(at), login.borrow().as_str())))
    }
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("l{}", self.0))
    }
}

/// The query that asks for `size` accounts.
///
/// `ownerAffiliations` has to be given: by default GitHub adds the repositories of others on which a
/// user collaborates.
#[must_use]
pub fn document(size: usize, measures: CountSelection) -> String {
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
fn connections(measures: CountSelection) -> impl Iterator<Item = (&'static str, &'static str)> {
    let breakdown =
        [("forks", "privacy: PUBLIC, isFork: true"), ("archived", "privacy: PUBLIC, isArchived: true")];
    std::iter::once(("public", "privacy: PUBLIC"))
        .chain(breakdown.into_iter().filter(move |_| measures.breakdown))
        .chain(measures.private.then_some(("private", "privacy: PRIVATE")))
}

/// Connections that a query for one account asks for.
#[must_use]
pub fn connections_of(measures: CountSelection) -> usize {
    // Whoever adds a measure is led here: what it asks for has its price.
    let CountSelection { breakdown: _, private: _ } = measures;
    connections(measures).count()
}

/// What GitHub takes for a query: its connections divided by a hundred, rounded, at least 1.
#[must_use]
pub fn points(accounts: usize, measures: CountSelection) -> u64 {
    ((accounts * connections_of(measures) + 50) / 100).max(1) as u64
}

/// The most accounts in a query: a hundred, or as many as still cost one point.
#[must_use]
pub fn most_accounts(measures: CountSelection) -> usize {
    (149 / connections_of(measures)).min(100)
}

/// A query's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Points that it cost, by GitHub's own account.
    pub(super) cost: Option<u64>,
    /// Whether the server has limits at all.
    pub(super) limited: bool,
    /// An outcome for each login, in their order. One that is transient means that GitHub left this
    /// one out and has to be asked again.
    pub(crate) outcomes: Vec<Result<Account, LookupError>>,
}

/// Reads the answer to a query for `logins`.
///
/// # Errors
/// Where there is no answer for any of them.
pub(crate) fn answer(
    headers: &HeaderMap,
    body: &[u8],
    logins: &[impl Borrow<Login>],
    measures: CountSelection,
) -> Result<Answer, LookupError> {
    let (data, errors) = envelope::read(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => LookupError::Malformed("JSON, but no answer to a query"),
        _ => LookupError::Malformed("not JSON"),
    })?;
    let errors = errors.map(|Few(errors)| errors).unwrap_or_default();
    let errors: Vec<_> = errors.into_iter().map(GraphqlError::read).collect();
    if let Some(limit) = errors.iter().find(|error| error.is_limit()) {
        tracing::info!("GitHub: {}", limit.text());
        return Err(LookupError::RateLimited { status: 200, wait: None, primary: false });
    }
    // An error that names no place puts every null in doubt.
    let doubt = errors.iter().find(|error| error.place == Place::Untold);
    let doubt = doubt.map(|error| LookupError::Unanswered(error.text()));
    let (mut data, doubt) = match (data, errors.first()) {
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
    let outcome = |((owner, error), login): ((Slot<'_>, Option<LookupError>), &Login)| match (owner, error) {
        (_, Some(error)) => Err(error),
        (Slot::Owner(owner), None) => owner.account(login, measures),
        (Slot::Broken, None) => Err(LookupError::Malformed("JSON, but no account")),
        (Slot::Null, None) => Err(doubt.clone().unwrap_or(LookupError::NotFound)),
        (Slot::Missing, None) => {
            let missing = || LookupError::Unanswered("the answer left this login out".into());
            Err(doubt.clone().unwrap_or_else(missing))
        }
    };
    let outcomes =
        data.owners.into_iter().zip(outcomes).zip(logins.iter().map(Borrow::borrow)).map(outcome).collect();
    Ok(Answer { cost: data.cost, limited: headers.contains_key("x-ratelimit-limit"), outcomes })
}

#[cfg(test)]
mod tests;
