//! Comparison with an earlier report: new and removed logins, renamed and replaced accounts, differences of the counts.
//!
//! Accounts are matched by id, which survives a change of the login. A row without a count copies what the baseline knows of its
//! account, so that the next comparison still knows it, however many runs fail.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;

use jiff::Timestamp;

use crate::report::{AccountKind, DiffSummary, Event, ReadReportError, Row, SavedReport, Status};
use crate::shard::Shard;

#[derive(Debug)]
pub(crate) struct Baseline {
    name: String,
    /// Time of the latest response.
    latest: Option<Timestamp>,
    rows: Vec<BaselineRow>,
    by_login: HashMap<Box<str>, usize>,
    by_id: HashMap<u64, usize>,
}

#[derive(Debug)]
struct BaselineRow {
    login: Box<str>,
    status: Status,
    kind: Option<AccountKind>,
    /// Last known id.
    id: Option<u64>,
    /// Last known count.
    count: Option<u64>,
    /// Set when a row of this report has the same account or login.
    is_seen: Cell<bool>,
}

/// A file that cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BaselineError {
    #[error(transparent)]
    Report(#[from] ReadReportError),
    #[error(
        "cannot compare with {name}: it has no column {column}; a baseline requires login, status, id and public_repos"
    )]
    MissingColumn { name: String, column: &'static str },
    #[error(
        "cannot compare with {name}: it was cut by --top {top}; use a report that was made without --top"
    )]
    Cut { name: String, top: usize },
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Self, BaselineError> {
        let report = SavedReport::read(path)?;
        let name = path.display().to_string();
        if let Some(column) = report.missing_key {
            return Err(BaselineError::MissingColumn { name, column });
        }
        match report.top {
            Some(top) if report.rows.len() >= top => Err(BaselineError::Cut { name, top }),
            _ => Ok(Self::of(name, report.rows)),
        }
    }

    /// Indexes the rows of an earlier report. The name is for messages.
    pub(crate) fn of(name: String, rows: Vec<Row>) -> Self {
        let latest = rows.iter().filter_map(|row| row.at).max();
        let mut baseline =
            Self { name, latest, rows: Vec::new(), by_login: HashMap::new(), by_id: HashMap::new() };
        // Logins that had been removed then are in neither input.
        for row in rows.into_iter().filter(|row| !row.is_removed()) {
            let index = baseline.rows.len();
            baseline.by_login.insert(row.key(), index);
            // The id of an uncounted row is an earlier one, and may have another login by now.
            if let Some(id) = row.id
                && (row.status == Status::Ok || !baseline.by_id.contains_key(&id))
            {
                baseline.by_id.insert(id, index);
            }
            baseline.rows.push(BaselineRow {
                login: row.login.into(),
                status: row.status,
                kind: row.kind,
                id: row.id,
                count: row.public_repos.or(row.was),
                is_seen: Cell::new(false),
            });
        }
        baseline
    }

    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    pub(crate) fn empty_summary(&self) -> DiffSummary {
        DiffSummary { baseline: self.name.clone(), ..DiffSummary::default() }
    }

    /// Sets the earlier count, the change and the event of a row.
    pub(crate) fn compare(&self, row: &mut Row) {
        (row.was, row.change, row.event, row.previous_login) = (None, None, Some(Event::New), None);
        let by_login = self.by_login.get(&row.key()).and_then(|index| self.rows.get(*index));
        let Some(count) = row.public_repos else {
            if let Some(earlier) = by_login {
                earlier.is_seen.set(true);
                compare_uncounted(row, earlier);
            }
            return;
        };
        let by_id = row.id.and_then(|id| self.by_id.get(&id)).and_then(|index| self.rows.get(*index));
        // Several logins of the baseline may have the id: one that was renamed, and its new name.
        let same_login = by_login.filter(|earlier| earlier.id == row.id);
        let Some(earlier) = same_login.or(by_id).or(by_login) else { return };
        for seen in by_login.into_iter().chain([earlier]) {
            seen.is_seen.set(true);
        }
        row.was = earlier.count;
        let is_same_account = earlier.id == row.id || earlier.id.is_none() || row.id.is_none();
        if !is_same_account {
            row.event = Some(Event::Replaced);
            return;
        }
        row.change = earlier.count.map(|was| difference(was, count));
        row.event = if !earlier.login.eq_ignore_ascii_case(&row.login) {
            row.previous_login = Some(earlier.login.to_string());
            Some(Event::Renamed)
        } else if earlier.count.is_none() {
            Some(Event::Unknown)
        } else {
            None
        };
    }

    /// Returns rows for the logins that this report does not have; with a shard, only for those of the shard. Invalid logins are
    /// left out.
    pub(crate) fn removed_rows(&self, shard: Option<Shard>) -> Vec<Row> {
        let removed = self.rows.iter().filter(|earlier| {
            !earlier.is_seen.get()
                && earlier.status != Status::Invalid
                && shard.is_none_or(|shard| shard.contains(earlier.login.trim()))
        });
        let rows = removed.map(|earlier| Row {
            kind: earlier.kind,
            id: earlier.id,
            was: earlier.count,
            event: Some(Event::Removed),
            ..Row::without_count(&earlier.login, Status::Removed, "no longer in the list")
        });
        rows.collect()
    }
}

