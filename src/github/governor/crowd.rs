//! How many requests are in flight at once: as many as are wanted, unless the server finds that too many.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::github::settings::FIRST;

/// Where a bound was found it is kept for that many rounds of answers at least.
const HELD_ROUNDS: usize = 16;
/// And for that many times the pause that finding it cost: the next try is to cost little in comparison.
const HELD_PAUSES: u32 = 20;

/// A number that was fine so long ago says nothing any more.
const PROVED: Duration = Duration::from_mins(1);

/// So many refusals are not laid to the number where more were fine; what was fine then is no longer.
const PARDONS: u32 = 40;

/// The requests in flight, and how many there may be.
#[derive(Debug)]
pub(super) struct Crowd {
    wanted: usize,
    allowed: usize,
    flying: usize,
    /// Answers since it last grew.
    untroubled: usize,
    refusals: u64,
    /// As many were in flight together and none was refused, and when that was seen last.
    proved: Option<(usize, Instant)>,
    /// Refusals that were not laid to the number since it was last cut.
    pardons: u32,
    cut: Option<Cut>,
    /// When the last answers came, as many as are wanted at once.
    came: VecDeque<Instant>,
}

/// A request's place among those in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// How many were in flight when it left, itself included.
    number: usize,
    /// How many had been refused by then.
    refusals: u64,
}

/// What was learnt from the refusals of requests that were in flight together.
#[derive(Debug)]
struct Cut {
    at: Instant,
    /// How many were in flight.
    flying: usize,
    refused: usize,
    /// How many had been answered by then while one that was refused was in flight.
    beside: usize,
    /// Whether the server said how long to wait.
    told: bool,
    /// Until when what was found holds.
    until: Instant,
    /// Answers since then.
    answers: usize,
}

impl Cut {
    /// As many as were not refused: the server's bound, where it answered a fair part of them. Where it
    /// refused nearly all, their number was not the reason.
    fn bound(&self) -> Option<usize> {
        // Answers that came before the refusals were fine beside them as well, and only a few may have left
        // in their place.
        let fine = self.flying.saturating_sub(self.refused).max(self.beside.min(self.flying));
        (self.told && fine > 0 && fine >= self.flying / 4).then_some(fine)
    }

    fn holds(&self, allowed: usize) -> bool {
        let short = |bound| self.answers < HELD_ROUNDS * bound || Instant::now() < self.until;
        self.bound().is_some_and(|bound| allowed >= bound && short(bound))
    }
}

