//! The limiter against a model of GitHub's limits, on a paused clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use http::HeaderMap;
use jiff::Timestamp;

use super::super::estimate::{DecidingLimit, Estimate, QuotaWindow, Workload};
use super::super::settings::Pace;
use super::*;

/// Queries of the same kind, and a server with all of GitHub's documented limits: points per hour and per minute, and CPU time.
#[derive(Clone, Copy)]
struct Case {
    queries: u64,
    jobs: usize,
    /// Mean response time.
    latency: Duration,
    /// Response times vary by this much around the mean, in percent.
    spread_percent: u64,
    /// Part of the response time that is CPU time, in percent.
    cpu_percent: u32,
}

/// Returns true if long tests run at their full size, as in CI.
fn is_thorough() -> bool {
    std::env::var_os("GHREPOS_THOROUGH_TESTS").is_some()
}

const CASE: Case =
    Case { queries: 30, jobs: 10, latency: Duration::from_secs(1), spread_percent: 0, cpu_percent: 100 };

const POINTS_PER_HOUR: u64 = 5000;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

impl Case {
    fn cpu_time(&self) -> Duration {
        self.latency * self.cpu_percent / 100
    }

    /// Returns the time of a client that knows when GitHub counts each query: the least that all limits together allow.
    fn least_seconds(&self) -> f64 {
        let latency = self.latency.as_secs_f64();
        let cpu_time = settings().graphql_cpu_time_per_minute;
        let by_cpu_time = usize::try_from(cpu_time.as_nanos() / self.cpu_time().as_nanos()).unwrap();
        let per_minute = (settings().graphql_queries_per_minute as usize).min(by_cpu_time);
        let (mut starts, mut hour, mut in_hour) = (Vec::<f64>::new(), 0.0, 0);
        for query in 0..usize::try_from(self.queries).unwrap() {
            let earlier = |number: usize| query.checked_sub(number).map(|earlier| starts[earlier]);
            let job = earlier(self.jobs).map_or(0.0, |start| start + latency);
            let minute = earlier(per_minute).map_or(0.0, |start| start + MINUTE);
            // In the order of the queries.
            let mut start = job.max(minute).max(starts.last().copied().unwrap_or(0.0));
            if in_hour == POINTS_PER_HOUR {
                start = start.max((hour + 1.0) * HOUR);
            }
            if (start / HOUR).floor() > hour {
                (hour, in_hour) = ((start / HOUR).floor(), 0);
            }
            in_hour += 1;
            starts.push(start);
        }
        starts.last().unwrap() + latency
    }
}

/// GitHub's documented limits.
struct Model {
    case: Case,
    /// Wall clock at the start.
    origin: Timestamp,
    start: Instant,
    hours: Mutex<HashMap<u64, u64>>,
    last_minute: Mutex<VecDeque<Instant>>,
    /// End of the minute in which it counts, and CPU time. Each query counts from its arrival until a minute after its response.
    cpu_time: Mutex<VecDeque<(Instant, Duration)>>,
    random: Mutex<fastrand::Rng>,
    rejections: AtomicU64,
}

impl Model {
    fn new(case: Case, origin: Timestamp) -> Self {
        Self {
            case,
            origin,
            start: Instant::now(),
            hours: Mutex::default(),
            last_minute: Mutex::default(),
            cpu_time: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(7)),
            rejections: 0.into(),
        }
    }

    fn now(&self) -> Timestamp {
        self.origin + self.start.elapsed()
    }

    /// Returns the window of the hourly quota, which starts at a whole second.
    fn hour(&self) -> u64 {
        u64::try_from(self.now().as_second() - self.origin.as_second()).unwrap() / 3600
    }

    fn exceeds_minute(&self) -> bool {
        let mut last_minute = self.last_minute.lock().unwrap();
        while last_minute.front().is_some_and(|at| at.elapsed() >= Duration::from_mins(1)) {
            last_minute.pop_front();
        }
        last_minute.push_back(Instant::now());
        last_minute.len() > settings().graphql_queries_per_minute as usize
    }

    fn exceeds_cpu_time(&self, latency: Duration) -> bool {
        let mut counted = self.cpu_time.lock().unwrap();
        counted.retain(|(until, _)| *until > Instant::now());
        let cpu_time = latency * self.case.cpu_percent / 100;
        counted.push_back((Instant::now() + latency + Duration::from_mins(1), cpu_time));
        let used: Duration = counted.iter().map(|(_, cpu_time)| *cpu_time).sum();
        used > settings().graphql_cpu_time_per_minute
    }

    async fn respond(&self) -> (HeaderMap, RequestOutcome<'static>) {
        let hour = self.hour();
        let (remaining, exceeds_hour) = {
            let mut hours = self.hours.lock().unwrap();
            let used = hours.entry(hour).or_default();
            let exceeds_hour = *used >= POINTS_PER_HOUR;
            *used += u64::from(!exceeds_hour);
            (POINTS_PER_HOUR - *used, exceeds_hour)
        };
        let Case { latency, spread_percent, .. } = self.case;
        let percent = 100 + self.random.lock().unwrap().u64(0..=2 * spread_percent) - spread_percent;
        let latency = latency * u32::try_from(percent).unwrap() / 100;
        let exceeds_minute = self.exceeds_minute() | self.exceeds_cpu_time(latency);
        let outcome = match (exceeds_hour, exceeds_minute) {
            (true, _) => RequestOutcome::Throttled { retry_after: None, quota_exhausted: true },
            (_, true) => throttled(60),
            _ => RequestOutcome::Success,
        };
        let is_rejection = !matches!(outcome, RequestOutcome::Success);
        self.rejections.fetch_add(u64::from(is_rejection), Ordering::Relaxed);
        tokio::time::sleep(latency).await;
        let reset = self.origin.as_second() + i64::try_from((hour + 1) * 3600).unwrap();
        let mut headers = quota_headers(remaining, Timestamp::from_second(reset).unwrap());
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&self.now()).unwrap();
        headers.insert("date", date.parse().unwrap());
        (headers, outcome)
    }
}

