//! Many logins: right counts in input order, and no more requests in flight than allowed.

use std::time::Duration;

use crate::fake::{Behavior, Fake, account};
use crate::program::{Program, file, path, users};

fn a_thousand_with(jobs: i64) {
    // More jobs get a longer latency, so that the test does not depend on the speed of the machine.
    let latency = Duration::from_millis(jobs.unsigned_abs());
    let fake = Fake::start(Behavior { latency, ..Behavior::default() });
    let input = file(&users(1000));
    let run = Program::for_fake(&fake, &["-f", path(&input), "-j", &jobs.to_string(), "-F", "ndjson"]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let rows = run.rows();
    assert_eq!(rows.len(), 1000);
    for (row, login) in rows.iter().zip(users(1000).lines()) {
        let account = account(login).unwrap();
        assert_eq!(row["login"], account.login);
        assert_eq!(row["status"], "ok");
        assert_eq!(row["public_repos"], account.public_repos);
        assert_eq!(row["id"], account.id);
        assert_eq!(row["attempts"], 1);
    }
    assert_eq!(fake.requests(), 1000);
    assert!(fake.peak() <= jobs, "no more than allowed: {}", fake.peak());
    assert!(fake.peak() > jobs / 2, "and about as many: {}", fake.peak());
    // A request may start a connection and then use one that became free.
    assert!(fake.connections() <= 2 * jobs as u64, "connections are used again: {}", fake.connections());
}

#[test]
fn a_thousand_logins_are_right_and_in_order_ten_at_a_time() {
    a_thousand_with(10);
}

#[test]
fn a_thousand_logins_are_right_and_in_order_a_hundred_at_a_time() {
    a_thousand_with(100);
}

#[test]
fn every_account_type_is_counted() {
    let fake = Fake::well_behaved();
    let run =
        Program::for_fake(&fake, &["torvalds", "org-acme", "dependabot[bot]", "empty", "-F", "ndjson"]).run();
    let kinds: Vec<_> =
        run.rows().iter().map(|row| (row["type"].clone(), row["public_repos"].clone())).collect();
    let repos = |login: &str| account(login).unwrap().public_repos;
    assert_eq!(kinds[0], ("user".into(), 9.into()));
    assert_eq!(kinds[1], ("organization".into(), repos("org-acme").into()));
    assert_eq!(kinds[2], ("bot".into(), repos("dependabot[bot]").into()));
    assert_eq!(kinds[3], ("user".into(), 0.into()), "no repositories are a count, not a failure");
    assert_eq!(run.status, 0);
    assert!(fake.arrivals().iter().any(|arrival| arrival.request.target == "/users/dependabot%5Bbot%5D"));
}

#[test]
fn rows_are_written_while_the_input_is_still_open() {
    let fake = Fake::well_behaved();
    Program::for_fake(&fake, &["-", "-F", "ndjson"]).assert_rows_while_input_is_open();
    assert_eq!(fake.requests(), 2);
}

#[test]
fn enterprise_and_gateway_requests_use_their_own_routes() {
    let fake = Fake::start(Behavior { omits_limit_headers: true, ..Behavior::default() });
    let url = format!("{}/api/v3/", fake.url());
    let run = Program::new(&["torvalds", "missing-one", "-F", "ndjson", "--api-url", &url]).run();
    assert_eq!(run.status, 1);
    assert_eq!(run.rows()[0]["public_repos"], 9);
    assert_eq!(run.rows()[1]["status"], "not_found");
    let targets: Vec<_> = fake.arrivals().iter().map(|arrival| arrival.request.target.clone()).collect();
    assert!(targets.iter().all(|target| target.starts_with("/api/v3/users/")), "{targets:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_million_piped_lines_are_read_on_demand_in_flat_memory() {
    use std::io::{BufRead, BufReader, BufWriter, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
    let mut child =
        Program::for_fake(&fake, &["-", "-F", "ndjson"]).stdin(std::process::Stdio::piped()).spawn();
    let (stdin, written) = (child.stdin.take().unwrap(), Arc::<AtomicU64>::default());
    let count = Arc::clone(&written);
    let writer = std::thread::spawn(move || {
        let mut stdin = BufWriter::new(stdin);
        for number in 0..1_000_000 {
            // Ends with the program.
            if writeln!(stdin, "user-{number}").is_err() {
                return;
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let memory = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let mut rows = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(rows.next().unwrap().unwrap().contains("user-0"));
    // The window, the lines read ahead, and the buffer of the pipe.
    let ahead = written.load(Ordering::Relaxed);
    assert!(ahead < 20_000, "{ahead} lines were read before the first row");
    let begun = memory(child.id());
    for row in rows.by_ref().take(1000) {
        row.unwrap();
    }
    let ahead = written.load(Ordering::Relaxed);
    assert!(ahead < 21_000, "{ahead} lines were read for 1,000 rows");
    let grown = memory(child.id()) - begun;
    assert!(grown < 4_000, "{grown} kB more after 1,000 rows");
    child.kill().unwrap();
    child.wait().unwrap();
    writer.join().unwrap();
}
