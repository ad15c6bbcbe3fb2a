//! Lists of members: `--members`, `--team`, `--outside-collaborators`, `--enterprise`.

use super::ConfigError;
use super::outputs::ORGANIZATIONS;
use crate::cli::Cli;
use crate::github::members::MemberSource;

pub(super) fn are_listed(cli: &Cli) -> bool {
    [&cli.members, &cli.teams, &cli.outside_collaborators, &cli.enterprises]
        .iter()
        .any(|lists| !lists.is_empty())
}

/// Returns true if a column is the organizations of an enterprise, which are no column of a sheet.
pub(super) fn is_organization_column(cli: &Cli, column: &str) -> bool {
    !cli.enterprises.is_empty() && column.trim().eq_ignore_ascii_case(ORGANIZATIONS)
}

pub(super) fn member_sources(cli: &Cli, web_host: &str) -> Result<Vec<MemberSource>, ConfigError> {
    let role = cli.role.map(Into::into);
    let organization = |text: &str| MemberSource::parse_organization(text, web_host);
    let mut sources = Vec::new();
    for value in &cli.members {
        let source = organization(value).map(|login| MemberSource::Organization { login, role });
        sources.push(source.map_err(|reason| invalid("--members", value, reason))?);
    }
    for value in &cli.teams {
        let source = MemberSource::parse_team(value, web_host);
        sources.push(source.map_err(|reason| invalid("--team", value, reason))?);
    }
    for value in &cli.outside_collaborators {
        let source = organization(value).map(MemberSource::OutsideCollaborators);
        sources.push(source.map_err(|reason| invalid("--outside-collaborators", value, reason))?);
    }
    for value in &cli.enterprises {
        let source = MemberSource::parse_enterprise(value);
        sources.push(source.map_err(|reason| invalid("--enterprise", value, reason))?);
    }
    Ok(sources)
}

fn invalid(flag: &'static str, value: &str, reason: String) -> ConfigError {
    ConfigError::InvalidMemberSource { flag, value: value.to_owned(), reason }
}
