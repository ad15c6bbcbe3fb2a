//! Where reports go: standard output, files that appear whole or not at all, and the journal.

mod target;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

#[cfg(feature = "sql")]
use crate::database::SqlError;
#[cfg(feature = "sql")]
use crate::database::{RunWriter, SaveTarget};
use crate::file;
use crate::journal::Journal;
use crate::render::{Format, Meta, Output, Renderer, ReportLayout, renderer};
use crate::report::{Row, Summary};
use crate::text;

/// A report that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// Its format.
    pub(crate) format: Format,
    /// Its file; none for standard output.
    pub(crate) path: Option<PathBuf>,
}

impl Report {
    /// Its name for people.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {to}: {reason}")]
pub(crate) struct OutputError {
    to: String,
    kind: io::ErrorKind,
    reason: String,
}

impl OutputError {
    fn new(to: String, cause: &io::Error) -> Self {
        Self { to, kind: cause.kind(), reason: text::reason(cause) }
    }

    /// Standard output cannot be written.
    #[must_use]
    pub(crate) fn stdout(cause: &io::Error) -> Self {
        Self::new("standard output".into(), cause)
    }

    /// Whether the reader closed the pipe, which is no error.
    #[must_use]
    pub(crate) fn is_closed_pipe(&self) -> bool {
        self.kind == io::ErrorKind::BrokenPipe
    }
}

/// A report that is being written, on a thread of its own: a reader who takes a break holds up the
/// rows, but neither the requests in flight nor Ctrl-C.
pub(crate) struct Sink {
    name: String,
    writer: mpsc::Sender<Message>,
    failure: Arc<OnceLock<io::Error>>,
    /// The file under its temporary name, and the one that it shall have.
    unfinished: Option<(NamedTempFile, PathBuf)>,
    is_table: bool,
    is_file: bool,
    is_journal: bool,
}

enum Message {
    Rows(Arc<Vec<Row>>),
    Early(Arc<Vec<(u64, Row)>>),
    Finish(Box<Summary>, bool, oneshot::Sender<()>),
    Abandon(oneshot::Sender<()>),
}

enum Writer {
    Renderer(Box<dyn Renderer + Send>),
    Journal(Box<Journal>),
    #[cfg(feature = "sql")]
    Database(Box<RunWriter>),
}

/// Batches of rows that wait for the writer.
const WAITING: usize = 4;

impl Sink {
    /// Opens a report's destination.
    ///
    /// A file is written under a temporary name beside its own, and gets its own when it is whole; so
    /// a failed run neither leaves half a report nor destroys an earlier one. Through a link it is
    /// the linked file that is replaced. What is no file (a device, a pipe) is written to directly.
    /// An `.ndjson` file in the order of the roster is a [`journal`](crate::journal).
    ///
    /// # Errors
    /// [`OutputError`] for a folder, a missing folder, or one that is not ours to write to.
    pub(crate) fn open(report: &Report, layout: &ReportLayout, meta: &Meta) -> Result<Self, OutputError> {
        let unwritable = |cause| OutputError::new(report.name(), &cause);
        let (out, unfinished): (Output, _) = match &report.path {
            None => (target::buffered(io::stdout()), None),
            Some(path)
                if report.format == Format::Ndjson
                    && layout.order.is_input_order()
                    && !file::is_special(path) =>
            {
                file::check(path).map_err(unwritable)?;
                let journal = Journal::create(path, &layout.columns).map_err(unwritable)?;
                return Ok(Self::journal(report, journal));
            }
            Some(path) => target::create(path).map_err(unwritable)?,
        };
        let renderer = renderer(report.format, layout, meta, out);
        Ok(Self::writing(report, Writer::Renderer(renderer), unfinished))
    }

    /// A report that is a journal.
    pub(crate) fn journal(report: &Report, journal: Journal) -> Self {
        Self::writing(report, Writer::Journal(Box::new(journal)), None)
    }

    /// Saves the run to a database.
    ///
    /// # Errors
    /// [`OutputError`] where that cannot be reached, or lets nobody write.
    #[cfg(feature = "sql")]
    pub(crate) async fn saving(
        saving: &SaveTarget,
        layout: &ReportLayout,
        meta: &Meta,
    ) -> Result<Self, OutputError> {
        let name = saving.address.to_string();
        let (saving, columns, meta) = (saving.clone(), layout.columns.clone(), meta.clone());
        let opened = tokio::task::spawn_blocking(move || RunWriter::open(&saving, &columns, &meta)).await;
        let opened = opened.map_err(io::Error::other).and_then(|opened| opened.map_err(io::Error::other));
        let store = opened.map_err(|cause| OutputError::new(name.clone(), &cause))?;
        Ok(Self { is_file: true, ..Self::on_a_thread(name, Writer::Database(Box::new(store))) })
    }

    fn writing(report: &Report, by: Writer, unfinished: Option<(NamedTempFile, PathBuf)>) -> Self {
        let (is_table, is_file) = (report.format == Format::Table, report.path.is_some());
        Self { unfinished, is_table, is_file, ..Self::on_a_thread(report.name(), by) }
    }

    fn on_a_thread(name: String, by: Writer) -> Self {
        let is_journal = matches!(by, Writer::Journal(_));
        let failure = Arc::<OnceLock<_>>::default();
        let (writer, messages) = mpsc::channel(WAITING);
        let told = Arc::clone(&failure);
        std::thread::spawn(move || write(by, messages, &told));
        Self { name, writer, failure, unfinished: None, is_table: false, is_file: false, is_journal }
    }

