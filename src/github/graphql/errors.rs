//! Errors in a response: the login that each is about, and its meaning.

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::cassette::{CassetteMiss, NOT_RECORDED};
use super::super::error::LookupError;
use super::super::response_error::sso_url;
use super::response::{parse_alias, parse_lenient};
use crate::text::visible;

/// An error, as far as its parts could be parsed.
pub(super) struct GraphqlError {
    error_type: Option<String>,
    pub(super) target: ErrorTarget,
    message: Option<String>,
    code: Option<String>,
    sso_url: Option<String>,
}

/// Part of the query that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorTarget {
    /// The login with this number.
    Alias(usize),
    /// Another part of the query.
    Other,
    /// The error does not say.
    Unspecified,
}

/// Parts of an error, each parsed by itself.
#[derive(Default, Deserialize)]
struct RawError<'a> {
    #[serde(rename = "type", borrow)]
    error_type: Option<&'a RawValue>,
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
struct SsoObject {
    url: String,
}

impl GraphqlError {
    pub(super) fn parse(json: &RawValue) -> Self {
        let raw: RawError<'_> = parse_lenient(json).unwrap_or_default();
        let extensions: Extensions<'_> = raw.extensions.and_then(parse_lenient).unwrap_or_default();
        let sso_url = extensions.sso.or(extensions.saml_failure).and_then(parse_sso_url);
        Self {
            error_type: raw.error_type.and_then(parse_lenient),
            target: match raw.path.and_then(first_segment) {
                None => ErrorTarget::Unspecified,
                Some(segment) => parse_alias(&segment).map_or(ErrorTarget::Other, ErrorTarget::Alias),
            },
            message: raw.message.and_then(parse_lenient),
            code: extensions.code.or(raw.code).and_then(parse_lenient),
            sso_url,
        }
    }

    /// Returns the number of the login that it is about.
    pub(super) fn alias(&self) -> Option<usize> {
        match self.target {
            ErrorTarget::Alias(alias) => Some(alias),
            ErrorTarget::Other | ErrorTarget::Unspecified => None,
        }
    }

    pub(super) fn message(&self) -> String {
        let message = self.message.as_deref().or(self.error_type.as_deref());
        visible(message.unwrap_or("an error without a message")).into_owned()
    }

    /// GitHub sends the type in two spellings, or only a code.
    pub(super) fn is_rate_limited(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("RATE_LIMITED" | "RATE_LIMIT"))
            || self.code.as_deref() == Some("graphql_rate_limit")
    }

    fn is_forbidden(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("FORBIDDEN" | "INSUFFICIENT_SCOPES"))
    }

    /// Whether the same query would fail again.
    pub(super) fn is_permanent(&self) -> bool {
        self.is_forbidden() || self.code.as_deref() == Some("undefinedField")
    }

    pub(super) fn forbidden(&self, headers: &HeaderMap) -> LookupError {
        let sso_url = self.sso_url.as_deref().or_else(|| sso_url(headers));
        LookupError::Forbidden {
            message: self.message(),
            sso_url: sso_url.map(|url| visible(url).into_owned()),
        }
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

/// Returns the first segment of a path, if it is a name. The others are fields of the account, and may be millions.
fn first_segment(path: &RawValue) -> Option<String> {
    let segments = path.get().strip_prefix('[')?;
    serde_json::Deserializer::from_str(segments).into_iter().next()?.ok()
}

/// Parses a URL, or an object with one.
fn parse_sso_url(json: &RawValue) -> Option<String> {
    let url = parse_lenient(json).or_else(|| parse_lenient(json).map(|SsoObject { url }| url));
    url.filter(|url: &String| url.starts_with("https://"))
}
