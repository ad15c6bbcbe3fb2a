//! Members of organisations and teams, page by page.

use http::HeaderMap;
use serde::Deserialize;

use super::client::Client;
use super::error::LookupError;
use super::few::Few;
use super::pages::{Pages, Wrong};
use super::rest::next_page_of;
use super::retry::AttemptLog;
use crate::login::Login;

/// A group of accounts that GitHub keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// Everybody in an organisation.
    Organization(Login),
    /// A team of an organisation, by its slug.
    Team(Login, String),
}

impl Group {
    /// Reads `ORG/TEAM`. A team's slug is its name in lower case with hyphens, as in its address.
    #[must_use]
    pub fn team(text: &str) -> Option<Self> {
        let (organization, slug) = text.trim().split_once('/')?;
        let organization = Login::parse(organization).ok()?;
        // It becomes part of a path: what could lead elsewhere never gets that far.
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!slug.is_empty() && slug.chars().all(allowed)).then(|| Self::Team(organization, slug.to_owned()))
    }

    fn path(&self) -> String {
        match self {
            Self::Organization(login) => format!("/orgs/{login}/members?per_page=100"),
            Self::Team(login, slug) => format!("/orgs/{login}/teams/{slug}/members?per_page=100"),
        }
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

const MEMBERS: Wrong = Wrong {
    elsewhere: "a list of members that goes on elsewhere",
    circle: "a list of members that goes in a circle",
    endless: "a list of members without an end",
};

type Page = (Vec<String>, Option<String>);

impl Client {
    /// Lists everybody in a group, at a request for each hundred.
    ///
    /// # Errors
    /// [`LookupError`] where a page could not be had, however often it was asked for.
    pub async fn members(&self, group: &Group) -> Result<Vec<String>, LookupError> {
        let api = &self.config().endpoint;
        let read = |headers: &HeaderMap, body: &[u8]| -> Result<Page, LookupError> {
            let Few(page): Few<Member> =
                serde_json::from_slice(body).map_err(|_| LookupError::Malformed("no list of members"))?;
            Ok((page.into_iter().map(|member| member.login).collect(), next_page_of(headers)))
        };
        let first = api.rest(&group.path());
        let mut pages = Pages::from(&first, api, MEMBERS);
        let (mut members, mut next) = (Vec::new(), Some(first));
        while let Some(route) = next {
            let (page, link) = self.get(&mut AttemptLog::default(), &route, read).await?;
            next = pages.next(page.len(), link.as_deref())?;
            members.extend(page);
        }
        Ok(members)
    }

    /// Whether whoever the token belongs to is a member of an organisation: others are shown its public
    /// members alone. None where GitHub does not tell, as to an app.
    pub async fn is_member(&self, organization: &Login) -> Option<bool> {
        #[derive(Deserialize)]
        struct Membership {
            state: String,
        }
        let route = self.config().endpoint.rest(&format!("/user/memberships/orgs/{organization}"));
        let read = |_: &HeaderMap, body: &[u8]| {
            serde_json::from_slice::<Membership>(body).map_err(|_| LookupError::Malformed("no membership"))
        };
        // It is told as a courtesy: nobody waits for a second attempt.
        match self.get_best_effort(route, read).await {
            Some(Ok(membership)) => Some(membership.state == "active"),
            Some(Err(LookupError::NotFound)) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_leads_to_its_own_path_and_nowhere_else() {
        assert_eq!(
            Group::team("acme/Core-Team").unwrap().path(),
            "/orgs/acme/teams/Core-Team/members?per_page=100"
        );
        for wrong in ["acme", "acme/", "/core", "acme/a/b", "acme/..", "acme/a?b", "acme/a%2f", "a b/core"] {
            assert_eq!(Group::team(wrong), None, "{wrong}");
        }
    }
}
