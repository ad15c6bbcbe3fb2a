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
mod answers;
mod apps;
mod behaviour;
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
use std::time::Instant;

use self::alarm::Alarm;
pub use self::apps::App;
pub use self::behaviour::{Asked, Behaviour, Fault};
pub use self::graphql::{AliasFault, Query};
pub use self::hostile::Raw;
pub use self::http::{Request, Response};
pub use self::limits::{Left, Primary};
use self::limits::{Minute, Window};
pub use self::world::{Account, Repository, account, repositories};

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
