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
    reason = "test equipment may fall over"
)]

mod http;
pub mod rest;
mod world;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use self::http::{Request, Response};
pub use self::world::{Account, account, repositories};

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

/// A primary limit.
#[derive(Clone, Copy, Debug)]
pub struct Primary {
    /// Requests in a window.
    pub limit: u64,
    /// The window's length.
    pub window: Duration,
}

/// How the fake behaves.
pub struct Behaviour {
    /// Time from a request's last byte to the answer's first.
    pub latency: Duration,
    /// What goes wrong.
    pub fault: Box<Plan>,
    /// The only token that is good; requests without one are taken too.
    pub token: Option<String>,
    /// Whether requests without a token are refused, as by an Enterprise Server in private mode.
    pub private: bool,
    /// The primary limit.
    pub primary: Option<Primary>,
    /// Requests in flight above which everything is refused by the secondary limit, and its
    /// `retry-after`.
    pub crowd: Option<(i64, Option<u64>)>,
    /// No limit headers at all, as on most Enterprise Servers.
    pub bare: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            fault: Box::new(|_| None),
            token: None,
            private: false,
            primary: None,
            crowd: None,
            bare: false,
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
    requests: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicI64,
    peak: AtomicI64,
    window: Mutex<Option<(Instant, u64)>>,
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
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            peak: AtomicI64::new(0),
            window: Mutex::default(),
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
        let time = {
            let mut times = self.times.lock().expect("no panic");
            let time = times.entry(login.clone()).or_default();
            *time += 1;
            *time
        };
        let asked = Asked { request: &request, login: &login, time, number };
        let fault = (self.behaviour.fault)(&asked);
        let response = self.respond(&request, in_flight);
        self.arrivals.lock().expect("no panic").push(Arrival { at: Instant::now(), request });
        // Refusals and accidents do not take the time of an answer.
        if !self.behaviour.latency.is_zero() && fault.is_none() {
            tokio::time::sleep(self.behaviour.latency).await;
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
        if let Ok(Response { status: 403 | 429, body, .. }) = &outcome
            && body.contains("rate limit")
        {
            self.refusals.lock().expect("no panic").push(Instant::now());
        }
        outcome
    }

    fn respond(&self, request: &Request, in_flight: i64) -> Response {
        let behaviour = &self.behaviour;
        let limits = self.spend();
        let mut response = if request.all("user-agent").len() != 1 {
            Response::html(403)
        } else if let Some(refusal) = rest::refused_token(request, behaviour) {
            refusal
        } else if limits.refused {
            Response::json(403, rest::PRIMARY)
        } else if let Some((_, retry_after)) = behaviour.crowd.filter(|(crowd, _)| in_flight > *crowd) {
            let refusal = Response::json(403, rest::SECONDARY);
            match retry_after {
                Some(seconds) => refusal.with("retry-after", &seconds.to_string()),
                None => refusal,
            }
        } else {
            rest::respond(request)
        };
        if !behaviour.bare {
            response = response
                .with("x-ratelimit-limit", &limits.limit.to_string())
                .with("x-ratelimit-remaining", &limits.remaining.to_string())
                .with("x-ratelimit-used", &(limits.limit - limits.remaining).to_string())
                .with("x-ratelimit-reset", &limits.reset.to_string())
                .with("x-ratelimit-resource", "core");
        }
        response
    }

    /// Takes one request from the window's budget.
    fn spend(&self) -> Limits {
        let primary =
            self.behaviour.primary.unwrap_or(Primary { limit: 5000, window: Duration::from_secs(3600) });
        let mut window = self.window.lock().expect("no panic");
        let now = Instant::now();
        let (begun, used) = match *window {
            Some((begun, used)) if now < begun + primary.window => (begun, used),
            _ => (now, 0),
        };
        let refused = used >= primary.limit && self.behaviour.primary.is_some();
        let used = (used + 1).min(primary.limit);
        *window = Some((begun, used));
        let left = (begun + primary.window).saturating_duration_since(now);
        let reset = std::time::SystemTime::now() + left;
        let reset = reset.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        // Whole seconds, and never before the window has ended.
        let reset = reset.as_secs() + u64::from(reset.subsec_nanos() > 0);
        Limits { refused, limit: primary.limit, remaining: primary.limit - used, reset }
    }
}

struct Landed<'a>(&'a AtomicI64);

impl Drop for Landed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy)]
struct Limits {
    refused: bool,
    limit: u64,
    remaining: u64,
    reset: u64,
}
