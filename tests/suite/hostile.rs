//! The limits of patience: whatever a server sends, or a network makes of it, a run ends within its time and
//! its memory, with a row or a line that says why.
//!
//! Each test prints a line for each of its cases, which together are a table:
//! `cargo test --test suite hostile -- --nocapture | grep '^|'`.

mod bodies;
pub mod chains;
mod redirects;
mod waits;
mod wire;

use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::fake::{Asked, Behaviour, Fake, Fault, Raw};
use crate::program::{Program, Run};

/// What a run is allowed to have in its memory at once: its own twenty megabytes, the longest body that is
/// taken twice over, and some slack.
const MEMORY: u64 = 64 << 20;
/// For one attempt.
const TIMEOUT: &str = "1500ms";
/// For what a debug build on a busy machine takes long to read.
const LONGER: &str = "20s";
/// A run ends so long after its last attempt at the latest, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(45);
/// Cases that run at once: most only wait.
const AT_ONCE: usize = 3;

/// What a server does, and what a person is told of it.
pub struct Case {
    name: String,
    api: &'static str,
    timeout: &'static str,
    memory: u64,
    behaviour: Behaviour,
    arguments: Vec<String>,
    /// What the row or the line says; it is a part of it.
    says: &'static str,
    status: Vec<i32>,
}

impl Case {
    /// One login is asked for, and every request is answered by this.
    pub fn new(name: &str, api: &'static str, says: &'static str, fault: Fault) -> Self {
        Self::with(name, api, says, move |_| Some(fault.clone()))
    }

    /// The same with these bytes.
    pub fn raw(name: &str, api: &'static str, says: &'static str, raw: Raw) -> Self {
        Self::new(name, api, says, Fault::Raw(raw))
    }

    /// The same where it depends on the request.
    pub fn with(
        name: &str,
        api: &'static str,
        says: &'static str,
        fault: impl Fn(&Asked<'_>) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        let behaviour = Behaviour { fault: Box::new(fault), forgetful: true, ..Behaviour::default() };
        Self {
            name: name.into(),
            api,
            timeout: TIMEOUT,
            memory: MEMORY,
            behaviour,
            arguments: ["user-1", "--retries", "0"].map(str::to_owned).into(),
            says,
            status: vec![1],
        }
    }

    pub fn status(self, status: i32) -> Self {
        self.either(&[status])
    }

    /// Where it depends on who is first.
    pub fn either(mut self, status: &[i32]) -> Self {
        self.status = status.to_vec();
        self
    }

    /// Where it may take more than others.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }
}

/// The same bytes by either API.
pub fn by_both(name: &str, says: &'static str, raw: &Raw) -> [Case; 2] {
    ["rest", "graphql"].map(|api| Case::raw(name, api, says, raw.clone()))
}

/// The same for answers that are many megabytes, and are not to be cut off by the clock before they are told.
pub fn hold_longer(cases: Vec<Case>) {
    hold(cases.into_iter().map(|case| Case { timeout: LONGER, ..case }).collect());
}

/// Runs every case, tells how each went, and holds all of them to their promises.
pub fn hold(cases: Vec<Case>) {
    let (cases, failures) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().next() else { return };
                    if let Err(failure) = held(case) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn held(case: Case) -> Result<(), String> {
    let Case { name, api, timeout, memory: allowed, behaviour, arguments, says, status } = case;
    let fake = Fake::start(behaviour);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let program = Program::asking(&fake, &arguments)
        .argument(&format!("--api={api}"))
        .argument(&format!("--timeout={timeout}"))
        .argument("-Fndjson")
        .env("GH_TOKEN", "ghp_sample");
    let Measured { run, took, memory } = measured(program);
    // What a person is told: by a row that is no success, or by the line.
    let rows = run.rows();
    let told = match (
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
    let shown: String = told.chars().take(150).collect();
    let seconds = took.as_secs_f64();
    let cells = shown.replace('|', "/");
    println!("| {name} | {api} | {cells} | {} | {seconds:.1} | {megabytes} |", run.status);
    let all = run.stdout.clone() + &run.stderr;
    let mut wrong = Vec::new();
    let mut hold = |promise: bool, what: &str| {
        if !promise {
            wrong.push(what.to_owned())
        }
    };
    hold(status.contains(&run.status), &format!("status {}, not {status:?}", run.status));
    hold(told.contains(says), &format!("not the words: {says}"));
    hold(!told.ends_with(" times"), "one failure told as several");
    hold(took < SLACK, &format!("took {seconds:.1}s"));
    hold(memory < allowed, &format!("took {megabytes} MB"));
    hold(!all.chars().any(|c| c.is_control() && c != '\n'), "control characters");
    hold(all.lines().all(|line| line.len() < 5000), "a line that fills screens");
    hold(run.stderr.lines().count() <= 2, "more than a line or two");
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}, {api}: {}\n{all:.2000}", wrong.join("; "))) }
}

/// A run and what it took.
pub struct Measured {
    pub run: Run,
    pub took: Duration,
    /// The most that was resident, in bytes.
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
                if begun.elapsed() > SLACK * 2 {
                    // What hangs is killed, and fails its test.
                    let _ = Command::new("kill").args(["-KILL", &pid]).status();
                }
            }
            most
        });
        let ended = child.wait4().unwrap();
        let took = begun.elapsed();
        over.store(true, Ordering::Relaxed);
        // Linux begins with what the process had that began it: where that is much, it says nothing.
        let seen = seen.join().unwrap();
        let memory = if ours < MEMORY / 2 { ended.rusage.maxrss } else { seen };
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        Measured { run: Run { status: ended.status.code().unwrap_or(-1), stdout, stderr }, took, memory }
    })
}

/// The most that was resident of a process so far, in bytes, where the system tells. Until it runs the program
/// of this name it is still a copy of ours.
fn peak(pid: &str, program: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if !program.is_empty() && status.lines().next() != Some(&format!("Name:\t{program}")) {
        return 0;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// A good answer for `user-1`, with this in the place of the count and of the login.
pub fn good(api: &str, login: &str, count: &str) -> String {
    match api {
        "rest" => format!(r#"{{"login":{login},"id":1,"type":"User","public_repos":{count}}}"#),
        _ => format!(
            r#"{{"data":{{"a0":{{"__typename":"User","login":{login},"databaseId":1,"public":{{"totalCount":{count}}}}}}}}}"#
        ),
    }
}
