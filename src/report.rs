//! The report: one [`Row`] for each login, and the [`Summary`] of them all.
//!
//! A row is never lost and never an error: whatever happened to a login is its row. An absent number
//! is absent (`null`, an empty field), never 0.

mod parse;
mod summary;

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::summary::Summary;
use crate::text::visible;

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// The kind of an account; GitHub's REST API calls it `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person's account.
    User,
    /// An organisation.
    Organization,
    /// The account of an app, `name[bot]`.
    Bot,
}

impl Kind {
    /// Reads GitHub's word for it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "User" => Some(Self::User),
            "Organization" => Some(Self::Organization),
            "Bot" => Some(Self::Bot),
            _ => None,
        }
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Bot => "bot",
        }
    }
}

/// The API that answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A query for up to a hundred accounts.
    Graphql,
    /// `GET /users/{login}`.
    Rest,
}

impl Via {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Graphql => "graphql",
            Self::Rest => "rest",
        }
    }
}

/// What is counted, beside the public repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Sources, forks and archived ones among the public repositories.
    pub breakdown: bool,
    /// The private repositories that the token may see.
    pub private: bool,
}

/// What an account's public repositories are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// Those that are no forks.
    pub sources: u64,
    /// Those that are.
    pub forks: u64,
    /// Those that are archived, of either.
    pub archived: u64,
}

/// What is known of one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As GitHub spells it; where GitHub did not answer, as asked, without control characters.
    pub login: String,
    /// What became of it.
    pub status: Status,
    /// The kind of the account.
    pub kind: Option<Kind>,
    /// GitHub's numeric id: the identity of an account, which survives a change of its login.
    pub id: Option<u64>,
    /// Public repositories that the account owns, forks included.
    pub public_repos: Option<u64>,
    /// Which of these are what, where that was asked for.
    pub breakdown: Option<Breakdown>,
    /// Private repositories that the account owns and the token may see, where that was asked for.
    pub private_repos: Option<u64>,
    /// Whether the other API gave the same count, where it was asked.
    pub verified: Option<bool>,
    /// Why there is no count: one line for a person, without control characters.
    pub error: Option<String>,
    /// The API that answered.
    pub via: Option<Via>,
    /// When it was answered, to the second.
    pub at: Option<Timestamp>,
    /// Requests that this row took part in.
    pub attempts: u32,
}

impl Row {
    /// A row without a count: `login` as asked, and why.
    #[must_use]
    pub fn without_count(login: &str, status: Status, error: &str) -> Self {
        Self {
            login: visible(login).into_owned(),
            status,
            kind: None,
            id: None,
            public_repos: None,
            breakdown: None,
            private_repos: None,
            verified: None,
            error: Some(visible(error).into_owned()),
            via: None,
            at: None,
            attempts: 0,
        }
    }

    /// What stands in `column`.
    #[must_use]
    pub fn cell(&self, column: Column) -> Cell<'_> {
        let number = |number: Option<u64>| number.map_or(Cell::Absent, Cell::Number);
        match column {
            Column::Login => Cell::Text(Cow::Borrowed(&self.login)),
            Column::Status => Cell::Text(self.status.as_str().into()),
            Column::Kind => self.kind.map(|kind| kind.as_str().into()).map_or(Cell::Absent, Cell::Text),
            Column::Id => number(self.id),
            Column::PublicRepos => number(self.public_repos),
            Column::Sources => number(self.breakdown.map(|breakdown| breakdown.sources)),
            Column::Forks => number(self.breakdown.map(|breakdown| breakdown.forks)),
            Column::Archived => number(self.breakdown.map(|breakdown| breakdown.archived)),
            Column::PrivateRepos => number(self.private_repos),
            Column::Verified => self.verified.map_or(Cell::Absent, Cell::Flag),
            Column::Error => self.error.as_deref().map_or(Cell::Absent, |error| Cell::Text(error.into())),
            Column::Via => self.via.map(|via| via.as_str().into()).map_or(Cell::Absent, Cell::Text),
            Column::At => self.at.map_or(Cell::Absent, |at| Cell::Text(at.to_string().into())),
            Column::Attempts => Cell::Number(self.attempts.into()),
        }
    }
}

/// The columns of a report. Their names and order are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// [`Row::login`]
    Login,
    /// [`Row::status`]
    Status,
    /// [`Row::kind`]
    Kind,
    /// [`Row::id`]
    Id,
    /// [`Row::public_repos`]
    PublicRepos,
    /// [`Breakdown::sources`]
    Sources,
    /// [`Breakdown::forks`]
    Forks,
    /// [`Breakdown::archived`]
    Archived,
    /// [`Row::private_repos`]
    PrivateRepos,
    /// [`Row::verified`]
    Verified,
    /// [`Row::error`]
    Error,
    /// [`Row::via`]
    Via,
    /// [`Row::at`]
    At,
    /// [`Row::attempts`]
    Attempts,
}

impl Column {
    /// The columns of a report, in their order.
    #[must_use]
    pub fn of(measures: Measures, verified: bool) -> Vec<Self> {
        let mut columns = vec![Self::Login, Self::Status, Self::Kind, Self::Id, Self::PublicRepos];
        if measures.breakdown {
            columns.extend([Self::Sources, Self::Forks, Self::Archived]);
        }
        if measures.private {
            columns.push(Self::PrivateRepos);
        }
        if verified {
            columns.push(Self::Verified);
        }
        columns.extend([Self::Error, Self::Via, Self::At, Self::Attempts]);
        columns
    }

    /// The key in JSON, the header in CSV.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Status => "status",
            Self::Kind => "kind",
            Self::Id => "id",
            Self::PublicRepos => "public_repos",
            Self::Sources => "sources",
            Self::Forks => "forks",
            Self::Archived => "archived",
            Self::PrivateRepos => "private_repos",
            Self::Verified => "verified",
            Self::Error => "error",
            Self::Via => "via",
            Self::At => "at",
            Self::Attempts => "attempts",
        }
    }
}

/// A value in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell<'a> {
    /// `null`; an empty CSV field.
    Absent,
    /// Text, without control characters.
    Text(Cow<'a, str>),
    /// A count or an id.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}
