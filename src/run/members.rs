//! Members of the organizations, teams and enterprises that were named. They are listed before the first lookup.

use anyhow::bail;

use super::messages::{enterprise_hint, members_hint, uses_job_token};
use crate::config::{Config, ConfigError};
use crate::github::Client;
use crate::github::error::LookupError;
use crate::github::members::{ListedMember, MemberList, MemberSource};
use crate::input::InputRecord;
use crate::login::Login;
use crate::progress::eprint_status;
use crate::report::add_groups;
use crate::stop::StopReason;
use crate::text::{pluralize, sanitize_line};

/// Lists the members of every organization, team and enterprise. None if the run was stopped before all are known.
pub(super) async fn list_members(
    client: &Client,
    config: &Config,
) -> anyhow::Result<Option<Vec<InputRecord>>> {
    let stop = &client.limiter().stop;
    let mut all = Vec::new();
    for source in &config.member_sources {
        let list = match client.members(source).await {
            Ok(list) => list,
            Err(LookupError::Stopped(_)) => return Ok(None),
            Err(_) if stop.reason().is_some() => return Ok(None),
            Err(error) => {
                if let Some(reason) = host_failure(&error, client) {
                    stop.request(reason);
                    return Ok(None);
                }
                let (_, members) = source.nouns();
                let reason = failure_reason(source, &error, config);
                let message = format!("cannot list the {members} of {source}: {reason}");
                if is_denied(source, &error) {
                    return Err(ConfigError::AccessDenied(message).into());
                }
                bail!(message)
            }
        };
        if !config.quiet {
            print_member_count(client, source, list.members.len(), config).await;
        }
        print_hidden(source, &list);
        all.extend(list.members.iter().map(|member| record(member, config)));
    }
    let is_stopped = !config.member_sources.is_empty() && stop.reason().is_some();
    Ok((!is_stopped).then_some(all))
}

fn record(member: &ListedMember, config: &Config) -> InputRecord {
    let mut cells = vec![None; config.organization_column.map_or(0, |column| column + 1)];
    if let Some(cell) = cells.last_mut().filter(|_| !member.organizations.is_empty()) {
        add_groups(cell, member.organizations.iter().map(String::as_str));
    }
    InputRecord { login: Login::exact(&member.login), carried: cells.into() }
}

/// Returns true if the token may not see the members of an enterprise, which is the access of the run as a whole.
fn is_denied(source: &MemberSource, error: &LookupError) -> bool {
    matches!(source, MemberSource::Enterprise(_))
        && matches!(error, LookupError::InsufficientScope | LookupError::Forbidden { .. })
}

/// Prints the accounts and organizations of an enterprise that are missing from its list.
fn print_hidden(source: &MemberSource, list: &MemberList) {
    let hidden = &list.hidden;
    if list.hidden_members > 0 {
        let members = pluralize(list.hidden_members, "member is", "members are");
        eprint_status(&format!("warning: {source}: {members} not visible to this token"));
    }
    if hidden.memberships == 0
        && hidden.names.is_empty()
        && hidden.ids.is_empty()
        && hidden.messages.is_empty()
    {
        return;
    }
    let mut what = Vec::new();
    if !hidden.names.is_empty() {
        what.push(hidden.names.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    if !hidden.ids.is_empty() {
        let ids: Vec<_> = hidden.ids.iter().map(u64::to_string).collect();
        what.push(format!("those with the ids {}", ids.join(", ")));
    }
    let what = if what.is_empty() {
        format!("those of {}", pluralize(hidden.memberships, "membership", "memberships"))
    } else {
        what.join(", ")
    };
    let messages: Vec<_> = hidden.messages.iter().map(String::as_str).collect();
    let reason = if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) };
    let sso = hidden.sso_url.as_ref().map(|url| format!(" (authorize the token for SSO at {url})"));
    let line = format!(
        "warning: {source}: organizations that this token cannot see: {what}{reason}{}",
        sso.unwrap_or_default()
    );
    eprint_status(&sanitize_line(&line));
}

/// Returns the reason for the end of the run if the host failed: it is unreachable, or not GitHub.
fn host_failure(error: &LookupError, client: &Client) -> Option<StopReason> {
    if client.config().is_replay() {
        return None;
    }
    match error {
        LookupError::NotGithub(response) | LookupError::QueryNotFound(response) => {
            Some(StopReason::NotGithub(response.to_string()))
        }
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

fn failure_reason(source: &MemberSource, error: &LookupError, config: &Config) -> String {
    let has_token = config.client.credentials.is_some();
    match (error, source) {
        // No token changes a recorded response.
        _ if config.client.is_replay() => error.to_string(),
        (LookupError::NotFound, MemberSource::Enterprise(_)) => {
            "enterprise not found, or not visible to this token".to_owned()
        }
        (LookupError::InsufficientScope, _) => enterprise_hint(config),
        (LookupError::Forbidden { message, sso_url: None }, MemberSource::Enterprise(_))
            if !is_unrelated_to_scopes(message) =>
        {
            format!("{}; {}", error.to_string().trim_end_matches('.'), enterprise_hint(config))
        }
        (_, MemberSource::Enterprise(_)) => error.to_string(),
        (LookupError::NotFound, MemberSource::Organization { .. }) if has_token => {
            "organization not found, or not visible to this token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Organization { .. }) => {
            "organization not found, or not visible without a token".to_owned()
        }
        (LookupError::NotFound, MemberSource::Team(..)) if !has_token => {
            format!("only members of the organization can see its teams: {}", members_hint(config))
        }
        (LookupError::NotFound, MemberSource::Team(..)) => {
            format!("team not found, or not visible to this token: {}", members_hint(config))
        }
        (LookupError::NotFound, MemberSource::OutsideCollaborators(_)) => {
            format!("organization not found, or only its members can see them: {}", members_hint(config))
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

async fn print_member_count(client: &Client, source: &MemberSource, count: usize, config: &Config) {
    let limited_by = match source {
        // It is not recorded which token was used.
        _ if config.client.is_replay() => "",
        MemberSource::Organization { .. } if config.client.credentials.is_none() => {
            " (public ones only: the others are not visible without a token)"
        }
        // The membership of an Actions token cannot be requested: it has no user.
        MemberSource::Organization { .. } if uses_job_token(config) => {
            " (public ones only: an Actions token cannot see the others)"
        }
        MemberSource::Organization { login, .. } if client.is_member(login).await == Some(false) => {
            " (public ones only: the token's owner is not in the organization)"
        }
        _ => "",
    };
    let (one, several) = source.nouns();
    let members = pluralize(count as u64, one, several);
    eprint_status(&format!("{source}: {members}{limited_by}"));
}
