//! The body of a response: `data` beside `errors`. A part that cannot be parsed does not affect the others.

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::account::{Account, AccountKind, Breakdown, CountSelection};
use super::super::bounded_vec::{BoundedVec, MAX_ITEMS};
use super::super::error::LookupError;
use super::super::rest::{BorrowedStr, from_json_object, verify_login};
use crate::login::Login;
use crate::object::Object;

/// Upper bound on the cost of a query, in points: GitHub allows queries of half a million nodes.
const MAX_PLAUSIBLE_COST: u64 = 500_000;

/// Parsed body of a response.
pub(super) struct Response<'a> {
    pub(super) data: Option<Data<'a>>,
    /// Not parsed further: a server can make an error as large and unusual as it likes.
    pub(super) errors: Vec<&'a RawValue>,
}

/// `data`: the cost of the query, and the value of each alias by its number.
#[derive(Default)]
pub(super) struct Data<'a> {
    pub(super) cost: Option<u64>,
    pub(super) owners: Vec<AliasValue<'a>>,
}

/// Value of an alias.
#[derive(Default)]
pub(super) enum AliasValue<'a> {
    /// The response does not contain the alias.
    #[default]
    Absent,
    Null,
    /// Not an owner.
    Invalid,
    Owner(Owner<'a>),
}

/// Parses a body. Owners are only parsed one by one if one of them is invalid: that takes half as long again.
pub(super) fn parse(body: &[u8]) -> serde_json::Result<Response<'_>> {
    match from_json_object::<ResponseBody<'_, false>>(body) {
        Ok(strict) => Ok(strict.into()),
        Err(_) => from_json_object::<ResponseBody<'_, true>>(body).map(Into::into),
    }
}

/// `LENIENT`: an invalid owner is [`AliasValue::Invalid`], not an error.
#[derive(Deserialize)]
struct ResponseBody<'a, const LENIENT: bool> {
    #[serde(borrow)]
    data: Option<Aliases<'a, LENIENT>>,
    errors: Option<BoundedVec<&'a RawValue>>,
}

impl<'a, const LENIENT: bool> From<ResponseBody<'a, LENIENT>> for Response<'a> {
    fn from(body: ResponseBody<'a, LENIENT>) -> Self {
        Self {
            data: body.data.map(|Aliases(data)| data),
            errors: body.errors.map(|BoundedVec(errors)| errors).unwrap_or_default(),
        }
    }
}

struct Aliases<'a, const LENIENT: bool>(Data<'a>);

impl<'de: 'a, 'a, const LENIENT: bool> Deserialize<'de> for Aliases<'a, LENIENT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AliasVisitor<const LENIENT: bool>;
        impl<'de, const LENIENT: bool> Visitor<'de> for AliasVisitor<LENIENT> {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of aliases")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
                let mut data = Data::default();
                while let Some(BorrowedStr(key)) = map.next_key()? {
                    if key == "rateLimit" {
                        let field: Option<RateLimitField> = parse_lenient(map.next_value()?);
                        let cost = field.and_then(|field| field.cost);
                        data.cost = cost.map(|cost| cost.min(MAX_PLAUSIBLE_COST));
                    } else if let Some(alias) = parse_alias(&key) {
                        let value = next_owner::<_, LENIENT>(&mut map)?;
                        if data.owners.len() <= alias {
                            data.owners.resize_with(alias + 1, AliasValue::default);
                        }
                        if let Some(owner) = data.owners.get_mut(alias) {
                            *owner = value;
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(AliasVisitor::<LENIENT>).map(Self)
    }
}

fn next_owner<'de, A: MapAccess<'de>, const LENIENT: bool>(map: &mut A) -> Result<AliasValue<'de>, A::Error> {
    if !LENIENT {
        let owner: Option<Object<Owner<'de>>> = map.next_value()?;
        return Ok(owner.map_or(AliasValue::Null, |Object(owner)| AliasValue::Owner(owner)));
    }
    let json: Option<&RawValue> = map.next_value()?;
    Ok(match json {
        None => AliasValue::Null,
        Some(json) => {
            parse_lenient(json).map_or(AliasValue::Invalid, |Object(owner)| AliasValue::Owner(owner))
        }
    })
}

/// Parses a part of a response. None if it is something else.
pub(super) fn parse_lenient<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

/// Returns the number of an alias in a query: 17 for `a17`.
pub(super) fn parse_alias(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('a')?;
    let is_canonical =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    // The bound limits the memory that a server can make us reserve.
    digits.parse().ok().filter(|alias| is_canonical && *alias < MAX_ITEMS)
}

/// An account, of GitHub's type `RepositoryOwner`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner<'a> {
    #[serde(rename = "__typename", borrow)]
    typename: Option<BorrowedStr<'a>>,
    #[serde(borrow)]
    login: Option<BorrowedStr<'a>>,
    database_id: Option<u64>,
    public: Option<Object<Count>>,
    forks: Option<Object<Count>>,
    archived: Option<Object<Count>>,
    private: Option<Object<Count>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    total_count: u64,
}

#[derive(Deserialize)]
struct RateLimitField {
    cost: Option<u64>,
}

impl Owner<'_> {
    pub(super) fn into_account(
        self,
        requested: &Login,
        counts: CountSelection,
    ) -> Result<Account, LookupError> {
        let BorrowedStr(login) = self.login.ok_or(MISSING_FIELDS)?;
        let login = verify_login(&login, requested)?;
        let public_repos = required(self.public)?;
        let breakdown = if counts.breakdown {
            let forks = required(self.forks)?;
            let sources = public_repos.saturating_sub(forks);
            Some(Breakdown { sources, forks, archived: required(self.archived)? })
        } else {
            None
        };
        Ok(Account {
            login,
            kind: self.typename.as_ref().and_then(|BorrowedStr(name)| AccountKind::parse(name)),
            id: self.database_id,
            public_repos,
            breakdown,
            private_repos: if counts.private { Some(required(self.private)?) } else { None },
        })
    }
}

const MISSING_FIELDS: LookupError = LookupError::Malformed("missing account fields");

fn required(count: Option<Object<Count>>) -> Result<u64, LookupError> {
    count.map(|Object(count)| count.total_count).ok_or(MISSING_FIELDS)
}
