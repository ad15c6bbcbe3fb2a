//! The tables, and the rows that are inserted into them.
//!
//! ```text
//! runs    id, name, started, finished, complete, parts, generator, api, viewer, app, baseline
//! parts   run, part, finished, logins, duplicates, requests, points, seconds
//! counts  run, part, key, and the columns of a report; the extra ones are one JSON object
//! ```
//!
//! A run has a name only if one was given, and more than one part only with shards. It is complete when all its parts are. `key`
//! is the login in lower case; `account` is GitHub's numeric id.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::{Connection, SqlError};
use crate::report::{COLUMNS, ColumnSpec, Columns, EXTRA_KEY, Role, Row, ValueType};

const VERSION: i64 = 1;

/// Statements that create the tables, with the types of PostgreSQL.
const TABLES: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS ghrepos_schema (version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS runs (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT UNIQUE, started TIMESTAMPTZ NOT NULL,
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
    "INSERT INTO ghrepos_schema SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ghrepos_schema)",
];

/// The types of PostgreSQL, and what SQLite has in their place.
const SQLITE_TYPES: [(&str, &str); 7] = [
    ("BIGINT GENERATED ALWAYS AS IDENTITY", "INTEGER"),
    ("BIGINT", "INTEGER"),
    ("NUMERIC(20)", "INTEGER"),
    ("BOOLEAN", "INTEGER"),
    ("DOUBLE PRECISION", "REAL"),
    ("TIMESTAMPTZ", "TEXT"),
    ("JSONB", "TEXT"),
];

/// Makes runs that start together create the tables one after the other. The number only has to be unlikely.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7013402184)";

/// Creates the tables if they are missing.
pub(super) async fn migrate(connection: &mut Connection) -> Result<(), SqlError> {
    if version(connection).await != Some(VERSION) {
        connection.begin().await?;
        if connection.is_postgres() {
            connection.execute(LOCK, &[]).await?;
        }
        let types = if connection.is_postgres() { &[][..] } else { &SQLITE_TYPES };
        for statement in TABLES {
            let statement = statement.replace("{columns}", &join(definition));
            let sql = types.iter().fold(statement, |sql, (from, to)| sql.replace(from, to));
            connection.execute(AssertSqlSafe(sql), &[]).await?;
        }
        connection.execute("COMMIT", &[]).await?;
    }
    match version(connection).await {
        Some(VERSION) => Ok(()),
        Some(other) => Err(SqlError::Other(format!(
            "its tables are of version {other}, and this program knows {VERSION}"
        ))),
        None => Err(SqlError::Other("its tables cannot be read".into())),
    }
}

async fn version(connection: &mut Connection) -> Option<i64> {
    let version = "SELECT CAST(max(version) AS BIGINT) FROM ghrepos_schema";
    connection.fetch_i64(version, &[]).await.ok().flatten()
}

/// A column of `counts` that comes from a report.
struct SqlColumn {
    name: &'static str,
    sql_type: &'static str,
    is_required: bool,
}

/// Returns the columns in their order. The extra ones come before `was`.
fn sql_columns() -> Vec<SqlColumn> {
    let mut columns = Vec::new();
    for spec in &COLUMNS {
        if spec.role == Role::Was {
            columns.push(SqlColumn { name: EXTRA_KEY, sql_type: "JSONB", is_required: false });
        }
        let sql_type = match spec.value {
            ValueType::Text | ValueType::Label | ValueType::Change => "TEXT",
            ValueType::Number => "NUMERIC(20)",
            ValueType::SmallNumber => "BIGINT",
            ValueType::Bool => "BOOLEAN",
            ValueType::Timestamp => "TIMESTAMPTZ",
        };
        columns.push(SqlColumn { name: sql_name(spec), sql_type, is_required: spec.is_required });
    }
    columns
}

fn sql_name(spec: &ColumnSpec) -> &'static str {
    spec.sql_name.unwrap_or(spec.key)
}

/// Joins a text for each column.
fn join(text: fn(&SqlColumn) -> String) -> String {
    sql_columns().iter().map(text).collect::<Vec<_>>().join(", ")
}

fn definition(column: &SqlColumn) -> String {
    format!("{} {}{}", column.name, column.sql_type, if column.is_required { " NOT NULL" } else { "" })
}

/// Returns the statement that inserts rows. Its parameters are the run, the rows as a JSON array, and the part.
///
/// The row of a login that is saved already is replaced, except an answer by a row without one.
fn insert_statement(is_postgres: bool) -> String {
    let names = join(|column| column.name.to_owned());
    let values = if is_postgres {
        let fields = join(|column| format!("{} {}", column.name, column.sql_type));
        format!("row.* FROM jsonb_to_recordset(CAST($2 AS JSONB)) AS row (key TEXT, {fields})")
    } else {
        let fields = join(|column| format!("value ->> '{}'", column.name));
        format!("value ->> 'key', {fields} FROM json_each($2)")
    };
    let updates = join(|column| format!("{0} = excluded.{0}", column.name));
    format!(
        "INSERT INTO counts (run, part, key, {names})
        SELECT CAST($1 AS BIGINT), CAST($3 AS BIGINT), {values} WHERE TRUE
        ON CONFLICT (run, key) DO UPDATE SET part = excluded.part, {updates}
        WHERE excluded.status IN ('ok', 'not_found', 'forbidden', 'invalid')
            OR counts.status NOT IN ('ok', 'not_found', 'forbidden', 'invalid')"
    )
}

/// Inserts rows of a part of a run, in one statement that is a transaction.
pub(super) async fn insert(
    connection: &mut Connection,
    run: &str,
    part: &str,
    rows: &[Row],
    columns: &Columns,
) -> Result<(), SqlError> {
    let rows: Value = rows.iter().map(|row| db_row(row, columns)).collect();
    let sql = AssertSqlSafe(insert_statement(connection.is_postgres()));
    connection.execute(sql, &[Some(run), Some(&rows.to_string()), Some(part)]).await
}

/// Returns a row as a JSON object, by the names of the database.
fn db_row(row: &Row, columns: &Columns) -> Value {
    let mut object = Map::new();
    // The mark of an invalid login is a NUL, which PostgreSQL does not store.
    object.insert("key".into(), row.key().trim_start_matches('\0').into());
    for spec in &COLUMNS {
        object.insert(sql_name(spec).into(), serde_json::to_value(row.own_cell(spec)).unwrap_or_default());
    }
    if !columns.carried().is_empty() {
        let names = columns.carried().iter().enumerate();
        let cells = names
            .map(|(index, name)| (name.clone(), row.carried.get(index).and_then(Option::as_deref).into()));
        object.insert(EXTRA_KEY.into(), cells.collect::<Map<_, _>>().into());
    }
    object.into()
}
