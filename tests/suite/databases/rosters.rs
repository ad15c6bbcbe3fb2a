//! Rosters that are the rows of a query.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Database, Server, with_both};
use crate::fake::{Behaviour, Fake};
use crate::program::{Program, ended};

#[test]
fn a_roster_comes_from_a_query_and_what_it_says_of_a_login_with_it() {
    with_both("roster", |database| {
        database.execute(
            "CREATE TABLE staff (login VARCHAR(80), team TEXT, nr INTEGER, since DATE);
             INSERT INTO staff VALUES ('torvalds', 'core', 1, '2026-01-31'), (NULL, 'x', 2, NULL), (' ', 'y', 3, NULL),
                ('@antirez', NULL, 4, NULL), ('no login', 'core', 5, NULL), ('TORVALDS', 'web', 6, NULL);",
        );
        let fake = Fake::well_behaved();
        let url = database.url();
        let ask = |query: &str, more: &[&str]| {
            Program::asking(&fake, &[&["--sql", &url, "--query", query, "-F", "json"], more].concat()).run()
        };
        let run = ask(
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
        assert_eq!(rows[0]["carried"], serde_json::json!({"Team": "core", "nr": "1", "since": "2026-01-31"}));
        assert_eq!(rows[1]["carried"]["Team"], Value::Null);
        assert_eq!(
            report["summary"]["groups"][0],
            serde_json::json!({"group": "core", "logins": 2, "counted": 1, "public_repos": 9})
        );
        // What is wrong is one line, before anybody is counted, and without the password.
        let asked = fake.requests();
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
            let run = ask(query, more);
            assert_eq!(
                (run.status, run.stdout.as_str(), run.stderr.lines().count()),
                (2, "", 1),
                "{}",
                run.stderr
            );
            assert!(run.stderr.contains(reason) && !run.stderr.contains("s3cret"), "{}", run.stderr);
        }
        assert_eq!(fake.requests(), asked);
        assert_eq!(database.rows("SELECT CAST(count(*) AS TEXT) FROM staff"), [["6"]], "nothing was written");
        if let Database::Postgres(server, name) = database {
            let wrong = format!("postgres://ghrepos:wr0ng@127.0.0.1:{}/{name}", server.port);
            let run = Program::asking(&fake, &["--sql", &wrong, "--query", "SELECT 1"]).run();
            assert_eq!(run.status, 2);
            assert!(
                run.stderr.contains("password authentication failed") && !run.stderr.contains("wr0ng"),
                "{}",
                run.stderr
            );
        }
        let run = Program::asking(&fake, &["a", "--save", "mysql://me:s3cret@db/x"]).run();
        let told = "ghrepos: cannot use the database \"mysql://db/x\": it has to look like sqlite:FILE or postgres://USER@HOST/DATABASE\n";
        assert_eq!((run.status, run.stderr.as_str()), (2, told));
    });
}

#[test]
fn a_roster_of_many_rows_begins_at_once_and_gives_the_connection_back() {
    let Some(server) = Server::start() else { return };
    let server: &'static Server = Box::leak(Box::new(server));
    let database = server.database("many");
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(20), ..Behaviour::default() });
    let url = database.url();
    let query = "SELECT 'user-' || n FROM generate_series(1, 1000000) AS n";
    let child = Program::asking(&fake, &["--sql", &url, "--query", query, "-F", "ndjson", "-q"]).spawn();
    let begun = Instant::now();
    while fake.requests() < 200 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    let busy = "SELECT CAST(count(*) AS TEXT) FROM pg_stat_activity WHERE application_name = 'ghrepos'";
    assert_eq!(database.rows(busy), [["1"]]);
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let run = ended(child);
    assert_eq!(run.status, 130, "{}", run.stderr);
    let begun = Instant::now();
    while database.rows(busy) != [["0"]] {
        assert!(begun.elapsed() < Duration::from_secs(10), "the connection is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.kill();
    let _ = std::fs::remove_dir_all(&server.folder);
}
