//! The hourly budget of a resource, as the answers tell it.

use std::time::Duration;

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
    /// The price of the requests in flight: what was told last may or may not hold it already.
    spending: u64,
    flying: usize,
}

/// Resets that differ by no more are the same: GitHub's vary by a second from answer to answer.
const SAME: i64 = 2;

impl Budget {
    /// Learns from an answer. Answers overtake each other: within a window the least counts.
    pub(super) fn learn(&mut self, told: Told, reset: Moment) {
        let Some((known, known_reset)) = &mut self.known else {
            self.known = Some((told, reset));
            return;
        };
        if told.reset > known.reset {
            (*known, *known_reset) = (told, reset);
        } else if told.reset == known.reset || (told.reset >= known.reset - SAME && !known_reset.has_come()) {
            known.remaining = known.remaining.min(told.remaining);
            if told.reset == known.reset {
                *known_reset = reset;
            }
        }
    }

    /// A good answer told nothing: there are no limits, or none any more.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// Refused for lack of it, at a moment when there should be some again: the reset was told in whole
    /// seconds, and the window may end a little later.
    pub(super) fn refused(&mut self, wait: Duration) {
        if let Some((known, reset)) = &mut self.known
            && known.remaining == 0
            && reset.wait() < wait
        {
            *reset = Moment::after(wait);
        }
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
        } else if self.flying > 0 {
            Leave::Changed
        } else if reset.has_come() {
            Leave::Now
        } else {
            Leave::At(*reset, Hold::RateLimit)
        }
    }

    pub(super) fn depart(&mut self, price: u64) {
        self.spending += price;
        self.flying += 1;
    }

    /// A request is back. `charged`: it was sent, and no answer told what is left.
    pub(super) fn land(&mut self, price: u64, charged: bool) {
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
        budget.learn(told(5, 1000), reset);
        budget.learn(told(7, 1000), reset);
        budget.learn(told(9, 999), reset);
        budget.learn(told(80, 900), reset);
        for _ in 0..5 {
            assert_eq!(budget.leave(1), Leave::Now);
            budget.depart(1);
        }
        assert_eq!(budget.leave(1), Leave::Changed, "all that is left is in flight");
        for left in [4, 3, 2, 1, 0] {
            budget.learn(told(left, 1000), reset);
            budget.land(1, false);
        }
        assert!(matches!(budget.leave(1), Leave::At(at, _) if at == reset));
        budget.learn(told(99, 4600), Moment::after(Duration::from_hours(1)));
        assert_eq!(budget.leave(1), Leave::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_reset_a_single_request_goes_ahead() {
        let mut budget = Budget::default();
        budget.learn(told(0, 1000), Moment::after(Duration::ZERO));
        assert_eq!(budget.leave(1), Leave::Now);
        budget.depart(1);
        assert_eq!(budget.leave(1), Leave::Changed);
        budget.land(1, true);
        budget.refused(Duration::from_millis(100));
        assert!(matches!(budget.leave(1), Leave::At(..)), "refused again: not at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_answer_may_have_been_paid_for() {
        let mut budget = Budget::default();
        budget.learn(told(1, 1000), Moment::after(Duration::from_mins(1)));
        budget.depart(1);
        budget.land(1, true);
        assert!(matches!(budget.leave(1), Leave::At(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_price_above_the_limit_leaves_with_a_full_budget() {
        let mut budget = Budget::default();
        budget.learn(told(100, 1000), Moment::after(Duration::from_mins(1)));
        assert_eq!(budget.leave(300), Leave::Now);
    }
}
