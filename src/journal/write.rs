//! Writing a journal: complete lines at once, in input order at the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use super::read::{Checkpoint, KeptRows, RowSpan, RowSpans, hash, scan};
use super::{ResumeError, ResumeFilter, cannot_resume};
use crate::decode::utf8_file;
use crate::partial::{Earlier, PartialFile};
use crate::render::{Format, Meta, ReportLayout, line, renderer};
use crate::report::{Row, Status, Summary};

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) partial: PartialFile,
    layout: ReportLayout,
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

/// End of a run, as far as its reports are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// Reports replace earlier ones.
    Complete,
    /// Logins were not looked up.
    Incomplete,
    /// The input was not read to its end either.
    InputNotRead,
}

/// Positions of bytes in the file.
type Extent = Range<u64>;

impl Journal {
    /// Creates a journal for the report at `path`. Refuses to replace another one.
    pub(crate) fn create(path: &Path, layout: &ReportLayout) -> io::Result<Self> {
        Ok(Self::new(PartialFile::create(path, Earlier::Refuse)?, layout))
    }

    /// Resumes from the rows of an unfinished run, or else from those of the report at `path`.
    pub(crate) fn resume(
        path: &Path,
        filter: &ResumeFilter,
        layout: &ReportLayout,
    ) -> anyhow::Result<(Self, Checkpoint)> {
        let partial = PartialFile::open(path).with_context(|| cannot_resume(path))?;
        let is_copy = partial.is_new && partial.target.exists();
        let source = if is_copy { &partial.target } else { &partial.path }.clone();
        let report = is_copy.then_some(&*source);
        Self::try_resume(partial, report, filter, layout).with_context(|| cannot_resume(&source))
    }

    fn try_resume(
        mut partial: PartialFile,
        report: Option<&Path>,
        filter: &ResumeFilter,
        layout: &ReportLayout,
    ) -> Result<(Self, Checkpoint), ResumeError> {
        let scan = if let Some(report) = report {
            let mut report = utf8_file(File::open(report)?)?;
            let scan = scan(&report, filter, &layout.columns)?;
            report.rewind()?;
            partial.copy_from(report.take(scan.len))?;
            scan
        } else {
            scan(&partial.file, filter, &layout.columns)?
        };
        repair(&partial.file, scan.len, scan.missing_newline)?;
        let reader = File::open(&partial.path)?;
        let checkpoint = Checkpoint::new(reader, &scan, &layout.columns);
        let len = scan.len + u64::from(scan.missing_newline);
        let journal = Self {
            len,
            initial_len: len,
            kept: scan.kept,
            fallbacks: scan.fallbacks,
            ..Self::new(partial, layout)
        };
        Ok((journal, checkpoint))
    }

