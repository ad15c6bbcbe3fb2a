//! Runs that are killed, interrupted, or run out of disk space: no row that was on disk is lost.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{Workspace, comparable, mixed, requested_logins};
use crate::fake::{Behavior, Fake, Fault};
use crate::program::{Program, in_parallel, rows, users};

#[cfg(unix)]
#[test]
fn twenty_kills_at_random_lose_no_row_that_was_on_disk() {
    in_parallel(vec!["rest", "graphql"], |api| {
        let fake = Fake::start(Behavior {
            latency: Duration::from_millis(40),
            // Some first requests fail, and other rows wait behind their retries.
            fault: Box::new(|context| {
                (context.attempt == 1 && context.number % 37 == 0).then_some(Fault::Html(502))
            }),
            ..Behavior::default()
        });
        let input = mixed(300);
        let undisturbed = Workspace::new(&input);
        let look_up = |workspace: &Workspace, arguments: &[&str]| {
            let batch: &[&str] = if api == "graphql" { &["--batch", "5"] } else { &[] };
            workspace
                .program(&fake, &[arguments, batch, &["--api", api, "-j", "5", "-q"]].concat())
                .env("GH_TOKEN", "ghp_sample")
        };
        assert_eq!(look_up(&undisturbed, &[]).run().status, 1);

        let workspace = Workspace::new(&input);
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kills = 0;
        while kills < 20 {
            let on_disk = workspace.kept();
            let before = fake.arrivals().len();
            let mut child = look_up(&workspace, &["--resume"]).spawn();
            std::thread::sleep(Duration::from_micros(random.u64(0..400_000)));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            if api == "rest" {
                let again = requested_logins(&fake, before)
                    .into_iter()
                    .filter(|login| on_disk.contains(login))
                    .count();
                assert_eq!(again, 0, "seed {seed}");
            }
            let now = workspace.kept();
            assert!(now.is_superset(&on_disk), "seed {seed}: never a shorter journal");
            kills += 1;
            if ended.is_some() {
                fs::remove_file(workspace.at("journal.ndjson")).unwrap();
                let _ = fs::remove_file(workspace.at("journal.ndjson.partial"));
            }
        }
        let run = look_up(&workspace, &["--resume", "-o", "report.json"]).run();
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert_eq!(comparable(&workspace.journal()), comparable(&undisturbed.journal()), "seed {seed}");
        let json: Value = serde_json::from_slice(&fs::read(workspace.at("report.json")).unwrap()).unwrap();
        assert_eq!(
            json["rows"],
            Value::from(rows(&workspace.journal())),
            "every report holds the kept rows too"
        );
    });
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_status_2_and_leaves_complete_lines() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new(&users(300));
    // Files are limited to 8 KiB, and the signal of that limit is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} -f input.txt -o journal.ndjson --api-url {} --resume",
        env!("CARGO_BIN_EXE_ghrepos"),
        fake.url()
    );
    let limited = || {
        std::process::Command::new("bash")
            .args(["-c", &script])
            .current_dir(workspace.0.path())
            .output()
            .unwrap()
    };
    let run = limited();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(
        stderr.starts_with(
            "ghrepos: cannot write journal.ndjson: File too large; the rows so far are in journal.ndjson.partial\n"
        ) && stderr.matches("rows so far").count() == 1,
        "{stderr}"
    );
    let text = workspace.partial();
    assert!(text.ends_with('\n') && (1..300).contains(&rows(&text).len()), "{}", text.len());
    let before = fake.requests();
    assert_eq!(limited().status.code(), Some(2));
    assert!(workspace.partial().starts_with(&text), "never a shorter journal");
    let kept = rows(&workspace.partial()).len();
    let before_resume = fake.requests();
    assert!(before_resume > before);
    assert_eq!(workspace.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests() - before_resume, 300 - kept as u64);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_to_resume() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
    let workspace = Workspace::new(&users(600));
    let child = workspace.program(&fake, &["-o", "report.csv"]).spawn();
    while fake.requests() < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let run = crate::program::wait_for_exit(child);
    assert_eq!(run.status, 143);
    let command = run.stderr.lines().next().unwrap().split_once("Continue with: ").unwrap().1;
    assert!(command.contains(" --resume "), "{command}");
    assert!(
        run.stderr.contains(
            "ghrepos: not complete: the rows so far are in journal.ndjson.partial, report.csv.partial\n"
        ),
        "{}",
        run.stderr
    );
    assert_eq!(rows(&workspace.partial()).len(), 600);
    let csv = fs::read_to_string(workspace.at("report.csv.partial")).unwrap();
    assert_eq!(csv.lines().filter(|line| line.contains(",skipped,")).count(), 600 - workspace.kept().len());
    let before = fake.requests();
    let kept = workspace.kept().len() as u64;
    // The command that the message names.
    let run = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(workspace.0.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(fake.requests() - before, 600 - kept);
    assert!(rows(&workspace.journal()).iter().all(|row| row["status"] == "ok"));
}

