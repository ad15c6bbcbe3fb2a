//! Shards: one part of an input for each of several machines.
//!
//! A login belongs to the part that its hash says, not its position: it stays there whatever else is in the list.

use std::str::FromStr;

use crate::login::stable_hash;

/// One part of an input: `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Number of the part, from 1.
    pub(crate) part: u32,
    /// Number of parts.
    pub(crate) of: u32,
}

impl Shard {
    /// Whether a login, or a text that is not a login, is in this part: the one of its [`stable_hash`] modulo the number of
    /// parts, plus 1.
    #[must_use]
    pub(crate) fn contains(self, text: &str) -> bool {
        let hash = stable_hash(text);
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
