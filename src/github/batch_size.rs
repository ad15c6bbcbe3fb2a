//! Adaptive batch size: how many logins one GraphQL query may have.
//!
//! GitHub ends a query after ten seconds, and a gateway may end it sooner. Neither says how many logins it takes; that number is
//! found by bisection. One query at a time is a trial of a size that is larger than the largest one that worked.

use std::sync::{Arc, Weak};

/// Successes in a row after which a larger size is tried again.
const SUCCESSES_BEFORE_GROWTH: u32 = 64;

/// Failures in a row after which a size that has worked no longer counts as working: one failure may be chance.
const FAILURES_BEFORE_SHRINK: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct AdaptiveBatchSize {
    /// From `--batch` or the price of a query.
    max: usize,
    /// Largest size that worked; 0 if none did yet.
    known_good: usize,
    known_bad: Option<usize>,
    trial: Weak<()>,
    successes: u32,
    consecutive_failures: u32,
}

#[derive(Debug)]
pub(super) struct NextSize {
    pub(super) size: usize,
    /// Set if the size is tried out. Another trial starts after this was dropped.
    pub(super) trial: Option<Arc<()>>,
}

impl AdaptiveBatchSize {
    pub(super) fn new(max: usize) -> Self {
        Self { max: max.max(1), ..Self::default() }
    }

    fn current(&self) -> usize {
        match self.known_bad {
            None => self.max,
            // No size has worked yet: a trial has a half, so a quarter is the safer choice.
            Some(known_bad) if self.known_good == 0 => (known_bad / 4).clamp(1, self.max),
            Some(_) => self.known_good.min(self.max),
        }
    }

    /// Returns the size of a batch: as many full queries as fit into the largest one.
    pub(crate) fn full_size(&self) -> usize {
        self.max - self.max % self.current()
    }

    pub(super) fn next_size(&mut self, available: usize) -> NextSize {
        match self.next_trial().filter(|size| *size <= available) {
            Some(size) => {
                let trial = Arc::new(());
                self.trial = Arc::downgrade(&trial);
                NextSize { size, trial: Some(trial) }
            }
            None => NextSize { size: self.current().min(available), trial: None },
        }
    }

    /// Returns a size between the known good and the known bad one that is worth a trial now.
    fn next_trial(&self) -> Option<usize> {
        let gap = self.known_bad?.saturating_sub(self.known_good);
        // A twelfth is close enough to a limit that is known.
        let is_close = self.known_bad? <= self.max && gap <= 1 + self.known_good / 12;
        let size = self.known_good + gap / 2;
        let is_useful = size > self.current() && size <= self.max && !is_close;
        (is_useful && self.trial.strong_count() == 0).then_some(size)
    }

    /// Returns the size of the parts into which a batch is split that was too large: half of it, or the known good size.
    pub(super) fn split_size(&self, size: usize) -> usize {
        let half = size.div_ceil(2);
        if self.known_good < size { half.max(self.known_good) } else { half }
    }

    /// Records whether a batch of this size worked. A single login says nothing about sizes.
    pub(super) fn record(&mut self, size: usize, worked: bool) {
        if size <= 1 {
            return;
        }
        let before = (self.known_good, self.known_bad);
        if worked {
            self.on_success(size);
        } else {
            self.on_failure(size);
        }
        let Self { known_good, known_bad, .. } = *self;
        if (known_good, known_bad) != before && known_bad.is_some() {
            tracing::debug!(size, worked, known_good, known_bad, "batch size changed");
        }
    }

    fn on_success(&mut self, size: usize) {
        self.known_good = self.known_good.max(size);
        self.successes += 1;
        self.consecutive_failures = 0;
        // An earlier failure at this size had another reason: a login in it, or the network.
        if self.known_bad.is_some_and(|known_bad| known_bad <= size) {
            self.known_bad = Some(self.max + 1);
        }
        if self.successes >= SUCCESSES_BEFORE_GROWTH {
            self.successes = 0;
            // Grow slowly: the limit is searched a quarter higher, by one batch at a time.
            self.known_bad =
                self.known_bad.map(|known_bad| (known_bad + known_bad / 4 + 1).min(self.max + 1));
        }
    }

    fn on_failure(&mut self, size: usize) {
        self.successes = 0;
        if size <= self.known_good {
            self.consecutive_failures += 1;
            if self.consecutive_failures < FAILURES_BEFORE_SHRINK {
                return;
            }
            self.consecutive_failures = 0;
            self.known_good = size / 2;
        }
        self.known_bad = Some(self.known_bad.map_or(size, |known_bad| known_bad.min(size)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the requests for `logins` with `jobs` batches in flight against a server that takes at most `limit` logins.
    fn count_requests(limit: usize, jobs: usize, logins: usize) -> usize {
        let mut sizes = AdaptiveBatchSize::new(100);
        let mut left = logins;
        let mut in_flight = Vec::new();
        let mut requests = 0;
        while left > 0 || !in_flight.is_empty() {
            while in_flight.len() < jobs && left > 0 {
                let next = sizes.next_size(left);
                assert!(next.size >= 1 && next.size <= left);
                left -= next.size;
                requests += 1;
                in_flight.push(next);
            }
            let NextSize { size, trial } = in_flight.remove(0);
            sizes.record(size, size <= limit);
            drop(trial);
            if size > limit {
                left += size;
            }
        }
        requests
    }

    #[test]
    fn the_limit_is_found_with_few_extra_requests() {
        for (limit, jobs, logins) in [
            (30, 10, 3_000),
            (30, 1, 1_000),
            (30, 10, 20_000),
            (50, 10, 5_000),
            (7, 10, 2_000),
            (99, 10, 20_000),
        ] {
            let (requests, least) = (count_requests(limit, jobs, logins), logins.div_ceil(limit));
            assert!(
                requests * 10 <= least * 13,
                "limit {limit}, {jobs} jobs, {logins} logins: {requests} of {least}"
            );
        }
    }

    #[test]
    fn a_query_that_is_dropped_ends_its_trial() {
        let mut sizes = AdaptiveBatchSize::new(100);
        sizes.record(100, false);
        let half = sizes.next_size(100);
        assert_eq!([half.size, sizes.next_size(100).size], [50, 25]);
        drop(half);
        assert_eq!(sizes.next_size(100).size, 50);
    }

    #[test]
    fn without_failures_every_batch_is_full() {
        assert_eq!(count_requests(100, 10, 20_000), 200);
    }

    #[test]
    fn a_limit_that_rises_is_followed() {
        let mut sizes = AdaptiveBatchSize::new(100);
        sizes.record(100, false);
        for _ in 0..1000 {
            let size = sizes.next_size(1000).size;
            sizes.record(size, true);
        }
        assert_eq!(sizes.next_size(1000).size, 100);
    }

    #[test]
    fn a_login_that_always_fails_keeps_batches_large() {
        let mut sizes = AdaptiveBatchSize::new(100);
        // The first batch fails, one of its halves works, the other one is halved again …
        sizes.record(100, false);
        for size in [50, 25, 13, 7, 4, 2] {
            for worked in [true, false] {
                sizes.record(size, worked);
                sizes.record(100, true);
            }
        }
        sizes.record(1, false);
        assert_eq!(sizes.current(), 100);
    }

    #[test]
    fn a_limit_that_falls_is_found_again() {
        let mut sizes = AdaptiveBatchSize::new(100);
        sizes.record(100, true);
        for _ in 0..40 {
            let size = sizes.next_size(1000).size;
            sizes.record(size, size <= 10);
        }
        assert!((5..=10).contains(&sizes.current()), "{}", sizes.current());
    }
}
