//! Databases: SQLite and PostgreSQL, behind one small door.

mod baseline;
mod rows;
mod runs;
pub(crate) mod schema;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions, Connection as _, Executor, Row as _, TypeInfo, ValueRef,
};

pub(crate) use self::baseline::last_complete;
pub(crate) use self::runs::{RunWriter, SaveTarget};
use crate::text::{redact_url, sanitize_line};

/// Who has not answered by then will hardly do so later.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long another run's transaction is waited for.
const BUSY: Duration = Duration::from_mins(1);

/// The address of a database: `sqlite:FILE` or `postgres://…`. A password in it is in no message.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl {
    url: String,
    is_postgres: bool,
}

/// What is no address of a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has to look like sqlite:FILE or postgres://USER@HOST/DATABASE")]
pub(crate) struct NotADatabase;

impl FromStr for DatabaseUrl {
    type Err = NotADatabase;

    fn from_str(text: &str) -> Result<Self, NotADatabase> {
        let is_postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let is_sqlite =
            text.strip_prefix("sqlite:").is_some_and(|file| !file.trim_start_matches('/').is_empty());
        (is_postgres || is_sqlite).then(|| Self { url: text.to_owned(), is_postgres }).ok_or(NotADatabase)
    }
}

impl DatabaseUrl {
    /// Whether a text is meant as the address of a database.
    #[must_use]
    pub(crate) fn is_meant(text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        lower.contains("://")
            || ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| lower.starts_with(scheme))
    }
}

/// The address without the name and password in it, and without parameters.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_url(&self.url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A database does not do what it is asked to, in one line for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SqlError(pub(crate) String);

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        let reason = match &error {
            sqlx::Error::Database(said) => said.message().to_owned(),
            sqlx::Error::Io(error) => crate::text::reason(error),
            sqlx::Error::Configuration(error) => error.to_string(),
            other => other.to_string(),
        };
        let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Self(sanitize_line(&line).into_owned())
    }
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    /// Reading alone.
    Read,
    /// Writing; a file is made where there is none.
    Write,
}

/// A connection.
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// A row of a query: each column as text, with its name.
pub(crate) struct Record {
    pub(crate) cells: Vec<Cell>,
}

/// What stands in a column.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    /// None for NULL.
    pub(crate) text: Option<String>,
    /// The type, where it is none of text.
    pub(crate) no_text: Option<String>,
}

impl Connection {
    pub(crate) async fn open(address: &DatabaseUrl, access: AccessMode) -> Result<Self, SqlError> {
        let opened = tokio::time::timeout(PATIENCE, Self::opened(address, access)).await;
        opened.unwrap_or_else(|_| Err(SqlError("nobody answers at its address".into())))
    }

