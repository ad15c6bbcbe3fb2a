//! Logins: the only way to a request path.
//!
//! octocrab sends a path as it is given, so a login that holds `/`, `?`, `#`, `%` or `..` would reach
//! another route. A [`Login`] cannot hold any of them: it is parsed once, where it enters the
//! program, and everything behind that point takes the type and not the text.

use std::fmt;

use crate::text::visible;

/// The longest login GitHub gives out, in characters (without a bot's `[bot]`).
pub const MAX_LENGTH: usize = 39;

const BOT: &str = "[bot]";

/// The name of a GitHub account: a user, an organisation or a bot.
///
/// Holds the spelling as it was written; compare accounts by [`Login::key`], because GitHub does not
/// tell upper from lower case.
///
/// ```
/// use ghrepos::login::Login;
///
/// assert_eq!(Login::parse("@torvalds")?.as_str(), "torvalds");
/// assert_eq!(Login::parse("https://github.com/torvalds/")?.path(), "/users/torvalds");
/// assert!(Login::parse("../orgs/rust-lang").is_err());
/// # Ok::<(), ghrepos::login::NotALogin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login(Box<str>);

impl Login {
    /// Reads a login, an `@login`, or the address of a profile on github.com.
    ///
    /// Accepts what GitHub's accounts can be called, old ones included: letters, digits and hyphens,
    /// at most [`MAX_LENGTH`] characters, not beginning with a hyphen; one underscore before the short
    /// code of a managed user; `[bot]` behind the name of an app.
    ///
    /// # Errors
    /// [`NotALogin`], with the text and the reason, for anything else.
    pub fn parse(text: &str) -> Result<Self, NotALogin> {
        Self::parse_at(text, "github.com")
    }

    /// The same where profiles have their addresses on `site`: `git.example.com`.
    ///
    /// # Errors
    /// [`NotALogin`], as for [`Login::parse`].
    pub fn parse_at(text: &str, site: &str) -> Result<Self, NotALogin> {
        let not = |reason| NotALogin { text: text.into(), reason };
        let trimmed = text.trim();
        let name = match address(trimmed, site).map_err(not)? {
            Some(name) => name,
            None => trimmed.strip_prefix('@').unwrap_or(trimmed).to_owned(),
        };
        check(&name).map_err(not)?;
        Ok(Self(name.into()))
    }

    /// The login as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes two spellings the same account: the login in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The same login as somebody else spells it; none if that is another one.
    #[must_use]
    pub fn spelled(&self, text: &str) -> Option<Self> {
        text.eq_ignore_ascii_case(&self.0).then(|| Self(text.into()))
    }

    /// Whether it is the account of an app, `name[bot]`.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.0.ends_with(']')
    }

    /// The route of the account in GitHub's REST API, escaped: `/users/torvalds`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.is_bot() {
            // The brackets of `[bot]` are all that a login can hold and a path cannot.
            return format!("/users/{}", self.0.replace('[', "%5B").replace(']', "%5D"));
        }
        format!("/users/{}", self.0)
    }
}

/// A hash of a text in lower case that is the same in every run and on every machine: the two halves of
/// the 64-bit FNV-1a, combined by exclusive or. Either half alone mixes the last characters badly.
///
/// ```
/// use ghrepos::login::stable_hash;
///
/// assert_eq!(stable_hash("Torvalds"), stable_hash("torvalds"));
/// assert_eq!(stable_hash("torvalds"), 953_843_727);
/// ```
#[must_use]
pub fn stable_hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    let low = u32::try_from(hash & 0xffff_ffff).unwrap_or_default();
    u32::try_from(hash >> 32).unwrap_or_default() ^ low
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that stands where a login should and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a login: {reason}")]
pub struct NotALogin {
    /// What was written, untouched.
    pub text: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a text is no login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing was written, or white space alone.
    #[error("empty")]
    Empty,
    /// More than [`MAX_LENGTH`] characters.
    #[error("{0} characters, {MAX_LENGTH} at most")]
    TooLong(usize),
    /// A character that no login has. Control characters are shown escaped.
    #[error("holds {0:?}")]
    Holds(char),
    /// A hyphen or underscore at the beginning.
    #[error("begins with {0:?}")]
    BeginsWith(char),
    /// An underscore without a short code behind it.
    #[error("ends with '_'")]
    EndsWithUnderscore,
    /// More than the one underscore of a managed user.
    #[error("holds more than one '_'")]
    TwoUnderscores,
    /// An address on a host that is not the one which is asked.
    #[error("an address on {found}, not on {site}")]
    ElsewhereAddress {
        /// Where it leads.
        found: String,
        /// Where the profiles are.
        site: String,
    },
    /// An address on GitHub of something that is no account.
    #[error("an address of something else than a profile")]
    NotAProfile,
}

/// The account named by the address of its profile, if `text` is an address at all.
///
/// People copy these from the browser's bar, so a query (`?tab=repositories`) and a fragment are
/// dropped, and an organisation's or an app's own pages are understood.
fn address(text: &str, site: &str) -> Result<Option<String>, Reason> {
    let lower = text.to_ascii_lowercase();
    let rest = if lower.starts_with("https://") {
        text.get(8..)
    } else if lower.starts_with("http://") {
        text.get(7..)
    } else if is_site(lower.split('/').next().unwrap_or_default(), site) && lower.contains('/') {
        Some(text)
    } else {
        return Ok(None);
    };
    let rest = rest.unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_site(host, site) {
        let found = visible(&host.chars().take(64).collect::<String>()).into_owned();
        return Err(Reason::ElsewhereAddress { found, site: site.to_owned() });
    }
    let path = path.trim_matches('/');
    match path.split('/').collect::<Vec<_>>()[..] {
        ["orgs", organisation, ..] => Ok(Some(organisation.to_owned())),
        ["apps", app] => Ok(Some(format!("{app}{BOT}"))),
        [login] => Ok(Some(login.to_owned())),
        _ => Err(Reason::NotAProfile),
    }
}

fn is_site(host: &str, site: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_prefix("www.").unwrap_or(&host) == site
}

fn check(name: &str) -> Result<(), Reason> {
    let (name, bot) = match name.len().checked_sub(BOT.len()).map(|at| (name.get(..at), name.get(at..))) {
        Some((Some(base), Some(end))) if end.eq_ignore_ascii_case(BOT) => (base, true),
        _ => (name, false),
    };
    let Some(first) = name.chars().next() else {
        return Err(Reason::Empty);
    };
    if let Some(wrong) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        return Err(Reason::Holds(wrong));
    }
    if matches!(first, '-' | '_') {
        return Err(Reason::BeginsWith(first));
    }
    // From here on every character is ASCII: bytes are characters.
    if name.len() > MAX_LENGTH {
        return Err(Reason::TooLong(name.len()));
    }
    match name.matches('_').count() {
        0 => Ok(()),
        _ if bot => Err(Reason::Holds('_')),
        1 if name.ends_with('_') => Err(Reason::EndsWithUnderscore),
        1 => Ok(()),
        _ => Err(Reason::TwoUnderscores),
    }
}

#[cfg(test)]
mod tests;
