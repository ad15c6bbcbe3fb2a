//! One part of a roster, for one machine of many. By a hash of the login and not by its place: the same login is
//! in the same part whatever else is in the list.

use std::str::FromStr;

use super::Entry;
use crate::login::stable_hash;

/// A part of a roster, for one machine of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub part: u32,
    /// Of how many.
    pub of: u32,
}

impl Shard {
    /// Whether an entry is in this part: that of its `stable_hash` modulo the number of parts, plus 1.
    #[must_use]
    pub fn holds(self, entry: &Entry) -> bool {
        let hash = match &entry.login {
            Ok(login) => stable_hash(login.as_str()),
            Err(not) => stable_hash(not.text.trim()),
        };
        hash.checked_rem(self.of).is_some_and(|part| part + 1 == self.part)
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shard = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.trim().parse().ok()?, of.trim().parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        });
        shard.ok_or("it has to look like 1/8, the first of eight parts")
    }
}
