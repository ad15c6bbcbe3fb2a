//! The tables, and the rows that are inserted into them.
//!
//! ```text
//! runs    id, name, started, finished, complete, parts, generator, api, viewer, app, baseline
//! parts   run, part, finished, logins, duplicates, requests, points, seconds
//! counts  run, part, key, and the columns of a report; the extra ones are one JSON object
//! ```
//!
//! A run has a name only if one was given, and more than one part only with shards. It is complete when all its parts are. `key`
//! is the login in lower case.

use serde::Serialize;
use sqlx::AssertSqlSafe;

use super::{Connection, SqlError};
use crate::render::RowObject;
use crate::report::{COLUMNS, ColumnSpec, Columns, Role, Row, ValueType};

/// Tables of another version are refused.
const VERSION: i64 = 3;

/// Statements that create the tables, with the types of PostgreSQL. SQLite takes them for hints, except that of an id.
const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS ghrepos_schema (version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS runs (
        id {id} PRIMARY KEY, name TEXT UNIQUE, started TIMESTAMPTZ NOT NULL,
        finished TIMESTAMPTZ, complete BOOLEAN NOT NULL DEFAULT FALSE, parts BIGINT NOT NULL DEFAULT 1,
        generator TEXT NOT NULL, api TEXT, viewer TEXT, app TEXT, baseline TEXT)",
    "CREATE TABLE IF NOT EXISTS parts (
        run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, part BIGINT NOT NULL,
        finished TIMESTAMPTZ NOT NULL, logins BIGINT NOT NULL, duplicates BIGINT, requests BIGINT,
        points BIGINT, seconds DOUBLE PRECISION, PRIMARY KEY (run, part))",
    "CREATE TABLE IF NOT EXISTS counts (
        run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, part BIGINT NOT NULL, key TEXT NOT NULL,
        {columns}, PRIMARY KEY (run, key))",
    "CREATE INDEX IF NOT EXISTS counts_of_a_login ON counts (key, run)",
    "INSERT INTO ghrepos_schema SELECT {version} WHERE NOT EXISTS (SELECT 1 FROM ghrepos_schema)",
];

/// Makes runs that start together create the tables one after the other. The number only has to be unlikely.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7013402184)";

/// Creates the tables if they are missing.
pub(super) async fn create_tables(connection: &mut Connection) -> Result<(), SqlError> {
    if version(connection).await.is_none() {
        connection.begin().await?;
        if connection.is_postgres() {
            connection.execute(LOCK, &[]).await?;
        }
        let id = if connection.is_postgres() { "BIGINT GENERATED ALWAYS AS IDENTITY" } else { "INTEGER" };
        let columns = join(|spec| {
            let constraint = if matches!(spec.role, Role::Login | Role::Status) { " NOT NULL" } else { "" };
            format!("{} {}{constraint}", spec.key, sql_type(spec))
        });
        for statement in TABLES {
            let sql = statement.replace("{columns}", &columns).replace("{id}", id);
            let sql = sql.replace("{version}", &VERSION.to_string());
            connection.run(sql).await?;
        }
        connection.execute("COMMIT", &[]).await?;
    }
    check_version(connection).await
}

pub(super) async fn check_version(connection: &mut Connection) -> Result<(), SqlError> {
    let reason = match version(connection).await {
        Some(VERSION) => return Ok(()),
        Some(other) => format!(
            "its tables have version {other}, and this version of ghrepos requires {VERSION}; use another database"
        ),
        None => "it has no tables of ghrepos".into(),
    };
    Err(SqlError::Other(reason))
}

async fn version(connection: &mut Connection) -> Option<i64> {
    let version = "SELECT CAST(max(version) AS BIGINT) FROM ghrepos_schema";
    connection.fetch_i64(version, &[]).await.ok().flatten()
}

/// Joins a text for each column of a report.
fn join(text: fn(&ColumnSpec) -> String) -> String {
    COLUMNS.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn sql_type(spec: &ColumnSpec) -> &'static str {
    match spec.value {
        ValueType::Text | ValueType::Label => "TEXT",
        ValueType::Number => "NUMERIC(20)",
        ValueType::SmallNumber | ValueType::Delta => "BIGINT",
        ValueType::Bool => "BOOLEAN",
        ValueType::Timestamp => "TIMESTAMPTZ",
        ValueType::Object => "JSONB",
    }
}

/// Inserts rows of a part of a run, as one JSON array. The row of a login that is saved already is replaced, except an answer by a
/// row without one.
pub(super) async fn insert(
    connection: &mut Connection,
    run: i64,
    part: u32,
    rows: &[Row],
    columns: &Columns,
) -> Result<(), SqlError> {
    let rows = rows.iter().map(|row| DbRow {
        // The mark of an invalid login is a NUL, which PostgreSQL does not store.
        key: row.key().trim_start_matches('\0').into(),
        row: RowObject(columns, row),
    });
    // Cannot fail: the output is memory.
    let rows = serde_json::to_string(&rows.collect::<Vec<_>>()).unwrap_or_default();
    let names = join(|spec| spec.key.to_owned());
    let (values, source) = if connection.is_postgres() {
        let fields = join(|spec| format!("{} {}", spec.key, sql_type(spec)));
        ("row.*".to_owned(), format!("jsonb_to_recordset(CAST($1 AS JSONB)) AS row (key TEXT, {fields})"))
    } else {
        // json_each would return each row as a text, which SQLite parses again for each column.
        let values = join(|spec| format!("value ->> '{}'", spec.key));
        (format!("value ->> 'key', {values}"), "jsonb_each($1)".to_owned())
    };
    let updates = join(|spec| format!("{0} = excluded.{0}", spec.key));
    let sql = format!(
        "INSERT INTO counts (run, part, key, {names})
        SELECT {run}, {part}, {values} FROM {source} WHERE TRUE
        ON CONFLICT (run, key) DO UPDATE SET part = excluded.part, {updates}
        WHERE excluded.status IN ('ok', 'not_found', 'forbidden', 'invalid')
            OR counts.status NOT IN ('ok', 'not_found', 'forbidden', 'invalid')"
    );
    connection.execute(AssertSqlSafe(sql), &[Some(&rows)]).await
}

#[derive(Serialize)]
struct DbRow<'a> {
    key: Box<str>,
    #[serde(flatten)]
    row: RowObject<'a>,
}
