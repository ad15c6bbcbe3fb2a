//! Tables, colors and the progress bar on a terminal.

use std::time::Duration;

use crate::fake::{Behavior, Fake};
use crate::program::{Program, file, path, users};
use crate::terminal::Terminal;

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
