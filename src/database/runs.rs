//! Runs that are saved to a database.
//!
//! Rows are written as they come, a transaction for each batch. A run is marked complete only at its end,
//! and several runs, or several shards of one, can be saved at once. The tables are described in
//! [`schema`].

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};

use super::rows::{ROWS, Saved, postgres, sqlite};

use super::{AccessMode, Connection, DatabaseUrl, SqlError};
use crate::render::Meta;
use crate::report::{Columns, Row, Summary};
use crate::shard::Shard;

/// Rows that are written together.
const BATCH: usize = 2048;
/// What is there is written no more often, unless it is a batch.
const PATIENCE: Duration = Duration::from_millis(250);

/// A database that says nothing for so long is given up. Locks of `SQLite` are waited for a minute.
const SILENCE: Duration = Duration::from_secs(75);

/// Where a run is saved, and as what.
#[derive(Clone, Debug)]
pub(crate) struct SaveTarget {
    /// The database.
    pub(crate) address: DatabaseUrl,
    /// The run's name, by which its shards find each other.
    pub(crate) name: Option<String>,
    /// Which part of it this is.
    pub(crate) shard: Option<Shard>,
}

/// A run that is being saved, on a thread of its own.
pub(crate) struct RunWriter {
    runtime: Runtime,
    connection: Connection,
    /// The run's id, as text: a parameter.
    run: String,
    part: String,
    columns: Columns,
    waiting: Vec<Row>,
    /// The statement for a whole batch.
    statement: Option<String>,
    /// When rows were written last.
    last: Instant,
    saved: u64,
}

impl RunWriter {
    /// Begins to save a run, or goes on with that of the same name. Blocks: not for a thread that runs
    /// other tasks.
    pub(crate) fn open(saving: &SaveTarget, columns: &Columns, meta: &Meta) -> Result<Self, SqlError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SqlError(crate::text::reason(&error)))?;
        let (connection, run) = runtime.block_on(begin(saving, meta))?;
        let part = saving.shard.map_or(1, |shard| shard.part).to_string();
        Ok(Self {
            runtime,
            connection,
            run,
            part,
            columns: columns.clone(),
            waiting: Vec::new(),
            statement: None,
            last: Instant::now(),
            saved: 0,
        })
    }

    /// Takes rows; `more` are on their way.
    pub(crate) fn rows(&mut self, rows: &[Row], more: bool) -> Result<(), SqlError> {
        self.waiting.extend_from_slice(rows);
        if self.waiting.len() >= BATCH || (!more && self.last.elapsed() >= PATIENCE) {
            self.last = Instant::now();
            self.write()
        } else {
            Ok(())
        }
    }

    /// Waits for the database, but not for ever: the report waits for it as well.
    fn wait<T>(runtime: &Runtime, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, SqlError> {
        runtime.block_on(async {
            let silent =
                || Err(SqlError(format!("it has not answered for {}", crate::text::duration(SILENCE))));
            tokio::time::timeout(SILENCE, work).await.unwrap_or_else(|_| silent())
        })
    }

    fn write(&mut self) -> Result<(), SqlError> {
        let rows = std::mem::take(&mut self.waiting);
        for rows in rows.chunks(if self.connection.is_postgres() { BATCH } else { ROWS }) {
            self.insert(rows)?;
            self.saved += rows.len() as u64;
        }
        Ok(())
    }

    /// Inserts rows, in a statement that is a transaction.
    fn insert(&mut self, rows: &[Row]) -> Result<(), SqlError> {
        // What is no login has a mark before it, which no database wants.
        let keys: Vec<_> = rows.iter().map(|row| row.key().trim_start_matches('\0').to_owned()).collect();
        let rows = keys.iter().zip(rows).map(|(key, row)| Saved::of(key, row, &self.columns));
        if self.connection.is_postgres() {
            let json = serde_json::to_string(&rows.collect::<Vec<_>>());
            let json = json.map_err(|error| SqlError(error.to_string()))?;
            let sql = self.statement.get_or_insert_with(postgres).clone();
            let cells = vec![Some(self.run.clone()), Some(json), Some(self.part.clone())];
            return Self::wait(&self.runtime, self.connection.insert(sql, cells, true));
        }
        let whole = keys.len() == ROWS;
        let sql = if whole {
            self.statement.get_or_insert_with(|| sqlite(ROWS, &self.run, &self.part)).clone()
        } else {
            sqlite(keys.len(), &self.run, &self.part)
        };
        let cells = rows.flat_map(Saved::cells).collect();
        Self::wait(&self.runtime, self.connection.insert(sql, cells, whole))
    }

    /// How many rows were saved.
    pub(crate) fn saved(&self) -> u64 {
        self.saved
    }

    /// Ends the run: it is complete, if every login was asked and all its other parts are.
    pub(crate) fn finish(mut self, summary: &Summary) -> Result<(), SqlError> {
        self.write()?;
        let Self { runtime, mut connection, run, part, .. } = self;
        Self::wait(&runtime, async {
            if summary.complete {
                complete(&mut connection, &run, &part, summary).await?;
            }
            connection.close().await;
            Ok(())
        })
    }

    /// Nothing was learnt: a run that came to nothing leaves no trace.
    pub(crate) fn abandon(self) {
        let Self { runtime, mut connection, run, part, .. } = self;
        let _ = Self::wait(&runtime, async {
            let rows = "DELETE FROM counts WHERE run = CAST($1 AS BIGINT) AND part = CAST($2 AS BIGINT)";
            connection.run(rows, &[Some(&run), Some(&part)]).await?;
            let empty = "DELETE FROM runs WHERE id = CAST($1 AS BIGINT)
                AND NOT EXISTS (SELECT 1 FROM counts WHERE run = runs.id)";
            connection.run(empty, &[Some(&run)]).await?;
            connection.close().await;
            Ok(())
        });
    }
}