    fn new(partial: PartialFile, layout: &ReportLayout) -> Self {
        Self {
            partial,
            layout: layout.clone(),
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
        self.write()
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
        self.write()
    }

    fn add_extent(&mut self, extent: Extent) {
        match self.extents.last_mut() {
            Some(last) if last.end == extent.start => last.end = extent.end,
            _ => self.extents.push(extent),
        }
    }

    /// Returns the extent of a row of an earlier run that stays, if there is one.
    fn kept_extent(&mut self, row: &Row) -> Option<Extent> {
        let kept = self.kept.lock().remove(&row.key());
        if let Some(span) = kept {
            let mut written = Vec::with_capacity(span.len as usize);
            line(&mut written, &self.layout.columns, row);
            let is_same = written.len() == span.len as usize && hash(&written) == span.hash;
            return is_same.then(|| span.extent());
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
            Err(_) => Some(fallback.extent()),
        }
    }

    fn read_row(&self, span: RowSpan) -> io::Result<Row> {
        let mut line = Vec::with_capacity(span.len as usize);
        let read = self.read_extent(&span.extent())?.read_to_end(&mut line);
        (&self.partial.file).seek(SeekFrom::Start(self.len))?;
        read?;
        Row::parse(line.trim_ascii_end(), &[]).map_err(io::Error::other)
    }

    fn append(&mut self, row: &Row) -> Extent {
        let start = self.len + self.buffer.len() as u64;
        line(&mut self.buffer, &self.layout.columns, row);
        start..self.len + self.buffer.len() as u64
    }

    /// Passes complete lines to the system, which writes them even if the run is killed.
    fn write(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.check_len()?;
        let mut file = &self.partial.file;
        if let Err(error) = file.write_all(&self.buffer) {
            // A full disk may have taken a part of a line.
            let _ = file.set_len(self.len);
            return Err(error);
        }
        self.len += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn check_len(&self) -> io::Result<()> {
        if self.partial.file.metadata()?.len() == self.len {
            return Ok(());
        }
        let path = self.partial.path.display();
        Err(io::Error::other(format!("another program has written to {path} during the run")))
    }

    /// Writes the rows in input order, or those of a complete report in the order of `--sort` and `--top`.
    pub(crate) fn finish(&mut self, end: RunEnd) -> io::Result<()> {
        self.write()?;
        self.partial.file.sync_all()?;
        self.partial.check_in_place()?;
        self.check_len()?;
        if end == RunEnd::InputNotRead {
            self.retain_unvisited();
        }
        let is_in_order = match self.extents.as_slice() {
            [] => self.len == 0,
            [only] => *only == (0..self.len),
            _ => false,
        };
        let is_sorted = end == RunEnd::Complete && !self.layout.order.is_input_order();
        if is_sorted || !is_in_order { self.rewrite(is_sorted) } else { Ok(()) }
    }

    /// Adds the rows of an earlier run that the input was not read far enough for.
    fn retain_unvisited(&mut self) {
        let mut unvisited: Vec<_> =
            self.kept.lock().drain().chain(self.fallbacks.drain()).map(|(_, span)| span.extent()).collect();
        unvisited.sort_unstable_by_key(|extent| extent.start);
        for extent in unvisited {
            self.add_extent(extent);
        }
    }

    fn rewrite(&mut self, is_sorted: bool) -> io::Result<()> {
        let mut rewritten = self.partial.create_successor()?;
        if is_sorted {
            self.write_sorted(&rewritten)?;
        } else {
            for extent in &self.extents {
                if io::copy(&mut self.read_extent(extent)?, &mut rewritten)? != extent.end - extent.start {
                    let reason = "it became shorter during the run";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
                }
            }
        }
        rewritten.sync_all()?;
        self.partial.replace(rewritten)
    }

    fn write_sorted(&self, sorted: &File) -> io::Result<()> {
        let out = BufWriter::new(Box::new(sorted.try_clone()?) as Box<dyn Write + Send>);
        let mut renderer = renderer(Format::Ndjson, &self.layout, &Meta::default(), out);
        for extent in &self.extents {
            for line in BufReader::new(self.read_extent(extent)?).split(b'\n') {
                let row = Row::parse(&line?, self.layout.columns.carried()).map_err(io::Error::other)?;
                renderer.row(&row)?;
            }
        }
        renderer.finish(&Summary::default())
    }

    fn read_extent(&self, extent: &Extent) -> io::Result<io::Take<&File>> {
        let mut file = &self.partial.file;
        file.seek(SeekFrom::Start(extent.start))?;
        Ok(file.take(extent.end - extent.start))
    }

    /// Gives up a run in which nothing was counted: an earlier journal stays as it was, a new one is removed.
    pub(crate) fn abandon(self) {
        if self.partial.is_new {
            self.partial.discard();
        } else {
            let _ = self.partial.file.set_len(self.initial_len);
        }
    }
}

/// Cuts a truncated last line off, and adds a missing line end.
fn repair(mut file: &File, len: u64, missing_newline: bool) -> io::Result<()> {
    if file.metadata()?.len() > len {
        file.set_len(len)?;
    }
    file.seek(SeekFrom::Start(len))?;
    if missing_newline { file.write_all(b"\n") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::partial::partial_path;
    use crate::render::{RowOrder, SortKey, TerminalStyle, sample};
    use crate::report::{Columns, CountSelection, ReportSchema};

    fn layout(schema: &ReportSchema) -> ReportLayout {
        let order = RowOrder::default();
        ReportLayout { columns: Columns::of(schema), order, style: TerminalStyle::default() }
    }

    fn logins(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| Row::parse(line.as_bytes(), &[]).unwrap().login).collect()
    }

    #[test]
    fn a_row_out_of_order_replaces_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let measures = CountSelection { breakdown: true, private: false, last_push: false };
        let layout = layout(&ReportSchema { counts: measures, verified: true, ..ReportSchema::default() });
        let rows = sample::rows();
        let mut journal = Journal::create(&path, &layout).unwrap();
        journal.rows(&rows).unwrap();
        journal.finish(RunEnd::Complete).unwrap();
        journal.partial.publish().unwrap();
        assert_eq!(logins(&path).len(), 5);

        // All answers are too old; one is replaced out of order, and the input breaks off.
        let since = Some("2099-01-01T00:00:00Z".parse().unwrap());
        let (mut journal, _) =
            Journal::resume(&path, &ResumeFilter { measures, verify: true, since, shard: None }, &layout)
                .unwrap();
        journal.rows_out_of_order(&[(0, rows[0].clone())]).unwrap();
        journal.rows(&rows[..1]).unwrap();
        journal.finish(RunEnd::InputNotRead).unwrap();
        let logins = logins(&partial_path(&path));
        assert_eq!(logins[0], "torvalds");
        assert_eq!(logins.iter().filter(|login| *login == "torvalds").count(), 1, "{logins:?}");
        assert!(logins.contains(&"microsoft".to_owned()), "a login that was not reached stays: {logins:?}");
    }

    #[test]
    fn an_abandoned_run_leaves_the_files_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let layout = layout(&ReportSchema::default());
        let failed = [Row::without_count("a", Status::Failed, "broken")];
        let mut journal = Journal::create(&path, &layout).unwrap();
        journal.rows(&failed).unwrap();
        journal.abandon();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let row = String::from_utf8({
            let mut text = Vec::new();
            line(&mut text, &layout.columns, &sample::rows()[0]);
            text
        });
        let row = row.unwrap();
        let filter =
            ResumeFilter { measures: CountSelection::default(), verify: false, since: None, shard: None };
        for name in [path.clone(), partial_path(&path)] {
            fs::write(&name, &row).unwrap();
            let (mut journal, _) = Journal::resume(&path, &filter, &layout).unwrap();
            journal.rows(&failed).unwrap();
            journal.abandon();
            assert_eq!(fs::read_to_string(&name).unwrap(), row);
            fs::remove_file(&name).unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_complete_report_is_sorted_and_an_incomplete_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.ndjson");
        let order = RowOrder { by: SortKey::public_repos(), reverse: false, top: Some(2) };
        let layout = ReportLayout { order, ..layout(&ReportSchema::default()) };
        for (end, expected) in [
            (RunEnd::Complete, &["microsoft", "torvalds"][..]),
            (RunEnd::Incomplete, &["torvalds", "microsoft", "nosuchlogin"]),
        ] {
            let mut journal = Journal::create(&path, &layout).unwrap();
            journal.rows(&sample::rows()[..3]).unwrap();
            journal.finish(end).unwrap();
            assert_eq!(logins(&partial_path(&path)), expected);
            journal.partial.publish().unwrap();
        }
    }
}
