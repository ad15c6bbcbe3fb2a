//! Hundreds of runs against a server with every fault: no memory, file or thread is leaked.

use std::fs;
use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::{StreamExt, stream};
use ghrepos::{ApiEndpoint, ApiKind, Client, ClientConfig, Credentials, Login, LookupOptions, Token};

use crate::fake::{Behavior, Fake, Fault, FaultContext};
use crate::program::{Program, in_parallel, is_thorough};

const RUNS: u64 = 200;
/// Runs after which memory that is kept for the lifetime of the process is allocated.
const WARM_UP_RUNS: u64 = 50;
const LOGINS: [&str; 8] =
    ["user-1", "user-2", "user-3", "missing-1", "user-4", "robot[bot]", "user-5", "user-6"];
/// Environment variable with the URL of the fake, for the measured process.
const VARIABLE: &str = "GHREPOS_SOAK";

/// A fake with every fault in turn, between good responses.
fn faulty_fake() -> Fake {
    let fault = |context: &FaultContext<'_>| {
        let faults = [
            Fault::Html(500),
            Fault::Reset,
            Fault::Hangup,
            Fault::Truncated,
            Fault::BrokenJson,
            Fault::Silent,
            Fault::Drip,
            Fault::secondary(403, Some(0)),
            Fault::secondary(429, Some(0)),
            Fault::Html(404),
        ];
        // Most responses are good. 61 is not a multiple of the number of logins, so every login meets every fault.
        faults.get(usize::try_from(context.number % 61).unwrap()).cloned()
    };
    Fake::start(Behavior { fault: Box::new(fault), discards_arrivals: true, ..Behavior::default() })
}

/// Memory, files and threads of a process.
#[derive(Clone, Copy, Debug)]
struct ProcessUsage {
    kilobytes: u64,
    files: usize,
    threads: usize,
}

impl ProcessUsage {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let number = |folder: &str| fs::read_dir(folder).unwrap().count();
        Self {
            kilobytes: line.trim().trim_end_matches(" kB").parse().unwrap(),
            files: number("/proc/self/fd"),
            threads: number("/proc/self/task"),
        }
    }
}

/// Runs the lookup stage in the current runtime.
async fn run_lookup(url: &str, run: u64) {
    let mut settings = ClientConfig::default();
    settings.endpoint = ApiEndpoint::parse(url).unwrap();
    settings.credentials = Some(Credentials::Token(Token::new("ghp_sample", "GH_TOKEN").unwrap()));
    settings.api = if run.is_multiple_of(4) { ApiKind::Graphql } else { ApiKind::Rest };
    settings.timeout = Duration::from_millis(40);
    settings.retries = u32::from(run.is_multiple_of(20));
    settings.batch_size = Some(3);
    let client = Client::new(settings).unwrap();
    let logins = stream::iter(LOGINS).map(Login::parse);
    let rows: Vec<_> = ghrepos::lookup(&client, logins, LookupOptions::default()).collect().await;
    assert_eq!(rows.len(), LOGINS.len());
}

/// Runs the whole program in its own runtime, with reports.
fn run_program(url: &str, run: u64, report: &str) {
    let api = if run.is_multiple_of(3) { "graphql" } else { "rest" };
    let flags = [
        "--timeout",
        "40ms",
        "--retries",
        "0",
        "--batch",
        "3",
        "-q",
        "-o",
        report,
        "--api",
        api,
        "--api-url",
        url,
    ];
    let arguments = ["ghrepos"].iter().chain(&flags).chain(&LOGINS).map(Into::into);
    let token = |name: &str| (name == "GH_TOKEN").then(|| "ghp_sample".to_owned());
    let _ = ghrepos::main_with(arguments, &token);
    assert_eq!(fs::read_to_string(report).unwrap().lines().count(), LOGINS.len());
}

