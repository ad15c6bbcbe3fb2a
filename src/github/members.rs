//! Members of organizations, teams and enterprises, and outside collaborators.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::client::Client;
use super::error::LookupError;
use super::rest::{Existence, Member, Paginator};
use super::retry::AttemptLog;
use crate::login::{Login, is_name_char, team_in_address, trim};

/// A list of accounts that GitHub keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberSource {
    Organization {
        login: Login,
        role: Option<MemberRole>,
    },
    /// A team of an organization, by its slug.
    Team(Login, String),
    OutsideCollaborators(Login),
    /// An enterprise, by its slug.
    Enterprise(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberRole {
    Admin,
    Member,
}

impl MemberRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }
}

impl MemberSource {
    /// Parses the login or the address of an organization.
    pub(crate) fn parse_organization(text: &str, web_host: &str) -> Result<Login, String> {
        let login = Login::parse_for_host(text, web_host).map_err(|error| error.to_string())?;
        match trim(text).split_once('/') {
            Some((owner, _)) if owner == login.as_str() => {
                Err("expected an organization; the members of a team are those of --team".into())
            }
            _ => Ok(login),
        }
    }

    /// Parses `ORG/TEAM` or the address of a team. A team is named by its slug, as in its address, or as it is displayed.
    pub(crate) fn parse_team(text: &str, web_host: &str) -> Result<Self, String> {
        let expected = || "expected ORG/TEAM, or the address of a team".to_owned();
        let text = trim(text);
        if let Some(team) = team_in_address(text, web_host) {
            let (organization, slug) = team?;
            let login = Login::exact(&organization).map_err(|error| error.to_string())?;
            return Ok(Self::Team(login, team_slug(&slug).ok_or_else(expected)?));
        }
        let text = text.strip_prefix('@').unwrap_or(text);
        let (organization, team) = text.split_once('/').ok_or_else(expected)?;
        let login = Login::exact(trim(organization)).map_err(|error| error.to_string())?;
        Ok(Self::Team(login, team_slug(team).ok_or_else(expected)?))
    }

    /// Parses the slug or the address of an enterprise.
    pub(crate) fn parse_enterprise(text: &str) -> Result<Self, String> {
        let text = trim(text).trim_end_matches('/');
        let slug = match text.split_once("/enterprises/") {
            Some((_, path)) => path.split(['/', '?', '#']).next().unwrap_or_default(),
            None => text,
        };
        if slug.is_empty() || !slug.chars().all(is_name_char) {
            return Err("expected the name of an enterprise, as in the address of its page".into());
        }
        Ok(Self::Enterprise(slug.to_owned()))
    }

    fn path(&self) -> String {
        match self {
            Self::Organization { login, role: None } => format!("/orgs/{login}/members?per_page=100"),
            Self::Organization { login, role: Some(role) } => {
                format!("/orgs/{login}/members?role={}&per_page=100", role.as_str())
            }
            Self::Team(login, slug) => format!("/orgs/{login}/teams/{slug}/members?per_page=100"),
            Self::OutsideCollaborators(login) => {
                format!("/orgs/{login}/outside_collaborators?per_page=100")
            }
            Self::Enterprise(slug) => format!("/enterprises/{slug}"),
        }
    }

    /// Returns the noun for one account of the list, and for several.
    pub(crate) fn nouns(&self) -> (&'static str, &'static str) {
        match self {
            Self::Organization { role: Some(MemberRole::Admin), .. } => ("admin", "admins"),
            Self::Organization { role: Some(MemberRole::Member), .. } => {
                ("member who is no admin", "members who are not admins")
            }
            Self::OutsideCollaborators(_) => ("outside collaborator", "outside collaborators"),
            _ => ("member", "members"),
        }
    }
}

impl fmt::Display for MemberSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization { login, .. } | Self::OutsideCollaborators(login) => write!(f, "{login}"),
            Self::Team(login, slug) => write!(f, "{login}/{slug}"),
            Self::Enterprise(slug) => write!(f, "enterprise {slug}"),
        }
    }
}

/// Returns the slug of a team as GitHub makes it of a name: in lower case, with hyphens for blanks and signs, and without accents.
/// A slug is its own. None for a text that is neither.
fn team_slug(name: &str) -> Option<String> {
    let name = trim(name);
    // The slug becomes part of a path.
    if !name.is_empty() && name.chars().all(is_name_char) {
        return Some(name.to_owned());
    }
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            c if is_name_char(c) => slug.push(c),
            c if c.is_alphabetic() => slug.push_str(without_accent(c)?),
            ' ' | '&' | '+' | '.' | ',' | '\'' | '(' | ')' | '!' => {
                if !slug.ends_with('-') {
                    slug.push('-');
                }
            }
            _ => return None,
        }
    }
    let slug = slug.trim_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// Returns a Western letter, in lower case, without its accent.
