//! Damaged journals: by a full disk, by an editor, by a merge.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::bytes::ByteReader;
use super::is_a_line;
use crate::input::InputRecord;
use crate::journal::{self, Journal, ResumeFilter};
use crate::login::Login;
use crate::partial::partial_path;
use crate::render::{ReportLayout, RowOrder, TerminalStyle};
use crate::report::{Breakdown, Columns, CountSelection, ReportSchema, Row, Status};
use crate::text::sanitize_multiline;

#[derive(Clone, Copy, Debug, PartialEq)]
enum RunEnd {
    Complete,
    /// The input broke off half-way.
    InputBrokeOff,
    Killed,
    /// Nothing was counted.
    Abandoned,
}

struct Run {
    layout: ReportLayout,
    filter: ResumeFilter,
    entries: Vec<InputRecord>,
    /// The rows of the logins that are looked up.
    answers: Vec<Row>,
}

/// A run that resumes from a damaged journal loses no row that is intact, and in the end the report has one row per login.
/// Resuming once more changes nothing. A file that a run cannot be resumed from is not changed, nor is a report before its
/// successor is complete.
pub fn journal(bytes: &[u8]) {
    let mut input = ByteReader::new(bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.ndjson");
    let run = Run::of(&mut input);
    let rows = rows(&mut input, &run);
    let mut journal = Journal::create(&path, &run.layout).unwrap();
    journal.rows(&rows).unwrap();
    journal.finish(journal::RunEnd::Complete).unwrap();
    journal.partial.publish().unwrap();
    let original = fs::read(&path).unwrap();

    let end = [RunEnd::Complete, RunEnd::InputBrokeOff, RunEnd::Killed, RunEnd::Abandoned][input.below(4)];
    let before = damaged(original.clone(), &mut input);
    // The rows are those of a report, or of an unfinished run.
    let from = if input.flag() { path.clone() } else { partial_path(&path) };
    if from != path {
        fs::remove_file(&path).unwrap();
    }
    fs::write(&from, &before).unwrap();
    let intact = intact_lines(&original, &before);
    if let Err(error) = run.resume(&path, end) {
        let error = format!("{error:#}");
        assert!(is_a_line(&error) && error.contains("journal.ndjson"), "{error:?}");
        assert_eq!(fs::read(&from).unwrap(), before, "{error}");
        return;
    }
    let unfinished = fs::read(partial_path(&path)).ok();
    assert!(end != RunEnd::Complete || unfinished.is_none());
    assert!(end == RunEnd::Complete || from != path || fs::read(&path).unwrap() == before);
    if end == RunEnd::Abandoned {
        let after = fs::read(&from).unwrap_or_default();
        let unterminated = after.strip_suffix(b"\n").unwrap_or(&after);
        assert!(before.starts_with(&after) || before == unterminated, "only a truncated line may be removed");
    }
    let after = unfinished.or_else(|| fs::read(&path).ok()).unwrap_or_default();
    assert_rows_remain(&after, &intact, &run);
    run.resume(&path, RunEnd::Complete).expect("a journal that was resumed can be resumed again");
    let ended = fs::read(&path).unwrap();
    assert_rows_remain(&ended, &intact, &run);
    let logins: Vec<_> = lines(&ended).map(|line| Row::parse(line, &[]).unwrap().key()).collect();
    let asked: Vec<_> = run.answers.iter().map(Row::key).collect();
    assert_eq!(logins, asked);
    run.resume(&path, RunEnd::Complete).expect("a finished journal is a journal");
    assert_eq!(fs::read(&path).unwrap(), ended);
}

impl Run {
    fn of(input: &mut ByteReader<'_>) -> Self {
        let measures =
            CountSelection { breakdown: input.flag(), private: input.flag(), last_push: input.flag() };
        let carried = if input.flag() { vec!["team".to_owned()] } else { Vec::new() };
        let columns = Columns::of(&ReportSchema { counts: measures, carried, ..ReportSchema::default() });
        let since = input.flag().then(|| "2026-11-22T12:00:00Z".parse().unwrap());
        let (mut entries, mut answers) = (Vec::new(), Vec::new());
        for at in 0..=input.below(6) {
            let login = if input.byte().is_multiple_of(8) {
                Login::parse(&format!("no login {at} {}", input.text()))
            } else {
                Login::parse(&format!("user-{at}"))
            };
            let carried = columns
                .carried()
                .iter()
                .map(|_| input.maybe(|input| sanitize_multiline(input.text().trim()).into()));
            let carried = carried.collect();
            let row = match &login {
                Err(invalid) => Row::without_count(&invalid.text, Status::Invalid, &invalid.to_string()),
                Ok(login) if input.byte().is_multiple_of(4) => {
                    Row::without_count(login.as_str(), Status::Failed, "broken")
                }
                Ok(login) => counted(login.as_str(), 1000 + at as u64, measures, "2026-11-25T12:00:00Z"),
            };
            answers.push(Row { carried: Clone::clone(&carried), ..row });
            entries.push(InputRecord { login, carried });
        }
        let layout = ReportLayout { columns, order: RowOrder::default(), style: TerminalStyle::default() };
        Self {
            layout,
            filter: ResumeFilter { measures, verify: false, since, shard: None },
            entries,
            answers,
        }
    }

    fn resume(&self, path: &Path, end: RunEnd) -> anyhow::Result<()> {
        let (mut journal, mut checkpoint) = Journal::resume(path, &self.filter, &self.layout)?;
        let reached =
            if end == RunEnd::Complete { self.entries.len() } else { self.entries.len().div_ceil(2) };
        let reached = self.entries.iter().zip(&self.answers).take(reached);
        let rows: Vec<_> =
            reached.map(|(entry, answer)| checkpoint.take(entry).unwrap_or_else(|| answer.clone())).collect();
        journal.rows(&rows).unwrap();
        match end {
            RunEnd::Complete => {
                journal.finish(journal::RunEnd::Complete).unwrap();
                journal.partial.publish().unwrap();
            }
            RunEnd::InputBrokeOff => journal.finish(journal::RunEnd::InputNotRead).unwrap(),
            RunEnd::Killed => drop(journal),
            RunEnd::Abandoned => journal.abandon(),
        }
        Ok(())
    }
}

fn counted(login: &str, repos: u64, measures: CountSelection, at: &str) -> Row {
    Row {
        public_repos: Some(repos),
        breakdown: measures.breakdown.then_some(Breakdown { sources: 1, forks: 2, archived: 3 }),
        private_repos: measures.private.then_some(4),
        last_push: measures.last_push.then_some("2026-01-01T00:00:00Z".parse().unwrap()),
        error: None,
        at: Some(at.parse().unwrap()),
        ..Row::without_count(login, Status::Ok, "")
    }
}

/// Returns the rows of an earlier run.
fn rows(input: &mut ByteReader<'_>, run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for answer in &run.answers {
        let row = match (answer.status, input.byte() % 8) {
            (Status::Invalid, _) => answer.clone(),
            (_, 0) => Row::without_count(&answer.login, Status::Failed, &input.text()),
            (_, 1) => Row::without_count(&answer.login, Status::NotFound, "no such login"),
            (_, 2) => counted(&answer.login, input.number(), run.filter.measures, "2026-11-20T12:00:00Z"),
            (_, 3) => {
                counted(&answer.login, input.number(), CountSelection::default(), "2026-11-24T12:00:00Z")
            }
            _ => counted(&answer.login, input.number(), run.filter.measures, "2026-11-23T12:00:00Z"),
        };
        rows.push(Row { carried: answer.carried.clone(), ..row });
    }
    rows
}

