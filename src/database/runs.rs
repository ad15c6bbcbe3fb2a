//! Runs that are saved to a database, and read back as a baseline.
//!
//! Rows are written as they come, a transaction for each batch. A run is marked complete only at its end, and several runs, or
//! several shards of one, can be saved at once.

use std::fmt::Display;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use tokio::runtime::{Builder, Runtime};

use super::schema::{check_version, create_tables, insert};
use super::{AccessMode, Connection, DatabaseUrl, DbRecord, SqlError};
use crate::render::Meta;
use crate::report::{AccountKind, Columns, Row, RunTotals, Status, Summary};
use crate::shard::Shard;
use crate::text::{format_duration, io_message};

/// Rows per statement.
const BATCH_ROWS: usize = 2048;
/// Minimum time between writes of less than a batch.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum time of an operation. It is longer than the wait for a lock of SQLite.
const TIMEOUT: Duration = Duration::from_secs(75);

#[derive(Clone, Debug)]
pub(crate) struct SaveTarget {
    pub(crate) address: DatabaseUrl,
    /// Name of the run. Its shards have the same one.
    pub(crate) name: Option<String>,
    pub(crate) shard: Option<Shard>,
}

/// A run that is being saved. Its methods block: they are not for a thread with other tasks.
pub(crate) struct RunWriter {
    runtime: Runtime,
    connection: Connection,
    /// Id of the run.
    run: i64,
    /// Id of the run of the same name that this part will be moved to.
    replaces: Option<i64>,
    /// Number of the shard, or 1.
    part: u32,
    columns: Columns,
    buffer: Vec<Row>,
    last_write: Instant,
    saved: u64,
}

impl RunWriter {
    /// Starts to save a run, or a part of the run with the same name.
    pub(crate) fn open(target: &SaveTarget, columns: &Columns, meta: &Meta) -> Result<Self, SqlError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SqlError::Other(io_message(&error)))?;
        let (connection, run, replaces) = runtime.block_on(start_run(target, meta))?;
        Ok(Self {
            runtime,
            connection,
            run,
            replaces,
            part: target.shard.map_or(1, |shard| shard.part),
            columns: columns.clone(),
            buffer: Vec::new(),
            last_write: Instant::now(),
            saved: 0,
        })
    }

    /// Adds rows, and writes a batch when it is full or [`Self::flush`] is due.
    pub(crate) fn rows(&mut self, rows: &[Row]) -> Result<(), SqlError> {
        self.buffer.extend_from_slice(rows);
        if self.buffer.len() >= BATCH_ROWS { self.write() } else { Ok(()) }
    }

    /// Writes the rows that wait, unless others were written just before.
    pub(crate) fn flush(&mut self) -> Result<(), SqlError> {
        if self.last_write.elapsed() >= FLUSH_INTERVAL { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), SqlError> {
        let Self { runtime, connection, run, part, columns, .. } = self;
        for rows in std::mem::take(&mut self.buffer).chunks(BATCH_ROWS) {
            let inserted = block_with_timeout(runtime, insert(connection, *run, *part, rows, columns));
            inserted.map_err(|error| error.after_rows(self.saved))?;
            self.saved += rows.len() as u64;
        }
        self.last_write = Instant::now();
        Ok(())
    }

    /// Marks the run complete if every login was looked up and its other parts are complete.
    pub(crate) fn finish(mut self, summary: &Summary) -> Result<(), SqlError> {
        self.write()?;
        let Self { runtime, mut connection, run, replaces, part, saved, .. } = self;
        let finished = block_with_timeout(&runtime, async {
            if summary.complete {
                connection.begin().await?;
                if let Some(replaced) = replaces {
                    replace_part(&mut connection, run, replaced, part).await?;
                }
                mark_complete(&mut connection, replaces.unwrap_or(run), part, summary).await?;
                connection.execute("COMMIT", &[]).await?;
            }
            connection.close().await;
            Ok(())
        });
        finished.map_err(|error| error.after_rows(saved))
    }

    /// Deletes a run in which nothing was counted.
    pub(crate) fn abandon(self) {
        let Self { runtime, mut connection, run, part, .. } = self;
        let _ = block_with_timeout(&runtime, async {
            delete_rows(&mut connection, run, part).await?;
            let empty = "NOT EXISTS (SELECT 1 FROM counts WHERE run = runs.id)";
            connection.run(format!("DELETE FROM runs WHERE id = {run} AND {empty}")).await?;
            connection.close().await;
            Ok(())
        });
    }
}

/// Runs a future, with a timeout: the other reports wait for it as well.
fn block_with_timeout<T>(
    runtime: &Runtime,
    future: impl Future<Output = Result<T, SqlError>>,
) -> Result<T, SqlError> {
    let result = runtime.block_on(async { tokio::time::timeout(TIMEOUT, future).await });
    result.unwrap_or_else(|_| Err(SqlError::Other(format!("no response for {}", format_duration(TIMEOUT)))))
}

