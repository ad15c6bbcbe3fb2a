//! How near the program comes to the bound that latency and jobs set: `cargo bench`.
//!
//! The fake GitHub runs in this process, the program in one of its own; both share the machine. The
//! bound is rounds × latency; what is above it is connecting, CPU time, and the fake's own timers.

#![allow(clippy::expect_used, clippy::indexing_slicing, missing_docs, reason = "a benchmark may fall over")]

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::io::{BufRead, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fake::{Behaviour, Fake, Primary};

const RUNS: usize = 5;

/// One row of the table.
struct Case {
    logins: u32,
    jobs: u32,
    latency: u64,
    /// Milliseconds for an alias of a query; none where the API is REST.
    alias: Option<u64>,
}

const fn rest(logins: u32, jobs: u32, latency: u64) -> Case {
    Case { logins, jobs, latency, alias: None }
}

const fn graphql(logins: u32, latency: u64, alias: u64) -> Case {
    Case { logins, jobs: 10, latency, alias: Some(alias) }
}

const CASES: [Case; 9] = [
    rest(3, 10, 20),
    rest(1000, 10, 20),
    rest(1000, 100, 20),
    rest(1000, 10, 150),
    rest(20_000, 100, 0),
    graphql(3, 20, 1),
    graphql(200, 20, 1),
    graphql(20_000, 20, 1),
    graphql(200_000, 0, 0),
];

impl Case {
    /// Rounds × the time of one.
    fn bound(&self) -> Duration {
        let Some(alias) = self.alias else {
            return Duration::from_millis(self.latency) * self.logins.div_ceil(self.jobs);
        };
        let batch = self.logins.div_ceil(self.jobs).min(100);
        let rounds = self.logins.div_ceil(batch).div_ceil(self.jobs);
        Duration::from_millis(self.latency + alias * u64::from(batch)) * rounds
    }
}

fn main() {
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "| API | logins | jobs | latency | bound | median of {RUNS} | ratio |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for case in CASES {
        let fake = Fake::start(Behaviour {
            latency: Duration::from_millis(case.latency),
            alias_latency: Duration::from_millis(case.alias.unwrap_or(0)),
            ..Behaviour::default()
        });
        let mut times: Vec<_> = (0..RUNS).map(|_| run(&fake, &case)).collect();
        times.sort();
        let (median, bound) = (times[RUNS / 2], case.bound());
        let ratio = if bound.is_zero() {
            format!("{:.0} logins/s", f64::from(case.logins) / median.as_secs_f64())
        } else {
            format!("{:.2}", median.as_secs_f64() / bound.as_secs_f64())
        };
        let (api, alias) = match case.alias {
            None => ("REST", String::new()),
            Some(0) => ("GraphQL", String::new()),
            Some(alias) => ("GraphQL", format!(" + {alias} ms an alias")),
        };
        let Case { logins, jobs, latency, .. } = case;
        let _ = writeln!(
            out,
            "| {api} | {logins} | {jobs} | {latency} ms{alias} | {bound:?} | {median:.1?} | {ratio} |"
        );
    }
    let replay = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/github");
    for arguments in [&["--version"][..], &["--replay", replay, "torvalds", "gvanrossum", "antirez"]] {
        let mut times: Vec<_> = (0..RUNS)
            .map(|_| {
                let begun = Instant::now();
                program(arguments).output().expect("the program");
                begun.elapsed()
            })
            .collect();
        times.sort();
        let name = arguments.first().copied().unwrap_or_default();
        let _ = writeln!(out, "\n`ghrepos {name} …`: {:.1?}, the median of {RUNS}", times[RUNS / 2]);
    }
    under_limits(&mut out);
    from_a_pipe(&mut out, false);
    from_a_pipe(&mut out, true);
}

