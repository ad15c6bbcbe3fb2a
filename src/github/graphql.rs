//! The GraphQL API: up to a hundred logins in a query, which costs one point by default.
//!
//! Logins are variables, never part of the query text. A response may be partial: `data` beside `errors`. An error about one
//! alias does not affect the others, and `null` only means "not found" if no error is about it. octocrab's own `graphql()`
//! discards `data` if there is an error.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::{self, Write as _};

use http::HeaderMap;
use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::account::{Account, AccountKind, Breakdown, CountSelection};
use super::cassette::{CassetteMiss, ENTERPRISE_VARIABLE, NOT_RECORDED, SCOPES};
use super::error::{LookupError, is_rate_limit_message, rate_limit_error, sso_url};
use super::foreign::is_suspension;
use super::rest::{BoundedVec, MAX_ITEMS, parse_json, verify_login};
use crate::login::Login;
use crate::object::Object;
use crate::rate_limit::header_str;
use crate::stop::StopReason;
use crate::text::sanitize_line;

/// Upper bound on the cost of a query, in points: GitHub allows queries of half a million nodes.
const MAX_PLAUSIBLE_COST: u64 = 500_000;
const MISSING_FIELDS: LookupError = LookupError::Malformed("missing account fields");

/// Codes of errors about a query that does not fit the server's schema.
const SCHEMA_CODES: [&str; 6] = [
    "undefinedField",
    "undefinedType",
    "argumentNotAccepted",
    "argumentLiteralsIncompatible",
    "fragmentOnNonCompositeType",
    "cannotSpreadFragment",
];
/// Parts of the messages of these errors, in lower case. The last two are those of other GraphQL servers.
const SCHEMA_MESSAGES: [&str; 6] = [
    "doesn't exist on type",
    "doesn't accept argument",
    "has an invalid value",
    "no such type",
    "cannot query field",
    "unknown argument",
];

/// Arguments and field of the connection whose first node is the repository that was pushed to last.
const LATEST_PUSH: (&str, &str) =
    ("first: 1, orderBy: {field: PUSHED_AT, direction: DESC}, ", " nodes { pushedAt }");

/// The body of a query request: `{"query": "…", "variables": {"l0": "torvalds", "l1": …}}`.
#[derive(Serialize)]
pub(super) struct Query<'a> {
    #[serde(rename = "query")]
    text: &'a str,
    pub(super) variables: Map<String, Value>,
    /// Number of logins. 0 for a page of a list.
    #[serde(skip)]
    pub(super) logins: usize,
}

impl<'a> Query<'a> {
    pub(super) fn new(text: &'a str, logins: &[impl Borrow<Login>]) -> Self {
        let values = logins.iter().map(|login| Value::from(login.borrow().as_str())).enumerate();
        let variables = values.map(|(index, login)| (format!("l{index}"), login)).collect();
        Self { text, variables, logins: logins.len() }
    }

    /// A page of the list of an enterprise, after a cursor.
    pub(super) fn of_page(text: &'a str, slug: &str, cursor: Option<&str>) -> Self {
        let variables = [(ENTERPRISE_VARIABLE, Value::from(slug)), ("cursor", cursor.into())];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { text, variables, logins: 0 }
    }
}

/// The part of GitHub's schema that differs between servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    Current,
    /// An older Enterprise Server: `repositories` has no argument `visibility`, and internal repositories count as private.
    WithoutVisibility,
}

