//! Sliding window over requests: the limits per minute that GitHub documents.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Deadline;
use super::{Admission, Pause};
use crate::stop::WaitReason;

const MINUTE: Duration = Duration::from_mins(1);

/// Requests of the last minute.
///
/// No minute holds more than `limit` requests, wherever it starts. GitHub counts a request at some time between its sending and
/// its response; so it counts here from the sending until a minute after the response.
#[derive(Debug)]
pub(super) struct SlidingWindow {
    limit: usize,
    in_flight: usize,
    completed: VecDeque<Instant>,
}

impl SlidingWindow {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, in_flight: 0, completed: VecDeque::new() }
    }

    pub(super) fn check(&mut self) -> Admission {
        let now = Instant::now();
        while self.completed.front().is_some_and(|completed| *completed + MINUTE <= now) {
            self.completed.pop_front();
        }
        match self.completed.front() {
            _ if self.completed.len() + self.in_flight < self.limit => Admission::Ready,
            Some(oldest) => Admission::NotBefore(Pause {
                until: Deadline::after(*oldest + MINUTE - now),
                reason: WaitReason::PerMinuteLimit,
            }),
            None => Admission::Blocked,
        }
    }

    pub(super) fn acquire(&mut self) {
        self.in_flight += 1;
    }

    /// Ends a request. One that was not sent does not count.
    pub(super) fn release(&mut self, was_sent: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if was_sent {
            self.completed.push_back(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        const LIMIT: usize = 900;
        let mut window = SlidingWindow::new(LIMIT);
        let mut sent = Vec::new();
        let start = Instant::now();
        while sent.len() < 3_000 {
            match window.check() {
                Admission::Ready => {
                    window.acquire();
                    sent.push(Instant::now());
                    tokio::time::advance(Duration::from_millis(11)).await;
                    window.release(true);
                }
                Admission::NotBefore(pause) => pause.until.sleep_until().await,
                Admission::Blocked => panic!("nothing is in flight"),
            }
        }
        for (first, last) in sent.iter().zip(sent.iter().skip(LIMIT)) {
            assert!(*last - *first >= MINUTE);
        }
        let least = MINUTE * 3;
        assert!(start.elapsed() < least + least / 20, "{:?}", start.elapsed());
    }
}
