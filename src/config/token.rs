//! Who asks: an app, or whoever has the token that `gh` would take.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::ConfigError;
use super::server::{Server, TokenSources, non_empty_env};
use crate::github::app::App;
use crate::github::app::Credentials;
use crate::github::auth::{ENTERPRISE_TOKEN_ENV_VARS, GH_CLI_SOURCE, TOKEN_ENV_VARS, Token};

/// Longest wait for `gh`, whose keyring may ask for a password.
const GH_CLI_TIMEOUT: Duration = Duration::from_secs(5);

/// The variable with an app's key.
const APP_KEY: &str = "GHREPOS_APP_KEY";

/// What was said of an app on the command line.
#[derive(Default)]
pub(super) struct AppFlags {
    pub(super) id: Option<u64>,
    pub(super) key: Option<PathBuf>,
    pub(super) installation: Option<u64>,
}

/// The credentials for the server: the app if there is one, else the first token of its sources.
pub(super) fn credentials(
    server: &Server,
    flags: AppFlags,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Credentials>, ConfigError> {
    let set = |variable: &str| non_empty_env(env, variable);
    let credentials = match app(flags, &set)? {
        Some(app) => Some(Credentials::App(app)),
        None => token(&server.tokens, &set)?.map(Credentials::Token),
    };
    match credentials {
        Some(credentials) if !server.endpoint.is_secure() => Err(ConfigError::InsecureEndpoint {
            endpoint: server.endpoint.clone(),
            from: credentials.source(),
        }),
        credentials => Ok(credentials),
    }
}

fn app(flags: AppFlags, set: &dyn Fn(&str) -> Option<String>) -> Result<Option<App>, ConfigError> {
    let number = |flag: Option<u64>, variable: &'static str| match (flag, set(variable)) {
        (None, Some(text)) => text.trim().parse().map(Some).map_err(|_| ConfigError::NotAnId(variable)),
        (flag, _) => Ok(flag),
    };
    let id = number(flags.id, "GHREPOS_APP_ID")?;
    let installation = number(flags.installation, "GHREPOS_INSTALLATION")?;
    let key = match flags.key {
        Some(path) => {
            let from = path.display().to_string();
            let pem = std::fs::read(&path).map_err(|error| ConfigError::NoKey {
                from: from.clone(),
                reason: crate::text::io_message(&error),
            })?;
            Some((from, pem))
        }
        None => set(APP_KEY).map(|text| key(&text)).transpose()?,
    };
    match (id, key) {
        (Some(id), Some((from, pem))) => App::new(id, &pem, installation)
            .map(Some)
            .map_err(|reason| ConfigError::NoKey { from, reason: reason.to_string() }),
        (Some(_), None) => Err(ConfigError::HalfAnApp("--app-id", "--app-key")),
        (None, Some(_)) => Err(ConfigError::HalfAnApp("--app-key", "--app-id")),
        (None, None) if flags.installation.is_some() => {
            Err(ConfigError::HalfAnApp("--installation", "--app-id and --app-key"))
        }
        (None, None) => Ok(None),
    }
}

/// The key that the variable holds, or the file that it names. What is neither is never shown: it may
/// well be a key all the same.
fn key(text: &str) -> Result<(String, Vec<u8>), ConfigError> {
    let from = APP_KEY.to_owned();
    if text.contains("-----BEGIN") {
        // What keeps secrets in one line writes its ends like this.
        let pem = text.trim().trim_matches(['"', '\'']).replace("\\n", "\n").into_bytes();
        return Ok((from, pem));
    }
    match std::fs::read(text.trim()) {
        Ok(pem) => Ok((from, pem)),
        Err(_) => Err(ConfigError::NoKey {
            from,
            reason: "it is neither a private key in PEM format nor a file that can be read".into(),
        }),
    }
}

fn token(sources: &TokenSources, set: &dyn Fn(&str) -> Option<String>) -> Result<Option<Token>, ConfigError> {
    let from_gh = || Some((GH_CLI_SOURCE, gh(sources.gh_host.as_deref()?, &set("PATH")?)?));
    let found = sources.variables.iter().find_map(|variable| Some((*variable, set(variable)?)));
    let token = found.or_else(from_gh).map(|(source, text)| Token::new(&text, source));
    token.transpose().map_err(Into::into)
}

/// The token of `gh` for a host, where `gh` is installed and has a login for it.
fn gh(host: &str, path: &str) -> Option<String> {
    let name = if cfg!(windows) { "gh.exe" } else { "gh" };
    let program = std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| is_file(path))?;
    let mut command = Command::new(program);
    command.args(["auth", "token", "--hostname", host]).stdin(Stdio::null()).stderr(Stdio::null());
    // gh prefers these variables to its login, without the rules by which they belong to one server.
    for variable in TOKEN_ENV_VARS.iter().chain(&ENTERPRISE_TOKEN_ENV_VARS).chain(&["GH_HOST"]) {
        command.env_remove(variable);
    }
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || told.send(command.output()));
    let output = answer.recv_timeout(GH_CLI_TIMEOUT).ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}
