//! Members of organizations and teams.

use std::fmt;

use http::HeaderMap;
use serde::Deserialize;

use super::client::Client;
use super::error::LookupError;
use super::rest::{BoundedVec, Paginator, next_link, parse_json};
use super::retry::AttemptLog;
use crate::login::Login;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberSource {
    Organization(Login),
    /// A team of an organization, by its slug.
    Team(Login, String),
}

impl MemberSource {
    /// Parses `ORG/TEAM`. A slug is the name of a team in lower case with hyphens, as in its URL.
    pub(crate) fn parse_team(text: &str) -> Option<Self> {
        let (organization, slug) = text.trim().split_once('/')?;
        let organization = Login::parse(organization).ok()?;
        // The slug becomes part of a path.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!slug.is_empty() && slug.chars().all(is_allowed)).then(|| Self::Team(organization, slug.to_owned()))
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
struct Member {
    login: String,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Client {
    /// Returns the logins of all members, with one request per hundred.
    pub(crate) async fn members(&self, source: &MemberSource) -> Result<Vec<String>, LookupError> {
        let endpoint = &self.config().endpoint;
        let first = endpoint.rest(&source.path());
        let mut paginator = Paginator::new(&first, endpoint);
        let (mut logins, mut next) = (Vec::new(), Some(first));
        while let Some(route) = next {
            let parse = |headers: &HeaderMap, body: &[u8]| {
                let members: BoundedVec<Member> = parse_json(body, "not a list of members")?;
                Ok((members.0, next_link(headers)))
            };
            let (members, link) = self.get(&mut AttemptLog::default(), &route, parse).await?;
            next = paginator.next_page(members.len(), link.as_deref())?;
            logins.extend(members.into_iter().map(|member| member.login));
        }
        Ok(logins)
    }

    /// Whether the token's owner is a member of an organization: others see only its public members. None if unknown, as for an
    /// app.
    pub(crate) async fn is_member(&self, organization: &Login) -> Option<bool> {
        let route = self.config().endpoint.rest(&format!("/user/memberships/orgs/{organization}"));
        let parse = |_: &HeaderMap, body: &[u8]| parse_json(body, "missing membership fields");
        match self.get_best_effort(route, parse).await {
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
