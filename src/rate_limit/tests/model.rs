//! The limiter against a model of GitHub's limits, on a paused clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use http::HeaderMap;
use jiff::Timestamp;

use super::*;

/// GitHub's limits: points per hour and per minute, and the time that a response takes.
struct Model {
    origin: Timestamp,
    hourly_limit: u64,
    minute_limit: usize,
    latency: Duration,
    hours: Mutex<HashMap<u64, u64>>,
    last_minute: Mutex<VecDeque<Instant>>,
    start: Instant,
    rejections: AtomicU64,
}

impl Model {
    async fn respond(&self) -> (HeaderMap, RequestOutcome<'static>) {
        tokio::time::sleep(self.latency / 2).await;
        let now = self.start.elapsed().as_secs();
        let (remaining, exceeds_hour) = {
            let mut hours = self.hours.lock().unwrap();
            let used = hours.entry(now / 3600).or_default();
            let exceeds_hour = *used >= self.hourly_limit;
            *used += u64::from(!exceeds_hour);
            (self.hourly_limit - *used, exceeds_hour)
        };
        let exceeds_minute = {
            let mut last_minute = self.last_minute.lock().unwrap();
            while last_minute.front().is_some_and(|at| at.elapsed() >= Duration::from_mins(1)) {
                last_minute.pop_front();
            }
            last_minute.push_back(Instant::now());
            last_minute.len() > self.minute_limit
        };
        let outcome = match (exceeds_hour, exceeds_minute) {
            (true, _) => RequestOutcome::Throttled { retry_after: None, quota_exhausted: true },
            (_, true) => throttled(60),
            _ => RequestOutcome::Success,
        };
        let is_rejection = !matches!(outcome, RequestOutcome::Success);
        self.rejections.fetch_add(u64::from(is_rejection), Ordering::Relaxed);
        let at = |seconds: u64| {
            Timestamp::from_second(self.origin.as_second() + i64::try_from(seconds).unwrap()).unwrap()
        };
        let mut headers = quota_headers(remaining, at((now / 3600 + 1) * 3600));
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&at(now)).unwrap();
        headers.insert("date", date.parse().unwrap());
        tokio::time::sleep(self.latency / 2).await;
        (headers, outcome)
    }
}

