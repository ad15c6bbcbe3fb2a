//! A list with an upper bound on its length.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Upper bound on the items of a list; GitHub sends at most 100 on a page. Items are larger in memory than in JSON, so a body
/// within its own limit could otherwise fill the memory.
pub(super) const MAX_ITEMS: usize = 1000;

/// A list of at most [`MAX_ITEMS`] items. A longer one is an error.
pub(super) struct BoundedVec<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for BoundedVec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = BoundedVec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_ITEMS} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<BoundedVec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MAX_ITEMS {
                        return Err(A::Error::invalid_length(MAX_ITEMS + 1, &self));
                    }
                    items.push(item);
                }
                Ok(BoundedVec(items))
            }
        }
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_items_are_read_and_one_more_is_an_error() {
        let list = |length: usize| serde_json::to_string(&vec![1; length]).unwrap();
        let parse = |json: &str| serde_json::from_str::<BoundedVec<u8>>(json);
        assert_eq!(parse(&list(MAX_ITEMS)).unwrap().0.len(), MAX_ITEMS);
        assert!(parse(&list(MAX_ITEMS + 1)).is_err_and(|error| error.is_data()));
    }
}
