//! Writing a journal: complete lines at once, in input order at the end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use super::read::{Checkpoint, KeptRows, RowSpan, RowSpans, hash, scan};
use super::{ResumeError, ResumeFilter, cannot_resume, is_at, lock};
use crate::fs::{resolve_symlinks, temp_file_beside};
use crate::render::line;
use crate::report::{Columns, Row, Status};

#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    state: FileState,
    columns: Columns,
    buffer: Vec<u8>,
    len: u64,
    initial_len: u64,
    kept: KeptRows,
    /// Other answers of an earlier run, used where this run gets none.
    fallbacks: RowSpans,
    /// Rows that were written out of order, by position.
    out_of_order: HashMap<u64, Extent>,
    /// The rows in input order.
    extents: Vec<Extent>,
    rows: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    offset: u64,
    len: u64,
}

impl From<RowSpan> for Extent {
    fn from(span: RowSpan) -> Self {
        Self { offset: span.offset, len: span.len.into() }
    }
}

#[derive(Debug)]
enum FileState {
    Published,
    /// The file has its name and was created by this run: it is removed again if nothing was counted.
    Created,
    /// The file is temporary: an earlier report has its name until the first answer. The open file holds its lock.
    Staged {
        temporary: NamedTempFile,
        _earlier: File,
    },
}

