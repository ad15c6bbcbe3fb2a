//! Ending a journal: what is in it stays, in the order of the roster where that was read to its end.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::PoisonError;

use super::super::lock::{is_at, lock};
use super::{Journal, State};
use crate::file::beside;

impl Journal {
    /// Ends it: on the disk, and in the order of the roster if that was read to its `whole` end.
    pub(crate) fn finish(mut self, whole: bool) -> io::Result<()> {
        self.write()?;
        self.name()?;
        self.file.sync_all()?;
        self.check()?;
        if !whole {
            self.keep_unreached();
        }
        let in_order = match self.stretches.as_slice() {
            [] => self.end == 0,
            [only] => *only == (0, self.end),
            _ => false,
        };
        if in_order {
            return Ok(());
        }
        self.put_in_order().map_err(|error| {
            let reason = crate::text::reason(&error);
            io::Error::new(
                error.kind(),
                format!(
                    "{reason}; it holds every row, but not yet in the order of the list (--resume mends that)"
                ),
            )
        })
    }

    /// The file is still ours: nobody else has written to it, or put something in its place.
    fn check(&self) -> io::Result<()> {
        if !is_at(&self.file, &self.path).unwrap_or(false) {
            return Err(io::Error::other("it was removed or replaced while the run was on"));
        }
        self.check_length()
    }

    /// The list was not read to its end: the rows that it did not come to stay.
    fn keep_unreached(&mut self) {
        let kept = self
            .kept
            .take()
            .map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)));
        let mut places: Vec<_> = kept
            .unwrap_or_default()
            .into_values()
            .chain(std::mem::take(&mut self.earlier).into_values())
            .collect();
        places.sort_unstable_by_key(|place| place.at);
        for place in places {
            self.add(place.at, place.length);
        }
    }

    fn put_in_order(&mut self) -> io::Result<()> {
        let ordered = beside(&self.path, Some(self.file.metadata()?.permissions()))?;
        let mut out = ordered.reopen()?;
        // Whoever opens it under its name finds it locked until this run has ended.
        lock(&out, ordered.path())?;
        let mut from = &self.file;
        for (at, length) in &self.stretches {
            from.seek(SeekFrom::Start(*at))?;
            let copied = io::copy(&mut from.take(*length), &mut out)?;
            if copied != *length {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter meanwhile"));
            }
        }
        out.sync_all()?;
        ordered.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    /// Nothing was learnt: an earlier report stays as it was, and a new one does not come to be.
    pub(crate) fn abandon(self) {
        let _ = match self.state {
            // Somebody else may have put something in its place.
            State::New if !is_at(&self.file, &self.path).unwrap_or(false) => Ok(()),
            State::New => fs::remove_file(&self.path),
            State::Named => self.file.set_len(self.begun),
            State::Waiting { .. } => Ok(()),
        };
    }
}
