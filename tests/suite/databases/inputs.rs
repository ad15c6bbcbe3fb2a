//! Logins from the rows of a query.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Database, Server, with_both};
use crate::fake::{Behavior, Fake};
use crate::program::{Program, wait_for_exit};

#[test]
fn a_query_provides_logins_and_their_carried_columns() {
    with_both("input", |database| {
        database.execute(
            "CREATE TABLE staff (login VARCHAR(80), team TEXT, nr INTEGER, since DATE);
             INSERT INTO staff VALUES ('torvalds', 'core', 1, '2026-01-31'), (NULL, 'x', 2, NULL), (' ', 'y', 3, NULL),
                ('@antirez', NULL, 4, NULL), ('no login', 'core', 5, NULL), ('TORVALDS', 'web', 6, NULL);",
        );
        let fake = Fake::well_behaved();
        let url = database.url();
        let look_up = |query: &str, more: &[&str]| {
            Program::for_fake(&fake, &[&["--sql", &url, "--query", query, "-F", "json"], more].concat()).run()
        };
        let run = look_up(
            "SELECT login, team, nr, since FROM staff ORDER BY nr",
            &["--carry", "Team,nr,since", "--group-by", "team"],
        );
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(
            run.stderr.contains(": 2 rows without a login skipped") && !run.stderr.contains("s3cret"),
            "{}",
            run.stderr
        );
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let rows = report["rows"].as_array().unwrap();
        let logins: Vec<_> = rows.iter().map(|row| row["login"].as_str().unwrap()).collect();
        assert_eq!(logins, ["torvalds", "antirez", "no login"]);
        let groups = ["core", "web"];
        assert_eq!(rows[0]["carried"], serde_json::json!({"Team": groups, "nr": "1", "since": "2026-01-31"}));
        assert_eq!(rows[1]["carried"]["Team"], Value::Null);
        assert_eq!(
            report["summary"]["groups"][0],
            serde_json::json!({"group": "core", "logins": 2, "counted": 1, "public_repos": 9})
        );
        // An error is one line without the password, before any request.
        let before = fake.requests();
        for (query, more, reason) in [
            ("SELECT login FROM stafff", &[][..], "stafff"),
            ("SELECT nr, login FROM staff", &[], "the first column of the query, nr, is of type INT"),
            (
                "SELECT login FROM staff",
                &["--carry", "site"],
                "column \"site\" not found (columns: \"login\"",
            ),
            ("SELEC", &[], "syntax error"),
            ("INSERT INTO staff VALUES ('x', NULL, 1, NULL)", &[], "read"),
        ] {
            let run = look_up(query, more);
            assert_eq!(
                (run.status, run.stdout.as_str(), run.stderr.lines().count()),
                (2, "", 1),
                "{}",
                run.stderr
            );
            assert!(run.stderr.contains(reason) && !run.stderr.contains("s3cret"), "{}", run.stderr);
            assert!(!run.stderr.contains("returned from database"), "the reason twice: {}", run.stderr);
        }
        assert_eq!(fake.requests(), before);
        assert_eq!(database.rows("SELECT CAST(count(*) AS TEXT) FROM staff"), [["6"]], "nothing was written");
        if let Database::Postgres(server, name) = database {
            let wrong = format!("postgres://ghrepos:wr0ng@127.0.0.1:{}/{name}", server.port);
            let run = Program::for_fake(&fake, &["--sql", &wrong, "--query", "SELECT 1"]).run();
            assert_eq!(run.status, 2);
            assert!(
                run.stderr.contains("password authentication failed") && !run.stderr.contains("wr0ng"),
                "{}",
                run.stderr
            );
        }
        let run = Program::new(&["--sql", "sqlite:/nowhere/a.db", "--query", "SELECT 1"]).run();
        let message = "ghrepos: cannot read sqlite:/nowhere/a.db: unable to open database file\n";
        assert_eq!((run.status, run.stderr.as_str()), (2, message));
        let run = Program::for_fake(&fake, &["a", "--save", "mysql://me:s3cret@db/x"]).run();
        let message = "ghrepos: cannot use the database \"mysql://db/x\": expected sqlite:FILE or postgres://USER@HOST/DATABASE\n";
        assert_eq!((run.status, run.stderr.as_str()), (2, message));
    });
}

#[test]
fn a_large_query_starts_at_once_and_returns_its_connection() {
    let Some(server) = Server::shared() else { return };
    let database = server.database("many");
    let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
    let url = database.url();
    let query = "SELECT 'user-' || n FROM generate_series(1, 1000000) AS n";
    let child = Program::for_fake(&fake, &["--sql", &url, "--query", query, "-F", "ndjson", "-q"]).spawn();
    let begun = Instant::now();
    while fake.requests() < 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    let busy = "SELECT CAST(count(*) AS TEXT) FROM pg_stat_activity WHERE application_name = 'ghrepos' AND datname = 'many'";
    assert_eq!(database.rows(busy), [["1"]]);
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let run = wait_for_exit(child);
    assert_eq!(run.status, 130, "{}", run.stderr);
    let begun = Instant::now();
    while database.rows(busy) != [["0"]] {
        assert!(begun.elapsed() < Duration::from_secs(10), "the connection is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}
