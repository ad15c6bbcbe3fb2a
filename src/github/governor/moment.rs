//! Moments to wait for, and the server's clock. GitHub tells resets by its own clock; ours may be hours off,
//! and be set while a run waits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The longest sleep before the clocks are looked at again.
const SLICE: Duration = Duration::from_secs(5);

/// A moment to wait for, on two clocks.
///
/// The monotonic clock stands still while a laptop sleeps, and the wall clock can be set. The moment
/// has come when either says so: at worst that is a request too early, and never a wait too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    instant: Instant,
    wall: Timestamp,
}

impl Moment {
    /// The moment `wait` from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        // A wait beyond what the clocks can count is one without end.
        let instant = Instant::now();
        let instant = instant.checked_add(wait).unwrap_or(instant + Duration::from_hours(8760));
        let wall = Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        Self { instant, wall }
    }

    /// How long it is until then; nothing when it has come.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(Timestamp::now())).unwrap_or_default();
        self.instant.saturating_duration_since(Instant::now()).min(wall)
    }

    /// Whether it has come.
    #[must_use]
    pub fn has_come(&self) -> bool {
        self.wait().is_zero()
    }

    /// By the wall clock, to the second.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        // Rounded up: whoever comes back then does not come too early.
        let whole = self.wall.as_second() + i64::from(self.wall.subsec_nanosecond() > 0);
        Timestamp::from_second(whole).unwrap_or(self.wall)
    }

    /// Sleeps until it has come.
    pub(super) async fn come(&self) {
        loop {
            let wait = self.wait();
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait.min(SLICE)).await;
        }
    }
}

/// What is known of the server's clock, from the `Date` of its answers.
///
/// A date is cut to the second, but each narrows down how far the server's clock is from ours: it was
/// somewhere between the sending of the request and the answer. After some answers that is known to
/// a few milliseconds, where a single one may be a second off.
#[derive(Debug)]
pub(super) struct ServerClock {
    /// Our clock: it stands still in tests where tokio's does.
    origin: (Instant, Timestamp),
    /// Server's clock minus ours: at least and at most.
    ahead: Option<(SignedDuration, SignedDuration)>,
}

impl ServerClock {
    pub(super) fn new() -> Self {
        Self { origin: (Instant::now(), Timestamp::now()), ahead: None }
    }

    /// The server's time, or ours as long as that is not known to be another.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.ours(Instant::now());
        now.saturating_add(self.ahead()).unwrap_or(now)
    }

    fn ahead(&self) -> SignedDuration {
        self.ahead.map_or(SignedDuration::ZERO, |(least, most)| {
            // Most clocks are right: where the dates allow it, it is ours. Where they do not, rather a
            // moment late than too early.
            if least.is_positive() || most.is_negative() { least } else { SignedDuration::ZERO }
        })
    }

    fn ours(&self, instant: Instant) -> Timestamp {
        let (begun, timestamp) = self.origin;
        timestamp.saturating_add(instant.saturating_duration_since(begun)).unwrap_or(Timestamp::MAX)
    }

    /// Learns from the date of an answer to a request that was sent at `sent` and is here now.
    pub(super) fn learn(&mut self, date: Timestamp, sent: Instant) {
        let least = date.duration_since(self.ours(Instant::now()));
        let most = date.duration_since(self.ours(sent)) + SignedDuration::from_secs(1);
        let narrowed = self.ahead.map(|(known, most_known)| (least.max(known), most.min(most_known)));
        // Where nothing is left one of the clocks was set, or ours has slept: begin anew.
        self.ahead = narrowed.filter(|(least, most)| least <= most).or(Some((least, most)));
    }

    /// How long it is until a moment of the server's clock, in Unix seconds.
    pub(super) fn until(&self, second: i64) -> Option<Duration> {
        let now = self.now();
        let until = Timestamp::from_second(second).ok()?.duration_since(now);
        Some(Duration::try_from(until).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dates_that_are_cut_to_the_second_tell_the_clock_to_the_millisecond() {
        let mut clock = ServerClock::new();
        let (_, begun) = clock.origin;
        // The server is 100.35 s ahead.
        let ahead = SignedDuration::from_millis(100_350);
        for _ in 0..400 {
            let sent = Instant::now();
            tokio::time::advance(Duration::from_millis(7)).await;
            let date = clock.ours(Instant::now()).saturating_add(ahead).unwrap();
            let date = Timestamp::from_second(date.as_second()).unwrap();
            tokio::time::advance(Duration::from_millis(7)).await;
            clock.learn(date, sent);
        }
        let server = clock.ours(Instant::now()).saturating_add(ahead).unwrap();
        let reset = server.as_second() + 60;
        let wanted = Timestamp::from_second(reset).unwrap().duration_since(server).as_millis();
        let told = i128::try_from(clock.until(reset).unwrap().as_millis()).unwrap();
        assert!((told - wanted).abs() <= 20, "{told} {wanted}, from {begun}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_is_learnt_anew() {
        let mut clock = ServerClock::new();
        let (_, ours) = clock.origin;
        for ahead in [0, 3600, -3600] {
            let date = Timestamp::from_second(ours.as_second() + ahead).unwrap();
            clock.learn(date, Instant::now());
            let wait = clock.until(date.as_second() + 60).unwrap().as_secs_f64();
            assert!((59.0..=61.0).contains(&wait), "{ahead}: {wait}");
        }
        assert_eq!(clock.until(i64::MAX), None);
        assert_eq!(clock.until(0), Some(Duration::ZERO));
    }
}
