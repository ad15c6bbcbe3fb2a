//! Lists that come in pages, each with the address of the next: followed as long as they make sense.

use std::collections::HashSet;

use super::endpoint::ApiEndpoint;
use super::error::LookupError;

/// Twice as many as GitHub's lists have: 100,000 repositories is the most that an account can own, and an
/// organisation of more than 100,000 members is not supported.
const MOST: usize = 2000;
/// No address of a page is longer; all are remembered.
const LONGEST: usize = 2000;

/// What is wrong with a list, in the words for what it lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong {
    pub(super) elsewhere: &'static str,
    pub(super) circle: &'static str,
    pub(super) endless: &'static str,
}

/// The pages of a list so far.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    api: &'a ApiEndpoint,
    wrong: Wrong,
    seen: HashSet<String>,
}

impl<'a> Pages<'a> {
    /// A list that begins at this route.
    pub(super) fn from(first: &str, api: &'a ApiEndpoint, wrong: Wrong) -> Self {
        Self { api, wrong, seen: HashSet::from([first.to_owned()]) }
    }

    /// The route of the next page, after one with so many items and this link.
    ///
    /// # Errors
    /// Where the chain leads to another server, round in a circle, or ever on: a server must not have us
    /// ask it until we are stopped.
    pub(super) fn next(&mut self, items: usize, link: Option<&str>) -> Result<Option<String>, LookupError> {
        let Some(link) = link else { return Ok(None) };
        let route = self.api.path_of(link).filter(|route| route.len() <= LONGEST);
        let route = route.ok_or(LookupError::Malformed(self.wrong.elsewhere))?;
        if items == 0 || self.seen.len() >= MOST {
            return Err(LookupError::Malformed(self.wrong.endless));
        }
        if !self.seen.insert(route.to_owned()) {
            return Err(LookupError::Malformed(self.wrong.circle));
        }
        Ok(Some(route.to_owned()))
    }
}
