//! One run at a time writes to a journal.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Locks the file at `path` until it is closed.
pub(super) fn lock(file: &File, path: &Path) -> io::Result<()> {
    let busy = || io::Error::new(io::ErrorKind::WouldBlock, "another run is writing to it");
    match file.try_lock() {
        // The run that had the lock may just have put another file in its place.
        Ok(()) if is_at(file, path)? => Ok(()),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(busy()),
        // Some file systems have no locks; that is no reason to have no report.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `path` still leads to this file.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, its) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (its.dev(), its.ino()))
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}
