//! `FILE.partial`: a report that is being written. It is renamed to `FILE` when the run is complete.
//!
//! An incomplete, killed or failed run leaves `FILE` as it was. If `FILE` is a link, `FILE.partial` is beside the linked file, which
//! is replaced. It is locked, has the permissions of `FILE`, and is removed again if nothing was written to it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::fs::{missing_folder, parent};
use crate::text::io_message;

const SUFFIX: &str = "partial";

#[derive(Debug)]
pub(crate) struct PartialFile {
    /// The report that will be replaced, without links.
    pub(crate) target: PathBuf,
    pub(crate) path: PathBuf,
    /// Holds the lock.
    pub(crate) file: File,
    /// Set if nothing of an earlier run is in it.
    pub(crate) is_new: bool,
}

/// Treatment of a `FILE.partial` with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    Replace,
    /// It is a journal: its rows are worth keeping.
    Refuse,
}

impl PartialFile {
    pub(crate) fn create(report: &Path, earlier: Earlier) -> io::Result<Self> {
        let mut partial = Self::open(report)?;
        if !partial.is_new {
            let name = partial.path.display();
            if earlier == Earlier::Refuse {
                let reason = format!(
                    "{name} has the rows of an unfinished run; continue it with --resume, or remove it"
                );
                return Err(io::Error::new(ErrorKind::AlreadyExists, reason));
            }
            // A file that has other names keeps its content.
            let empty = partial.create_successor()?;
            partial.replace(empty)?;
            partial.is_new = true;
        }
        Ok(partial)
    }

    /// Opens the file with the rows of an earlier run, or an empty one.
    pub(crate) fn open(report: &Path) -> io::Result<Self> {
        let target = resolve_symlinks(report);
        let permissions = check_writable(&target)?.map(|earlier| earlier.permissions());
        let path = partial_path(&target);
        let file = match create_new(&path, permissions.as_ref()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => open_existing(&path)?,
            file => file?,
        };
        lock(&file, &path)?;
        let is_new = file.metadata()?.len() == 0;
        if let Some(permissions) = permissions {
            file.set_permissions(permissions)?;
        }
        Ok(Self { target, path, file, is_new })
    }

    /// Creates `FILE.partial.new`. One that a killed run has left is replaced: its lock was that of `FILE.partial`.
    pub(crate) fn create_successor(&self) -> io::Result<File> {
        let path = self.successor();
        let _ = fs::remove_file(&path);
        let permissions = self.file.metadata()?.permissions();
        let file = create_new(&path, Some(&permissions))?;
        lock(&file, &path)?;
        file.set_permissions(permissions)?;
        Ok(file)
    }

    fn successor(&self) -> PathBuf {
        with_suffix(&self.path, "new")
    }

    /// Begins with a copy of rows. A run that is killed meanwhile leaves the file empty.
    pub(crate) fn copy_from(&mut self, mut rows: impl Read) -> io::Result<()> {
        let mut copy = self.create_successor()?;
        io::copy(&mut rows, &mut copy)?;
        self.replace(copy)
    }

    /// Replaces `FILE.partial` by `FILE.partial.new`.
    pub(crate) fn replace(&mut self, successor: File) -> io::Result<()> {
        fs::rename(self.successor(), &self.path)?;
        self.file = successor;
        Ok(())
    }

    pub(crate) fn check_in_place(&self) -> io::Result<()> {
        if is_at(&self.file, &self.path).unwrap_or(false) {
            return Ok(());
        }
        Err(io::Error::other(format!("{} was removed or replaced during the run", self.path.display())))
    }

    /// Gives the report its name. After an error it is still in `FILE.partial`.
    pub(crate) fn publish(self) -> io::Result<()> {
        self.file.sync_all().map_err(|error| self.add_name(error))?;
        self.check_in_place()?;
        fs::rename(&self.path, &self.target).map_err(|error| {
            let (reason, path) = (io_message(&error), self.path.display());
            io::Error::new(error.kind(), format!("{reason}; the complete report is in {path}"))
        })
    }