impl Journal {
    /// Creates a journal at `path`. An earlier report there is replaced when the first answer is written.
    pub(crate) fn create(path: &Path, columns: &Columns) -> io::Result<Self> {
        let path = resolve_symlinks(path);
        let (file, state) = match File::options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                lock(&file, &path)?;
                (file, FileState::Created)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let earlier = File::options().append(true).open(&path)?;
                lock(&earlier, &path)?;
                let temporary = temp_file_beside(&path, Some(earlier.metadata()?.permissions()))?;
                let file = temporary.reopen()?;
                lock(&file, temporary.path())?;
                (file, FileState::Staged { temporary, _earlier: earlier })
            }
            Err(error) => return Err(error),
        };
        Ok(Self::new(path, file, state, columns))
    }

    /// Resumes the journal at `path`, or creates one.
    pub(crate) fn resume(
        path: &Path,
        filter: &ResumeFilter,
        columns: &Columns,
    ) -> anyhow::Result<(Self, Checkpoint)> {
        Self::try_resume(path, filter, columns).with_context(|| cannot_resume(path))
    }

    fn try_resume(
        path: &Path,
        filter: &ResumeFilter,
        columns: &Columns,
    ) -> Result<(Self, Checkpoint), ResumeError> {
        let real_path = resolve_symlinks(path);
        let (mut file, state) = open_or_create(&real_path)?;
        let scan = scan(&file, filter, columns)?;
        repair(&mut file, scan.len, scan.missing_newline)?;
        let reader = File::open(&real_path)?;
        let checkpoint = Checkpoint::new(reader, scan.kept.clone(), columns);
        let len = scan.len + u64::from(scan.missing_newline);
        let journal = Self {
            len,
            initial_len: len,
            kept: scan.kept,
            fallbacks: scan.fallbacks,
            ..Self::new(real_path, file, state, columns)
        };
        Ok((journal, checkpoint))
    }

    fn new(path: PathBuf, file: File, state: FileState, columns: &Columns) -> Self {
        Self {
            path,
            file,
            state,
            columns: columns.clone(),
            buffer: Vec::new(),
            len: 0,
            initial_len: 0,
            kept: KeptRows::default(),
            fallbacks: RowSpans::new(),
            out_of_order: HashMap::new(),
            extents: Vec::new(),
            rows: 0,
        }
    }

    pub(crate) fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let written = self.out_of_order.remove(&self.rows);
            if written.is_some() {
                self.fallbacks.remove(&row.key());
            }
            let written = written.or_else(|| self.kept_extent(row));
            let extent = written.unwrap_or_else(|| self.append(row));
            self.rows += 1;
            self.add_extent(extent);
        }
        self.write()?;
        if rows.iter().any(is_answer) { self.publish() } else { Ok(()) }
    }

    /// Adds rows out of order, by position.
    pub(crate) fn rows_out_of_order(&mut self, rows: &[(u64, Row)]) -> io::Result<()> {
        for (position, row) in rows {
            // A message with its turn may have overtaken this one.
            if *position >= self.rows {
                let extent = self.append(row);
                self.out_of_order.insert(*position, extent);
            }
        }
        self.write()?;
        self.publish()
    }

    fn add_extent(&mut self, extent: Extent) {
        match self.extents.last_mut() {
            Some(last) if last.offset + last.len == extent.offset => last.len += extent.len,
            _ => self.extents.push(extent),
        }
    }

    /// Returns the extent of a row of an earlier run that stays, if there is one.
    fn kept_extent(&mut self, row: &Row) -> Option<Extent> {
        let kept = self.kept.lock().remove(&row.key());
        if let Some(span) = kept {
            let mut written = Vec::with_capacity(span.len as usize);
            line(&mut written, &self.columns, row);
            let is_same = written.len() == span.len as usize && hash(&written) == span.hash;
            return is_same.then(|| span.into());
        }
        let fallback = self.fallbacks.remove(&row.key())?;
        if !matches!(row.status, Status::Failed | Status::Skipped) {
            return None;
        }
        match self.read_row(fallback) {
            // An earlier answer is better than none. Its other columns are those of this run.
            Ok(answer) => {
                let carried = row.carried.clone();
                let previous_login = row.previous_login.clone();
                let (was, change, event) = (row.was, row.change, row.event);
                Some(self.append(&Row { carried, was, change, event, previous_login, ..answer }))
            }
            Err(_) => Some(fallback.into()),
        }
    }

    fn read_row(&self, span: RowSpan) -> io::Result<Row> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(span.offset))?;
        let mut line = Vec::with_capacity(span.len as usize);
        let read = file.take(span.len.into()).read_to_end(&mut line);
        file.seek(SeekFrom::Start(self.len))?;
        read?;
        Row::parse(line.trim_ascii_end(), &[]).map_err(io::Error::other)
    }

    fn append(&mut self, row: &Row) -> Extent {
        let before = self.buffer.len();
        line(&mut self.buffer, &self.columns, row);
        Extent { offset: self.len + before as u64, len: (self.buffer.len() - before) as u64 }
    }

    /// Passes complete lines to the system, which writes them even if the run is killed.
    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.check_len()?;
        if let Err(error) = self.file.write_all(&self.buffer) {
            // A full disk may have taken a part of a line.
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Gives the file its name, in place of an earlier report.
    fn publish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, FileState::Published) {
            FileState::Staged { temporary, _earlier } => persist(temporary, &self.path),
            FileState::Published | FileState::Created => Ok(()),
        }
    }

    fn check_len(&self) -> io::Result<()> {
        if self.file.metadata()?.len() == self.len {
            return Ok(());
        }
        Err(io::Error::other("another program has written to it during the run"))
    }

    /// Syncs the file to the disk, in input order if the input was read to its end.
    pub(crate) fn finish(mut self, input_complete: bool) -> io::Result<()> {
        self.write()?;
        self.publish()?;
        self.file.sync_all()?;
        if !is_at(&self.file, &self.path).unwrap_or(false) {
            return Err(io::Error::other("it was removed or replaced during the run"));
        }
        self.check_len()?;
        if !input_complete {
            self.retain_unvisited();
        }
        match self.extents.as_slice() {
            [] if self.len == 0 => Ok(()),
            [only] if *only == (Extent { offset: 0, len: self.len }) => Ok(()),
            _ => self.rewrite_in_order().map_err(|error| {
                let reason = crate::text::io_message(&error);
                let hint = "it holds every row, but not yet in input order; --resume repairs that";
                io::Error::new(error.kind(), format!("{reason}; {hint}"))
            }),
        }
    }

    /// Adds the rows of an earlier run that the input was not read far enough for.
    fn retain_unvisited(&mut self) {
        let mut unvisited: Vec<_> = self
            .kept
            .lock()
            .drain()
            .chain(self.fallbacks.drain())
            .map(|(_, span)| Extent::from(span))
            .collect();
        unvisited.sort_unstable_by_key(|extent| extent.offset);
        for extent in unvisited {
            self.add_extent(extent);
        }
    }

    fn rewrite_in_order(&self) -> io::Result<()> {
        let ordered = temp_file_beside(&self.path, Some(self.file.metadata()?.permissions()))?;
        let mut out = ordered.reopen()?;
        // Another run finds the new file locked until this one has ended.
        lock(&out, ordered.path())?;
        let mut file = &self.file;
        for extent in &self.extents {
            file.seek(SeekFrom::Start(extent.offset))?;
            if io::copy(&mut file.take(extent.len), &mut out)? != extent.len {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter during the run"));
            }
        }
        out.sync_all()?;
        persist(ordered, &self.path)
    }

    /// Gives up a run in which nothing was counted: an earlier report stays as it was, a new file is removed.
    pub(crate) fn abandon(self) {
        let _ = match self.state {
            FileState::Created if is_at(&self.file, &self.path).unwrap_or(false) => {
                fs::remove_file(&self.path)
            }
            FileState::Published => self.file.set_len(self.initial_len),
            FileState::Created | FileState::Staged { .. } => Ok(()),
        };
    }
}

