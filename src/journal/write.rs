//! Writing a journal: whole lines, at once, and in order at the end.

mod ending;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use tempfile::NamedTempFile;

use super::lock::lock;
use super::read::{Checkpoint, Found, Place, Places, hash, scan};
use super::{ResumeError, ResumeFilter};
use crate::file::{beside, resolved};
use crate::render::line;
use crate::report::{Columns, Row, Status};

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// What the file is, until it is worth its name.
    state: State,
    columns: Columns,
    buffer: Vec<u8>,
    /// The length of the file.
    end: u64,
    /// Rows of an earlier run that stand in the file already, and are kept.
    kept: Option<Places>,
    /// Its other answers: better than none, should this run get none.
    earlier: HashMap<Box<str>, Place>,
    /// The length of the file when this run began.
    begun: u64,
    /// Rows that were written before their turn, by their number.
    early: HashMap<u64, (u64, u32)>,
    /// The rows in the order of the roster, as stretches of the file.
    stretches: Vec<(u64, u64)>,
    rows: u64,
}

#[derive(Debug)]
enum State {
    /// It has its name.
    Named,
    /// It has its name, because this run made it: if nothing is learnt it goes again.
    New,
    /// An earlier report has the name until there is something to replace it with.
    Waiting { temporary: NamedTempFile, _earlier: File },
}

impl Journal {
    /// Begins a journal at `path`, or in the place of an earlier report there once an answer has come.
    pub(crate) fn create(path: &Path, columns: &Columns) -> io::Result<Self> {
        let path = resolved(path);
        let new = File::options().read(true).write(true).create_new(true).open(&path);
        let (file, state) = match new {
            Ok(file) => {
                lock(&file, &path)?;
                (file, State::New)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let earlier = File::options().append(true).open(&path)?;
                lock(&earlier, &path)?;
                let temporary = beside(&path, Some(earlier.metadata()?.permissions()))?;
                let file = temporary.reopen()?;
                lock(&file, temporary.path())?;
                (file, State::Waiting { temporary, _earlier: earlier })
            }
            Err(error) => return Err(error),
        };
        Ok(Self::at(path, file, state, columns))
    }

    /// Goes on with the journal at `path`, if there is one. What cannot be gone on with is left as it
    /// was.
    pub(crate) fn resume(
        path: &Path,
        wants: &ResumeFilter,
        columns: &Columns,
    ) -> Result<(Self, Checkpoint), ResumeError> {
        let unusable = |cause| ResumeError::unusable(path, cause);
        let real = resolved(path);
        let open = || {
            let new = !real.exists();
            let file = File::options().read(true).write(true).create(true).truncate(false).open(&real)?;
            lock(&file, &real)?;
            Ok((if new { State::New } else { State::Named }, file))
        };
        let (state, mut file) = open().map_err(unusable)?;
        let Found { places, earlier, length, unended } = scan(&file, path, wants, columns)?;
        let mut repair = || {
            // Nothing but a torn last line is cut off, and a missing line end put in its place.
            if file.metadata()?.len() > length {
                file.set_len(length)?;
            }
            file.seek(SeekFrom::Start(length))?;
            if unended {
                file.write_all(b"\n")?;
            }
            Ok(())
        };
        repair().map_err(unusable)?;
        let reader = File::open(&real).map_err(unusable)?;
        let kept = Checkpoint::new(reader, &places, columns);
        let mut journal = Self::at(real, file, state, columns);
        journal.end = length + u64::from(unended);
        journal.begun = journal.end;
        (journal.kept, journal.earlier) = (Some(places), earlier);
        Ok((journal, kept))
    }

    fn at(path: PathBuf, file: File, state: State, columns: &Columns) -> Self {
        Self {
            path,
            file,
            state,
            columns: columns.clone(),
            buffer: Vec::new(),
            end: 0,
            kept: None,
            earlier: HashMap::new(),
            begun: 0,
            early: HashMap::new(),
            stretches: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the next rows of the roster.
    pub(crate) fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let early = self.early.remove(&self.rows);
            if early.is_some() {
                self.earlier.remove(&row.key());
            }
            let written = early.or_else(|| self.kept_place(row));
            let (at, length) = written.unwrap_or_else(|| self.append(row));
            self.rows += 1;
            self.add(at, length);
        }
        self.write()?;
        let is_answer = |row: &Row| matches!(row.status, Status::Ok | Status::NotFound | Status::Forbidden);
        if rows.iter().any(is_answer) { self.name() } else { Ok(()) }
    }

    /// Takes rows whose turn has not come.
    pub(crate) fn early(&mut self, rows: &[(u64, Row)]) -> io::Result<()> {
        for (number, row) in rows {
            // Its turn may have come while this was on its way.
            if *number >= self.rows {
                let place = self.append(row);
                self.early.insert(*number, place);
            }
        }
        self.write()?;
        self.name()
    }

    /// Adds a row to those in order.
    fn add(&mut self, at: u64, length: u32) {
        match self.stretches.last_mut() {
            Some((begin, so_far)) if *begin + *so_far == at => *so_far += u64::from(length),
            _ => self.stretches.push((at, length.into())),
        }
    }

    fn kept_place(&mut self, row: &Row) -> Option<(u64, u32)> {
        let kept = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).remove(&row.key());
        if let Some(place) = kept {
            // What this run would write in another way is written anew.
            let mut written = Vec::with_capacity(place.length as usize);
            line(&mut written, &self.columns, row);
            let same = written.len() == place.length as usize && hash(&written) == place.hash;
            return same.then_some((place.at, place.length));
        }
        let earlier = self.earlier.remove(&row.key())?;
        // No answer takes the place of an earlier one, which is told with what the list says today.
        if !matches!(row.status, Status::Failed | Status::Skipped) {
            return None;
        }
        match self.reread(earlier) {
            Ok(answer) => {
                let carried = row.carried.clone();
                Some(self.append(&Row { carried, was: row.was, change: row.change, ..answer }))
            }
            Err(_) => Some((earlier.at, earlier.length)),
        }
    }

    /// A row that stands in the file.
    fn reread(&self, place: Place) -> io::Result<Row> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place.at))?;
        let mut line = Vec::with_capacity(place.length as usize);
        let read = file.take(place.length.into()).read_to_end(&mut line);
        file.seek(SeekFrom::Start(self.end))?;
        read?;
        Row::parse(line.trim_ascii_end(), &[]).map_err(io::Error::other)
    }

    fn append(&mut self, row: &Row) -> (u64, u32) {
        let before = self.buffer.len();
        line(&mut self.buffer, &self.columns, row);
        (self.end + before as u64, u32::try_from(self.buffer.len() - before).unwrap_or(u32::MAX))
    }

    /// Hands whole lines to the system. From there not even a killed run loses them.
    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.check_length()?;
        let written = self.file.write_all(&self.buffer);
        match written {
            Ok(()) => self.end += self.buffer.len() as u64,
            Err(error) => {
                // A disk that is full has taken a part: a torn line would only have to be repaired.
                let _ = self.file.set_len(self.end);
                return Err(error);
            }
        }
        self.buffer.clear();
        Ok(())
    }

    /// There is something to show for: it takes the place of an earlier report.
    fn name(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Named) {
            State::Waiting { temporary, _earlier } => {
                temporary.persist(&self.path).map(drop).map_err(|error| error.error)
            }
            _ => Ok(()),
        }
    }

    fn check_length(&self) -> io::Result<()> {
        if self.file.metadata()?.len() != self.end {
            return Err(io::Error::other("another program has written to it while the run was on"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
