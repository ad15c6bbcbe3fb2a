use std::fs;

use super::*;
use crate::render::sample;
use crate::report::{CountSelection, ReportSchema};

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn a_row_that_came_early_takes_the_place_of_the_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.ndjson");
    let columns = Columns::of(&ReportSchema {
        measures: CountSelection { breakdown: true, private: false },
        verified: true,
        ..ReportSchema::default()
    });
    let rows = sample::rows();
    let mut journal = Journal::create(&path, &columns).unwrap();
    journal.rows(&rows).unwrap();
    journal.finish(true).unwrap();
    assert_eq!(lines(&path), 5);

    // All answers are too old; one is answered anew, before its turn, and the list breaks off.
    let measures = CountSelection { breakdown: true, private: false };
    let since = Some("2099-01-01T00:00:00Z".parse().unwrap());
    let (mut journal, _) =
        Journal::resume(&path, &ResumeFilter { measures, verify: true, since }, &columns).unwrap();
    journal.early(&[(0, rows[0].clone())]).unwrap();
    journal.rows(&rows[..1]).unwrap();
    journal.finish(false).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let logins: Vec<_> = text.lines().map(|line| Row::parse(line.as_bytes(), &[]).unwrap().login).collect();
    assert_eq!(logins[0], "torvalds");
    assert_eq!(logins.iter().filter(|login| *login == "torvalds").count(), 1, "{text}");
    assert!(logins.contains(&"microsoft".to_owned()), "who was not reached stays: {text}");
}

#[test]
fn a_run_that_is_given_up_leaves_it_as_it_was() {
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
