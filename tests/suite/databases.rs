//! Rosters from databases, and runs saved to them: SQLite, which needs nothing, and a real PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, Executor, Row};

use crate::fake::{Behaviour, Fake, account};
use crate::program::{Program, Run, ended, file, path, users};

/// Does something on a connection, on a runtime of its own.
fn on<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap()
}

/// A database to test with.
enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(&'static Server, String),
}

impl Database {
    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("audit.db").display()),
            Self::Postgres(server, name) => {
                format!("postgres://ghrepos:s3cret@127.0.0.1:{}/{name}", server.port)
            }
        }
    }

    /// Runs statements.
    fn execute(&self, sql: &'static str) {
        match self {
            Self::Sqlite(_) => on(async {
                let url = format!("{}?mode=rwc", self.url());
                sqlx::SqliteConnection::connect(&url).await?.execute(sql).await
            })
            .rows_affected(),
            Self::Postgres(..) => {
                on(async { sqlx::PgConnection::connect(&self.url()).await?.execute(sql).await })
                    .rows_affected()
            }
        };
    }

    /// The rows of a query, every cell as text.
    fn rows(&self, sql: &'static str) -> Vec<Vec<String>> {
        let text = |cell: Result<String, sqlx::Error>| cell.unwrap_or_else(|error| panic!("{sql}: {error}"));
        match self {
            Self::Sqlite(_) => on(async {
                let rows = sqlx::SqliteConnection::connect(&self.url()).await?.fetch_all(sql).await?;
                Ok(rows.iter().map(|row| (0..row.len()).map(|at| text(row.try_get(at))).collect()).collect())
            }),
            Self::Postgres(..) => on(async {
                let rows = sqlx::PgConnection::connect(&self.url()).await?.fetch_all(sql).await?;
                Ok(rows.iter().map(|row| (0..row.len()).map(|at| text(row.try_get(at))).collect()).collect())
            }),
        }
    }
}

/// A PostgreSQL server in a folder of its own.
struct Server {
    folder: PathBuf,
    port: u16,
    bin: PathBuf,
}

/// The newest of Debian's, or whichever is in the path.
fn bin() -> Option<PathBuf> {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = of_debian.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.into_iter().rev().find(|bin| bin.join("initdb").is_file())
}

