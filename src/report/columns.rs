//! The columns of a report, and what stands in them: every format takes both from here, so that none of them
//! leaves one out or calls it something else.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use super::{Change, CountSelection, Row};

/// The columns of a report. Their names and order are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// `login`
    Login,
    /// `status`
    Status,
    /// `kind`
    Kind,
    /// `id`
    Id,
    /// `public_repos`
    PublicRepos,
    /// `sources`
    Sources,
    /// `forks`
    Forks,
    /// `archived`
    Archived,
    /// `private_repos`
    PrivateRepos,
    /// One of the `carried` ones, by its position there
    Carried(usize),
    /// `was`
    Was,
    /// `change`
    Change,
    /// `verified`
    Verified,
    /// `error`
    Error,
    /// `via`
    Via,
    /// `at`
    At,
    /// `attempts`
    Attempts,
    /// `exchange`
    Exchange,
}

impl Column {
    /// The columns that every report of this program can have. Nothing that is carried may be called so.
    pub(crate) const NAMES: [&'static str; 18] = [
        "login",
        "status",
        "kind",
        "id",
        "public_repos",
        "sources",
        "forks",
        "archived",
        "private_repos",
        "carried",
        "was",
        "change",
        "verified",
        "error",
        "via",
        "at",
        "attempts",
        "exchange",
    ];
}

/// What the rows of a report hold, beside what all of them do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportSchema {
    /// Further counts.
    pub(crate) measures: CountSelection,
    /// The names of what is carried from the roster.
    pub(crate) carried: Vec<String>,
    /// What has changed.
    pub(crate) change: bool,
    /// Whether the other API agrees.
    pub(crate) verified: bool,
    /// Where the exchange was recorded.
    pub(crate) exchange: bool,
}

/// The columns of one report, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    list: Vec<Column>,
    carried: Arc<[String]>,
}

impl Columns {
    /// The columns of a report whose rows hold this.
    #[must_use]
    pub(crate) fn of(holds: &ReportSchema) -> Self {
        let mut list = vec![Column::Login, Column::Status, Column::Kind, Column::Id, Column::PublicRepos];
        if holds.measures.breakdown {
            list.extend([Column::Sources, Column::Forks, Column::Archived]);
        }
        if holds.measures.private {
            list.push(Column::PrivateRepos);
        }
        list.extend((0..holds.carried.len()).map(Column::Carried));
        if holds.change {
            list.extend([Column::Was, Column::Change]);
        }
        if holds.verified {
            list.push(Column::Verified);
        }
        list.extend([Column::Error, Column::Via, Column::At, Column::Attempts]);
        if holds.exchange {
            list.push(Column::Exchange);
        }
        Self { list, carried: holds.carried.as_slice().into() }
    }

    /// The columns.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Column> {
        self.list.iter().copied()
    }

    /// The names of those that are carried.
    #[must_use]
    pub(crate) fn carried(&self) -> &[String] {
        &self.carried
    }

    /// The key in JSON, the header in CSV.
    #[must_use]
    pub(crate) fn name(&self, column: Column) -> &str {
        match column {
            Column::Login => "login",
            Column::Status => "status",
            Column::Kind => "kind",
            Column::Id => "id",
            Column::PublicRepos => "public_repos",
            Column::Sources => "sources",
            Column::Forks => "forks",
            Column::Archived => "archived",
            Column::PrivateRepos => "private_repos",
            Column::Carried(at) => self.carried.get(at).map_or("", String::as_str),
            Column::Was => "was",
            Column::Change => "change",
            Column::Verified => "verified",
            Column::Error => "error",
            Column::Via => "via",
            Column::At => "at",
            Column::Attempts => "attempts",
            Column::Exchange => "exchange",
        }
    }
}

impl Row {
    /// What stands in `column`.
    #[must_use]
    pub(crate) fn cell(&self, column: Column) -> Cell<'_> {
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
            Column::Carried(at) => match self.carried.get(at) {
                Some(Some(text)) => Cell::Text(Cow::Borrowed(text)),
                _ => Cell::Absent,
            },
            Column::Was => number(self.was),
            Column::Change => match self.change {
                None => Cell::Absent,
                Some(Change::By(difference)) => Cell::Signed(difference),
                Some(change) => Cell::Text(change.word().unwrap_or_default().into()),
            },
            Column::Verified => self.verified.map_or(Cell::Absent, Cell::Flag),
            Column::Error => self.error.as_deref().map_or(Cell::Absent, |error| Cell::Text(error.into())),
            Column::Via => self.via.map(|via| via.as_str().into()).map_or(Cell::Absent, Cell::Text),
            Column::At => self.at.map_or(Cell::Absent, |at| Cell::Text(at.to_string().into())),
            Column::Attempts => Cell::Number(self.attempts.into()),
            Column::Exchange => self.exchange.as_deref().map_or(Cell::Absent, |path| Cell::Text(path.into())),
        }
    }
}

/// A value in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell<'a> {
    /// `null`; an empty CSV field.
    Absent,
    /// Text, without control characters; what is carried may hold tabs and line ends.
    Text(Cow<'a, str>),
    /// A count or an id.
    Number(u64),
    /// A difference.
    Signed(i64),
    /// Yes or no.
    Flag(bool),
}
