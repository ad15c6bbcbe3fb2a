//! SQLite and PostgreSQL behind one connection type. All parameters are text; the statements cast them.

mod runs;
mod schema;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::{PgColumn, PgConnectOptions, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteColumn, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions, Connection as _, Database, Encode, Executor, Row as _,
    SqlSafeStr, Type, TypeInfo, ValueRef,
};

pub(crate) use self::runs::{RunWriter, SaveTarget, last_complete};
use crate::text::{collapse_whitespace, io_message, pluralize, redact_url, sanitize_line};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum wait for the transaction of another run.
const BUSY_TIMEOUT: Duration = Duration::from_mins(1);

/// URL of a database: `sqlite:FILE` or `postgres://…`. It is printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl {
    url: String,
    is_postgres: bool,
}

/// A text that is not the URL of a supported database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sqlite:FILE or postgres://USER@HOST/DATABASE")]
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
    /// Returns true for URLs, as opposed to names of files.
    pub(crate) fn looks_like_url(text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        lower.contains("://")
            || ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| lower.starts_with(scheme))
    }
}

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

/// A database that cannot be used. Its text is one complete line: what sqlx adds to a cause only repeats it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    #[error("{}", driver_message(.0))]
    Driver(sqlx::Error),
    #[error(transparent)]
    Url(#[from] NotADatabase),
    #[error(
        "{source}; only {} of this run were saved, and it is not marked complete; save a report of it with --from REPORT --save",
        pluralize(*saved, "row", "rows")
    )]
    Partial { saved: u64, source: Box<SqlError> },
    #[error("{0}")]
    Other(String),
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl SqlError {
    fn after_rows(self, saved: u64) -> Self {
        Self::Partial { saved, source: Box::new(self) }
    }
}

fn driver_message(error: &sqlx::Error) -> String {
    let message = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => io_message(error),
        other => other.to_string(),
    };
    sanitize_line(&collapse_whitespace(&message)).into_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    Read,
    /// Creates a missing SQLite file.
    Write,
}

pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

/// A row of a query.
pub(crate) type DbRecord = Vec<DbValue>;

/// A value, as text.
#[derive(Debug)]
pub(crate) struct DbValue {
    pub(crate) name: String,
    /// None for NULL.
    pub(crate) text: Option<String>,
    /// The type, if it is not a type of text.
    pub(crate) non_text_type: Option<String>,
}

