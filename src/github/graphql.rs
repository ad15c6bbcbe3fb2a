//! The GraphQL API: up to a hundred logins in a query that costs one point.
//!
//! Logins are variables, never part of the query text. A response may be partial: `data` beside `errors`. An error about one alias
//! does not affect the others, and `null` only means "not found" if no error is about it. octocrab's own `graphql()` discards
//! `data` if there is an error.

mod response;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Write as _;

use http::HeaderMap;
use serde::{Serialize, Serializer};

use self::response::{Data, GraphqlError, Response, parse_lenient, parse_owner};
use super::account::{Account, CountSelection};
use super::error::LookupError;
use super::rest::{BoundedVec, parse_object};
use crate::login::Login;

/// The body of a query request: `{"query": "…", "variables": {"l0": "torvalds", "l1": …}}`.
#[derive(Serialize)]
#[serde(bound = "L: Borrow<Login>")]
pub(super) struct Query<'a, L> {
    query: &'a str,
    #[serde(rename = "variables", serialize_with = "serialize_variables")]
    logins: &'a [L],
}

impl<'a, L> Query<'a, L> {
    pub(super) fn new(query: &'a str, logins: &'a [L]) -> Self {
        Self { query, logins }
    }

    pub(super) fn login_count(&self) -> u64 {
        self.logins.len() as u64
    }
}

fn serialize_variables<S: Serializer>(
    logins: &[impl Borrow<Login>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let logins = logins.iter().enumerate();
    serializer.collect_map(logins.map(|(index, login)| (format!("l{index}"), login.borrow().as_str())))
}

/// Builds the text of a query for `logins` accounts.
///
/// Without `ownerAffiliations` GitHub adds the repositories of other owners that a user collaborates on.
#[must_use]
pub(crate) fn build_query(logins: usize, counts: CountSelection) -> String {
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
fn connection_fields(counts: CountSelection) -> Vec<(&'static str, &'static str)> {
    let mut fields = vec![("public", "privacy: PUBLIC")];
    if counts.breakdown {
        fields.push(("forks", "privacy: PUBLIC, isFork: true"));
        fields.push(("archived", "privacy: PUBLIC, isArchived: true"));
    }
    if counts.private {
        fields.push(("private", "privacy: PRIVATE"));
    }
    fields
}

/// Returns the cost of a query in points: one for each hundred connections, rounded, and at least 1.
pub(crate) fn query_cost(accounts: usize, counts: CountSelection) -> u64 {
    ((accounts * connection_fields(counts).len() + 50) / 100).max(1) as u64
}

/// Returns the most accounts that a query of one point can have: at most 100.
#[must_use]
pub(crate) fn max_accounts_per_point(counts: CountSelection) -> usize {
    (149 / connection_fields(counts).len()).min(100)
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
    let response: Response<'_> = parse_object(body, "not a GraphQL response")?;
    let errors = response.errors.map_or_else(Vec::new, |BoundedVec(errors)| errors);
    let errors: Vec<GraphqlError> =
        errors.into_iter().map(|error| parse_lenient(error).unwrap_or_default()).collect();
    if let Some(error) = errors.iter().find(|error| error.is_rate_limited()) {
        tracing::info!("rate limit: {}", error.message());
        return Err(LookupError::RateLimited { status: 200, retry_after: None, quota_exhausted: false });
    }
    // An error without a target may be the reason for any null.
    let unscoped_error = errors.iter().find(|error| error.target.is_none());
    let mut unscoped_error = unscoped_error.map(|error| LookupError::PartialResponse(error.message()));
    let data = match (response.data, errors.first()) {
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
    let errors: HashMap<_, _> = errors.iter().filter_map(|error| Some((error.alias()?, error))).collect();
    let result = |(index, login): (usize, &_)| match (errors.get(&index), data.owners.get(&index)) {
        (Some(error), _) => Err(error.to_lookup_error(headers)),
        (None, Some(Some(json))) => parse_owner(json, Borrow::borrow(login), counts),
        (None, Some(None)) => Err(unscoped_error.clone().unwrap_or(LookupError::NotFound)),
        (None, None) => Err(unscoped_error
            .clone()
            .unwrap_or_else(|| LookupError::PartialResponse("this login is missing".into()))),
    };
    let results = logins.iter().enumerate().map(result).collect();
    Ok(BatchResponse { cost: data.cost, has_rate_limit: headers.contains_key("x-ratelimit-limit"), results })
}

#[cfg(test)]
mod tests;