/// The process that the next test measures; on its own it does nothing.
#[test]
fn the_process_that_is_measured() {
    let Ok(url) = std::env::var(VARIABLE) else { return };
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson").display().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for run in 1..=RUNS {
        if run.is_multiple_of(2) {
            runtime.block_on(run_lookup(&url, run));
        } else {
            run_program(&url, run, &report);
        }
        if run.is_multiple_of(WARM_UP_RUNS) {
            // Threads and connections may end shortly after their run.
            runtime.block_on(async { tokio::time::sleep(Duration::from_millis(300)).await });
            let ProcessUsage { kilobytes, files, threads } = ProcessUsage::now();
            println!("HELD {kilobytes} {files} {threads}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn two_hundred_runs_in_one_process_leak_nothing() {
    let fake = faulty_fake();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["soak::the_process_that_is_measured", "--exact", "--nocapture", "--test-threads=1"])
        .env(VARIABLE, fake.url())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output_text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(fake.requests() > RUNS, "{} requests", fake.requests());
    let held: Vec<_> = output_text
        .lines()
        .filter_map(|line| line.split_once("HELD ").map(|(_, held)| held))
        .map(|line| {
            let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
            let mut next = || numbers.next().unwrap();
            ProcessUsage { kilobytes: next(), files: next() as usize, threads: next() as usize }
        })
        .collect();
    let [warm, .., after] = held[..] else { panic!("{output_text}") };
    println!("{} requests; after {WARM_UP_RUNS} runs {warm:?}, after {RUNS} {after:?}", fake.requests());
    // Allocators round up. A leak of a kilobyte per request would be ten times this bound.
    assert!(after.kilobytes < warm.kilobytes + 4096, "{warm:?} {after:?}");
    assert!(after.files <= warm.files + 3, "{warm:?} {after:?}");
    assert!(after.threads <= warm.threads + 1, "{warm:?} {after:?}");
}

/// Runs of the next test, which has twenty combinations of arguments. In CI it has [`RUNS`].
const FEW_RUNS: u64 = 50;

#[test]
fn many_runs_leave_only_their_reports() {
    let fake = faulty_fake();
    let temporary = tempfile::tempdir().unwrap();
    // In parallel, because a run mostly waits.
    let part = if is_thorough() { RUNS } else { FEW_RUNS } / 5;
    let parts = (0..5).map(|number| number * part..(number + 1) * part).collect();
    in_parallel(parts, |runs| assert_nothing_left(&fake, runs, temporary.path().to_str().unwrap()));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "in the folder for temporary files");
}

fn assert_nothing_left(fake: &Fake, runs: Range<u64>, temporary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let names = ["report.csv", "report.html", "report.ndjson", "report.prom", "runs.db"];
    let paths: Vec<_> = names.iter().map(|name| folder.path().join(name).display().to_string()).collect();
    let [csv, html, ndjson, prom, database] = &paths[..] else { panic!("five") };
    let save = format!("sqlite:{database}");
    for run in runs {
        // Some runs are ended before their first request, some before they could write.
        let ending = match run % 10 {
            0 => ["--deadline", "1ms"],
            1 => ["--max-points", "1"],
            2 => ["--fail-on", "failed>0"],
            3 => ["-o", "/nowhere/at.all.csv"],
            _ => ["--batch", "3"],
        };
        let program = Program::for_fake(
            fake,
            &["-q", "--timeout", "40ms", "--retries", "0", "-o", csv, "-o", html, "-o", prom],
        );
        let program = program.env("GH_TOKEN", "ghp_sample").env("TMPDIR", temporary);
        let program =
            ending.iter().chain(&LOGINS).fold(program, |program, argument| program.argument(argument));
        let program = match run % 4 {
            0 => program.argument("-o").argument(ndjson),
            1 => program.argument("--save").argument(&save),
            _ => program.argument("--api=rest"),
        };
        let status = program.run().status;
        assert!([0, 1, 2, 3, 5].contains(&status), "{status}");
    }
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut left: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, names);
}
