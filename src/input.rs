//! The input: logins from arguments, files, standard input, lists of members and databases, in this order and without
//! duplicates.
//!
//! Files are opened before the first request, so that a wrong name ends the run early. Their logins are read only as fast as
//! they are looked up; the progress bar counts the lines of regular files first.

mod csv;
mod dedup;
mod sql;
mod text;

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use self::csv::CsvInput;
pub(crate) use self::csv::is_csv;
use self::dedup::Deduplicator;
use self::text::Sender;
use crate::login::{Login, ParseLoginError};
use crate::report::{Carried, add_groups, groups_in};
use crate::shard::Shard;

const BATCHES_AHEAD: usize = 4;

/// Records in input order. An error ends its source.
type Batches = BoxStream<'static, Result<Vec<InputRecord>, InputError>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputSource {
    Text(String),
    /// One login per line, or a spreadsheet: `.csv`, `.tsv`.
    File(PathBuf),
    /// One login per line.
    Stdin,
}

#[derive(Clone, Debug)]
pub(crate) struct InputOptions {
    /// Host of profile URLs.
    pub(crate) web_host: String,
    pub(crate) shard: Option<Shard>,
    /// An input without logins is not an error.
    pub(crate) allow_empty: bool,
    /// Column of spreadsheets with the logins. None: the first of the default columns that there is.
    pub(crate) login_column: Option<String>,
    pub(crate) carry: Vec<String>,
    /// Index of the carried column with the groups of the accounts.
    pub(crate) group_column: Option<usize>,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            web_host: "github.com".into(),
            shard: None,
            allow_empty: false,
            login_column: None,
            carry: Vec::new(),
            group_column: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {}", name.display(), crate::text::io_message(source))]
pub(crate) struct InputError {
    /// File, or URL of a database.
    name: PathBuf,
    source: io::Error,
}

/// A login, or a text that is not one and gets a row anyway.
#[derive(Clone, Debug)]
pub(crate) struct InputRecord {
    pub(crate) login: Result<Login, ParseLoginError>,
    pub(crate) carried: Carried,
}

impl From<Result<Login, ParseLoginError>> for InputRecord {
    fn from(login: Result<Login, ParseLoginError>) -> Self {
        Self { login, carried: Carried::default() }
    }
}

impl InputRecord {
    /// Returns the login, or the text that is not a login, without blanks around it.
    pub(crate) fn text(&self) -> &str {
        match &self.login {
            Ok(login) => login.as_str(),
            Err(invalid) => invalid.text.trim(),
        }
    }

    /// Returns the key that duplicates have in common.
    fn key(&self) -> Box<str> {
        match &self.login {
            Ok(login) => login.case_folded(),
            // Invalid texts may be long and many, so only a hash is kept. No login has a control character.
            Err(invalid) => {
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(invalid.text.trim());
                format!("\0{hash:x}")
            }
        }
        .into()
    }
}

/// Findings of the thread that reads the input. They are complete when the stream has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputReport {
    /// Logins that were dropped because they occurred before, in any case.
    pub(crate) duplicates: u64,
    pub(crate) failure: Option<String>,
    pub(crate) is_complete: bool,
    /// Set with the first login, which may be of another shard.
    pub(crate) has_logins: bool,
    /// Warnings, such as rows without a login.
    pub(crate) notices: Vec<String>,
}

