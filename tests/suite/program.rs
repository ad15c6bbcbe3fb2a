//! Runs the program.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

use crate::fake::Fake;
use crate::json_schema::{assert_outputs_valid, assert_valid, json_outputs};

/// Status and output of a run.
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

    /// Asserts the number of rows and returns them.
    pub fn rows_of(&self, number: usize) -> Vec<Value> {
        let rows = self.rows();
        assert_eq!(rows.len(), number, "{}", self.stderr);
        rows
    }
}

pub fn rows(ndjson: &str) -> Vec<Value> {
    ndjson
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

pub struct Program(Command);

impl Program {
    /// The program with an empty environment.
    pub fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghrepos"));
        command.args(arguments).env_clear().env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command)
    }

    /// The program with `fake` as its server.
    pub fn for_fake(fake: &Fake, arguments: &[&str]) -> Self {
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

    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.0.stderr(stderr);
        self
    }

    pub fn spawn(mut self) -> Child {
        self.0.spawn().unwrap()
    }

    /// Writes one login at a time to standard input, and waits for its row.
    pub fn assert_rows_while_input_is_open(self) {
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

    /// Runs the program, and validates its JSON and NDJSON reports.
    pub fn run(self) -> Run {
        let outputs = json_outputs(&self.0);
        let run = wait_for_exit(self.spawn());
        assert_outputs_valid(&outputs, &run);
        run
    }

    pub fn run_with_input(self, input: &str) -> Run {
        let outputs = json_outputs(&self.0);
        let mut child = self.stdin(Stdio::piped()).spawn();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let run = wait_for_exit(child);
        let _ = writer.join();
        assert_outputs_valid(&outputs, &run);
        run
    }
}

/// Waits for the end of a run. A run that hangs is killed and fails its test.
pub fn wait_for_exit(child: Child) -> Run {
    let pid = child.id();
    let (over, ended) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let hangs = ended.recv_timeout(RUN_TIMEOUT) == Err(mpsc::RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    drop(over);
    let hangs = watchdog.join().unwrap();
    assert!(!hangs, "the program did not end within {RUN_TIMEOUT:?}: {output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_valid(&stdout);
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Longer than any run of the tests.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// `user-1` to `user-N`, one per line.
pub fn users(number: usize) -> String {
    (1..=number).map(|number| format!("user-{number}\n")).collect()
}

/// A temporary file with this text.
pub fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// Reports a skipped test on standard error, which the test harness does not capture.
pub fn report_skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// Reports a test as skipped if an optional part is not available. `.ci/run` installs all parts, and a missing one fails there.
pub fn is_available(part: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("GHREPOS_WITHOUT_SKIPS").is_none(), "{part} is not installed");
        report_skipped(&format!("{part} is not installed (see .ci/run)"));
    }
    there
}

/// Returns true if long tests run at their full size, as in CI.
pub fn is_thorough() -> bool {
    std::env::var_os("GHREPOS_THOROUGH_TESTS").is_some()
}

/// Returns the size of a long test: the first in CI, else the second.
pub fn size_in_ci(full: usize, short: usize) -> usize {
    if is_thorough() { full } else { short }
}

/// Folders of programs, including those that are only in an administrator's path.
pub const PATHS: &str = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/bin:/sbin";

/// Returns true if all programs are installed.
pub fn installed(programs: &[&str]) -> bool {
    let found =
        |program: &&str| PATHS.split(':').any(|folder| std::path::Path::new(folder).join(program).is_file());
    programs.iter().all(|program| is_available(program, found(program)))
}

/// Checks each case, eight at the same time because most of them wait, and returns what the checks return.
pub fn in_parallel<C: Send, R: Send>(cases: Vec<C>, check: impl Fn(C) -> R + Sync) -> Vec<R> {
    in_threads(8, cases, check)
}

/// Checks each case, at most `threads` at the same time, and returns what the checks return.
pub fn in_threads<C: Send, R: Send>(threads: usize, cases: Vec<C>, check: impl Fn(C) -> R + Sync) -> Vec<R> {
    let (cases, results) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().next() else { return };
                    let result = check(case);
                    results.lock().unwrap().push(result);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Runs a test that depends on timing up to three times. On a busy machine it may fail once or twice; a defect fails every time.
pub fn retry_three_times(test: impl Fn() + std::panic::RefUnwindSafe) {
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