impl Server {
    /// A server that is started, or nothing where PostgreSQL is not installed. CI makes sure that it is.
    fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            crate::program::is_there("PostgreSQL", false);
            return None;
        };
        let folder = tempfile::Builder::new().prefix("ghrepos-pg-").tempdir().unwrap().keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, port, bin };
        let data = server.folder.join("data");
        std::fs::write(server.folder.join("pw"), "s3cret\n").unwrap();
        let (data, pw) = (data.display(), server.folder.join("pw"));
        let owner = Command::new("chown").args(["-R", "postgres", server.folder.to_str().unwrap()]).status();
        let _ = owner;
        let pw = pw.display();
        server
            .shell(&format!("initdb -D {data} -U ghrepos --pwfile {pw} -A scram-sha-256 -E UTF8 --no-sync"));
        server.up();
        Some(server)
    }

    /// Runs one of its programs: as the user postgres where we are root, which it refuses to be.
    fn shell(&self, command: &str) {
        let whole = format!("cd / && {}/{command}", self.bin.display());
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        let mut run = if root { Command::new("runuser") } else { Command::new("sh") };
        if root {
            run.args(["-u", "postgres", "--", "sh"]);
        }
        let status = run
            .args(["-c", &whole])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{whole}");
    }

    fn up(&self) {
        let (data, port) = (self.folder.join("data"), self.port);
        let options =
            format!("-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off", self.folder.display());
        let log = self.folder.join("log");
        self.shell(&format!("pg_ctl -D {} -l {} -w -o '{options}' start", data.display(), log.display()));
    }

    /// Kills it, as a machine that fails does.
    fn kill(&self) {
        self.shell(&format!("pg_ctl -D {} -m immediate -w stop", self.folder.join("data").display()));
    }

    fn database(&'static self, name: &str) -> Database {
        on(async {
            let url = format!("postgres://ghrepos:s3cret@127.0.0.1:{}/postgres", self.port);
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::raw_sql(create).execute(&mut sqlx::PgConnection::connect(&url).await?).await
        });
        Database::Postgres(self, name.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        if data.join("postmaster.pid").exists() {
            self.kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Does the same with both kinds.
fn with_both(name: &str, test: impl Fn(&Database)) {
    test(&Database::sqlite());
    if let Some(server) = Server::start() {
        // It is taken back at the end, whose databases borrow it.
        let server: &'static Server = Box::leak(Box::new(server));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&server.database(name))));
        server.kill();
        let _ = std::fs::remove_dir_all(&server.folder);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    }
}

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
                "the query has no column \"site\", but \"login\"",
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
fn a_saved_run_is_the_next_ones_baseline() {
    with_both("baseline", |database| {
        let url = database.url();
        let none = month("2026-11", &["--baseline", &url]);
        assert_eq!((none.status, none.stdout.as_str()), (2, ""), "{}", none.stderr);
        let first = month("2026-10", &["--save", &url]);
        assert_eq!(first.status, 0, "{}", first.stderr);
        let second = month("2026-11", &["--save", &url, "--baseline", &url, "--fail-on", "gone>0"]);
        assert_eq!(second.status, 3, "{}", second.stderr);
        assert!(second.stderr.contains("--fail-on gone>0: 1 login: sample-boris"), "{}", second.stderr);
        assert!(
            second.stderr.contains("2 new, 1 gone, 1 renamed, 1 replaced, 3 grown (+26), 2 shrunk (-30)"),
            "{}",
            second.stderr
        );
        assert!(!second.stderr.contains("s3cret") && !second.stdout.contains("s3cret"), "{}", second.stderr);
        let runs = database
            .rows("SELECT CAST(id AS TEXT), CAST(CAST(complete AS INTEGER) AS TEXT) FROM runs ORDER BY id");
        assert_eq!(runs, [["1", "1"], ["2", "1"]]);
        // The database holds what the report does.
        let saved = database.rows(
            "SELECT login, status, coalesce(CAST(public_repos AS TEXT), ''), coalesce(change, '') FROM counts WHERE run = 2",
        );
        let text = |value: &Value| {
            value.as_str().map_or_else(
                || if value.is_null() { String::new() } else { value.to_string() },
                str::to_owned,
            )
        };
        let mut told: Vec<_> = second
            .rows()
            .iter()
            .map(|row| ["login", "status", "public_repos", "change"].map(|key| text(&row[key])).to_vec())
            .collect();
        let mut saved = saved;
        saved.sort();
        told.sort();
        assert_eq!(saved, told);
        let numbers: Vec<_> =
            queries_of_the_readme().into_iter().map(|query| database.rows(query)[0][0].clone()).collect();
        assert_eq!(numbers, ["2", "3", "1", "2", "0"], "history, growth, leavers, months, incomplete runs");
    });
}

/// How many rows the queries give that are in the README.
fn queries_of_the_readme() -> Vec<&'static str> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("```sql").find(|block| block.contains("-- who grew most")).unwrap();
    let block: Vec<_> =
        block.split("```").next().unwrap().lines().filter(|line| !line.starts_with("--")).collect();
    let block = block.join("\n");
    let queries = block.split(';').map(str::trim).filter(|query| !query.is_empty());
    queries.map(|query| &*format!("SELECT CAST(count(*) AS TEXT) FROM ({query}) AS q").leak()).collect()
}

#[test]
fn four_shards_that_save_at_once_are_one_run_with_every_row_once() {
    with_both("shards", |database| {
        let fake = Fake::start(Behaviour { latency: Duration::from_millis(2), ..Behaviour::default() });
        let list = file(&users(2000));
        let url = database.url();
        let part = |part: &str| {
            Program::asking(
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
        // Once more: nothing is there twice.
        assert_eq!(part("2/4").status, 0);
        assert_eq!(database.rows(complete), [["1", "1"]]);
        let sums = "SELECT CAST(count(*) AS TEXT), CAST(count(DISTINCT key) AS TEXT), CAST(sum(public_repos) AS TEXT) FROM counts";
        let repos: u64 = users(2000).lines().map(|login| account(login).unwrap().public_repos).sum();
        assert_eq!(database.rows(sums), [["2000", "2000", &repos.to_string()]]);
        let run = part("1/3");
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("the run \"weekly\" there has 4 parts, and not 3"), "{}", run.stderr);
    });
}

#[test]
fn what_is_saved_again_under_a_name_takes_the_place_of_what_was_there() {
    with_both("again", |database| {
        let fake = Fake::well_behaved();
        let url = database.url();
        let save = |logins: &[&str]| {
            Program::asking(
                &fake,
                &[logins, &["--save", &url, "--run-name", "week 1", "-F", "ndjson", "-q"]].concat(),
            )
            .run()
        };
        // A NUL is in no login, and in no database either.
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
        assert_eq!(save(&["user-1", "user-2", "--max-points", "1"]).status, 5);
        assert_eq!(database.rows(complete), [["0"]], "it was complete, and is no more");
        for (arguments, reason) in [
            (&["a", "--save", &url, "--shard", "1/2"][..], "--save of a --shard needs a --run-name"),
            (&["--sql", &url, "--query", " "], "--query is empty"),
        ] {
            let run = Program::asking(&fake, arguments).run();
            assert!(run.status == 2 && run.stderr.contains(reason), "{}", run.stderr);
        }
    });
}

#[test]
fn a_run_that_is_interrupted_or_learns_nothing_is_not_marked_complete() {
    let database = Database::sqlite();
    let url = database.url();
    let fake = Fake::well_behaved();
    let list = file(&users(50));
    let run = Program::asking(&fake, &["-f", path(&list), "--save", &url, "--max-points", "20", "-q"]).run();
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
fn a_database_that_dies_leaves_the_report_whole_which_can_be_saved_afterwards() {
    let Some(server) = Server::start() else { return };
    let server: &'static Server = Box::leak(Box::new(server));
    let database = server.database("dies");
    let url = database.url();
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(100), ..Behaviour::default() });
    let list = file(&users(300));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson").display().to_string();
    let child = Program::asking(&fake, &["-f", path(&list), "-o", &report, "--save", &url]).spawn();
    let begun = Instant::now();
    while fake.requests() < 100 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    server.kill();
    let run = ended(child);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("cannot write postgres://127.0.0.1:"), "{}", run.stderr);
    assert!(
        run.stderr.contains("of this run are saved and no more, and it is not marked complete"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
    assert_eq!((rows.len(), rows.iter().filter(|row| row["status"] == "ok").count()), (300, 300));
    server.up();
    let asked = fake.requests();
    let again = Program::new(&["--from", &report, "--save", &url, "-q", "-F", "csv"]).run();
    assert_eq!((again.status, again.stderr.as_str()), (0, ""));
    assert_eq!(fake.requests(), asked);
    let runs = "SELECT CAST(CAST(complete AS INTEGER) AS TEXT), CAST((SELECT count(*) FROM counts WHERE run = id) AS TEXT) FROM runs ORDER BY id DESC";
    assert_eq!(database.rows(runs)[0], ["1", "300"]);
    server.kill();
    let _ = std::fs::remove_dir_all(&server.folder);
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
