//! AIMD limit on concurrent requests.
//!
//! GitHub does not publish its effective limit (the documented 100 is an upper bound), so it has to be discovered. The limit starts
//! at [`LimiterSettings::initial_concurrency`]. It grows by one for each success until the first decrease, afterwards by one for
//! each round of successes.
//!
//! Rejections lower it to the number of requests that were accepted beside them, or by half where nearly all were rejected. Three
//! differences from textbook AIMD, each measured by the simulation in `rate_limit/tests/model.rs`:
//! - Only rejections that look like the server's limit lower it: several together, one soon after the limit grew, or one soon
//!   after another. A single one has another reason.
//! - After a decrease the limit does not grow for a while: each attempt to exceed it pauses all requests.
//! - A limit that held for a whole cooldown is returned to when a higher one fails.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::LimiterSettings;

/// Rounds of successes after which a rejection is not connected with the one before it.
const ROUNDS_BETWEEN_REJECTIONS: usize = 2;

#[derive(Debug, Default)]
pub(super) struct ConcurrencyLimit {
    settings: LimiterSettings,
    limit: usize,
    in_flight: usize,
    successes: usize,
    successes_since_increase: usize,
    successes_since_rejection: usize,
    has_grown: bool,
    last_epoch: Option<Epoch>,
    cooldown_until: Option<Instant>,
    stable_limit: Option<usize>,
}

/// The state of the limit when a request was admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlightSnapshot {
    /// Requests in flight, this one included.
    in_flight: usize,
    /// Successes so far.
    successes: usize,
}

/// Rejections of requests that were in flight together.
#[derive(Debug)]
struct Epoch {
    /// Time of the first rejection. Later rejections of requests that were sent before it belong to it.
    at: Instant,
    in_flight: usize,
    rejected: usize,
    /// Most successes while a rejected request was in flight.
    concurrent_successes: usize,
    /// True if the limit had just grown, or there was another rejection just before.
    confirms_limit: bool,
}

impl ConcurrencyLimit {
    pub(super) fn new(settings: LimiterSettings) -> Self {
        let limit = settings.max_concurrency.min(settings.initial_concurrency);
        Self { settings, limit, ..Self::default() }
    }

    pub(super) fn has_capacity(&self) -> bool {
        self.in_flight < self.limit
    }

    pub(super) fn acquire(&mut self) -> InFlightSnapshot {
        self.in_flight += 1;
        InFlightSnapshot { in_flight: self.in_flight, successes: self.successes }
    }

