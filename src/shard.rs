//! Shards: parts of the input for several machines.
//!
//! The shard of a login depends on its hash, not on its position: other logins in the input do not move it.

use std::fmt;
use std::str::FromStr;

use crate::login::stable_hash;

/// One part of an input: `2/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Number of the part, from 1.
    pub(crate) part: u32,
    pub(crate) of: u32,
}

impl Shard {
    /// Returns the part that a login is in, if the input has `of` parts.
    pub(crate) fn of_login(text: &str, of: u32) -> Option<Self> {
        let part = stable_hash(text).checked_rem(of)?;
        Some(Self { part: part + 1, of })
    }

    pub(crate) fn contains(self, text: &str) -> bool {
        Self::of_login(text, self.of) == Some(self)
    }
}

/// The value of `--shard`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shard = text.split_once('/').and_then(|(part, of)| {
            let (part, of) = (part.trim().parse().ok()?, of.trim().parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        });
        shard.ok_or("expected a part such as 1/8, the first of eight")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_is_in_one_shard_and_shards_are_equal() {
        // Numbered names are common.
        for (prefix, number, of) in [
            ("user", 9000, 3),
            ("u", 1500, 2),
            ("acme-dev-", 1000, 8),
            ("student0", 3000, 8),
            ("x", 9000, 16),
            ("", 5000, 7),
        ] {
            let parts: Vec<Shard> = (1..=of).map(|part| Shard { part, of }).collect();
            let mut sizes = vec![0; of as usize];
            for text in (0..number).map(|at| format!("{prefix}{at}")).chain(["no login".to_owned()]) {
                let matches: Vec<_> = (0..parts.len()).filter(|at| parts[*at].contains(&text)).collect();
                assert_eq!(matches.len(), 1, "{text}");
                sizes[matches[0]] += 1;
            }
            let fair = number / of as usize;
            assert!(
                sizes.iter().all(|size| fair * 8 / 10 < *size && *size < fair * 12 / 10),
                "{prefix}: {sizes:?}"
            );
        }
        assert_eq!("2/8".parse(), Ok(Shard { part: 2, of: 8 }));
        for text in ["", "1", "0/8", "9/8", "1/0", "-1/8", "1/8/2", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
