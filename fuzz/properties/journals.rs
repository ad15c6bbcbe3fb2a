//! Journals that were damaged: by a full disk, by an editor, by a merge.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::bytes::ByteReader;
use super::is_a_line;
use crate::input::InputRecord;
use crate::journal::{Journal, ResumeError, ResumeFilter};
use crate::login::Login;
use crate::report::{Breakdown, Columns, CountSelection, ReportSchema, Row, Status};
use crate::text::sanitize_multiline;

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// In order.
    Whole,
    /// The list broke off half-way.
    Half,
    /// Killed.
    Killed,
    /// Nothing was learnt.
    GivenUp,
}

/// What a run is made of.
struct Run {
    columns: Columns,
    wants: ResumeFilter,
    entries: Vec<InputRecord>,
    /// The rows of those who are asked for.
    answers: Vec<Row>,
}

/// A run that goes on with a damaged journal loses no row that was whole, and in the end the journal holds
/// one row for each login; going on once more changes nothing. A file that it cannot go on with stays as it
/// was.
pub fn journal(bytes: &[u8]) {
    let mut input = ByteReader::new(bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.ndjson");
    let run = Run::of(&mut input);
    let rows = rows(&mut input, &run);
    let mut journal = Journal::create(&path, &run.columns).unwrap();
    journal.rows(&rows).unwrap();
    journal.finish(true).unwrap();
    let original = fs::read(&path).unwrap();

    let ending = [Ending::Whole, Ending::Half, Ending::Killed, Ending::GivenUp][input.below(4)];
    let before = damaged(original.clone(), &mut input);
    fs::write(&path, &before).unwrap();
    let good = good(&original, &before);
    if let Err(error) = run.on(&path, ending) {
        let error = error.to_string();
        assert!(is_a_line(&error) && error.contains("journal.ndjson"), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), before, "{error}");
        return;
    }
    let after = fs::read(&path).unwrap();
    holds(&after, &good, &run);
    if ending == Ending::GivenUp {
        let whole = after.strip_suffix(b"\n").unwrap_or(&after);
        assert!(before.starts_with(&after) || before == whole, "nothing but a torn line may go");
    }
    run.on(&path, Ending::Whole).expect("what it went on with once it goes on with again");
    let ended = fs::read(&path).unwrap();
    holds(&ended, &good, &run);
    let logins: Vec<_> = lines(&ended).map(|line| Row::parse(line, &[]).unwrap().key()).collect();
    let asked: Vec<_> = run.answers.iter().map(Row::key).collect();
    assert_eq!(logins, asked);
    run.on(&path, Ending::Whole).expect("a finished journal is a journal");
    assert_eq!(fs::read(&path).unwrap(), ended);
}

impl Run {
    fn of(input: &mut ByteReader<'_>) -> Self {
        let measures = CountSelection { breakdown: input.flag(), private: input.flag() };
        let carried = if input.flag() { vec!["team".to_owned()] } else { Vec::new() };
        let columns = Columns::of(&ReportSchema { measures, carried, ..ReportSchema::default() });
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
                Err(not) => Row::without_count(&not.text, Status::Invalid, &not.to_string()),
                Ok(login) if input.byte().is_multiple_of(4) => {
                    Row::without_count(login.as_str(), Status::Failed, "broken")
                }
                Ok(login) => counted(login.as_str(), 1000 + at as u64, measures, "2026-11-25T12:00:00Z"),
            };
            answers.push(Row { carried: Clone::clone(&carried), ..row });
            entries.push(InputRecord { login, carried });
        }
        Self { columns, wants: ResumeFilter { measures, verify: false, since }, entries, answers }
    }

    fn on(&self, path: &Path, ending: Ending) -> Result<(), ResumeError> {
        let (mut journal, mut kept) = Journal::resume(path, &self.wants, &self.columns)?;
        let reached =
            if ending == Ending::Whole { self.entries.len() } else { self.entries.len().div_ceil(2) };
        let reached = self.entries.iter().zip(&self.answers).take(reached);
        let rows: Vec<_> =
            reached.map(|(entry, answer)| kept.take(entry).unwrap_or_else(|| answer.clone())).collect();
        journal.rows(&rows).unwrap();
        match ending {
            Ending::Whole => journal.finish(true).unwrap(),
            Ending::Half => journal.finish(false).unwrap(),
            Ending::Killed => drop(journal),
            Ending::GivenUp => journal.abandon(),
        }
        Ok(())
    }
}

fn counted(login: &str, repos: u64, measures: CountSelection, at: &str) -> Row {
    Row {
        public_repos: Some(repos),
        breakdown: measures.breakdown.then_some(Breakdown { sources: 1, forks: 2, archived: 3 }),
        private_repos: measures.private.then_some(4),
        error: None,
        at: Some(at.parse().unwrap()),
        ..Row::without_count(login, Status::Ok, "")
    }
}

/// What an earlier run has answered.
fn rows(input: &mut ByteReader<'_>, run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for answer in &run.answers {
        let row = match (answer.status, input.byte() % 8) {
            (Status::Invalid, _) => answer.clone(),
            (_, 0) => Row::without_count(&answer.login, Status::Failed, &input.text()),
            (_, 1) => Row::without_count(&answer.login, Status::NotFound, "no such login"),
            (_, 2) => counted(&answer.login, input.number(), run.wants.measures, "2026-11-20T12:00:00Z"),
            (_, 3) => {
                counted(&answer.login, input.number(), CountSelection::default(), "2026-11-24T12:00:00Z")
            }
            _ => counted(&answer.login, input.number(), run.wants.measures, "2026-11-23T12:00:00Z"),
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

/// The lines of answers that came through whole, where they are the only ones of their login.
fn good(original: &[u8], damaged: &[u8]) -> Vec<Vec<u8>> {
    let mut found = HashMap::<_, Vec<&[u8]>>::new();
    for line in lines(damaged) {
        if let Ok(row) = Row::parse(line.trim_ascii_end(), &[]) {
            found.entry(row.key()).or_default().push(line);
        }
    }
    let only = found.into_values().filter(|found| found.len() == 1).flatten();
    only.filter(|line| lines(original).any(|other| other == *line)).map(<[u8]>::to_vec).collect()
}

/// A row is an answer that is kept: the line is there, or one that says the same with a later answer.
fn holds(file: &[u8], good: &[Vec<u8>], run: &Run) {
    let read = |line: &[u8]| Row::parse(line.trim_ascii_end(), run.columns.carried());
    for line in good {
        let row = read(line).unwrap();
        let there = lines(file).filter_map(|line| read(line).ok());
        let again: Vec<_> = there.filter(|there| there.key() == row.key()).collect();
        let lost = || format!("{} of\n{}", String::from_utf8_lossy(line), String::from_utf8_lossy(file));
        let is_kept = |there: &Row| *there == row || there.at > row.at;
        if matches!(row.status, Status::Ok | Status::NotFound | Status::Invalid) {
            assert!(again.iter().any(is_kept), "{}", lost());
        }
    }
}
