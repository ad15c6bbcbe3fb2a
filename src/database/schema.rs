//! The tables, and the rows that are inserted into them.
//!
//! ```text
//! runs    id, name, started, finished, complete, parts, generator, api, viewer, app, baseline
//! parts   run, part, finished, logins, duplicates, requests, points, seconds
//! counts  run, part, key, login, status, kind, account, public_repos, sources, forks, archived, private_repos,
//!         carried, was, change, verified, error, via, at, attempts, exchange
//! ```
//!
//! A run has a name only if one was given, and more than one part only with shards. It is complete when all its parts are. `key`
//! is the login in lower case; `account` is GitHub's numeric id.

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::{Connection, SqlError};
use crate::render::row_as_json;
use crate::report::{Columns, Row};

/// Version of the tables.
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
        login TEXT NOT NULL,
        status TEXT NOT NULL, kind TEXT, account NUMERIC(20), public_repos NUMERIC(20), sources NUMERIC(20),
        forks NUMERIC(20), archived NUMERIC(20), private_repos NUMERIC(20), carried JSONB, was NUMERIC(20),
        change TEXT, verified BOOLEAN, error TEXT, via TEXT, at TIMESTAMPTZ, attempts BIGINT NOT NULL,
        exchange TEXT, PRIMARY KEY (run, key))",
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
            let sql = types.iter().fold(statement.to_owned(), |sql, (from, to)| sql.replace(from, to));
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

const SQLITE_INSERT: &str = "
    INSERT INTO counts SELECT CAST($1 AS INTEGER), CAST($3 AS INTEGER),
        value ->> 'key', value ->> 'login', value ->> 'status', value ->> 'kind', value ->> 'id',
        value ->> 'public_repos', value ->> 'sources', value ->> 'forks', value ->> 'archived',
        value ->> 'private_repos', value ->> 'carried', value ->> 'was', value ->> 'change',
        value ->> 'verified', value ->> 'error', value ->> 'via', value ->> 'at', value ->> 'attempts',
        value ->> 'exchange'
    FROM json_each($2) WHERE TRUE";

const POSTGRES_INSERT: &str = "
    INSERT INTO counts SELECT CAST($1 AS BIGINT), CAST($3 AS BIGINT), row.*
    FROM jsonb_to_recordset(CAST($2 AS JSONB)) AS row (key TEXT, login TEXT, status TEXT, kind TEXT,
        id NUMERIC, public_repos NUMERIC, sources NUMERIC, forks NUMERIC, archived NUMERIC,
        private_repos NUMERIC, carried JSONB, was NUMERIC, change TEXT, verified BOOLEAN, error TEXT,
        via TEXT, at TIMESTAMPTZ, attempts BIGINT, exchange TEXT) WHERE TRUE";

/// Replaces the row of a login that is saved already, except an answer by a row without one.
const UPSERT: &str = "
    ON CONFLICT (run, key) DO UPDATE SET part = excluded.part, login = excluded.login, status = excluded.status,
        kind = excluded.kind, account = excluded.account, public_repos = excluded.public_repos,
        sources = excluded.sources, forks = excluded.forks, archived = excluded.archived,
        private_repos = excluded.private_repos, carried = excluded.carried, was = excluded.was,
        change = excluded.change, verified = excluded.verified, error = excluded.error,
        via = excluded.via, at = excluded.at, attempts = excluded.attempts, exchange = excluded.exchange
    WHERE excluded.status IN ('ok', 'not_found', 'forbidden', 'invalid')
        OR counts.status NOT IN ('ok', 'not_found', 'forbidden', 'invalid')";

/// Inserts rows of a part of a run, in one statement that is a transaction.
pub(super) async fn insert(
    connection: &mut Connection,
    run: &str,
    part: &str,
    rows: &[Row],
    columns: &Columns,
) -> Result<(), SqlError> {
    let rows: Value = rows.iter().map(|row| db_row(row, columns)).collect();
    let insert = if connection.is_postgres() { POSTGRES_INSERT } else { SQLITE_INSERT };
    let sql = AssertSqlSafe(format!("{insert}{UPSERT}"));
    connection.execute(sql, &[Some(run), Some(&rows.to_string()), Some(part)]).await
}

/// Returns a row as in the NDJSON report, with its key.
fn db_row(row: &Row, columns: &Columns) -> Value {
    let mut json = row_as_json(columns, row);
    // The mark of an invalid login is a NUL, which PostgreSQL does not store.
    if let Value::Object(object) = &mut json {
        object.insert("key".into(), row.key().trim_start_matches('\0').into());
    }
    json
}