/// Returns the connection, the id of the run, and that of the run that it replaces when it is complete.
async fn start_run(target: &SaveTarget, meta: &Meta) -> Result<(Connection, i64, Option<i64>), SqlError> {
    let mut connection = Connection::open(&target.address, AccessMode::Write).await?;
    create_tables(&mut connection).await?;
    let (part, parts) = target.shard.map_or((1, 1), |shard| (shard.part, shard.of));
    let name = target.name.as_deref();
    let run = insert_run(&mut connection, name, parts, meta).await?;
    let of = AssertSqlSafe(format!("SELECT parts FROM runs WHERE id = {run}"));
    let of = connection.fetch_i64(of, &[]).await?.unwrap_or_default();
    if of != i64::from(parts) {
        let name = name.unwrap_or_default();
        return Err(SqlError::Other(format!(
            "the run {name:?} has {of} parts, not {parts}; use another --run-name"
        )));
    }
    let done = AssertSqlSafe(format!("SELECT count(*) FROM parts WHERE run = {run} AND part = {part}"));
    if connection.fetch_i64(done, &[]).await? != Some(0) {
        // Until this run is complete, it has no name, and the earlier one stays.
        let pending = insert_run(&mut connection, None, parts, meta).await?;
        return Ok((connection, pending, Some(run)));
    }
    // Rows of an incomplete run are replaced.
    delete_rows(&mut connection, run, part).await?;
    Ok((connection, run, None))
}

/// Returns the id of a new run, or of the one with this name.
async fn insert_run(
    connection: &mut Connection,
    name: Option<&str>,
    parts: u32,
    meta: &Meta,
) -> Result<i64, SqlError> {
    let Meta { generator, api, identity, baseline, started, .. } = meta;
    let insert = format!(
        "INSERT INTO runs (name, started, parts, generator, api, viewer, app, baseline)
         VALUES ($1, '{started}', {parts}, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
    );
    let texts = [api, &identity.viewer, &identity.app, baseline].map(Option::as_deref);
    let parameters = [&[name, Some(generator.as_str())][..], &texts].concat();
    let run = connection.fetch_i64(AssertSqlSafe(insert), &parameters).await?;
    run.ok_or_else(|| SqlError::Other("it returned no id for the run".into()))
}

/// Moves the rows of a run to the run that it replaces.
async fn replace_part(
    connection: &mut Connection,
    run: i64,
    replaced: i64,
    part: u32,
) -> Result<(), SqlError> {
    // A renamed account may have been in another part.
    let delete = format!(
        "DELETE FROM counts WHERE run = {replaced}
         AND (part = {part} OR key IN (SELECT key FROM counts WHERE run = {run}))"
    );
    connection.run(delete).await?;
    connection.run(format!("UPDATE counts SET run = {replaced} WHERE run = {run}")).await?;
    connection.run(format!("DELETE FROM runs WHERE id = {run}")).await
}

async fn mark_complete(
    connection: &mut Connection,
    run: i64,
    part: u32,
    summary: &Summary,
) -> Result<(), SqlError> {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    // Serializes parts that end at the same time, so that the second one sees the first.
    connection.run(format!("UPDATE runs SET name = name WHERE id = {run}")).await?;
    let RunTotals { duplicates, requests, points, seconds, .. } = summary.totals;
    let [duplicates, requests, points] = [duplicates, requests, points].map(literal);
    let (logins, seconds) = (summary.asked, literal(seconds));
    let insert = format!(
        "INSERT INTO parts
         VALUES ({run}, {part}, '{now}', {logins}, {duplicates}, {requests}, {points}, {seconds})
         ON CONFLICT (run, part) DO UPDATE SET finished = excluded.finished, logins = excluded.logins,
            duplicates = excluded.duplicates, requests = excluded.requests, points = excluded.points,
            seconds = excluded.seconds"
    );
    connection.run(insert).await?;
    let complete = "(SELECT count(*) FROM parts WHERE run = runs.id) >= parts";
    connection
        .run(format!("UPDATE runs SET finished = '{now}', complete = {complete} WHERE id = {run}"))
        .await
}

fn literal(number: Option<impl Display>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |number| number.to_string())
}

async fn delete_rows(connection: &mut Connection, run: i64, part: u32) -> Result<(), SqlError> {
    connection.run(format!("DELETE FROM counts WHERE run = {run} AND part = {part}")).await
}

pub(crate) async fn last_complete(url: &DatabaseUrl) -> Result<Vec<Row>, SqlError> {
    let mut connection = Connection::open(url, AccessMode::Read).await?;
    check_version(&mut connection).await?;
    let last =
        "SELECT id FROM runs WHERE CAST(complete AS INTEGER) = 1 ORDER BY started DESC, id DESC LIMIT 1";
    let run = connection.fetch_i64(last, &[]).await?;
    let run = run.ok_or_else(|| SqlError::Other("it has no complete run".into()))?;
    let sql = format!(
        "SELECT login, status, type, id, public_repos, was FROM counts WHERE run = {run} ORDER BY key"
    );
    let mut rows = Vec::new();
    let mut records = connection.rows(sql);
    while let Some(record) = records.next().await {
        rows.push(saved_row(record?));
    }
    drop(records);
    connection.close().await;
    Ok(rows)
}

/// Reads a row whose columns are in the order of the statement of [`last_complete`].
fn saved_row(record: DbRecord) -> Row {
    let mut cells = record.into_iter().map(|cell| cell.text);
    let [login, status, kind, id, count, was] = std::array::from_fn(|_| cells.next().flatten());
    let status = status.and_then(|status| Status::parse(&status)).unwrap_or(Status::Failed);
    Row {
        kind: kind.and_then(|kind| AccountKind::parse(&kind)),
        id: id.and_then(|id| id.parse().ok()),
        public_repos: count.and_then(|count| count.parse().ok()),
        was: was.and_then(|was| was.parse().ok()),
        ..Row::without_count(&login.unwrap_or_default(), status, "")
    }
}
