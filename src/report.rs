//! A report: one [`Row`] for each login, its [`COLUMNS`], and the [`Summary`] of all rows.
//!
//! A row is never lost and never an error: a login that cannot be counted has a row with the reason. A number that is not known
//! is absent (`null`, an empty field), never 0.

mod change;
#[cfg(feature = "cli")]
mod choose;
mod columns;
#[cfg(feature = "cli")]
mod saved;
mod summary;
mod total;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};

pub(crate) use self::change::{DiffSummary, Event};
#[cfg(feature = "cli")]
pub(crate) use self::choose::{ChooseColumnError, requires_baseline};
pub(crate) use self::columns::{
    COLUMNS, Cell, Column, ColumnSpec, Columns, EXTRA_KEY, ReportSchema, Role, ValueType, is_reserved,
};
#[cfg(feature = "cli")]
pub(crate) use self::saved::{ReadReportError, SavedReport};
pub(crate) use self::summary::{GroupTotals, RunTotals, Subtotal, Summary};
pub(crate) use self::total::Total;
use crate::github::account::Account;
pub(crate) use crate::github::account::{AccountKind, ApiKind, Breakdown, CountSelection, Identity};
use crate::github::error::NO_SUCH_ACCOUNT;
use crate::text::sanitize_line;

/// Result of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Counted.
    Ok,
    /// GitHub has no user or organization of this name, or does not show it to the token.
    NotFound,
    /// GitHub denied access, and not because of a rate limit.
    Forbidden,
    /// Not a valid login. It was never looked up.
    Invalid,
    /// Looked up without a valid response.
    Failed,
    /// Not looked up, because the run ended early.
    #[default]
    Skipped,
    /// Only in the baseline.
    Removed,
}

impl Status {
    pub(crate) const ALL: [Self; 7] = [
        Self::Ok,
        Self::NotFound,
        Self::Forbidden,
        Self::Invalid,
        Self::Failed,
        Self::Skipped,
        Self::Removed,
    ];

    pub(crate) fn parse(word: &str) -> Option<Self> {
        let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
        Self::deserialize(word).ok()
    }

    /// Returns the word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Removed => "removed",
        }
    }

    /// Returns the words for people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            status => status.as_str(),
        }
    }
}

/// Cells of the extra columns, without control characters except tabs and line ends. None if the input has no value.
pub(crate) type Carried = Box<[Option<Box<str>>]>;

/// Separates the groups of an account in a cell. Other text cannot have it: it is a control character.
const GROUP_SEPARATOR: char = '\u{1f}';

/// Separates the groups of an account in CSV, TSV and text.
const GROUP_DELIMITER: &str = "; ";

/// Returns the groups in the cell of a `--group-by` column. Any other cell is one group.
pub(crate) fn groups_in(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(GROUP_SEPARATOR).filter(|group| !group.is_empty())
}

/// Adds the groups of a cell to those of another one. Returns true if one of them is new.
pub(crate) fn add_groups<'a>(cell: &mut Option<Box<str>>, more: impl IntoIterator<Item = &'a str>) -> bool {
    let mut groups: Vec<&str> = cell.as_deref().map(groups_in).into_iter().flatten().collect();
    let before = groups.len();
    for group in more {
        if !group.is_empty() && !groups.contains(&group) {
            groups.push(group);
        }
    }
    let is_changed = groups.len() > before;
    if is_changed {
        *cell = Some(groups.join(&GROUP_SEPARATOR.to_string()).into());
    }
    is_changed
}

/// Result of one login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Login as GitHub spells it. Without a response: as requested, without control characters.
    pub login: String,
    /// Result.
    pub status: Status,
    /// Kind of the account.
    pub kind: Option<AccountKind>,
    /// GitHub's numeric id, which stays the same when the login changes.
    pub id: Option<u64>,
    /// Public repositories that the account owns, forks included.
    pub public_repos: Option<u64>,
    /// Sources, forks and archived repositories among them, if requested.
    pub breakdown: Option<Breakdown>,
    /// Private repositories that the account owns, if requested. None where the token may not see all of them.
    pub private_repos: Option<u64>,
    /// Internal repositories that the organization owns, if requested. None where the token may not see all of them.
    pub internal_repos: Option<u64>,
    /// Time of the latest push by anyone to a public repository that the account owns, forks included, if requested. None without
    /// a visible push.
    pub last_push: Option<Timestamp>,
    pub(crate) carried: Carried,
    /// Last known count in the baseline.
    pub(crate) was: Option<u64>,
    /// Count now minus [`Self::was`], of the same account.
    pub(crate) change: Option<i64>,
    /// Event since the baseline.
    pub(crate) event: Option<Event>,
    /// Login before a rename.
    pub(crate) previous_login: Option<String>,
    /// False if the other API returned another count. None unless both were queried.
    pub verified: Option<bool>,
    /// Reason for a missing count: one line, without control characters.
    pub error: Option<String>,
    /// API that responded.
    pub api: Option<ApiKind>,
    /// Time of the response, to the second.
    pub at: Option<Timestamp>,
    /// Requests that included this login.
    pub attempts: u32,
    /// Path of the recorded response in the folder of the recording.
    pub(crate) exchange: Option<Box<str>>,
}

impl Row {
    pub(crate) fn counted(account: Account) -> Self {
        let Account { login, kind, id, public_repos, breakdown, private_repos, internal_repos, last_push } =
            account;
        Self {
            login: login.to_string(),
            status: Status::Ok,
            kind,
            id,
            public_repos: Some(public_repos),
            breakdown,
            private_repos,
            internal_repos,
            last_push,
            ..Self::default()
        }
    }

    pub(crate) fn without_count(login: &str, status: Status, error: &str) -> Self {
        let error = Some(sanitize_line(error).into_owned());
        Self { login: sanitize_line(login).into_owned(), status, error, ..Self::default() }
    }

    /// Returns the key of the row in a set of rows. Logins ignore case.
    pub(crate) fn key(&self) -> Box<str> {
        match self.status {
            // A login has no control character, so the two cannot be confused.
            Status::Invalid => format!("\0{}", self.login).into(),
            _ => self.login.to_ascii_lowercase().into(),
        }
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.status == Status::Removed
    }

    /// Returns the reason of a row without a count, if it says more than the status.
    pub(crate) fn further_reason(&self) -> Option<&str> {
        let is_further = match self.status {
            Status::Ok | Status::Removed => false,
            Status::NotFound => self.error.as_deref() != Some(NO_SUCH_ACCOUNT),
            Status::Forbidden | Status::Invalid | Status::Failed | Status::Skipped => true,
        };
        self.error.as_deref().filter(|_| is_further)
    }

    /// Returns true for an event, or a difference, since the baseline.
    pub(crate) fn has_changed(&self) -> bool {
        self.event.is_some() || self.change.is_some_and(|change| change != 0)
    }

    /// Returns the kind of a counted account, or the words of the status.
    pub(crate) fn label(&self) -> &'static str {
        match self.status {
            Status::Ok => self.kind.map_or("", AccountKind::as_str),
            status => status.label(),
        }
    }

    /// Returns the event for people: `renamed from old-login`.
    pub(crate) fn event_label(&self) -> Cow<'static, str> {
        let event = self.event.map_or("", Event::as_str);
        match &self.previous_login {
            Some(login) => format!("{event} from {login}").into(),
            None => event.into(),
        }
    }

    /// Returns true if GitHub, or the rules for logins, decided the status.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.status, Status::Ok | Status::NotFound | Status::Forbidden | Status::Invalid)
    }
}
