//! The report is the journal: an `.ndjson` file that grows while the run goes on.
//!
//! Each row is on disk within a second, in a line of its own. A run that is killed at any moment leaves a file that `--resume`
//! reads: it keeps the rows that are good and looks up the rest. A run that ends in order leaves the file in input order, one
//! row per login.

mod read;
mod write;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub(crate) use self::read::Checkpoint;
pub(crate) use self::write::Journal;
use crate::report::{CountSelection, ReportSchema, Row, Status};

/// Decides which rows of a journal are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResumeFilter {
    /// Counts of this run. A row with fewer of them is looked up again.
    pub(crate) measures: CountSelection,
    /// `--verify`
    pub(crate) verify: bool,
    /// Rows that are older are looked up again.
    pub(crate) since: Option<Timestamp>,
}

impl ResumeFilter {
    /// Returns true for rows to keep. The error is the flag of a count that this run does not have.
    fn keeps(&self, row: &Row) -> Result<bool, &'static str> {
        let Self { measures, verify: verified, since } = *self;
        let schema = ReportSchema { counts: measures, verified, ..ReportSchema::default() };
        if let Some(flag) = row.flag_missing_in(&schema) {
            return Err(flag);
        }
        let is_recent = since.is_none_or(|since| row.at.is_some_and(|at| at >= since));
        Ok(match row.status {
            Status::Invalid => true,
            Status::NotFound => is_recent,
            Status::Ok => is_recent && row.has_measures_of(&schema),
            Status::Forbidden | Status::Failed | Status::Skipped => false,
        })
    }
}

/// A file that a run cannot be resumed from. It is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// The file cannot be opened, read or locked.
    #[error("cannot resume from {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A line is not a row. Lines are counted from 1.
    #[error("cannot resume from {}: line {line} is not a row of a report ({reason}); the file is unchanged", path.display())]
    InvalidRow { path: PathBuf, line: u64, reason: String },
    /// A row has a count that this run would not have.
    #[error("cannot resume from {}: it was made with {flag}; add that flag, or use another --output", path.display())]
    SchemaMismatch { path: PathBuf, flag: &'static str },
}

/// Locks the file at `path` until it is closed: one run at a time writes to a journal.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        // The run that had the lock may just have replaced the file.
        Ok(()) if is_at(file, path)? => Ok(()),
        Ok(()) | Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another run is writing to it"))
        }
        // Some file systems have no locks. A report without a lock is better than none.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Returns true while `path` leads to this file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (ours, current) = (file.metadata()?, fs::metadata(path)?);
    Ok((ours.dev(), ours.ino()) == (current.dev(), current.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}
