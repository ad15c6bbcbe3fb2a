//! Texts about the program as a whole, and errors of the command line in one line.

use std::fmt::Write as _;

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::Cli;
use super::tips::unknown_flag;
use crate::program_name::{as_called, called_name};
use crate::text::sanitize_line;

const SEE_HELP: &str = "See --help for all options and the token: without one, 60 logins an hour.";

pub(super) const TOKEN: &str = "\
Read from GH_TOKEN, then GITHUB_TOKEN (for an Enterprise Server GH_ENTERPRISE_TOKEN, then GITHUB_ENTERPRISE_TOKEN), else \
from `gh auth token` if gh is installed. Inside GitHub Actions GITHUB_TOKEN is only sent to the server that runs the job. \
Without a token GitHub answers 60 requests an hour. With one, a query for 100 logins costs one of 5,000 points an hour. \
With --app-id and --app-key the token is that of a GitHub App, and is renewed before it expires.";

/// A word of the command line, of the environment or of the file system, with its meaning.
pub(super) struct Term {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
}

impl Term {
    const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning }
    }
}

pub(super) const EXIT_STATUSES: [Term; 7] = [
    Term::new("0", "every login was counted; or --fail-on was given and no rule matched"),
    Term::new("1", "the run is complete, but some logins could not be counted (only without --fail-on)"),
    Term::new("2", "wrong usage, unreadable or empty input, or an output that cannot be written"),
    Term::new("3", "a rule of --fail-on matched"),
    Term::new("4", "the token was refused, its account is suspended or locked, or a token is required"),
    Term::new("5", "incomplete: limit, --deadline, --max-points, host unreachable or not GitHub"),
    Term::new("130", "interrupted (143: ended by SIGTERM)"),
];

pub(super) const EXIT_PRECEDENCE: &str =
    "If several apply, the first of 130, 143, 2, 4, 5, 3, 1 is returned.";

pub(super) const ENVIRONMENT: [Term; 9] = [
    Term::new("GH_TOKEN, GITHUB_TOKEN", "token for github.com and ghe.com"),
    Term::new("GH_ENTERPRISE_TOKEN, GITHUB_ENTERPRISE_TOKEN", "token for an Enterprise Server"),
    Term::new(
        "GHREPOS_APP_ID, GHREPOS_APP_KEY, GHREPOS_INSTALLATION",
        "defaults of --app-id, --app-key and --installation",
    ),
    Term::new("GH_HOST", "default of --host"),
    Term::new(
        "GITHUB_ACTIONS, GITHUB_API_URL, GITHUB_SERVER_URL",
        "inside GitHub Actions: the server that runs the job",
    ),
    Term::new(
        "HTTPS_PROXY, http_proxy, ALL_PROXY, NO_PROXY",
        "proxies: http, https, socks5 or socks5h; hosts without one",
    ),
    Term::new("SSL_CERT_FILE, SSL_CERT_DIR", "certificate authorities in place of those of the system"),
    Term::new("NO_COLOR, CLICOLOR_FORCE, TERM", "colors of --color auto; none if TERM is dumb"),
    Term::new("LC_ALL, LC_CTYPE, LANG", "tables are ASCII without a UTF-8 locale"),
];

pub(super) const FILES: [Term; 2] = [
    Term::new(
        "FILE.partial",
        "the report FILE of --output until the run is complete; --resume continues an .ndjson one",
    ),
    Term::new("DIR/run.json", "manifest of the traffic that --record wrote into DIR"),
];

/// A command with its purpose.
pub(super) struct Example {
    pub(super) title: &'static str,
    pub(super) command: &'static str,
}

impl Example {
    const fn new(title: &'static str, command: &'static str) -> Self {
        Self { title, command }
    }
}

