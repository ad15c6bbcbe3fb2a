//! Logins from a database: the first column of a query's rows, as they arrive.

use std::io;
use std::path::PathBuf;

use futures::stream::TryReadyChunksError;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{mpsc, oneshot};

use super::csv::carried_cell;
use super::text::RECORDS_PER_BATCH;
use super::{BATCHES_AHEAD, InputError, InputOptions, InputRecord, SharedReport};
use crate::database::{AccessMode, Connection, DatabaseUrl, DbRecord, SqlError};
use crate::login::Login;

/// Runs the query, and returns its records as they arrive. An error of the first rows ends the run before any request.
pub(super) async fn open(
    address: DatabaseUrl,
    query: String,
    options: &InputOptions,
    report: SharedReport,
) -> Result<mpsc::Receiver<Vec<InputRecord>>, InputError> {
    let name = address.to_string();
    let connection =
        Connection::open(&address, AccessMode::Read).await.map_err(|error| read_error(&name, error))?;
    let (records, receiver) = mpsc::channel(BATCHES_AHEAD);
    let (first_rows_tx, first_rows_rx) = oneshot::channel();
    let parser = RowParser {
        web_host: options.web_host.clone(),
        carry: options.carry.clone(),
        columns: None,
        empty: 0,
    };
    let reader = QueryReader { name: name.clone(), parser, records, first_rows: Some(first_rows_tx), report };
    tokio::spawn(reader.run(connection, query));
    match first_rows_rx.await {
        Ok(Err(error)) => Err(read_error(&name, error)),
        // A query without rows is an input without logins.
        Ok(Ok(())) | Err(_) => Ok(receiver),
    }
}

fn read_error(name: &str, error: SqlError) -> InputError {
    InputError { name: PathBuf::from(name), source: io::Error::other(error) }
}

struct QueryReader {
    name: String,
    parser: RowParser,
    records: mpsc::Sender<Vec<InputRecord>>,
    /// Tells [`open`] about the first rows.
    first_rows: Option<oneshot::Sender<Result<(), SqlError>>>,
    report: SharedReport,
}

impl QueryReader {
    async fn run(mut self, mut connection: Connection, query: String) {
        if let Err(error) = self.send_rows(&mut connection, query).await {
            match self.first_rows.take() {
                Some(first_rows) => drop(first_rows.send(Err(error))),
                None => self.report.lock().failure = Some(read_error(&self.name, error).to_string()),
            }
        }
        self.report.lock().warn_empty_rows(&self.name, self.parser.empty);
        connection.close().await;
    }

    async fn send_rows(&mut self, connection: &mut Connection, query: String) -> Result<(), SqlError> {
        let records = connection.rows(query).map(|row| self.parser.parse(&row?));
        let mut chunks = records.try_ready_chunks(RECORDS_PER_BATCH);
        loop {
            let (records, result) = tokio::select! {
                () = self.records.closed() => return Ok(()),
                chunk = chunks.next() => match chunk {
                    None => return Ok(()),
                    Some(Ok(records)) => (records, Ok(())),
                    Some(Err(TryReadyChunksError(records, error))) => (records, Err(error)),
                },
            };
            if result.is_ok()
                && let Some(first_rows) = self.first_rows.take()
            {
                let _ = first_rows.send(Ok(()));
            }
            let is_closed = self.records.send(records.into_iter().flatten().collect()).await.is_err();
            result?;
            if is_closed {
                return Ok(());
            }
        }
    }
}

struct RowParser {
    web_host: String,
    carry: Vec<String>,
    /// Positions of the carried columns, from the first row.
    columns: Option<Vec<usize>>,
    empty: u64,
}

impl RowParser {
    /// Returns None for a row without a login.
    fn parse(&mut self, row: &DbRecord) -> Result<Option<InputRecord>, SqlError> {
        let columns = match &self.columns {
            Some(columns) => columns,
            None => self.columns.insert(column_indices(row, &self.carry)?),
        };
        let Some(first) = row.first() else {
            return Err(SqlError::Other("the query has no columns".into()));
        };
        if let (Some(kind), true) = (&first.non_text_type, first.text.is_some()) {
            let name = crate::text::sanitize_line(&first.name);
            let reason = format!("the first column of the query, {name}, is of type {kind}: logins are text");
            return Err(SqlError::Other(reason));
        }
        let login = first.text.as_deref().unwrap_or_default().trim();
        if login.is_empty() {
            self.empty += 1;
            return Ok(None);
        }
        let cells = columns.iter().map(|column| row.get(*column)?.text.as_deref());
        let carried = cells.map(|text| carried_cell(text?)).collect();
        Ok(Some(InputRecord { login: Login::parse_for_host(login, &self.web_host), carried }))
    }
}

fn column_indices(row: &DbRecord, names: &[String]) -> Result<Vec<usize>, SqlError> {
    names.iter().map(|name| column_index(row, name)).collect()
}

fn column_index(row: &DbRecord, name: &str) -> Result<usize, SqlError> {
    let index = row.iter().position(|cell| cell.name.to_lowercase() == name.to_lowercase());
    index.ok_or_else(|| {
        let columns: Vec<_> = row.iter().map(|cell| format!("{:?}", cell.name)).collect();
        SqlError::Other(format!("column {name:?} not found (columns: {})", columns.join(", ")))
    })
}
