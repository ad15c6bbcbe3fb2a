//! The envelope of an answer: `data` beside `errors`, read so that what makes no sense spoils nothing
//! beside it.

use http::HeaderMap;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::error::LookupError;
use super::super::exchange::{NOT_RECORDED, NotRecorded};
use super::super::refusal::sso_address;
use super::super::rest::{self, Account, Text};
use crate::login::Login;
use crate::object::Object;
use crate::report::{Breakdown, Kind, Measures};
use crate::text::visible;

/// Reads an envelope. Owners that make no sense are rare: only where there is one they are read one by
/// one, which takes half as long again.
pub(super) fn read(body: &[u8]) -> serde_json::Result<(Option<Data<'_>>, Option<Vec<Value>>)> {
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
    errors: Option<Vec<Value>>,
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
                        data.cost = map.next_value::<Value>()?.get("cost").and_then(Value::as_u64);
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

/// The number of an alias of ours: `a17`.
fn alias(name: &str) -> Option<usize> {
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
    pub(super) fn account(self, asked: &Login, measures: Measures) -> Result<Account, LookupError> {
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
            kind: self.typename.as_ref().and_then(|Text(name)| Kind::parse(name)),
            id: self.database_id,
            public_repos,
            breakdown,
            private_repos: if measures.private { Some(count(self.private)?) } else { None },
        })
    }
}

/// An error, read as far as it makes sense: one that makes none must not spoil the answer.
pub(super) struct GraphqlError {
    kind: Option<String>,
    pub(super) path: Option<Vec<Value>>,
    message: Option<String>,
    extensions: Option<Value>,
}

impl GraphqlError {
    pub(super) fn read(mut error: Value) -> Self {
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
    pub(super) fn alias(&self) -> Option<usize> {
        alias(self.path.as_ref()?.first()?.as_str()?)
    }

    pub(super) fn text(&self) -> String {
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
    pub(super) fn is_limit(&self) -> bool {
        self.is("RATE_LIMITED") || self.is("RATE_LIMIT") || self.code() == Some("graphql_rate_limit")
    }

    /// Whether the whole query would be refused again.
    pub(super) fn is_final(&self) -> bool {
        self.is("FORBIDDEN") || self.is("INSUFFICIENT_SCOPES") || self.code() == Some("undefinedField")
    }

    /// The address for single sign-on, where the server gives one with the error.
    fn sso(&self) -> Option<String> {
        let failure = self.extension("sso").or_else(|| self.extension("saml_failure"))?;
        let url = failure.as_str().or_else(|| failure.get("url")?.as_str())?;
        url.starts_with("https://").then(|| visible(url).into_owned())
    }

    /// A refusal, with the address for single sign-on from the error or from the answer's headers.
    pub(super) fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        let from_headers = || sso_address(headers).map(|url| visible(url).into_owned());
        LookupError::Forbidden { message: self.text(), sso: self.sso().or_else(from_headers) }
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
