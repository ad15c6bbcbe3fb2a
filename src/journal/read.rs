//! Reading a journal: which rows it holds, where, and which of them are good.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ResumeError, ResumeFilter};
use crate::input::InputRecord;
use crate::report::{Columns, Row, Status};
use crate::text::sanitize_line;

/// No row of ours is as long, whatever it carries from a spreadsheet.
const MAX_LINE: u64 = 16 << 20;

/// Where a row stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) length: u32,
    /// Of the line: a row that this run would write in another way is written anew.
    pub(super) hash: u32,
}

/// The places of the rows that are kept, by their key. The writer takes them out as their turn comes.
pub(super) type Places = Arc<Mutex<HashMap<Box<str>, Place>>>;

/// What was found in a journal.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) places: Places,
    /// Answers that are not kept, for their age or because they hold too little: better than none.
    pub(super) earlier: HashMap<Box<str>, Place>,
    /// The length of its whole lines.
    pub(super) length: u64,
    /// Whether the last line is whole but for its end.
    pub(super) unended: bool,
}

/// Reads a journal from its beginning, and changes nothing.
pub(super) fn scan(
    file: &File,
    path: &Path,
    wants: &ResumeFilter,
    columns: &Columns,
) -> Result<Found, ResumeError> {
    let unusable = |cause| ResumeError::unusable(path, cause);
    let mut reader = BufReader::with_capacity(256 << 10, file);
    reader.seek(SeekFrom::Start(0)).map_err(unusable)?;
    let (mut places, mut earlier) = (HashMap::new(), HashMap::new());
    let (mut at, mut number, mut bytes) = (0_u64, 0_u64, Vec::new());
    let mut unended = false;
    loop {
        bytes.clear();
        let length = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(unusable)? as u64;
        if length == 0 {
            break;
        }
        number += 1;
        let whole = bytes.last() == Some(&b'\n');
        let text = bytes.trim_ascii_end();
        match Row::parse(text, columns.carried()) {
            Ok(row) => {
                let keeps = wants.keeps(&row);
                let keeps =
                    keeps.map_err(|flag| ResumeError::MadeWithMore { path: path.to_owned(), flag })?;
                if !whole {
                    bytes.push(b'\n');
                }
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let place = Place { at, length, hash: hash(&bytes) };
                // Of several answers the last counts; what is none takes the place of no answer.
                if keeps {
                    earlier.remove(&row.key());
                    places.insert(row.key(), place);
                } else if matches!(row.status, Status::Ok | Status::NotFound) {
                    places.remove(&row.key());
                    earlier.insert(row.key(), place);
                }
                unended = !whole;
            }
            // A blank line is nothing, and a torn last one is the end.
            Err(_) if text.is_empty() && whole => {}
            Err(_) if !whole && length < MAX_LINE && is_torn(text, number > 1) => break,
            Err(reason) => return Err(ResumeError::NotARow { path: path.to_owned(), line: number, reason }),
        }
        at += length;
    }
    Ok(Found { places: Arc::new(Mutex::new(places)), earlier, length: at, unended })
}

/// A hash of a line.
pub(super) fn hash(line: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    // The upper half is as good as the whole.
    u32::try_from(hasher.finish() >> 32).unwrap_or_default()
}

/// Whether a line without an end may be the beginning of a row of ours: not what is whole JSON, and no
/// row. Where the power failed a file system leaves zeros behind it, or in its place.
fn is_torn(text: &[u8], behind_rows: bool) -> bool {
    const BEGIN: &[u8] = b"{\"login\":\"";
    let zeros = text.iter().rev().take_while(|byte| **byte == 0).count();
    let text = text.get(..text.len() - zeros).unwrap_or_default();
    if text.is_empty() {
        return behind_rows;
    }
    let common = text.len().min(BEGIN.len());
    let broke_off = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof());
    text.get(..common) == BEGIN.get(..common) && broke_off
}

/// The rows that a journal has kept for this run.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    places: Places,
    reader: BufReader<File>,
    position: u64,
    /// The names of the columns that are carried.
    carried: Vec<String>,
    /// Rows that nobody has asked for, and those that were taken.
    left: u64,
    taken: u64,
}

impl Checkpoint {
    pub(super) fn new(file: File, places: &Places, columns: &Columns) -> Self {
        let left = places.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        Self {
            places: Arc::clone(places),
            reader: BufReader::new(file),
            position: u64::MAX,
            carried: columns.carried().to_vec(),
            left,
            taken: 0,
        }
    }

    /// The rows of a journal that a run would keep, without opening it for writing.
    ///
    /// # Errors
    /// [`ResumeError`]; a file that is not there is an empty one.
    pub(crate) fn look(
        path: &Path,
        wants: &ResumeFilter,
        columns: &Columns,
    ) -> Result<Option<Self>, ResumeError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(ResumeError::unusable(path, cause)),
        };
        let found = scan(&file, path, wants, columns)?;
        Ok(Some(Self::new(file, &found.places, columns)))
    }

    /// The row of an entry of the roster, if it is kept.
    pub(crate) fn take(&mut self, entry: &InputRecord) -> Option<Row> {
        let key: Box<str> = match &entry.login {
            Ok(login) => login.case_folded().into(),
            Err(not) => format!("\0{}", sanitize_line(&not.text)).into(),
        };
        let place = *self.places().get(&key)?;
        self.left = self.left.saturating_sub(1);
        match self.read(place) {
            Ok(mut row) if row.key() == key => {
                self.taken += 1;
                // What the list and the baseline say of it is of this run.
                row.carried.clone_from(&entry.carried);
                (row.was, row.change) = (None, None);
                Some(row)
            }
            // It cannot be read any more: it is asked for again, and written again.
            _ => {
                self.position = u64::MAX;
                self.places().remove(&key);
                None
            }
        }
    }

    /// How many rows were taken.
    #[must_use]
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many rows nobody has asked for.
    #[must_use]
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn read(&mut self, place: Place) -> io::Result<Row> {
        // Most rows stand one behind the other: the buffer goes with them.
        match place.at.checked_signed_diff(self.position) {
            Some(ahead) if self.position != u64::MAX => self.reader.seek_relative(ahead)?,
            _ => drop(self.reader.seek(SeekFrom::Start(place.at))?),
        }
        let mut line = Vec::with_capacity(place.length as usize);
        let read = self.reader.by_ref().take(place.length.into()).read_to_end(&mut line)?;
        self.position = place.at + read as u64;
        Row::parse(line.trim_ascii_end(), &self.carried).map_err(io::Error::other)
    }

    fn places(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
