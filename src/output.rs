//! Where reports go: standard output, and files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

use crate::render::{Format, Layout, Meta, Output, Renderer, renderer};
use crate::report::{Row, Summary};
use crate::text;

/// A report that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its format.
    pub format: Format,
    /// Its file; none for standard output.
    pub path: Option<PathBuf>,
}

/// A report cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {to}: {}", text::reason(cause))]
pub struct Unwritable {
    to: String,
    cause: io::Error,
}

impl Unwritable {
    /// Standard output cannot be written.
    #[must_use]
    pub fn stdout(cause: io::Error) -> Self {
        Self { to: "standard output".into(), cause }
    }

    /// Whether the reader closed the pipe, which is no error.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.cause.kind() == io::ErrorKind::BrokenPipe
    }
}

/// A report that is being written, on a thread of its own: a reader who takes a break holds up the
/// rows, but neither the requests in flight nor Ctrl-C.
pub struct Sink {
    name: String,
    writer: mpsc::Sender<Message>,
    failure: Arc<OnceLock<io::Error>>,
    /// The file under its temporary name, and the one that it shall have.
    unfinished: Option<(NamedTempFile, PathBuf)>,
    is_table: bool,
    is_file: bool,
}

enum Message {
    Rows(Arc<Vec<Row>>),
    Finish(Summary, oneshot::Sender<()>),
}

/// Batches of rows that wait for the writer.
const WAITING: usize = 4;

impl Sink {
    /// Opens a report's destination.
    ///
    /// A file is written under a temporary name beside its own, and gets its own when it is whole; so
    /// a failed run neither leaves half a report nor destroys an earlier one. Through a link it is
    /// the linked file that is replaced. What is no file (a device, a pipe) is written to directly.
    ///
    /// # Errors
    /// [`Unwritable`] for a folder, a missing folder, or one that is not ours to write to.
    pub fn open(report: &Report, layout: &Layout, meta: &Meta) -> Result<Self, Unwritable> {
        let name = report
            .path
            .as_ref()
            .map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        let (out, unfinished): (Output, _) = match &report.path {
            None => (buffered(io::stdout()), None),
            Some(path) => create(path).map_err(|cause| Unwritable { to: name.clone(), cause })?,
        };
        let renderer = renderer(report.format, layout, meta, out);
        let failure = Arc::<OnceLock<_>>::default();
        let (writer, messages) = mpsc::channel(WAITING);
        let told = Arc::clone(&failure);
        std::thread::spawn(move || write(renderer, messages, &told));
        let (is_table, is_file) = (report.format == Format::Table, report.path.is_some());
        Ok(Self { name, writer, failure, unfinished, is_table, is_file })
    }

    /// Whether it shows nothing before its end, so that a run without any answer may leave it out.
    #[must_use]
    pub fn is_silent_until_finished(&self) -> bool {
        self.is_table || self.is_file
    }

    /// Adds rows. Waits while the writer is behind.
    ///
    /// # Errors
    /// [`Unwritable`]; the report is lost then.
    pub async fn rows(&mut self, rows: &Arc<Vec<Row>>) -> Result<(), Unwritable> {
        match self.writer.send(Message::Rows(Arc::clone(rows))).await {
            Ok(()) => Ok(()),
            Err(_) => Err(unwritable(self.name.clone(), &self.failure)),
        }
    }

    /// Ends the report and gives its file its name.
    ///
    /// # Errors
    /// [`Unwritable`]; the report is lost then.
    pub async fn finish(self, summary: &Summary) -> Result<(), Unwritable> {
        let (done, finished) = oneshot::channel();
        let sent = self.writer.send(Message::Finish(summary.clone(), done)).await;
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
        named.map_err(|cause| Unwritable { to: self.name.clone(), cause })
    }
}

/// Why the writer has ended. It says so before it hangs up.
fn unwritable(to: String, failure: &OnceLock<io::Error>) -> Unwritable {
    let cause = match failure.get() {
        Some(cause) => cause.raw_os_error().map_or_else(|| cause.kind().into(), io::Error::from_raw_os_error),
        None => io::Error::other("it ended early"),
    };
    Unwritable { to, cause }
}

/// Writes what comes, and hands it on whenever nothing more waits. A failure is told before the ends
/// of the channels are dropped, by which the other side learns of it.
fn write(
    mut renderer: Box<dyn Renderer + Send>,
    mut messages: mpsc::Receiver<Message>,
    failure: &OnceLock<io::Error>,
) {
    while let Some(message) = messages.blocking_recv() {
        let (written, done) = match message {
            Message::Rows(rows) => {
                let mut written = rows.iter().try_for_each(|row| renderer.row(row));
                if written.is_ok() && messages.is_empty() {
                    written = renderer.flush();
                }
                (written, None)
            }
            Message::Finish(summary, done) => (renderer.finish(&summary), Some(done)),
        };
        if let Err(error) = written {
            let _ = failure.set(error);
            return;
        }
        if let Some(done) = done {
            // The file is closed before it gets its name.
            drop(renderer);
            let _ = done.send(());
            return;
        }
    }
}

type Created = (Output, Option<(NamedTempFile, PathBuf)>);

fn create(path: &Path) -> io::Result<Created> {
    let existing = match fs::metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return Ok((buffered(File::options().write(true).open(path)?), None));
    }
    let path = if existing.is_some() {
        // Whoever may not write the file shall not replace it either.
        File::options().append(true).open(path)?;
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(".part");
    // Temporary files are their owner's alone; a report is an ordinary file, or keeps the mode of
    // the one that it replaces.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return io::Error::new(error.kind(), format!("there is no folder {}", folder.display()));
        }
        // tempfile adds its own name for the file, which means nothing to anybody.
        io::Error::from(
            error
                .raw_os_error()
                .map_or_else(|| error.kind(), |code| io::Error::from_raw_os_error(code).kind()),
        )
    })?;
    if let Some(existing) = existing {
        file.as_file().set_permissions(existing.permissions())?;
    }
    Ok((buffered(file.reopen()?), Some((file, path))))
}

fn buffered(out: impl Write + Send + 'static) -> Output {
    BufWriter::with_capacity(64 << 10, Box::new(out))
}
