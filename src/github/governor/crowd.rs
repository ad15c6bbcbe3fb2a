//! How many requests are in flight at once: as many as are wanted, unless the server finds that too many.

use std::time::Duration;

use tokio::time::Instant;

/// In flight at first. With more jobs than this it grows with each answer: a server that allows fewer
/// is found out with a few refusals and not with a hundred.
const FIRST: usize = 50;
/// How long it stays below what was refused. Twice as long each time.
const HOLD: Duration = Duration::from_mins(1);
const MAX_HOLD: Duration = Duration::from_mins(16);

/// The requests in flight, and how many there may be.
#[derive(Debug)]
pub(super) struct Crowd {
    wanted: usize,
    allowed: usize,
    /// Up to here it doubles with each round of answers; above it grows by one.
    doubling: usize,
    /// Until then it stays at or below this.
    ceiling: Option<(usize, Instant)>,
    hold: Duration,
    flying: usize,
    /// Answers since it last grew.
    untroubled: usize,
    /// When it was cut last, and what was allowed before.
    cut: Option<(Instant, usize)>,
}

impl Crowd {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            allowed: wanted.min(FIRST),
            doubling: wanted,
            ceiling: None,
            hold: HOLD,
            flying: 0,
            untroubled: 0,
            cut: None,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.flying < self.allowed
    }

    /// A request leaves; it is told how many are in flight with it.
    pub(super) fn depart(&mut self) -> usize {
        self.flying += 1;
        self.flying
    }

    pub(super) fn land(&mut self) {
        self.flying = self.flying.saturating_sub(1);
    }

    /// A request that left at `started` was answered and not refused.
    pub(super) fn answered(&mut self, started: Instant) {
        if self.cut.is_some_and(|(cut, _)| started <= cut) || self.allowed >= self.wanted {
            return;
        }
        if let Some((ceiling, until)) = self.ceiling
            && self.allowed >= ceiling
            && Instant::now() < until
        {
            return;
        }
        self.untroubled += 1;
        if self.allowed < self.doubling || self.untroubled >= self.allowed {
            self.allowed += 1;
            self.untroubled = 0;
        }
    }

    /// A request that left at `started`, as the `crowd`-th in flight, was refused.
    ///
    /// The next goes alone. From there it doubles up to half of what it was, and goes on by one for
    /// each round up to where the first was refused, but at least to the half: a server that refused
    /// them all did so for another reason than their number.
    pub(super) fn refused(&mut self, started: Instant, crowd: usize, pause: Duration) {
        let now = Instant::now();
        let before = match self.cut {
            Some((cut, before)) if started <= cut => before,
            earlier => {
                if earlier.is_some() {
                    self.hold = (self.hold * 2).min(MAX_HOLD);
                }
                self.ceiling = None;
                self.cut = Some((now, self.allowed));
                self.allowed
            }
        };
        let half = (before / 2).max(1);
        let least = self.ceiling.map_or(usize::MAX, |(ceiling, _)| ceiling).min(crowd.saturating_sub(1));
        self.ceiling = Some((least.max(half), now + pause.min(MAX_HOLD) + self.hold));
        self.doubling = half;
        self.allowed = 1;
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
            for (started, number) in &flying {
                crowd.land();
                if *number > most {
                    crowd.refused(*started, *number, Duration::from_secs(1));
                    refusals += 1;
                } else {
                    crowd.answered(*started);
                }
            }
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        (sizes, requests, refusals)
    }

    #[tokio::test(start_paused = true)]
    async fn it_settles_below_what_the_server_refuses() {
        let mut crowd = Crowd::new(100);
        let (sizes, requests, refusals) = rounds(&mut crowd, 20, 100).await;
        assert_eq!(sizes[0], 50);
        assert_eq!(sizes[1], 1);
        assert_eq!(*sizes.last().unwrap(), 20);
        assert!(refusals * 100 < requests * 3, "{refusals} of {requests}: {sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_tries_more_again_after_a_while() {
        let mut crowd = Crowd::new(30);
        rounds(&mut crowd, 10, 20).await;
        tokio::time::advance(MAX_HOLD * 2).await;
        let (sizes, ..) = rounds(&mut crowd, 100, 60).await;
        assert_eq!(sizes.last(), Some(&30), "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_refused_it_is_halved() {
        let mut crowd = Crowd::new(10);
        rounds(&mut crowd, 0, 1).await;
        let (sizes, ..) = rounds(&mut crowd, 100, 10).await;
        assert_eq!(sizes, [1, 2, 4, 5, 5, 5, 5, 5, 5, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_jobs_begin_with_fifty_and_are_there_two_rounds_later() {
        let mut crowd = Crowd::new(100);
        assert_eq!(rounds(&mut crowd, 100, 3).await.0, [50, 100, 100]);
        let mut crowd = Crowd::new(10);
        assert_eq!(rounds(&mut crowd, 100, 2).await.0, [10, 10]);
    }
}
