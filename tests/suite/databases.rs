//! Logins from databases, and runs saved to them, with SQLite and a real PostgreSQL server.

mod inputs;
mod saves;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use sqlx::{Connection, Executor, Row};

/// Runs an async function on a new connection, in its own runtime.
fn on<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap()
}

/// A database to test with.
enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(Arc<Server>, String),
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

/// A PostgreSQL server with its own data folder.
struct Server {
    folder: PathBuf,
    port: u16,
    bin: PathBuf,
}

/// Folder of PostgreSQL's programs: the newest version of Debian's packages, or the one in the path.
fn bin() -> Option<PathBuf> {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = of_debian.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.into_iter().rev().find(|bin| bin.join("initdb").is_file())
}

/// The server that tests share while one of them uses it. A static one would not be stopped at the end.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    /// Returns the shared server, and starts it if no test uses it. None if PostgreSQL is not installed.
    fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap();
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Self::start()?),
        };
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// Starts a server. None if PostgreSQL is not installed, which is an error in CI.
    fn start() -> Option<Self> {
        let Some(bin) = bin() else {
            crate::program::is_available("PostgreSQL", false);
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

    /// Runs one of PostgreSQL's programs. As root it runs as the user postgres, because PostgreSQL refuses to run as root.
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

    /// Kills the server without a shutdown.
    fn kill(&self) {
        self.shell(&format!("pg_ctl -D {} -m immediate -w stop", self.folder.join("data").display()));
    }

    /// Creates a database of this name.
    fn database(self: &Arc<Self>, name: &str) -> Database {
        on(async {
            let url = format!("postgres://ghrepos:s3cret@127.0.0.1:{}/postgres", self.port);
            let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
            sqlx::raw_sql(create).execute(&mut sqlx::PgConnection::connect(&url).await?).await
        });
        Database::Postgres(Arc::clone(self), name.to_owned())
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

/// Runs a test with both databases.
fn with_both(name: &str, test: impl Fn(&Database)) {
    test(&Database::sqlite());
    if let Some(server) = Server::shared() {
        test(&server.database(name));
    }
}
