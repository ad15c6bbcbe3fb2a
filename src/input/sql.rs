//! Logins from a database: the first column of a query's rows, as they arrive.

use std::io;
use std::path::PathBuf;

use futures::stream::TryReadyChunksError;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::csv::carried_cell;
use super::text::{RECORDS_PER_BATCH, push_records};
use super::{BATCHES_AHEAD, Batches, EmptyRows, InputError, InputOptions, InputRecord, SharedReport};
use crate::database::{AccessMode, Connection, DatabaseUrl, DbRecord, SqlError};

/// Runs the query, and returns its records as they arrive. An error of the first rows ends the run before any request.
pub(super) async fn open(
    address: DatabaseUrl,
    query: String,
    options: &InputOptions,
    report: SharedReport,
) -> Result<Batches, InputError> {
    let name = address.to_string();
    let mut connection =
        Connection::open(&address, AccessMode::Read).await.map_err(|error| read_error(&name, error))?;
    let parser = RowParser {
        web_host: options.web_host.clone(),
        carry: options.carry.clone(),
        columns: None,
        empty: 0,
    };
    let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::spawn(async move {
        let empty = send_rows(&mut connection, query, parser, &sender, &name).await;
        report.lock().warn_empty_rows(&name, &EmptyRows::unnumbered(empty));
        connection.close().await;
    });
    match receiver.recv().await {
        Some(Err(error)) => Err(error),
        first => Ok(stream::iter(first).chain(super::batches(receiver)).boxed()),
    }
}

fn read_error(name: &str, error: SqlError) -> InputError {
    InputError { name: PathBuf::from(name), source: io::Error::other(error) }
}

/// Returns the number of rows without a login.
async fn send_rows(
    connection: &mut Connection,
    query: String,
    mut parser: RowParser,
    sender: &mpsc::Sender<Result<Vec<InputRecord>, InputError>>,
    name: &str,
) -> u64 {
    let records = connection.rows(query).map(|row| parser.parse(&row?));
    let mut chunks = records.try_ready_chunks(RECORDS_PER_BATCH);
    let mut is_first = true;
    loop {
        let (records, error) = tokio::select! {
            () = sender.closed() => break,
            chunk = chunks.next() => match chunk {
                None => break,
                Some(Ok(records)) => (records, None),
                Some(Err(TryReadyChunksError(records, error))) => (records, Some(error)),
            },
        };
        // An error beside the first rows is that of the query: the run ends without them.
        if error.is_none() || !is_first {
            let _ = sender.send(Ok(records.into_iter().flatten().collect())).await;
        }
        is_first = false;
        if let Some(error) = error {
            let _ = sender.send(Err(read_error(name, error))).await;
            break;
        }
    }
    drop(chunks);
    parser.empty
}

struct RowParser {
    web_host: String,
    carry: Vec<String>,
    /// Positions of the carried columns, from the first row.
    columns: Option<Vec<usize>>,
    empty: u64,
}

impl RowParser {
    /// Returns the records of a row, one for each of its logins.
    fn parse(&mut self, row: &DbRecord) -> Result<Vec<InputRecord>, SqlError> {
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
            return Ok(Vec::new());
        }
        let cells = columns.iter().map(|column| row.get(*column)?.text.as_deref());
        let carried = cells.map(|text| carried_cell(text?)).collect();
        let mut records = Vec::new();
        push_records(login, carried, &self.web_host, &mut records);
        Ok(records)
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