impl Crowd {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            allowed: wanted.min(FIRST),
            flying: 0,
            untroubled: 0,
            refusals: 0,
            proved: None,
            pardons: 0,
            cut: None,
            came: VecDeque::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.flying < self.allowed
    }

    pub(super) fn depart(&mut self) -> Place {
        self.flying += 1;
        Place { number: self.flying, refusals: self.refusals }
    }

    pub(super) fn land(&mut self) {
        self.flying = self.flying.saturating_sub(1);
    }

    /// A request that left at `started` was answered and not refused: it grows by one for each round of
    /// answers, or, as long as nothing was ever refused, for each answer.
    pub(super) fn answered(&mut self, started: Instant, place: Place) {
        self.came.push_back(Instant::now());
        if self.came.len() > self.wanted {
            self.came.pop_front();
        }
        let is_more = |(proved, at): (usize, Instant)| place.number >= proved || at.elapsed() > PROVED;
        if place.refusals == self.refusals && self.proved.is_none_or(is_more) {
            self.proved = Some((place.number, Instant::now()));
        }
        if let Some(cut) = &mut self.cut {
            if started <= cut.at {
                return;
            }
            cut.answers += 1;
            if cut.holds(self.allowed) {
                return;
            }
        }
        if self.allowed >= self.wanted {
            return;
        }
        self.untroubled += 1;
        if self.cut.is_none() || self.untroubled >= self.allowed {
            self.allowed += 1;
            self.untroubled = 0;
        }
    }

    /// A request that left at `started` was refused, and all pause; the server has `told` how long, or
    /// not.
    ///
    /// Afterwards there are as many as were not refused together with it, and at most half as many where
    /// the server was silent about the wait, or refused them nearly all. Where clearly more were fine a
    /// moment ago, the number is not to blame.
    pub(super) fn refused(&mut self, started: Instant, place: Place, pause: Duration, told: bool) {
        self.refusals += 1;
        let now = Instant::now();
        let came = &self.came;
        let beside = |by| came.iter().filter(|came| (started..=by).contains(*came)).count();
        let cut = match &mut self.cut {
            Some(cut) if started <= cut.at => {
                cut.refused += 1;
                // It may have left before the one that was refused first.
                cut.beside = cut.beside.max(beside(cut.at));
                cut
            }
            cut => {
                let is_fine =
                    |(proved, at): (usize, Instant)| place.number <= proved * 3 / 4 && at.elapsed() <= PROVED;
                if self.allowed <= 1 {
                    return;
                }
                if told && self.pardons < PARDONS && self.proved.is_some_and(is_fine) {
                    self.pardons += 1;
                    return;
                }
                (self.pardons, self.proved) = (0, None);
                // A pause that ends the run may be longer than any clock goes.
                let until = now.checked_add(pause.saturating_mul(1 + HELD_PAUSES)).unwrap_or(now);
                let (flying, beside) = (self.flying, beside(now));
                cut.insert(Cut { at: now, flying, refused: 1, beside, told, until, answers: 0 })
            }
        };
        let half = (cut.flying / 2).max(1);
        self.allowed = cut.bound().unwrap_or(half);
        self.untroubled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of a server that answers `most` at once and refuses the others; gives the crowds and the
    /// number of requests and refusals.
    async fn rounds(crowd: &mut Crowd, most: usize, rounds: usize) -> (Vec<usize>, usize, usize) {
        let (mut sizes, mut requests, mut refusals) = (Vec::new(), 0, 0);
        for _ in 0..rounds {
            let mut flying = Vec::new();
            while crowd.has_room() {
                flying.push((Instant::now(), crowd.depart()));
            }
            tokio::time::advance(Duration::from_millis(20)).await;
            sizes.push(flying.len());
            requests += flying.len();
            // Who is refused is not who left last.
            fastrand::shuffle(&mut flying);
            let refused = flying.split_off(flying.len().min(most));
            refusals += refused.len();
            for (started, place) in refused {
                crowd.refused(started, place, Duration::from_secs(1), true);
                crowd.land();
            }
            for (started, place) in flying {
                crowd.answered(started, place);
                crowd.land();
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        (sizes, requests, refusals)
    }

    /// The only one in flight is refused.
    fn refuse_one(crowd: &mut Crowd, told: bool) {
        let place = crowd.depart();
        crowd.refused(Instant::now(), place, Duration::from_secs(1), told);
        crowd.land();
    }

    #[tokio::test(start_paused = true)]
    async fn it_settles_below_what_the_server_refuses() {
        for most in [1, 5, 12, 20, 49, 60] {
            let mut crowd = Crowd::new(100);
            let (sizes, requests, refusals) = rounds(&mut crowd, most, 300).await;
            assert_eq!(sizes[0], 50);
            assert_eq!(*sizes.last().unwrap(), most, "{sizes:?}");
            assert!(refusals * 100 < requests * 30 / most.min(10), "{refusals} of {requests}: {sizes:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_come_before_the_refusals_count_for_what_the_server_takes() {
        for relaunched in [0, 3, 20] {
            let mut crowd = Crowd::new(50);
            let first: Vec<_> = (0..50).map(|_| (Instant::now(), crowd.depart())).collect();
            tokio::time::advance(Duration::from_millis(20)).await;
            for (started, place) in first.iter().take(20) {
                crowd.answered(*started, *place);
                crowd.land();
            }
            for _ in 0..relaunched {
                crowd.depart();
            }
            for (started, place) in first.iter().skip(20) {
                crowd.refused(*started, *place, Duration::from_secs(1), true);
                crowd.land();
            }
            assert_eq!(crowd.allowed, 20, "{relaunched}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_tries_more_again_after_a_while() {
        let mut crowd = Crowd::new(30);
        rounds(&mut crowd, 10, 20).await;
        tokio::time::advance(Duration::from_mins(2)).await;
        let (sizes, ..) = rounds(&mut crowd, 100, 60).await;
        assert_eq!(sizes.last(), Some(&30), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_refused_it_is_halved_and_grows_by_one_a_round() {
        let mut crowd = Crowd::new(10);
        rounds(&mut crowd, 0, 1).await;
        assert_eq!(rounds(&mut crowd, 100, 7).await.0, [5, 6, 7, 8, 9, 10, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_few_where_many_were_fine_is_not_because_of_their_number() {
        let mut crowd = Crowd::new(40);
        rounds(&mut crowd, 100, 2).await;
        refuse_one(&mut crowd, true);
        assert_eq!(rounds(&mut crowd, 100, 1).await.0, [40]);
        // Where no wait was told there are fewer all the same.
        refuse_one(&mut crowd, false);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(rounds(&mut crowd, 100, 3).await.0, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_refused_alone_makes_nothing_smaller() {
        let mut crowd = Crowd::new(1);
        refuse_one(&mut crowd, false);
        assert_eq!(rounds(&mut crowd, 100, 3).await.0, [1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_jobs_begin_with_fifty_and_are_there_two_rounds_later() {
        let mut crowd = Crowd::new(100);
        assert_eq!(rounds(&mut crowd, 100, 3).await.0, [50, 100, 100]);
        let mut crowd = Crowd::new(10);
        assert_eq!(rounds(&mut crowd, 100, 2).await.0, [10, 10]);
    }
}