async fn begin(saving: &SaveTarget, meta: &Meta) -> Result<(Connection, String), SqlError> {
    let mut connection = Connection::open(&saving.address, AccessMode::Write).await?;
    super::schema::migrate(&mut connection).await?;
    let parts = saving.shard.map_or(1, |shard| shard.of).to_string();
    let started = meta.started.to_string();
    let binds = [
        saving.name.as_deref(),
        Some(started.as_str()),
        Some(parts.as_str()),
        Some(meta.generator.as_str()),
        meta.api.as_deref(),
        meta.whose.viewer.as_deref(),
        meta.whose.app.as_deref(),
        meta.baseline.as_deref(),
    ];
    let insert = if connection.is_postgres() {
        "INSERT INTO runs (name, started, parts, generator, api, viewer, app, baseline)
         VALUES ($1, CAST($2 AS TIMESTAMPTZ), CAST($3 AS BIGINT), $4, $5, $6, $7, $8)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
    } else {
        "INSERT INTO runs (name, started, parts, generator, api, viewer, app, baseline)
         VALUES ($1, $2, CAST($3 AS INTEGER), $4, $5, $6, $7, $8)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
    };
    let run =
        connection.number(insert, &binds).await?.ok_or_else(|| SqlError("it gave the run no id".into()))?;
    let run = run.to_string();
    let of = connection.number("SELECT parts FROM runs WHERE id = CAST($1 AS BIGINT)", &[Some(&run)]).await?;
    if of.map(|of| of.to_string()).as_deref() != Some(parts.as_str()) {
        let name = saving.name.as_deref().unwrap_or_default();
        let of = of.unwrap_or_default();
        return Err(SqlError(format!(
            "the run {name:?} there has {of} parts, and not {parts}; give another --run-name"
        )));
    }
    // What was saved under this name before, of this part, gives way.
    let part = saving.shard.map_or(1, |shard| shard.part).to_string();
    let postgres = connection.is_postgres();
    connection.run(if postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }, &[]).await?;
    let reopen = if postgres {
        "UPDATE runs SET complete = FALSE, finished = NULL WHERE id = CAST($1 AS BIGINT)"
    } else {
        "UPDATE runs SET complete = 0, finished = NULL WHERE id = CAST($1 AS INTEGER)"
    };
    connection.run(reopen, &[Some(&run)]).await?;
    for delete in [
        "DELETE FROM parts WHERE run = CAST($1 AS BIGINT) AND part = CAST($2 AS BIGINT)",
        "DELETE FROM counts WHERE run = CAST($1 AS BIGINT) AND part = CAST($2 AS BIGINT)",
    ] {
        connection.run(delete, &[Some(&run), Some(&part)]).await?;
    }
    connection.run("COMMIT", &[]).await?;
    Ok((connection, run))
}

async fn complete(
    connection: &mut Connection,
    run: &str,
    part: &str,
    summary: &Summary,
) -> Result<(), SqlError> {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let (logins, duplicates) = (summary.asked.to_string(), number(summary.duplicates));
    let (requests, points) = (number(summary.requests), number(summary.points));
    let seconds = summary.seconds.map(|seconds| seconds.to_string());
    let postgres = connection.is_postgres();
    connection.run(if postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }, &[]).await?;
    // Of two parts that end together the second sees the first.
    let lock = "UPDATE runs SET name = name WHERE id = CAST($1 AS BIGINT)";
    connection.run(lock, &[Some(run)]).await?;
    let insert = if postgres {
        "INSERT INTO parts VALUES (CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TIMESTAMPTZ),
            CAST($4 AS BIGINT), CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS DOUBLE PRECISION))
         ON CONFLICT (run, part) DO UPDATE SET finished = excluded.finished, logins = excluded.logins,
            duplicates = excluded.duplicates, requests = excluded.requests, points = excluded.points,
            seconds = excluded.seconds"
    } else {
        "INSERT INTO parts VALUES (CAST($1 AS INTEGER), CAST($2 AS INTEGER), $3, CAST($4 AS INTEGER),
            CAST($5 AS INTEGER), CAST($6 AS INTEGER), CAST($7 AS INTEGER), CAST($8 AS REAL))
         ON CONFLICT (run, part) DO UPDATE SET finished = excluded.finished, logins = excluded.logins,
            duplicates = excluded.duplicates, requests = excluded.requests, points = excluded.points,
            seconds = excluded.seconds"
    };
    let binds = [
        Some(run),
        Some(part),
        Some(now.as_str()),
        Some(logins.as_str()),
        duplicates.as_deref(),
        requests.as_deref(),
        points.as_deref(),
        seconds.as_deref(),
    ];
    connection.run(insert, &binds).await?;
    let mark = if postgres {
        "UPDATE runs SET finished = CAST($2 AS TIMESTAMPTZ),
            complete = (SELECT count(*) FROM parts WHERE run = runs.id) >= parts WHERE id = CAST($1 AS BIGINT)"
    } else {
        "UPDATE runs SET finished = $2,
            complete = (SELECT count(*) FROM parts WHERE run = runs.id) >= parts WHERE id = CAST($1 AS INTEGER)"
    };
    connection.run(mark, &[Some(run), Some(&now)]).await?;
    connection.run("COMMIT", &[]).await
}
