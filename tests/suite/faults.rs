//! Every fault of the fake, alone and all together, by both APIs and with any number of jobs: one row for
//! each login, every count right, never more in flight than allowed, no request during a pause.
//!
//! What is hit is decided by a seed, which every failure prints.

use std::collections::HashSet;
use std::time::Duration;

use crate::fake::{AliasFault, Asked, Behaviour, Fake, Fault, account};
use crate::program::{Program, file, path};

const PAUSE: Duration = Duration::from_secs(1);

/// A fault, and how it is called in a failure.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Html(500),
        Fault::Html(502),
        Fault::Html(504),
        Fault::Reset,
        Fault::Hangup,
        Fault::Truncated,
        Fault::BrokenJson,
        Fault::Silent,
        Fault::Drip,
        Fault::secondary(403, Some(1)),
        Fault::secondary(429, Some(1)),
    ]
}

/// A number between 0 and 99 for a request or a login.
fn percent(seed: u64, of: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(0..100)
}

fn roster(number: usize) -> String {
    (1..=number)
        .map(|at| if at % 25 == 0 { format!("missing-{at}\n") } else { format!("user-{at}\n") })
        .collect()
}

/// Runs, and holds everything to its promise.
fn hold(fake: &Fake, logins: usize, jobs: i64, api: &str, what: &str) {
    let text = roster(logins);
    let list = file(&text);
    let jobs_text = jobs.to_string();
    let batch = if logins > 1000 { "50" } else { "5" };
    let run = Program::asking(
        fake,
        &["-f", path(&list), "-F", "ndjson", "-q", "--api", api, "-j", &jobs_text, "--batch", batch],
    )
    .argument("--timeout=300ms")
    .argument("--retries=12")
    .env("GH_TOKEN", "ghp_sample")
    .run();
    let what = format!("{what}, -j {jobs}, {api}");
    assert_eq!((run.status, run.stderr.as_str()), (1, ""), "{what}");
    let rows = run.rows_of(logins);
    let distinct: HashSet<_> = rows.iter().map(|row| row["login"].to_string()).collect();
    assert_eq!(distinct.len(), logins, "{what}");
    for (row, login) in rows.iter().zip(text.lines()) {
        assert_eq!(row["login"], login, "{what}: in order");
        match account(login) {
            Some(account) => assert_eq!(row["public_repos"], account.public_repos, "{what}: {row}"),
            None => assert_eq!(row["status"], "not_found", "{what}: {row}"),
        }
    }
    // A request that was given up is one that the fake may not know of yet.
    let given_up = what.starts_with("Silent") || what.starts_with("Drip");
    assert!(given_up || fake.peak() <= jobs, "{what}: {} in flight", fake.peak());
    let refusals = fake.refusals();
    for arrival in fake.arrivals() {
        // What left before the refusal arrived, or at the pause's very end, was not told.
        let during = |refused: &std::time::Instant| {
            let after = arrival.at.saturating_duration_since(*refused);
            after > Duration::from_millis(100) && after < PAUSE - Duration::from_millis(20)
        };
        assert!(!refusals.iter().any(during), "{what}: a request during a pause");
    }
}

/// A tenth of the requests meets the fault.
fn alone(api: &'static str, jobs: i64, logins: usize) {
    for fault in faults() {
        let seed = fastrand::u64(..);
        let (met, what) = (fault.clone(), format!("{fault:?}, seed {seed}"));
        let hit = move |asked: &Asked<'_>| (percent(seed, asked.number) < 10).then(|| met.clone());
        let fake = Fake::start(Behaviour {
            fault: Box::new(hit),
            latency: Duration::from_millis(3),
            ..Behaviour::default()
        });
        hold(&fake, logins, jobs, api, &what);
    }
}

#[test]
fn each_fault_by_rest_with_one_job() {
    alone("rest", 1, 25);
}

#[test]
fn each_fault_by_rest_with_ten_jobs() {
    alone("rest", 10, 50);
}

#[test]
fn each_fault_by_rest_with_a_hundred_jobs() {
    alone("rest", 100, 150);
}

#[test]
fn each_fault_by_graphql_with_one_job() {
    alone("graphql", 1, 100);
}

#[test]
fn each_fault_by_graphql_with_ten_jobs() {
    alone("graphql", 10, 200);
}

#[test]
fn each_fault_by_graphql_with_a_hundred_jobs() {
    alone("graphql", 100, 500);
}

/// Each fault is met by a tenth of the logins' first requests, or of every other five of the first hundred
/// queries; and in an answer by a tenth of the logins.
fn together(api: &'static str, jobs: i64) {
    let seed = fastrand::u64(..);
    let rest = api == "rest";
    let hit = move |asked: &Asked<'_>| {
        let of = if rest { fastrand::Rng::with_seed(hash(asked.login)).u64(..) } else { asked.number };
        if (rest && asked.time > 1) || (!rest && (asked.number % 10 < 5 || asked.number > 100)) {
            return None;
        }
        let faults = [
            Fault::Html(502),
            Fault::Html(504),
            Fault::Reset,
            Fault::Hangup,
            Fault::Truncated,
            Fault::BrokenJson,
            Fault::Silent,
            Fault::secondary(403, Some(0)),
            Fault::secondary(429, Some(0)),
        ];
        faults.get(usize::try_from(percent(seed, of) / 10).unwrap()).cloned()
    };
    let alias = move |login: &str, time: u32| match percent(!seed, hash(login)) {
        _ if time > 1 => None,
        0..10 => Some(AliasFault::ResourceLimits),
        10..20 => Some(AliasFault::Wrong),
        _ => None,
    };
    let fake =
        Fake::start(Behaviour { fault: Box::new(hit), alias: Box::new(alias), ..Behaviour::default() });
    let logins = if rest { 1000 } else { 2000 };
    let text = roster(logins);
    let list = file(&text);
    let run = Program::asking(&fake, &["-f", path(&list), "-F", "ndjson", "-q", "--api", api])
        .argument(&format!("-j{jobs}"))
        .argument("--timeout=300ms")
        .argument("--retries=12")
        .env("GH_TOKEN", "ghp_sample")
        .run();
    let what = format!("all together, seed {seed}, -j {jobs}, {api}");
    assert_eq!((run.status, run.stderr.as_str()), (1, ""), "{what}");
    for (row, login) in run.rows_of(logins).iter().zip(text.lines()) {
        assert_eq!(row["login"], login, "{what}");
        match account(login) {
            Some(account) => assert_eq!(row["public_repos"], account.public_repos, "{what}: {row}"),
            None => assert_eq!(row["status"], "not_found", "{what}: {row}"),
        }
    }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |hash, byte| hash.wrapping_mul(1_000_003) ^ u64::from(byte))
}

#[test]
fn all_faults_together_by_rest() {
    together("rest", 100);
}

#[test]
fn all_faults_together_by_graphql() {
    together("graphql", 10);
}