fn damaged(mut file: Vec<u8>, input: &mut ByteReader<'_>) -> Vec<u8> {
    for _ in 0..input.below(6) {
        let (kind, at) = (input.byte(), input.below(file.len() + 1));
        let mut lines: Vec<_> = file.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (count, line) = (lines.len(), input.below(lines.len()));
        match kind % 8 {
            0 => file.truncate(at),
            1 => drop(file.drain(at..file.len().min(at + usize::from(input.byte())))),
            2 => drop(file.splice(at..at, input.bytes(16).to_vec())),
            3 => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= 1 << (input.byte() % 8);
                }
            }
            4 => file.extend(std::iter::repeat_n(0, usize::from(input.byte()))),
            5 if count > 0 => {
                lines.remove(line);
                file = lines.concat();
            }
            6 if count > 0 => {
                lines.insert(input.below(count + 1), lines[line].clone());
                file = lines.concat();
            }
            _ if count > 0 => {
                lines.swap(line, input.below(count));
                file = lines.concat();
            }
            _ => {}
        }
    }
    file
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Returns the lines that are not damaged, if they are the only ones of their login.
fn intact_lines(original: &[u8], damaged: &[u8]) -> Vec<Vec<u8>> {
    let mut lines_by_key = HashMap::<_, Vec<&[u8]>>::new();
    for line in lines(damaged) {
        if let Ok(row) = Row::parse(line.trim_ascii_end(), &[]) {
            lines_by_key.entry(row.key()).or_default().push(line);
        }
    }
    let only = lines_by_key.into_values().filter(|lines| lines.len() == 1).flatten();
    only.filter(|line| lines(original).any(|other| other == *line)).map(<[u8]>::to_vec).collect()
}

/// Asserts that each answer is still in the file, or a later answer for the same login.
fn assert_rows_remain(file: &[u8], intact: &[Vec<u8>], run: &Run) {
    let carried = run.layout.columns.carried();
    let rows: Vec<_> =
        lines(file).filter_map(|line| Row::parse(line.trim_ascii_end(), carried).ok()).collect();
    for line in intact {
        let row = Row::parse(line.trim_ascii_end(), carried).unwrap();
        if matches!(row.status, Status::Ok | Status::NotFound | Status::Invalid) {
            let mut same_login = rows.iter().filter(|other| other.key() == row.key());
            assert!(
                same_login.any(|other| *other == row || other.at > row.at),
                "{} of\n{}",
                String::from_utf8_lossy(line),
                String::from_utf8_lossy(file)
            );
        }
    }
}
