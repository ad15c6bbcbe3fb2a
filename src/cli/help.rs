//! Text made from the flags: the end of `--help`, the man page, completions, and errors in one line.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Cli;
use super::tips::unknown_flag;
use crate::program::{as_called, called_name};
use crate::render::schema;
use crate::text::sanitize_line;

pub(super) const AFTER_SHORT_HELP: &str = "See --help for all options, tokens, exit statuses and examples.";

const TOKEN: &str = "\
Read from GH_TOKEN, then GITHUB_TOKEN (for an Enterprise Server GH_ENTERPRISE_TOKEN, then GITHUB_ENTERPRISE_TOKEN), else \
from `gh auth token` if gh is installed. Inside GitHub Actions GITHUB_TOKEN is only sent to the server that runs the job. \
Without a token GitHub answers 60 requests an hour. With one, a query for 100 logins costs one of 5,000 points an hour. \
With --app-id and --app-key the token is that of a GitHub App, and is renewed before it expires.";

const EXIT_STATUSES: [(&str, &str); 7] = [
    ("0", "every login was counted; or --fail-on was given and no rule matched"),
    ("1", "the run is complete, but some logins could not be counted (only without --fail-on)"),
    ("2", "wrong usage, unreadable or empty input, or an output that cannot be written"),
    ("3", "a rule of --fail-on matched"),
    ("4", "the token was refused, its account is suspended or locked, or a token is required"),
    (
        "5",
        "the run is incomplete (limit, --deadline, --max-points, unreachable host, not GitHub); its rows are in FILE.partial",
    ),
    ("130", "interrupted (143: ended by SIGTERM); its rows are in FILE.partial"),
];

const EXAMPLES: [(&str, &str); 6] = [
    ("Three names", "ghrepos torvalds gvanrossum antirez"),
    (
        "A team's spreadsheet, as a workbook and as a page",
        "ghrepos --file team.csv --group-by team -o counts.xlsx -o counts.html",
    ),
    ("The ten members of an organization with the most repositories", "ghrepos --members acme --top 10"),
    (
        "Changes since the last report",
        "ghrepos --file team.csv --baseline last.ndjson --fail-on 'removed>0,change>50%'",
    ),
    ("A long list; rerun the same command to continue", "ghrepos --file all.txt -o all.ndjson --resume"),
    ("In a pipe", "some-command | ghrepos - -F ndjson | jq 'select(.status == \"ok\")'"),
];

pub(super) fn after_long_help() -> String {
    let mut text = format!("Token: {TOKEN}\n\nExit status:\n");
    // Writing to a String cannot fail.
    for (status, meaning) in EXIT_STATUSES {
        let _ = writeln!(text, "  {status:<4} {meaning}");
    }
    text.push_str("\nExamples:\n");
    for (title, command) in EXAMPLES {
        let _ = writeln!(text, "  # {title}\n  {}", as_called(command));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Value of `--generate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GenerateTarget {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
    Schema,
}

impl GenerateTarget {
    pub(crate) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let text = match self {
            Self::Man => man_page()?,
            Self::CompleteBash => completions(Shell::Bash),
            Self::CompleteZsh => completions(Shell::Zsh),
            Self::CompleteFish => completions(Shell::Fish),
            Self::Schema => format!("{:#}\n", schema()).into_bytes(),
        };
        out.write_all(&text)?;
        out.flush()
    }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ghrepos", &mut script);
    script
}

/// Date of the last change to the flags.
const MAN_PAGE_DATE: &str = "2026-11-26";

fn man_page() -> io::Result<Vec<u8>> {
    let man = Man::new(Cli::command()).title("GHREPOS").date(MAN_PAGE_DATE).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]).text([bold("ghrepos"), roman(" [OPTIONS] [LOGIN]...")]);
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut sections = Roff::new();
    sections.control("SH", ["TOKEN"]).text([roman(TOKEN)]);
    sections.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in EXIT_STATUSES {
        sections.control("TP", []).text([bold(status)]).text([roman(meaning)]);
    }
    sections.control("SH", ["EXAMPLES"]);
    for (title, command) in EXAMPLES {
        sections.control("TP", []).text([roman(title)]).text([bold(command)]);
    }
    sections.to_writer(&mut page)?;
    Ok(normalize_roff(&String::from_utf8_lossy(&page)).into_bytes())
}

/// Removes breaks beside blank lines, of which mandoc warns.
fn normalize_roff(page: &str) -> String {
    let lines: Vec<_> = page.lines().map(str::trim_end).collect();
    let page = lines.join("\n") + "\n";
    page.replace("\n\n.br\n", "\n\n").replace("\n.br\n\n", "\n\n")
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
