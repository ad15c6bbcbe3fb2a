//! What holds for whatever comes: a function a promise, which panics where the promise is broken.
//!
//! The tests call them with input that is nearly right, `cargo fuzz` (see `fuzz/README.md`) with whatever
//! it finds to lead somewhere new. A finding becomes a test by its name beside the code that was wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a broken promise is a panic"
)]

mod answers;
mod bytes;
mod exchanges;
mod flags;
mod journals;
mod json;
mod logins;
mod reports;
mod rosters;
mod texts;

pub use self::answers::{account, query, refusal};
pub use self::exchanges::exchange;
pub use self::flags::{duration, rules};
pub use self::journals::journal;
pub use self::logins::login;
#[cfg(test)]
pub(crate) use self::reports::rendered;
pub use self::reports::{earlier, report};
pub use self::rosters::roster;
pub use self::texts::text;

/// Text that a terminal shows as one line, whatever is in it.
fn is_a_line(text: &str) -> bool {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !text.chars().any(harmful)
}

#[cfg(test)]
mod tests;
