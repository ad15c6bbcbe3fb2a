//! Reorder buffer: from completion order to input order.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Items that have arrived before an earlier one, by their position.
///
/// The buffer itself has no bound. Each position needs a place in a window, and a place is given
/// back when the item has been handed on: so at most as many items wait here as the window has places.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T> {
    /// Position of the next item in order.
    next: u64,
    waiting: BTreeMap<u64, Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    since: Instant,
    is_taken: bool,
}

impl<T> Default for ReorderBuffer<T> {
    fn default() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }
}

impl<T> ReorderBuffer<T> {
    pub(crate) fn insert(&mut self, position: u64, item: T) {
        self.waiting.insert(position, Waiting { item, since: Instant::now(), is_taken: false });
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let waiting = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(waiting.item)
    }

    /// Marks and returns the items that have waited for `age`, with their positions. Each is returned once, and stays in the
    /// buffer.
    pub(crate) fn mark_overdue(&mut self, age: Duration) -> impl Iterator<Item = (u64, &T)> {
        let waiting = self.waiting.iter_mut();
        let overdue = waiting.filter(move |(_, waiting)| !waiting.is_taken && waiting.since.elapsed() >= age);
        overdue.map(|(position, waiting)| {
            waiting.is_taken = true;
            (*position, &waiting.item)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(buffer: &mut ReorderBuffer<u64>) -> Vec<u64> {
        std::iter::from_fn(|| buffer.pop()).collect()
    }

    #[test]
    fn items_leave_in_the_order_of_their_positions() {
        let mut positions: Vec<u64> = (0..500).collect();
        fastrand::shuffle(&mut positions);
        let (mut buffer, mut left) = (ReorderBuffer::default(), Vec::new());
        for position in positions {
            buffer.insert(position, position);
            left.extend(drain(&mut buffer));
        }
        assert_eq!(left, (0..500).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_that_waits_is_taken_once() {
        let mut buffer = ReorderBuffer::default();
        let age = Duration::from_millis(500);
        let waiting = |buffer: &mut ReorderBuffer<u64>| {
            buffer.mark_overdue(age).map(|(position, _)| position).collect::<Vec<_>>()
        };
        for position in [1, 2, 4] {
            buffer.insert(position, position);
        }
        assert_eq!(waiting(&mut buffer), [] as [u64; 0]);
        tokio::time::advance(age).await;
        buffer.insert(0, 0);
        buffer.insert(5, 5);
        assert_eq!(drain(&mut buffer), [0, 1, 2]);
        assert_eq!(waiting(&mut buffer), [4]);
        assert_eq!(waiting(&mut buffer), [] as [u64; 0]);
        buffer.insert(3, 3);
        assert_eq!(drain(&mut buffer), [3, 4, 5]);
    }
}
