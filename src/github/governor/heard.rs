//! What the head of an answer tells of GitHub's budgets and clock.

use http::HeaderMap;
use http::header::{AsHeaderName, DATE, HeaderName};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::budget::Told;
use super::resource::Resource;

static LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
pub(in crate::github) static REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
static RESOURCE: HeaderName = HeaderName::from_static("x-ratelimit-resource");

/// A header as text, without white space around it.
pub(in crate::github) fn header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The server's clock, to the second.
pub(in crate::github) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(header(headers, DATE)?).ok()
}

/// What is left of a budget, and of which where that is told. Enterprise Servers usually have none.
pub(in crate::github) fn told(headers: &HeaderMap) -> Option<(Option<Resource>, Told)> {
    let number = |name: &HeaderName| header(headers, name)?.parse::<u64>().ok();
    let remaining = number(&REMAINING)?;
    let reset = number(&RESET).and_then(|reset| i64::try_from(reset).ok())?;
    let limit = number(&LIMIT).unwrap_or(remaining.max(1));
    let resource = header(headers, &RESOURCE).and_then(Resource::parse);
    Some((resource, Told { limit, remaining, reset }))
}
