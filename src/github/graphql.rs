//! The GraphQL API: up to a hundred logins in a query that costs one point.
//!
//! Logins are variables, never part of the query text. A response may be partial: `data` beside `errors`. An error about one alias
//! does not affect the others, and `null` only means "not found" if no error is about it. octocrab's own `graphql()` discards
//! `data` if there is an error.

mod errors;
mod response;

use std::borrow::Borrow;
use std::fmt::Write as _;

use http::HeaderMap;
use serde::{Serialize, Serializer};

use self::errors::{ErrorTarget, GraphqlError};
use self::response::{AliasValue, Data};
use super::account::{Account, CountSelection};
use super::error::LookupError;
use super::rest::json_error;
use crate::login::Login;

/// Upper bound on the logins of a query.
const MAX_LOGINS: usize = 100;

/// The body of a query request.
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
    pub(super) fn new(text: &'a str, logins: &'a [L]) -> Self {
        Self { query: text, variables: Variables(logins) }
    }

    pub(super) fn login_count(&self) -> u64 {
        self.variables.0.len() as u64
    }
}

impl<L: Borrow<Login>> Serialize for Variables<'_, L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let logins = self.0.iter().enumerate();
        serializer.collect_map(logins.map(|(index, login)| (Variable(index), login.borrow().as_str())))
    }
}

impl Serialize for Variable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("l{}", self.0))
    }
}

/// Builds the text of a query for `logins` accounts.
///
/// Without `ownerAffiliations` GitHub adds the repositories of other owners that a user collaborates on.
#[must_use]
pub fn build_query(logins: usize, counts: CountSelection) -> String {
    let mut text = String::with_capacity(400 + 64 * logins);
    // Writing to a String cannot fail.
    text.push_str("query Accounts(");
    for index in 0..logins {
        let _ = write!(text, "{}$l{index}: String!", if index == 0 { "" } else { ", " });
    }
    text.push_str(") {\n  rateLimit { cost remaining resetAt }\n");
    for index in 0..logins {
        let _ = writeln!(text, "  a{index}: repositoryOwner(login: $l{index}) {{ ...Account }}");
    }
    text.push_str(
        "}\nfragment Account on RepositoryOwner {\n  __typename\n  login\n  ... on User { databaseId }\n  \
         ... on Organization { databaseId }\n",
    );
    for (name, filter) in connection_fields(counts) {
        let _ = writeln!(text, "  {name}: repositories({filter}, ownerAffiliations: OWNER) {{ totalCount }}");
    }
    text.push_str("}\n");
    text
}

/// Returns the connections of each account: field name and filter.
fn connection_fields(counts: CountSelection) -> impl Iterator<Item = (&'static str, &'static str)> {
    let CountSelection { breakdown, private } = counts;
    let breakdown_fields =
        [("forks", "privacy: PUBLIC, isFork: true"), ("archived", "privacy: PUBLIC, isArchived: true")];
    std::iter::once(("public", "privacy: PUBLIC"))
        .chain(breakdown_fields.into_iter().filter(move |_| breakdown))
        .chain(private.then_some(("private", "privacy: PRIVATE")))
}

fn connections_per_account(counts: CountSelection) -> usize {
    connection_fields(counts).count()
}

/// Returns the cost of a query in points: one for each hundred connections, rounded, and at least 1.
#[must_use]
pub fn query_cost(accounts: usize, counts: CountSelection) -> u64 {
    ((accounts * connections_per_account(counts) + 50) / 100).max(1) as u64
}

/// Returns the most accounts that a query of one point can have.
#[must_use]
pub fn max_accounts_per_point(counts: CountSelection) -> usize {
    (149 / connections_per_account(counts)).min(MAX_LOGINS)
}

/// The response to a query.
#[derive(Debug)]
pub(crate) struct BatchResponse {
    /// Points that GitHub charged.
    pub(super) cost: Option<u64>,
    /// Whether the server has rate limits.
    pub(super) has_rate_limit: bool,
    /// Result of each login. A transient error means that GitHub has no result for this login yet.
    pub(crate) results: Vec<Result<Account, LookupError>>,
}

/// Parses the response to a query for `logins`. An error applies to all of them.
pub(crate) fn parse_response(
    headers: &HeaderMap,
    body: &[u8],
    logins: &[impl Borrow<Login>],
    counts: CountSelection,
) -> Result<BatchResponse, LookupError> {
    let response = response::parse(body).map_err(|error| json_error(&error, "not a GraphQL response"))?;
    let errors: Vec<_> = response.errors.into_iter().map(GraphqlError::parse).collect();
    if let Some(error) = errors.iter().find(|error| error.is_rate_limited()) {
        tracing::info!("rate limit: {}", error.message());
        return Err(LookupError::RateLimited { status: 200, retry_after: None, quota_exhausted: false });
    }
    // An error without a target may be the reason for any null.
    let unscoped_error = errors.iter().find(|error| error.target == ErrorTarget::Unspecified);
    let mut unscoped_error = unscoped_error.map(|error| LookupError::PartialResponse(error.message()));
    let mut data = match (response.data, errors.first()) {
        (Some(data), _) => data,
        (None, None) => return Err(LookupError::Malformed("not a GraphQL response")),
        (None, Some(_)) if errors.iter().any(|error| error.alias().is_some()) => {
            unscoped_error.get_or_insert_with(|| {
                LookupError::PartialResponse("the whole query failed for another login".into())
            });
            Data::default()
        }
        (None, Some(error)) if error.is_permanent() => return Err(error.forbidden(headers)),
        (None, Some(error)) => return Err(LookupError::PartialResponse(error.message())),
    };
    data.owners.resize_with(logins.len(), AliasValue::default);
    let mut scoped_errors: Vec<Option<LookupError>> = vec![None; logins.len()];
    for error in errors {
        if let Some(slot) = error.alias().and_then(|alias| scoped_errors.get_mut(alias)) {
            *slot = Some(error.to_lookup_error(headers));
        }
    }
    let mut results = Vec::with_capacity(logins.len());
    for ((owner, error), login) in data.owners.into_iter().zip(scoped_errors).zip(logins) {
        results.push(match (owner, error) {
            (_, Some(error)) => Err(error),
            (AliasValue::Owner(owner), None) => owner.into_account(login.borrow(), counts),
            (AliasValue::Invalid, None) => Err(LookupError::Malformed("missing account fields")),
            (AliasValue::Null, None) => Err(unscoped_error.clone().unwrap_or(LookupError::NotFound)),
            (AliasValue::Absent, None) => Err(unscoped_error
                .clone()
                .unwrap_or_else(|| LookupError::PartialResponse("this login is missing".into()))),
        });
    }
    Ok(BatchResponse { cost: data.cost, has_rate_limit: headers.contains_key("x-ratelimit-limit"), results })
}

#[cfg(test)]
mod tests;