struct Simulated {
    seconds: f64,
    rejections: u64,
    /// The reason for which queries have waited longest.
    waited_for: Option<WaitReason>,
}

async fn run(case: Case) -> Simulated {
    let limiter = RateLimiter::new(LimiterSettings {
        max_concurrency: case.jobs,
        pace: Pace::Documented,
        max_wait: Duration::from_hours(1),
        ..settings()
    });
    let model = Model::new(case, limiter.clock().now());
    let start = Instant::now();
    let query = |_| async {
        let mut permit = limiter.acquire(Resource::Graphql, 1).await.unwrap();
        permit.mark_sent();
        let (headers, outcome) = model.respond().await;
        limiter.on_headers(&mut permit, &headers, true);
        limiter.on_outcome(&mut permit, outcome);
    };
    futures::stream::iter(0..case.queries).for_each_concurrent(200, query).await;
    let waited = limiter.time_waited();
    Simulated {
        seconds: start.elapsed().as_secs_f64(),
        rejections: model.rejections.load(Ordering::Relaxed),
        waited_for: waited.into_iter().max_by_key(|(_, time)| *time).map(|(reason, _)| reason),
    }
}

#[tokio::test(start_paused = true)]
async fn documented_limits_are_used_up_but_never_exceeded() {
    let milliseconds = Duration::from_millis;
    for case in [
        Case { queries: 30, ..CASE },
        Case { queries: 200, ..CASE },
        Case { queries: if is_thorough() { 20_000 } else { 8_000 }, ..CASE },
        Case { queries: 2_000, spread_percent: 50, ..CASE },
        Case { queries: 2_000, jobs: 100, spread_percent: 50, ..CASE },
        Case { queries: 1_000, jobs: 100, latency: milliseconds(2000), ..CASE },
        Case { queries: 2_000, latency: milliseconds(300), spread_percent: 90, ..CASE },
        // 2,000 queries a minute decide.
        Case { queries: 4_900, jobs: 100, latency: milliseconds(20), ..CASE },
        // The hourly quota decides: CPU time suffices for 7,200 queries an hour.
        Case { queries: 11_000, jobs: 100, latency: milliseconds(500), ..CASE },
        // The time of the responses decides.
        Case { queries: 500, latency: milliseconds(100), ..CASE },
    ] {
        let (least, Simulated { seconds, rejections, .. }) = (case.least_seconds(), run(case).await);
        let Case { queries, latency, .. } = case;
        assert_eq!(rejections, 0, "{queries} queries, {latency:?}");
        assert!(seconds <= least * 1.05, "{queries} queries, {latency:?}: {seconds} of {least} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_estimate_of_cpu_time_costs_its_excess() {
    // The CPU time is a fifth of the response time, so the limit would allow five times as many queries.
    let case = Case { queries: 2_000, cpu_percent: 20, ..CASE };
    let (least, Simulated { seconds, rejections, .. }) = (case.least_seconds(), run(case).await);
    let ratio = seconds / least;
    assert_eq!(rejections, 0);
    assert!((4.5..=5.5).contains(&ratio), "{seconds} of {least} s");
}

#[tokio::test(start_paused = true)]
async fn a_simulated_million_takes_as_long_as_planned() {
    let queries = 10_000;
    let work = Workload { queries, points: queries, rest_requests: 0 };
    let settings = LimiterSettings { pace: Pace::Documented, ..settings() };
    let quota = QuotaWindow {
        limit: POINTS_PER_HOUR,
        remaining: POINTS_PER_HOUR,
        until_reset: Duration::from_hours(1),
    };
    let Estimate { time, limit, .. } = Estimate::new(work, Some(quota), None, &settings);
    let Simulated { seconds, waited_for, .. } = run(Case { queries, ..CASE }).await;
    let ratio = seconds / time.as_secs_f64();
    assert!((0.9..=1.1).contains(&ratio), "{seconds} s, {time:?} planned");
    assert_eq!((limit, waited_for), (Some(DecidingLimit::CpuTime), Some(WaitReason::CpuTime)));
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
    let longest = is_thorough().then_some((Server { max_in_flight: 20, ..SERVER }, 100_000, 100, 125.0));
    for (server, requests, jobs, max_seconds) in [
        (Server { max_in_flight: 20, ..SERVER }, 3000, 100, 7.0),
        (Server { max_in_flight: 20, ..SERVER }, 20_000, 100, 30.0),
        (Server { max_in_flight: 60, ..SERVER }, 20_000, 100, 12.0),
        (Server { max_in_flight: 2, ..SERVER }, 3000, 10, 45.0),
        // Least: 400 and 889 s.
        (Server { max_in_flight: 20, ..github }, 10_000, 100, 560.0),
        (Server { max_in_flight: 9, ..github }, 10_000, 10, 1100.0),
    ]
    .into_iter()
    .chain(longest)
    {
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
