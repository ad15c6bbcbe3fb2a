//! Rows as they go into the database: many in a statement, and as parameters, never as text of the statement.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::report::{Columns, Row};

/// A row, as the statements below take it.
#[derive(Serialize)]
pub(super) struct Saved<'a> {
    key: &'a str,
    login: &'a str,
    status: &'static str,
    kind: Option<&'static str>,
    account: Option<u64>,
    public_repos: Option<u64>,
    sources: Option<u64>,
    forks: Option<u64>,
    archived: Option<u64>,
    private_repos: Option<u64>,
    carried: Option<Map<String, Value>>,
    was: Option<u64>,
    change: Option<String>,
    verified: Option<bool>,
    error: Option<&'a str>,
    via: Option<&'static str>,
    at: Option<Timestamp>,
    attempts: u32,
    exchange: Option<&'a str>,
}

/// The columns of `counts`, behind the run and the part.
const COLUMNS: usize = 19;
/// Rows of a statement of `SQLite`, which takes 32,766 parameters.
pub(super) const ROWS: usize = 1024;

// An answer takes the place of an earlier row, and no answer that of no answer.
pub(super) const CONFLICT: &str = "
    ON CONFLICT (run, key) DO UPDATE SET part = excluded.part, login = excluded.login, status = excluded.status,
        kind = excluded.kind, account = excluded.account, public_repos = excluded.public_repos,
        sources = excluded.sources, forks = excluded.forks, archived = excluded.archived,
        private_repos = excluded.private_repos, carried = excluded.carried, was = excluded.was,
        change = excluded.change, verified = excluded.verified, error = excluded.error,
        via = excluded.via, at = excluded.at, attempts = excluded.attempts, exchange = excluded.exchange
    WHERE excluded.status IN ('ok', 'not_found', 'forbidden', 'invalid')
        OR counts.status NOT IN ('ok', 'not_found', 'forbidden', 'invalid')";

/// Inserts so many rows of a run. `SQLite` makes numbers of the texts by itself, as its columns want them.
pub(super) fn sqlite(rows: usize, run: &str, part: &str) -> String {
    let row = format!("({run}, {part}{})", ", ?".repeat(COLUMNS));
    format!("INSERT INTO counts VALUES {}{CONFLICT}", vec![row; rows].join(", "))
}

pub(super) const POSTGRES: &str = "
    INSERT INTO counts SELECT CAST($1 AS BIGINT), CAST($3 AS BIGINT), row.*
    FROM jsonb_to_recordset(CAST($2 AS JSONB)) AS row (key TEXT, login TEXT, status TEXT, kind TEXT,
        account NUMERIC, public_repos NUMERIC, sources NUMERIC, forks NUMERIC, archived NUMERIC,
        private_repos NUMERIC, carried JSONB, was NUMERIC, change TEXT, verified BOOLEAN, error TEXT,
        via TEXT, at TIMESTAMPTZ, attempts BIGINT, exchange TEXT)";

impl<'a> Saved<'a> {
    /// A row with its key.
    pub(super) fn of(key: &'a str, row: &'a Row, columns: &Columns) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(Value::Null, Value::from);
        let carried = || {
            let cells = columns.carried().iter().enumerate();
            cells.map(|(at, name)| (name.clone(), row.carried.get(at).map_or(Value::Null, text))).collect()
        };
        Self {
            key,
            login: &row.login,
            status: row.status.as_str(),
            kind: row.kind.map(crate::report::AccountKind::as_str),
            account: row.id,
            public_repos: row.public_repos,
            sources: row.breakdown.map(|breakdown| breakdown.sources),
            forks: row.breakdown.map(|breakdown| breakdown.forks),
            archived: row.breakdown.map(|breakdown| breakdown.archived),
            private_repos: row.private_repos,
            carried: (!columns.carried().is_empty()).then(carried),
            was: row.was,
            change: row.change.map(|change| change.to_string()),
            verified: row.verified,
            error: row.error.as_deref(),
            via: row.via.map(crate::report::ApiKind::as_str),
            at: row.at,
            attempts: row.attempts,
            exchange: row.exchange.as_deref(),
        }
    }

    /// The cells of a row, as texts.
    pub(super) fn cells(self) -> [Option<String>; COLUMNS] {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        [
            text(Some(self.key)),
            text(Some(self.login)),
            text(Some(self.status)),
            text(self.kind),
            number(self.account),
            number(self.public_repos),
            number(self.sources),
            number(self.forks),
            number(self.archived),
            number(self.private_repos),
            self.carried.map(|carried| Value::Object(carried).to_string()),
            number(self.was),
            self.change,
            self.verified.map(|verified| u8::from(verified).to_string()),
            text(self.error),
            text(self.via),
            self.at.map(|at| at.to_string()),
            Some(self.attempts.to_string()),
            text(self.exchange),
        ]
    }
}
