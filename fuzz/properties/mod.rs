//! Properties that hold for all bytes. Each is a function that panics if its property does not hold.
//!
//! The tests call them with input that is almost valid, `cargo fuzz` (see `fuzz/README.md`) with input that reaches new code. A
//! finding becomes a test with a name of its own beside the code that was wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a property that does not hold is a panic"
)]

mod bytes;
mod cassette;
mod flags;
mod input;
mod journal;
mod json;
mod login;
mod reports;
mod responses;
mod text;

pub use self::cassette::cassette;
pub use self::flags::{duration, fail_on};
pub use self::input::{input, written_input};
pub use self::journal::journal;
pub use self::login::login;
#[cfg(test)]
pub(crate) use self::reports::rendered;
pub use self::reports::{report, saved_report};
pub use self::responses::{account, query, response_error};
pub use self::text::text;

/// Whether a terminal shows a text as one line.
fn is_a_line(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[cfg(test)]
mod tests;
