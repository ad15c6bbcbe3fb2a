//! Runs saved to a database: baselines, shards, replaced and incomplete runs.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Database, Server, with_both};
use crate::fake::{Behavior, Fake, account};
use crate::program::{Program, Run, file, installed, path, users, wait_for_exit};

fn audit(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit").join(name).display().to_string()
}

fn month(month: &str, arguments: &[&str]) -> Run {
    let recording = audit(&format!("{month}/github"));
    let list = audit(&format!("{month}/team.csv"));
    Program::new(
        &[&["--replay", &recording, "-f", &list, "--carry", "team", "-F", "ndjson"], arguments].concat(),
    )
    .run()
}

#[test]
fn a_saved_run_is_the_baseline_of_the_next() {
    with_both("baseline", |database| {
        let url = database.url();
        let none = month("2026-11", &["--baseline", &url]);
        assert_eq!((none.status, none.stdout.as_str()), (2, ""), "{}", none.stderr);
        let first = month("2026-10", &["--save", &url]);
        assert_eq!(first.status, 0, "{}", first.stderr);
        let second = month("2026-11", &["--save", &url, "--baseline", &url, "--fail-on", "removed>0"]);
        assert_eq!(second.status, 3, "{}", second.stderr);
        assert!(second.stderr.contains("--fail-on removed>0: 1 login: sample-boris"), "{}", second.stderr);
        assert!(
            second.stderr.contains("2 new, 1 removed, 1 renamed, 1 replaced, 3 grown (+26), 2 shrunk (-30)"),
            "{}",
            second.stderr
        );
        assert!(!second.stderr.contains("s3cret") && !second.stdout.contains("s3cret"), "{}", second.stderr);
        let runs = database
            .rows("SELECT CAST(id AS TEXT), CAST(CAST(complete AS INTEGER) AS TEXT) FROM runs ORDER BY id");
        assert_eq!(runs, [["1", "1"], ["2", "1"]]);
        // The database has the same rows as the report.
        let saved = database.rows(
            "SELECT login, status, coalesce(CAST(public_repos AS TEXT), ''), coalesce(CAST(change AS TEXT), ''), coalesce(event, '') FROM counts WHERE run = 2",
        );
        let text = |value: &Value| {
            value.as_str().map_or_else(
                || if value.is_null() { String::new() } else { value.to_string() },
                str::to_owned,
            )
        };
        let mut message: Vec<_> = second
            .rows()
            .iter()
            .map(|row| {
                ["login", "status", "public_repos", "change", "event"].map(|key| text(&row[key])).to_vec()
            })
            .collect();
        let mut saved = saved;
        saved.sort();
        message.sort();
        assert_eq!(saved, message);
        let numbers: Vec<_> =
            queries_of_the_docs().into_iter().map(|query| database.rows(query)[0][0].clone()).collect();
        assert_eq!(numbers, ["2", "3", "1", "2", "0"], "history, growth, leavers, months, incomplete runs");
    });
}

/// The queries of docs/databases.md.
fn sql_of_the_docs() -> String {
    let docs =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/databases.md")).unwrap();
    let block = docs.split("```sql").find(|block| block.contains("-- who grew most")).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// Number of rows that the queries of docs/databases.md return.
fn queries_of_the_docs() -> Vec<&'static str> {
    let block = sql_of_the_docs();
    let block: Vec<_> = block.lines().filter(|line| !line.starts_with("--")).collect();
    let block = block.join("\n");
    let queries = block.split(';').map(str::trim).filter(|query| !query.is_empty());
    queries.map(|query| &*format!("SELECT CAST(count(*) AS TEXT) FROM ({query}) AS q").leak()).collect()
}

