//! Causes of an error. The error inside of an [`io::Error`] is a cause too, although it is not its `source`.

use std::error::Error;
use std::io;

/// Returns the error and its causes, outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Returns the text of the innermost cause. The outer errors repeat it, or add a URL.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    crate::text::reason(causes(error).last().unwrap_or(error))
}
