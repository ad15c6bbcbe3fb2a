//! A fake GitHub on loopback, with GitHub's limits and failures.
//!
//! It implements HTTP/1.1 on plain sockets, because an HTTP library would not let it stop in the middle of a body, stay silent,
//! or reset a connection. Routes, status codes, bodies, limits and headers are GitHub's.
//!
//! Accounts need no set-up: [`account`] derives them from their login. [`Behavior`] has everything that can be configured.

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
    reason = "test helpers may panic"
)]

mod alarm;
mod apps;
mod behavior;
pub mod graphql;
pub mod hostile;
mod http;
mod limits;
mod respond;
pub mod rest;
mod world;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use self::alarm::Alarm;
pub use self::apps::App;
pub use self::behavior::{Behavior, Fault, FaultContext};
pub use self::graphql::{AliasFault, Query};
pub use self::hostile::Raw;
pub use self::http::{Request, Response};
use self::limits::{CpuTime, Minute, Window};
pub use self::limits::{CpuTimeLimit, PrimaryLimit, QuotaState};
pub use self::world::{Account, Repository, RepositoryOrder, VIEWER, account, repositories};

/// A received request.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Time of its last byte.
    pub at: Instant,
    /// The request.
    pub request: Request,
    /// Requests in flight, including this one.
    pub in_flight: i64,
}

/// State shared by all connections.
pub struct State {
    behavior: Behavior,
    alarm: Alarm,
    requests: AtomicU64,
    connections: AtomicU64,
    in_flight: AtomicI64,
    peak: AtomicI64,
    core: Window,
    graphql: Window,
    minute: Minute,
    cpu_time: CpuTime,
    points: AtomicU64,
    attempts: Mutex<HashMap<String, u32>>,
    arrivals: Mutex<Vec<Arrival>>,
    /// Times at which rate limit rejections were sent.
    rejections: Mutex<Vec<Instant>>,
}

/// A running fake. It stops when it is dropped.
pub struct Fake {
    address: SocketAddr,
    state: Arc<State>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Fake {
    /// Starts a fake on a free port, in its own threads.
    pub fn start(behavior: Behavior) -> Self {
        Self::start_on("127.0.0.1:0", behavior)
    }

    /// Starts a fake on an address.
    pub fn start_on(address: &str, behavior: Behavior) -> Self {
        let state = Arc::new(State {
            behavior,
            alarm: Alarm::new(),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            in_flight: AtomicI64::new(0),
            peak: AtomicI64::new(0),
            core: Window::default(),
            graphql: Window::default(),
            minute: Minute::default(),
            cpu_time: CpuTime::default(),
            points: AtomicU64::new(0),
            attempts: Mutex::default(),
            arrivals: Mutex::default(),
            rejections: Mutex::default(),
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

    /// Starts a fake without faults.
    pub fn well_behaved() -> Self {
        Self::start(Behavior::default())
    }

    /// Starts a fake with faults.
    pub fn with_faults(fault: impl Fn(&FaultContext<'_>) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::start(Behavior { fault: Box::new(fault), ..Behavior::default() })
    }

    /// URL for `--api-url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of requests.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Points that queries have cost.
    pub fn points(&self) -> u64 {
        self.state.points.load(Ordering::Relaxed)
    }

    /// Logins of each query.
    pub fn queries(&self) -> Vec<Vec<String>> {
        let arrivals = self.arrivals();
        let queries = arrivals.iter().filter(|arrival| arrival.request.method == "POST");
        queries.map(|arrival| Query::parse(&arrival.request).expect("a query").summary().logins).collect()
    }

    /// Number of connections.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Maximum number of requests in flight.
    pub fn peak(&self) -> i64 {
        self.state.peak.load(Ordering::Relaxed)
    }

    /// All requests, in the order of their arrival.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().expect("no panic").clone()
    }

    /// Requests made with each of the app's tokens, before and after its expiry.
    pub fn tokens(&self) -> Vec<(u64, u64)> {
        self.state.behavior.app.as_ref().map(App::used).unwrap_or_default()
    }

    /// Times at which rate limit rejections were sent.
    pub fn rejections(&self) -> Vec<Instant> {
        self.state.rejections.lock().expect("no panic").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
