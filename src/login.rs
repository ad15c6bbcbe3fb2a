//! Logins: the only way to a request path. Texts of people are parsed by [`value`], and addresses by [`address`].
//!
//! octocrab sends a path as it is given, so `/`, `?`, `#`, `%` or `..` would reach another route. A [`Login`] contains none of
//! them. It is parsed once, where it enters the program.

mod address;
mod value;

use std::fmt;

pub(crate) use self::address::team_in_address;
pub(crate) use self::value::{LoginText, is_spreadsheet_error, parse_text, trim};

/// Longest login on GitHub, in characters, without the `[bot]` of an app.
pub(crate) const MAX_LENGTH: usize = 39;

const BOT: &str = "[bot]";

/// The name of a user, an organization or a bot, as it was written. GitHub ignores the case.
///
/// ```
/// use ghrepos::Login;
///
/// assert_eq!(Login::parse("@torvalds")?.as_str(), "torvalds");
/// assert_eq!(Login::parse("https://github.com/torvalds/linux")?.path(), "/users/torvalds");
/// assert!(Login::parse("../orgs/rust-lang").is_err());
/// # Ok::<(), ghrepos::ParseLoginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login(Box<str>);

impl Login {
    /// Parses a login as people write it: `torvalds`, `@torvalds`, `torvalds/linux`, an address on github.com, a remote of Git, or
    /// an e-mail address of GitHub's (`…@users.noreply.github.com`). An address or a repository stands for its account.
    ///
    /// Accepts the names that GitHub's accounts have, old ones included: letters, digits and hyphens, at most 39 characters; one
    /// underscore before the short code of a managed user; `[bot]` after the name of an app. A placeholder such as `none` and a
    /// date such as `5-Mar` are not logins; `@none` is.
    ///
    /// # Errors
    /// [`ParseLoginError`] has the reason, in one line.
    pub fn parse(text: &str) -> Result<Self, ParseLoginError> {
        Self::parse_for_host(text, "github.com")
    }

    /// Like [`Login::parse`], with addresses on `web_host`: `git.example.com`.
    pub(crate) fn parse_for_host(text: &str, web_host: &str) -> Result<Self, ParseLoginError> {
        let name = value::parse_name(text, web_host);
        name.map(|name| Self(name.into())).map_err(|reason| ParseLoginError { text: text.into(), reason })
    }

    /// Parses a login that a server or a report contains. Nothing but the login itself is accepted.
    pub(crate) fn exact(text: &str) -> Result<Self, ParseLoginError> {
        validate(text)
            .map(|()| Self(text.into()))
            .map_err(|reason| ParseLoginError { text: text.into(), reason })
    }

    /// Returns the login as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn case_folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Returns this login in another spelling. None if `text` is another login.
    pub(crate) fn with_case_of(&self, text: &str) -> Option<Self> {
        text.eq_ignore_ascii_case(&self.0).then(|| Self(text.into()))
    }

    /// True for a user that an enterprise manages, `name_shortcode`. Outside of the enterprise it may be invisible.
    pub(crate) fn is_managed_user(&self) -> bool {
        self.0.contains('_')
    }

    /// True for the account of an app, `name[bot]`.
    pub(crate) fn is_bot(&self) -> bool {
        self.0.ends_with(']')
    }

    /// Returns the path of the account in GitHub's REST API, escaped: `/users/torvalds`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/users/{}", self.0.replace('[', "%5B").replace(']', "%5D"))
    }
}

/// Returns a hash that is the same in every run, on every machine and for every case: the two halves of the 64-bit FNV-1a,
/// combined by exclusive or. Either half alone mixes the last characters badly.
pub(crate) fn stable_hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default()
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not a login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a login: {reason}")]
#[non_exhaustive]
pub struct ParseLoginError {
    /// The text as it was written.
    pub text: String,
    reason: String,
}

impl ParseLoginError {
    pub(crate) fn new(text: &str, reason: &str) -> Self {
        Self { text: text.to_owned(), reason: reason.to_owned() }
    }
}

pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn validate(login: &str) -> Result<(), String> {
    let suffix = login.len().checked_sub(BOT.len()).and_then(|at| login.split_at_checked(at));
    let bot_name = suffix.filter(|(_, suffix)| suffix.eq_ignore_ascii_case(BOT)).map(|(name, _)| name);
    let name = bot_name.unwrap_or(login);
    if name.is_empty() {
        return Err("empty".into());
    }
    if let Some(wrong) = name.chars().find(|c| !is_name_char(*c)) {
        return Err(format!("contains {wrong:?}"));
    }
    // A dash stands for an empty cell, and a line of them separates.
    if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err("no letter or digit".into());
    }
    // All characters are ASCII here: bytes are characters.
    if name.len() > MAX_LENGTH {
        return Err(format!("{} characters, {MAX_LENGTH} at most", name.len()));
    }
    match name.matches('_').count() {
        0 => Ok(()),
        _ if bot_name.is_some() => Err("contains '_'".into()),
        1 if name.starts_with('_') => Err("begins with '_'".into()),
        1 if name.ends_with('_') => Err("ends with '_'".into()),
        1 => Ok(()),
        _ => Err("contains more than one '_'".into()),
    }
}

#[cfg(test)]
mod tests;
