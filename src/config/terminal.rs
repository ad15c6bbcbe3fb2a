//! What the terminals can show: colours, characters, width. The environment is read here, so that no renderer
//! has to know of it.

use std::io::IsTerminal;

use crate::cli::When;
use crate::progress::ProgressMode;
use crate::render::TerminalStyle;

/// How the table may look on standard output.
pub(super) fn look(color: When, env: &dyn Fn(&str) -> Option<String>) -> TerminalStyle {
    let stdout = std::io::stdout();
    let terminal = stdout.is_terminal();
    let width = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0);
    TerminalStyle {
        color: colors(color, terminal, env),
        unicode: is_utf8(env),
        width: if terminal { width() } else { None },
    }
}

/// How progress is shown on standard error.
pub(super) fn progress(when: When, quiet: bool, env: &dyn Fn(&str) -> Option<String>) -> ProgressMode {
    match (quiet, when, std::io::stderr().is_terminal()) {
        (true, _, _) | (_, When::Never, _) => ProgressMode::Hidden,
        (_, When::Auto, false) => ProgressMode::Waits,
        (_, When::Always, false) => ProgressMode::Lines,
        _ if env("TERM").is_some_and(|term| term == "dumb") => ProgressMode::Lines,
        _ => ProgressMode::Bar,
    }
}

fn colors(when: When, terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |variable: &str| env(variable).is_some_and(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("CLICOLOR_FORCE") && env("CLICOLOR_FORCE").as_deref() != Some("0") => true,
        When::Auto => terminal && env("TERM").as_deref() != Some("dumb"),
    }
}

/// Whether the locale's characters are UTF-8; Windows' terminals show it whatever the locale.
fn is_utf8(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |variable: &&str| env(variable).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8")
}
