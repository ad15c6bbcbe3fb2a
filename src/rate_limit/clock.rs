//! Deadlines, and the server's clock. GitHub gives resets by its own clock; ours may be hours off, and may be set while a run
//! waits.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::header_str;

/// Longest sleep before the wall clock is checked again.
const CLOCK_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// A time to wait for, on two clocks.
///
/// The monotonic clock stops while a laptop sleeps, and the wall clock can be set. The deadline has passed as soon as either
/// says so: at worst a request is early, and a wait is never too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    instant: Instant,
    wall: Timestamp,
}

impl Deadline {
    pub(crate) fn after(wait: Duration) -> Self {
        // A wait that the clocks cannot represent lasts a year.
        let now = Instant::now();
        let instant = now.checked_add(wait).unwrap_or(now + Duration::from_hours(8760));
        let wall = Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        Self { instant, wall }
    }

    pub(crate) fn remaining(&self) -> Duration {
        let wall = Duration::try_from(self.wall.duration_since(Timestamp::now())).unwrap_or_default();
        self.instant.saturating_duration_since(Instant::now()).min(wall)
    }

    pub(crate) fn is_past(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the wall-clock time in whole seconds, rounded up: a run that resumes then is not early.
    pub(crate) fn timestamp(&self) -> Timestamp {
        let seconds = self.wall.as_second() + i64::from(self.wall.subsec_nanosecond() > 0);
        Timestamp::from_second(seconds).unwrap_or(self.wall)
    }

    pub(super) async fn sleep_until(&self) {
        while !self.is_past() {
            tokio::time::sleep(self.remaining().min(CLOCK_CHECK_INTERVAL)).await;
        }
    }
}

/// Reads the `Date` header: the server's clock, in whole seconds.
pub(crate) fn parse_date(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(header_str(headers, DATE)?).ok()
}

/// Offset of the server's clock, from the `Date` headers of its responses.
///
/// A date is cut to the second, but each one narrows the offset: the server's clock showed it between the sending of the request
/// and the arrival of the response. A few responses determine the offset to some milliseconds; a single one may be a second off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    /// Our clock. It stops in tests where tokio's does.
    epoch: (Instant, Timestamp),
    /// Server's clock minus ours, at least and at most.
    offset_bounds: Option<(SignedDuration, SignedDuration)>,
}

impl ServerClock {
    pub(super) fn new() -> Self {
        Self { epoch: (Instant::now(), Timestamp::now()), offset_bounds: None }
    }

    /// Returns the server's time, or ours while no other is known.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.local_time(Instant::now());
        // Most clocks are right: the offset is zero where the dates allow that. Otherwise rather late than early.
        let offset = self.offset_bounds.filter(|(least, most)| least.is_positive() || most.is_negative());
        offset.and_then(|(least, _)| now.saturating_add(least).ok()).unwrap_or(now)
    }

    fn local_time(&self, instant: Instant) -> Timestamp {
        let (start, timestamp) = self.epoch;
        timestamp.saturating_add(instant.saturating_duration_since(start)).unwrap_or(Timestamp::MAX)
    }

    /// Narrows the offset by the date of a response that has just arrived; its request was sent at `sent`.
    pub(super) fn observe_date(&mut self, date: Timestamp, sent: Instant) {
        let least = date.duration_since(self.local_time(Instant::now()));
        let most = date.duration_since(self.local_time(sent)) + SignedDuration::from_secs(1);
        let narrowed = self.offset_bounds.map(|(low, high)| (least.max(low), most.min(high)));
        // An empty range means that a clock was set or that this machine slept: start over.
        self.offset_bounds = narrowed.filter(|(least, most)| least <= most).or(Some((least, most)));
    }

    /// Returns the time until a moment of the server's clock, in Unix seconds. None if it cannot be represented.
    pub(crate) fn duration_until(&self, second: i64) -> Option<Duration> {
        let until = Timestamp::from_second(second).ok()?.duration_since(self.now());
        Some(Duration::try_from(until).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whole_second_dates_give_a_millisecond_offset() {
        let mut clock = ServerClock::new();
        let (_, begun) = clock.epoch;
        // The server is 100.35 s ahead.
        let ahead = SignedDuration::from_millis(100_350);
        for _ in 0..400 {
            let sent = Instant::now();
            tokio::time::advance(Duration::from_millis(7)).await;
            let date = clock.local_time(Instant::now()).saturating_add(ahead).unwrap();
            let date = Timestamp::from_second(date.as_second()).unwrap();
            tokio::time::advance(Duration::from_millis(7)).await;
            clock.observe_date(date, sent);
        }
        let server = clock.local_time(Instant::now()).saturating_add(ahead).unwrap();
        let reset = server.as_second() + 60;
        let wanted = Timestamp::from_second(reset).unwrap().duration_since(server).as_millis();
        let measured = i128::try_from(clock.duration_until(reset).unwrap().as_millis()).unwrap();
        assert!((measured - wanted).abs() <= 20, "{measured} {wanted}, from {begun}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_is_measured_again() {
        let mut clock = ServerClock::new();
        let (_, ours) = clock.epoch;
        for ahead in [0, 3600, -3600] {
            let date = Timestamp::from_second(ours.as_second() + ahead).unwrap();
            clock.observe_date(date, Instant::now());
            let wait = clock.duration_until(date.as_second() + 60).unwrap().as_secs_f64();
            assert!((59.0..=61.0).contains(&wait), "{ahead}: {wait}");
        }
        assert_eq!(clock.duration_until(i64::MAX), None);
        assert_eq!(clock.duration_until(0), Some(Duration::ZERO));
    }
}
