//! What `--help` says behind the flags, and what is said of wrong ones.

use std::fmt::Write as _;

use clap::error::ErrorKind;

use crate::text::sanitize_line;

/// Behind `-h`.
pub(super) const SHORT: &str = "--help tells of more flags, the token, exit statuses and examples.";

/// Where the token comes from.
pub(super) const TOKEN: &str = "\
Read from GH_TOKEN, then GITHUB_TOKEN (for an Enterprise Server GH_ENTERPRISE_TOKEN, then \
GITHUB_ENTERPRISE_TOKEN), else from `gh auth token` where gh is installed. Inside GitHub Actions GITHUB_TOKEN is \
only sent to the server that runs the job. Without a token GitHub answers 60 requests an hour. With one, a query for a hundred logins costs one of 5,000 points an hour. With --app-id \
and --app-key it is that of a GitHub App, renewed before it expires.";

/// What the exit statuses mean.
pub(super) const STATUSES: [(&str, &str); 7] = [
    ("0", "every login was counted"),
    ("1", "the report is complete, but some logins could not be counted"),
    ("2", "wrong usage, an unreadable list, an output that cannot be written"),
    ("3", "a rule of --fail-on held"),
    ("4", "the token was refused, or one is needed and there is none"),
    ("5", "the run stopped before every login was asked (a limit, --deadline, --max-points, a dead host)"),
    ("130", "interrupted (143: ended by SIGTERM); what was done is kept"),
];

/// Commands to begin with.
pub(super) const EXAMPLES: [(&str, &str); 6] = [
    ("Three names", "ghrepos torvalds gvanrossum antirez"),
    (
        "A team's spreadsheet, as a spreadsheet and as a page",
        "ghrepos --file team.csv --group-by team -o counts.csv -o counts.html",
    ),
    ("The ten largest of an organisation", "ghrepos --members acme --top 10"),
    (
        "What has changed since the last report",
        "ghrepos --file team.csv --baseline last.ndjson --fail-on 'gone>0,change>50%'",
    ),
    (
        "A long list; the same command goes on where it was stopped",
        "ghrepos --file all.txt -o all.ndjson --resume",
    ),
    ("In a pipe", "some-command | ghrepos - -F ndjson | jq 'select(.status == \"ok\")'"),
];

/// Behind `--help`.
pub(super) fn long() -> String {
    let mut text = format!("Token: {TOKEN}\n\nExit status:\n");
    // Writing to a String cannot fail.
    for (status, meaning) in STATUSES {
        let _ = writeln!(text, "  {status:<4} {meaning}");
    }
    text.push_str("\nExamples:\n");
    for (what, command) in EXAMPLES {
        let _ = writeln!(text, "  # {what}\n  {command}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// What is wrong with the flags, and the way out, in one line. None where help or the version was asked for.
#[must_use]
pub(crate) fn one_line_error(error: &clap::Error) -> Option<String> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return None;
    }
    let said = error.to_string();
    let said = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let said =
        said.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let mut complaint = String::new();
    for line in said {
        let line = line.strip_prefix("error: ").or_else(|| line.strip_prefix("tip: ")).unwrap_or(line);
        if !complaint.is_empty() {
            let is_list = complaint.ends_with(':') || line.starts_with('[');
            complaint.push_str(if is_list { " " } else { "; " });
        }
        complaint.push_str(line);
    }
    Some(format!("{}. See ghrepos --help", sanitize_line(&complaint)))
}
