//! The envelope of an answer: `data` beside `errors`, read so that what makes no sense spoils nothing
//! beside it.

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::account::{Account, AccountKind, Breakdown, CountSelection};
use super::super::error::LookupError;
use super::super::few::Few;
use super::super::rest::{self, Text};
use crate::login::Login;
use crate::object::Object;

/// No query costs more, whatever a server says: half a million nodes are all that it may ask for.
const DEAREST: u64 = 500_000;

/// Reads an envelope. Owners that make no sense are rare: only where there is one they are read one by
/// one, which takes half as long again.
pub(super) fn read(body: &[u8]) -> serde_json::Result<(Option<Data<'_>>, Option<Few<&RawValue>>)> {
    if let Ok(Envelope { data, errors }) = rest::json::<Envelope<'_, false>>(body) {
        return Ok((data.map(|Aliases(data)| data), errors));
    }
    let Envelope { data, errors } = rest::json::<Envelope<'_, true>>(body)?;
    Ok((data.map(|Aliases(data)| data), errors))
}

#[derive(Deserialize)]
struct Envelope<'a, const ONE_BY_ONE: bool> {
    #[serde(borrow)]
    data: Option<Aliases<'a, ONE_BY_ONE>>,
    errors: Option<Few<&'a RawValue>>,
}

/// `data`: the limit, and an owner for each alias. An alias that is not there at all is told from one
/// that is null.
#[derive(Default)]
pub(super) struct Data<'a> {
    pub(super) cost: Option<u64>,
    pub(super) owners: Vec<Slot<'a>>,
}

struct Aliases<'a, const ONE_BY_ONE: bool>(Data<'a>);

impl<'de: 'a, 'a, const ONE_BY_ONE: bool> Deserialize<'de> for Aliases<'a, ONE_BY_ONE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const ONE_BY_ONE: bool>;
        impl<'de, const ONE_BY_ONE: bool> Visitor<'de> for Reader<ONE_BY_ONE> {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of aliases")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data<'de>, A::Error> {
                let mut data = Data::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if key.0 == "rateLimit" {
                        data.cost = read_as(map.next_value()?)
                            .and_then(|Price { cost }| cost)
                            .map(|cost| cost.min(DEAREST));
                    } else if let Some(at) = alias(&key.0) {
                        if data.owners.len() <= at {
                            data.owners.resize_with(at + 1, Slot::default);
                        }
                        if let Some(slot) = data.owners.get_mut(at) {
                            *slot = if ONE_BY_ONE {
                                // Read by itself: one that makes no sense must not spoil the others.
                                match map.next_value::<Option<&RawValue>>()?.map(RawValue::get) {
                                    None => Slot::Null,
                                    Some(json) => serde_json::from_str(json)
                                        .map_or(Slot::Broken, |Object(owner)| Slot::Owner(owner)),
                                }
                            } else {
                                let owner = map.next_value::<Option<Object<Owner<'de>>>>()?;
                                owner.map_or(Slot::Null, |Object(owner)| Slot::Owner(owner))
                            };
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(Reader::<ONE_BY_ONE>).map(Self)
    }
}

/// A part that was put aside, where it is what it should be.
pub(super) fn read_as<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

/// The number of an alias of ours: `a17`.
pub(super) fn alias(name: &str) -> Option<usize> {
    let digits = name.strip_prefix('a')?;
    // `a01` and `a+1` are somebody else's.
    if digits.len() > 1 && digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // No query of ours has more; a server that claims one must not make us room for it.
    digits.parse().ok().filter(|at| *at < 1000)
}

/// What stands behind an alias.
#[derive(Default)]
pub(super) enum Slot<'a> {
    /// The alias is not there at all.
    #[default]
    Missing,
    Null,
    /// Something that is no owner.
    Broken,
    Owner(Owner<'a>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Owner<'a> {
    #[serde(rename = "__typename", borrow)]
    typename: Option<Text<'a>>,
    #[serde(borrow)]
    login: Option<Text<'a>>,
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

impl Owner<'_> {
    pub(super) fn account(self, asked: &Login, measures: CountSelection) -> Result<Account, LookupError> {
        let missing = || LookupError::Malformed("JSON, but no account");
        let count =
            |count: Option<Object<Count>>| count.map(|Object(count)| count.total_count).ok_or_else(missing);
        let login = rest::spelled(&self.login.ok_or_else(missing)?.0, asked)?;
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
            kind: self.typename.as_ref().and_then(|Text(name)| AccountKind::parse(name)),
            id: self.database_id,
            public_repos,
            breakdown,
            private_repos: if measures.private { Some(count(self.private)?) } else { None },
        })
    }
}

/// What GitHub takes for a query.
#[derive(Deserialize)]
struct Price {
    cost: Option<u64>,
}
