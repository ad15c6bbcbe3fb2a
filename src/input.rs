//! The input: logins from arguments, files, standard input, lists of members and databases, in this order and without
//! duplicates.
//!
//! Files are opened before the first request, so that a wrong name ends the run early. Their logins are read only as fast as
//! they are looked up; the progress bar counts the lines of regular files first.

mod columns;
mod csv;
mod dedup;
mod json;
mod recognize;
mod sql;
mod text;
mod workbook;

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, Chain, Cursor, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use self::columns::normalize;
use self::csv::CsvInput;
use self::dedup::Deduplicator;
use self::json::{BatchSize, JsonOptions};
use self::recognize::{Recognized, recognize};
use self::text::Sender;
use self::workbook::WorkbookInput;
use crate::decode::{Decoder, ForeignLines};
use crate::login::{Login, ParseLoginError};
use crate::progress::eprint_status;
use crate::report::{Carried, add_groups, groups_in};
use crate::shard::Shard;
use crate::text::sanitize_line;

const BATCHES_AHEAD: usize = 4;
/// Standard input that has been silent for this long is mentioned: a program may wait for nothing.
const STDIN_SILENCE: Duration = Duration::from_secs(2);

/// A source, with its beginning that has been looked at.
type Raw = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;
type Text = Decoder<Raw>;

/// Records in input order. An error ends its source.
type Batches = BoxStream<'static, Result<Vec<InputRecord>, InputError>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputSource {
    Text(String),
    /// A file or a pipe in any of the formats.
    File(PathBuf),
    Stdin,
}

/// Value of `--login-column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LoginColumn {
    Name(String),
    /// Number of a column, from 1.
    Number(usize),
}

impl LoginColumn {
    pub(crate) fn of(text: &str) -> Self {
        text.trim().parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number)
    }

    fn is_name(&self, header: &str) -> bool {
        matches!(self, Self::Name(name) if normalize(name) == normalize(header))
    }
}

/// Place of the header of a sheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeaderChoice {
    /// The first row, if it looks like a header.
    #[default]
    Auto,
    /// `--no-header`.
    None,
    /// `--header-row`, from 1.
    Line(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct InputOptions {
    /// Host of profile URLs.
    pub(crate) web_host: String,
    pub(crate) shard: Option<Shard>,
    /// An input without logins is not an error.
    pub(crate) allow_empty: bool,
    /// Column of sheets with the logins. None: the one whose header is known.
    pub(crate) login_column: Option<LoginColumn>,
    pub(crate) header: HeaderChoice,
    /// Mention standard input that stays silent.
    pub(crate) mention_stdin: bool,
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
            header: HeaderChoice::Auto,
            mention_stdin: false,
            carry: Vec::new(),
            group_column: None,
        }
    }
}

