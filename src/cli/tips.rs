//! Tips for flags of other programs that people try here.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Unknown flags, and the way to what they mean. No tip repeats a value: that of `--token` is a secret.
const TIPS: [(&[&str], &str); 29] = [
    (
        &["--csv", "--tsv"],
        "read it with --file FILE; write it with -o FILE.csv, or with --format csv to standard output",
    ),
    (&["--json"], "use --format json, or -o FILE.json; read a list with --file FILE"),
    (&["--jsonl", "--ndjson"], "use --format ndjson, or -o FILE.ndjson; read a list with --file FILE"),
    (&["--html"], "use -o FILE.html, or --format html"),
    (&["--markdown", "--md"], "use -o FILE.md, or --format markdown"),
    (&["--prometheus", "--prom", "--openmetrics"], "use -o FILE.prom, or --format openmetrics"),
    (&["--table"], "use --format table"),
    (
        &[
            "--input",
            "--input-file",
            "--in",
            "--infile",
            "--file-name",
            "--filename",
            "--file-path",
            "--path",
            "--list",
            "--list-file",
            "--logins-file",
            "--users-file",
            "--user-file",
            "--usernames-file",
            "--excel",
            "--xlsx",
            "--xls",
            "--ods",
            "--sheet",
            "--spreadsheet",
            "--txt",
            "--text",
            "-i",
        ],
        "read a list with --file FILE",
    ),
    (&["--stdin"], "use - to read standard input"),
    (
        &[
            "--token",
            "--access-token",
            "--auth-token",
            "--api-token",
            "--github-token",
            "--gh-token",
            "--auth",
            "--pat",
            "--api-key",
            "--key",
            "--password",
            "-t",
        ],
        "tokens are read from the environment: set GH_TOKEN",
    ),
    (
        &[
            "--user",
            "--users",
            "--username",
            "--usernames",
            "--login",
            "--logins",
            "--account",
            "--accounts",
            "--name",
            "--names",
            "--owner",
            "--handle",
            "--handles",
            "-u",
        ],
        "logins are arguments without a flag, or lines of --file FILE",
    ),
    (
        &["--org", "--orgs", "--organization", "--organizations", "--organisation", "--organisations"],
        "for the members of an organization use --members ORG; for its own repositories its login is an argument without a flag",
    ),
    (&["--member"], "use --members ORG"),
    (&["--teams"], "use --team ORG/TEAM, once for each team"),
    (&["--collaborators", "--outside"], "use --outside-collaborators ORG"),
    (&["--enterprises", "--business"], "use --enterprise SLUG"),
    (
        &["--repo", "--repos", "--repository", "--repositories"],
        "repositories are counted by account: the owner of one, or OWNER/REPO, is an argument without a flag",
    ),
    (&["--limit", "--max", "--count", "--head", "--first", "-n"], "use --top N to show the first N rows"),
    (
        &["--output-format", "--out-format", "--output-type", "--fmt", "--type"],
        "use --format FORMAT, or -o FILE with an extension",
    ),
    (
        &["--out", "--outfile", "--out-file", "--output-file", "--output-path", "--export", "--write", "-O"],
        "use --output FILE",
    ),
    (
        &["--concurrency", "--parallel", "--threads", "--workers", "--max-concurrency", "--max-parallel"],
        "use --jobs N",
    ),
    (&["--silent", "-s"], "use --quiet"),
    (&["--debug", "--trace"], "use -v, or -vv"),
    (&["--no-color", "--no-colour", "--colour"], "use --color auto, always or never"),
    (&["--no-progress"], "use --progress never"),
    (&["--hostname", "--server", "--base-url", "--github-url", "--url", "--endpoint"], "use --host HOST"),
    (&["--column", "--col", "--field"], "use --login-column NAME"),
    (&["--dry-run", "--dryrun", "--estimate"], "use --plan"),
    (&["--compare", "--diff", "--previous"], "use --baseline FILE"),
];

/// Returns the message about an unknown flag that has a tip. None for every other error.
pub(super) fn unknown_flag(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, tip) =
        TIPS.iter().find_map(|(flags, tip)| Some((flags.iter().find(|known| *known == flag)?, tip)))?;
    Some(format!("unexpected argument '{flag}' found; {tip}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::super::{Cli, one_line_error};
    use super::*;
    use clap::Parser;

    #[test]
    fn a_flag_of_another_program_has_a_tip() {
        for (arguments, tip) in [
            (&["--csv", "team.csv"][..], "'--csv' found; read it with --file FILE; write it"),
            (&["a", "--json"], "'--json' found; use --format json"),
            (&["a", "--user", "b"], "'--user' found; logins are arguments"),
            (&["--org=acme"], "'--org' found; for the members of an organization use --members ORG"),
            (&["--input", "x"], "'--input' found; read a list with --file FILE"),
            (&["--file-name", "x"], "'--file-name' found; read a list with --file FILE"),
            (&["a", "--limit", "5"], "'--limit' found; use --top N"),
            (&["a", "--output-format", "csv"], "'--output-format' found; use --format FORMAT"),
            (&["--repo", "a/b"], "'--repo' found; repositories are counted by account"),
            (&["a", "-u", "b"], "'-u' found; logins are arguments"),
        ] {
            let words = std::iter::once("ghrepos").chain(arguments.iter().copied());
            let message = one_line_error(&Cli::try_parse_from(words).unwrap_err()).unwrap();
            assert!(message.starts_with(&format!("unexpected argument {tip}")), "{message}");
            assert!(message.ends_with(". See ghrepos --help") && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_token_in_a_flag_is_not_repeated() {
        for arguments in [
            &["a", "--token", "ghp_s3cret"][..],
            &["a", "--token=ghp_s3cret"],
            &["--auth-token=ghp_s3cret", "a"],
            &["-t", "ghp_s3cret"],
            &["-tghp_s3cret"],
        ] {
            let words = std::iter::once("ghrepos").chain(arguments.iter().copied());
            let message = one_line_error(&Cli::try_parse_from(words).unwrap_err()).unwrap();
            assert!(message.contains("set GH_TOKEN") && !message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn tips_name_flags_that_exist_for_flags_that_do_not() {
        let command = Cli::command();
        let flags: BTreeSet<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        let shorts: BTreeSet<_> = command.get_arguments().filter_map(clap::Arg::get_short).collect();
        let mut seen = BTreeSet::new();
        for (unknown, tip) in TIPS {
            for flag in unknown {
                assert!(seen.insert(*flag), "{flag} has two tips");
                assert!(flag.strip_prefix("--").is_none_or(|flag| !flags.contains(flag)), "{flag} exists");
                assert!(
                    flag.len() > 2 || flag.chars().nth(1).is_none_or(|short| !shorts.contains(&short)),
                    "{flag}"
                );
            }
            for word in tip.split([' ', ',', ';', ':']) {
                let flag = word.strip_prefix("--");
                assert!(flag.is_none_or(|flag| flags.contains(flag)), "{tip}: {word} does not exist");
            }
        }
    }
}
