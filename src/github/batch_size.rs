//! Adaptive batch size: how many logins one GraphQL query may have.
//!
//! GitHub ends a query after ten seconds, and a gateway may end it sooner. Neither says how many logins it takes; that number is
//! found by bisection, with at most two probes in flight.

/// Successes in a row after which a larger size is tried again.
const SUCCESSES_BEFORE_GROWTH: u32 = 64;

/// Failures in a row after which a size that has worked no longer counts as working: one failure may be chance.
const FAILURES_BEFORE_SHRINK: u32 = 3;

/// Largest size known to work, smallest size known to fail, and the sizes between them that are being tried.
#[derive(Debug)]
pub(crate) struct AdaptiveBatchSize {
    /// Upper bound, from `--batch` or the price of a query.
    hard_max: usize,
    /// Upper bound for now: lower for a short input, which is divided so that it fills the jobs.
    soft_max: usize,
    /// Largest size that worked; 0 if none did yet.
    known_good: usize,
    /// Smallest size that failed.
    known_bad: Option<usize>,
    probes_in_flight: Vec<usize>,
    successes: u32,
    /// Failures in a row at sizes that had worked.
    consecutive_failures: u32,
}

/// Size of the next query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextSize {
    pub(crate) size: usize,
    /// Whether it is larger than what is known to work.
    pub(crate) is_probe: bool,
}

impl AdaptiveBatchSize {
    pub(super) fn new(max: usize) -> Self {
        Self {
            hard_max: max.max(1),
            soft_max: max.max(1),
            known_good: 0,
            known_bad: None,
            probes_in_flight: Vec::new(),
            successes: 0,
            consecutive_failures: 0,
        }
    }

    /// Returns the upper bound for now.
    pub(crate) fn max(&self) -> usize {
        self.soft_max
    }

    /// Lowers the upper bound until the next call. None removes it.
    pub(crate) fn set_soft_max(&mut self, size: Option<usize>) {
        self.soft_max = self.hard_max.min(size.unwrap_or(usize::MAX).max(1));
    }

    /// Returns the size of a batch that is not a probe.
    pub(super) fn current(&self) -> usize {
        match self.known_bad {
            None => self.soft_max,
            // No size has worked yet: probes try a half and a third, so a quarter is the safer choice.
            Some(known_bad) if self.known_good == 0 => (known_bad / 4).max(1),
            Some(_) => self.known_good,
        }
        .min(self.soft_max)
    }

    /// Returns how many of `available` logins the next query may have. A probe is registered; [`Self::record`] or
    /// [`Self::cancel_probe`] ends it.
    pub(crate) fn next_size(&mut self, available: usize) -> NextSize {
        let next = self.peek(available);
        if next.is_probe {
            self.probes_in_flight.push(next.size);
        }
        next
    }

    /// Returns what [`Self::next_size`] would return, and registers nothing.
    pub(crate) fn peek(&self, available: usize) -> NextSize {
        match self.next_probe() {
            Some(size) if size <= available => NextSize { size, is_probe: true },
            _ => NextSize { size: self.current().min(available), is_probe: false },
        }
    }

    /// Whether a registered probe is still worth sending.
    pub(super) fn is_useful_probe(&self, size: usize) -> bool {
        self.known_bad.is_none_or(|known_bad| size < known_bad)
    }

    /// Returns a size between the known good and the known bad one that is worth a try now.
    fn next_probe(&self) -> Option<usize> {
        let (good, bad) = (self.known_good, self.known_bad?);
        let candidates = if good == 0 {
            [bad / 2, bad / 3]
        } else {
            let gap = bad - good;
            // A twelfth is close enough to a limit that is known.
            let tolerance = if bad > self.soft_max { 1 } else { 1 + good / 12 };
            if gap <= tolerance {
                return None;
            }
            // Far from the limit, two probes at once find it in half the time.
            if gap > good / 2 { [good + 2 * gap / 3, good + gap / 3] } else { [good + gap / 2; 2] }
        };
        let is_useful = |size: &usize| *size > self.current() && *size <= self.soft_max;
        let mut candidates = candidates.into_iter().filter(is_useful);
        match self.probes_in_flight[..] {
            [] => candidates.next(),
            // Beside a probe in flight only a smaller one: if that fails, a larger one would fail too.
            [probe] => candidates.next_back().filter(|size| *size < probe),
            _ => None,
        }
    }

    /// Returns the size of the parts into which a batch is split that was too large: half of it, or the known good size.
    pub(super) fn split_size(&self, size: usize) -> usize {
        let half = size.div_ceil(2);
        if self.known_good < size { half.max(self.known_good) } else { half }
    }

    /// Cancels a probe whose batch was not sent or says nothing about sizes.
    pub(super) fn cancel_probe(&mut self, size: usize) {
        self.probes_in_flight.retain(|probe| *probe != size);
    }

    /// Records whether a batch of this size worked. A single login says nothing about sizes.
    pub(super) fn record(&mut self, size: usize, worked: bool) {
        let before = (self.known_good, self.known_bad);
        self.cancel_probe(size);
        if size <= 1 {
            return;
        }
        if worked {
            self.on_success(size);
        } else {
            self.on_failure(size);
        }
        if (self.known_good, self.known_bad) != before && self.known_bad.is_some() {
            tracing::debug!(
                size,
                worked,
                known_good = self.known_good,
                known_bad = self.known_bad,
                "batch size changed"
            );
        }
    }

    fn on_success(&mut self, size: usize) {
        self.known_good = self.known_good.max(size);
        self.successes += 1;
        self.consecutive_failures = 0;
        // An earlier failure at this size had another reason: a login in it, or the network.
        if self.known_bad.is_some_and(|known_bad| known_bad <= size) {
            self.known_bad = Some(self.hard_max + 1);
        }
        if self.successes >= SUCCESSES_BEFORE_GROWTH {
            self.successes = 0;
            // Grow slowly: the limit is searched a quarter higher, by one batch at a time.
            let max = self.hard_max + 1;
            self.known_bad = self.known_bad.map(|known_bad| (known_bad + known_bad / 4 + 1).min(max));
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
                let size = sizes.next_size(left).size;
                assert!(size >= 1 && size <= left);
                left -= size;
                requests += 1;
                in_flight.push(size);
            }
            let size = in_flight.remove(0);
            sizes.record(size, size <= limit);
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
    fn a_short_input_after_a_long_one_keeps_the_sizes_apart() {
        let mut sizes = AdaptiveBatchSize::new(100);
        sizes.record(30, false);
        for _ in 0..SUCCESSES_BEFORE_GROWTH - 1 {
            sizes.record(25, true);
        }
        sizes.set_soft_max(Some(5));
        sizes.record(5, true);
        assert_eq!(sizes.next_size(50).size, 5);
        sizes.set_soft_max(None);
        assert!(sizes.next_size(50).size >= 25);
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
