//! The body of a response: `data` beside `errors`. A part that cannot be parsed does not affect the others. An error is about the
//! login in its path.

use std::collections::HashMap;
use std::fmt;

use http::HeaderMap;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::account::{Account, AccountKind, Breakdown, CountSelection};
use super::super::cassette::{CassetteMiss, NOT_RECORDED};
use super::super::error::LookupError;
use super::super::response_error::sso_url;
use super::super::rest::{BoundedVec, MAX_ITEMS, verify_login};
use crate::login::Login;
use crate::object::Object;
use crate::text::sanitize_line;

/// Upper bound on the cost of a query, in points: GitHub allows queries of half a million nodes.
const MAX_PLAUSIBLE_COST: u64 = 500_000;

#[derive(Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
    /// Not parsed further: a server can make an error as large and unusual as it likes.
    pub(super) errors: Option<BoundedVec<&'a RawValue>>,
}

/// `data`: the cost of the query, and the value of each alias by its number.
#[derive(Default)]
pub(super) struct Data<'a> {
    pub(super) cost: Option<u64>,
    pub(super) owners: HashMap<usize, Option<&'a RawValue>>,
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

/// Parses a part of a response. None if it is something else.
pub(super) fn parse_lenient<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

/// Returns the number of an alias in a query: 17 for `a17`.
fn parse_alias(name: &str) -> Option<usize> {
    let alias: usize = name.strip_prefix('a')?.parse().ok()?;
    // The bound limits the memory that a server can make us reserve. A query has no alias such as `a017`.
    (alias < MAX_ITEMS && name == format!("a{alias}")).then_some(alias)
}

/// An account, of GitHub's type `RepositoryOwner`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    #[serde(rename = "__typename")]
    typename: Option<String>,
    login: String,
    database_id: Option<u64>,
    public: Object<Count>,
    forks: Option<Object<Count>>,
    archived: Option<Object<Count>>,
    private: Option<Object<Count>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

pub(super) fn parse_owner(
    json: &RawValue,
    requested: &Login,
    counts: CountSelection,
) -> Result<Account, LookupError> {
    let missing = || LookupError::Malformed("missing account fields");
    let required =
        |count: Option<Object<Count>>| count.map(|Object(count)| count.total_count).ok_or_else(missing);
    let Object(owner): Object<Owner> = parse_lenient(json).ok_or_else(missing)?;
    let public_repos = owner.public.0.total_count;
    let breakdown = if counts.breakdown {
        let forks = required(owner.forks)?;
        let sources = public_repos.saturating_sub(forks);
        Some(Breakdown { sources, forks, archived: required(owner.archived)? })
    } else {
        None
    };
    Ok(Account {
        login: verify_login(&owner.login, requested)?,
        kind: owner.typename.as_deref().and_then(AccountKind::parse),
        id: owner.database_id,
        public_repos,
        breakdown,
        private_repos: if counts.private { Some(required(owner.private)?) } else { None },
    })
}

/// An error. A part that cannot be parsed is None.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct GraphqlError {
    #[serde(rename = "type", deserialize_with = "lenient")]
    error_type: Option<String>,
    /// First segment of the path, if it is a name.
    #[serde(rename = "path", deserialize_with = "first_segment")]
    pub(super) target: Option<String>,
    #[serde(deserialize_with = "lenient")]
    message: Option<String>,
    #[serde(deserialize_with = "lenient")]
    code: Option<String>,
    #[serde(deserialize_with = "lenient")]
    extensions: Option<Extensions>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extensions {
    #[serde(deserialize_with = "lenient")]
    code: Option<String>,
}

impl GraphqlError {
    /// Returns the number of the login that it is about.
    pub(super) fn alias(&self) -> Option<usize> {
        self.target.as_deref().and_then(parse_alias)
    }

    pub(super) fn message(&self) -> String {
        let message = self.message.as_deref().or(self.error_type.as_deref());
        sanitize_line(message.unwrap_or("an error without a message")).into_owned()
    }

    fn code(&self) -> Option<&str> {
        let code = self.extensions.as_ref().and_then(|extensions| extensions.code.as_ref());
        code.or(self.code.as_ref()).map(String::as_str)
    }

    /// GitHub sends the type in two spellings, or only a code.
    pub(super) fn is_rate_limited(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("RATE_LIMITED" | "RATE_LIMIT"))
            || self.code() == Some("graphql_rate_limit")
    }

    fn is_forbidden(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("FORBIDDEN" | "INSUFFICIENT_SCOPES"))
    }

    /// Whether the same query would fail again.
    pub(super) fn is_permanent(&self) -> bool {
        self.is_forbidden() || self.code() == Some("undefinedField")
    }

    pub(super) fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        LookupError::Forbidden { message: self.message(), sso_url: sso_url(headers) }
    }

    /// Returns its meaning for the login that it is about.
    pub(super) fn to_lookup_error(&self, headers: &HeaderMap) -> LookupError {
        match self.error_type.as_deref() {
            Some("NOT_FOUND") => LookupError::NotFound,
            Some(NOT_RECORDED) => LookupError::NotRecorded(CassetteMiss(self.message())),
            _ if self.is_forbidden() => self.forbidden(headers),
            _ => LookupError::PartialResponse(self.message()),
        }
    }
}

fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    Deserialize::deserialize(json).map(parse_lenient)
}

/// The other segments are fields of the account, and may be millions.
fn first_segment<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    let path: &RawValue = Deserialize::deserialize(json)?;
    let segments = path.get().strip_prefix('[').unwrap_or_default();
    Ok(serde_json::Deserializer::from_str(segments).into_iter().next().and_then(Result::ok))
}