    pub(super) fn release(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Additive increase, for a response to a request that was sent at `sent`.
    pub(super) fn on_accepted(&mut self, sent: Instant) {
        self.successes = self.successes.wrapping_add(1);
        if self.last_epoch.as_ref().is_some_and(|epoch| sent <= epoch.at) {
            return;
        }
        self.successes_since_increase += 1;
        self.successes_since_rejection += 1;
        if let Some(cooldown_until) = self.cooldown_until {
            if Instant::now() < cooldown_until {
                return;
            }
            self.stable_limit = Some(self.limit);
            self.cooldown_until = None;
        }
        let is_due = self.last_epoch.is_none() || self.successes_since_increase >= self.limit;
        if is_due && self.limit < self.settings.max_concurrency {
            self.limit += 1;
            self.successes_since_increase = 0;
            self.has_grown = true;
            tracing::debug!(limit = self.limit, in_flight = self.in_flight, "concurrency limit raised");
        }
    }

    /// Decrease, for a rejection that pauses all requests.
    pub(super) fn on_rejected(&mut self, sent: Instant, snapshot: InFlightSnapshot, pause: Duration) {
        let is_after_growth = self.has_grown && self.successes_since_increase <= self.limit;
        let is_after_rejection = self.last_epoch.is_some()
            && self.successes_since_rejection <= ROUNDS_BETWEEN_REJECTIONS * self.limit;
        let mut epoch = self.last_epoch.take().filter(|epoch| sent <= epoch.at).unwrap_or(Epoch {
            at: Instant::now(),
            in_flight: self.in_flight,
            rejected: 0,
            concurrent_successes: 0,
            confirms_limit: is_after_growth || is_after_rejection,
        });
        epoch.rejected += 1;
        epoch.in_flight = epoch.in_flight.max(snapshot.in_flight);
        let concurrent_successes = self.successes.wrapping_sub(snapshot.successes);
        epoch.concurrent_successes = epoch.concurrent_successes.max(concurrent_successes);
        self.successes_since_rejection = 0;
        if epoch.rejected > 1 || epoch.confirms_limit {
            self.lower(&epoch, pause);
        }
        self.last_epoch = Some(epoch);
    }

    fn lower(&mut self, epoch: &Epoch, pause: Duration) {
        let Epoch { at, in_flight, rejected, .. } = *epoch;
        // Rejections at or below the stable limit mean that the server takes less than before.
        self.stable_limit = self.stable_limit.filter(|stable| in_flight > *stable);
        let accepted = in_flight.saturating_sub(rejected).max(epoch.concurrent_successes.min(in_flight));
        let limit = if accepted >= in_flight / 4 { accepted } else { in_flight / 2 };
        let limit = limit.max(self.stable_limit.unwrap_or(1));
        self.limit = limit.min(self.settings.max_concurrency.min(in_flight)).max(1);
        self.successes_since_increase = 0;
        self.has_grown = false;
        // A pause that ends the run may be longer than the clock can represent.
        self.cooldown_until = at.checked_add(pause.saturating_mul(1 + self.settings.cooldown_factor));
        tracing::debug!(limit = self.limit, rejected, in_flight, "concurrency limit lowered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_limit(max: usize) -> ConcurrencyLimit {
        ConcurrencyLimit::new(LimiterSettings { max_concurrency: max, ..LimiterSettings::default() })
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
                limit.on_rejected(sent, snapshot, Duration::from_secs(1));
                limit.release();
            }
            for (sent, _) in in_flight {
                limit.on_accepted(sent);
                limit.release();
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        (sizes, requests, rejections)
    }

    /// Rejects a request that was sent when so many were in flight.
    fn reject_one(limit: &mut ConcurrencyLimit, in_flight: usize) {
        let snapshot = InFlightSnapshot { in_flight, successes: limit.successes };
        limit.on_rejected(Instant::now(), snapshot, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_settles_at_what_the_server_takes() {
        for most in [5, 12, 20, 49, 60] {
            let mut limit = new_limit(100);
            let (sizes, requests, rejections) = rounds(&mut limit, most, 300).await;
            assert_eq!(sizes[0], 50);
            assert!(sizes[10..].iter().all(|size| size.abs_diff(most) <= 1), "{most}: {sizes:?}");
            assert!(rejections * 100 < requests * 30 / most.min(10), "{rejections} of {requests}: {sizes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_grows_again_after_the_cooldown() {
        let mut limit = new_limit(30);
        rounds(&mut limit, 10, 20).await;
        let (sizes, ..) = rounds(&mut limit, 100, 60).await;
        assert_eq!(sizes.last(), sizes.first(), "{sizes:?}");
        tokio::time::advance(Duration::from_mins(2)).await;
        let (sizes, ..) = rounds(&mut limit, 100, 60).await;
        assert_eq!(sizes.last(), Some(&30), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_cooldown_is_added_to_the_pause() {
        let mut limit = new_limit(10);
        assert_eq!(rounds(&mut limit, 5, 2).await.0, [10, 5]);
        // The first rejection was after 20 ms: with its pause of one second, the cooldown lasts until 21.02 s.
        tokio::time::advance(Duration::from_millis(20_600)).await;
        assert_eq!(rounds(&mut limit, 10, 3).await.0, [5, 5, 5]);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(rounds(&mut limit, 10, 2).await.0, [5, 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_fails_returns_to_the_stable_one() {
        let mut limit = new_limit(40);
        rounds(&mut limit, 20, 3).await;
        tokio::time::advance(Duration::from_mins(2)).await;
        let (before, ..) = rounds(&mut limit, 20, 1).await;
        assert_eq!((before, limit.stable_limit), (vec![20], Some(20)));
        limit.limit = 24;
        // Four are rejected, and a part of those that replaced them.
        assert_eq!(rounds(&mut limit, 12, 2).await.0, [24, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_at_the_stable_limit_discards_it() {
        let mut limit = new_limit(20);
        rounds(&mut limit, 10, 3).await;
        tokio::time::advance(Duration::from_mins(2)).await;
        rounds(&mut limit, 10, 1).await;
        limit.limit = 10;
        assert_eq!(rounds(&mut limit, 4, 2).await.0, [10, 4]);
        assert_eq!(limit.stable_limit, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_rejection_does_not_lower_the_limit() {
        let mut limit = new_limit(40);
        rounds(&mut limit, 100, 3).await;
        reject_one(&mut limit, 40);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(rounds(&mut limit, 100, 3).await.0, [40, 40, 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_after_growth_or_another_one_lowers_it() {
        let mut limit = new_limit(40);
        rounds(&mut limit, 100, 3).await;
        reject_one(&mut limit, 40);
        tokio::time::advance(Duration::from_millis(1)).await;
        reject_one(&mut limit, 40);
        assert_eq!(limit.limit, 39);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(rounds(&mut limit, 100, 2).await.0, [39, 40]);
        rounds(&mut limit, 100, 10).await;
        limit.limit = 20;
        assert_eq!(rounds(&mut limit, 100, 2).await.0, [20, 21]);
        reject_one(&mut limit, 22);
        assert_eq!(limit.limit, 21);
    }

    #[tokio::test(start_paused = true)]
    async fn an_epoch_lowers_the_limit_at_most_by_half() {
        let mut limit = new_limit(10);
        assert_eq!(rounds(&mut limit, 0, 2).await.0, [10, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_one_is_never_lowered() {
        let mut limit = new_limit(1);
        reject_one(&mut limit, 1);
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
