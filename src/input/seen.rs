//! The logins that were named already, in as little memory as they take.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::InputRecord;

/// A set of keys: they stand one behind the other in a single text, each behind its length, and a table
/// of their places finds them. A set of strings of their own takes four times the memory.
#[derive(Default)]
pub(super) struct Seen {
    keys: Vec<u8>,
    places: HashTable<u32>,
    state: RandomState,
}

impl Seen {
    /// Adds an entry. False where it was there already, in any case.
    pub(super) fn insert(&mut self, entry: &InputRecord) -> bool {
        let key = entry.key();
        let Self { keys, places, state } = self;
        let hash = |key: &[u8]| state.hash_one(key);
        let same = |place: &u32| at(keys, *place) == key.as_bytes();
        let slot = places.entry(hash(key.as_bytes()), same, |place| hash(at(keys, *place)));
        let Slot::Vacant(slot) = slot else { return false };
        // Beyond 4 GiB of names one that is named again is asked for again.
        if let (Ok(place), Ok(length)) = (u32::try_from(keys.len()), u8::try_from(key.len())) {
            slot.insert(place);
            keys.push(length);
            keys.extend_from_slice(key.as_bytes());
        }
        true
    }
}

/// The key at a place.
fn at(keys: &[u8], place: u32) -> &[u8] {
    let key = keys.get(place as usize..).and_then(<[u8]>::split_first);
    key.and_then(|(length, rest)| rest.get(..usize::from(*length))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::login::Login;

    #[test]
    fn it_knows_what_it_has_seen_and_nothing_else() {
        let (mut seen, mut known) = (Seen::default(), HashSet::new());
        for round in 0..2 {
            for number in 0..20_000_u64 {
                // Logins in any case, and texts that are none.
                let number = number.wrapping_mul(2_654_435_761) % 15_000;
                let text = match number % 3 {
                    0 => format!("User-{number}"),
                    1 => format!("uSER-{}", number - 1),
                    _ => format!("no login {number}"),
                };
                let entry = InputRecord::from(Login::parse(&text));
                assert_eq!(seen.insert(&entry), known.insert(entry.key()), "{round}: {text}");
            }
        }
    }
}