/// Builds the text of a query for `logins` accounts.
///
/// Without `ownerAffiliations` GitHub adds the repositories of other owners that a user collaborates on.
pub(crate) fn build_query(logins: usize, counts: CountSelection, schema: Schema) -> String {
    let variables: Vec<_> = (0..logins).map(|index| format!("$l{index}: String!")).collect();
    let mut text =
        format!("query Accounts({}) {{\n  rateLimit {{ cost remaining resetAt }}\n", variables.join(", "));
    // Writing to a String cannot fail.
    for index in 0..logins {
        let _ = writeln!(text, "  a{index}: repositoryOwner(login: $l{index}) {{ ...Account }}");
    }
    text.push_str("}\nfragment Account on RepositoryOwner {\n  __typename\n  login\n");
    let (user, organization) = if counts.private {
        ("databaseId isViewer", "databaseId viewerIsAMember viewerCanAdminister")
    } else {
        ("databaseId", "databaseId")
    };
    let _ = writeln!(text, "  ... on User {{ {user} }}\n  ... on Organization {{ {organization} }}");
    for (name, filter) in connection_fields(counts) {
        let filter = match (name, schema) {
            ("internal", Schema::WithoutVisibility) => continue,
            ("private", Schema::WithoutVisibility) => "privacy: PRIVATE",
            _ => filter,
        };
        let (page, nodes) = if name == "public" && counts.last_push { LATEST_PUSH } else { ("", "") };
        let _ = writeln!(
            text,
            "  {name}: repositories({page}{filter}, ownerAffiliations: OWNER) {{ totalCount{nodes} }}"
        );
    }
    text.push_str("}\n");
    text
}

fn connection_fields(counts: CountSelection) -> Vec<(&'static str, &'static str)> {
    let mut fields = vec![("public", "privacy: PUBLIC")];
    if counts.breakdown {
        fields.push(("forks", "privacy: PUBLIC, isFork: true"));
        fields.push(("archived", "privacy: PUBLIC, isArchived: true"));
    }
    if counts.private {
        fields.push(("private", "visibility: PRIVATE"));
        fields.push(("internal", "visibility: INTERNAL"));
    }
    fields
}

/// Returns the cost of a query in points: one for each hundred connections, rounded, and at least 1.
pub(crate) fn query_cost(accounts: usize, counts: CountSelection) -> u64 {
    ((accounts * connection_fields(counts).len() + 50) / 100).max(1) as u64
}

/// Returns the most accounts that a query of one point can have: at most 100.
pub(crate) fn max_accounts_per_point(counts: CountSelection) -> usize {
    (149 / connection_fields(counts).len()).min(100)
}

#[derive(Debug)]
pub(crate) struct BatchResponse {
    /// Points that GitHub charged. None if unknown.
    pub(super) cost: Option<u64>,
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
    let Object(response): Object<Response<'_>> = parse_json(body, "not a GraphQL response")?;
    let errors = response.errors.map_or_else(Vec::new, |BoundedVec(errors)| errors);
    let errors: Vec<GraphqlError> =
        errors.into_iter().map(|error| parse_lenient(error).unwrap_or_default()).collect();
    if let Some(error) = errors.iter().find(|error| error.is_rate_limited()) {
        tracing::info!(error = error.message(), "rate limit");
        return Err(rate_limit_error(200, headers));
    }
    if let Some(error) = errors.iter().find(|error| error.is_about_account()) {
        return Err(LookupError::Stopped(StopReason::Suspended(error.message())));
    }
    // Such an error may be the reason for any null.
    let unscoped_error = errors.iter().find(|error| error.is_unscoped(logins.len()));
    let mut unscoped_error = unscoped_error.map(|error| LookupError::PartialResponse(error.message()));
    let data = match (response.data, errors.first()) {
        (_, Some(error)) if counts.private && error.message().contains("'visibility'") => {
            return Err(LookupError::NoVisibility(error.message()));
        }
        (_, Some(error)) if error.is_about_schema() => {
            let is_visibility = counts.private && error.lower_message().contains("visibility");
            let reason =
                if is_visibility { LookupError::NoVisibility } else { LookupError::QueryUnsupported };
            return Err(reason(error.message()));
        }
        (Some(data), _) => data,
        (None, None) => return Err(LookupError::OtherJson("not a GraphQL response")),
        (None, Some(_)) if errors.iter().any(|error| error.alias().is_some()) => {
            unscoped_error.get_or_insert_with(|| {
                LookupError::PartialResponse("the whole query failed for another login".into())
            });
            Data::default()
        }
        (None, Some(error)) if error.is_forbidden() => return Err(error.forbidden(headers)),
        (None, Some(error)) => return Err(LookupError::PartialResponse(error.message())),
    };
    if data.owners.is_empty() && errors.iter().all(|error| error.alias().is_none()) {
        let missing = || LookupError::PartialResponse("this login is missing".into());
        return Err(unscoped_error.unwrap_or_else(missing));
    }
    let has_access = has_repo_scope(headers);
    let mut errors_by_alias = HashMap::new();
    for error in &errors {
        if let Some(alias) = error.alias()
            && !(error.is_about_missing() && errors_by_alias.contains_key(&alias))
        {
            errors_by_alias.insert(alias, error);
        }
    }
    let mut results = Vec::with_capacity(logins.len());
    for (index, login) in logins.iter().enumerate() {
        results.push(match (errors_by_alias.get(&index), data.owners.get(&index), &unscoped_error) {
            (Some(error), Some(Some(_)), _) if error.is_about_missing() => {
                Err(LookupError::PartialResponse(error.message()))
            }
            (Some(error), ..) => Err(error.to_lookup_error(headers)),
            (None, Some(Some(json)), _) => parse_owner(json, login.borrow(), counts, has_access),
            (None, _, Some(error)) => Err(error.clone()),
            (None, Some(None), None) => Err(LookupError::NotFound),
            (None, None, None) => Err(LookupError::PartialResponse("this login is missing".into())),
        });
    }
    Ok(BatchResponse { cost: data.cost.or_else(|| cost_without_limits(headers)), results })
}

