//! Changes since an earlier report: new and removed logins, renamed and replaced accounts, differences of the counts.
//!
//! Accounts are matched by id, which survives a change of the login. If one of the two counts is missing, the change is unknown,
//! never a difference.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{AccountKind, Change, DiffSummary, ReadReportError, Row, SavedReport, Status};
use crate::shard::Shard;

#[derive(Debug)]
pub(crate) struct Baseline {
    name: String,
    rows: Vec<BaselineRow>,
    by_login: HashMap<Box<str>, usize>,
    by_id: HashMap<u64, usize>,
}

#[derive(Debug)]
struct BaselineRow {
    login: Box<str>,
    status: Status,
    kind: Option<AccountKind>,
    id: Option<u64>,
    public_repos: Option<u64>,
    /// Set when a row of this report has the same account or login.
    is_seen: AtomicBool,
}

impl Baseline {
    pub(crate) fn read(path: &Path) -> Result<Self, ReadReportError> {
        let report = SavedReport::read(path)?;
        Ok(Self::of(path.display().to_string(), report.rows))
    }

    /// Indexes the rows of an earlier report. The name is for messages.
    pub(crate) fn of(name: String, rows: Vec<Row>) -> Self {
        let mut baseline = Self { name, rows: Vec::new(), by_login: HashMap::new(), by_id: HashMap::new() };
        // Logins that had been removed then are in neither input.
        for row in rows.into_iter().filter(|row| !row.is_gone()) {
            let index = baseline.rows.len();
            baseline.by_login.insert(row.key(), index);
            if let Some(id) = row.id {
                baseline.by_id.insert(id, index);
            }
            baseline.rows.push(BaselineRow {
                login: row.login.into(),
                status: row.status,
                kind: row.kind,
                id: row.id,
                public_repos: row.public_repos,
                is_seen: AtomicBool::new(false),
            });
        }
        baseline
    }

    pub(crate) fn empty_summary(&self) -> DiffSummary {
        DiffSummary { baseline: self.name.clone(), ..DiffSummary::default() }
    }

    /// Sets the earlier count and the change of a row.
    pub(crate) fn compare(&self, row: &mut Row) {
        let by_login = self.by_login.get(&row.key()).and_then(|index| self.rows.get(*index));
        let by_id = row.id.and_then(|id| self.by_id.get(&id)).and_then(|index| self.rows.get(*index));
        for earlier in by_login.iter().chain(&by_id) {
            earlier.is_seen.store(true, Ordering::Relaxed);
        }
        let earlier = by_id.or(by_login);
        row.was = earlier.and_then(|earlier| earlier.public_repos);
        row.change = Some(match (row.public_repos, earlier, row.was) {
            (None, ..) | (_, Some(_), None) => Change::Unknown,
            (Some(_), None, _) => Change::New,
            (Some(is), Some(_), Some(was)) => match (by_id, by_login) {
                (Some(same), _) if !same.login.eq_ignore_ascii_case(&row.login) => Change::Renamed,
                (None, Some(other)) if other.id.is_some() && row.id.is_some() => Change::Replaced,
                _ => Change::between(was, is),
            },
        });
    }

    /// Returns rows for the logins that this report does not have; with a shard, only for those of the shard. Invalid logins are
    /// left out.
    pub(crate) fn removed_rows(&self, shard: Option<Shard>) -> Vec<Row> {
        let removed = self.rows.iter().filter(|earlier| {
            !earlier.is_seen.load(Ordering::Relaxed)
                && earlier.status != Status::Invalid
                && shard.is_none_or(|shard| shard.contains(earlier.login.trim()))
        });
        let rows = removed.map(|earlier| Row {
            kind: earlier.kind,
            id: earlier.id,
            was: earlier.public_repos,
            change: Some(Change::Gone),
            ..Row::without_count(&earlier.login, Status::Skipped, "not asked: no longer in the list")
        });
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::AccountKind;

    fn row(login: &str, id: u64, repos: Option<u64>) -> Row {
        let status = if repos.is_some() { Status::Ok } else { Status::Failed };
        let id = (id > 0).then_some(id);
        Row { id, public_repos: repos, error: None, ..Row::without_count(login, status, "") }
    }

    #[test]
    fn every_kind_of_change_is_recognized() {
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
                Row { change: Some(Change::Gone), ..row("left-before", 8, None) },
            ],
        );
        let mut changes = Vec::new();
        for mut row in [
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
            row("left-before", 8, Some(5)),
        ] {
            baseline.compare(&mut row);
            changes.push((row.login, row.was, row.change.unwrap()));
        }
        let expected = [
            ("SAME", Some(5), Change::By(0)),
            ("grows", Some(5), Change::By(4)),
            ("new-name", Some(5), Change::Renamed),
            ("taken", Some(5), Change::Replaced),
            ("failed-then", None, Change::Unknown),
            ("fails-now", Some(5), Change::Unknown),
            ("joiner", None, Change::New),
            ("old-name", Some(1), Change::Renamed),
            ("csv", Some(3), Change::By(-1)),
            ("left-before", None, Change::New),
        ];
        assert_eq!(changes, expected.map(|(login, was, change)| (login.to_owned(), was, change)));
        let gone: Vec<_> = baseline.removed_rows(None).into_iter().map(|row| (row.login, row.was)).collect();
        assert_eq!(gone, [("leaver".to_owned(), Some(7))]);
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
        assert_eq!((first.public_repos, first.change), (None, Some(Change::Gone)));
        let parts: Vec<_> =
            [1, 2].map(|part| baseline.removed_rows(Some(Shard { part, of: 2 })).len()).into();
        assert_eq!(parts.iter().sum::<usize>(), 2);
        for part in [1, 2] {
            let shard = Shard { part, of: 2 };
            let changes = baseline.removed_rows(Some(shard)).iter().any(|row| row.login == "gone");
            assert_eq!(changes, shard.contains("gone"));
        }
    }
}