/// Returns the seconds that `queries` take, and the rejections.
async fn run(queries: u64, jobs: usize, latency: Duration) -> (f64, u64) {
    let limiter = RateLimiter::new(LimiterSettings {
        max_concurrency: jobs,
        per_minute: true,
        max_wait: Duration::from_hours(1),
        ..settings()
    });
    let model = Model {
        origin: Timestamp::from_second(limiter.clock().now().as_second()).unwrap(),
        hourly_limit: 5000,
        minute_limit: settings().graphql_queries_per_minute,
        latency,
        hours: Mutex::default(),
        last_minute: Mutex::default(),
        start: Instant::now(),
        rejections: 0.into(),
    };
    let start = Instant::now();
    let query = |_| async {
        let mut permit = limiter.acquire(Resource::Graphql, 1).await.unwrap();
        permit.mark_sent();
        let (headers, outcome) = model.respond().await;
        limiter.on_headers(&mut permit, &headers, true);
        limiter.on_outcome(&mut permit, outcome);
    };
    futures::stream::iter(0..queries).for_each_concurrent(200, query).await;
    (start.elapsed().as_secs_f64(), model.rejections.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn five_hundred_queries_take_as_long_as_their_responses() {
    let (seconds, rejections) = run(500, 10, Duration::from_millis(800)).await;
    let least = 50.0 * 0.8;
    assert!(rejections == 0 && seconds <= least * 1.05, "{seconds} of {least}, {rejections} rejections");
}

#[tokio::test(start_paused = true)]
async fn two_million_logins_take_as_long_as_the_hourly_quota() {
    // 20,000 queries at 5,000 an hour: three resets, and the last 5,000 in three parts of 2,000 a minute.
    let (seconds, rejections) = run(20_000, 100, Duration::from_millis(800)).await;
    let least = 3.0 * 3600.0 + 120.0 + 1000.0 / 100.0 * 0.8;
    // One request at each reset may be a moment too early: our clock and the model's differ by less than a second.
    assert!(rejections <= 3 && seconds <= least * 1.05, "{seconds} of {least}, {rejections} rejections");
}

#[tokio::test(start_paused = true)]
async fn the_limit_per_minute_decides_below_the_hourly_one() {
    let (seconds, rejections) = run(4_900, 100, Duration::from_millis(200)).await;
    let least = 120.0 + 900.0 / 100.0 * 0.2;
    assert!(rejections == 0 && seconds <= least * 1.05, "{seconds} of {least}, {rejections} rejections");
}

/// A server that takes `max_in_flight` requests at once, and rejects `permille` of them at random.
struct Server {
    max_in_flight: u64,
    permille: u64,
    latency: Duration,
    rejection_latency: Duration,
    retry_after: u64,
}

const SERVER: Server = Server {
    max_in_flight: 1000,
    permille: 0,
    latency: Duration::from_millis(20),
    rejection_latency: Duration::from_millis(20),
    retry_after: 1,
};

/// Returns the seconds that `requests` take with `jobs`, and the rejections.
async fn run_against(server: &Server, requests: u64, jobs: usize) -> (f64, u64) {
    let limiter = RateLimiter::new(LimiterSettings { max_concurrency: jobs, retries: 12, ..settings() });
    let (in_flight, rejections) = (AtomicU64::new(0), AtomicU64::new(0));
    let random = Mutex::new(fastrand::Rng::with_seed(7));
    let start = Instant::now();
    let request = |_| async {
        loop {
            let mut permit = limiter.acquire(Resource::Core, 1).await.unwrap();
            permit.mark_sent();
            let at_once = in_flight.fetch_add(1, Ordering::Relaxed) + 1;
            let (jitter, is_unlucky) = {
                let mut random = random.lock().unwrap();
                (random.u64(90..110), random.u64(0..1000) < server.permille)
            };
            let is_rejected = at_once > server.max_in_flight || is_unlucky;
            let latency = if is_rejected { server.rejection_latency } else { server.latency };
            tokio::time::sleep(latency.mul_f64(f64::from(u32::try_from(jitter).unwrap()) / 100.0)).await;
            in_flight.fetch_sub(1, Ordering::Relaxed);
            if !is_rejected {
                return limiter.on_outcome(&mut permit, RequestOutcome::Success);
            }
            rejections.fetch_add(1, Ordering::Relaxed);
            limiter.on_outcome(&mut permit, throttled(server.retry_after));
        }
    };
    futures::stream::iter(0..requests).for_each_concurrent(2 * jobs, request).await;
    (start.elapsed().as_secs_f64(), rejections.into_inner())
}

#[tokio::test(start_paused = true)]
async fn the_servers_concurrency_is_found() {
    let github = Server {
        latency: Duration::from_millis(800),
        rejection_latency: Duration::from_millis(50),
        retry_after: 60,
        ..SERVER
    };
    for (server, requests, jobs, max_seconds) in [
        (Server { max_in_flight: 20, ..SERVER }, 3000, 100, 7.0),
        (Server { max_in_flight: 20, ..SERVER }, 20_000, 100, 30.0),
        (Server { max_in_flight: 20, ..SERVER }, 100_000, 100, 125.0),
        (Server { max_in_flight: 60, ..SERVER }, 20_000, 100, 12.0),
        (Server { max_in_flight: 2, ..SERVER }, 3000, 10, 45.0),
        // Least: 400 and 889 s.
        (Server { max_in_flight: 20, ..github }, 10_000, 100, 560.0),
        (Server { max_in_flight: 9, ..github }, 10_000, 10, 1100.0),
    ] {
        let (seconds, rejections) = run_against(&server, requests, jobs).await;
        let most = server.max_in_flight;
        assert!(
            seconds <= max_seconds,
            "{requests} requests, {most} at once: {seconds} s, {rejections} rejections"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn random_rejections_do_not_lower_the_concurrency() {
    for (permille, requests, max_seconds) in [(2, 20_000, 55.0), (10, 5000, 70.0)] {
        let (seconds, rejections) = run_against(&Server { permille, ..SERVER }, requests, 50).await;
        // Each rejection pauses all requests for a second; without any the requests take 8 and 2 s.
        assert!(seconds <= max_seconds, "{permille} permille: {seconds} s, {rejections} rejections");
    }
}
