//! What has changed since an earlier report: who came, who went, who is somebody else now, and whose
//! repositories have grown or shrunk.
//!
//! An account is known again by its id, which survives a change of its login. Where one of the two
//! counts is missing the change is not known, and never a difference.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{AccountKind, Change, DiffSummary, ReadReportError, Row, SavedReport, Status};
use crate::shard::Shard;

/// An earlier report to compare with.
#[derive(Debug)]
pub(crate) struct Baseline {
    name: String,
    rows: Vec<Earlier>,
    by_login: HashMap<Box<str>, usize>,
    by_id: HashMap<u64, usize>,
}

/// What an earlier report says of a login.
#[derive(Debug)]
struct Earlier {
    login: Box<str>,
    status: Status,
    kind: Option<AccountKind>,
    id: Option<u64>,
    public_repos: Option<u64>,
    /// Whether it is in this report, too.
    met: AtomicBool,
}

impl Baseline {
    /// Reads an earlier report.
    ///
    /// # Errors
    /// [`ReadReportError`] for what is none.
    pub(crate) fn read(path: &Path) -> Result<Self, ReadReportError> {
        let finished = SavedReport::read(path)?;
        Ok(Self::of(path.display().to_string(), finished.rows))
    }

    /// An earlier report that is called `name`.
    #[must_use]
    pub(crate) fn of(name: String, rows: Vec<Row>) -> Self {
        let mut baseline = Self { name, rows: Vec::new(), by_login: HashMap::new(), by_id: HashMap::new() };
        // Who was gone then was in neither roster.
        for row in rows.into_iter().filter(|row| !row.is_gone()) {
            let at = baseline.rows.len();
            baseline.by_login.insert(row.key(), at);
            if let Some(id) = row.id {
                baseline.by_id.insert(id, at);
            }
            baseline.rows.push(Earlier {
                login: row.login.into(),
                status: row.status,
                kind: row.kind,
                id: row.id,
                public_repos: row.public_repos,
                met: AtomicBool::new(false),
            });
        }
        baseline
    }

    /// No changes yet.
    #[must_use]
    pub(crate) fn drift(&self) -> DiffSummary {
        DiffSummary { baseline: self.name.clone(), ..DiffSummary::default() }
    }

    /// Tells in a row what has changed.
    pub(crate) fn compare(&self, row: &mut Row) {
        let earlier = |at: Option<&usize>| at.and_then(|at| self.rows.get(*at));
        let named = earlier(self.by_login.get(&row.key()));
        let same = row.id.and_then(|id| earlier(self.by_id.get(&id)));
        for met in [named, same].into_iter().flatten() {
            met.met.store(true, Ordering::Relaxed);
        }
        let known = same.or(named);
        row.was = known.and_then(|earlier| earlier.public_repos);
        let change = match (row.public_repos, known, row.was) {
            (None, ..) | (_, Some(_), None) => Change::Unknown,
            (Some(_), None, _) => Change::New,
            (Some(is), Some(_), Some(was)) => match (same, named) {
                (Some(same), _) if !same.login.eq_ignore_ascii_case(&row.login) => Change::Renamed,
                (None, Some(named)) if named.id.is_some() && row.id.is_some() => Change::Replaced,
                _ => Change::between(was, is),
            },
        };
        row.change = Some(change);
    }

    /// Rows for those who were in the roster then and are not any more; of a part of the roster, where
    /// only that was compared.
    #[must_use]
    pub(crate) fn gone(&self, shard: Option<Shard>) -> Vec<Row> {
        let in_part = |login: &str| shard.is_none_or(|shard| shard.contains(login.trim()));
        let left = self.rows.iter().filter(|earlier| !earlier.met.load(Ordering::Relaxed));
        // What is no login was nobody.
        let left = left.filter(|earlier| earlier.status != Status::Invalid && in_part(&earlier.login));
        left.map(|earlier| {
            let row = Row::without_count(&earlier.login, Status::Skipped, "");
            Row::gone(&Row { kind: earlier.kind, id: earlier.id, public_repos: earlier.public_repos, ..row })
        })
        .collect()
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
    fn every_kind_of_change_is_told_from_the_others() {
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
                Row::gone(&row("left-before", 8, Some(5))),
            ],
        );
        let mut told = Vec::new();
        for mut row in [
            row("SAME", 1, Some(5)),
            row("grows", 2, Some(9)),
            row("new-name", 3, Some(4)),
            row("taken", 40, Some(5)),
            row("failed-then", 9, Some(5)),
            row("fails-now", 0, None),
            row("joiner", 10, Some(2)),
            // It took a name that was somebody else's: it is the same account all the same.
            row("old-name", 7, Some(1)),
            row("csv", 11, Some(2)),
            row("left-before", 8, Some(5)),
        ] {
            baseline.compare(&mut row);
            told.push((row.login, row.was, row.change.unwrap()));
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
        assert_eq!(told, expected.map(|(login, was, change)| (login.to_owned(), was, change)));
        let gone: Vec<_> = baseline.gone(None).into_iter().map(|row| (row.login, row.was)).collect();
        assert_eq!(gone, [("leaver".to_owned(), Some(7))]);
    }

    #[test]
    fn a_removed_row_keeps_known_values_within_its_own_shard() {
        let invalid = Row { status: Status::Invalid, ..row("no/login", 0, None) };
        let gone = Row { kind: Some(AccountKind::Organization), ..row("gone", 5, Some(7)) };
        let baseline = Baseline::of("then".into(), vec![gone, invalid, row("failed", 0, None)]);
        let told = baseline.gone(None);
        let logins: Vec<_> = told.iter().map(|row| row.login.as_str()).collect();
        assert_eq!(logins, ["gone", "failed"]);
        let first = &told[0];
        assert_eq!((first.kind, first.id, first.was), (Some(AccountKind::Organization), Some(5), Some(7)));
        assert_eq!((first.public_repos, first.change), (None, Some(Change::Gone)));
        let parts: Vec<_> = [1, 2].map(|part| baseline.gone(Some(Shard { part, of: 2 })).len()).into();
        assert_eq!(parts.iter().sum::<usize>(), 2);
        for part in [1, 2] {
            let shard = Shard { part, of: 2 };
            let told = baseline.gone(Some(shard)).iter().any(|row| row.login == "gone");
            assert_eq!(told, shard.contains("gone"));
        }
    }
}
