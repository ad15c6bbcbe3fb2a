//! What stands on the screen of a terminal, as tmux shows it.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::fake::{Behaviour, Fake};
use crate::program::{file, path, skipped, users};

/// A terminal, and the program in it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs the program in a terminal of this width. None where there is no tmux.
    fn run(width: u16, environment: &[&str], arguments: &[&str]) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            assert!(std::env::var_os("GHREPOS_WITHOUT_SKIPS").is_none(), "tmux has to be installed");
            skipped("tmux is not installed (see .ci/run)");
            return None;
        }
        let socket = format!("ghrepos-{}-{width}-{:?}", std::process::id(), Instant::now());
        let socket = socket.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let terminal = Self { socket };
        let environment = environment.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let arguments = arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        // The shell outlives the program, so that what it leaves behind can be seen.
        let command = format!(
            "env -i PATH=/usr/bin:/bin TERM=tmux-256color {environment} {} {arguments}; echo status $?; exec sleep 60",
            quoted(env!("CARGO_BIN_EXE_ghrepos"))
        );
        let width = width.to_string();
        terminal.tmux(&["-u", "-f", "/dev/null", "new-session", "-d", "-x", &width, "-y", "40", &command]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.socket])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The screen, as soon as `seen` stands on it.
    fn screen(&self, seen: &str, options: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&[&["capture-pane", "-p"], options].concat());
            if screen.contains(seen) {
                let lines: Vec<_> = screen.trim_end().lines().map(str::trim_end).collect();
                return lines.join("\n");
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "no {seen} in {screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// People whose names are wide, narrow, written from right to left, or none.
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
    let roster = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(roster.path(), PEOPLE).unwrap();
    for width in [40, 80, 200] {
        for (locale, name) in [("C.UTF-8", "utf8"), ("C", "ascii")] {
            let environment = format!("LANG={locale}");
            let arguments = ["--replay", "fixtures/github", "-q", "-f", path(&roster), "--carry", "name"];
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
fn changes_and_failures_are_coloured_unless_nobody_wants_colours() {
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
    for (environment, colored) in
        [("LANG=C.UTF-8", true), ("NO_COLOR=1", false), ("TERM=dumb", false), ("CLICOLOR_FORCE=1", true)]
    {
        let Some(terminal) = Terminal::run(100, &["LANG=C.UTF-8", environment], &arguments) else { return };
        let screen = terminal.screen("status", &["-e"]);
        assert_eq!(screen.contains("\u{1b}[3"), colored, "{environment}: {screen:?}");
    }
}

#[test]
fn ctrl_c_leaves_nothing_of_the_progress_on_the_screen() {
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(200), ..Behaviour::default() });
    let roster = file(&users(500));
    for width in [40, 80] {
        let url = fake.url();
        let arguments = ["-f", path(&roster), "--api-url", &url, "--top", "3", "-j", "5"];
        let Some(terminal) = Terminal::run(width, &["LANG=C.UTF-8"], &arguments) else { return };
        terminal.screen("of 500", &[]);
        terminal.tmux(&["send-keys", "C-c"]);
        let screen = terminal.screen("status 130", &[]);
        let bar = |line: &&str| line.contains(" of 500,") || line.contains("░") || line.contains("/s");
        assert_eq!(screen.lines().filter(bar).count(), 0, "{screen}");
        // What the terminal itself shows of the key is all that stands before the table.
        let before: Vec<_> = screen.lines().take_while(|line| !line.starts_with(" Login")).collect();
        assert!(before.iter().all(|line| line.is_empty() || *line == "^C"), "{screen}");
    }
}