    /// Whether it shows nothing before its end, so that a run without any answer may leave it out.
    #[must_use]
    pub(crate) fn is_silent_until_finished(&self) -> bool {
        self.is_table || self.is_file
    }

    /// Whether answers go there before their turn.
    #[must_use]
    pub(crate) fn is_journal(&self) -> bool {
        self.is_journal
    }

    /// Adds rows. Waits while the writer is behind.
    ///
    /// # Errors
    /// [`OutputError`]; the report is lost then.
    pub(crate) async fn rows(&mut self, rows: &Arc<Vec<Row>>) -> Result<(), OutputError> {
        self.send(Message::Rows(Arc::clone(rows))).await
    }

    /// Adds rows before their turn, by their number, to a journal.
    ///
    /// # Errors
    /// [`OutputError`]; nothing more can be added then.
    pub(crate) async fn early(&mut self, rows: &Arc<Vec<(u64, Row)>>) -> Result<(), OutputError> {
        if self.is_journal { self.send(Message::Early(Arc::clone(rows))).await } else { Ok(()) }
    }

    async fn send(&mut self, message: Message) -> Result<(), OutputError> {
        match self.writer.send(message).await {
            Ok(()) => Ok(()),
            Err(_) => Err(unwritable(self.name.clone(), &self.failure)),
        }
    }

    /// Ends the report and gives its file its name. `whole`: there was a row for every login.
    ///
    /// # Errors
    /// [`OutputError`]; the report is lost then, unless it is a journal.
    pub(crate) async fn finish(self, summary: &Summary, whole: bool) -> Result<(), OutputError> {
        let (done, finished) = oneshot::channel();
        let sent = self.writer.send(Message::Finish(Box::new(summary.clone()), whole, done)).await;
        // A message that crosses with the writer's end stays in the channel, and `done` with it, until
        // the last sender is dropped.
        drop(self.writer);
        if sent.is_err() || finished.await.is_err() {
            return Err(unwritable(self.name, &self.failure));
        }
        let Some((file, path)) = self.unfinished else {
            return Ok(());
        };
        let named = file
            .as_file()
            .sync_all()
            .and_then(|()| file.persist(path).map(drop).map_err(|error| error.error));
        named.map_err(|cause| OutputError::new(self.name.clone(), &cause))
    }

    /// Leaves the report out: an earlier one stays as it was.
    pub(crate) async fn abandon(self) {
        let (done, finished) = oneshot::channel();
        let _ = self.writer.send(Message::Abandon(done)).await;
        drop(self.writer);
        let _ = finished.await;
    }
}

/// Why the writer has ended. It says so before it hangs up.
fn unwritable(to: String, failure: &OnceLock<io::Error>) -> OutputError {
    match failure.get() {
        Some(cause) => OutputError::new(to, cause),
        None => OutputError::new(to, &io::Error::other("it ended early")),
    }
}

/// Writes what comes, and hands it on whenever nothing more waits. A failure is told before the ends
/// of the channels are dropped, by which the other side learns of it.
fn write(mut writer: Writer, mut messages: mpsc::Receiver<Message>, failure: &OnceLock<io::Error>) {
    while let Some(message) = messages.blocking_recv() {
        let written = match (message, &mut writer) {
            (Message::Rows(rows), Writer::Journal(journal)) => journal.rows(&rows),
            (Message::Rows(rows), Writer::Renderer(renderer)) => {
                let written = rows.iter().try_for_each(|row| renderer.row(row));
                if written.is_ok() && messages.is_empty() { renderer.flush() } else { written }
            }
            (Message::Early(rows), Writer::Journal(journal)) => journal.early(&rows),
            (Message::Early(_), _) => Ok(()),
            #[cfg(feature = "sql")]
            (Message::Rows(rows), Writer::Database(store)) => {
                store.rows(&rows, !messages.is_empty()).map_err(|error| not_saved(&error, store))
            }
            (Message::Finish(summary, whole, done), _) => {
                // Either way the file is closed before it gets its name.
                let finished = match writer {
                    Writer::Journal(journal) => journal.finish(whole),
                    Writer::Renderer(mut renderer) => renderer.finish(&summary),
                    #[cfg(feature = "sql")]
                    Writer::Database(store) => {
                        let saved = store.saved();
                        store.finish(&summary).map_err(|error| after(&error, saved))
                    }
                };
                match finished {
                    Ok(()) => {
                        let _ = done.send(());
                    }
                    Err(error) => {
                        let _ = failure.set(error);
                    }
                }
                return;
            }
            (Message::Abandon(done), _) => {
                match writer {
                    Writer::Journal(journal) => journal.abandon(),
                    Writer::Renderer(_) => {}
                    #[cfg(feature = "sql")]
                    Writer::Database(store) => store.abandon(),
                }
                let _ = done.send(());
                return;
            }
        };
        if let Err(error) = written {
            let _ = failure.set(error);
            return;
        }
    }
}

/// What a person needs to know of a run that is not in the database.
#[cfg(feature = "sql")]
fn not_saved(error: &SqlError, store: &RunWriter) -> io::Error {
    after(error, store.saved())
}

#[cfg(feature = "sql")]
fn after(error: &SqlError, saved: u64) -> io::Error {
    let rows = text::pluralize(saved, "row", "rows");
    io::Error::other(format!(
        "{error}; {rows} of this run are saved and no more, and it is not marked complete; save its report afterwards with --from REPORT --save"
    ))
}
