//! The server to query, and the tokens that may be sent to it: one table for all flags and variables.
//!
//! | queried server | token variables, in order |
//! |---|---|
//! | github.com, ghe.com; another address from `--api-url` | `GH_TOKEN`, `GITHUB_TOKEN` |
//! | Enterprise Server | `GH_ENTERPRISE_TOKEN`, `GITHUB_ENTERPRISE_TOKEN` |
//! | another address from `GITHUB_API_URL` | `GITHUB_TOKEN` |
//!
//! Inside GitHub Actions `GITHUB_TOKEN` belongs to the server that runs the job. It is also read for that server if it is
//! an Enterprise Server, and for no other server.

use super::ConfigError;
use crate::github::credentials::{ENTERPRISE_TOKEN_ENV_VARS, JOB_TOKEN_ENV_VAR, TOKEN_ENV_VARS};
use crate::github::endpoint::{ApiEndpoint, InvalidEndpoint, bare_host};
use crate::github::transport::TransportMode;
use crate::text::{redact_url, sanitize_line};

const GITHUB: &str = "github.com";

/// Flags that name a server.
#[derive(Clone, Copy, Default)]
pub(super) struct ServerFlags<'a> {
    pub(super) api_url: Option<&'a str>,
    pub(super) host: Option<&'a str>,
}

/// The server to query, and the tokens that may be sent to it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) endpoint: ApiEndpoint,
    pub(super) tokens: TokenSources,
}

/// Sources of a token for the queried server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenSources {
    /// Variables in the order in which they are read.
    pub(super) variables: &'static [&'static str],
    /// Host for `gh auth token --hostname`. None where `gh` has no login for the address.
    pub(super) gh_host: Option<String>,
    job: Job,
    /// Why `GITHUB_TOKEN` is not read although it is set.
    withheld: Option<String>,
}

/// The GitHub Actions job that this program runs in, as seen from the queried server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    /// Not inside GitHub Actions.
    None,
    /// The queried server runs the job.
    SameServer,
    /// Another server runs the job, or one that its variables do not tell.
    OtherServer,
}

/// What decided the address of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DecidedBy {
    ApiUrl,
    Host,
    JobVariables,
    Default,
}

type Env<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The value of a variable. CI sets an empty one where a secret or an input is missing.
pub(super) fn non_empty_env(env: &Env<'_>, variable: &str) -> Option<String> {
    env(variable).filter(|text| !text.trim().is_empty())
}

impl Server {
    /// Chooses the server by `--api-url`, `--host`, `GH_HOST` or the Actions job, in this order; else github.com.
    pub(super) fn choose(
        flags: ServerFlags<'_>,
        transport: &TransportMode,
        env: &Env<'_>,
    ) -> Result<Self, ConfigError> {
        // A recording of github.com is often replayed where the environment names an Enterprise Server.
        let reads_environment = match transport {
            TransportMode::Replay(folder) => folder.join("api/v3").is_dir(),
            TransportMode::Network | TransportMode::Record(_) => true,
        };
        let (endpoint, by) = if let Some(url) = flags.api_url {
            (parse_api_url(url, "--api-url")?, DecidedBy::ApiUrl)
        } else if let Some(host) = flags.host {
            (parse_host(host, "--host")?, DecidedBy::Host)
        } else if !reads_environment {
            (ApiEndpoint::default(), DecidedBy::Default)
        } else if let Some(host) = non_empty_env(env, "GH_HOST") {
            (parse_host(&host, "GH_HOST")?, DecidedBy::Host)
        } else if let Some(endpoint) = job_endpoint(env)? {
            (endpoint, DecidedBy::JobVariables)
        } else {
            (ApiEndpoint::default(), DecidedBy::Default)
        };
        let tokens = TokenSources::of(&endpoint, by, env);
        Ok(Self { endpoint, tokens })
    }
}

