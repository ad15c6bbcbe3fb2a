//! Lists that a server may make as long as it likes, and we do not read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A list of a thousand items at most: of none that we ask for there are more. What is larger in memory than
/// in JSON would otherwise fill the one as fast as the other arrives.
pub(super) struct Few<T>(pub(super) Vec<T>);

pub(super) const MOST: usize = 1000;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST} items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
                let mut few = Vec::new();
                while let Some(item) = list.next_element()? {
                    if few.len() == MOST {
                        return Err(A::Error::invalid_length(MOST + 1, &self));
                    }
                    few.push(item);
                }
                Ok(Few(few))
            }
        }
        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_are_read_and_not_one_more() {
        let list = |number: usize| serde_json::to_string(&vec![1; number]).unwrap();
        assert_eq!(serde_json::from_str::<Few<u8>>(&list(MOST)).unwrap().0.len(), MOST);
        assert!(serde_json::from_str::<Few<u8>>(&list(MOST + 1)).is_err_and(|error| error.is_data()));
    }
}
