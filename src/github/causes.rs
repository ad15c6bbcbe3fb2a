//! The causes of an error, with those that an [`io::Error`] holds: they are not its `source`.

use std::error::Error;
use std::io;

/// The error and its causes, from the outside to the inside.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

/// The text of the innermost cause: the outer ones repeat it, or add an address.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    crate::text::reason(causes(error).last().unwrap_or(error))
}