impl Connection {
    pub(crate) async fn open(url: &DatabaseUrl, access: AccessMode) -> Result<Self, SqlError> {
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, async {
            if url.is_postgres { open_postgres(url, access).await } else { open_sqlite(url, access).await }
        });
        connection.await.unwrap_or_else(|_| Err(SqlError::Other("the server does not respond".into())))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Begins a transaction, which `COMMIT` ends.
    async fn begin(&mut self) -> Result<(), SqlError> {
        self.execute(if self.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" }, &[]).await
    }

    async fn execute(&mut self, sql: impl SqlSafeStr, parameters: &[Option<&str>]) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(connection) => {
                bind(sql, parameters).execute(&mut **connection).await?;
            }
            Self::Postgres(connection) => {
                bind(sql, parameters).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// Runs a statement whose numbers and times are in its text.
    async fn run(&mut self, sql: String) -> Result<(), SqlError> {
        self.execute(AssertSqlSafe(sql), &[]).await
    }

    async fn fetch_i64(
        &mut self,
        sql: impl SqlSafeStr,
        parameters: &[Option<&str>],
    ) -> Result<Option<i64>, SqlError> {
        Ok(match self {
            Self::Sqlite(connection) => {
                let row = bind(sql, parameters).fetch_optional(&mut **connection).await?;
                row.map(|row| row.try_get(0)).transpose()?
            }
            Self::Postgres(connection) => {
                let row = bind(sql, parameters).fetch_optional(&mut **connection).await?;
                row.map(|row| row.try_get(0)).transpose()?
            }
        })
    }

    /// Runs statements without parameters, and streams their rows.
    pub(crate) fn rows(&mut self, sql: String) -> BoxStream<'_, Result<DbRecord, SqlError>> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => {
                let records = sql.fetch(&mut **connection).map(|row| {
                    let row = row?;
                    row.columns().iter().map(|column| Ok(sqlite_value(&row, column)?)).collect()
                });
                records.boxed()
            }
            Self::Postgres(connection) => {
                let records = sql.fetch(&mut **connection).map(|row| {
                    let row = row?;
                    row.columns().iter().map(|column| Ok(postgres_value(&row, column)?)).collect()
                });
                records.boxed()
            }
        }
    }

    pub(crate) async fn close(self) {
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

async fn open_postgres(url: &DatabaseUrl, access: AccessMode) -> Result<Connection, SqlError> {
    // The error of the driver may contain a part of the password.
    let options = PgConnectOptions::from_str(&url.url)
        .map_err(|_| SqlError::Other("it is not the URL of a PostgreSQL database".into()))?;
    let options = options.application_name("ghrepos").disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    if access == AccessMode::Read {
        connection.execute("SET default_transaction_read_only = on").await?;
    }
    Ok(Connection::Postgres(Box::new(connection)))
}

async fn open_sqlite(url: &DatabaseUrl, access: AccessMode) -> Result<Connection, SqlError> {
    let options = SqliteConnectOptions::from_str(&url.url)?.busy_timeout(BUSY_TIMEOUT);
    let options = match access {
        AccessMode::Read => options.pragma("query_only", "ON"),
        // With a write-ahead log, readers and the writer do not block each other.
        AccessMode::Write => {
            options.create_if_missing(true).journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        }
    };
    let connection = SqliteConnection::connect_with(&options.disable_statement_logging()).await?;
    Ok(Connection::Sqlite(Box::new(connection)))
}

fn bind<'q, D: Database>(sql: impl SqlSafeStr, parameters: &[Option<&str>]) -> Query<'q, D, D::Arguments>
where
    for<'e> Option<String>: Encode<'e, D> + Type<D>,
{
    let parameters = parameters.iter().map(|parameter| parameter.map(str::to_owned));
    parameters.fold(sqlx::query(sql), Query::bind)
}

/// Reads a value of a query without parameters: PostgreSQL sends all types as text then.
fn postgres_value(row: &PgRow, column: &PgColumn) -> Result<DbValue, sqlx::Error> {
    let value = row.try_get_raw(column.ordinal())?;
    let kind = column.type_info().name().to_owned();
    let is_text = matches!(
        kind.to_ascii_uppercase().as_str(),
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "CITEXT" | "UNKNOWN" | "\"CHAR\""
    );
    let text =
        if value.is_null() { None } else { Some(value.as_str().map_err(sqlx::Error::Decode)?.to_owned()) };
    Ok(DbValue { name: column.name().to_owned(), text, non_text_type: (!is_text).then_some(kind) })
}

/// Reads a value by its own type: that of an SQLite column is only a preference.
fn sqlite_value(row: &SqliteRow, column: &SqliteColumn) -> Result<DbValue, sqlx::Error> {
    let (name, at) = (column.name().to_owned(), column.ordinal());
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(DbValue { name, text: None, non_text_type: None });
    }
    let kind = value.type_info().name().to_owned();
    let text = match kind.as_str() {
        "TEXT" => row.try_get::<String, _>(at)?,
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(at)?.to_string(),
        "REAL" => row.try_get_unchecked::<f64, _>(at)?.to_string(),
        _ => String::from_utf8_lossy(&row.try_get_unchecked::<Vec<u8>, _>(at)?).into_owned(),
    };
    Ok(DbValue { name, text: Some(text), non_text_type: (kind != "TEXT").then_some(kind) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Result<String, NotADatabase> {
        text.parse::<DatabaseUrl>().map(|url| format!("{url} {url:?}"))
    }

    #[test]
    fn a_database_url_is_printed_without_its_password() {
        assert_eq!(
            printed("postgres://me:p@ss/w@db.example.com:5432/staff?sslmode=disable&password=x").unwrap(),
            "postgres://db.example.com:5432/staff postgres://db.example.com:5432/staff"
        );
        assert_eq!(printed("sqlite:staff.db").unwrap(), "sqlite:staff.db sqlite:staff.db");
        assert_eq!(printed("postgres://me:p?w@h/d").unwrap(), "postgres://… postgres://…");
        for wrong in ["", "sqlite:", "sqlite://", "mysql://a/b", "staff.db", "postgres:/x"] {
            assert_eq!(printed(wrong), Err(NotADatabase), "{wrong}");
        }
    }
}
