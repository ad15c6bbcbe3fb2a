//! The governor against a model of GitHub's limits, on a clock that only ticks when everybody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use jiff::Timestamp;

use super::*;

/// GitHub, as far as its limits go: an hour's budget, a minute's, and a time that an answer takes.
struct Model {
    origin: Timestamp,
    hour: u64,
    minute: usize,
    latency: Duration,
    windows: Mutex<HashMap<u64, u64>>,
    minutes: Mutex<VecDeque<Instant>>,
    begun: Instant,
    refused: AtomicU64,
}

impl Model {
    async fn answer(&self) -> (HeaderMap, Result<(), LookupError>) {
        tokio::time::sleep(self.latency / 2).await;
        let now = self.begun.elapsed().as_secs();
        let (remaining, spent) = {
            let mut windows = self.windows.lock().unwrap();
            let used = windows.entry(now / 3600).or_default();
            let refused = *used >= self.hour;
            *used += u64::from(!refused);
            (self.hour - *used, refused)
        };
        let crowded = {
            let mut minutes = self.minutes.lock().unwrap();
            while minutes.front().is_some_and(|at| at.elapsed() >= Duration::from_mins(1)) {
                minutes.pop_front();
            }
            minutes.push_back(Instant::now());
            minutes.len() > self.minute
        };
        let primary = LookupError::RateLimited { status: 403, wait: None, primary: true };
        let outcome = match (spent, crowded) {
            (true, _) => Err(primary),
            (_, true) => Err(refusal(60)),
            _ => Ok(()),
        };
        self.refused.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
        let second = |seconds: u64| {
            Timestamp::from_second(self.origin.as_second() + i64::try_from(seconds).unwrap()).unwrap()
        };
        let mut headers = limit(remaining, second((now / 3600 + 1) * 3600));
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&second(now)).unwrap();
        headers.insert("date", date.parse().unwrap());
        tokio::time::sleep(self.latency / 2).await;
        (headers, outcome)
    }
}

/// How long `queries` take on a simulated clock, and how many were refused.
async fn makespan(queries: u64, jobs: usize, latency: Duration) -> (f64, u64) {
    let governor =
        Governor::new(&Settings { jobs, max_wait: Duration::from_hours(1), ..Settings::default() });
    let model = Model {
        origin: Timestamp::from_second(governor.state().clock.now().as_second()).unwrap(),
        hour: 5000,
        minute: QUERIES_A_MINUTE,
        latency,
        windows: Mutex::default(),
        minutes: Mutex::default(),
        begun: Instant::now(),
        refused: 0.into(),
    };
    let begun = Instant::now();
    let queries = (0..queries).map(|_| async {
        let mut permit = admit(&governor, Resource::Graphql, false).await.unwrap();
        permit.send();
        let (headers, outcome) = model.answer().await;
        governor.hear(&mut permit, &headers, true);
        governor.learn(&mut permit, outcome.as_ref().map(|&()| ()), true);
        drop(permit);
    });
    let mut queries = futures::stream::iter(queries);
    let mut queries = futures::StreamExt::buffered(&mut queries, 200);
    while let Some(()) = futures::StreamExt::next(&mut queries).await {}
    (begun.elapsed().as_secs_f64(), model.refused.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn fifty_thousand_logins_take_as_long_as_their_queries() {
    // 500 queries: neither limit is met.
    let (seconds, refused) = makespan(500, 10, Duration::from_millis(800)).await;
    let bound = 50.0 * 0.8;
    assert!(refused == 0 && seconds <= bound * 1.05, "{seconds} of {bound}, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn two_million_logins_take_as_long_as_the_hourly_budget_makes_them() {
    // 20,000 queries at 5,000 an hour: three resets, and the last 5,000 in three parts of 2,000 a minute.
    let (seconds, refused) = makespan(20_000, 100, Duration::from_millis(800)).await;
    let bound = 3.0 * 3600.0 + 120.0 + 1000.0 / 100.0 * 0.8;
    // One at each reset may come a moment too early: our clock and the model's differ by less than a second.
    assert!(refused <= 3 && seconds <= bound * 1.05, "{seconds} of {bound}, {refused} refused");
}

#[tokio::test(start_paused = true)]
async fn the_minutes_limit_decides_where_the_hours_does_not() {
    let (seconds, refused) = makespan(4_900, 100, Duration::from_millis(200)).await;
    let bound = 120.0 + 900.0 / 100.0 * 0.2;
    assert!(refused == 0 && seconds <= bound * 1.05, "{seconds} of {bound}, {refused} refused");
}
