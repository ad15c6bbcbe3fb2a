//! Rosters from databases: the first column of a query's rows, as they come.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};

use super::text::BATCH;
use super::{InputError, InputOptions, InputRecord, InputReport};
use crate::database::{AccessMode, Connection, DatabaseUrl, DbRecord, SqlError};
use crate::login::Login;
use crate::report::Carried;
use crate::text::sanitize_multiline;

/// Batches that are read ahead.
const READ_AHEAD: usize = 2;

/// Asks a database, and hands on the logins as they come. What is wrong with the query is known before
/// anybody is counted.
pub(super) async fn open(
    address: DatabaseUrl,
    query: String,
    reading: &InputOptions,
    notes: Arc<InputReport>,
) -> Result<mpsc::Receiver<Vec<InputRecord>>, InputError> {
    let unreadable = {
        let name = PathBuf::from(address.to_string());
        move |error: SqlError| InputError { path: name.clone(), cause: io::Error::other(error) }
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let (ready, begun) = oneshot::channel::<Result<(), SqlError>>();
    let (site, carry) = (reading.site.clone(), reading.carry.clone());
    let mut connection = Connection::open(&address, AccessMode::Read).await.map_err(&unreadable)?;
    let late = unreadable.clone();
    tokio::spawn(async move {
        let mut ready = Some(ready);
        {
            let mut columns = None;
            let mut read = |record: DbRecord| -> Result<Option<InputRecord>, SqlError> {
                let columns = match &columns {
                    Some(columns) => columns,
                    None => columns.insert(places(&record, &carry)?),
                };
                entry(record, columns, &site)
            };
            let mut rows = connection.rows(query).map(|record| read(record?)).ready_chunks(BATCH);
            let mut empty = 0;
            loop {
                let chunk = tokio::select! {
                    chunk = rows.next() => chunk,
                    // Nobody wants more: the connection is given back.
                    () = sender.closed() => break,
                };
                let Some(chunk) = chunk else { break };
                let mut batch = Vec::with_capacity(chunk.len());
                let mut failure = None;
                for entry in chunk {
                    match entry {
                        Ok(Some(entry)) => batch.push(entry),
                        Ok(None) => empty += 1,
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                }
                match (ready.take(), failure) {
                    (Some(ready), Some(error)) => {
                        let _ = ready.send(Err(error));
                        break;
                    }
                    (Some(ready), None) => drop(ready.send(Ok(()))),
                    (None, None) => {}
                    (None, Some(error)) => {
                        let _ = sender.send(batch).await;
                        notes.fail(&late(error));
                        break;
                    }
                }
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            if empty > 0 {
                let rows = crate::text::pluralize(empty, "row", "rows");
                notes.remark(format!("{address}: {rows} without a login skipped"));
            }
        }
        connection.close().await;
        // A query without rows is a roster without logins.
        drop(ready.map(|ready| ready.send(Ok(()))));
    });
    match begun.await {
        Ok(Err(error)) => Err(unreadable(error)),
        _ => Ok(receiver),
    }
}

/// Where the carried columns are.
fn places(record: &DbRecord, carry: &[String]) -> Result<Vec<usize>, SqlError> {
    let names = || record.cells.iter().map(|cell| format!("{:?}", cell.name)).collect::<Vec<_>>().join(", ");
    let place = |name: &String| {
        let same = |other: &str| other.to_lowercase() == name.to_lowercase();
        let found = record.cells.iter().position(|cell| same(&cell.name));
        found.ok_or_else(|| SqlError::Other(format!("the query has no column {name:?}, but {}", names())))
    };
    carry.iter().map(place).collect()
}

fn entry(mut record: DbRecord, columns: &[usize], site: &str) -> Result<Option<InputRecord>, SqlError> {
    let Some(first) = record.cells.first_mut() else {
        return Err(SqlError::Other("the query has no columns".into()));
    };
    if let (Some(kind), true) = (&first.non_text_type, first.text.is_some()) {
        let name = crate::text::sanitize_line(&first.name).into_owned();
        return Err(SqlError::Other(format!(
            "the first column of the query, {name}, is of type {kind}: logins are text"
        )));
    }
    let Some(login) = first.text.clone().filter(|login| !login.trim().is_empty()) else {
        return Ok(None);
    };
    let carried: Carried = columns
        .iter()
        .map(|at| record.cells.get(*at)?.text.as_deref().map(str::trim).filter(|text| !text.is_empty()))
        .map(|text| Some(sanitize_multiline(text?).into()))
        .collect();
    Ok(Some(InputRecord { login: Login::parse_at(login.trim(), site), carried }))
}
