//! Where the token comes from: where `gh` would take it from.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::ConfigError;
use crate::github::api::Api;
use crate::github::auth::{ENTERPRISE_VARIABLES, GH, Token, VARIABLES};

/// A keyring that wants an answer from somebody is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The token: from the variables, or, where a host is asked, from `gh`.
pub(super) fn token(
    api: &Api,
    ask_gh: bool,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Token>, ConfigError> {
    let variables = if api.is_enterprise() { ENTERPRISE_VARIABLES } else { VARIABLES };
    // An empty variable is what CI gives where a secret is missing: none.
    let set =
        |variable: &&'static str| Some((*variable, env(variable).filter(|text| !text.trim().is_empty())?));
    let from_gh = || Some((GH, gh(api.site(), &env("PATH")?)?));
    let found = variables.iter().find_map(set).or_else(|| if ask_gh { from_gh() } else { None });
    let Some((variable, text)) = found else {
        return Ok(None);
    };
    let token = Token::new(&text, variable)?;
    if !api.is_safe_for_tokens() {
        return Err(ConfigError::TokenInTheClear { api: api.clone(), variable });
    }
    Ok(Some(token))
}

/// What `gh` has for a host, where it is installed and somebody has logged in.
fn gh(host: &str, path: &str) -> Option<String> {
    let name = if cfg!(windows) { "gh.exe" } else { "gh" };
    let program = std::env::split_paths(path).map(|folder| folder.join(name)).find(|path| is_file(path))?;
    let mut command = Command::new(program);
    command.args(["auth", "token", "--hostname", host]).stdin(Stdio::null()).stderr(Stdio::null());
    let (told, answer) = mpsc::channel();
    std::thread::spawn(move || told.send(command.output()));
    let output = answer.recv_timeout(PATIENCE).ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}
