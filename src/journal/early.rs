//! Answers that wait behind a slower one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::report::{Row, Status};

/// What has waited this long goes to the journal out of its turn.
const PATIENCE: Duration = Duration::from_millis(500);

/// Rows that are answered, but not their turn: a single login that times out may hold up thousands of
/// them, and a run that is killed would have to ask for them again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Early(Arc<Mutex<BTreeMap<u64, (Instant, Row)>>>);

impl Early {
    /// The row number `number` is answered.
    pub(crate) fn answered(&self, number: u64, row: Row) {
        // Only what would be kept is worth it.
        if matches!(row.status, Status::Ok | Status::NotFound) {
            self.rows().insert(number, (Instant::now(), row));
        }
    }

    /// It was the turn of all rows before `next`.
    pub(crate) fn passed(&self, next: u64) {
        let mut rows = self.rows();
        *rows = rows.split_off(&next);
    }

    /// Takes what has waited for too long.
    pub(crate) fn overdue(&self) -> Vec<(u64, Row)> {
        let mut rows = self.rows();
        rows.extract_if(.., |_, (since, _)| since.elapsed() >= PATIENCE)
            .map(|(number, (_, row))| (number, row))
            .collect()
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, (Instant, Row)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_is_taken_once_and_what_had_its_turn_never() {
        let early = Early::default();
        let row = |login: &str| Row::without_count(login, Status::NotFound, "gone");
        early.answered(1, row("b"));
        early.answered(2, row("c"));
        early.answered(3, Row::without_count("d", Status::Failed, "broken"));
        assert_eq!(early.overdue(), []);
        early.passed(2);
        tokio::time::advance(PATIENCE).await;
        early.answered(4, row("e"));
        assert_eq!(early.overdue(), [(2, row("c"))]);
        assert_eq!(early.overdue(), []);
    }
}