    /// Adds the name of the file to an error, if it has rows.
    pub(crate) fn add_name(&self, error: io::Error) -> io::Error {
        if self.check_in_place().is_err() || self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            return error;
        }
        let (reason, path) = (io_message(&error), self.path.display().to_string());
        io::Error::new(error.kind(), format!("{reason}; {}", rows_are_in(&path)))
    }

    /// Removes the file, unless it has rows of an earlier run.
    pub(crate) fn discard(self) {
        if self.is_new && self.check_in_place().is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // Once it is renamed, the names belong to another run.
        if self.check_in_place().is_ok() {
            let _ = fs::remove_file(self.successor());
            if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

/// Returns `FILE.partial` for `FILE`, which is beside the linked file if `FILE` is a link.
pub(crate) fn partial_path(report: &Path) -> PathBuf {
    with_suffix(&resolve_symlinks(report), SUFFIX)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

/// Returns the words that name the files with the rows of an incomplete run.
pub(crate) fn rows_are_in(paths: &str) -> String {
    format!("the rows so far are in {paths}")
}

/// Returns `FILE` for `FILE.partial`; None for another name.
pub(crate) fn target_of(path: &Path) -> Option<PathBuf> {
    path.extension().is_some_and(|extension| extension == SUFFIX).then(|| path.with_extension(""))
}

/// Returns true for devices, pipes, and everything else that is neither a regular file nor a folder.
pub(crate) fn is_special_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Returns the path to which links lead, whether it exists or not.
pub(crate) fn resolve_symlinks(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // Linux follows as many links in a row.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// Checks that a file can be replaced or created at `path`, and returns the metadata of the one that is there.
fn check_writable(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) => {
            // A file that cannot be written must not be replaced either.
            File::options().append(true).open(path)?;
            Ok(Some(metadata))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(_) if parent(path).is_dir() => Ok(None),
        Err(_) => Err(missing_folder(path)),
    }
}

fn create_new(path: &Path, permissions: Option<&Permissions>) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if let Some(permissions) = permissions {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(permissions.mode());
    }
    #[cfg(not(unix))]
    let _ = permissions;
    options.open(path)
}

/// Opens a file of an earlier run. Anyone may have put something else there, if the folder is shared.
fn open_existing(path: &Path) -> io::Result<File> {
    let reason = |reason: &str| format!("{}: {reason}", path.display());
    let mut options = File::options();
    options.read(true).write(true);
    do_not_follow(&mut options);
    let file = if fs::symlink_metadata(path).is_ok_and(|metadata| is_own_file(&metadata)) {
        let file =
            options.open(path).map_err(|error| io::Error::new(error.kind(), reason(&io_message(&error))))?;
        file.metadata().is_ok_and(|metadata| is_own_file(&metadata)).then_some(file)
    } else {
        None
    };
    file.ok_or_else(|| {
        io::Error::new(ErrorKind::AlreadyExists, reason("not a regular file of this user; remove it"))
    })
}

#[cfg(unix)]
fn do_not_follow(options: &mut OpenOptions) {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    // Opening a pipe would wait for a reader.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
}

#[cfg(not(unix))]
fn do_not_follow(_: &mut OpenOptions) {}

fn is_own_file(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    let is_ours = std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let is_ours = true;
    metadata.is_file() && is_ours
}

/// Locks a file until it is closed: one run at a time writes to a report.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        // The run that had the lock may just have renamed the file.
        Ok(()) if is_at(file, path).unwrap_or(false) => Ok(()),
        Ok(()) | Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(ErrorKind::WouldBlock, "another run is writing to it"))
        }
        // Some file systems have no locks. A report without a lock is better than none.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, current) = (file.metadata()?, fs::symlink_metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (current.dev(), current.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}
