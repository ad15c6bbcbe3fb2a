//! AIMD limit on concurrent requests.
//!
//! The limit starts at [`Tuning::initial_concurrency`] and grows with successes: by one for each response until the first
//! rejection, afterwards by one for each round of responses. A rejection lowers it. GitHub does not publish its effective limit
//! (the documented 100 is an upper bound), so it has to be discovered.
//!
//! The decrease differs from textbook AIMD in two ways, each measured with `cargo bench -- limits`:
//! - The new limit is the number of requests that were *not* rejected together, rather than half: against a server that takes 20,
//!   halving takes 16 to 21 s for 20,000 logins instead of 14 s.
//! - Rejections well below a concurrency that worked a moment ago have another reason and change nothing: with 0.2 % of the
//!   requests rejected at random, a limit that always yields is slower by half.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::settings::Tuning;

/// The limit, and the observations that move it.
#[derive(Debug)]
pub(super) struct ConcurrencyLimit {
    tuning: Tuning,
    max: usize,
    limit: usize,
    in_flight: usize,
    successes_since_increase: usize,
    rejections: u64,
    /// Highest concurrency that worked without a rejection, and when that was seen last.
    last_known_good: Option<(usize, Instant)>,
    /// Rejections since the last decrease that did not change the limit.
    ignored_rejections: u32,
    last_decrease: Option<Decrease>,
    /// Arrival times of the last `max` responses.
    recent_completions: VecDeque<Instant>,
}

/// The state of the limit when a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InFlightSnapshot {
    /// Requests in flight, this one included.
    in_flight: usize,
    rejections: u64,
}

/// A decrease. Rejections of requests that were sent before it belong to it (one epoch), and lower the limit together.
#[derive(Debug)]
struct Decrease {
    at: Instant,
    in_flight: usize,
    rejected: usize,
    /// Requests that were answered while a rejected one was in flight: they worked beside it.
    concurrent_successes: usize,
    /// Whether the server said how long to wait.
    has_retry_after: bool,
    cooldown_until: Instant,
    successes_since: usize,
}

impl Decrease {
    /// Returns the requests that were not rejected, if that is a fair part: this is the server's limit. If nearly all were
    /// rejected, their number was not the reason.
    fn safe_limit(&self) -> Option<usize> {
        let not_rejected = self.in_flight.saturating_sub(self.rejected);
        let accepted = not_rejected.max(self.concurrent_successes.min(self.in_flight));
        (self.has_retry_after && accepted > 0 && accepted >= self.in_flight / 4).then_some(accepted)
    }

    /// Whether `limit` must not grow yet.
    fn is_cooling_down(&self, limit: usize, rounds: usize) -> bool {
        self.safe_limit().is_some_and(|safe_limit| {
            limit >= safe_limit
                && (self.successes_since < rounds * safe_limit || Instant::now() < self.cooldown_until)
        })
    }
}

impl ConcurrencyLimit {
    pub(super) fn new(max: usize, tuning: Tuning) -> Self {
        Self {
            tuning,
            max,
            limit: max.min(tuning.initial_concurrency),
            in_flight: 0,
            successes_since_increase: 0,
            rejections: 0,
            last_known_good: None,
            ignored_rejections: 0,
            last_decrease: None,
            recent_completions: VecDeque::new(),
        }
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.in_flight < self.limit
    }

    /// Registers a request that is about to be sent.
    pub(super) fn acquire(&mut self) -> InFlightSnapshot {
        self.in_flight += 1;
        InFlightSnapshot { in_flight: self.in_flight, rejections: self.rejections }
    }