impl InputReport {
    fn warn_empty_rows(&mut self, source: &str, rows: u64) {
        if rows > 0 {
            let rows = crate::text::pluralize(rows, "row", "rows");
            self.notices.push(format!("{source}: {rows} without a login skipped"));
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct SharedReport(Arc<Mutex<InputReport>>);

impl SharedReport {
    pub(crate) fn lock(&self) -> MutexGuard<'_, InputReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct OpenSource {
    name: PathBuf,
    content: Content,
}

enum Content {
    /// Logins as they were typed: nothing in them is a comment.
    Logins(Vec<String>),
    /// Members that GitHub listed.
    Records(Vec<InputRecord>),
    Lines(Box<dyn Read + Send>),
    Csv(Box<CsvInput>),
}

pub(crate) struct Input {
    sources: Vec<OpenSource>,
    is_unbounded: bool,
    shard: Option<Shard>,
    group_column: Option<usize>,
    web_host: String,
    query_rows: Batches,
    report: SharedReport,
}

impl Input {
    /// Opens every source. The error is that of the first file that is missing, a folder, or not readable.
    pub(crate) fn open(sources: &[InputSource], options: &InputOptions) -> Result<Self, InputError> {
        let mut input = Self {
            sources: Vec::new(),
            is_unbounded: false,
            shard: options.shard,
            group_column: options.group_column,
            web_host: options.web_host.clone(),
            query_rows: stream::empty().boxed(),
            report: SharedReport::default(),
        };
        for source in sources {
            match source {
                InputSource::Text(text) => input.push_login(text.clone()),
                InputSource::File(path) => {
                    input
                        .push_file(path, options)
                        .map_err(|source| InputError { name: path.clone(), source })?;
                }
                InputSource::Stdin => {
                    input.is_unbounded = true;
                    input.push("standard input".into(), Content::Lines(Box::new(io::stdin())));
                }
            }
        }
        Ok(input)
    }

    fn push(&mut self, name: PathBuf, content: Content) {
        self.sources.push(OpenSource { name, content });
    }

    fn push_login(&mut self, text: String) {
        match self.sources.last_mut() {
            Some(OpenSource { content: Content::Logins(logins), .. }) => logins.push(text),
            _ => self.push(PathBuf::new(), Content::Logins(vec![text])),
        }
    }

    fn push_file(&mut self, path: &Path, options: &InputOptions) -> io::Result<()> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // A pipe or a device may never end.
        self.is_unbounded |= !metadata.is_file();
        // Without --allow-empty, the missing header is the clearer reason.
        let is_empty = metadata.is_file() && metadata.len() == 0;
        let content = if is_csv(path) && !(is_empty && options.allow_empty) {
            Content::Csv(Box::new(CsvInput::open(path, file, options)?))
        } else {
            Content::Lines(Box::new(file))
        };
        self.push(path.to_owned(), content);
        Ok(())
    }

    #[must_use]
    pub(crate) fn chain_records(mut self, records: Vec<InputRecord>) -> Self {
        self.push(PathBuf::new(), Content::Records(records));
        self
    }

    /// Adds the logins of a query's rows. Fails if the database or the query does before its first row.
    pub(crate) async fn chain_query(
        mut self,
        address: crate::database::DatabaseUrl,
        query: String,
        options: &InputOptions,
    ) -> Result<Self, InputError> {
        self.query_rows = sql::open(address, query, options, self.report.clone()).await?;
        self.is_unbounded = true;
        Ok(self)
    }

    pub(crate) fn report(&self) -> SharedReport {
        self.report.clone()
    }

    /// Returns true for pipes, devices and queries, which may never end.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.is_unbounded
    }

    /// Estimates the number of logins, including duplicates and comments. None if the input is unbounded.
    pub(crate) fn estimate(&self) -> Option<u64> {
        if self.is_unbounded {
            return None;
        }
        let lengths = self.sources.iter().map(|source| match &source.content {
            Content::Logins(logins) => logins.len() as u64,
            Content::Records(records) => records.len() as u64,
            Content::Lines(_) | Content::Csv(_) => text::count_lines(&source.name).unwrap_or(0),
        });
        let all: u64 = lengths.sum();
        Some(self.shard.map_or(all, |shard| all / u64::from(shard.of.max(1))))
    }

    /// Returns the records of this shard in input order, without duplicates. With groups, the input is read to its end before
    /// the first of them.
    pub(crate) fn into_stream(self) -> BoxStream<'static, InputRecord> {
        let Self { sources, shard, group_column, web_host, query_rows, report, .. } = self;
        let (failure, ended) = (report.clone(), report.clone());
        let batches = spawn_reader(sources, web_host, report.clone()).chain(query_rows);
        let records = batches.flat_map(move |batch| {
            stream::iter(batch.unwrap_or_else(|error| {
                failure.lock().failure = Some(error.to_string());
                Vec::new()
            }))
        });
        let end = stream::poll_fn(move |_| {
            let mut ended = ended.lock();
            ended.is_complete = ended.failure.is_none();
            Poll::Ready(None)
        });
        let (seen_any, mut is_first) = (report.clone(), true);
        let records = records.filter(move |record| {
            if std::mem::take(&mut is_first) {
                seen_any.lock().has_logins = true;
            }
            std::future::ready(shard.is_none_or(|shard| shard.contains(record.text())))
        });
        if let Some(column) = group_column {
            let merged = stream::once(merge_groups(records, column, report)).flat_map(stream::iter);
            return merged.chain(end).boxed();
        }
        let mut seen = Deduplicator::default();
        let distinct = records.filter(move |record| {
            let is_new = seen.insert(record);
            report.lock().duplicates += u64::from(!is_new);
            std::future::ready(is_new)
        });
        distinct.chain(end).boxed()
    }
}

/// Reads all records, and gives each login the groups of all its records. The other cells are those of its first record.
async fn merge_groups(
    records: impl Stream<Item = InputRecord>,
    column: usize,
    report: SharedReport,
) -> Vec<InputRecord> {
    let mut records = pin!(records);
    let mut indices = HashMap::new();
    let mut merged: Vec<InputRecord> = Vec::new();
    while let Some(record) = records.next().await {
        let index = *indices.entry(record.key()).or_insert(merged.len());
        let Some(first) = merged.get_mut(index) else {
            merged.push(record);
            continue;
        };
        // A login from an argument has no cells.
        let is_known = if first.carried.is_empty() && !record.carried.is_empty() {
            first.carried = record.carried;
            false
        } else {
            let more = record.carried.get(column).and_then(Option::as_deref);
            if more.is_some() && first.carried.len() <= column {
                // A row of a sheet has no cell for the organizations of an enterprise.
                let mut cells = std::mem::take(&mut first.carried).into_vec();
                cells.resize(column + 1, None);
                first.carried = cells.into();
            }
            first
                .carried
                .get_mut(column)
                .is_none_or(|cell| !add_groups(cell, more.into_iter().flat_map(groups_in)))
        };
        report.lock().duplicates += u64::from(is_known);
    }
    merged
}

/// Reads the sources on a thread: reading standard input blocks, perhaps for ever.
fn spawn_reader(sources: Vec<OpenSource>, web_host: String, report: SharedReport) -> Batches {
    let (channel, receiver) = mpsc::channel(BATCHES_AHEAD);
    let sender = Sender { channel, web_host };
    std::thread::spawn(move || {
        for OpenSource { name, content } in sources {
            let read = match content {
                Content::Logins(logins) => sender.send_logins(&logins),
                Content::Records(records) => sender.send_records(records),
                Content::Lines(lines) => text::read(lines, &sender),
                Content::Csv(csv) => csv.read(&sender, &report),
            };
            if let Err(source) = read {
                // If the receiver is closed, nothing else is needed.
                let _ = sender.channel.blocking_send(Err(InputError { name, source }));
                return;
            }
        }
    });
    batches(receiver)
}

fn batches(mut receiver: mpsc::Receiver<Result<Vec<InputRecord>, InputError>>) -> Batches {
    stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

#[cfg(test)]
mod tests;
