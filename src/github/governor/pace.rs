//! The pace: GitHub's documented limits a minute, kept before they are met.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::gate::Leave;
use super::moment::Moment;
use super::resource::Resource;
use crate::github::stop::Hold;

/// Points a minute that GitHub grants its REST API; a GET is one.
pub const REST_A_MINUTE: usize = 900;
/// Points a minute that GitHub grants its GraphQL API; a query is one.
pub const QUERIES_A_MINUTE: usize = 2000;

const MINUTE: Duration = Duration::from_mins(1);

/// The requests of the last minute.
///
/// No minute holds more than are granted, wherever it begins. When GitHub counts a request is not
/// known: some time between its sending and its answer. So it counts here from the sending until a
/// minute after the answer.
#[derive(Debug)]
pub(super) struct Pace {
    granted: usize,
    flying: usize,
    answered: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(resource: Resource) -> Self {
        let granted = match resource {
            Resource::Core => REST_A_MINUTE,
            Resource::Graphql => QUERIES_A_MINUTE,
        };
        Self { granted, flying: 0, answered: VecDeque::new() }
    }

    pub(super) fn leave(&mut self) -> Leave {
        let now = Instant::now();
        while self.answered.front().is_some_and(|answered| *answered + MINUTE <= now) {
            self.answered.pop_front();
        }
        match self.answered.front() {
            _ if self.answered.len() + self.flying < self.granted => Leave::Now,
            Some(oldest) => Leave::At(Moment::after(*oldest + MINUTE - now), Hold::Minute),
            None => Leave::Changed,
        }
    }

    pub(super) fn depart(&mut self) {
        self.flying += 1;
    }

    pub(super) fn land(&mut self, sent: bool) {
        self.flying = self.flying.saturating_sub(1);
        if sent {
            self.answered.push_back(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_are_granted() {
        let mut pace = Pace::new(Resource::Core);
        let mut sent = Vec::new();
        let begun = Instant::now();
        while sent.len() < 3_000 {
            match pace.leave() {
                Leave::Now => {
                    pace.depart();
                    sent.push(Instant::now());
                    tokio::time::advance(Duration::from_millis(11)).await;
                    pace.land(true);
                }
                Leave::At(moment, _) => moment.come().await,
                Leave::Changed => panic!("nothing is in flight"),
            }
        }
        for (first, last) in sent.iter().zip(sent.iter().skip(REST_A_MINUTE)) {
            assert!(*last - *first >= MINUTE);
        }
        let least = MINUTE * 3;
        assert!(begun.elapsed() < least + least / 20, "{:?}", begun.elapsed());
    }
}
