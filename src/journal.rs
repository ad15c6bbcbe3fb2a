//! The report is the journal: an `.ndjson` file that grows while the run goes on.
//!
//! Each answer is on disk within a second, in a line of its own. A run that is killed at any moment
//! leaves a file that `--resume` reads: it keeps what is good and asks for the rest. An orderly end
//! leaves the file in the order of the roster, one row a login.

mod lock;
mod read;
mod write;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub(crate) use self::read::Checkpoint;
pub(crate) use self::write::Journal;
use crate::report::{CountSelection, ReportSchema, Row, Status};
use crate::text;

/// Which rows of a journal are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResumeFilter {
    /// What this run counts: a row with less is asked for again.
    pub(crate) measures: CountSelection,
    /// Whether this run counts a sample again.
    pub(crate) verify: bool,
    /// Rows that were answered before are asked for again.
    pub(crate) since: Option<Timestamp>,
}

impl ResumeFilter {
    /// Whether a row is good enough to be kept; an error where it holds more than this run would.
    fn keeps(&self, row: &Row) -> Result<bool, &'static str> {
        let Self { measures, verify: verified, since } = *self;
        let schema = ReportSchema { measures, verified, ..ReportSchema::default() };
        if let Some(flag) = row.flag_missing_in(&schema) {
            return Err(flag);
        }
        let young = since.is_none_or(|since| row.at.is_some_and(|at| at >= since));
        Ok(match row.status {
            Status::Invalid => true,
            Status::NotFound => young,
            Status::Ok => young && row.has_measures_of(&schema),
            Status::Forbidden | Status::Failed | Status::Skipped => false,
        })
    }
}

/// A file that a run cannot go on with. It is left as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    /// It cannot be opened, read or locked.
    #[error("cannot go on with {}: {}", path.display(), text::reason(cause))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A line in it is no row.
    #[error("cannot go on with {}: line {line} is no row of a report ({reason}); it is left as it was", path.display())]
    NotARow {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It holds what this run would not count.
    #[error("cannot go on with {}: it was made with {flag}; give it again, or another --output", path.display())]
    MadeWithMore {
        /// The file.
        path: PathBuf,
        /// The missing flag.
        flag: &'static str,
    },
}

impl ResumeError {
    fn unusable(path: &Path, cause: std::io::Error) -> Self {
        Self::Unusable { path: path.to_owned(), cause }
    }
}