/// The queries of a server without limits have no cost.
fn cost_without_limits(headers: &HeaderMap) -> Option<u64> {
    (!headers.contains_key("x-ratelimit-limit")).then_some(0)
}

/// Returns the cost in the field `rateLimit` of a response. None if unknown.
pub(super) fn reported_cost(headers: &HeaderMap, rate_limit: Option<&RawValue>) -> Option<u64> {
    let field: Option<RateLimitField> = rate_limit.and_then(parse_lenient);
    let cost = field.and_then(|field| field.cost).map(|cost| cost.min(MAX_PLAUSIBLE_COST));
    cost.or_else(|| cost_without_limits(headers))
}

/// The body of a response: `data` beside `errors`. A part that cannot be parsed does not affect the others.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    /// Not parsed further: a server can make an error as large and unusual as it likes.
    errors: Option<BoundedVec<&'a RawValue>>,
}

/// `data`: the cost of the query, and the value of each alias by its number.
#[derive(Default)]
struct Data<'a> {
    cost: Option<u64>,
    owners: HashMap<usize, Option<&'a RawValue>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self::default())
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Data<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of aliases")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "rateLimit" {
                let field: Option<RateLimitField> = parse_lenient(map.next_value()?);
                self.cost = field.and_then(|field| field.cost).map(|cost| cost.min(MAX_PLAUSIBLE_COST));
            } else if let Some(alias) = parse_alias(&key) {
                self.owners.insert(alias, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct RateLimitField {
    cost: Option<u64>,
}

pub(super) fn parse_lenient<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

/// Returns the number of an alias in a query: 17 for `a17`.
fn parse_alias(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('a')?;
    // A query has no alias such as `a017` or `a+1`. The bound limits the memory that a server can make us reserve.
    let is_canonical = digits == "0" || digits.starts_with(|c| matches!(c, '1'..='9'));
    digits.parse().ok().filter(|alias| is_canonical && *alias < MAX_ITEMS)
}

/// An account, of GitHub's type `RepositoryOwner`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(rename = "__typename")]
    typename: Option<String>,
    login: String,
    database_id: Option<u64>,
    public: Object<PublicRepositories>,
    forks: Option<Object<Count>>,
    archived: Option<Object<Count>>,
    private: Option<Object<Count>>,
    internal: Option<Object<Count>>,
    is_viewer: Option<bool>,
    viewer_is_a_member: Option<bool>,
    viewer_can_administer: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicRepositories {
    total_count: u64,
    /// None if the field is missing, as in a recording of a query without it.
    #[serde(default, deserialize_with = "present")]
    nodes: Option<Nodes>,
}

/// GitHub can omit the list, a repository of it, and the time.
#[derive(Deserialize)]
struct Nodes(Option<BoundedVec<Option<Object<Repository>>>>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    pushed_at: Option<Timestamp>,
}

impl Nodes {
    fn latest_push(self) -> Option<Timestamp> {
        let BoundedVec(nodes) = self.0?;
        nodes.into_iter().flatten().filter_map(|Object(repository)| repository.pushed_at).max()
    }
}

/// Distinguishes a field that is null from one that is missing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

impl Owner {
    /// Returns the private and the internal repositories, if the token can see all of them.
    ///
    /// A count of repositories that the token may not see is not a number of the account: GitHub leaves them out, and returns 0.
    fn private_counts(&self, has_access: bool) -> Result<(Option<u64>, Option<u64>), LookupError> {
        let Some(Object(private)) = &self.private else { return Err(MISSING_FIELDS) };
        let is_owner = self.is_viewer == Some(true) || self.viewer_can_administer == Some(true);
        let is_member = is_owner || self.viewer_is_a_member == Some(true);
        let internal = self.internal.as_ref().filter(|_| has_access && is_member);
        let reason = if !has_access {
            "the access of the token is unknown: only a classic token with the scope repo reports it"
        } else if is_owner {
            return Ok((Some(private.total_count), internal.map(|Object(internal)| internal.total_count)));
        } else {
            "the owner of the token does not administer the account"
        };
        tracing::info!(login = %sanitize_line(&self.login), reason, "private repositories unknown");
        Ok((None, internal.map(|Object(internal)| internal.total_count)))
    }
}

/// Returns true for a classic token that can see the private repositories of its owner. Other tokens have no such header.
fn has_repo_scope(headers: &HeaderMap) -> bool {
    let scopes = header_str(headers, SCOPES).unwrap_or_default();
    scopes.split(',').any(|scope| scope.trim() == "repo")
}

fn parse_owner(
    json: &RawValue,
    requested: &Login,
    counts: CountSelection,
    has_access: bool,
) -> Result<Account, LookupError> {
    let Object(owner): Object<Owner> = parse_lenient(json).ok_or(MISSING_FIELDS)?;
    let (private_repos, internal_repos) =
        if counts.private { owner.private_counts(has_access)? } else { (None, None) };
    let Object(PublicRepositories { total_count: public_repos, nodes }) = owner.public;
    let last_push = match nodes {
        _ if !counts.last_push => None,
        Some(nodes) => nodes.latest_push(),
        None => return Err(MISSING_FIELDS),
    };
    let breakdown = match (owner.forks, owner.archived) {
        _ if !counts.breakdown => None,
        (Some(Object(forks)), Some(Object(archived))) => Some(Breakdown {
            sources: public_repos.saturating_sub(forks.total_count),
            forks: forks.total_count,
            archived: archived.total_count,
        }),
        _ => return Err(MISSING_FIELDS),
    };
    let login = verify_login(&owner.login, requested)?;
    let kind = owner.typename.as_deref().and_then(AccountKind::parse);
    Ok(Account {
        breakdown,
        private_repos,
        internal_repos,
        last_push,
        ..Account::new(login, kind, owner.database_id, public_repos)
    })
}

/// A GraphQL error, without the parts that cannot be parsed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphqlError {
    #[serde(rename = "type", deserialize_with = "lenient")]
    error_type: Option<String>,
    path: ErrorPath,
    #[serde(deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(deserialize_with = "lenient")]
    code: Option<String>,
    #[serde(deserialize_with = "lenient")]
    extensions: Option<Extensions>,
}

/// The part of a query that an error is about.
#[derive(Default)]
struct ErrorPath {
    /// First segment, if it is a name: an alias or a field of the query.
    first: Option<String>,
    /// There are other segments: a field of the account, for example.
    is_nested: bool,
}

impl<'de> Deserialize<'de> for ErrorPath {
    /// Parses the first segment only: there may be millions of others.
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let path: &RawValue = Deserialize::deserialize(json)?;
        let segments = path.get().strip_prefix('[').unwrap_or_default();
        let mut names = serde_json::Deserializer::from_str(segments).into_iter();
        let first = names.next().and_then(Result::ok);
        let others = segments.get(names.byte_offset()..).unwrap_or_default();
        Ok(Self { first, is_nested: others.trim_ascii_start().starts_with(',') })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extensions {
    #[serde(deserialize_with = "lenient")]
    code: Option<String>,
}

impl GraphqlError {
    fn alias(&self) -> Option<usize> {
        self.path.first.as_deref().and_then(parse_alias)
    }

    /// True if the error names neither one of the logins of the query nor its cost.
    fn is_unscoped(&self, logins: usize) -> bool {
        self.path.first.as_deref() != Some("rateLimit") && self.alias().is_none_or(|alias| alias >= logins)
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.error_type.as_deref() == Some("NOT_FOUND")
    }

    /// True if an account or an enterprise was not found. A field of it that was not found does not mean that it is missing.
    fn is_about_missing(&self) -> bool {
        self.is_not_found() && !self.path.is_nested
    }

    pub(super) fn message(&self) -> String {
        let message = self.message.as_deref().or(self.error_type.as_deref());
        sanitize_line(message.unwrap_or("an error without a message")).into_owned()
    }

    fn code(&self) -> Option<&str> {
        let code = self.extensions.as_ref().and_then(|extensions| extensions.code.as_ref());
        code.or(self.code.as_ref()).map(String::as_str)
    }

    fn lower_message(&self) -> String {
        self.message.as_deref().unwrap_or_default().to_ascii_lowercase()
    }

    /// GitHub sends the type in two spellings, only a code, or only the message of a secondary limit.
    pub(super) fn is_rate_limited(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("RATE_LIMITED" | "RATE_LIMIT"))
            || self.code() == Some("graphql_rate_limit")
            || is_rate_limit_message(&self.lower_message())
    }

    /// True for the suspension of the token's account. An error with an alias is about a requested login.
    pub(super) fn is_about_account(&self) -> bool {
        let message = self.lower_message();
        is_suspension(&message) && (self.alias().is_none() || message.contains("your account"))
    }

    /// True if the server does not know a field, an argument or a type of the query, as an older Enterprise Server.
    pub(super) fn is_about_schema(&self) -> bool {
        let message = self.lower_message();
        let is_named = self.code().is_some_and(|code| SCHEMA_CODES.contains(&code))
            || SCHEMA_MESSAGES.iter().any(|part| message.contains(part));
        is_named && self.alias().is_none()
    }

    /// True if a classic token lacks a scope. Older servers send no type.
    pub(super) fn is_missing_scope(&self) -> bool {
        self.error_type.as_deref() == Some("INSUFFICIENT_SCOPES")
            || self.lower_message().contains("required scopes to execute this query")
    }

    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("FORBIDDEN" | "INSUFFICIENT_SCOPES"))
    }

    fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        LookupError::Forbidden { message: self.message(), sso_url: sso_url(headers) }
    }

    pub(super) fn to_lookup_error(&self, headers: &HeaderMap) -> LookupError {
        match self.error_type.as_deref() {
            _ if self.is_about_missing() => LookupError::NotFound,
            Some(NOT_RECORDED) => LookupError::NotRecorded(CassetteMiss(self.message())),
            _ if self.is_forbidden() => self.forbidden(headers),
            _ => LookupError::PartialResponse(self.message()),
        }
    }
}

fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    Deserialize::deserialize(json).map(parse_lenient)
}

#[cfg(test)]
mod tests;