/// The short help has the first three.
pub(super) const EXAMPLES: [Example; 7] = [
    Example::new("Three names", "ghrepos torvalds gvanrossum antirez"),
    Example::new(
        "A team's spreadsheet, as a workbook and as a page",
        "ghrepos -f team.csv --group-by team -o counts.xlsx -o counts.html",
    ),
    Example::new(
        "A long list; rerun the same command to continue",
        "ghrepos -f all.txt -o all.ndjson --resume",
    ),
    Example::new(
        "Changes among the members of an organization since the last report",
        "ghrepos --members acme --baseline last.ndjson --fail-on 'removed>0,change>50%'",
    ),
    Example::new(
        "The ten members of an organization with the most repositories",
        "ghrepos --members acme --top 10",
    ),
    Example::new(
        "A finished report as a page, without a request",
        "ghrepos --from counts.json -o counts.html",
    ),
    Example::new("In a pipe", "some-command | ghrepos - -F ndjson | jq 'select(.status == \"ok\")'"),
];

pub(super) fn after_short_help() -> String {
    let mut text = "Examples:\n".to_owned();
    // Writing to a String cannot fail.
    for Example { command, .. } in EXAMPLES.iter().take(3) {
        let _ = writeln!(text, "  {}", as_called(command));
    }
    text + "\n" + SEE_HELP
}

pub(super) fn after_long_help() -> String {
    let mut text = format!("Token:\n  {TOKEN}\n");
    for (title, note, terms) in [
        ("Exit status", EXIT_PRECEDENCE, &EXIT_STATUSES[..]),
        ("Environment", "", &ENVIRONMENT),
        ("Files", "", &FILES),
    ] {
        let _ = writeln!(text, "\n{title}:");
        for Term { name, meaning } in terms {
            let _ = if name.len() > 4 {
                writeln!(text, "  {name}\n      {meaning}")
            } else {
                writeln!(text, "  {name:<4} {meaning}")
            };
        }
        if !note.is_empty() {
            let _ = writeln!(text, "  {note}");
        }
    }
    text.push_str("\nExamples:\n");
    for Example { title, command } in EXAMPLES {
        let _ = writeln!(text, "  # {title}\n  {}", as_called(command));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Returns the text for a command line without arguments.
pub(crate) fn usage() -> String {
    let mut command = Cli::command();
    let usage = command.render_usage();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("{about}\n\n{usage}\n\n{}\n", after_short_help())
}

/// Returns clap's error and its tips in one line. None if the error is a request for help or the version.
pub(crate) fn one_line_error(error: &clap::Error) -> Option<String> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return None;
    }
    if let Some(message) = unknown_flag(error) {
        return Some(format!("{message}. See {} --help", called_name()));
    }
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let mut message = String::new();
    for line in lines {
        let line = line.strip_prefix("error: ").or_else(|| line.strip_prefix("tip: ")).unwrap_or(line);
        if !message.is_empty() {
            let is_list = message.ends_with(':') || line.starts_with('[');
            message.push_str(if is_list { " " } else { "; " });
        }
        message.push_str(line);
    }
    Some(format!("{}. See {} --help", sanitize_line(&message), called_name()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_flag_is_named_in_one_line_with_a_tip() {
        for (arguments, message) in [
            ("--fromat csv a", "unexpected argument '--fromat' found; a similar argument exists: '--format'"),
            ("-j 0 a", "invalid value '0' for '--jobs <N>': expected an integer from 1 to 100"),
            ("--max-age 1d a", "the following required arguments were not provided: --resume"),
            (
                "--generate man a",
                "the argument '--generate <TARGET>' cannot be used with one or more of the other specified arguments",
            ),
            (
                "\u{1b}[2J --\u{202e}x",
                "unexpected argument '--\\u{202e}x' found; to pass '--\\u{202e}x' as a value, use '-- --\\u{202e}x'",
            ),
        ] {
            let words = std::iter::once("ghrepos").chain(arguments.split(' '));
            let error = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(one_line_error(&error).unwrap(), format!("{message}. See ghrepos --help"));
        }
        let help = Cli::try_parse_from(["ghrepos", "-h"]).unwrap_err();
        assert_eq!(one_line_error(&help), None);
    }
}
