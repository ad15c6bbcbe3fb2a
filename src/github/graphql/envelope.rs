//! The envelope of an answer: `data` beside `errors`, read so that what makes no sense spoils nothing
//! beside it.

use http::HeaderMap;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::error::LookupError;
use super::super::exchange::{NOT_RECORDED, NotRecorded};
use super::super::few::Few;
use super::super::refusal::sso_address;
use super::super::rest::{self, Account, Text};
use crate::login::Login;
use crate::report::{Breakdown, Kind, Measures};
use crate::text::visible;

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
                        data.cost = read_as(map.next_value()?).and_then(|Price { cost }| cost);
                    } else if let Some(at) = alias(&key.0) {
                        if data.owners.len() <= at {
                            data.owners.resize_with(at + 1, Slot::default);
                        }
                        if let Some(slot) = data.owners.get_mut(at) {
                            *slot = if ONE_BY_ONE {
                                // Read by itself: one that makes no sense must not spoil the others.
                                match map.next_value::<Option<&RawValue>>()?.map(RawValue::get) {
                                    None => Slot::Null,
                                    Some(json) => {
                                        serde_json::from_str(json).map_or(Slot::Broken, Slot::Owner)
                                    }
                                }
                            } else {
                                map.next_value::<Option<Owner<'de>>>()?.map_or(Slot::Null, Slot::Owner)
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

/// The number of an alias of ours: `a17`.
fn alias(name: &str) -> Option<usize> {
    // No query of ours has more; a server that claims one must not make us room for it.
    name.strip_prefix('a')?.parse().ok().filter(|at| *at < 1000)
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

impl Owner<'_> {
    pub(super) fn account(self, asked: &Login, measures: Measures) -> Result<Account, LookupError> {
        let missing = || LookupError::Malformed("JSON, but no account");
        let count = |count: Option<Count>| count.map(|count| count.total_count).ok_or_else(missing);
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
            kind: self.typename.as_ref().and_then(|Text(name)| Kind::parse(name)),
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

/// An error, read as far as it makes sense: one that makes none must not spoil the answer.
pub(super) struct GraphqlError {
    kind: Option<String>,
    pub(super) place: Place,
    message: Option<String>,
    code: Option<String>,
    /// The address for single sign-on, where the server gives one with the error.
    sso: Option<String>,
}

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The alias of a login.
    Alias(usize),
    /// Another part of the query.
    Other,
    /// It does not say.
    Untold,
}

/// An error as it came, each part by itself and not yet read: a server can make any of them as large and as
/// odd as it likes.
#[derive(Default, Deserialize)]
struct Parts<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Extensions<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    sso: Option<&'a RawValue>,
    #[serde(borrow)]
    saml_failure: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SignOn {
    url: String,
}

/// The first step of a path; the others lead further in.
struct First<'a>(Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = First<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut steps: A) -> Result<First<'de>, A::Error> {
                let first = steps.next_element()?;
                while steps.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

fn read_as<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Option<T> {
    serde_json::from_str(json.get()).ok()
}

impl GraphqlError {
    pub(super) fn read(error: &RawValue) -> Self {
        let parts: Parts<'_> = read_as(error).unwrap_or_default();
        let extensions: Extensions<'_> = parts.extensions.and_then(read_as).unwrap_or_default();
        let step = parts.path.and_then(read_as).and_then(|First(step)| read_as::<String>(step?));
        let sso = extensions.sso.or(extensions.saml_failure);
        let sso = sso.and_then(|sso| read_as(sso).or_else(|| read_as(sso).map(|SignOn { url }| url)));
        Self {
            kind: parts.kind.and_then(read_as),
            place: match step {
                None => Place::Untold,
                Some(step) => alias(&step).map_or(Place::Other, Place::Alias),
            },
            message: parts.message.and_then(read_as),
            // GitHub has its codes beside the message or in the extensions.
            code: extensions.code.or(parts.code).and_then(read_as),
            sso: sso.filter(|url: &String| url.starts_with("https://")),
        }
    }

    /// The login that it is about.
    pub(super) fn alias(&self) -> Option<usize> {
        match self.place {
            Place::Alias(alias) => Some(alias),
            Place::Other | Place::Untold => None,
        }
    }

    pub(super) fn text(&self) -> String {
        visible(self.message.as_deref().or(self.kind.as_deref()).unwrap_or("an error without a message"))
            .into_owned()
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Both spellings of the type have been seen, and the code in either place.
    pub(super) fn is_limit(&self) -> bool {
        self.is("RATE_LIMITED") || self.is("RATE_LIMIT") || self.code.as_deref() == Some("graphql_rate_limit")
    }

    /// Whether the whole query would be refused again.
    pub(super) fn is_final(&self) -> bool {
        self.is("FORBIDDEN")
            || self.is("INSUFFICIENT_SCOPES")
            || self.code.as_deref() == Some("undefinedField")
    }

    /// A refusal, with the address for single sign-on from the error or from the answer's headers.
    pub(super) fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        let sso = self.sso.as_deref().or_else(|| sso_address(headers));
        LookupError::Forbidden { message: self.text(), sso: sso.map(|url| visible(url).into_owned()) }
    }

    /// What it means for the login that it is about.
    pub(super) fn meaning(&self, headers: &HeaderMap) -> LookupError {
        match self.kind.as_deref() {
            Some("NOT_FOUND") => LookupError::NotFound,
            Some(NOT_RECORDED) => LookupError::NotRecorded(NotRecorded(self.text())),
            Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => self.forbidden(headers),
            _ => LookupError::Unanswered(self.text()),
        }
    }
}