/// How long the first of many rows takes, and how much memory all of them (Linux), saved to SQLite or not.
fn from_a_pipe(out: &mut impl Write, saved: bool) {
    let saved_to = if saved { ", saved to SQLite" } else { "" };
    let _ = writeln!(
        out,
        "\n| logins from a pipe{saved_to} | first row | all | rows/s | memory at most |\n|--:|--:|--:|--:|--:|"
    );
    for logins in [10_000, 100_000, 1_000_000] {
        let fake = Fake::well_behaved();
        let mut command = program(&["-", "-F", "ndjson", "--api-url", &fake.url()]);
        command.env("GH_TOKEN", "sample").stdin(Stdio::piped()).stdout(Stdio::piped());
        let folder = tempfile::tempdir().expect("a folder");
        if saved {
            command.args(["--save", &format!("sqlite:{}", folder.path().join("bench.db").display())]);
        }
        let begun = Instant::now();
        let mut child = command.spawn().expect("the program");
        let stdin = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || {
            let mut stdin = std::io::BufWriter::new(stdin);
            (1..=logins).for_each(|number| writeln!(stdin, "user-{number}").expect("a reader"));
            // It stays open until the memory was looked at.
            stdin.into_inner().expect("a reader")
        });
        let mut rows = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
        rows.next().expect("a row").expect("text");
        let first = begun.elapsed();
        assert_eq!(rows.by_ref().take(logins - 1).count(), logins - 1);
        let mut all = begun.elapsed();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
        drop(writer.join().expect("no panic"));
        child.wait().expect("an end");
        if saved {
            // The database has them at the end.
            all = begun.elapsed();
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = logins as f64 / all.as_secs_f64();
        let _ = writeln!(out, "| {logins} | {first:.1?} | {all:.1?} | {rate:.0} | {memory} |");
    }
}

/// Against limits: a budget of a thousand in windows of five seconds, and a server that takes twenty in
/// flight.
fn under_limits(out: &mut impl Write) {
    let primary = Primary::new(1000, Duration::from_secs(5));
    let fake = Fake::start(Behaviour { primary: Some(primary), ..Behaviour::default() });
    let second = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let begun = SystemTime::now();
    run(&fake, &rest(3000, 10, 0));
    // Windows begin at whole seconds: the third, from which the last thousand come, ten after the first.
    let least = UNIX_EPOCH + Duration::from_secs(second(begun) + 10);
    let least = least.duration_since(begun).expect("later").as_secs_f64();
    let took = begun.elapsed().expect("later").as_secs_f64();
    let _ = writeln!(
        out,
        "\n3,000 logins at 1,000 in 5 s: {took:.2} s, the least possible is {least:.2} s ({:.3}); {} refused",
        took / least,
        fake.refusals().len()
    );
    let latency = Duration::from_millis(20);
    let fake = Fake::start(Behaviour { crowd: Some((20, Some(1))), latency, ..Behaviour::default() });
    let took = run(&fake, &rest(3000, 100, 20));
    let _ = writeln!(
        out,
        "\n3,000 logins, -j 100, at most 20 in flight at 20 ms: {took:.1?}, the least possible is 3 s; {} of {} refused",
        fake.refusals().len(),
        fake.requests()
    );
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghrepos"));
    command.args(arguments).env_remove("GH_TOKEN").env_remove("GITHUB_TOKEN").stderr(Stdio::null());
    command
}

/// One run, every count compared.
fn run(fake: &Fake, case: &Case) -> Duration {
    let names: Vec<_> = (1..=case.logins).map(|number| format!("user-{number}")).collect();
    let mut command = program(&["-", "-F", "ndjson", "--api-url", &fake.url(), "-j", &case.jobs.to_string()]);
    if case.alias.is_some() {
        command.env("GH_TOKEN", "sample");
    }
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
    let mut stdin = child.stdin.take().expect("a pipe");
    let roster = names.join("\n");
    let writer = std::thread::spawn(move || stdin.write_all(roster.as_bytes()));
    let output = child.wait_with_output().expect("an end");
    let time = begun.elapsed();
    writer.join().expect("no panic").expect("a reader");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), names.len());
    for (line, name) in text.lines().zip(&names) {
        let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let expected = fake::account(name).expect("an account").public_repos;
        assert_eq!(
            (row["login"].as_str(), row["public_repos"].as_u64()),
            (Some(name.as_str()), Some(expected))
        );
    }
    time
}
