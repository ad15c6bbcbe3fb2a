//! Who is in the organisations and teams that were named: listed before anybody is counted.

use crate::config::Config;
use crate::github::Client;
use crate::github::error::LookupError;
use crate::github::members::Group;
use crate::progress::say;
use crate::text::counted;

/// A group cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the members of {group}: {reason}")]
pub struct NotListed {
    group: String,
    reason: String,
}

/// Lists every group. None where the run has ended meanwhile.
pub(super) async fn list(client: &Client, config: &Config) -> Result<Option<Vec<String>>, NotListed> {
    let mut all = Vec::new();
    for group in &config.groups {
        let members = match client.members(group).await {
            Ok(members) => members,
            Err(LookupError::Stopped(_)) => return Ok(None),
            Err(_) if client.governor().stop().is_some() => return Ok(None),
            Err(error) => return Err(explained(group, &error, config)),
        };
        if !config.quiet {
            tell(client, group, members.len(), config).await;
        }
        all.extend(members);
    }
    Ok(Some(all))
}

fn explained(group: &Group, error: &LookupError, config: &Config) -> NotListed {
    let token = config.settings.credentials.is_some();
    let reason = match (error, group) {
        (LookupError::NotFound, Group::Organization(_)) => {
            "there is no such organisation, or it is not to be seen with this token".to_owned()
        }
        (LookupError::NotFound, Group::Team(..)) if !token => {
            "teams are shown to members of their organisation alone: put a token with read:org into GH_TOKEN"
                .to_owned()
        }
        (LookupError::NotFound, Group::Team(..)) => {
            "there is no such team, or the token may not see it: it needs read:org (a fine-grained one: \
             Members, read), and its owner has to be in the organisation"
                .to_owned()
        }
        (LookupError::Forbidden { .. }, _) => {
            format!("{error}. The token needs read:org (a fine-grained one: Members, read)")
        }
        _ => error.to_string(),
    };
    NotListed { group: group.to_string(), reason }
}

/// Says how many there are, and where not all of them were shown.
async fn tell(client: &Client, group: &Group, number: usize, config: &Config) {
    let shown = counted(number as u64, "member", "members");
    let public = match group {
        Group::Team(..) => false,
        Group::Organization(_) if config.settings.credentials.is_none() => true,
        Group::Organization(login) => client.is_member(login).await == Some(false),
    };
    let why = match (public, config.settings.credentials.is_some()) {
        (false, _) => "",
        (true, false) => ", the public ones: without a token there are no others to be seen",
        (true, true) => ", the public ones: the token's owner is not in the organisation",
    };
    say(&format!("{group}: {shown}{why}"));
}
