//! The hourly budget of a resource, as the answers tell it.

use std::time::Duration;

use tokio::time::Instant;

use super::gate::Leave;
use super::moment::Moment;
use crate::github::stop::Hold;

/// What an answer says is left: `x-ratelimit-limit`, `-remaining`, `-reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::github) struct Told {
    pub(in crate::github) limit: u64,
    pub(in crate::github) remaining: u64,
    /// In Unix seconds.
    pub(in crate::github) reset: i64,
}

/// What is known of a budget. Where no answer has told of one there is none.
#[derive(Debug, Default)]
pub(super) struct Budget {
    known: Option<(Told, Moment)>,
    /// When that was told.
    learnt: Option<Instant>,
    /// The price of the requests in flight: what was told last may or may not hold it already.
    spending: u64,
    flying: usize,
    /// A request has gone ahead after the reset.
    probing: bool,
}

/// Resets that differ by no more are the same: GitHub's vary by a second from answer to answer.
const SAME: u64 = 2;

impl Budget {
    /// Learns from an answer to a request that was sent at `sent`. Answers overtake each other: within a
    /// window the least counts, and one window behind the other.
    pub(super) fn learn(&mut self, told: Told, reset: Moment, sent: Instant) {
        let now = Instant::now();
        let Some((known, known_reset)) = &mut self.known else {
            (self.known, self.learnt) = (Some((told, reset)), Some(now));
            return;
        };
        let same = told.reset.abs_diff(known.reset) <= SAME && !known_reset.has_come();
        // Who was sent when the other was known already tells the newer, be its window the earlier one.
        let newer = self.learnt.is_none_or(|learnt| sent > learnt) && !reset.has_come();
        if told.reset == known.reset || same {
            known.remaining = known.remaining.min(told.remaining);
            if told.reset == known.reset {
                *known_reset = reset;
            }
        } else if told.reset > known.reset || newer {
            (self.known, self.learnt) = (Some((told, reset)), Some(now));
        }
    }

    /// What there is in an hour, and what was left of it when it was told last.
    pub(super) fn told(&self) -> Option<(u64, u64)> {
        self.known.as_ref().map(|(known, _)| (known.limit, known.remaining))
    }

    /// A good answer told nothing: there are no limits, or none any more.
    pub(super) fn forget(&mut self) {
        if self.known.as_ref().is_some_and(|(known, reset)| known.remaining > 0 || reset.has_come()) {
            self.known = None;
        }
    }

    /// Refused for lack of it. Whatever other answers have told, nothing is left until the reset that the
    /// refusal tells; and where that has come already, for `late`: it was told in whole seconds, and the
    /// window may end a little later.
    pub(super) fn refused(&mut self, told: Told, reset: Moment, late: Duration) {
        let reset = if reset.wait() < late { Moment::after(late) } else { reset };
        (self.known, self.learnt) = (Some((Told { remaining: 0, ..told }, reset)), Some(Instant::now()));
    }

    /// Whether a request of this price may leave. Once the reset has come a single one goes ahead and
    /// brings word of the new window.
    pub(super) fn leave(&self, price: u64) -> Leave {
        let Some((known, reset)) = &self.known else {
            return Leave::Now;
        };
        let left = known.remaining.saturating_sub(self.spending);
        if left >= price.min(known.limit) {
            Leave::Now
        } else if reset.has_come() {
            // Those that were under way before the reset are not waited for.
            if self.probing { Leave::Changed } else { Leave::Now }
        } else if self.flying > 0 {
            Leave::Changed
        } else {
            Leave::At(*reset, Hold::RateLimit)
        }
    }

    /// A request leaves; tells whether it is the one that goes ahead.
    pub(super) fn depart(&mut self, price: u64) -> bool {
        let probes = self.known.as_ref().is_some_and(|(known, reset)| {
            reset.has_come() && known.remaining.saturating_sub(self.spending) < price.min(known.limit)
        });
        self.spending += price;
        self.flying += 1;
        self.probing |= probes;
        probes
    }

