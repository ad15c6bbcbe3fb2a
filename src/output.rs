//! Destinations of reports: standard output, files that appear complete or not at all, journals, databases.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::database::{RunWriter, SaveTarget};
use crate::fs::{check_writable, is_special_file, resolve_symlinks, temp_file_beside};
use crate::journal::Journal;
use crate::render::{Format, Meta, Output, Renderer, ReportLayout, renderer};
use crate::report::{Row, Summary};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputSpec {
    pub(crate) format: Format,
    pub(crate) path: Option<PathBuf>,
}

impl OutputSpec {
    pub(crate) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write {to}")]
pub(crate) struct OutputError {
    to: String,
    source: io::Error,
}

impl OutputError {
    /// Returns true if the reader closed the pipe, which is not a failure.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Returns the error of a print to standard output, unless the reader closed the pipe.
pub(crate) fn check_stdout(printed: io::Result<()>) -> Result<(), OutputError> {
    match printed.map_err(|source| OutputError { to: "standard output".into(), source }) {
        Err(error) if error.is_broken_pipe() => Ok(()),
        result => result,
    }
}

/// An output with its writer, which runs on a thread of its own: a slow reader delays the rows, but neither the requests in
/// flight nor Ctrl-C.
pub(crate) struct Sink {
    name: String,
    messages: mpsc::Sender<Message>,
    writer: JoinHandle<io::Result<()>>,
    temporary: Option<TemporaryFile>,
    /// Set if the output can still be dropped at the end of a run without a response.
    pub(crate) is_buffered: bool,
    /// Set for an output that takes rows out of order.
    pub(crate) is_journal: bool,
}

struct TemporaryFile {
    file: NamedTempFile,
    path: PathBuf,
}

#[derive(Clone)]
pub(crate) enum Message {
    Rows(Arc<Vec<Row>>),
    /// Rows ahead of their turn, by position. Only a journal takes them.
    OutOfOrder(Arc<Vec<(u64, Row)>>),
    Finish {
        summary: Box<Summary>,
        input_complete: bool,
    },
    Abandon,
}

enum Writer {
    Renderer(Box<dyn Renderer + Send>),
    Journal(Box<Journal>),
    Database(Box<RunWriter>),
}

const CHANNEL_CAPACITY: usize = 4;

impl Sink {
    /// A file is written under a temporary name in the same folder and renamed when it is complete: a failed run neither leaves
    /// half a report nor destroys an earlier one. If the path is a link, the linked file is replaced. Devices and pipes are
    /// written to directly. An `.ndjson` file in input order is a [`journal`](crate::journal).
    pub(crate) fn open(spec: &OutputSpec, layout: &ReportLayout, meta: &Meta) -> Result<Self, OutputError> {
        Self::try_open(spec, layout, meta).map_err(|source| OutputError { to: spec.name(), source })
    }

    fn try_open(spec: &OutputSpec, layout: &ReportLayout, meta: &Meta) -> io::Result<Self> {
        let is_journal = spec.format == Format::Ndjson && layout.order.is_input_order();
        let (out, temporary) = match &spec.path {
            None => (buffered(io::stdout()), None),
            Some(path) if is_special_file(path) => (buffered(File::options().write(true).open(path)?), None),
            Some(path) if is_journal => {
                check_writable(path)?;
                return Ok(Self::journal(spec, Journal::create(path, &layout.columns)?));
            }
            Some(path) => {
                let temporary = TemporaryFile::create(path)?;
                (buffered(temporary.file.reopen()?), Some(temporary))
            }
        };
        let is_buffered = spec.format == Format::Table || spec.path.is_some();
        let renderer = renderer(spec.format, layout, meta, out);
        Ok(Self { temporary, is_buffered, ..Self::spawn(spec.name(), Writer::Renderer(renderer)) })
    }

    pub(crate) fn journal(spec: &OutputSpec, journal: Journal) -> Self {
        Self { is_journal: true, ..Self::spawn(spec.name(), Writer::Journal(Box::new(journal))) }
    }

