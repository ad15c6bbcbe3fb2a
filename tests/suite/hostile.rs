//! Hostile servers and broken networks: a run ends in bounded time and memory, with a row or a line that names the reason.
//!
//! Each case prints a row of a table: `cargo test --test suite hostile -- --nocapture | grep '^|'`.

mod bodies;
pub mod chains;
mod http2;
mod redirects;
mod waits;
mod wire;

use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::fake::{Behavior, Fake, Fault, FaultContext, Raw};
use crate::program::{Program, Run, in_parallel, in_threads};

/// Maximum resident memory of a run, in bytes: 20 MB of the program, twice the longest accepted body, and slack.
const MAX_MEMORY: u64 = 64 << 20;
/// Timeout of one attempt.
const TIMEOUT: &str = "1500ms";
/// Timeout for large bodies, which a debug build on a busy machine reads slowly.
const SLOW_TIMEOUT: &str = "20s";
/// Maximum time between the last attempt and the end of a run, on a busy machine.
const MAX_DURATION: Duration = Duration::from_secs(100);

/// A response of a hostile server, and the expected result.
pub struct Case {
    name: String,
    api: &'static str,
    timeout: &'static str,
    memory: u64,
    behavior: Behavior,
    arguments: Vec<String>,
    /// Part of the expected message.
    expected: &'static str,
    status: Vec<i32>,
}

impl Case {
    /// Looks up one login, and responds to every request with a fault.
    pub fn new(name: &str, api: &'static str, expected: &'static str, fault: Fault) -> Self {
        Self::with(name, api, expected, move |_| Some(fault.clone()))
    }

    /// Looks up one login, and responds with these bytes.
    pub fn raw(name: &str, api: &'static str, expected: &'static str, raw: Raw) -> Self {
        Self::new(name, api, expected, Fault::Raw(raw))
    }

    /// Looks up one login, with a fault that depends on the request.
    pub fn with(
        name: &str,
        api: &'static str,
        expected: &'static str,
        fault: impl Fn(&FaultContext<'_>) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let behavior = Behavior { fault: Box::new(fault), discards_arrivals: true, ..Behavior::default() };
        Self {
            name: name.into(),
            api,
            timeout: TIMEOUT,
            memory: MAX_MEMORY,
            behavior,
            arguments: ["user-1", "--retries", "0"].map(str::to_owned).into(),
            expected,
            // 5 if the response is not GitHub's.
            status: vec![1, 5],
        }
    }

    pub fn status(self, status: i32) -> Self {
        self.either(&[status])
    }

    /// Accepts several statuses, for results that depend on timing.
    pub fn either(mut self, status: &[i32]) -> Self {
        self.status = status.to_vec();
        self
    }

    /// Replaces the maximum memory.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }
}

/// The same bytes with both APIs.
pub fn with_both_apis(name: &str, expected: &'static str, raw: &Raw) -> [Case; 2] {
    ["rest", "graphql"].map(|api| Case::raw(name, api, expected, raw.clone()))
}

/// Checks cases with large bodies, with a timeout that lets them be read to the end.
pub fn check_slow_cases(cases: Vec<Case>) {
    let cases = cases.into_iter().map(|case| Case { timeout: SLOW_TIMEOUT, ..case }).collect();
    // They compute more than they wait.
    assert_no_failure(&in_threads(2, cases, check_case));
}

/// Runs and checks every case, and prints a row for each.
pub fn check_cases(cases: Vec<Case>) {
    assert_no_failure(&in_parallel(cases, check_case));
}

fn assert_no_failure(results: &[Result<(), String>]) {
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err().cloned()).collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn check_case(case: Case) -> Result<(), String> {
    let Case { name, api, timeout, memory: allowed, behavior, arguments, expected, status } = case;
    let fake = Fake::start(behavior);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let program = Program::for_fake(&fake, &arguments)
        .argument(&format!("--api={api}"))
        .argument(&format!("--timeout={timeout}"))
        .argument("-Fndjson")
        .env("GH_TOKEN", "ghp_sample");
    let Measured { run, took, memory } = measured(program);
    // The message of the failed row, or else the line on standard error.
    let rows = run.rows();
    let message = match (
        rows.iter().find(|row| row["status"] == "failed" || row["status"] == "forbidden"),
        run.stderr.trim_end(),
    ) {
        (Some(row), _) => row["error"].as_str().unwrap().to_owned(),
        (None, _) if run.status == 0 => rows
            .iter()
            .map(|row| format!("{} {}", row["status"], row["public_repos"]))
            .next()
            .unwrap_or_default(),
        (None, line) => line.to_owned(),
    };
    let megabytes = memory.div_ceil(1 << 20);
    let shown: String = message.chars().take(150).collect();
    let seconds = took.as_secs_f64();
    let cells = shown.replace('|', "/");
    println!("| {name} | {api} | {cells} | {} | {seconds:.1} | {megabytes} |", run.status);
    let all = run.stdout.clone() + &run.stderr;
    let mut wrong = Vec::new();
    let mut check = |promise: bool, what: &str| {
        if !promise {
            wrong.push(what.to_owned())
        }
    };
    check(status.contains(&run.status), &format!("status {}, not {status:?}", run.status));
    check(message.contains(expected), &format!("not the message: {expected}"));
    check(!message.ends_with(" times"), "one failure reported as several");
    check(took < MAX_DURATION, &format!("took {seconds:.1}s"));
    check(memory < allowed, &format!("took {megabytes} MB"));
    check(!all.chars().any(|c| c.is_control() && c != '\n'), "control characters");
    check(all.lines().all(|line| line.len() < 5000), "a line that fills screens");
    check(run.stderr.lines().count() <= 2, "more than a line or two");
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}, {api}: {}\n{all:.2000}", wrong.join("; "))) }
}

