//! The report: one [`Row`] for each login, and the [`Summary`] of them all.
//!
//! A row is never lost and never an error: whatever happened to a login is its row. An absent number
//! is absent (`null`, an empty field), never 0.

mod change;
mod columns;
mod finished;
mod groups;
mod parse;
mod summary;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::change::{Change, DiffSummary};
pub(crate) use self::columns::{Cell, Column, Columns, ReportSchema};
pub(crate) use self::finished::{ReadReportError, SavedReport};
pub(crate) use self::groups::{Groups, Subtotal};
pub(crate) use self::summary::Summary;
pub(crate) use crate::github::account::{AccountKind, ApiKind, Breakdown, CountSelection, Identity};
use crate::text::sanitize_line;

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It was counted.
    Ok,
    /// GitHub has no user or organisation of this name, or does not show it to us.
    NotFound,
    /// GitHub refuses to tell (not because of a limit).
    Forbidden,
    /// It is no login, so it was never asked for.
    Invalid,
    /// It was asked for and there was no good answer.
    Failed,
    /// The run ended before it could be asked for.
    Skipped,
}

impl Status {
    /// Reads the word in reports.
    #[must_use]
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Ok, Self::NotFound, Self::Forbidden, Self::Invalid, Self::Failed, Self::Skipped]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What a roster says of a login, in the order of the carried columns: none where it says nothing. Text
/// as it was written, without control characters but tabs and line ends.
pub(crate) type Carried = Box<[Option<Box<str>>]>;

/// What is known of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// As GitHub spells it; where GitHub did not answer, as asked, without control characters.
    pub login: String,
    /// What became of it.
    pub status: Status,
    /// The kind of the account.
    pub kind: Option<AccountKind>,
    /// GitHub's numeric id: the identity of an account, which survives a change of its login.
    pub id: Option<u64>,
    /// Public repositories that the account owns, forks included.
    pub public_repos: Option<u64>,
    /// Which of these are what, where that was asked for.
    pub breakdown: Option<Breakdown>,
    /// Private repositories that the account owns and the token may see, where that was asked for.
    pub private_repos: Option<u64>,
    /// What the roster says of it, in the carried columns.
    pub(crate) carried: Carried,
    /// The count in the report that this one is compared with.
    pub(crate) was: Option<u64>,
    /// What has changed since.
    pub(crate) change: Option<Change>,
    /// Whether the other API gave the same count, where it was asked.
    pub verified: Option<bool>,
    /// Why there is no count: one line for a person, without control characters.
    pub error: Option<String>,
    /// The API that answered.
    pub via: Option<ApiKind>,
    /// When it was answered, to the second.
    pub at: Option<Timestamp>,
    /// Requests that this row took part in.
    pub attempts: u32,
    /// The recorded exchange that it came from, in the folder of the recording.
    pub(crate) exchange: Option<Box<str>>,
}

impl Row {
    /// A row without a count: `login` as asked, and why.
    #[must_use]
    pub(crate) fn without_count(login: &str, status: Status, error: &str) -> Self {
        Self {
            login: sanitize_line(login).into_owned(),
            status,
            kind: None,
            id: None,
            public_repos: None,
            breakdown: None,
            private_repos: None,
            carried: Carried::default(),
            was: None,
            change: None,
            verified: None,
            error: Some(sanitize_line(error).into_owned()),
            via: None,
            at: None,
            attempts: 0,
            exchange: None,
        }
    }
}

impl Row {
    /// What a row is found by again: a login in any case, or a text that is none.
    #[must_use]
    pub(crate) fn key(&self) -> Box<str> {
        match self.status {
            // A control character cannot be part of a login: no confusion of the two.
            Status::Invalid => format!("\0{}", self.login).into(),
            _ => self.login.to_ascii_lowercase().into(),
        }
    }

    /// Whether GitHub, or the rules for logins, have said something about it.
    #[must_use]
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.status, Status::Ok | Status::NotFound | Status::Forbidden | Status::Invalid)
    }
}
