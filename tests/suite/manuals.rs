//! Documentation that the program prints: help, man page, completions, docs/options.md.

use std::fs;
use std::process::Command;

use crate::program::{Program, file, installed, path};
use crate::terminal::{Terminal, quoted};

fn printed(arguments: &[&str]) -> String {
    let run = Program::new(arguments).run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments:?}");
    run.stdout
}

fn page(name: &str) -> String {
    fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn docs_options_is_what_the_program_generates() {
    let generated = printed(&["--generate", "markdown"]);
    assert_eq!(page("docs/options.md"), generated, "run: cargo run -- --generate markdown > docs/options.md");
    let long = printed(&["--help"]);
    for flag in long.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
        let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        assert!(generated.contains(&format!("--{flag}")), "{flag}");
    }
}

#[cfg(unix)]
#[test]
fn output_that_cannot_be_printed_is_an_error() {
    for flag in ["--help", "--generate=man", "--generate=complete-zsh"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let run = Program::new(&[flag]).stdout(full).run();
        assert_eq!(run.status, 2, "{flag}");
        assert_eq!(run.stderr, "ghrepos: cannot write standard output: No space left on device\n", "{flag}");
    }
}

#[test]
fn long_help_has_every_section() {
    let long = printed(&["--help"]);
    for expected in
        ["--generate", "--max-age", "Token:", "Exit status:", "Environment:", "Files:", "Examples:"]
    {
        assert!(long.contains(expected), "{expected}");
    }
}

#[test]
fn short_help_fits_a_terminal_of_80_columns() {
    let Some(terminal) = Terminal::run(80, &["LANG=C.UTF-8"], &["-h"]) else { return };
    let screen = terminal.screen("status 0", &["-S", "-100"]);
    let help = screen.rsplit_once("status 0").unwrap().0;
    assert!(help.trim_end().lines().count() <= 45, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    // A line that the terminal wraps is two lines: each text is there as a whole.
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "-f, --file <FILE>",
        "--members <ORG>",
        "--group-by <COLUMN>",
        "--breakdown",
        "-F, --format <FORMAT>",
        "-o, --output <FILE>",
        "--top <N>",
        "--resume",
        "--baseline <FILE|URL>",
        "--fail-on <RULE,...>",
        "[possible values: table, csv, tsv, xlsx, json, ndjson, markdown, html, openmetrics]",
        "Examples: ghrepos torvalds gvanrossum antirez ghrepos -f team.csv",
        "See --help for all options and the token: without one, 60 logins an hour.",
    ] {
        assert!(words.contains(text), "{text} is not in {help}");
    }
    let flags = help.lines().filter(|line| line.trim_start().starts_with('-')).count();
    assert_eq!(flags, 12, "ten flags, -h and -V: {help}");
}

#[test]
fn man_and_mandoc_read_the_man_page_without_warnings() {
    let page = file(&printed(&["--generate", "man"]));
    if !installed(&["mandoc", "man"]) {
        return;
    }
    let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning", path(&page)]).output().unwrap();
    assert!(lint.status.success() && lint.stdout.is_empty(), "{}", String::from_utf8_lossy(&lint.stdout));
    let mut man = Command::new("man");
    let man = man.args(["-l", path(&page)]).env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8").output().unwrap();
    let text = String::from_utf8(man.stdout).unwrap();
    assert!(man.status.success() && man.stderr.is_empty(), "{}", String::from_utf8_lossy(&man.stderr));
    let mut rest = text.as_str();
    for section in [
        "GHREPOS(1)",
        "SYNOPSIS",
        "INPUT",
        "[LOGIN]...",
        "--login-column <NAME|N>",
        "OUTPUT",
        "OTHER",
        "TOKEN",
        "EXIT STATUS",
        "ENVIRONMENT",
        "FILES",
        "EXAMPLES",
    ] {
        rest = rest.split_once(section).unwrap_or_else(|| panic!("{section} is not there in {text}")).1;
    }
}

/// Types text into a shell, presses the tab key, and returns the completed line.
fn completed(shell: &str, start: &str, typed: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let rc = folder.path().join(".zshrc");
    fs::write(&rc, start).unwrap();
    let rc = quoted(rc.to_str().unwrap());
    let (home, command) = match shell {
        "bash" => ("/nonexistent", format!("bash --noprofile --rcfile {rc} -i")),
        "zsh" => (folder.path().to_str().unwrap(), "zsh -d -i".to_owned()),
        _ => ("/nonexistent", format!("fish --no-config --init-command 'source '{rc}")),
    };
    let environment = "PATH=/usr/bin:/bin TERM=tmux-256color LANG=C.UTF-8";
    let command = format!("env -i HOME={home} ZDOTDIR={home} {environment} {command}");
    let terminal = Terminal::start(120, &command)?;
    terminal.screen("ready>", &[]);
    terminal.keys(&["-l", &format!("ghrepos {typed}")]);
    terminal.screen(&format!("ready> ghrepos {typed}"), &[]);
    terminal.keys(&["Tab"]);
    Some(terminal.screen_when(|screen| !screen.trim_end().ends_with(typed)))
}

#[test]
fn the_three_shells_complete_flags_and_their_values() {
    if !installed(&["bash", "zsh", "fish"]) {
        return;
    }
    for (shell, generated, begin) in [
        ("bash", "complete-bash", ". SCRIPT\nPS1='ready> '\n"),
        ("zsh", "complete-zsh", "autoload -U compinit\ncompinit -D -u\n. SCRIPT\nPS1='ready> '\n"),
        ("fish", "complete-fish", "source SCRIPT\nfunction fish_prompt; echo -n 'ready> '; end\n"),
    ] {
        let script = file(&printed(&["--generate", generated]));
        let start = begin.replace("SCRIPT", path(&script));
        for (typed, whole) in [("--breakd", "--breakdown"), ("--format htm", "--format html")] {
            let Some(screen) = completed(shell, &start, typed) else { return };
            assert!(screen.contains(&format!("ready> ghrepos {whole}")), "{shell}: {screen}");
        }
    }
}