/// A run and its resource usage.
pub struct Measured {
    pub run: Run,
    pub took: Duration,
    /// Maximum resident memory, in bytes.
    pub memory: u64,
}

/// Runs a program to its end and measures it.
pub fn measured(program: Program) -> Measured {
    let begun = Instant::now();
    let mut child = program.spawn();
    let ours = peak("self", "");
    let (pid, over) = (child.id().to_string(), AtomicBool::new(false));
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || read(&mut stdout));
        let stderr = scope.spawn(move || read(&mut stderr));
        let seen = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = peak(&pid, "ghrepos").max(most);
                std::thread::sleep(Duration::from_millis(5));
                if begun.elapsed() > MAX_DURATION * 2 {
                    // A run that hangs is killed and fails its test.
                    let _ = Command::new("kill").args(["-KILL", &pid]).status();
                }
            }
            most
        });
        let ended = child.wait4().unwrap();
        let took = begun.elapsed();
        over.store(true, Ordering::Relaxed);
        // On Linux `maxrss` starts at the memory of the parent process, so it is unusable if that is large.
        let seen = seen.join().unwrap();
        let memory = if ours < MAX_MEMORY / 2 { ended.rusage.maxrss } else { seen };
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        Measured { run: Run { status: ended.status.code().unwrap_or(-1), stdout, stderr }, took, memory }
    })
}

/// Maximum resident memory of a process so far, in bytes; 0 if the system does not report it. Until the process has this name
/// it is still a fork of the test.
fn peak(pid: &str, program: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if !program.is_empty() && status.lines().next() != Some(&format!("Name:\t{program}")) {
        return 0;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// A valid response for `user-1`, with this login and count.
pub fn good(api: &str, login: &str, count: &str) -> String {
    match api {
        "rest" => format!(r#"{{"login":{login},"id":1,"type":"User","public_repos":{count}}}"#),
        _ => format!(
            r#"{{"data":{{"a0":{{"__typename":"User","login":{login},"databaseId":1,"public":{{"totalCount":{count}}}}}}}}}"#
        ),
    }
}
