//! Budgets: an hour's, and a minute's.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A primary limit.
#[derive(Clone, Copy, Debug)]
pub struct Primary {
    /// Requests or points in a window.
    pub limit: u64,
    /// The window's length, in whole seconds.
    pub window: Duration,
    /// How much later than it tells the next window begins.
    pub late: Duration,
}

impl Primary {
    /// A limit that keeps its word.
    pub fn new(limit: u64, window: Duration) -> Self {
        Self { limit, window, late: Duration::ZERO }
    }
}

/// What is told where there is no limit: more than any test asks for.
const BOUNDLESS: Primary =
    Primary { limit: 100_000_000, window: Duration::from_hours(1), late: Duration::ZERO };

/// What is left of a budget.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// There was not enough of it.
    pub refused: bool,
    /// In a window.
    pub limit: u64,
    /// Left of it.
    pub remaining: u64,
    /// When there is a full one again, in Unix seconds.
    pub reset: u64,
}

/// A budget of which is spent. Its windows begin, as GitHub's do, at whole seconds.
#[derive(Default)]
pub struct Window {
    /// The beginning, since the epoch, and what was used.
    begun: Mutex<Option<(Duration, u64)>>,
}

impl Window {
    /// Takes a price from it; a refused request costs nothing.
    pub fn spend(&self, primary: Option<Primary>, price: u64) -> Left {
        let Primary { limit, window, late } = primary.unwrap_or(BOUNDLESS);
        let mut state = self.begun.lock().expect("no panic");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let (begun, used) = match *state {
            Some((begun, used)) if now < begun + window + late => (begun, used),
            _ => (Duration::from_secs(now.as_secs()), 0),
        };
        let refused = price > 0 && used + price > limit;
        let used = if refused { used } else { used + price };
        if price > 0 {
            *state = Some((begun, used));
        }
        Left { refused, limit, remaining: limit.saturating_sub(used), reset: (begun + window).as_secs() }
    }
}

/// The points of the last minute, or of whatever stands for a minute.
#[derive(Default)]
pub struct Minute(Mutex<VecDeque<Instant>>);

impl Minute {
    /// Whether one more is too much. A refused request counts as well.
    pub fn refuses(&self, most: Option<(usize, Duration)>) -> bool {
        let Some((most, minute)) = most else { return false };
        let mut points = self.0.lock().expect("no panic");
        while points.front().is_some_and(|at| at.elapsed() >= minute) {
            points.pop_front();
        }
        points.push_back(Instant::now());
        points.len() > most
    }
}