/// SQLite's own program, with the queries as the page has them.
#[test]
fn the_sqlite3_command_reads_what_was_saved() {
    if !installed(&["sqlite3"]) {
        return;
    }
    let database = Database::sqlite();
    let url = database.url();
    assert_eq!(month("2026-10", &["--save", &url]).status, 0);
    let second = month("2026-11", &["--save", &url, "--baseline", &url]);
    let sqlite3 = |mode: &str, sql: &str| {
        let mut command = Command::new("sqlite3");
        command.args(["-batch", "-bail", "-readonly", mode, url.strip_prefix("sqlite:").unwrap()]);
        let output = command.stdin(File::open(file(sql).path()).unwrap()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && error.is_empty(), "{sql}: {error}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(sqlite3("-list", "PRAGMA integrity_check; PRAGMA foreign_key_check;"), "ok\n");
    let saved = sqlite3(
        "-json",
        "SELECT login, status, public_repos, change, event FROM counts WHERE run = 2 ORDER BY login;",
    );
    let saved: Vec<Value> = serde_json::from_str(&saved).unwrap();
    let keys = ["login", "status", "public_repos", "change", "event"];
    let mut rows = second.rows();
    rows.sort_by_key(|row| row["login"].as_str().map(str::to_owned));
    let expected: Vec<_> = rows
        .iter()
        .map(|row| Value::Object(keys.map(|key| (key.to_owned(), row[key].clone())).into_iter().collect()))
        .collect();
    assert!(saved.len() > 10, "{saved:?}");
    assert_eq!(saved, expected);
    assert_eq!(sqlite3("-list", &sql_of_the_docs()).lines().count(), 2 + 3 + 1 + 2, "without the last query");
}

#[test]
fn four_concurrent_shards_save_one_run_with_each_row_once() {
    with_both("shards", |database| {
        let fake = Fake::start(Behavior { latency: Duration::from_millis(2), ..Behavior::default() });
        let list = file(&users(400));
        let url = database.url();
        let part = |part: &str| {
            Program::for_fake(
                &fake,
                &["-f", path(&list), "--shard", part, "--save", &url, "--run-name", "weekly", "-F", "ndjson"],
            )
            .run()
        };
        std::thread::scope(|scope| {
            let parts = ["1/4", "2/4", "3/4"].map(|shard| scope.spawn(move || part(shard)));
            for part in parts {
                let run = part.join().unwrap();
                assert_eq!(run.status, 0, "{}", run.stderr);
            }
        });
        let complete =
            "SELECT CAST(count(*) AS TEXT), CAST(min(CAST(complete AS INTEGER)) AS TEXT) FROM runs";
        assert_eq!(database.rows(complete), [["1", "0"]], "a part is missing");
        assert_eq!(part("4/4").status, 0);
        // Saving again duplicates no row.
        assert_eq!(part("2/4").status, 0);
        assert_eq!(database.rows(complete), [["1", "1"]]);
        let sums = "SELECT CAST(count(*) AS TEXT), CAST(count(DISTINCT key) AS TEXT), CAST(sum(public_repos) AS TEXT) FROM counts";
        let repos: u64 = users(400).lines().map(|login| account(login).unwrap().public_repos).sum();
        assert_eq!(database.rows(sums), [["400", "400", &repos.to_string()]]);
        let run = part("1/3");
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("the run \"weekly\" has 4 parts, not 3"), "{}", run.stderr);
    });
}

#[test]
fn a_saved_push_is_a_time_that_sql_compares() {
    with_both("pushes", |database| {
        let fake = Fake::well_behaved();
        let url = database.url();
        let run = Program::for_fake(&fake, &["torvalds", "idle-1", "--last-push", "--save", &url]).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        let pushed = "SELECT login FROM counts WHERE last_push >= '2016-01-01T00:00:00Z' AND last_push < at";
        assert_eq!(database.rows(pushed), [["torvalds"]]);
        assert_eq!(database.rows("SELECT login FROM counts WHERE last_push IS NULL"), [["idle-1"]]);
        let again = ["torvalds", "idle-1", "--last-push", "--baseline", &url, "-F", "ndjson"];
        assert!(Program::for_fake(&fake, &again).run().rows_of(2).iter().all(|row| row["change"] == 0));
    });
}

#[test]
fn saving_under_an_existing_run_name_replaces_that_run() {
    with_both("again", |database| {
        let fake = Fake::well_behaved();
        let url = database.url();
        let save = |logins: &[&str]| {
            Program::for_fake(
                &fake,
                &[logins, &["--save", &url, "--run-name", "week 1", "-F", "ndjson", "-q"]].concat(),
            )
            .run()
        };
        // A login with a NUL character is saved in an escaped form.
        let list = file("user-3\na\0b\n");
        assert_eq!(save(&["user-1", "user-2", "-f", path(&list)]).status, 1);
        let complete = "SELECT CAST(CAST(complete AS INTEGER) AS TEXT) FROM runs";
        assert_eq!(
            database.rows("SELECT key FROM counts ORDER BY key"),
            [["a\\u{0}b"], ["user-1"], ["user-2"], ["user-3"]]
        );
        assert_eq!(save(&["user-1", "user-2"]).status, 0);
        assert_eq!(database.rows("SELECT key FROM counts ORDER BY key"), [["user-1"], ["user-2"]]);
        assert_eq!(database.rows(complete), [["1"]]);
        // A run that is not complete replaces nothing, and one without an answer leaves nothing.
        let refusing = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
        let refused = ["user-9", "--save", &url, "--run-name", "week 1", "-F", "ndjson", "-q"];
        assert_eq!(Program::for_fake(&refusing, &refused).env("GH_TOKEN", "wrong").run().status, 4);
        assert_eq!(database.rows(complete), [["1"]]);
        assert_eq!(save(&["user-1", "user-4", "-j", "1", "--max-points", "1"]).status, 5);
        let runs = "SELECT coalesce(name, ''), CAST(CAST(complete AS INTEGER) AS TEXT) FROM runs ORDER BY id";
        assert_eq!(database.rows(runs), [["week 1", "1"], ["", "0"]]);
        let keys =
            "SELECT key FROM counts WHERE run = (SELECT id FROM runs WHERE name = 'week 1') ORDER BY key";
        assert_eq!(database.rows(keys), [["user-1"], ["user-2"]]);
        assert_eq!(save(&["user-1", "user-4"]).status, 0);
        assert_eq!(database.rows(keys), [["user-1"], ["user-4"]]);
        for (arguments, reason) in [
            (&["a", "--save", &url, "--shard", "1/2"][..], "--save with --shard requires --run-name"),
            (&["--sql", &url, "--query", " "], "--query is empty"),
        ] {
            let run = Program::for_fake(&fake, arguments).run();
            assert!(run.status == 2 && run.stderr.contains(reason), "{}", run.stderr);
        }
    });
}

#[test]
fn tables_of_another_version_are_refused_in_one_line() {
    with_both("version", |database| {
        let url = database.url();
        database.execute("CREATE TABLE ghrepos_schema (version BIGINT NOT NULL)");
        database.execute("INSERT INTO ghrepos_schema VALUES (1)");
        let fake = Fake::well_behaved();
        for arguments in [&["a", "--save", &url][..], &["a", "--baseline", &url]] {
            let run = Program::for_fake(&fake, arguments).run();
            let reason =
                ": its tables have version 1, and this version of ghrepos requires 3; use another database\n";
            assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
            assert!(run.stderr.ends_with(reason), "{}", run.stderr);
        }
        assert_eq!(fake.requests(), 0);
    });
}

#[test]
fn a_baseline_without_a_run_is_refused_in_one_line() {
    with_both("empty", |database| {
        let url = database.url();
        database.execute("CREATE TABLE other (a BIGINT)");
        let fake = Fake::well_behaved();
        let refused = |reason: &str| {
            let run = Program::for_fake(&fake, &["a", "--baseline", &url]).run();
            assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
            assert!(run.stderr.ends_with(&format!(": {reason}\n")), "{}", run.stderr);
        };
        refused("it has no tables of ghrepos");
        let run =
            Program::for_fake(&fake, &["a", "b", "--jobs", "1", "--max-points", "1", "--save", &url]).run();
        assert_eq!(run.status, 5, "{}", run.stderr);
        refused("it has no complete run");
    });
}

#[test]
fn an_interrupted_or_empty_run_is_not_marked_complete() {
    let database = Database::sqlite();
    let url = database.url();
    let fake = Fake::well_behaved();
    let list = file(&users(50));
    let run =
        Program::for_fake(&fake, &["-f", path(&list), "--save", &url, "--max-points", "20", "-q"]).run();
    assert_eq!(run.status, 5);
    let dead =
        Program::new(&["a", "--api-url", "http://127.0.0.1:9", "--retries", "0", "--save", &url]).run();
    assert_eq!(dead.status, 5);
    assert_eq!(
        database.rows("SELECT CAST(complete AS TEXT), coalesce(finished, 'no') FROM runs"),
        [["0", "no"]]
    );
    assert_eq!(
        database.rows("SELECT status, CAST(count(*) AS TEXT) FROM counts GROUP BY status"),
        [["ok", "20"], ["skipped", "30"]]
    );
}

#[test]
fn a_failing_database_leaves_a_report_that_can_be_saved_later() {
    let Some(server) = Server::start().map(Arc::new) else { return };
    let database = server.database("dies");
    let url = database.url();
    let fake = Fake::start(Behavior { latency: Duration::from_millis(100), ..Behavior::default() });
    let list = file(&users(300));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson").display().to_string();
    let child = Program::for_fake(&fake, &["-f", path(&list), "-o", &report, "--save", &url]).spawn();
    let begun = Instant::now();
    while fake.requests() < 100 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill();
    let run = wait_for_exit(child);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("cannot write postgres://127.0.0.1:"), "{}", run.stderr);
    assert!(run.stderr.contains("of this run were saved, and it is not marked complete"), "{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
    assert_eq!((rows.len(), rows.iter().filter(|row| row["status"] == "ok").count()), (300, 300));
    server.up();
    let before = fake.requests();
    let again = Program::new(&["--from", &report, "--save", &url, "-q", "-F", "csv"]).run();
    assert_eq!((again.status, again.stderr.as_str()), (0, ""));
    assert_eq!(fake.requests(), before);
    let runs = "SELECT CAST(CAST(complete AS INTEGER) AS TEXT), CAST((SELECT count(*) FROM counts WHERE run = runs.id) AS TEXT) FROM runs ORDER BY id DESC";
    assert_eq!(database.rows(runs)[0], ["1", "300"]);
}
