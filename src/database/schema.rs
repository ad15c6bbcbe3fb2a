//! The tables, and how they come to be.
//!
//! ```text
//! runs    id, name, started, finished, complete, parts, generator, api, viewer, app, baseline
//! parts   run, part, finished, logins, duplicates, requests, points, seconds
//! counts  run, part, key, and the columns of a report; `id` is called `account`
//! ```
//!
//! A run has a name only where one was given, one part unless it was divided into shards, and is complete
//! when all its parts are. `key` is the login in lower case; `account` is GitHub's numeric id.

use super::rows::definitions;
use super::{Connection, SqlError};

/// What is in the tables now.
const VERSION: i64 = 1;

/// The statements of `SQLite`.
const SQLITE: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS ghrepos_schema (version INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS runs (
        id INTEGER PRIMARY KEY, name TEXT UNIQUE, started TEXT NOT NULL, finished TEXT,
        complete INTEGER NOT NULL DEFAULT 0, parts INTEGER NOT NULL DEFAULT 1, generator TEXT NOT NULL,
        api TEXT, viewer TEXT, app TEXT, baseline TEXT)",
    "CREATE TABLE IF NOT EXISTS parts (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, part INTEGER NOT NULL,
        finished TEXT NOT NULL, logins INTEGER NOT NULL, duplicates INTEGER, requests INTEGER,
        points INTEGER, seconds REAL, PRIMARY KEY (run, part))",
    "CREATE TABLE IF NOT EXISTS counts (
        run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE, part INTEGER NOT NULL, key TEXT NOT NULL,
        {columns}, PRIMARY KEY (run, key)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS counts_of_a_login ON counts (key, run)",
    "INSERT INTO ghrepos_schema SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ghrepos_schema)",
];

/// The same for `PostgreSQL`.
const POSTGRES: [&str; 6] = [
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

/// A number that nobody else is likely to lock: runs that begin together make the tables one after the
/// other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7013402184)";

/// Makes the tables where there are none.
pub(super) async fn migrate(connection: &mut Connection) -> Result<(), SqlError> {
    let postgres = connection.is_postgres();
    if version(connection).await != Some(VERSION) {
        connection.run(if postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }, &[]).await?;
        if postgres {
            connection.run(LOCK, &[]).await?;
        }
        for statement in if postgres { POSTGRES } else { SQLITE } {
            let statement = statement.replace("{columns}", &definitions(postgres));
            connection.insert(statement, Vec::new(), false).await?;
        }
        connection.run("COMMIT", &[]).await?;
    }
    match version(connection).await {
        Some(VERSION) => Ok(()),
        Some(other) => {
            Err(SqlError(format!("its tables are of version {other}, and this program knows {VERSION}")))
        }
        None => Err(SqlError("its tables cannot be read".into())),
    }
}

async fn version(connection: &mut Connection) -> Option<i64> {
    let version = "SELECT CAST(max(version) AS BIGINT) FROM ghrepos_schema";
    connection.number(version, &[]).await.ok().flatten()
}
