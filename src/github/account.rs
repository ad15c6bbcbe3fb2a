//! Results of a lookup.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::login::Login;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) login: Login,
    /// None if it is not one of [`AccountKind`].
    pub(crate) kind: Option<AccountKind>,
    pub(crate) id: Option<u64>,
    /// Public repositories that the account owns, forks included.
    pub(crate) public_repos: u64,
    /// None unless [`CountSelection::breakdown`] is set.
    pub(crate) breakdown: Option<Breakdown>,
    /// None unless [`CountSelection::private`] is set, and where the token may not see all of them.
    pub(crate) private_repos: Option<u64>,
    /// Like `private_repos`: repositories that all members of the organization's enterprise can see.
    pub(crate) internal_repos: Option<u64>,
    /// None unless [`CountSelection::last_push`] is set, and without a visible push.
    pub(crate) last_push: Option<Timestamp>,
}

impl Account {
    /// Makes an account without the counts of [`CountSelection`].
    pub(super) fn new(login: Login, kind: Option<AccountKind>, id: Option<u64>, public_repos: u64) -> Self {
        Self {
            login,
            kind,
            id,
            public_repos,
            breakdown: None,
            private_repos: None,
            internal_repos: None,
            last_push: None,
        }
    }
}

/// Kind of an account; GitHub's REST API calls it `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountKind {
    /// A person's account.
    User,
    /// An organization.
    Organization,
    /// The account of an app, `name[bot]`.
    Bot,
}

impl AccountKind {
    /// Parses the name in reports, `user`, or GitHub's, `User`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let kinds = [Self::User, Self::Organization, Self::Bot];
        kinds.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns the name in reports: `user`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Organization => "organization",
            Self::Bot => "bot",
        }
    }
}

/// One of GitHub's APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ApiKind {
    /// One query for up to a hundred accounts.
    Graphql,
    /// `GET /users/{login}`.
    Rest,
}

impl ApiKind {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Graphql, Self::Rest].into_iter().find(|api| api.as_str() == word)
    }

    /// Returns the name in reports and of `--api`: `graphql`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Graphql => "graphql",
            Self::Rest => "rest",
        }
    }
}

/// Measures to request beside the public repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountSelection {
    /// Sources, forks and archived repositories among the public ones.
    pub breakdown: bool,
    /// Private and internal repositories, where the token can see all of them. GraphQL only.
    pub private: bool,
    /// The latest push to a public repository. Over REST, one more request for each account with repositories.
    pub last_push: bool,
}

/// Public repositories by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breakdown {
    /// Repositories that are not forks.
    pub sources: u64,
    /// Forks.
    pub forks: u64,
    /// Archived repositories, sources and forks alike.
    pub archived: u64,
}

/// The user or app that the requests are authenticated as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Login of the token's owner. None without a token, or if GitHub does not say.
    pub(crate) viewer: Option<String>,
    pub(crate) app: Option<String>,
}
