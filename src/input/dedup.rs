//! Set of the logins that were read, for a million of them in little memory.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use super::InputRecord;

/// All keys are in one buffer, each after its length, and the table holds their offsets. A `HashSet` of strings takes four
/// times the memory.
#[derive(Default)]
pub(super) struct Deduplicator {
    keys: Vec<u8>,
    offsets: HashTable<u32>,
    state: RandomState,
}

impl Deduplicator {
    /// Adds a record. Returns whether it is new.
    pub(super) fn insert(&mut self, record: &InputRecord) -> bool {
        let key = record.key();
        let Self { keys, offsets, state } = self;
        let slot = offsets.entry(
            state.hash_one(key.as_bytes()),
            |offset| key_at(keys, *offset) == key.as_bytes(),
            |offset| state.hash_one(key_at(keys, *offset)),
        );
        let Slot::Vacant(slot) = slot else { return false };
        // Beyond 4 GiB of keys a duplicate is looked up again.
        if let (Ok(offset), Ok(length)) = (u32::try_from(keys.len()), u8::try_from(key.len())) {
            slot.insert(offset);
            keys.push(length);
            keys.extend_from_slice(key.as_bytes());
        }
        true
    }
}

fn key_at(keys: &[u8], offset: u32) -> &[u8] {
    let key = keys.get(offset as usize..).and_then(<[u8]>::split_first);
    key.and_then(|(length, rest)| rest.get(..usize::from(*length))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::login::Login;

    #[test]
    fn only_the_first_of_equal_logins_is_new() {
        let (mut seen, mut known) = (Deduplicator::default(), HashSet::new());
        for round in 0..2 {
            for number in 0..20_000_u64 {
                // Logins in any case, and invalid texts.
                let number = number.wrapping_mul(2_654_435_761) % 15_000;
                let text = match number % 3 {
                    0 => format!("User-{number}"),
                    1 => format!("uSER-{}", number - 1),
                    _ => format!("no login {number}"),
                };
                let record = InputRecord::from(Login::parse(&text));
                assert_eq!(seen.insert(&record), known.insert(record.key()), "{round}: {text}");
            }
        }
    }
}
