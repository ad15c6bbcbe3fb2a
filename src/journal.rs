//! The report is the journal: the `FILE.partial` of an `.ndjson` output grows while the run goes on.
//!
//! Each row is in the file within a second, in a line of its own, unless it is a failure that waits for an earlier row. A run
//! that is killed at any moment leaves a file that `--resume` reads: it keeps the rows that are good and looks up the rest. A run
//! that ends in order leaves one row per login, in input order; a complete one renames the file to `FILE`.

mod read;
mod write;

use std::io;
use std::path::Path;

use jiff::Timestamp;

pub(crate) use self::read::Checkpoint;
pub(crate) use self::write::{Journal, RunEnd};
use crate::report::{CountSelection, ReportSchema, Row, Status};
use crate::shard::Shard;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ResumeFilter {
    /// Counts of this run. A row with fewer of them is looked up again.
    pub(crate) measures: CountSelection,
    pub(crate) verify: bool,
    /// Rows that are older are looked up again.
    pub(crate) since: Option<Timestamp>,
    /// Part of the input that this run looks up. A journal of another part is refused.
    pub(crate) shard: Option<Shard>,
}

impl ResumeFilter {
    /// Checks that a row is of this part. That of a text that was escaped or cut is not known.
    fn check_part(&self, row: &Row, line: u64) -> Result<(), ResumeError> {
        let Some(shard) = self.shard else { return Ok(()) };
        let is_altered = row.status == Status::Invalid && row.login.contains(['\\', '…']);
        match Shard::of_login(row.login.trim(), shard.of) {
            Some(actual) if actual != shard && !is_altered => {
                Err(ResumeError::OtherPart { line, login: row.login.clone(), actual, shard })
            }
            _ => Ok(()),
        }
    }

    fn keeps(&self, row: &Row, saved: &ReportSchema) -> Result<bool, ResumeError> {
        let Self { measures, verify: verified, since, .. } = *self;
        let schema = ReportSchema { counts: measures, verified, ..ReportSchema::default() };
        if let Some(flag) = row.flag_missing_in(&schema) {
            return Err(ResumeError::SchemaMismatch { flag });
        }
        let is_recent = since.is_none_or(|since| row.at.is_some_and(|at| at >= since));
        Ok(match row.status {
            Status::Invalid => true,
            Status::NotFound => is_recent,
            Status::Ok => is_recent && row.has_measures_of(&schema, saved),
            Status::Forbidden | Status::Failed | Status::Skipped | Status::Removed => false,
        })
    }
}

/// Reason for which a run cannot be resumed from a file. The file is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Lines are counted from 1.
    #[error("line {line} is not a row of a report ({reason}); the file is unchanged")]
    InvalidRow { line: u64, reason: String },
    /// The row would be dropped, because its login is not in the input of this run.
    #[error(
        "line {line} is the row of {login:?}, which is in part {actual}, and this run is --shard {shard}; correct --shard, or \
         name the file of this part with --output; the file is unchanged"
    )]
    OtherPart { line: u64, login: String, actual: Shard, shard: Shard },
    /// A row has a count that this run would not have.
    #[error("it was made with {flag}; add that flag, or use another --output")]
    SchemaMismatch { flag: &'static str },
}

fn cannot_resume(path: &Path) -> String {
    format!("cannot resume from {}", path.display())
}
