//! Destinations of reports: standard output, files that are [`partial`](crate::partial) until the run is complete, databases.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::database::{RunWriter, SaveTarget};
use crate::journal::{Journal, RunEnd};
use crate::partial::{Earlier, PartialFile, is_special_file};
use crate::render::{Format, Meta, Output, Renderer, ReportLayout, renderer};
use crate::report::{Row, Summary};
use crate::stop::StopSignal;

const STDOUT_NAME: &str = "standard output";
/// After SIGTERM, a pipe whose reader takes nothing for this long is given up. Service managers kill after 10 s or more. After
/// Ctrl-C a person may be paging through the rows: only another Ctrl-C aborts.
const STALLED_READER_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputSpec {
    pub(crate) format: Format,
    pub(crate) path: Option<PathBuf>,
}

impl OutputSpec {
    pub(crate) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| STDOUT_NAME.to_owned(), |path| path.display().to_string())
    }

    /// Returns the file, which has a `.partial` until it is complete. None for standard output, pipes and devices.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| !is_special_file(path))
    }

    /// Returns the file if a later run can be resumed from it.
    pub(crate) fn journal(&self) -> Option<&Path> {
        self.file().filter(|_| self.format == Format::Ndjson)
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
    match printed.map_err(|source| OutputError { to: STDOUT_NAME.into(), source }) {
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
    /// Set if the output can still be dropped at the end of a run without a response.
    pub(crate) is_buffered: bool,
    /// Set for an output that takes rows out of order.
    pub(crate) is_journal: bool,
    /// Set for standard output, pipes and devices.
    may_stall: bool,
}

#[derive(Clone)]
pub(crate) enum Message {
    Rows(Arc<Vec<Row>>),
    /// Rows ahead of their turn, by position. Only a journal takes them.
    OutOfOrder(Arc<Vec<(u64, Row)>>),
    Finish {
        summary: Box<Summary>,
        end: RunEnd,
    },
    Abandon,
}

enum Writer {
    Renderer(Box<dyn Renderer + Send>, Option<PartialFile>),
    Journal(Box<Journal>),
    Database(Box<RunWriter>),
}

const CHANNEL_CAPACITY: usize = 4;

impl Sink {
    /// Devices and pipes are written to directly. An `.ndjson` file is a [`journal`](crate::journal).
    pub(crate) fn open(spec: &OutputSpec, layout: &ReportLayout, meta: &Meta) -> Result<Self, OutputError> {
        Self::try_open(spec, layout, meta).map_err(|source| OutputError { to: spec.name(), source })
    }

    fn try_open(spec: &OutputSpec, layout: &ReportLayout, meta: &Meta) -> io::Result<Self> {
        if let Some(path) = spec.journal() {
            return Ok(Self::journal(spec, Journal::create(path, layout)?));
        }
        let (out, partial) = match (&spec.path, spec.file()) {
            (_, Some(path)) => {
                let partial = PartialFile::create(path, Earlier::Replace)?;
                (buffered(partial.file.try_clone()?), Some(partial))
            }
            (Some(path), None) => (buffered(File::options().write(true).open(path)?), None),
            (None, None) => (buffered(io::stdout()), None),
        };
        let is_buffered = spec.format == Format::Table || spec.path.is_some();
        let renderer = renderer(spec.format, layout, meta, out);
        let may_stall = partial.is_none();
        Ok(Self { is_buffered, may_stall, ..Self::spawn(spec.name(), Writer::Renderer(renderer, partial)) })
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
        Self { name, messages, writer, is_buffered: true, is_journal: false, may_stall: false }
    }

    /// Returns the name of the file or of the database. None for standard output.
    pub(crate) fn file_or_database(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| *name != STDOUT_NAME)
    }

    /// Waits while the writer is behind. After an error the output is lost.
    pub(crate) async fn send(&mut self, message: Message, signal: &StopSignal) -> Result<(), OutputError> {
        if matches!(message, Message::OutOfOrder(_)) && !self.is_journal {
            return Ok(());
        }
        tokio::select! {
            biased;
            sent = self.messages.send(message) => match sent {
                Ok(()) => Ok(()),
                Err(_) => self.join().await,
            },
            error = given_up(self.name.clone(), signal), if self.may_stall => Err(error),
        }
    }

    async fn join(&mut self) -> Result<(), OutputError> {
        let result = (&mut self.writer).await.unwrap_or_else(|panic| Err(panic.into()));
        result.map_err(|source| OutputError { to: self.name.clone(), source })
    }

    /// Writes the end of the report. If the run is complete, the report replaces an earlier one.
    pub(crate) async fn finish(
        mut self,
        summary: &Summary,
        end: RunEnd,
        signal: &StopSignal,
    ) -> Result<(), OutputError> {
        self.send(Message::Finish { summary: Box::new(summary.clone()), end }, signal).await?;
        let (name, may_stall) = (self.name.clone(), self.may_stall);
        tokio::select! {
            biased;
            joined = self.join() => joined,
            error = given_up(name, signal), if may_stall => Err(error),
        }
    }

    /// Drops the report: an earlier one stays as it was.
    pub(crate) async fn abandon(mut self) {
        let _ = self.messages.send(Message::Abandon).await;
        let _ = self.join().await;
    }
}

