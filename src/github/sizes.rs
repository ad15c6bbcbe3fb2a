//! How large a batch may be: learnt from what worked and what did not.
//!
//! GitHub ends a query after ten seconds, and a gateway may be less patient. Where that line is,
//! nobody tells; it is found by halving, and approached again with one query at a time.

/// Successes in a row after which a larger size is worth another try.
const PATIENCE: u32 = 64;

/// Failures in a row after which a size that has worked before no longer counts as working.
const STRIKES: u32 = 3;

#[derive(Debug)]
pub(super) struct Sizes {
    /// The bound that was set at the beginning.
    full: usize,
    /// The bound for now.
    largest: usize,
    /// The largest size that worked; 0 where none is known.
    good: usize,
    /// The smallest size that did not.
    bad: Option<usize>,
    /// Sizes between the two that are being tried.
    probes: Vec<usize>,
    successes: u32,
    /// Failures in a row at sizes that have worked before.
    strikes: u32,
}

impl Sizes {
    pub(super) fn new(largest: usize) -> Self {
        Self {
            full: largest.max(1),
            largest: largest.max(1),
            good: 0,
            bad: None,
            probes: Vec::new(),
            successes: 0,
            strikes: 0,
        }
    }

    /// The largest size that there may be.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// Bounds all sizes until further notice: by less than at the beginning, or not at all.
    pub(super) fn at_most(&mut self, size: Option<usize>) {
        self.largest = self.full.min(size.unwrap_or(usize::MAX).max(1));
    }

    /// The size of the next batch, but for a probe.
    pub(super) fn current(&self) -> usize {
        match self.bad {
            None => self.largest,
            // Nothing is known to work: a quarter surely is no worse than the half that is tried.
            Some(bad) if self.good == 0 => (bad / 4).max(1),
            Some(_) => self.good,
        }
        .min(self.largest)
    }

    /// The size of a batch for which there are `wanted` logins.
    pub(super) fn next(&mut self, wanted: usize) -> usize {
        match self.untried() {
            Some(size) if size <= wanted => {
                self.probes.push(size);
                size
            }
            _ => self.current().min(wanted),
        }
    }

    /// A size between what works and what does not that is worth trying now.
    fn untried(&self) -> Option<usize> {
        let (good, bad) = (self.good, self.bad?);
        let candidates = if good == 0 {
            [bad / 2, bad / 3]
        } else {
            let gap = bad - good;
            // Nearer than a twelfth is near enough to a line that is known.
            let near = if bad > self.largest { 1 } else { 1 + good / 12 };
            if gap <= near {
                return None;
            }
            // Far from it, two at once find it in half the time.
            if gap > good / 2 { [good + 2 * gap / 3, good + gap / 3] } else { [good + gap / 2; 2] }
        };
        let worth = |size: &usize| *size > self.current() && *size <= self.largest;
        let mut candidates = candidates.into_iter().filter(worth);
        match self.probes[..] {
            [] => candidates.next(),
            // Beside one that is on its way, a smaller one: should it fail, the larger one would too.
            [probe] => candidates.next_back().filter(|size| *size < probe),
            _ => None,
        }
    }

    /// How many logins of a batch that failed may go together next: half of them, or as many as are
    /// known to work.
    pub(super) fn after_failure(&self, size: usize) -> usize {
        let half = size.div_ceil(2);
        if self.good < size { half.max(self.good) } else { half }
    }

    /// Takes back the size that was promised, where the batch did not come to it.
    pub(super) fn forget_probe(&mut self, size: usize) {
        self.probes.retain(|probe| *probe != size);
    }

    /// Learns what became of a batch. One login alone says nothing about sizes.
    pub(super) fn learn(&mut self, size: usize, worked: bool) {
        self.forget_probe(size);
        if size <= 1 {
            return;
        }
        if worked {
            self.good = self.good.max(size);
            self.successes += 1;
            self.strikes = 0;
            // What failed at that size was not the size: a login in it, or the network.
            if self.bad.is_some_and(|bad| bad <= size) {
                self.bad = Some(self.largest + 1);
            }
            if self.successes >= PATIENCE {
                self.successes = 0;
                // Grow back slowly: the line is looked for a quarter higher, by one batch at a time.
                self.bad = self.bad.map(|bad| (bad + bad / 4 + 1).min(self.largest + 1));
            }
            return;
        }
        self.successes = 0;
        if size <= self.good {
            // It has worked before; once may be chance.
            self.strikes += 1;
            if self.strikes < STRIKES {
                return;
            }
            self.strikes = 0;
            self.good = size / 2;
        }
        self.bad = Some(self.bad.map_or(size, |bad| bad.min(size)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs batches of `jobs` in flight against a server that takes at most `line` logins, and counts
    /// the requests for `logins`.
    fn requests(line: usize, jobs: usize, logins: usize) -> usize {
        let mut sizes = Sizes::new(100);
        let mut left = logins;
        let mut in_flight = Vec::new();
        let mut requests = 0;
        while left > 0 || !in_flight.is_empty() {
            while in_flight.len() < jobs && left > 0 {
                let size = sizes.next(left);
                assert!(size >= 1 && size <= left);
                left -= size;
                requests += 1;
                in_flight.push(size);
            }
            let size = in_flight.remove(0);
            sizes.learn(size, size <= line);
            if size > line {
                left += size;
            }
        }
        requests
    }

    #[test]
    fn a_line_is_found_with_few_requests_too_many() {
        for (line, jobs, logins) in [
            (30, 10, 3_000),
            (30, 1, 1_000),
            (30, 10, 20_000),
            (50, 10, 5_000),
            (7, 10, 2_000),
            (99, 10, 20_000),
        ] {
            let (took, least) = (requests(line, jobs, logins), logins.div_ceil(line));
            assert!(took * 10 <= least * 13, "line {line}, {jobs} jobs, {logins} logins: {took} of {least}");
        }
    }

    #[test]
    fn without_failures_every_batch_is_full() {
        assert_eq!(requests(100, 10, 20_000), 200);
    }

    #[test]
    fn a_line_that_moves_up_is_followed() {
        let mut sizes = Sizes::new(100);
        sizes.learn(100, false);
        for _ in 0..1000 {
            let size = sizes.next(1000);
            sizes.learn(size, true);
        }
        assert_eq!(sizes.next(1000), 100);
    }

    #[test]
    fn one_login_that_always_fails_does_not_make_batches_small() {
        let mut sizes = Sizes::new(100);
        // The first batch fails, one of its halves works, the other one is halved again …
        sizes.learn(100, false);
        for size in [50, 25, 13, 7, 4, 2] {
            for worked in [true, false] {
                sizes.learn(size, worked);
                sizes.learn(100, true);
            }
        }
        sizes.learn(1, false);
        assert_eq!(sizes.current(), 100);
    }

    #[test]
    fn a_line_that_moves_down_is_found_again() {
        let mut sizes = Sizes::new(100);
        sizes.learn(100, true);
        for _ in 0..40 {
            let size = sizes.next(1000);
            sizes.learn(size, size <= 10);
        }
        assert!((5..=10).contains(&sizes.current()), "{}", sizes.current());
    }
}
