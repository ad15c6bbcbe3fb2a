//! Members of the organizations and teams that were named. They are listed before the first lookup.

use anyhow::bail;

use super::messages::{members_hint, uses_job_token};
use crate::config::Config;
use crate::github::Client;
use crate::github::error::LookupError;
use crate::github::members::MemberSource;
use crate::progress::eprint_status;
use crate::stop::StopReason;
use crate::text::pluralize;

/// Lists the members of every organization and team. None if the run was stopped before all are known.
pub(super) async fn list_members(client: &Client, config: &Config) -> anyhow::Result<Option<Vec<String>>> {
    let stop = &client.limiter().stop;
    let mut all = Vec::new();
    for group in &config.member_sources {
        let members = match client.members(group).await {
            Ok(members) => members,
            Err(LookupError::Stopped(_)) => return Ok(None),
            Err(_) if stop.reason().is_some() => return Ok(None),
            Err(error) => {
                if let Some(reason) = host_failure(&error, client) {
                    stop.request(reason);
                    return Ok(None);
                }
                bail!("cannot list the members of {group}: {}", failure_reason(group, &error, config))
            }
        };
        if !config.quiet {
            print_member_count(client, group, members.len(), config).await;
        }
        all.extend(members);
    }
    let is_stopped = !config.member_sources.is_empty() && stop.reason().is_some();
    Ok((!is_stopped).then_some(all))
}

/// Returns the reason for the end of the run if the host failed: it is unreachable, or not GitHub.
fn host_failure(error: &LookupError, client: &Client) -> Option<StopReason> {
    if client.config().is_replay() {
        return None;
    }
    match error {
        LookupError::NotGithub(response) => Some(StopReason::NotGithub(response.to_string())),
        LookupError::Connect(error) => Some(StopReason::not_connected(error)),
        LookupError::Status { .. }
        | LookupError::TimedOut(_)
        | LookupError::ConnectionClosed(_)
        | LookupError::Truncated(_)
        | LookupError::Malformed(_)
            if error.is_transient() =>
        {
            Some(StopReason::OutOfReach(error.to_string()))
        }
        _ => client.limiter().never_answered(),
    }
}

fn failure_reason(group: &MemberSource, error: &LookupError, config: &Config) -> String {
    let has_token = config.client.credentials.is_some();
    match (error, group) {
        // No token changes a recorded response.
        _ if config.client.is_replay() => error.to_string(),
        (LookupError::NotFound, MemberSource::Organization(_)) if has_token => {
            "organization not found, or not visible to this token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Organization(_)) => {
            "organization not found, or not visible without a token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Team(..)) if !has_token => {
            format!("only members of the organization can see its teams: {}", members_hint(config))
        }
        (LookupError::NotFound, MemberSource::Team(..)) => {
            format!("team not found, or not visible to this token: {}", members_hint(config))
        }
        // An error with a URL for single sign-on has its own way out, and no scope would help.
        (LookupError::Forbidden { message, sso_url: None }, _) if !is_unrelated_to_scopes(message) => {
            format!("{}; {}", error.to_string().trim_end_matches('.'), members_hint(config))
        }
        _ => error.to_string(),
    }
}

/// Returns true for messages with a reason that no scope of the token changes.
fn is_unrelated_to_scopes(message: &str) -> bool {
    ["SAML", "IP allow list", "forbids access via"].iter().any(|cause| message.contains(cause))
}

async fn print_member_count(client: &Client, group: &MemberSource, count: usize, config: &Config) {
    let limited_by = match group {
        // It is not recorded which token was used.
        _ if config.client.is_replay() => "",
        MemberSource::Organization(_) if config.client.credentials.is_none() => {
            ", the public ones: the others are not visible without a token"
        }
        // The membership of an Actions token cannot be requested: it has no user.
        MemberSource::Organization(_) if uses_job_token(config) => {
            ", the public ones: an Actions token cannot see the others"
        }
        MemberSource::Organization(login) if client.is_member(login).await == Some(false) => {
            ", the public ones: the token's owner is not in the organization"
        }
        MemberSource::Organization(_) | MemberSource::Team(..) => "",
    };
    let members = pluralize(count as u64, "member", "members");
    eprint_status(&format!("{group}: {members}{limited_by}"));
}