/// Waits until a pipe has to be given up, because its reader has stopped and the process is to end.
async fn given_up(to: String, signal: &StopSignal) -> OutputError {
    signal.terminated().await;
    tokio::time::sleep(STALLED_READER_LIMIT).await;
    OutputError { to, source: io::Error::new(io::ErrorKind::TimedOut, "it is not read") }
}

fn buffered(out: impl Write + Send + 'static) -> Output {
    BufWriter::with_capacity(64 << 10, Box::new(out))
}

impl Writer {
    /// Writes what is received, and flushes whenever no other message waits.
    fn run(mut self, mut messages: mpsc::Receiver<Message>) -> io::Result<()> {
        while let Some(message) = messages.blocking_recv() {
            let written = match message {
                Message::Rows(rows) => self.rows(&rows, messages.is_empty()),
                Message::OutOfOrder(rows) => match &mut self {
                    Self::Journal(journal) => journal.rows_out_of_order(&rows),
                    Self::Renderer(..) | Self::Database(_) => Ok(()),
                },
                Message::Finish { summary, end } => return self.finish(&summary, end),
                Message::Abandon => {
                    self.abandon();
                    return Ok(());
                }
            };
            written.map_err(|error| self.name_partial(error))?;
        }
        Ok(())
    }

    fn rows(&mut self, rows: &[Row], flushes: bool) -> io::Result<()> {
        match self {
            Self::Renderer(renderer, _) => {
                rows.iter().try_for_each(|row| renderer.row(row))?;
                if flushes { renderer.flush() } else { Ok(()) }
            }
            Self::Journal(journal) => journal.rows(rows),
            Self::Database(run) => {
                run.rows(rows).map_err(io::Error::other)?;
                if flushes { run.flush().map_err(io::Error::other) } else { Ok(()) }
            }
        }
    }

    fn finish(mut self, summary: &Summary, end: RunEnd) -> io::Result<()> {
        let finished = match &mut self {
            Self::Renderer(renderer, _) => renderer.finish(summary),
            Self::Journal(journal) => journal.finish(end),
            Self::Database(_) => Ok(()),
        };
        finished.map_err(|error| self.name_partial(error))?;
        match self {
            Self::Renderer(_, Some(partial)) if end == RunEnd::Complete => partial.publish(),
            Self::Journal(journal) if end == RunEnd::Complete => journal.partial.publish(),
            Self::Renderer(..) | Self::Journal(_) => Ok(()),
            Self::Database(run) => run.finish(summary).map_err(io::Error::other),
        }
    }

    fn abandon(self) {
        match self {
            Self::Renderer(renderer, partial) => {
                drop(renderer);
                if let Some(partial) = partial {
                    partial.discard();
                }
            }
            Self::Journal(journal) => journal.abandon(),
            Self::Database(run) => run.abandon(),
        }
    }

    fn name_partial(&self, error: io::Error) -> io::Error {
        match self {
            Self::Renderer(_, Some(partial)) => partial.add_name(error),
            Self::Journal(journal) => journal.partial.add_name(error),
            Self::Renderer(_, None) | Self::Database(_) => error,
        }
    }
}