    async fn opened(address: &DatabaseUrl, access: AccessMode) -> Result<Self, SqlError> {
        if address.is_postgres {
            let options = PgConnectOptions::from_str(&address.url).map_err(|_| {
                // Its own words may hold a part of the password.
                SqlError("it is no address of a PostgreSQL database".into())
            })?;
            let options = options.application_name("ghrepos").disable_statement_logging();
            let mut connection = PgConnection::connect_with(&options).await?;
            if access == AccessMode::Read {
                connection.execute("SET default_transaction_read_only = on").await?;
            }
            return Ok(Self::Postgres(Box::new(connection)));
        }
        let options = SqliteConnectOptions::from_str(&address.url)?;
        let options = options.create_if_missing(access == AccessMode::Write).busy_timeout(BUSY);
        let options = match access {
            AccessMode::Read => options.pragma("query_only", "ON"),
            // Readers and the one who writes do not wait for each other.
            AccessMode::Write => options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal),
        };
        let connection = SqliteConnection::connect_with(&options.disable_statement_logging()).await?;
        Ok(Self::Sqlite(Box::new(connection)))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs a statement with texts for its parameters.
    pub(crate) async fn run(&mut self, sql: &'static str, binds: &[Option<&str>]) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(connection) => {
                let query =
                    binds.iter().fold(sqlx::query(sql), |query, bind| query.bind(bind.map(str::to_owned)));
                query.execute(&mut **connection).await?;
            }
            Self::Postgres(connection) => {
                let query =
                    binds.iter().fold(sqlx::query(sql), |query, bind| query.bind(bind.map(str::to_owned)));
                query.execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// Runs a statement that was put together of many equal parts.
    /// What is not going to be run again is not kept prepared.
    pub(crate) async fn insert(
        &mut self,
        sql: String,
        binds: Vec<Option<String>>,
        again: bool,
    ) -> Result<(), SqlError> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => {
                let query = binds.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind);
                let query = query.persistent(again);
                query.execute(&mut **connection).await?;
            }
            Self::Postgres(connection) => {
                let query = binds.into_iter().fold(sqlx::query(sql), sqlx::query::Query::bind);
                let query = query.persistent(again);
                query.execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// Runs a statement that gives a number.
    pub(crate) async fn number(
        &mut self,
        sql: &'static str,
        binds: &[Option<&str>],
    ) -> Result<Option<i64>, SqlError> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let query =
                    binds.iter().fold(sqlx::query(sql), |query, bind| query.bind(bind.map(str::to_owned)));
                query.fetch_optional(&mut **connection).await?.map(|row| row.try_get(0)).transpose()?
            }
            Self::Postgres(connection) => {
                let query =
                    binds.iter().fold(sqlx::query(sql), |query, bind| query.bind(bind.map(str::to_owned)));
                query.fetch_optional(&mut **connection).await?.map(|row| row.try_get(0)).transpose()?
            }
        })
    }

    /// Runs statements without parameters, and gives their rows as they come.
    pub(crate) fn rows(&mut self, sql: String) -> BoxStream<'_, Result<Record, SqlError>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => {
                let rows = sql.fetch(&mut **connection).map_err(SqlError::from);
                rows.and_then(|row| async move { of_sqlite(&row) }).boxed()
            }
            Self::Postgres(connection) => {
                let rows = sql.fetch(&mut **connection).map_err(SqlError::from);
                rows.and_then(|row| async move { of_postgres(&row) }).boxed()
            }
        }
    }

    /// Takes leave.
    pub(crate) async fn close(self) {
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

/// The row of a query without parameters: PostgreSQL sends every type as text then.
fn of_postgres(row: &PgRow) -> Result<Record, SqlError> {
    let cell = |at: usize, column: &sqlx::postgres::PgColumn| {
        let value = row.try_get_raw(at)?;
        let kind = column.type_info().name().to_owned();
        let is_text = matches!(
            kind.to_ascii_uppercase().as_str(),
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "CITEXT" | "UNKNOWN" | "\"CHAR\""
        );
        let text = if value.is_null() {
            None
        } else {
            Some(value.as_str().map_err(sqlx::Error::Decode)?.to_owned())
        };
        Ok(Cell { name: column.name().to_owned(), text, no_text: (!is_text).then_some(kind) })
    };
    let cells = row.columns().iter().enumerate().map(|(at, column)| cell(at, column));
    let cells: Result<_, sqlx::Error> = cells.collect();
    Ok(Record { cells: cells? })
}

fn of_sqlite(row: &SqliteRow) -> Result<Record, SqlError> {
    let cell = |at: usize, column: &sqlx::sqlite::SqliteColumn| {
        let value = row.try_get_raw(at)?;
        // SQLite's values have types, its columns but inclinations.
        let kind = if value.is_null() { "TEXT".to_owned() } else { value.type_info().name().to_owned() };
        let text = match kind.as_str() {
            _ if value.is_null() => None,
            "TEXT" => Some(row.try_get::<String, _>(at)?),
            "INTEGER" | "BOOLEAN" => Some(row.try_get_unchecked::<i64, _>(at)?.to_string()),
            "REAL" => Some(row.try_get_unchecked::<f64, _>(at)?.to_string()),
            _ => Some(String::from_utf8_lossy(&row.try_get_unchecked::<Vec<u8>, _>(at)?).into_owned()),
        };
        Ok(Cell { name: column.name().to_owned(), text, no_text: (kind != "TEXT").then_some(kind) })
    };
    let cells = row.columns().iter().enumerate().map(|(at, column)| cell(at, column));
    let cells: Result<_, sqlx::Error> = cells.collect();
    Ok(Record { cells: cells? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address =
            |text: &str| text.parse::<DatabaseUrl>().map(|address| format!("{address} {address:?}"));
        assert_eq!(
            address("postgres://me:p@ss/w@db.example.com:5432/staff?sslmode=disable&password=x").unwrap(),
            "postgres://db.example.com:5432/staff postgres://db.example.com:5432/staff"
        );
        assert_eq!(address("sqlite:staff.db").unwrap(), "sqlite:staff.db sqlite:staff.db");
        assert_eq!(address("postgres://me:p?w@h/d").unwrap(), "postgres://… postgres://…");
        assert_eq!(redact_url("--save=postgresql://me:pw@h/d"), "--save=postgresql://h/d");
        assert_eq!(redact_url("postgres://h/d?user=me&password=p@ss"), "postgres://…");
        assert_eq!(redact_url("mysql://me:pw@h/d"), "mysql://h/d");
        assert_eq!(redact_url("postgres:me:pw@h/d"), "postgres:h/d");
        assert_eq!(redact_url("JDBC:Postgres://me:pw@h/d"), "JDBC:Postgres://h/d");
        assert_eq!(redact_url("https://github.com/@torvalds"), "https://github.com/@torvalds");
        for wrong in ["", "sqlite:", "sqlite://", "mysql://a/b", "staff.db", "postgres:/x"] {
            assert_eq!(address(wrong), Err(NotADatabase), "{wrong}");
        }
    }
}
