//! Every fault of the fake, alone and together, with both APIs and different numbers of jobs. Each login has one row with the
//! right count, no more requests are in flight than allowed, and no request is sent during a pause.
//!
//! A seed decides which requests meet a fault. Failures print it.

use std::collections::HashSet;
use std::time::Duration;

use crate::fake::{AliasFault, Behavior, Fake, Fault, FaultContext, account};
use crate::program::{Program, file, in_parallel, path};

/// The pause that rejections ask for.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than a good response takes on a busy machine.
const TIMEOUT: &str = "--timeout=2s";

/// A fault, and its name in messages.
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

/// A pseudorandom number from 0 to 99 for a request or a login.
fn percent(seed: u64, of: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(0..100)
}

fn input(number: usize) -> String {
    (1..=number)
        .map(|at| if at % 25 == 0 { format!("missing-{at}\n") } else { format!("user-{at}\n") })
        .collect()
}

/// Runs the program and checks every promise.
fn check_run(fake: &Fake, logins: usize, jobs: i64, api: &str, what: &str) {
    let text = input(logins);
    let list = file(&text);
    let jobs_text = jobs.to_string();
    let run = Program::for_fake(
        fake,
        &["-f", path(&list), "-F", "ndjson", "-q", "--api", api, "-j", &jobs_text, "--batch", "2"],
    )
    .argument(TIMEOUT)
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
    // The fake may not have noticed yet that a request was canceled.
    let given_up = what.starts_with("Silent") || what.starts_with("Drip");
    assert!(given_up || fake.peak() <= jobs, "{what}: {} in flight", fake.peak());
    // Requests that were sent before the rejection arrived: those in flight, and on a busy machine those that follow them.
    let most = usize::try_from(2 * (jobs - 1)).unwrap().min(100);
    let arrivals: Vec<_> = fake.arrivals().iter().map(|arrival| arrival.at).collect();
    for rejected in fake.rejections() {
        let pause = rejected..rejected + PAUSE - Duration::from_millis(20);
        let during = arrivals.iter().filter(|at| **at > rejected && pause.contains(*at)).count();
        assert!(during <= most, "{what}: {during} requests during a pause");
        assert!(arrivals.iter().any(|at| *at >= pause.end), "{what}: the pause ends early");
    }
}

/// A tenth of the requests meet the fault.
fn check_each_fault(api: &'static str, jobs: i64, logins: usize) {
    in_parallel(faults(), |fault| {
        let seed = fastrand::u64(..);
        let (met, what) = (fault.clone(), format!("{fault:?}, seed {seed}"));
        let hit = move |context: &FaultContext<'_>| (percent(seed, context.number) < 10).then(|| met.clone());
        let fake = Fake::start(Behavior {
            fault: Box::new(hit),
            latency: Duration::from_millis(3),
            ..Behavior::default()
        });
        check_run(&fake, logins, jobs, api, &what);
    });
}

#[test]
fn each_fault_by_rest_with_one_job() {
    check_each_fault("rest", 1, 25);
}

#[test]
fn each_fault_by_rest_with_ten_jobs() {
    check_each_fault("rest", 10, 50);
}

#[test]
fn each_fault_by_rest_with_a_hundred_jobs() {
    check_each_fault("rest", 100, 150);
}

#[test]
fn each_fault_by_graphql_with_one_job() {
    check_each_fault("graphql", 1, 50);
}

#[test]
fn each_fault_by_graphql_with_ten_jobs() {
    check_each_fault("graphql", 10, 100);
}

#[test]
fn each_fault_by_graphql_with_a_hundred_jobs() {
    check_each_fault("graphql", 100, 300);
}

/// For REST, the first request of a tenth of the logins meets each fault. For GraphQL, half of the first hundred queries meet
/// one, and a tenth of the logins meet a fault of their alias.
fn check_all_faults(api: &'static str, jobs: i64) {
    let seed = fastrand::u64(..);
    let rest = api == "rest";
    let hit = move |context: &FaultContext<'_>| {
        let of = if rest { fastrand::Rng::with_seed(hash(context.login)).u64(..) } else { context.number };
        if (rest && context.attempt > 1) || (!rest && (context.number % 10 < 5 || context.number > 100)) {
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
    let fake = Fake::start(Behavior { fault: Box::new(hit), alias: Box::new(alias), ..Behavior::default() });
    let logins = if rest { 300 } else { 1000 };
    let text = input(logins);
    let list = file(&text);
    let run = Program::for_fake(&fake, &["-f", path(&list), "-F", "ndjson", "-q", "--api", api])
        .argument(&format!("-j{jobs}"))
        .argument("--timeout=1s")
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
    check_all_faults("rest", 100);
}

#[test]
fn all_faults_together_by_graphql() {
    check_all_faults("graphql", 10);
}