    pub(super) fn release(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Additive increase: for a response to a request that was sent at `sent` and not rejected.
    pub(super) fn on_success(&mut self, sent: Instant, snapshot: InFlightSnapshot) {
        self.recent_completions.push_back(Instant::now());
        if self.recent_completions.len() > self.max {
            self.recent_completions.pop_front();
        }
        if snapshot.rejections == self.rejections && !self.is_below_known_good(snapshot.in_flight + 1) {
            self.last_known_good = Some((snapshot.in_flight, Instant::now()));
        }
        if let Some(decrease) = &mut self.last_decrease {
            if sent <= decrease.at {
                return;
            }
            decrease.successes_since += 1;
            if decrease.is_cooling_down(self.limit, self.tuning.cooldown_rounds) {
                return;
            }
        }
        if self.limit >= self.max {
            return;
        }
        self.successes_since_increase += 1;
        if self.last_decrease.is_none() || self.successes_since_increase >= self.limit {
            self.limit += 1;
            self.successes_since_increase = 0;
            tracing::debug!(limit = self.limit, in_flight = self.in_flight, "concurrency limit raised");
        }
    }

    /// Decrease: a request that was sent at `sent` was rejected, and all requests pause. `has_retry_after`: the server said for
    /// how long.
    ///
    /// The new limit is the number of requests that were not rejected together with it, and at most half of those in flight if
    /// the server did not say how long to wait or rejected nearly all.
    pub(super) fn on_rejected(
        &mut self,
        sent: Instant,
        snapshot: InFlightSnapshot,
        pause: Duration,
        has_retry_after: bool,
    ) {
        self.rejections += 1;
        match &mut self.last_decrease {
            Some(decrease) if sent <= decrease.at => {
                decrease.rejected += 1;
                // It may have been sent before the request that was rejected first.
                let earlier = completions_between(&self.recent_completions, sent, decrease.at);
                decrease.concurrent_successes = decrease.concurrent_successes.max(earlier);
            }
            _ => {
                if self.limit <= 1 {
                    return;
                }
                let is_unrelated = self.is_below_known_good((snapshot.in_flight * 4).div_ceil(3));
                if has_retry_after
                    && is_unrelated
                    && self.ignored_rejections < self.tuning.max_ignored_rejections
                {
                    self.ignored_rejections += 1;
                    tracing::debug!(
                        limit = self.limit,
                        in_flight = snapshot.in_flight,
                        "rejection ignored by the concurrency limit"
                    );
                    return;
                }
                (self.ignored_rejections, self.last_known_good) = (0, None);
                let now = Instant::now();
                // A pause that ends the run may be longer than the clock can represent.
                let cooldown = pause.saturating_mul(1 + self.tuning.cooldown_factor);
                self.last_decrease = Some(Decrease {
                    at: now,
                    in_flight: self.in_flight,
                    rejected: 1,
                    concurrent_successes: completions_between(&self.recent_completions, sent, now),
                    has_retry_after,
                    cooldown_until: now.checked_add(cooldown).unwrap_or(now),
                    successes_since: 0,
                });
            }
        }
        if let Some(decrease) = &self.last_decrease {
            self.limit = decrease.safe_limit().unwrap_or((decrease.in_flight / 2).max(1));
            self.successes_since_increase = 0;
            tracing::debug!(
                limit = self.limit,
                rejected = decrease.rejected,
                in_flight = decrease.in_flight,
                "concurrency limit lowered"
            );
        }
    }

    /// Whether a higher concurrency than this worked recently.
    fn is_below_known_good(&self, in_flight: usize) -> bool {
        self.last_known_good
            .is_some_and(|(good, at)| in_flight <= good && at.elapsed() <= self.tuning.known_good_ttl)
    }
}

/// Counts the responses that arrived from `start` to `end`.
fn completions_between(completions: &VecDeque<Instant>, start: Instant, end: Instant) -> usize {
    completions.iter().filter(|at| (start..=end).contains(*at)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_limit(max: usize) -> ConcurrencyLimit {
        ConcurrencyLimit::new(max, Tuning::default())
    }

    /// Plays rounds against a server that takes `most` requests at once and rejects the others. Returns the number in flight in
    /// each round, the requests and the rejections.
    async fn rounds(limit: &mut ConcurrencyLimit, most: usize, rounds: usize) -> (Vec<usize>, usize, usize) {
        let (mut sizes, mut requests, mut rejections) = (Vec::new(), 0, 0);
        for _ in 0..rounds {
            let mut in_flight = Vec::new();
            while limit.has_capacity() {
                in_flight.push((Instant::now(), limit.acquire()));
            }
            tokio::time::advance(Duration::from_millis(20)).await;
            sizes.push(in_flight.len());
            requests += in_flight.len();
            // Which ones are rejected does not depend on when they were sent.
            fastrand::shuffle(&mut in_flight);
            let rejected = in_flight.split_off(in_flight.len().min(most));
            rejections += rejected.len();
            for (sent, snapshot) in rejected {
                limit.on_rejected(sent, snapshot, Duration::from_secs(1), true);
                limit.release();
            }
            for (sent, snapshot) in in_flight {
                limit.on_success(sent, snapshot);
                limit.release();
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        (sizes, requests, rejections)
    }

    /// Rejects the only request in flight.
    fn reject_one(limit: &mut ConcurrencyLimit, has_retry_after: bool) {
        let snapshot = limit.acquire();
        limit.on_rejected(Instant::now(), snapshot, Duration::from_secs(1), has_retry_after);
        limit.release();
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_settles_at_what_the_server_takes() {
        for most in [1, 5, 12, 20, 49, 60] {
            let mut limit = new_limit(100);
            let (sizes, requests, rejections) = rounds(&mut limit, most, 300).await;
            assert_eq!(sizes[0], 50);
            assert_eq!(*sizes.last().unwrap(), most, "{sizes:?}");
            assert!(rejections * 100 < requests * 30 / most.min(10), "{rejections} of {requests}: {sizes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn responses_before_the_rejections_count_as_accepted() {
        for relaunched in [0, 3, 20] {
            let mut limit = new_limit(50);
            let first: Vec<_> = (0..50).map(|_| (Instant::now(), limit.acquire())).collect();
            tokio::time::advance(Duration::from_millis(20)).await;
            for (sent, snapshot) in first.iter().take(20) {
                limit.on_success(*sent, *snapshot);
                limit.release();
            }
            for _ in 0..relaunched {
                limit.acquire();
            }
            for (sent, snapshot) in first.iter().skip(20) {
                limit.on_rejected(*sent, *snapshot, Duration::from_secs(1), true);
                limit.release();
            }
            assert_eq!(limit.limit, 20, "{relaunched}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_grows_again_after_the_cooldown() {
        let mut limit = new_limit(30);
        rounds(&mut limit, 10, 20).await;
        tokio::time::advance(Duration::from_mins(2)).await;
        let (sizes, ..) = rounds(&mut limit, 100, 60).await;
        assert_eq!(sizes.last(), Some(&30), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_of_rejections_halves_the_limit() {
        let mut limit = new_limit(10);
        rounds(&mut limit, 0, 1).await;
        assert_eq!(rounds(&mut limit, 100, 7).await.0, [5, 6, 7, 8, 9, 10, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_below_the_known_good_limit_is_ignored() {
        let mut limit = new_limit(40);
        rounds(&mut limit, 100, 2).await;
        reject_one(&mut limit, true);
        assert_eq!(rounds(&mut limit, 100, 1).await.0, [40]);
        // Without `retry-after` the limit is lowered anyway.
        reject_one(&mut limit, false);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(rounds(&mut limit, 100, 3).await.0, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_one_is_never_lowered() {
        let mut limit = new_limit(1);
        reject_one(&mut limit, false);
        assert_eq!(rounds(&mut limit, 100, 3).await.0, [1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_jobs_start_at_fifty() {
        let mut limit = new_limit(100);
        assert_eq!(rounds(&mut limit, 100, 3).await.0, [50, 100, 100]);
        let mut limit = new_limit(10);
        assert_eq!(rounds(&mut limit, 100, 2).await.0, [10, 10]);
    }
}
