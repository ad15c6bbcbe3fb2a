//! Documentation: help, man page, completions, README.

use std::fs;
use std::process::Command;

use crate::program::{Program, file, installed, path};
use crate::terminal::{Terminal, quoted};

fn printed(arguments: &[&str]) -> String {
    let run = Program::new(arguments).run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{arguments:?}");
    run.stdout
}

fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

#[test]
fn the_readmes_usage_is_the_real_help() {
    for flag in ["-h", "--help"] {
        let help = printed(&[flag]);
        let lines: Vec<_> = help.lines().map(str::trim_end).collect();
        let block = format!("```text\n$ ghrepos {flag}\n{}\n```", lines.join("\n").trim_end());
        assert!(readme().contains(&block), "the README has to hold\n{block}");
    }
}

#[test]
fn the_readmes_tables_are_what_a_terminal_shows() {
    let readme = readme();
    let blocks = readme.split("```text\n$ ghrepos --replay ").skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split_once("\n```").unwrap().0).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let (command, shown) = block.split_once('\n').unwrap();
        let arguments: Vec<_> = std::iter::once("--replay").chain(command.split(' ')).collect();
        let Some(terminal) = Terminal::run(110, &["LANG=C.UTF-8"], &arguments) else { return };
        let screen = terminal.screen("status 1", &[]);
        // Everything except the duration.
        let screen = screen.rsplit_once(" in ").unwrap().0;
        assert_eq!(screen, shown.rsplit_once(" in ").unwrap().0);
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
fn help_lists_every_flag_and_short_help_fits_a_screen() {
    let (short, long) = (printed(&["-h"]), printed(&["--help"]));
    let flags = |text: &str| text.lines().filter(|line| line.trim_start().starts_with('-')).count();
    assert!(flags(&short) < flags(&long) / 3 * 2 && short.lines().count() < 64, "{short}");
    for expected in ["--generate", "--max-age", "Exit status:", "Examples:", "GH_TOKEN"] {
        assert!(long.contains(expected), "{expected}");
    }
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
    for said in ["GHREPOS(1)", "INPUT", "--login-column <NAME|N>", "EXIT STATUS", "EXAMPLES"] {
        assert!(text.contains(said), "{said} is not in {text}");
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
