//! The server to query, its API, and the tokens that may be sent to it: one table for all flags and variables.
//!
//! | queried server | token variables, in order |
//! |---|---|
//! | github.com, ghe.com; another address from `--api-url` | `GH_TOKEN`, `GITHUB_TOKEN` |
//! | Enterprise Server | `GH_ENTERPRISE_TOKEN`, `GITHUB_ENTERPRISE_TOKEN` |
//! | another address from `GITHUB_API_URL` | `GITHUB_TOKEN` |
//!
//! Inside GitHub Actions `GITHUB_TOKEN` belongs to the server that runs the job. It is also read for that server if it is
//! an Enterprise Server, and for no other server.

use std::path::Path;

use super::ConfigError;
use crate::cli::{ApiChoice, Cli};
use crate::github::cassette;
use crate::github::config::TransportMode;
use crate::github::credentials::{ENTERPRISE_TOKEN_ENV_VARS, JOB_TOKEN_ENV_VAR, TOKEN_ENV_VARS};
use crate::github::endpoint::{ApiEndpoint, InvalidEndpoint, bare_host};
use crate::report::ApiKind;
use crate::text::{redact_url, sanitize_line};

const GITHUB: &str = "github.com";
const API_URL_FLAG: &str = "--api-url";
const JOB_API_ENV_VAR: &str = "GITHUB_API_URL";
const JOB_SERVER_ENV_VAR: &str = "GITHUB_SERVER_URL";

#[derive(Debug)]
pub(super) struct Server {
    pub(super) endpoint: ApiEndpoint,
    /// Flag or variable that named the server. None for the default.
    pub(super) chosen_by: Option<&'static str>,
    pub(super) tokens: TokenSources,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenSources {
    /// Variables in the order in which they are read.
    pub(super) variables: &'static [&'static str],
    /// Host for `gh auth token --hostname`. None where `gh` has no login for the address.
    pub(super) gh_host: Option<String>,
    job: Job,
    /// Reason for which `GITHUB_TOKEN` is not read although it is set.
    pub(crate) withheld: Option<String>,
}

/// The GitHub Actions job that this program runs in, as seen from the queried server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    None,
    SameServer,
    /// Another server runs the job, or one that its variables do not name.
    OtherServer,
}

pub(super) type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Returns the value of a variable. CI sets an empty one where a secret or an input is missing.
pub(super) fn non_empty_env(env: &Env<'_>, variable: &str) -> Option<String> {
    env(variable).filter(|text| !text.trim().is_empty())
}

impl Server {
    /// Chooses the server by `--api-url`, `--host`, `GH_HOST` or the Actions job, in this order; else github.com. A replay is
    /// that of the recorded server, whatever the environment names.
    pub(super) fn choose(cli: &Cli, transport: &TransportMode, env: &Env<'_>) -> Result<Self, ConfigError> {
        let (endpoint, chosen_by) = if let Some(url) = &cli.api_url {
            (parse_api_url(url, API_URL_FLAG)?, Some(API_URL_FLAG))
        } else if let Some(host) = &cli.host {
            (parse_host(host, "--host")?, Some("--host"))
        } else if let TransportMode::Replay(folder) = transport {
            (recorded_endpoint(folder).unwrap_or_default(), None)
        } else if let Some(host) = non_empty_env(env, "GH_HOST") {
            (parse_host(&host, "GH_HOST")?, Some("GH_HOST"))
        } else if let Some(endpoint) = job_endpoint(env)? {
            let variables = [JOB_API_ENV_VAR, JOB_SERVER_ENV_VAR];
            (endpoint, variables.into_iter().find(|variable| non_empty_env(env, variable).is_some()))
        } else {
            (ApiEndpoint::default(), None)
        };
        let tokens = TokenSources::new(&endpoint, chosen_by, env);
        Ok(Self { endpoint, chosen_by, tokens })
    }

    /// Chooses the API. A recording decides by its contents.
    pub(super) fn api(
        &self,
        choice: ApiChoice,
        has_token: bool,
        transport: &TransportMode,
    ) -> Result<ApiKind, ConfigError> {
        let is_graphql_available = match transport {
            TransportMode::Replay(folder) => {
                folder.join(self.endpoint.graphql().trim_start_matches('/')).is_dir()
            }
            TransportMode::Network | TransportMode::Record(_) => has_token,
        };
        match choice {
            ApiChoice::Graphql if !has_token && !matches!(transport, TransportMode::Replay(_)) => {
                Err(self.token_required_by("--api graphql"))
            }
            ApiChoice::Graphql => Ok(ApiKind::Graphql),
            ApiChoice::Auto if is_graphql_available => Ok(ApiKind::Graphql),
            ApiChoice::Auto | ApiChoice::Rest => Ok(ApiKind::Rest),
        }
    }

    pub(super) fn token_required_by(&self, flag: &'static str) -> ConfigError {
        ConfigError::TokenRequired { flag, way_out: self.tokens.way_out() }
    }
}

