//! Errors in a response: the login that each is about, and its meaning.

use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::cassette::{CassetteMiss, NOT_RECORDED};
use super::super::error::LookupError;
use super::super::response_error::sso_url;
use super::response::{parse_alias, parse_lenient};
use crate::text::visible;

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
        visible(message.unwrap_or("an error without a message")).into_owned()
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