impl TokenSources {
    fn of(endpoint: &ApiEndpoint, by: DecidedBy, env: &Env<'_>) -> Self {
        let (job, reason) = match job_endpoint(env) {
            Ok(None) => (Job::None, None),
            Ok(Some(own)) if own == *endpoint => (Job::SameServer, None),
            Ok(Some(own)) => {
                (Job::OtherServer, Some(format!("{JOB_TOKEN_ENV_VAR} belongs to {}", name(&own))))
            }
            Err(_) => (Job::OtherServer, Some(format!("the server of {JOB_TOKEN_ENV_VAR} is unknown"))),
        };
        let is_known = endpoint.is_github_cloud() || endpoint.is_enterprise();
        let is_job_gateway = by == DecidedBy::JobVariables && !is_known;
        let variables: &[&str] = match (endpoint.is_enterprise(), job) {
            _ if is_job_gateway => &[JOB_TOKEN_ENV_VAR],
            (false, Job::None | Job::SameServer) => &TOKEN_ENV_VARS,
            (false, Job::OtherServer) => &["GH_TOKEN"],
            (true, Job::None | Job::OtherServer) => &ENTERPRISE_TOKEN_ENV_VARS,
            (true, Job::SameServer) => &["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", JOB_TOKEN_ENV_VAR],
        };
        let asks_gh = by != DecidedBy::ApiUrl && !is_job_gateway;
        Self {
            variables,
            gh_host: asks_gh.then(|| endpoint.web_host().to_owned()),
            job,
            withheld: reason.filter(|_| non_empty_env(env, JOB_TOKEN_ENV_VAR).is_some()),
        }
    }

    /// The variable for a person's token.
    #[must_use]
    pub(crate) fn variable(&self) -> &'static str {
        self.variables.first().copied().unwrap_or(JOB_TOKEN_ENV_VAR)
    }

    /// Whether a token from `source` is that of the Actions job.
    #[must_use]
    pub(crate) fn is_of_job(&self, source: &str) -> bool {
        self.job == Job::SameServer && source == JOB_TOKEN_ENV_VAR
    }

    /// Whether the queried server runs the Actions job, so that the token of the job is the way out.
    #[must_use]
    pub(crate) fn can_use_job_token(&self) -> bool {
        self.job == Job::SameServer
    }

    /// Why `GITHUB_TOKEN` is not read although it is set.
    #[must_use]
    pub(crate) fn withheld(&self) -> Option<&str> {
        self.withheld.as_deref()
    }

    /// How to provide a token: `set GH_TOKEN or run gh auth login`.
    #[must_use]
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

    /// `gh auth login` or another command of `gh auth`, for the queried server.
    #[must_use]
    pub(crate) fn gh_command(&self, command: &str) -> Option<String> {
        let host = self.gh_host.as_deref()?;
        let hostname = if host == GITHUB { String::new() } else { format!(" --hostname {host}") };
        Some(format!("gh auth {command}{hostname}"))
    }
}

/// The error where `flag` needs a token and there is none.
pub(super) fn needs_token(flag: &'static str, server: &Server) -> ConfigError {
    ConfigError::NeedsToken { flag, way_out: server.tokens.way_out() }
}

/// The API of the server that runs this program as a job of GitHub Actions. None outside of Actions.
fn job_endpoint(env: &Env<'_>) -> Result<Option<ApiEndpoint>, ConfigError> {
    if env("GITHUB_ACTIONS").as_deref() != Some("true") {
        return Ok(None);
    }
    let (api_url, server_url) =
        (non_empty_env(env, "GITHUB_API_URL"), non_empty_env(env, "GITHUB_SERVER_URL"));
    let endpoint = api_url.as_deref().map(|url| parse_api_url(url, "GITHUB_API_URL")).transpose()?;
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
    ApiEndpoint::parse(url).map_err(|reason| ConfigError::InvalidEndpoint {
        url: redact_url(url),
        from,
        reason,
    })
}

fn parse_server_url(url: &str) -> Result<ApiEndpoint, ConfigError> {
    ApiEndpoint::from_server_url(url).map_err(|reason| not_a_host(url, "GITHUB_SERVER_URL", reason))
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
    ApiEndpoint::from_host(host).map_err(|reason| not_a_host(host, from, reason))
}

fn not_a_host(host: &str, from: &'static str, reason: InvalidEndpoint) -> ConfigError {
    // The part before an @ may be a token.
    let host = sanitize_line(host.rsplit('@').next().unwrap_or_default()).into_owned();
    ConfigError::NotAHost { host, from, reason }
}

/// The name of a server, for people.
fn name(endpoint: &ApiEndpoint) -> String {
    if endpoint.is_github_cloud() || endpoint.is_enterprise() {
        endpoint.web_host().to_owned()
    } else {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests;