    /// A request is back. `charged`: it was sent, and no answer told what is left. `probed`: it had gone
    /// ahead.
    pub(super) fn land(&mut self, price: u64, charged: bool, probed: bool) {
        self.probing &= !probed;
        self.spending = self.spending.saturating_sub(price);
        self.flying = self.flying.saturating_sub(1);
        if let (true, Some((known, _))) = (charged, &mut self.known) {
            known.remaining = known.remaining.saturating_sub(price);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(remaining: u64, reset: i64) -> Told {
        Told { limit: 100, remaining, reset }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_overtake_each_other_do_not_raise_what_is_left() {
        let (mut budget, reset) = (Budget::default(), Moment::after(Duration::from_mins(1)));
        budget.learn(told(5, 1000), reset, Instant::now());
        budget.learn(told(7, 1000), reset, Instant::now());
        budget.learn(told(9, 999), reset, Instant::now());
        budget.learn(told(80, 900), reset, Instant::now());
        for _ in 0..5 {
            assert_eq!(budget.leave(1), Leave::Now);
            budget.depart(1);
        }
        assert_eq!(budget.leave(1), Leave::Changed, "all that is left is in flight");
        for left in [4, 3, 2, 1, 0] {
            budget.learn(told(left, 1000), reset, Instant::now());
            budget.land(1, false, false);
        }
        assert!(matches!(budget.leave(1), Leave::At(at, _) if at == reset));
        budget.learn(told(99, 4600), Moment::after(Duration::from_hours(1)), Instant::now());
        assert_eq!(budget.leave(1), Leave::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_reset_a_single_request_goes_ahead() {
        let mut budget = Budget::default();
        budget.learn(told(0, 1000), Moment::after(Duration::ZERO), Instant::now());
        assert_eq!(budget.leave(1), Leave::Now);
        budget.depart(1);
        assert_eq!(budget.leave(1), Leave::Changed);
        budget.land(1, true, true);
        budget.refused(told(0, 1000), Moment::after(Duration::ZERO), Duration::from_millis(100));
        assert!(matches!(budget.leave(1), Leave::At(..)), "refused again: not at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_counts_for_more_than_what_was_told_before() {
        let mut budget = Budget::default();
        budget.learn(told(99, 9000), Moment::after(Duration::from_secs(8000)), Instant::now());
        let reset = Moment::after(Duration::from_secs(3));
        budget.refused(told(0, 1000), reset, Duration::from_millis(100));
        assert_eq!(budget.leave(1), Leave::At(reset, Hold::RateLimit));
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_answer_may_tell_of_an_earlier_window() {
        let mut budget = Budget::default();
        budget.learn(told(0, 9000), Moment::after(Duration::from_secs(8000)), Instant::now());
        tokio::time::advance(Duration::from_millis(1)).await;
        budget.learn(told(50, 1000), Moment::after(Duration::from_secs(3)), Instant::now());
        assert_eq!(budget.leave(1), Leave::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_under_way_before_the_reset_holds_nobody_up() {
        let mut budget = Budget::default();
        budget.depart(1);
        budget.learn(told(0, 1000), Moment::after(Duration::from_secs(3)), Instant::now());
        assert_eq!(budget.leave(1), Leave::Changed);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(budget.leave(1), Leave::Now);
        assert!(budget.depart(1));
        assert_eq!(budget.leave(1), Leave::Changed, "one alone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_answer_may_have_been_paid_for() {
        let mut budget = Budget::default();
        budget.learn(told(1, 1000), Moment::after(Duration::from_mins(1)), Instant::now());
        budget.depart(1);
        budget.land(1, true, true);
        assert!(matches!(budget.leave(1), Leave::At(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_price_above_the_limit_leaves_with_a_full_budget() {
        let mut budget = Budget::default();
        budget.learn(told(100, 1000), Moment::after(Duration::from_mins(1)), Instant::now());
        assert_eq!(budget.leave(300), Leave::Now);
    }
}