    pub(crate) async fn database(
        target: &SaveTarget,
        layout: &ReportLayout,
        meta: &Meta,
    ) -> Result<Self, OutputError> {
        let to = target.address.to_string();
        let (target, columns, meta) = (target.clone(), layout.columns.clone(), meta.clone());
        let run = spawn_blocking(move || RunWriter::open(&target, &columns, &meta).map_err(io::Error::other));
        match run.await.unwrap_or_else(|panic| Err(panic.into())) {
            Ok(run) => Ok(Self::spawn(to, Writer::Database(Box::new(run)))),
            Err(source) => Err(OutputError { to, source }),
        }
    }

    fn spawn(name: String, writer: Writer) -> Self {
        let (messages, received) = mpsc::channel(CHANNEL_CAPACITY);
        let writer = spawn_blocking(move || writer.run(received));
        Self { name, messages, writer, temporary: None, is_buffered: true, is_journal: false }
    }

    /// Waits while the writer is behind. After an error the output is lost.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), OutputError> {
        if matches!(message, Message::OutOfOrder(_)) && !self.is_journal {
            return Ok(());
        }
        match self.messages.send(message).await {
            Ok(()) => Ok(()),
            Err(_) => self.join().await,
        }
    }

    async fn join(&mut self) -> Result<(), OutputError> {
        let result = (&mut self.writer).await.unwrap_or_else(|panic| Err(panic.into()));
        result.map_err(|source| OutputError { to: self.name.clone(), source })
    }

    /// Writes the end of the report and gives its file its name. After an error only a journal still has its rows.
    pub(crate) async fn finish(mut self, summary: &Summary, input_complete: bool) -> Result<(), OutputError> {
        self.send(Message::Finish { summary: Box::new(summary.clone()), input_complete }).await?;
        self.join().await?;
        let Some(TemporaryFile { file, path }) = self.temporary else { return Ok(()) };
        let synced = file.as_file().sync_all();
        let renamed = synced.and_then(|()| file.persist(path).map(drop).map_err(|error| error.error));
        renamed.map_err(|source| OutputError { to: self.name, source })
    }

    /// Drops the report: an earlier one stays as it was.
    pub(crate) async fn abandon(mut self) {
        let _ = self.send(Message::Abandon).await;
        let _ = self.join().await;
    }
}

impl TemporaryFile {
    fn create(path: &Path) -> io::Result<Self> {
        let existing = check_writable(path)?;
        let path = resolve_symlinks(path);
        if existing.is_some() {
            // A file that cannot be written must not be replaced either.
            File::options().append(true).open(&path)?;
        }
        let file = temp_file_beside(&path, existing.map(|existing| existing.permissions()))?;
        Ok(Self { file, path })
    }
}

fn buffered(out: impl Write + Send + 'static) -> Output {
    BufWriter::with_capacity(64 << 10, Box::new(out))
}

impl Writer {
    /// Writes what is received, and flushes whenever no other message waits.
    fn run(mut self, mut messages: mpsc::Receiver<Message>) -> io::Result<()> {
        while let Some(message) = messages.blocking_recv() {
            match message {
                Message::Rows(rows) => {
                    self.rows(&rows)?;
                    if messages.is_empty() {
                        self.flush()?;
                    }
                }
                Message::OutOfOrder(rows) => {
                    if let Self::Journal(journal) = &mut self {
                        journal.rows_out_of_order(&rows)?;
                    }
                }
                Message::Finish { summary, input_complete } => return self.finish(&summary, input_complete),
                Message::Abandon => {
                    self.abandon();
                    break;
                }
            }
        }
        Ok(())
    }

    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        match self {
            Self::Renderer(renderer) => rows.iter().try_for_each(|row| renderer.row(row)),
            Self::Journal(journal) => journal.rows(rows),
            Self::Database(run) => run.rows(rows).map_err(io::Error::other),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Renderer(renderer) => renderer.flush(),
            Self::Journal(_) => Ok(()),
            Self::Database(run) => run.flush().map_err(io::Error::other),
        }
    }

    fn finish(self, summary: &Summary, input_complete: bool) -> io::Result<()> {
        match self {
            Self::Renderer(mut renderer) => renderer.finish(summary),
            Self::Journal(journal) => journal.finish(input_complete),
            Self::Database(run) => run.finish(summary).map_err(io::Error::other),
        }
    }

    fn abandon(self) {
        match self {
            Self::Renderer(_) => {}
            Self::Journal(journal) => journal.abandon(),
            Self::Database(run) => run.abandon(),
        }
    }
}
