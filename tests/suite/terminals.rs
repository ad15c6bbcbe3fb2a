//! Tables, colors and the progress bar on a terminal.

use std::time::Duration;

use crate::fake::{Behavior, Fake};
use crate::program::{Program, file, path, users};
use crate::terminal::{Terminal, quoted};

/// Names that are wide, narrow, written from right to left, or empty.
const PEOPLE: &str = "login,name\n\
    torvalds,Linus\n\
    microsoft,微软 公司\n\
    antirez,سالفاتوري\n\
    dhh,\"דוד 🦊\"\n\
    sora-sample,\"👩\u{200d}🚀 astronaut\"\n\
    \"a\u{1b}[2Jb\",\"\u{202e}turned\"\n\
    nosuchlogin,\n";

#[test]
fn the_table_fits_the_terminal_and_its_locale() {
    let input = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(input.path(), PEOPLE).unwrap();
    for width in [40, 80, 200] {
        for (locale, name) in [("C.UTF-8", "utf8"), ("C", "ascii")] {
            let environment = format!("LANG={locale}");
            let arguments = ["--replay", "fixtures/github", "-q", "-f", path(&input), "--carry", "name"];
            let Some(terminal) = Terminal::run(width, &[&environment], &arguments) else { return };
            let screen = terminal.screen("status 1", &[]);
            let widest = screen.lines().map(console::measure_text_width).max().unwrap();
            assert!(widest <= usize::from(width), "{screen}");
            if name == "ascii" {
                assert!(screen.is_ascii(), "{screen}");
            }
            insta::assert_snapshot!(format!("table_{width}_{name}"), screen);
        }
    }
}

#[test]
fn changes_and_failures_are_colored_unless_color_is_off() {
    let arguments = [
        "--replay",
        "fixtures/audit/2026-11/github",
        "-q",
        "-f",
        "fixtures/audit/2026-11/team.csv",
        "--baseline",
        "fixtures/team/october.csv",
        "--top",
        "3",
    ];
    for (environment, colored) in [
        (["TERM=tmux-256color", "LANG=C.UTF-8"], true),
        (["TERM=tmux-256color", "NO_COLOR=1"], false),
        (["TERM=dumb", "LANG=C.UTF-8"], false),
        // CLICOLOR_FORCE colors even a dumb terminal.
        (["TERM=dumb", "CLICOLOR_FORCE=1"], true),
    ] {
        let Some(terminal) = Terminal::run(100, &environment, &arguments) else { return };
        let screen = terminal.screen("status", &["-e"]);
        assert_eq!(screen.contains("\u{1b}[3"), colored, "{environment:?}: {screen:?}");
    }
}

#[test]
fn ctrl_c_clears_the_progress_bar() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(200), ..Behavior::default() });
    let input = file(&users(500));
    for width in [40, 80] {
        let url = fake.url();
        let arguments = ["-f", path(&input), "--api-url", &url, "--top", "3", "-j", "5"];
        let Some(terminal) = Terminal::run(width, &["LANG=C.UTF-8"], &arguments) else { return };
        terminal.screen("of 500", &[]);
        terminal.keys(&["C-c"]);
        let screen = terminal.screen("status 130", &[]);
        let bar = |line: &&str| line.contains(" of 500,") || line.contains("░") || line.contains("/s");
        assert_eq!(screen.lines().filter(bar).count(), 0, "{screen}");
        // The terminal echoes the key before the table, and nothing else.
        let before: Vec<_> = screen.lines().take_while(|line| !line.starts_with(" Login")).collect();
        assert!(before.iter().all(|line| line.is_empty() || *line == "^C"), "{screen}");
    }
}

#[test]
fn no_arguments_on_a_terminal_print_the_usage() {
    let Some(terminal) = Terminal::run(80, &["LANG=C.UTF-8"], &[]) else { return };
    let screen = terminal.screen("status 2", &[]);
    for text in ["Usage: ghrepos [OPTIONS] [LOGIN]...", "\nExamples:\n  ghrepos torvalds", "See --help "] {
        assert!(screen.contains(text), "{text:?} is not in {screen}");
    }
    assert_eq!(screen.matches("\n  ghrepos ").count(), 3, "{screen}");
    // It is on standard error.
    let program = quoted(env!("CARGO_BIN_EXE_ghrepos"));
    let command = format!("{program} > /dev/null; echo status $?; exec sleep 60");
    let Some(terminal) = Terminal::start(80, &command) else { return };
    assert!(terminal.screen("status 2", &[]).contains("Usage: ghrepos "));
}

#[test]
fn a_dash_reads_logins_from_the_keyboard() {
    let arguments = ["--replay", "fixtures/github", "-"];
    let Some(terminal) = Terminal::run(80, &["LANG=C.UTF-8"], &arguments) else { return };
    terminal.screen("reading logins from the keyboard", &[]);
    terminal.keys(&["-l", "torvalds"]);
    terminal.keys(&["Enter", "C-d"]);
    let screen = terminal.screen("status 0", &[]);
    assert!(screen.contains(" torvalds ") && screen.contains(" 1 counted\n"), "{screen}");
}

#[test]
fn the_summary_does_not_repeat_the_table_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("counts.csv");
    let csv = csv.to_str().unwrap();
    let replay = ["--replay", "fixtures/github", "torvalds", "torvalds", "antirez"];
    let full = "ghrepos: 2 logins: 2 counted; 83 public repositories; 1 duplicate dropped; 2 requests in ";
    for (arguments, is_short) in
        [(&[][..], true), (&["-F", "table", "-o", csv], true), (&["-o", csv], false), (&["-F", "csv"], false)]
    {
        let arguments = [&replay[..], arguments].concat();
        let Some(terminal) = Terminal::run(120, &["LANG=C.UTF-8"], &arguments) else { return };
        let screen = terminal.screen("status 0", &[]);
        assert_eq!(screen.contains("\nghrepos: 1 duplicate dropped; 2 requests in "), is_short, "{screen}");
        assert_eq!(screen.contains(full), !is_short, "{screen}");
        let wrote = format!("\nghrepos: wrote {csv}\n");
        assert_eq!(screen.contains(&wrote), arguments.contains(&"-o"), "{screen}");
    }
    let piped = Program::new(&replay).run();
    assert!(piped.stderr.starts_with(full), "{}", piped.stderr);
}

#[test]
fn a_table_too_long_for_a_terminal_names_the_way_out() {
    let rows = |number: usize| {
        let row = |at| format!("{{\"login\":\"user-{at}\",\"status\":\"ok\",\"public_repos\":2}}\n");
        file(&(1..=number).map(row).collect::<String>())
    };
    let (long, short) = (rows(10_001), rows(10_000));
    for (report, arguments, tip) in
        [(&long, &[][..], true), (&long, &["-F", "table"], false), (&short, &[], false)]
    {
        let arguments = [&["-q", "--from", path(report)], arguments].concat();
        let Some(terminal) = Terminal::run(80, &["LANG=C.UTF-8"], &arguments) else { return };
        let screen = terminal.screen("status 0", &[]);
        assert_eq!(screen.contains("10,001 rows are too many for a terminal"), tip, "{screen}");
        assert_eq!(screen.contains("user-9999 "), !tip, "{screen}");
        assert!(
            screen.contains(",00") && screen.contains(" counted\n") && screen.contains(" 20,00"),
            "{screen}"
        );
    }
    let redirected = Program::new(&["--from", path(&long)]).run().stdout;
    assert_eq!(redirected.lines().count(), 10_001 + 4, "a file has the whole table");
}
