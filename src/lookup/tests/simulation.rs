//! Simulated hours of lookups against a model of GitHub with its documented limits and every fault, on a paused clock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use http::header::AUTHORIZATION;
use http::{Request, Response, response};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::github::account::ApiKind;
use crate::github::credentials::{App, Credentials};
use crate::github::{Client, ClientConfig};
use crate::login::Login;
use crate::lookup::{LookupOptions, lookup};
use crate::network::connector::BoxError;
use crate::rate_limit::estimate::{Estimate, QuotaWindow, Workload};
use crate::report::{Row, Status};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// Points of a query API and requests of REST, each per hour.
const PER_HOUR: u64 = 5000;
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// Longest excess over the CPU time of a minute: a response that is slower than all others of the minute cannot be predicted.
const SURPRISE: Duration = Duration::from_millis(300);
const JOBS: usize = 10;
/// Sample data: no app has this key.
const APP_KEY: &[u8] = include_bytes!("../../../fixtures/app/sample-key.pem");
const TOKEN_ROUTE: &str = "/app/installations/7/access_tokens";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    BadGateway,
    /// 503 with `retry-after`.
    Busy,
    /// The connection is reset before the response.
    Reset,
    /// The connection is closed in the middle of the body.
    Truncated,
    /// A complete body that is not JSON.
    HalfJson,
    /// No response.
    Silence,
    /// 403 with `retry-after`.
    SecondaryLimit,
    /// The token is revoked before it expires.
    Revoked,
    /// An alias of a query is null, with the error of a query that takes too long.
    ResourceLimit,
}

/// Faults and their numbers in ten thousand requests.
const FAULTS: [(Fault, u64); 9] = [
    (Fault::BadGateway, 60),
    (Fault::Busy, 2),
    (Fault::Reset, 30),
    (Fault::Truncated, 30),
    (Fault::HalfJson, 30),
    (Fault::Silence, 5),
    (Fault::SecondaryLimit, 3),
    (Fault::Revoked, 3),
    (Fault::ResourceLimit, 50),
];

/// A resource with its limits and what was used of them.
struct Resource {
    per_minute: usize,
    cpu_time_per_minute: Duration,
    /// Mean response time.
    latency: Duration,
    /// Start of the hour, and the delay of its end.
    hour: Instant,
    delay: Duration,
    used: u64,
    last_minute: VecDeque<Instant>,
    /// Times until which a response counts, and its CPU time.
    cpu_time: VecDeque<(Instant, Duration)>,
}

impl Resource {
    fn new(per_minute: usize, cpu_time: Duration, latency: Duration) -> Self {
        Self {
            per_minute,
            cpu_time_per_minute: cpu_time,
            latency,
            hour: Instant::now(),
            delay: Duration::ZERO,
            used: 0,
            last_minute: VecDeque::new(),
            cpu_time: VecDeque::new(),
        }
    }

    /// Counts a request. Returns false if the quota of the hour is used up.
    fn spend(&mut self, random: &mut fastrand::Rng) -> bool {
        while self.hour.elapsed() >= HOUR + self.delay {
            self.hour += HOUR;
            self.used = 0;
            // Some servers start the next hour late.
            self.delay = Duration::from_millis(random.u64(0..2000));
        }
        let has_quota = self.used < PER_HOUR;
        self.used += u64::from(has_quota);
        has_quota
    }

    /// Counts the time of a response, and returns the limits per minute that it exceeds.
    fn exceeded(&mut self, latency: Duration) -> Vec<String> {
        let now = Instant::now();
        while self.last_minute.front().is_some_and(|at| at.elapsed() >= MINUTE) {
            self.last_minute.pop_front();
        }
        self.last_minute.push_back(now);
        self.cpu_time.retain(|(until, _)| *until > now);
        self.cpu_time.push_back((now + latency + MINUTE, latency));
        let cpu_time: Duration = self.cpu_time.iter().map(|(_, time)| *time).sum();
        let mut exceeded = Vec::new();
        if self.last_minute.len() > self.per_minute {
            exceeded.push(format!("{} requests per minute", self.last_minute.len()));
        }
        if cpu_time > self.cpu_time_per_minute + SURPRISE {
            exceeded.push(format!("{cpu_time:?} of CPU time per minute"));
        }
        exceeded
    }
}

struct State {
    random: fastrand::Rng,
    core: Resource,
    graphql: Resource,
    in_flight: usize,
    /// End of the wait that was requested of all clients.
    paused_until: Option<Instant>,
    token: Option<(String, Instant)>,
    tokens: u64,
    requests: u64,
    /// Requests beyond the quota of an hour.
    beyond_quota: u64,
    faults: BTreeMap<Fault, u64>,
    /// Requests that GitHub's documentation forbids.
    violations: Vec<String>,
}