fn without_accent(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => "a",
        'æ' => "ae",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => "o",
        'ß' => "ss",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ý' | 'ÿ' => "y",
        _ => return None,
    })
}

/// The accounts of a list.
#[derive(Debug, Default)]
pub(crate) struct MemberList {
    pub(crate) members: Vec<ListedMember>,
    /// Members that the token cannot see.
    pub(crate) hidden_members: u64,
    pub(crate) hidden: HiddenOrganizations,
}

#[derive(Debug)]
pub(crate) struct ListedMember {
    pub(crate) login: String,
    /// Organizations of an enterprise.
    pub(crate) organizations: Vec<String>,
}

/// Organizations of an enterprise that the token cannot see.
#[derive(Debug, Default)]
pub(crate) struct HiddenOrganizations {
    /// Logins in GitHub's messages.
    pub(crate) names: BTreeSet<String>,
    /// Ids in the header of single sign-on.
    pub(crate) ids: BTreeSet<u64>,
    /// Memberships of members that were listed.
    pub(crate) memberships: u64,
    pub(crate) messages: BTreeSet<String>,
    pub(crate) sso_url: Option<String>,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Client {
    pub(crate) async fn members(&self, source: &MemberSource) -> Result<MemberList, LookupError> {
        if let MemberSource::Enterprise(slug) = source {
            return self.enterprise_members(slug).await;
        }
        let mut pages = Paginator::new(&source.path(), Existence::Unknown, &self.config().endpoint);
        let (mut list, mut log) = (MemberList::default(), AttemptLog::default());
        while let Some(members) = self.get_page(&mut log, &mut pages, "not a list of members").await? {
            let members = members.into_iter();
            list.members
                .extend(members.map(|Member { login }| ListedMember { login, organizations: Vec::new() }));
        }
        Ok(list)
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

    fn team(text: &str) -> Result<String, String> {
        MemberSource::parse_team(text, "github.com").map(|team| team.to_string())
    }

    #[test]
    fn a_team_has_its_own_path_and_no_other() {
        let source = MemberSource::parse_team("acme/Core-Team", "github.com").unwrap();
        assert_eq!(source.path(), "/orgs/acme/teams/Core-Team/members?per_page=100");
        for wrong in [
            "acme",
            "acme/",
            "/core",
            "acme/a/b",
            "acme/..",
            "acme/a?b",
            "acme/a%2f",
            "a b/core",
            "acme/a#b",
            "acme/\u{1b}",
            "https://gitlab.com/orgs/acme/teams/core",
            "https://github.com/acme/core",
            "https://github.com/orgs/acme/teams",
            "acme/東京",
        ] {
            assert!(team(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_team_is_named_by_its_display_name_or_address() {
        for (text, slug) in [
            ("acme/core", "acme/core"),
            ("@acme/core", "acme/core"),
            ("acme/Core Team", "acme/core-team"),
            ("acme / R&D (Zürich)", "acme/r-d-zurich"),
            ("acme/My TEam Näme", "acme/my-team-name"),
            ("acme/Straße", "acme/strasse"),
            ("https://github.com/orgs/acme/teams/core", "acme/core"),
            ("github.com/orgs/acme/teams/core/members?page=2", "acme/core"),
            ("https://api.github.com/orgs/acme/teams/core", "acme/core"),
        ] {
            assert_eq!(team(text).as_deref(), Ok(slug), "{text}");
        }
    }

    #[test]
    fn an_enterprise_is_named_by_its_slug_or_address() {
        for text in ["acme", "https://github.com/enterprises/acme/people", " acme/ "] {
            let source = MemberSource::parse_enterprise(text);
            assert_eq!(source, Ok(MemberSource::Enterprise("acme".into())), "{text}");
        }
        for wrong in ["", "a b", "a/b", "https://github.com/acme", "https://github.com/enterprises/", "a\"b"]
        {
            assert!(MemberSource::parse_enterprise(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_organization_is_no_repository() {
        for text in ["acme", "@acme", "https://github.com/orgs/acme/people", "github.com/acme"] {
            let login = MemberSource::parse_organization(text, "github.com");
            assert_eq!(login.unwrap().as_str(), "acme", "{text}");
        }
        for wrong in ["acme/core", "@acme/core", "a b", ""] {
            assert!(MemberSource::parse_organization(wrong, "github.com").is_err(), "{wrong}");
        }
    }
}
