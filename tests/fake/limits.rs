//! Rate limits: per hour, per minute, and CPU time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A primary limit.
#[derive(Clone, Copy, Debug)]
pub struct PrimaryLimit {
    /// Requests or points in a window.
    pub limit: u64,
    /// The window's length, in whole seconds.
    pub window: Duration,
    /// Time by which the next window begins later than the headers say.
    pub late: Duration,
}

impl PrimaryLimit {
    /// A limit whose windows begin when the headers say.
    pub fn new(limit: u64, window: Duration) -> Self {
        Self { limit, window, late: Duration::ZERO }
    }
}

/// Stands for no limit in the headers: more requests than any test sends.
const UNLIMITED: PrimaryLimit =
    PrimaryLimit { limit: 100_000_000, window: Duration::from_hours(1), late: Duration::ZERO };

/// State of a limit after a request.
#[derive(Clone, Copy, Debug)]
pub struct QuotaState {
    /// The request exceeded the limit.
    pub rejected: bool,
    /// Requests or points per window.
    pub limit: u64,
    /// Requests or points left in this window.
    pub remaining: u64,
    /// Start of the next window, in Unix seconds.
    pub reset: u64,
}

/// The current window of a limit. Windows begin at whole seconds, as GitHub's do.
#[derive(Default)]
pub struct Window {
    /// Start of the window since the epoch, and the requests or points used.
    begun: Mutex<Option<(Duration, u64)>>,
}

impl Window {
    /// Charges a request. A rejected request costs nothing.
    pub fn spend(&self, primary: Option<PrimaryLimit>, price: u64) -> QuotaState {
        let PrimaryLimit { limit, window, late } = primary.unwrap_or(UNLIMITED);
        let mut state = self.begun.lock().expect("no panic");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let (begun, used) = match *state {
            Some((begun, used)) if now < begun + window + late => (begun, used),
            _ => (Duration::from_secs(now.as_secs()), 0),
        };
        let rejected = price > 0 && used + price > limit;
        let used = if rejected { used } else { used + price };
        if price > 0 {
            *state = Some((begun, used));
        }
        QuotaState {
            rejected,
            limit,
            remaining: limit.saturating_sub(used),
            reset: (begun + window).as_secs(),
        }
    }
}

/// Requests of the last minute, or of the period that stands for a minute.
#[derive(Default)]
pub struct Minute(Mutex<VecDeque<Instant>>);

impl Minute {
    /// Counts a request, and returns true if it exceeds the limit. Rejected requests count too.
    pub fn rejects(&self, most: Option<(usize, Duration)>) -> bool {
        let Some((most, minute)) = most else { return false };
        let mut points = self.0.lock().expect("no panic");
        while points.front().is_some_and(|at| at.elapsed() >= minute) {
            points.pop_front();
        }
        points.push_back(Instant::now());
        points.len() > most
    }
}

/// A limit on CPU time.
#[derive(Clone, Copy, Debug)]
pub struct CpuTimeLimit {
    /// CPU time of all requests within a minute.
    pub all: Duration,
    /// CPU time of all queries within a minute.
    pub graphql: Duration,
    /// Period that stands for a minute.
    pub minute: Duration,
    /// Response time of a request as a multiple of its CPU time.
    pub response_factor: u32,
}

impl Default for CpuTimeLimit {
    /// The documented limit, with CPU time as long as the response time.
    fn default() -> Self {
        Self {
            all: Duration::from_secs(90),
            graphql: Duration::from_mins(1),
            minute: Duration::from_mins(1),
            response_factor: 1,
        }
    }
}

/// CPU time of the last minute.
#[derive(Default)]
pub struct CpuTime(Mutex<VecDeque<Counted>>);

struct Counted {
    until: Instant,
    is_query: bool,
    cpu_time: Duration,
}

impl CpuTime {
    /// Counts a request from its arrival until a minute after its response. Returns true if it exceeds the limit; it then costs
    /// nothing.
    pub fn rejects(&self, limit: Option<CpuTimeLimit>, is_query: bool, cpu_time: Duration) -> bool {
        let Some(CpuTimeLimit { all, graphql, minute, response_factor }) = limit else { return false };
        let mut counted = self.0.lock().expect("no panic");
        let now = Instant::now();
        counted.retain(|request| request.until > now);
        let used = |only_queries: bool| -> Duration {
            let requests = counted.iter().filter(|request| request.is_query || !only_queries);
            requests.map(|request| request.cpu_time).sum()
        };
        if used(false) + cpu_time > all || is_query && used(true) + cpu_time > graphql {
            return true;
        }
        counted.push_back(Counted { until: now + cpu_time * response_factor + minute, is_query, cpu_time });
        false
    }
}
