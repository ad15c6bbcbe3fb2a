//! Members of organizations and teams.

use std::fmt;

use serde::Deserialize;

use super::client::Client;
use super::error::LookupError;
use super::rest::{Existence, Member, Paginator};
use super::retry::AttemptLog;
use crate::login::{Login, is_name_char};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberSource {
    Organization(Login),
    Team(Login, String),
}

impl MemberSource {
    /// Parses `ORG/TEAM`. A slug is the name of a team in lower case with hyphens, as in its URL.
    pub(crate) fn parse_team(text: &str) -> Option<Self> {
        let (organization, slug) = text.trim().split_once('/')?;
        let organization = Login::parse(organization).ok()?;
        // The slug becomes part of a path.
        (!slug.is_empty() && slug.chars().all(is_name_char))
            .then(|| Self::Team(organization, slug.to_owned()))
    }

    fn path(&self) -> String {
        match self {
            Self::Organization(login) => format!("/orgs/{login}/members?per_page=100"),
            Self::Team(login, slug) => format!("/orgs/{login}/teams/{slug}/members?per_page=100"),
        }
    }
}

impl fmt::Display for MemberSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(login) => write!(f, "{login}"),
            Self::Team(login, slug) => write!(f, "{login}/{slug}"),
        }
    }
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Client {
    pub(crate) async fn members(&self, source: &MemberSource) -> Result<Vec<String>, LookupError> {
        let mut pages = Paginator::new(&source.path(), Existence::Unknown, &self.config().endpoint);
        let (mut logins, mut log) = (Vec::new(), AttemptLog::default());
        while let Some(members) = self.get_page(&mut log, &mut pages, "not a list of members").await? {
            logins.extend(members.into_iter().map(|Member { login }| login));
        }
        Ok(logins)
    }

    /// Returns true for a token that sees all members, not only the public ones. None if unknown, as for an app.
    pub(crate) async fn is_member(&self, organization: &Login) -> Option<bool> {
        let route = self.config().endpoint.rest(&format!("/user/memberships/orgs/{organization}"));
        match self.get_best_effort(&route, "missing membership fields").await {
            Some(Ok(Membership { state })) => Some(state == "active"),
            Some(Err(LookupError::NotFound)) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_has_its_own_path_and_no_other() {
        assert_eq!(
            MemberSource::parse_team("acme/Core-Team").unwrap().path(),
            "/orgs/acme/teams/Core-Team/members?per_page=100"
        );
        for wrong in ["acme", "acme/", "/core", "acme/a/b", "acme/..", "acme/a?b", "acme/a%2f", "a b/core"] {
            assert_eq!(MemberSource::parse_team(wrong), None, "{wrong}");
        }
    }
}