fn is_answer(row: &Row) -> bool {
    matches!(row.status, Status::Ok | Status::NotFound | Status::Forbidden)
}

fn open_or_create(path: &Path) -> io::Result<(File, FileState)> {
    let state = if path.exists() { FileState::Published } else { FileState::Created };
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    lock(&file, path)?;
    Ok((file, state))
}

/// Cuts a truncated last line off, and adds a missing line end.
fn repair(file: &mut File, len: u64, missing_newline: bool) -> io::Result<()> {
    if file.metadata()?.len() > len {
        file.set_len(len)?;
    }
    file.seek(SeekFrom::Start(len))?;
    if missing_newline { file.write_all(b"\n") } else { Ok(()) }
}

fn persist(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use crate::report::{CountSelection, ReportSchema};

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    #[test]
    fn a_row_out_of_order_replaces_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let columns = Columns::of(&ReportSchema {
            counts: CountSelection { breakdown: true, private: false },
            verified: true,
            ..ReportSchema::default()
        });
        let rows = sample::rows();
        let mut journal = Journal::create(&path, &columns).unwrap();
        journal.rows(&rows).unwrap();
        journal.finish(true).unwrap();
        assert_eq!(lines(&path), 5);

        // All answers are too old; one is replaced out of order, and the input breaks off.
        let measures = CountSelection { breakdown: true, private: false };
        let since = Some("2099-01-01T00:00:00Z".parse().unwrap());
        let (mut journal, _) =
            Journal::resume(&path, &ResumeFilter { measures, verify: true, since }, &columns).unwrap();
        journal.rows_out_of_order(&[(0, rows[0].clone())]).unwrap();
        journal.rows(&rows[..1]).unwrap();
        journal.finish(false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let logins: Vec<_> =
            text.lines().map(|line| Row::parse(line.as_bytes(), &[]).unwrap().login).collect();
        assert_eq!(logins[0], "torvalds");
        assert_eq!(logins.iter().filter(|login| *login == "torvalds").count(), 1, "{text}");
        assert!(logins.contains(&"microsoft".to_owned()), "a login that was not reached stays: {text}");
    }

    #[test]
    fn an_abandoned_run_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let columns = Columns::of(&ReportSchema::default());
        let failed = [Row::without_count("a", Status::Failed, "broken")];
        let mut journal = Journal::create(&path, &columns).unwrap();
        journal.rows(&failed).unwrap();
        journal.abandon();
        assert!(!path.exists());
        fs::write(&path, "").unwrap();
        let wants = ResumeFilter { measures: CountSelection::default(), verify: false, since: None };
        let (mut journal, _) = Journal::resume(&path, &wants, &columns).unwrap();
        journal.rows(&failed).unwrap();
        journal.abandon();
        assert_eq!(lines(&path), 0);
    }
}