/// Compares a row without a count with the row of the same login, and copies the last known id and count.
fn compare_uncounted(row: &mut Row, earlier: &BaselineRow) {
    row.id = row.id.or(earlier.id);
    row.event = Some(Event::Unknown);
    match (row.status, earlier.status) {
        // A count that is not copied is not reported as missing again.
        (Status::Forbidden | Status::Failed | Status::Skipped, Status::NotFound) => {}
        (Status::NotFound, status) => {
            row.was = earlier.count;
            if earlier.count.is_some() && status != Status::NotFound {
                row.event = Some(Event::Missing);
            }
        }
        _ => row.was = earlier.count,
    }
    if matches!(row.status, Status::Forbidden | Status::Failed | Status::Skipped)
        && (row.id.is_some() || row.was.is_some())
    {
        // The values are older than the response.
        row.at = None;
    }
}

/// A server can report any number.
fn difference(was: u64, is: u64) -> i64 {
    is.checked_signed_diff(was).unwrap_or(if is > was { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(login: &str, id: u64, repos: Option<u64>) -> Row {
        let status = if repos.is_some() { Status::Ok } else { Status::Failed };
        let id = (id > 0).then_some(id);
        Row { id, public_repos: repos, error: None, ..Row::without_count(login, status, "") }
    }

    fn not_found(login: &str) -> Row {
        Row::without_count(login, Status::NotFound, "")
    }

    /// Compares rows, and returns them as the baseline of the next run.
    fn compare(baseline: &Baseline, mut rows: Vec<Row>) -> (Vec<Row>, Baseline) {
        for row in &mut rows {
            baseline.compare(row);
        }
        rows.extend(baseline.removed_rows(None));
        let next = Baseline::of("then".into(), rows.clone());
        (rows, next)
    }

    type Comparison<'a> = (&'a str, Option<u64>, Option<i64>, Option<Event>, Option<&'a str>);

    fn events(rows: &[Row]) -> Vec<Comparison<'_>> {
        let mut events = Vec::new();
        for row in rows {
            events.push((row.login.as_str(), row.was, row.change, row.event, row.previous_login.as_deref()));
        }
        events
    }

    #[test]
    fn a_copied_id_or_count_has_no_date() {
        let baseline = Baseline::of("then".into(), vec![row("counted", 0, Some(3)), row("known", 2, None)]);
        for login in ["counted", "known"] {
            let mut forbidden = Row::without_count(login, Status::Forbidden, "");
            forbidden.at = Some(jiff::Timestamp::UNIX_EPOCH);
            baseline.compare(&mut forbidden);
            assert_eq!((forbidden.at, forbidden.event), (None, Some(Event::Unknown)), "{login}");
        }
    }

    #[test]
    fn an_id_is_that_of_the_counted_row() {
        let (counted, failed) = (row("counted", 7, Some(5)), row("failed", 7, None));
        for then in [[&counted, &failed], [&failed, &counted]] {
            let baseline = Baseline::of("then".into(), then.map(Row::clone).into());
            let (rows, _) = compare(&baseline, vec![row("now", 7, Some(6))]);
            let expected = ("now", Some(5), Some(1), Some(Event::Renamed), Some("counted"));
            assert_eq!(events(&rows)[0], expected, "{}", then[0].login);
        }
    }

    #[test]
    fn every_kind_of_change_is_recognized() {
        let removed = Row { status: Status::Removed, was: Some(1), ..row("left-before", 8, None) };
        let baseline = Baseline::of(
            "then".into(),
            vec![
                row("same", 1, Some(5)),
                row("grows", 2, Some(5)),
                row("old-name", 3, Some(5)),
                row("taken", 4, Some(5)),
                row("leaver", 5, Some(7)),
                row("failed-then", 0, None),
                row("fails-now", 6, Some(5)),
                row("mover", 7, Some(1)),
                row("csv", 0, Some(3)),
                row("deleted", 12, Some(4)),
                removed,
            ],
        );
        let (rows, _) = compare(
            &baseline,
            vec![
                row("SAME", 1, Some(5)),
                row("grows", 2, Some(9)),
                row("new-name", 3, Some(4)),
                row("taken", 40, Some(5)),
                row("failed-then", 9, Some(5)),
                row("fails-now", 0, None),
                row("joiner", 10, Some(2)),
                // An account that took the login of another account is still the same account.
                row("old-name", 7, Some(1)),
                row("csv", 11, Some(2)),
                not_found("deleted"),
                row("left-before", 8, Some(5)),
                row("joins-and-fails", 0, None),
            ],
        );
        let expected = [
            ("SAME", Some(5), Some(0), None, None),
            ("grows", Some(5), Some(4), None, None),
            ("new-name", Some(5), Some(-1), Some(Event::Renamed), Some("old-name")),
            ("taken", Some(5), None, Some(Event::Replaced), None),
            ("failed-then", None, None, Some(Event::Unknown), None),
            ("fails-now", Some(5), None, Some(Event::Unknown), None),
            ("joiner", None, None, Some(Event::New), None),
            ("old-name", Some(1), Some(0), Some(Event::Renamed), Some("mover")),
            ("csv", Some(3), Some(-1), None, None),
            ("deleted", Some(4), None, Some(Event::Missing), None),
            ("left-before", None, None, Some(Event::New), None),
            ("joins-and-fails", None, None, Some(Event::New), None),
            ("leaver", Some(7), None, Some(Event::Removed), None),
        ];
        assert_eq!(events(&rows), expected);
        assert_eq!(rows[5].id, Some(6), "the last known id");
    }

    #[test]
    fn failed_rows_keep_what_was_known_for_any_number_of_runs() {
        let logins = ["same", "old-name", "taken", "leaver", "deleted"];
        let first: Vec<_> = (1..).zip(logins).map(|(id, login)| row(login, id, Some(10 * id))).collect();
        let mut baseline = Baseline::of("then".into(), first);
        for status in [Status::Failed, Status::Forbidden, Status::Skipped] {
            let at = Some(jiff::Timestamp::UNIX_EPOCH);
            let failing = logins.map(|login| Row { at, ..Row::without_count(login, status, "x") });
            let (rows, next) = compare(&baseline, failing.to_vec());
            assert!(rows.iter().all(|row| row.event == Some(Event::Unknown) && row.at.is_none()), "{rows:?}");
            assert_eq!((rows[0].id, rows[0].was, rows[0].public_repos), (Some(1), Some(10), None));
            baseline = next;
        }
        let now = vec![
            row("same", 1, Some(11)),
            row("new-name", 2, Some(20)),
            row("taken", 33, Some(1)),
            not_found("deleted"),
        ];
        let expected = [
            ("same", Some(10), Some(1), None, None),
            ("new-name", Some(20), Some(0), Some(Event::Renamed), Some("old-name")),
            ("taken", Some(30), None, Some(Event::Replaced), None),
            ("deleted", Some(50), None, Some(Event::Missing), None),
            ("leaver", Some(40), None, Some(Event::Removed), None),
        ];
        let (rows, next) = compare(&baseline, now.clone());
        assert_eq!(events(&rows), expected);
        let (rows, _) = compare(&next, now);
        let events: Vec<_> = rows.iter().map(|row| row.event).collect();
        assert_eq!(events, [None, None, None, Some(Event::Unknown)], "each event is reported once");
    }

    #[test]
    fn a_missing_account_is_reported_once_and_recognized_later() {
        let first = Baseline::of("then".into(), vec![row("a", 1, Some(5))]);
        let (_, missing) = compare(&first, vec![not_found("a")]);
        let (rows, still_missing) = compare(&missing, vec![not_found("a")]);
        assert_eq!(events(&rows), [("a", Some(5), None, Some(Event::Unknown), None)]);
        let (_, failed) = compare(&still_missing, vec![row("a", 0, None)]);
        let (rows, _) = compare(&failed, vec![not_found("a")]);
        assert_eq!(rows[0].event, Some(Event::Unknown));
        let (rows, _) = compare(&still_missing, vec![row("a", 1, Some(6))]);
        assert_eq!(events(&rows), [("a", Some(5), Some(1), None, None)]);
        for baseline in [missing, still_missing, failed] {
            let (rows, _) = compare(&baseline, vec![row("a", 2, Some(6))]);
            assert_eq!(rows[0].event, Some(Event::Replaced), "somebody else took the name");
        }
    }

    #[test]
    fn an_old_login_that_stays_in_the_list_is_not_renamed_again() {
        let first = Baseline::of("then".into(), vec![row("old", 1, Some(5))]);
        let both = vec![not_found("old"), row("new", 1, Some(5))];
        let (rows, second) = compare(&first, both.clone());
        assert_eq!((rows[0].event, rows[1].event), (Some(Event::Missing), Some(Event::Renamed)));
        let (rows, third) = compare(&second, both);
        assert_eq!((rows[0].event, rows[1].event), (Some(Event::Unknown), None));
        let (_, fourth) = compare(&third, vec![row("old", 0, None), row("new", 0, None)]);
        let (rows, _) = compare(&fourth, vec![row("new", 1, Some(6))]);
        assert_eq!(rows[0].event, None);
        assert_eq!((rows[1].login.as_str(), rows[1].event), ("old", Some(Event::Removed)));
    }

    #[test]
    fn a_removed_row_has_the_earlier_id_and_is_in_one_shard() {
        let invalid = Row { status: Status::Invalid, ..row("no/login", 0, None) };
        let gone = Row { kind: Some(AccountKind::Organization), ..row("gone", 5, Some(7)) };
        let baseline = Baseline::of("then".into(), vec![gone, invalid, row("failed", 0, None)]);
        let removed = baseline.removed_rows(None);
        let logins: Vec<_> = removed.iter().map(|row| row.login.as_str()).collect();
        assert_eq!(logins, ["gone", "failed"]);
        let first = &removed[0];
        assert_eq!((first.kind, first.id, first.was), (Some(AccountKind::Organization), Some(5), Some(7)));
        assert_eq!((first.public_repos, first.status), (None, Status::Removed));
        let parts: Vec<_> =
            [1, 2].map(|part| baseline.removed_rows(Some(Shard { part, of: 2 })).len()).into();
        assert_eq!(parts.iter().sum::<usize>(), 2);
        for part in [1, 2] {
            let shard = Shard { part, of: 2 };
            let is_here = baseline.removed_rows(Some(shard)).iter().any(|row| row.login == "gone");
            assert_eq!(is_here, shard.contains("gone"));
        }
    }
}
