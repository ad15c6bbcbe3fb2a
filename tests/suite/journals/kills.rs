//! Runs that end before their time: killed, interrupted, or for want of room. No row that was on disk is lost.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::{Desk, asked, comparable, kept, mixed};
use crate::fake::{Behaviour, Fake, Fault};
use crate::program::{Program, rows, users};

#[cfg(unix)]
#[test]
fn twenty_kills_at_random_moments_lose_no_row_that_was_on_disk() {
    for api in ["rest", "graphql"] {
        let fake = Fake::start(Behaviour {
            latency: Duration::from_millis(8),
            // Some are slow to be answered well: rows wait behind them.
            fault: Box::new(|asked| (asked.time == 1 && asked.number % 37 == 0).then_some(Fault::Html(502))),
            ..Behaviour::default()
        });
        let roster = mixed(1500);
        let undisturbed = Desk::new(&roster);
        let ask = |desk: &Desk, arguments: &[&str]| {
            let batch: &[&str] = if api == "graphql" { &["--batch", "5"] } else { &[] };
            desk.program(&fake, &[arguments, batch, &["--api", api, "-j", "5", "-q"]].concat())
                .env("GH_TOKEN", "ghp_sample")
        };
        assert_eq!(ask(&undisturbed, &[]).run().status, 1);

        let desk = Desk::new(&roster);
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kills = 0;
        while kills < 20 {
            let on_disk = kept(&desk.at("journal.ndjson"));
            let before = fake.arrivals().len();
            let mut child = ask(&desk, &["--resume"]).spawn();
            std::thread::sleep(Duration::from_micros(random.u64(0..400_000)));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            if api == "rest" {
                let again = asked(&fake, before).into_iter().filter(|login| on_disk.contains(login)).count();
                assert_eq!(again, 0, "seed {seed}");
            }
            let now = kept(&desk.at("journal.ndjson"));
            assert!(now.is_superset(&on_disk), "seed {seed}: never a shorter journal");
            kills += 1;
            if ended.is_some() {
                fs::remove_file(desk.at("journal.ndjson")).unwrap();
            }
        }
        let run = ask(&desk, &["--resume", "-o", "report.json"]).run();
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert_eq!(comparable(&desk.journal()), comparable(&undisturbed.journal()), "seed {seed}");
        let json: Value = serde_json::from_slice(&fs::read(desk.at("report.json")).unwrap()).unwrap();
        assert_eq!(json["rows"], Value::from(rows(&desk.journal())), "every report holds the kept rows too");
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_status_2_and_leaves_whole_lines() {
    let fake = Fake::well_behaved();
    let desk = Desk::new(&users(300));
    // No file may become longer than 8 KiB; the signal that goes with it is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} -f roster.txt -o journal.ndjson --api-url {} --resume",
        env!("CARGO_BIN_EXE_ghrepos"),
        fake.url()
    );
    let limited = || {
        std::process::Command::new("bash").args(["-c", &script]).current_dir(desk.0.path()).output().unwrap()
    };
    let run = limited();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(stderr.starts_with("ghrepos: cannot write journal.ndjson: File too large"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let text = desk.journal();
    assert!(text.ends_with('\n') && (1..300).contains(&rows(&text).len()), "{}", text.len());
    let before = fake.requests();
    assert_eq!(limited().status.code(), Some(2));
    assert!(desk.journal().starts_with(&text), "never a shorter journal");
    let kept = rows(&desk.journal()).len();
    let asked = fake.requests();
    assert!(asked > before);
    assert_eq!(desk.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests() - asked, 300 - kept as u64);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_in_order_and_says_how_to_go_on() {
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(20), ..Behaviour::default() });
    let desk = Desk::new(&users(2000));
    let child = desk.program(&fake, &["-o", "report.csv"]).spawn();
    while fake.requests() < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let run = crate::program::ended(child);
    assert_eq!(run.status, 143);
    let command = run.stderr.lines().next().unwrap().split_once("Continue with: ").unwrap().1;
    assert!(command.contains(" --resume "), "{command}");
    assert_eq!(rows(&desk.journal()).len(), 2000);
    let csv = fs::read_to_string(desk.at("report.csv")).unwrap();
    assert_eq!(
        csv.lines().filter(|line| line.contains(",skipped,")).count(),
        2001 - 1 - kept(&desk.at("journal.ndjson")).len()
    );
    let before = fake.requests();
    let kept = kept(&desk.at("journal.ndjson")).len() as u64;
    // The very command that it names.
    let run =
        std::process::Command::new("sh").args(["-c", command]).current_dir(desk.0.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(fake.requests() - before, 2000 - kept);
    assert!(rows(&desk.journal()).iter().all(|row| row["status"] == "ok"));
}

#[test]
fn answers_behind_a_slow_one_are_on_disk_within_a_second() {
    let fake = Fake::with_faults(|asked| (asked.login == "user-1").then_some(Fault::Silent));
    let desk = Desk::new(&users(50));
    let mut child = desk.program(&fake, &["--timeout", "60s"]).spawn();
    let began = std::time::Instant::now();
    while kept(&desk.at("journal.ndjson")).len() < 49 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", desk.journal());
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let fake = Fake::well_behaved();
    assert_eq!(desk.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests(), 1);
    let logins: Vec<_> =
        rows(&desk.journal()).iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, users(50).lines().collect::<Vec<_>>());
}

#[test]
fn a_hanging_query_keeps_no_other_row_from_the_journal() {
    let fake = Fake::with_faults(|asked| {
        let query = crate::fake::Query::parse(asked.request).ok()?;
        query.asks().logins.contains(&"user-1".to_owned()).then_some(Fault::Silent)
    });
    let desk = Desk::new(&users(5000));
    let arguments = ["-f", "roster.txt", "-o", "journal.ndjson", "--timeout", "60s"];
    let mut child =
        Program::asking(&fake, &arguments).env("GH_TOKEN", "ghp_sample").current_dir(desk.0.path()).spawn();
    let start = std::time::Instant::now();
    // All but those of its own query. The bound is below the timeout, and above what a busy machine takes.
    while kept(&desk.at("journal.ndjson")).len() < 4900 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", kept(&desk.at("journal.ndjson")).len());
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("4,900 rows after {:?}", start.elapsed());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_list_on_standard_input_has_a_row_for_everyone_and_loses_none_that_was_there() {
    let primary = Some(crate::fake::Primary::new(100, Duration::from_hours(1)));
    let fake = Fake::start(Behaviour { primary, ..Behaviour::default() });
    let desk = Desk::new("");
    let list = users(9000);
    for _ in 0..2 {
        let run = Program::asking(&fake, &["-", "-o", "journal.ndjson", "--resume"])
            .current_dir(desk.0.path())
            .run_with_input(&list);
        assert_eq!(run.status, 5);
        assert!(run.stderr.contains("; 8,900 logins were not asked. Continue then with: "), "{}", run.stderr);
        assert!(run.stderr.contains(" (and the same list on standard input)\n"), "{}", run.stderr);
        assert_eq!(rows(&desk.journal()).len(), 9000);
    }
    assert!(fake.requests() <= 120, "{}", fake.requests());

    // A pipe that nobody closes: the rows that were there stay, though nobody has named them yet.
    let mut child = Program::asking(&fake, &["-", "-o", "journal.ndjson", "--resume"])
        .current_dir(desk.0.path())
        .stdin(std::process::Stdio::piped())
        .spawn();
    let stdin = child.stdin.take().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // As `timeout` does it: twice.
    for _ in 0..2 {
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
    let run = crate::program::ended(child);
    drop(stdin);
    assert_eq!(run.status, 143);
    assert!(run.stderr.contains("; the rest of standard input was not read"), "{}", run.stderr);
    assert_eq!(kept(&desk.at("journal.ndjson")).len(), 100);
}
