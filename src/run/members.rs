//! Who is in the organisations and teams that were named: listed before anybody is counted.

use super::advice::{for_members, uses_job_token};
use crate::config::Config;
use crate::github::Client;
use crate::github::error::LookupError;
use crate::github::members::MemberSource;
use crate::progress::eprint_status;
use crate::text::pluralize;

/// A group cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the members of {group}: {reason}")]
pub(crate) struct ListMembersError {
    group: String,
    reason: String,
}

/// Lists every group. None where the run has ended meanwhile.
pub(super) async fn list(client: &Client, config: &Config) -> Result<Option<Vec<String>>, ListMembersError> {
    let mut all = Vec::new();
    for group in &config.member_sources {
        let members = match client.members(group).await {
            Ok(members) => members,
            Err(LookupError::Stopped(_)) => return Ok(None),
            Err(_) if client.limiter().stop.reason().is_some() => return Ok(None),
            Err(error) => return Err(explained(group, &error, config)),
        };
        if !config.quiet {
            tell(client, group, members.len(), config).await;
        }
        all.extend(members);
    }
    Ok(Some(all))
}

fn explained(group: &MemberSource, error: &LookupError, config: &Config) -> ListMembersError {
    let has_token = config.settings.credentials.is_some();
    let reason = match (error, group) {
        (LookupError::NotFound, MemberSource::Organization(_)) if has_token => {
            "organization not found, or not visible to this token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Organization(_)) => {
            "organization not found, or not visible without a token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Team(..)) if !has_token => {
            format!("only members of the organization can see its teams: {}", for_members(config))
        }
        (LookupError::NotFound, MemberSource::Team(..)) => {
            format!("team not found, or not visible to this token: {}", for_members(config))
        }
        // With the address for single sign-on, the error has its own way out, and no scope would help.
        (LookupError::Forbidden { message, sso_url: None }, _) if !names_its_cause(message) => {
            format!("{}; {}", error.to_string().trim_end_matches('.'), for_members(config))
        }
        _ => error.to_string(),
    };
    ListMembersError { group: group.to_string(), reason }
}

/// Whether the server refused for a reason that no scope of the token changes.
fn names_its_cause(message: &str) -> bool {
    ["SAML", "IP allow list", "forbids access via"].iter().any(|cause| message.contains(cause))
}

/// Says how many there are, and where not all of them were shown.
async fn tell(client: &Client, group: &MemberSource, number: usize, config: &Config) {
    let shown = pluralize(number as u64, "member", "members");
    let public = match group {
        MemberSource::Team(..) => false,
        MemberSource::Organization(_) if config.settings.credentials.is_none() => true,
        // It has no user whose membership could be asked for.
        MemberSource::Organization(_) if uses_job_token(config) => true,
        MemberSource::Organization(login) => client.is_member(login).await == Some(false),
    };
    let why = match (public, config.settings.credentials.is_some()) {
        (false, _) => "",
        (true, false) => ", the public ones: without a token there are no others to be seen",
        (true, true) if uses_job_token(config) => ", the public ones: an Actions token cannot see the others",
        (true, true) => ", the public ones: the token's owner is not in the organisation",
    };
    eprint_status(&format!("{group}: {shown}{why}"));
}
