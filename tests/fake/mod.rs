//! A fake GitHub on loopback, as unkind as the real one.
//!
//! It speaks HTTP/1.1 over plain sockets, because a well-behaved HTTP library would not let it break
//! off in the middle of a body, say nothing at all, or reset a connection. What it answers is GitHub's:
//! routes, status codes, bodies, limits and their headers.
//!
//! Accounts need no set-up: see [`account`]. Everything else is in [`Behaviour`].

#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by the tests, the benches and an example, each using a part"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::match_bool,
    reason = "test equipment may fall over"
)]

mod alarm;
mod apps;
pub mod graphql;
pub mod hostile;
mod http;
mod limits;
pub mod rest;
mod world;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use self::alarm::Alarm;
pub use self::apps::App;
pub use self::graphql::{AliasFault, Query};
pub use self::hostile::Raw;
pub use self::http::{Request, Response};
pub use self::limits::{Left, Primary};
use self::limits::{Minute, Window};
pub use self::world::{Account, Repository, account, repositories};

/// What goes wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status with a page of HTML, as proxies send it.
    Html(u16),
    /// A status with a JSON body and headers.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection is reset before the answer.
    Reset,
    /// The connection is closed properly, but before the answer.
    Hangup,
    /// The body ends in the middle.
    Truncated,
    /// A complete body that is no JSON.
    BrokenJson,
    /// Nothing at all, until the client gives up.
    Silent,
    /// The head, and then a byte a second.
    Drip,
    /// Bytes that are no answer.
    Raw(Raw),
}

impl Fault {
    /// A secondary limit: 403 or 429 with the true body.
    pub fn secondary(status: u16, retry_after: Option<u64>) -> Self {
        let headers = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        Self::Answer(status, headers.into_iter().collect(), rest::SECONDARY.into())
    }
}

/// A question that a fault can be made to depend on.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The login that it names, in lower case.
    pub login: &'a str,
    /// How often this login was asked for, this time included.
    pub time: u32,
    /// How many requests there were, this one included.
    pub number: u64,
}

type Plan = dyn Fn(&Asked<'_>) -> Option<Fault> + Send + Sync;

type AliasPlan = dyn Fn(&str, u32) -> Option<AliasFault> + Send + Sync;

/// How the fake behaves.
pub struct Behaviour {
    /// Time from a request's last byte to the answer's first.
    pub latency: Duration,
    /// What goes wrong.
    pub fault: Box<Plan>,
    /// The only token that is good; requests without one are taken too.
    pub token: Option<String>,
    /// The only app that is known; then only its tokens are good.
    pub app: Option<App>,
    /// Whether requests without a token are refused, as by an Enterprise Server in private mode.
    pub private: bool,
    /// The primary limit.
    pub primary: Option<Primary>,
    /// Requests in flight above which everything is refused by the secondary limit, and its
    /// `retry-after`.
    pub crowd: Option<(i64, Option<u64>)>,
    /// Requests in what stands for a minute, above which all are refused by the secondary limit.
    pub minute: Option<(usize, Duration)>,
    /// Seconds by which its clock is ahead of ours.
    pub ahead: i64,
    /// Time for each alias of a query, on top of the latency.
    pub alias_latency: Duration,
    /// Aliases above which a query is answered with 502 and a page.
    pub most_aliases: Option<usize>,
    /// What is wrong with the answer for a login, the how-manieth time that it is asked for.
    pub alias: Box<AliasPlan>,
    /// The budget of points.
    pub points: Option<Primary>,
    /// How a refusal for the lack of points is spelled.
    pub spelling: &'static str,
    /// No limit headers at all, as on most Enterprise Servers.
    pub bare: bool,
    /// What it says to whoever connects, before it has read anything.
    pub greeting: Option<Raw>,
    /// Keeps no list of what arrived, which in long runs would fill the memory.
    pub forgetful: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            fault: Box::new(|_| None),
            token: None,
            app: None,
            private: false,
            primary: None,
            crowd: None,
            minute: None,
            ahead: 0,
            alias_latency: Duration::ZERO,
            most_aliases: None,
            alias: Box::new(|_, _| None),
            points: None,
            spelling: "RATE_LIMITED",
            bare: false,
            greeting: None,
            forgetful: false,
        }
    }
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When its last byte was there.
    pub at: Instant,
    /// What it was.
    pub request: Request,
}

