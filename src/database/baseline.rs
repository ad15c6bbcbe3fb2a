//! A saved run, read again: the baseline of the next one.

use futures::StreamExt;

use super::{AccessMode, Connection, DatabaseUrl, SqlError};
use crate::report::{AccountKind, Change, Row, Status};

/// The rows of the last complete run in a database.
pub(crate) async fn last_complete(address: &DatabaseUrl) -> Result<Vec<Row>, SqlError> {
    let mut connection = Connection::open(address, AccessMode::Read).await?;
    let last =
        "SELECT id FROM runs WHERE CAST(complete AS INTEGER) = 1 ORDER BY started DESC, id DESC LIMIT 1";
    let run = connection.number(last, &[]).await?;
    let run = run.ok_or_else(|| SqlError("no run in it is complete".into()))?;
    let mut rows = Vec::new();
    {
        let sql = format!(
            "SELECT login, status, kind, account, public_repos, change FROM counts WHERE run = {run} ORDER BY key"
        );
        let mut records = connection.rows(sql);
        while let Some(record) = records.next().await {
            let mut cells = record?.cells.into_iter().map(|cell| cell.text);
            let mut next = || cells.next().flatten();
            let login = next().unwrap_or_default();
            let status = next().and_then(|status| Status::parse(&status)).unwrap_or(Status::Failed);
            let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
            rows.push(Row {
                kind: next().and_then(|kind| AccountKind::parse(&kind)),
                id: number(next()),
                public_repos: number(next()),
                change: next().and_then(|change| Change::parse(&change)),
                ..Row::without_count(&login, status, "")
            });
        }
    }
    connection.close().await;
    Ok(rows)
}