#[test]
fn rows_behind_a_slow_one_reach_the_disk_within_a_second() {
    let fake = Fake::with_faults(|context| (context.login == "user-1").then_some(Fault::Silent));
    let workspace = Workspace::new(&users(50));
    let mut child = workspace.program(&fake, &["--timeout", "60s"]).spawn();
    let began = std::time::Instant::now();
    while workspace.kept().len() < 49 {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", workspace.kept());
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let fake = Fake::well_behaved();
    assert_eq!(workspace.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests(), 1);
    let logins: Vec<_> =
        rows(&workspace.journal()).iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, users(50).lines().collect::<Vec<_>>());
}

#[test]
fn a_hanging_query_keeps_no_other_row_from_the_journal() {
    let fake = Fake::with_faults(|context| {
        let query = crate::fake::Query::parse(context.request).ok()?;
        query.summary().logins.contains(&"user-1".to_owned()).then_some(Fault::Silent)
    });
    let workspace = Workspace::new(&users(5000));
    let arguments = ["-f", "input.txt", "-o", "journal.ndjson", "--timeout", "60s"];
    let mut child = Program::for_fake(&fake, &arguments)
        .env("GH_TOKEN", "ghp_sample")
        .current_dir(workspace.0.path())
        .spawn();
    let start = std::time::Instant::now();
    // All rows except those of the hanging query. The bound is below the timeout, and above the time of a busy machine.
    while workspace.kept().len() < 4900 {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", workspace.kept().len());
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("4,900 rows after {:?}", start.elapsed());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn resuming_from_stdin_gives_every_login_a_row_and_loses_none() {
    let primary = Some(crate::fake::PrimaryLimit::new(100, Duration::from_hours(1)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    let workspace = Workspace::new("");
    // More logins than are read ahead.
    let list = users(5000);
    for _ in 0..2 {
        let run = Program::for_fake(&fake, &["-", "-o", "journal.ndjson", "--resume"])
            .current_dir(workspace.0.path())
            .run_with_input(&list);
        assert_eq!(run.status, 5);
        assert!(
            run.stderr.contains("; 4,900 logins were not looked up. Continue then with: "),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains(" (and the same list on standard input)\n"), "{}", run.stderr);
        assert_eq!(rows(&workspace.partial()).len(), 5000);
    }
    assert!(fake.requests() <= 120, "{}", fake.requests());

    // A pipe that stays open: existing rows stay, although their logins have not been read yet.
    let mut child = Program::for_fake(&fake, &["-", "-o", "journal.ndjson", "-F", "ndjson", "--resume"])
        .current_dir(workspace.0.path())
        .stdin(Stdio::piped())
        .spawn();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // The row of a login that is known already shows that the run has begun.
    stdin.write_all(b"user-1\n").unwrap();
    stdout.read_line(&mut String::new()).unwrap();
    // Two signals, as `timeout` sends them. One command sends both: on a busy machine, two commands are far apart.
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid, &pid]).status().unwrap().success());
    let run = crate::program::wait_for_exit(child);
    drop(stdin);
    assert_eq!(run.status, 143);
    assert!(run.stderr.contains("; the rest of standard input was not read"), "{}", run.stderr);
    assert_eq!(workspace.kept().len(), 100);
}