/// What is counted.
pub struct State {
    behaviour: Behaviour,
    alarm: Alarm,
    requests: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicI64,
    peak: AtomicI64,
    core: Window,
    graphql: Window,
    minute: Minute,
    points: AtomicU64,
    times: Mutex<HashMap<String, u32>>,
    arrivals: Mutex<Vec<Arrival>>,
    /// When an answer left that refused because of a limit.
    refusals: Mutex<Vec<Instant>>,
}

/// A running fake. It ends when it is dropped.
pub struct Fake {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Fake {
    /// Starts a fake on a free port, on threads of its own.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_on("127.0.0.1:0", behaviour)
    }

    /// Starts a fake on an address.
    pub fn start_on(address: &str, behaviour: Behaviour) -> Self {
        let state = Arc::new(State {
            behaviour,
            alarm: Alarm::new(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            peak: AtomicI64::new(0),
            core: Window::default(),
            graphql: Window::default(),
            minute: Minute::default(),
            points: AtomicU64::new(0),
            times: Mutex::default(),
            arrivals: Mutex::default(),
            refusals: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(http::serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// A fake that behaves.
    pub fn well_behaved() -> Self {
        Self::start(Behaviour::default())
    }

    /// A fake with faults.
    pub fn with_faults(fault: impl Fn(&Asked<'_>) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(Behaviour { fault: Box::new(fault), ..Behaviour::default() })
    }

    /// Its address, for `--api-url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Points that queries have cost so far.
    pub fn points(&self) -> u64 {
        self.state.points.load(Ordering::Relaxed)
    }

    /// Queries so far, and the logins that each asked for.
    pub fn queries(&self) -> Vec<Vec<String>> {
        let arrivals = self.arrivals();
        let queries = arrivals.iter().filter(|arrival| arrival.request.method == "POST");
        queries.map(|arrival| Query::parse(&arrival.request).expect("a query").asks().logins).collect()
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// The most requests that were in flight at once.
    pub fn peak(&self) -> i64 {
        self.state.peak.load(Ordering::Relaxed)
    }

    /// All requests, in the order of their arrival.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().expect("no panic").clone()
    }

    /// How often each of the app's tokens was used, and how often after it had expired.
    pub fn tokens(&self) -> Vec<(u64, u64)> {
        self.state.behaviour.app.as_ref().map(App::used).unwrap_or_default()
    }

    /// When refusals because of a limit left.
    pub fn refusals(&self) -> Vec<Instant> {
        self.state.refusals.lock().expect("no panic").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl State {
    /// Answers a request, or tells what goes wrong.
    async fn answer(&self, request: Request) -> Result<Response, (Fault, Response)> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        // However this ends, dropped by a client that gave up included, it is no longer in flight.
        let _landed = Landed(&self.in_flight);
        self.peak.fetch_max(in_flight, Ordering::SeqCst);
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let login = rest::login(&request).to_ascii_lowercase();
        let time = self.time(&login);
        let asked = Asked { request: &request, login: &login, time, number };
        let fault = (self.behaviour.fault)(&asked);
        let (response, aliases) = self.respond(&request, in_flight);
        if !self.behaviour.forgetful {
            self.arrivals.lock().expect("no panic").push(Arrival { at: Instant::now(), request });
        }
        // Refusals and accidents do not take the time of an answer.
        let latency = self.behaviour.latency + self.behaviour.alias_latency * aliases;
        if !latency.is_zero() && fault.is_none() {
            self.alarm.sleep(latency).await;
        }
        let outcome = match fault {
            None => Ok(response),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Answer(status, headers, body)) => {
                let mut answer = Response::json(status, &body);
                answer.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
                Ok(answer)
            }
            Some(Fault::Html(status)) => Ok(Response::html(status)),
            Some(fault) => Err((fault, response)),
        };
        if let Ok(Response { status: 200 | 403 | 429, body, .. }) = &outcome
            && (body.contains("rate limit") || body.contains("graphql_rate_limit"))
        {
            self.refusals.lock().expect("no panic").push(Instant::now());
        }
        outcome
    }

    /// How often a login was asked for, this time included.
    fn time(&self, login: &str) -> u32 {
        if self.behaviour.forgetful {
            return 1;
        }
        let mut times = self.times.lock().expect("no panic");
        let time = times.entry(login.to_owned()).or_default();
        *time += 1;
        *time
    }

    /// The answer, and how many aliases it has.
    fn respond(&self, request: &Request, in_flight: i64) -> (Response, u32) {
        let behaviour = &self.behaviour;
        let path = request.path();
        if path.ends_with("/rate_limit") && !behaviour.bare {
            let (core, graphql) =
                (self.core.spend(behaviour.primary, 0), self.graphql.spend(behaviour.points, 0));
            return (rest::rate_limit(core, graphql), 0);
        }
        let query = path.ends_with("/graphql").then(|| Query::parse(request));
        let asks = query.as_ref().and_then(|query| query.as_ref().ok()).map(Query::asks).unwrap_or_default();
        let aliases = u32::try_from(asks.logins.len()).expect("a few");
        let (limits, resource) = match &query {
            Some(_) => (self.graphql.spend(behaviour.points, asks.cost()), "graphql"),
            None => (self.core.spend(behaviour.primary, 1), "core"),
        };
        let mut response = if request.all("user-agent").len() != 1 {
            Response::html(403)
        } else if let Some(refusal) = rest::refused_token(request, behaviour) {
            refusal
        } else if let Some(answer) = behaviour.app.as_ref().and_then(|app| app.answer(request)) {
            answer
        } else if self.minute.refuses(behaviour.minute) {
            Response::json(403, rest::SECONDARY)
        } else if let Some((_, retry_after)) = behaviour.crowd.filter(|(crowd, _)| in_flight > *crowd) {
            let refusal = Response::json(403, rest::SECONDARY);
            match retry_after {
                Some(seconds) => refusal.with("retry-after", &seconds.to_string()),
                None => refusal,
            }
        } else {
            match query {
                None if limits.refused => Response::json(403, rest::PRIMARY),
                None => rest::respond(request),
                Some(_) if request.all("authorization").is_empty() => Response::json(401, graphql::NO_TOKEN),
                Some(_) if limits.refused => graphql::limited(behaviour.spelling),
                Some(Err(error)) => {
                    Response::json(200, &serde_json::json!({"errors": [{"message": error}]}).to_string())
                }
                Some(Ok(_)) if behaviour.most_aliases.is_some_and(|most| asks.logins.len() > most) => {
                    self.points.fetch_add(asks.cost(), Ordering::Relaxed);
                    Response::html(502)
                }
                Some(Ok(query)) => {
                    self.points.fetch_add(asks.cost(), Ordering::Relaxed);
                    let told = match behaviour.bare {
                        true => serde_json::Value::Null,
                        false => {
                            serde_json::json!({"cost": asks.cost(), "remaining": limits.remaining, "resetAt": "2026-11-22T13:00:00Z"})
                        }
                    };
                    query.answer(&told, |login| (behaviour.alias)(login, self.time(login)))
                }
            }
        };
        if !behaviour.bare {
            response = response
                .with("x-ratelimit-limit", &limits.limit.to_string())
                .with("x-ratelimit-remaining", &limits.remaining.to_string())
                .with("x-ratelimit-used", &(limits.limit - limits.remaining).to_string())
                .with("x-ratelimit-reset", &limits.reset.saturating_add_signed(behaviour.ahead).to_string())
                .with("x-ratelimit-resource", resource);
        }
        (response, aliases)
    }
}

struct Landed<'a>(&'a AtomicI64);

impl Drop for Landed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
