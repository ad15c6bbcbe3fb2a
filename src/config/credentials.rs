//! Credentials: a GitHub App, or the token that `gh` would use.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::error::{AppKeyError, ConfigError};
use super::server::{Env, Server, TokenSources, non_empty_env};
use crate::cli::Cli;
use crate::github::credentials::{
    App, Credentials, ENTERPRISE_TOKEN_ENV_VARS, GH_CLI_SOURCE, TOKEN_ENV_VARS, Token,
};

/// Maximum wait for `gh`, whose keyring may ask for a password.
const GH_CLI_TIMEOUT: Duration = Duration::from_secs(5);

const APP_ID_ENV_VAR: &str = "GHREPOS_APP_ID";
const APP_KEY_ENV_VAR: &str = "GHREPOS_APP_KEY";

/// Returns the credentials for the server: the app if there is one, else the first token of its sources.
pub(super) fn credentials(
    server: &Server,
    cli: &Cli,
    env: &Env<'_>,
) -> Result<Option<Credentials>, ConfigError> {
    let credentials = match app(cli, env)? {
        Some(app) => Some(Credentials::App(app)),
        None => token(&server.tokens, env)?.map(Credentials::Token),
    };
    match credentials {
        Some(credentials) if !server.endpoint.is_secure() => Err(ConfigError::InsecureEndpoint {
            endpoint: server.endpoint.clone(),
            from: credentials.source(),
        }),
        credentials => Ok(credentials),
    }
}

fn app(cli: &Cli, env: &Env<'_>) -> Result<Option<App>, ConfigError> {
    let id = id_or_env(cli.app_id, APP_ID_ENV_VAR, env)?;
    let installation = id_or_env(cli.installation, "GHREPOS_INSTALLATION", env)?;
    let (from, pem) = match (&cli.app_key, non_empty_env(env, APP_KEY_ENV_VAR)) {
        (Some(path), _) => (path.display().to_string(), Some(std::fs::read(path).map_err(AppKeyError::Read))),
        (None, text) => (APP_KEY_ENV_VAR.to_owned(), text.map(|text| key_from_env(&text))),
    };
    let pem = match pem.transpose() {
        Ok(pem) => pem,
        Err(source) => return Err(ConfigError::UnusableAppKey { from, source }),
    };
    match (id, pem) {
        (Some(id), Some(pem)) => match App::new(id, &pem, installation) {
            Ok(app) => Ok(Some(app)),
            Err(error) => Err(ConfigError::UnusableAppKey { from, source: error.into() }),
        },
        (Some(_), None) => {
            let given = if cli.app_id.is_some() { "--app-id" } else { APP_ID_ENV_VAR };
            Err(ConfigError::IncompleteAppCredentials(given, "--app-key or GHREPOS_APP_KEY"))
        }
        (None, Some(_)) => {
            let given = if cli.app_key.is_some() { "--app-key" } else { APP_KEY_ENV_VAR };
            Err(ConfigError::IncompleteAppCredentials(given, "--app-id or GHREPOS_APP_ID"))
        }
        (None, None) if cli.installation.is_some() => {
            Err(ConfigError::IncompleteAppCredentials("--installation", "--app-id and --app-key"))
        }
        (None, None) => Ok(None),
    }
}

fn id_or_env(flag: Option<u64>, variable: &'static str, env: &Env<'_>) -> Result<Option<u64>, ConfigError> {
    match (flag, non_empty_env(env, variable)) {
        (None, Some(text)) => text.trim().parse().map(Some).map_err(|_| ConfigError::InvalidId(variable)),
        (flag, _) => Ok(flag),
    }
}

/// Returns the key that the variable holds, or that of the file that it names.
fn key_from_env(text: &str) -> Result<Vec<u8>, AppKeyError> {
    if text.contains("-----BEGIN") {
        // Secrets that have to be one line have their line ends escaped.
        return Ok(text.trim().trim_matches(['"', '\'']).replace("\\n", "\n").into_bytes());
    }
    std::fs::read(text.trim()).map_err(AppKeyError::NeitherKeyNorFile)
}

fn token(sources: &TokenSources, env: &Env<'_>) -> Result<Option<Token>, ConfigError> {
    for variable in sources.variables {
        if let Some(text) = non_empty_env(env, variable) {
            return Ok(Some(Token::new(&text, variable)?));
        }
    }
    let (Some(host), Some(path)) = (&sources.gh_host, non_empty_env(env, "PATH")) else { return Ok(None) };
    let text = token_from_gh(host, &path);
    Ok(text.map(|text| Token::new(&text, GH_CLI_SOURCE)).transpose()?)
}

/// Runs `gh auth token`. None if `gh` is not installed, or has no login for the host.
fn token_from_gh(host: &str, path: &str) -> Option<String> {
    let name = if cfg!(windows) { "gh.exe" } else { "gh" };
    let program = std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| path.is_file())?;
    let mut command = Command::new(program);
    command.args(["auth", "token", "--hostname", host]).stdin(Stdio::null()).stderr(Stdio::null());
    // gh prefers these variables to its login, without the rules by which they belong to one server.
    for variable in TOKEN_ENV_VARS.iter().chain(&ENTERPRISE_TOKEN_ENV_VARS).chain(&["GH_HOST"]) {
        command.env_remove(variable);
    }
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(command.output()));
    let output = receiver.recv_timeout(GH_CLI_TIMEOUT).ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}
