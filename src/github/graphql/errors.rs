//! The errors of an answer: which login one is about, and what it means for it.

use http::HeaderMap;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::error::LookupError;
use super::super::exchange::{NOT_RECORDED, NotRecorded};
use super::super::refusal::sso_address;
use super::envelope::{alias, read_as};
use crate::text::visible;

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
