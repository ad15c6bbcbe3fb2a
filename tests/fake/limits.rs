//! Hourly budgets.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A primary limit.
#[derive(Clone, Copy, Debug)]
pub struct Primary {
    /// Requests or points in a window.
    pub limit: u64,
    /// The window's length.
    pub window: Duration,
}

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

/// A budget of which is spent. Without a limit it is GitHub's, and never refuses.
#[derive(Default)]
pub struct Window {
    begun: Mutex<Option<(Instant, u64)>>,
}

impl Window {
    /// Takes a price from it; a refused request costs nothing.
    pub fn spend(&self, primary: Option<Primary>, price: u64) -> Left {
        let Primary { limit, window } =
            primary.unwrap_or(Primary { limit: 5000, window: Duration::from_secs(3600) });
        let mut state = self.begun.lock().expect("no panic");
        let now = Instant::now();
        let (begun, used) = match *state {
            Some((begun, used)) if now < begun + window => (begun, used),
            _ => (now, 0),
        };
        let refused = primary.is_some() && price > 0 && used + price > limit;
        let used = if refused { used } else { (used + price).min(limit) };
        if price > 0 {
            *state = Some((begun, used));
        }
        let left = (begun + window).saturating_duration_since(now);
        let reset = (SystemTime::now() + left).duration_since(UNIX_EPOCH).unwrap_or_default();
        // Whole seconds, and never before the window has ended.
        let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
        let remaining = if refused { 0 } else { limit - used };
        Left { refused, limit, remaining, reset }
    }
}
