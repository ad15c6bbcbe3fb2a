//! Where reports go: standard output, and files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::render::{Format, Look, Meta, Order, Output, Renderer, renderer};
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
    /// Whether the reader closed the pipe, which is no error.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.cause.kind() == io::ErrorKind::BrokenPipe
    }
}

/// A report that is being written.
pub struct Sink {
    name: String,
    renderer: Box<dyn Renderer + Send>,
    /// The file under its temporary name, and the one that it shall have.
    unfinished: Option<(NamedTempFile, PathBuf)>,
    is_table: bool,
    is_file: bool,
}

impl Sink {
    /// Opens a report's destination.
    ///
    /// A file is written under a temporary name beside its own, and gets its own when it is whole; so
    /// a failed run neither leaves half a report nor destroys an earlier one. Through a link it is
    /// the linked file that is replaced. What is no file (a device, a pipe) is written to directly.
    ///
    /// # Errors
    /// [`Unwritable`] for a folder, a missing folder, or one that is not ours to write to.
    pub fn open(report: &Report, order: Order, look: Look, meta: &Meta) -> Result<Self, Unwritable> {
        let name = report
            .path
            .as_ref()
            .map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        let (out, unfinished): (Output, _) = match &report.path {
            None => (buffered(io::stdout()), None),
            Some(path) => create(path).map_err(|cause| Unwritable { to: name.clone(), cause })?,
        };
        Ok(Self {
            name,
            renderer: renderer(report.format, order, look, meta, out),
            unfinished,
            is_table: report.format == Format::Table,
            is_file: report.path.is_some(),
        })
    }

    /// Whether it shows nothing before its end, so that a run without any answer may leave it out.
    #[must_use]
    pub fn is_silent_until_finished(&self) -> bool {
        self.is_table || self.is_file
    }

    /// Adds rows and hands them on.
    ///
    /// # Errors
    /// [`Unwritable`]; the report is lost then.
    pub fn rows(&mut self, rows: &[Row]) -> Result<(), Unwritable> {
        let written = rows.iter().try_for_each(|row| self.renderer.row(row));
        let written = written.and_then(|()| self.renderer.flush());
        written.map_err(|cause| Unwritable { to: self.name.clone(), cause })
    }

    /// Ends the report and gives its file its name.
    ///
    /// # Errors
    /// [`Unwritable`]; the report is lost then.
    pub fn finish(mut self, summary: &Summary) -> Result<(), Unwritable> {
        let finished = self.renderer.finish(summary);
        // The renderer's handle on the file is closed before the file gets its name.
        drop(self.renderer);
        let named = finished.and_then(|()| match self.unfinished {
            None => Ok(()),
            Some((file, path)) => {
                file.as_file().sync_all()?;
                file.persist(path).map(drop).map_err(|error| error.error)
            }
        });
        named.map_err(|cause| Unwritable { to: self.name, cause })
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
