//! Runs the program as a person would.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::fake::Fake;

/// How a run ended and what it said.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The rows of NDJSON on standard output.
    pub fn rows(&self) -> Vec<Value> {
        rows(&self.stdout)
    }

    /// The rows, of which there must be this many.
    pub fn rows_of(&self, number: usize) -> Vec<Value> {
        let rows = self.rows();
        assert_eq!(rows.len(), number, "{}", self.stderr);
        rows
    }
}

pub fn rows(ndjson: &str) -> Vec<Value> {
    ndjson
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

pub struct Program(Command);

impl Program {
    /// The program with an environment in which nothing is set.
    pub fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghrepos"));
        command.args(arguments).env_clear().env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command)
    }

    /// The program, asking `fake`.
    pub fn asking(fake: &Fake, arguments: &[&str]) -> Self {
        let mut program = Self::new(arguments);
        program.0.args(["--api-url", &fake.url()]);
        program
    }

    pub fn argument(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    pub fn raw_argument(mut self, argument: &std::ffi::OsStr) -> Self {
        self.0.arg(argument);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub fn current_dir(mut self, folder: &std::path::Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.0.stdin(stdin);
        self
    }

    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.0.stdout(stdout);
        self
    }

    pub fn spawn(mut self) -> Child {
        self.0.spawn().unwrap()
    }

    /// Writes a login to it, waits for the row, and only then writes the next.
    pub fn answers_one_by_one(self) {
        let mut child = self.stdin(Stdio::piped()).spawn();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        for login in ["torvalds", "antirez"] {
            writeln!(stdin, "{login}").unwrap();
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert!(line.contains(login), "{line}");
        }
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    pub fn run(self) -> Run {
        ended(self.spawn())
    }

    pub fn run_with_input(self, input: &str) -> Run {
        let mut child = self.stdin(Stdio::piped()).spawn();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let run = ended(child);
        let _ = writer.join();
        run
    }
}

/// Waits for its end, but not for ever: a run that hangs is killed, and fails its test.
pub fn ended(child: Child) -> Run {
    let pid = child.id();
    let (over, ended) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let hangs = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    drop(over);
    let hangs = watchdog.join().unwrap();
    assert!(!hangs, "the program did not end within {PATIENCE:?}: {output:?}");
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Longer than any run of the tests takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// `user-1` to `user-N`, a line each.
pub fn users(number: usize) -> String {
    (1..=number).map(|number| format!("user-{number}\n")).collect()
}

/// A file that holds `text`, for as long as it is kept.
pub fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// Says that a test was skipped, in a way that the test harness does not swallow.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Whether a part that not every machine has is there. Where it is not the test that needs it says that it
/// is skipped; `.ci/run` installs them all, and has them missed.
pub fn is_there(part: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("GHREPOS_WITHOUT_SKIPS").is_none(), "{part} is not installed");
        skipped(&format!("{part} is not installed (see .ci/run)"));
    }
    there
}

/// Where programs are, among them those that only a system's administrator has in the path.
pub const PATHS: &str = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/bin:/sbin";

/// Whether the programs are installed.
pub fn installed(programs: &[&str]) -> bool {
    let found =
        |program: &&str| PATHS.split(':').any(|folder| std::path::Path::new(folder).join(program).is_file());
    programs.iter().all(|program| is_there(program, found(program)))
}

/// Runs a test that depends on how evenly the machine runs. On one that stutters it may fail once or twice; a
/// defect fails every time.
pub fn in_three_tries(test: impl Fn() + std::panic::RefUnwindSafe) {
    for left in [2, 1] {
        match std::panic::catch_unwind(&test) {
            Ok(()) => return,
            Err(_) => {
                let _ =
                    writeln!(std::io::stderr(), "AGAIN: the machine may have stuttered; tries left: {left}");
            }
        }
    }
    test();
}