impl InputOptions {
    /// Returns true for flags that only make sense for a sheet.
    fn needs_sheet(&self) -> bool {
        self.header != HeaderChoice::Auto
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

    /// Returns the key of its row: [`Row::key`](crate::report::Row::key).
    pub(crate) fn row_key(&self) -> Box<str> {
        match &self.login {
            Ok(login) => login.case_folded().into(),
            Err(invalid) => format!("\0{}", sanitize_line(&invalid.text)).into(),
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
    /// Remarks about the choice of columns, known before the first request.
    pub(crate) notes: Vec<String>,
    /// Warnings, such as rows without a login.
    pub(crate) notices: Vec<String>,
}

impl InputReport {
    fn warn_empty_rows(&mut self, source: &str, rows: &EmptyRows) {
        if rows.count > 0 {
            let places = rows.places().map(|places| format!(": {places}")).unwrap_or_default();
            let rows = crate::text::pluralize(rows.count, "row", "rows");
            self.notices.push(format!("{source}: {rows} without a login skipped{places}"));
        }
    }
}

/// Rows without a login.
#[derive(Default)]
struct EmptyRows {
    count: u64,
    /// The first numbers, if the source has them.
    numbers: Vec<u64>,
    unit: RowUnit,
}

/// Name of the numbers of rows.
#[derive(Clone, Copy, Default)]
enum RowUnit {
    /// A row of a text may have several lines.
    #[default]
    Line,
    Row,
}

impl EmptyRows {
    const MAX_NUMBERS: usize = 5;

    fn in_workbook() -> Self {
        Self { unit: RowUnit::Row, ..Self::default() }
    }

    /// Counts rows of a source whose rows have no numbers that a person sees.
    fn unnumbered(count: u64) -> Self {
        Self { count, ..Self::default() }
    }

    /// Adds a row by its number.
    fn add(&mut self, number: u64) {
        self.count += 1;
        if self.numbers.len() < Self::MAX_NUMBERS {
            self.numbers.push(number);
        }
    }

    /// Returns `line 15`, or `lines 3, 4, 5, 6, 7, …`. None if there are no numbers.
    fn places(&self) -> Option<String> {
        let (singular, plural) = match self.unit {
            RowUnit::Line => ("line", "lines"),
            RowUnit::Row => ("row", "rows"),
        };
        let numbers: Vec<_> = self.numbers.iter().map(u64::to_string).collect();
        let more = if self.count > numbers.len() as u64 { ", …" } else { "" };
        match numbers.as_slice() {
            [] => None,
            [number] => Some(format!("{singular} {number}{more}")),
            _ => Some(format!("{plural} {}{more}", numbers.join(", "))),
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
    /// A regular file whose format is known.
    File(Format),
    /// A pipe, a device or standard input. Its format is recognized when it is read, because it may be slow.
    Pipe(Box<dyn Read + Send>),
}

enum Format {
    Lines(Text),
    Sheet(Box<CsvInput>, ForeignLines),
    JsonLines(Text),
    Json(Text, BatchSize),
    Workbook(Box<WorkbookInput>),
}

impl Format {
    /// Recognizes the format of a source, and chooses the columns of a sheet.
    fn of_file(path: &Path, options: &InputOptions) -> io::Result<Self> {
        match recognize(Box::new(File::open(path)?), options)? {
            Recognized::Zip(_) => {
                let workbook = WorkbookInput::open(Box::new(io::BufReader::new(File::open(path)?)), options)?;
                Ok(Self::Workbook(Box::new(workbook)))
            }
            other => Self::of_text(other, BatchSize::Full, options),
        }
    }

    fn of_pipe(pipe: Box<dyn Read + Send>, options: &InputOptions) -> io::Result<Self> {
        match recognize(pipe, options)? {
            Recognized::Zip(source) => {
                let workbook = WorkbookInput::open(Box::new(Cursor::new(workbook::spool(source)?)), options)?;
                Ok(Self::Workbook(Box::new(workbook)))
            }
            other => Self::of_text(other, BatchSize::One, options),
        }
    }

    fn of_text(recognized: Recognized, batch_size: BatchSize, options: &InputOptions) -> io::Result<Self> {
        Ok(match recognized {
            Recognized::Lines(text) => Self::Lines(text),
            Recognized::Sheet(text, start) => {
                let foreign_lines = text.foreign_lines();
                Self::Sheet(Box::new(CsvInput::open(text, start, options)?), foreign_lines)
            }
            Recognized::JsonLines(text) => Self::JsonLines(text),
            Recognized::Json(text) => Self::Json(text, batch_size),
            Recognized::Zip(_) => return Err(io::Error::other("it is a zip archive")),
        })
    }

    /// Returns remarks about the choice of a sheet and of its columns.
    fn notes(&self, name: &Path, options: &InputOptions) -> Vec<String> {
        let notes: Vec<_> = match self {
            Self::Sheet(csv, _) => csv.note().into_iter().collect(),
            Self::Workbook(workbook) => workbook.notes().collect(),
            Self::Lines(_) if options.login_column.is_some() => {
                vec!["it has one column; --login-column does not apply"]
            }
            Self::Lines(_) if !options.carry.is_empty() => vec!["it has one column: nothing is carried"],
            Self::Lines(_) | Self::JsonLines(_) | Self::Json(..) => Vec::new(),
        };
        notes.into_iter().map(|note| format!("{}: {note}", name.display())).collect()
    }

    fn read(
        self,
        name: &Path,
        options: JsonOptions,
        sender: &Sender,
        report: &SharedReport,
    ) -> io::Result<()> {
        let name = name.display().to_string();
        let foreign_lines = match &self {
            Self::Lines(text) | Self::JsonLines(text) | Self::Json(text, _) => text.foreign_lines(),
            Self::Sheet(_, lines) => lines.clone(),
            Self::Workbook(_) => ForeignLines::default(),
        };
        let read = match self {
            Self::Lines(text) => text::read(text, sender),
            Self::Sheet(csv, _) => csv.read(&name, sender, report),
            Self::JsonLines(text) => json::read_lines(text, &name, options, sender, report),
            Self::Json(text, batch_size) => {
                json::read_values(text, &name, options, batch_size, sender, report)
            }
            Self::Workbook(workbook) => workbook.read(&name, sender, report),
        };
        let lines = foreign_lines.count();
        if lines > 0 {
            let lines = crate::text::pluralize(lines, "line", "lines");
            let notice = format!("warning: {name}: {lines} decoded as Windows-1252 (not valid UTF-8)");
            report.lock().notices.push(notice);
        }
        read
    }
}

pub(crate) struct Input {
    sources: Vec<OpenSource>,
    is_unbounded: bool,
    shard: Option<Shard>,
    group_column: Option<usize>,
    options: InputOptions,
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
            options: options.clone(),
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
                    input.push("standard input".into(), Content::Pipe(Box::new(StdinReader::new(options))));
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
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() {
            let format = Format::of_file(path, options)?;
            self.report.lock().notes.extend(format.notes(path, options));
            self.push(path.to_owned(), Content::File(format));
        } else {
            // A pipe or a device may never end.
            self.is_unbounded = true;
            self.push(path.to_owned(), Content::Pipe(Box::new(File::open(path)?)));
        }
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

    /// Estimates the number of logins, including duplicates and comments. None if it is unknown.
    pub(crate) fn estimate(&self) -> Option<u64> {
        if self.is_unbounded {
            return None;
        }
        let lengths = self.sources.iter().map(|source| match &source.content {
            Content::Logins(logins) => Some(logins.len() as u64),
            Content::Records(records) => Some(records.len() as u64),
            Content::File(Format::Lines(_) | Format::Sheet(..) | Format::JsonLines(_)) => {
                Some(text::count_lines(&source.name).unwrap_or(0))
            }
            Content::File(Format::Json(..) | Format::Workbook(_)) | Content::Pipe(_) => None,
        });
        let all: u64 = lengths.sum::<Option<u64>>()?;
        Some(self.shard.map_or(all, |shard| all / u64::from(shard.of.max(1))))
    }

    /// Returns the records of this shard in input order, without duplicates. With groups, the input is read to its end before
    /// the first of them.
    pub(crate) fn into_stream(self) -> BoxStream<'static, InputRecord> {
        let Self { sources, shard, group_column, options, query_rows, report, .. } = self;
        let (failure, ended) = (report.clone(), report.clone());
        let batches = spawn_reader(sources, options, report.clone()).chain(query_rows);
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
fn spawn_reader(sources: Vec<OpenSource>, options: InputOptions, report: SharedReport) -> Batches {
    let (channel, receiver) = mpsc::channel(BATCHES_AHEAD);
    let sender = Sender { channel, web_host: options.web_host.clone() };
    std::thread::spawn(move || {
        for OpenSource { name, content } in sources {
            let read = match content {
                Content::Logins(logins) => sender.send_logins(&logins),
                Content::Records(records) => sender.send_records(records),
                Content::File(format) => format.read(&name, JsonOptions::new(&options), &sender, &report),
                Content::Pipe(pipe) => Format::of_pipe(pipe, &options).and_then(|format| {
                    report.lock().notices.extend(format.notes(&name, &options));
                    format.read(&name, JsonOptions::new(&options), &sender, &report)
                }),
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

/// Standard input. If it is silent at first, one line says that it is being read.
struct StdinReader {
    has_data: Option<Arc<AtomicBool>>,
    is_mentioned: bool,
}

impl StdinReader {
    fn new(options: &InputOptions) -> Self {
        Self { has_data: None, is_mentioned: !options.mention_stdin || io::stdin().is_terminal() }
    }
}

impl Read for StdinReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_data.is_none() && !self.is_mentioned {
            let has_data = Arc::<AtomicBool>::default();
            self.has_data = Some(Arc::clone(&has_data));
            std::thread::spawn(move || {
                std::thread::sleep(STDIN_SILENCE);
                if !has_data.load(Ordering::Relaxed) {
                    eprint_status("reading logins from standard input");
                }
            });
        }
        let read = io::stdin().read(buffer);
        if let Some(has_data) = &self.has_data {
            has_data.store(true, Ordering::Relaxed);
        }
        read
    }
}

fn batches(mut receiver: mpsc::Receiver<Result<Vec<InputRecord>, InputError>>) -> Batches {
    stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
}

#[cfg(test)]
mod tests;