impl TokenSources {
    fn new(endpoint: &ApiEndpoint, chosen_by: Option<&str>, env: &Env<'_>) -> Self {
        let (job, reason) = match job_endpoint(env) {
            Ok(None) => (Job::None, None),
            Ok(Some(own)) if own == *endpoint => (Job::SameServer, None),
            Ok(Some(own)) => {
                (Job::OtherServer, Some(format!("{JOB_TOKEN_ENV_VAR} belongs to {}", name(&own))))
            }
            Err(_) => (Job::OtherServer, Some(format!("the server of {JOB_TOKEN_ENV_VAR} is unknown"))),
        };
        let is_known = endpoint.is_github_cloud() || endpoint.is_enterprise();
        let is_job_gateway = chosen_by == Some(JOB_API_ENV_VAR) && !is_known;
        let variables: &[&str] = match (endpoint.is_enterprise(), job) {
            _ if is_job_gateway => &[JOB_TOKEN_ENV_VAR],
            (false, Job::None | Job::SameServer) => &TOKEN_ENV_VARS,
            (false, Job::OtherServer) => &["GH_TOKEN"],
            (true, Job::None | Job::OtherServer) => &ENTERPRISE_TOKEN_ENV_VARS,
            (true, Job::SameServer) => &["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", JOB_TOKEN_ENV_VAR],
        };
        let has_gh_login = chosen_by != Some(API_URL_FLAG) && !is_job_gateway;
        Self {
            variables,
            gh_host: has_gh_login.then(|| endpoint.web_host().to_owned()),
            job,
            withheld: reason.filter(|_| non_empty_env(env, JOB_TOKEN_ENV_VAR).is_some()),
        }
    }

    /// Returns the variable for a person's token.
    pub(crate) fn variable(&self) -> &'static str {
        self.variables.first().copied().unwrap_or(JOB_TOKEN_ENV_VAR)
    }

    /// Returns true if the queried server runs the Actions job and accepts its token.
    pub(crate) fn can_use_job_token(&self) -> bool {
        self.job == Job::SameServer
    }

    /// Returns the way to provide a token: `set GH_TOKEN or run gh auth login`.
    pub(crate) fn way_out(&self) -> String {
        let variable = self.variable();
        match (self.job, &self.withheld) {
            (Job::SameServer, _) => format!("set {JOB_TOKEN_ENV_VAR} to ${{{{ github.token }}}}"),
            (_, Some(reason)) => format!("set {variable} ({reason})"),
            (Job::OtherServer, None) => format!("set {variable}"),
            (Job::None, None) => match self.gh_command("login") {
                Some(login) => format!("set {variable} or run {login}"),
                None => format!("set {variable}"),
            },
        }
    }

    /// Returns `gh auth login` or another command of `gh auth`, for the queried server.
    pub(crate) fn gh_command(&self, command: &str) -> Option<String> {
        let host = self.gh_host.as_deref()?;
        let hostname = if host == GITHUB { String::new() } else { format!(" --hostname {host}") };
        Some(format!("gh auth {command}{hostname}"))
    }
}

/// Returns the API that the manifest of a recording names. A folder written by hand has no manifest.
fn recorded_endpoint(folder: &Path) -> Option<ApiEndpoint> {
    let manifest = cassette::read(&folder.join(cassette::MANIFEST)).ok()?;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).ok()?;
    ApiEndpoint::parse(manifest.get("api")?.as_str()?).ok()
}

/// Returns the API of the server that runs this program as a job of GitHub Actions. None outside of Actions.
fn job_endpoint(env: &Env<'_>) -> Result<Option<ApiEndpoint>, ConfigError> {
    if env("GITHUB_ACTIONS").as_deref() != Some("true") {
        return Ok(None);
    }
    let (api_url, server_url) = (non_empty_env(env, JOB_API_ENV_VAR), non_empty_env(env, JOB_SERVER_ENV_VAR));
    let endpoint = api_url.as_deref().map(|url| parse_api_url(url, JOB_API_ENV_VAR)).transpose()?;
    let server = server_url.as_deref().map(parse_server_url).transpose()?;
    match (endpoint, server) {
        (Some(endpoint), Some(server)) if endpoint.origin() != server.origin() => {
            Err(ConfigError::ConflictingServers {
                api_url: redact_url(&api_url.unwrap_or_default()),
                server_url: redact_url(&server_url.unwrap_or_default()),
            })
        }
        (Some(endpoint), _) | (None, Some(endpoint)) => Ok(Some(endpoint)),
        (None, None) => Ok(Some(ApiEndpoint::default())),
    }
}

fn parse_api_url(url: &str, from: &'static str) -> Result<ApiEndpoint, ConfigError> {
    ApiEndpoint::parse(url).map_err(|source| ConfigError::InvalidEndpoint {
        url: redact_url(url),
        from,
        source,
    })
}

fn parse_server_url(url: &str) -> Result<ApiEndpoint, ConfigError> {
    ApiEndpoint::from_server_url(url).map_err(|source| invalid_host(url, JOB_SERVER_ENV_VAR, source))
}

fn parse_host(host: &str, from: &'static str) -> Result<ApiEndpoint, ConfigError> {
    let bare = bare_host(host);
    // One letter off is more likely a typo than a server.
    if strsim::damerau_levenshtein(&bare, GITHUB) == 1 {
        return Err(ConfigError::MistypedHost {
            host: sanitize_line(&bare).into_owned(),
            from,
            meant: GITHUB,
        });
    }
    ApiEndpoint::from_host(host).map_err(|source| invalid_host(host, from, source))
}

fn invalid_host(host: &str, from: &'static str, source: InvalidEndpoint) -> ConfigError {
    // The part before an @ may be a token.
    let host = sanitize_line(host.rsplit('@').next().unwrap_or_default()).into_owned();
    ConfigError::InvalidHost { host, from, source }
}

fn name(endpoint: &ApiEndpoint) -> String {
    if endpoint.is_github_cloud() || endpoint.is_enterprise() {
        endpoint.web_host().to_owned()
    } else {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests;