/// The model. A request counts from its arrival.
struct Github {
    origin: Timestamp,
    start: Instant,
    state: Mutex<State>,
}

/// Response to a request that has arrived.
struct Reply {
    latency: Duration,
    fault: Option<Fault>,
    response: Response<String>,
}

impl Github {
    fn new(seed: u64) -> Self {
        let seconds = Duration::from_secs;
        let state = State {
            random: fastrand::Rng::with_seed(seed),
            core: Resource::new(900, seconds(90), Duration::from_millis(200)),
            graphql: Resource::new(2000, seconds(60), seconds(1)),
            in_flight: 0,
            paused_until: None,
            token: None,
            tokens: 0,
            requests: 0,
            beyond_quota: 0,
            faults: BTreeMap::new(),
            violations: Vec::new(),
        };
        let origin = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        Self { origin, start: Instant::now(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn at(&self, instant: Instant) -> Timestamp {
        self.origin + instant.duration_since(self.start)
    }

    async fn respond(self: Arc<Self>, request: Request<Bytes>) -> Result<Response<Body>, BoxError> {
        if request.uri().path() == TOKEN_ROUTE {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return Ok(self.create_token().map(Body::from));
        }
        let _in_flight = InFlight::new(&self);
        let Reply { latency, fault, response } = self.receive(&request);
        tokio::time::sleep(latency).await;
        match fault {
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Reset) => Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Some(Fault::Truncated) => Ok(response.map(truncated)),
            Some(Fault::SecondaryLimit | Fault::Busy) => {
                self.state().paused_until = Some(Instant::now() + RETRY_AFTER);
                Ok(response.map(Body::from))
            }
            _ => Ok(response.map(Body::from)),
        }
    }

    fn create_token(&self) -> Response<String> {
        let mut state = self.state();
        state.tokens += 1;
        let token = format!("ghs_sample{}", state.tokens);
        let expiry = Instant::now() + HOUR;
        state.token = Some((token.clone(), expiry));
        let body = json!({"token": token, "expires_at": self.at(expiry).to_string()});
        self.headers(201, None).body(body.to_string()).unwrap()
    }

    /// Checks a request against all limits, and decides about its response.
    fn receive(&self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path();
        let is_query = path == "/graphql";
        let mut guard = self.state();
        let state = &mut *guard;
        state.requests += 1;
        let (random, time) = (&mut state.random, self.start.elapsed());
        let resource = if is_query { &mut state.graphql } else { &mut state.core };
        let latency = resource.latency * u32::try_from(random.u64(70..=130)).unwrap() / 100;
        let has_quota = resource.spend(random);
        let mut exceeded = resource.exceeded(latency);
        if state.in_flight > JOBS {
            exceeded.push(format!("{} concurrent requests", state.in_flight));
        }
        if state.paused_until.is_some_and(|until| Instant::now() < until) {
            exceeded.push("retry-after".into());
        }
        state.violations.extend(exceeded.iter().map(|limit| format!("{limit} at {time:?}")));
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_authorized = state.token.as_ref().is_some_and(|(token, expiry)| {
            authorization.is_some_and(|text| text == format!("Bearer {token}")) && Instant::now() < *expiry
        });
        let fault = if has_quota && is_authorized { state.fault(is_query) } else { None };
        let quota = Some((is_query, &*state));
        let (headers, message) = match fault {
            _ if !is_authorized => (self.headers(401, quota), "Bad credentials"),
            _ if !has_quota => (self.headers(403, quota), "API rate limit exceeded for installation ID 7."),
            Some(Fault::Revoked) => (self.headers(401, quota), "Bad credentials"),
            Some(Fault::SecondaryLimit) => {
                let headers = self.headers(403, quota).header("retry-after", RETRY_AFTER.as_secs());
                (headers, "You have exceeded a secondary rate limit.")
            }
            Some(Fault::Busy) => {
                (self.headers(503, quota).header("retry-after", RETRY_AFTER.as_secs()), "Unavailable")
            }
            Some(Fault::BadGateway) => (self.headers(502, quota), "Bad Gateway"),
            _ => (self.headers(200, quota), ""),
        };
        let response = match message {
            "" if is_query => headers.body(query_response(request.body(), fault)).unwrap(),
            "" => account_response(headers, path.strip_prefix("/users/").unwrap(), fault),
            message => {
                let body = json!({"message": message, "documentation_url": "https://docs.github.com/rest"});
                headers.body(body.to_string()).unwrap()
            }
        };
        if fault == Some(Fault::Revoked) {
            state.token = None;
        }
        state.beyond_quota += u64::from(!has_quota);
        Reply { latency, fault, response }
    }

    /// Returns the head of a response, with the quota of a resource.
    fn headers(&self, status: u16, quota: Option<(bool, &State)>) -> response::Builder {
        let date = jiff::fmt::rfc2822::DateTimePrinter::new();
        let date = date.timestamp_to_rfc9110_string(&self.at(Instant::now())).unwrap();
        let builder = Response::builder().status(status).header("date", date);
        let builder = builder.header("content-type", "application/json").header("x-github-request-id", "1:2");
        let Some((is_query, state)) = quota else { return builder };
        let (name, resource) = if is_query { ("graphql", &state.graphql) } else { ("core", &state.core) };
        builder
            .header("x-ratelimit-limit", PER_HOUR)
            .header("x-ratelimit-remaining", PER_HOUR - resource.used)
            .header("x-ratelimit-reset", self.at(resource.hour + HOUR).as_second())
            .header("x-ratelimit-resource", name)
    }
}

impl State {
    fn fault(&mut self, is_query: bool) -> Option<Fault> {
        let mut number = self.random.u64(0..10_000);
        let fault = FAULTS.iter().find(|(_, share)| {
            let is_hit = number < *share;
            number = number.saturating_sub(*share);
            is_hit
        });
        let fault = fault.map(|(fault, _)| *fault).filter(|fault| is_query || *fault != Fault::ResourceLimit);
        if let Some(fault) = fault {
            *self.faults.entry(fault).or_default() += 1;
        }
        fault
    }
}

/// Counts a request until its response, or until the client gives it up.
struct InFlight<'a>(&'a Github);

impl<'a> InFlight<'a> {
    fn new(github: &'a Github) -> Self {
        github.state().in_flight += 1;
        Self(github)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

fn truncated(body: String) -> Body {
    let half = Full::new(Bytes::from(body).split_to(10)).map_err(|never| -> io::Error { match never {} });
    Body::wrap(half.with_trailers(ready(Some(Err(io::ErrorKind::ConnectionReset.into())))))
}

/// Login of a position: one in fifty does not exist, and one in five thousand fails in every query.
fn login(position: usize) -> String {
    let kind = match position {
        _ if position % 50 == 49 => "missing",
        _ if position % 5000 == 500 => "poison",
        _ => "user",
    };
    format!("{kind}-{position}")
}

/// Public repositories of a login. None if it does not exist.
fn count(login: &str) -> Option<u64> {
    let (kind, number) = login.split_once('-').unwrap();
    let number: u64 = number.parse().unwrap();
    (kind != "missing").then_some(number % 101)
}

fn account_response(headers: response::Builder, login: &str, fault: Option<Fault>) -> Response<String> {
    let body = match count(login) {
        Some(count) => json!({"login": login, "id": 1 + count, "type": "User", "public_repos": count}),
        None => json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}),
    };
    let mut response = headers.body(cut(body.to_string(), fault)).unwrap();
    if count(login).is_none() {
        *response.status_mut() = http::StatusCode::NOT_FOUND;
    }
    response
}

fn query_response(request: &[u8], fault: Option<Fault>) -> String {
    let request: Value = serde_json::from_slice(request).unwrap();
    let logins: Vec<_> = request["variables"].as_object().unwrap().values().collect();
    let mut data = "\"rateLimit\":{\"cost\":1}".to_owned();
    let mut errors = Vec::new();
    for (alias, login) in logins.iter().enumerate() {
        let login = login.as_str().unwrap();
        let error = match count(login) {
            None => {
                json!({"type": "NOT_FOUND", "path": [format!("a{alias}")], "message": "Could not resolve"})
            }
            Some(_) if login.starts_with("poison") => {
                json!({"path": [format!("a{alias}")], "message": "Something went wrong"})
            }
            Some(_) if alias == 0 && fault == Some(Fault::ResourceLimit) => {
                json!({"type": "RESOURCE_LIMITS_EXCEEDED", "path": ["a0"], "message": "Resource limits exceeded"})
            }
            Some(count) => {
                let public = json!({"totalCount": count});
                let owner =
                    json!({"__typename": "User", "login": login, "databaseId": 1 + count, "public": public});
                let _ = write!(data, ",\"a{alias}\":{owner}");
                continue;
            }
        };
        let _ = write!(data, ",\"a{alias}\":null");
        errors.push(error);
    }
    let errors =
        if errors.is_empty() { String::new() } else { format!(",\"errors\":{}", Value::from(errors)) };
    cut(format!("{{\"data\":{{{data}}}{errors}}}"), fault)
}

fn cut(mut body: String, fault: Option<Fault>) -> String {
    if fault == Some(Fault::HalfJson) {
        body.truncate(body.len() / 2);
    }
    body
}

/// A run, and the model after it.
struct Simulated {
    github: Arc<Github>,
    rows: Vec<Row>,
    took: Duration,
    /// Time that `--plan` predicts.
    planned: Duration,
}

async fn simulate(api: ApiKind, logins: usize, batch_size: usize) -> Simulated {
    let seed = 7;
    // Backoff is random too.
    fastrand::seed(seed);
    let github = Arc::new(Github::new(seed));
    let config = ClientConfig {
        api,
        rest_fallback: true,
        batch_size: Some(batch_size),
        max_concurrency: JOBS,
        credentials: Some(Credentials::App(App::new(1, APP_KEY, Some(7)).unwrap())),
        max_wait: HOUR + MINUTE,
        ..ClientConfig::default()
    };
    let server = Arc::clone(&github);
    let respond = move |request| -> BoxFuture<'static, _> { Box::pin(Arc::clone(&server).respond(request)) };
    let client = Client::with_responder(config, Arc::new(respond));
    let quota = Some(QuotaWindow { limit: PER_HOUR, remaining: PER_HOUR, until_reset: HOUR });
    let work = match api {
        ApiKind::Graphql => {
            let queries = logins.div_ceil(batch_size) as u64;
            Workload { queries, points: queries, rest_requests: 0 }
        }
        ApiKind::Rest => Workload { rest_requests: logins as u64, ..Workload::default() },
    };
    let planned = Estimate::new(work, quota, quota, &client.limiter().settings).time;
    let start = Instant::now();
    let input = stream::iter(0..logins).map(|position| Login::parse(&login(position)));
    let rows = lookup(&client, input, LookupOptions::default()).collect().await;
    Simulated { github, rows, took: start.elapsed(), planned }
}

/// Simulated hours: four in CI. Rare faults may not come up in fewer.
fn hours() -> u32 {
    if std::env::var_os("GHREPOS_THOROUGH_TESTS").is_some() { 4 } else { 1 }
}

fn assert_right_and_within_limits(simulated: &Simulated, logins: usize) {
    let Simulated { github, rows, took, planned } = simulated;
    let state = github.state();
    assert_eq!(rows.len(), logins);
    for (position, row) in rows.iter().enumerate() {
        let login = login(position);
        let status = if count(&login).is_some() { Status::Ok } else { Status::NotFound };
        assert_eq!((&row.login, row.status, row.public_repos), (&login, status, count(&login)), "{row:?}");
    }
    assert_eq!(state.violations, [""; 0]);
    assert!(*took >= hours() * HOUR, "{took:?}");
    let ratio = took.as_secs_f64() / planned.as_secs_f64();
    assert!((0.95..=1.15).contains(&ratio), "{took:?} of {planned:?}");
    // Expired or revoked.
    assert!(state.tokens > u64::from(hours()), "{} tokens", state.tokens);
}

#[tokio::test(start_paused = true)]
async fn hours_of_queries_with_every_fault_lose_no_row() {
    let logins = 10_875 * hours() as usize;
    let simulated = simulate(ApiKind::Graphql, logins, 3).await;
    assert_right_and_within_limits(&simulated, logins);
    let state = simulated.github.state();
    assert_eq!(state.beyond_quota, 0);
    let met = FAULTS.iter().filter(|(fault, _)| state.faults.contains_key(fault)).count();
    assert!(hours() < 4 || met == FAULTS.len(), "{:?}", state.faults);
}

#[tokio::test(start_paused = true)]
async fn hours_of_rest_requests_with_every_fault_lose_no_row() {
    let logins = 1000 + 5000 * hours() as usize;
    let simulated = simulate(ApiKind::Rest, logins, 1).await;
    assert_right_and_within_limits(&simulated, logins);
    let state = simulated.github.state();
    // The next hour begins up to two seconds late.
    assert!(state.beyond_quota <= u64::from(hours()) * 6, "{}", state.beyond_quota);
    let met = FAULTS.iter().filter(|(fault, _)| state.faults.contains_key(fault)).count();
    // All but that of a query.
    assert!(hours() < 4 || met == FAULTS.len() - 1, "{:?}", state.faults);
}
