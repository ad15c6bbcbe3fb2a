//! Settings of the fake, and its faults.

use std::time::Duration;

use super::{AliasFault, App, CpuTimeLimit, PrimaryLimit, Raw, Request, rest};

/// A fault in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status with an HTML page, as proxies send it.
    Html(u16),
    /// A status with an HTML page of this text.
    Page(u16, String),
    /// A status with a JSON body and headers.
    Response(u16, Vec<(&'static str, String)>, String),
    /// The connection is reset before the response.
    Reset,
    /// The connection is closed in order, but before the response.
    Hangup,
    /// The connection ends in the middle of the body.
    Truncated,
    /// A complete body that is not JSON.
    BrokenJson,
    /// No response until the client gives up.
    Silent,
    /// The head, and then one byte of the body per second.
    Drip,
    /// Bytes that are not an HTTP response.
    Raw(Raw),
}

impl Fault {
    /// A rejection by the secondary limit: 403 or 429 with GitHub's body.
    pub fn secondary(status: u16, retry_after: Option<u64>) -> Self {
        let headers = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
        Self::Response(status, headers.into_iter().collect(), rest::SECONDARY.into())
    }
}

/// Everything that a fault can depend on.
#[derive(Clone, Debug)]
pub struct FaultContext<'a> {
    /// The request.
    pub request: &'a Request,
    /// The login that it names, in lower case.
    pub login: &'a str,
    /// Number of lookups of this login, including this one.
    pub attempt: u32,
    /// Number of requests, including this one.
    pub number: u64,
}

type FaultPlan = dyn Fn(&FaultContext<'_>) -> Option<Fault> + Send + Sync;

type AliasFaultPlan = dyn Fn(&str, u32) -> Option<AliasFault> + Send + Sync;

/// Settings of a fake.
pub struct Behavior {
    /// Time between the last byte of a request and the first byte of its response.
    pub latency: Duration,
    /// Decides the fault of a request.
    pub fault: Box<FaultPlan>,
    /// The only valid token. Requests without a token are accepted too.
    pub token: Option<String>,
    /// Scopes of the token, as a classic one has them.
    pub scopes: Option<&'static str>,
    /// Argument that `repositories` does not have, on an older Enterprise Server.
    pub unknown_argument: Option<&'static str>,
    /// The only known app. With it, only its tokens are valid.
    pub app: Option<App>,
    /// Rejects requests without a token, like an Enterprise Server in private mode.
    pub private: bool,
    /// The primary limit of REST requests.
    pub primary: Option<PrimaryLimit>,
    /// Requests in flight above which the secondary limit rejects every request, and its `retry-after` in seconds.
    pub max_in_flight: Option<(i64, Option<u64>)>,
    /// Requests per period, which stands for a minute, above which the secondary limit rejects every request.
    pub minute: Option<(usize, Duration)>,
    /// The limit on CPU time. With it, `latency` and `alias_latency` are CPU time.
    pub cpu_time: Option<CpuTimeLimit>,
    /// Seconds by which the fake's clock is ahead of the machine's.
    pub clock_offset: i64,
    /// Time for each alias of a query, added to the latency.
    pub alias_latency: Duration,
    /// Aliases above which a query fails with 502 and an HTML page.
    pub max_aliases: Option<usize>,
    /// Decides the fault of a login within a query, by the number of its lookups.
    pub alias: Box<AliasFaultPlan>,
    /// The primary limit of GraphQL points.
    pub points: Option<PrimaryLimit>,
    /// Error type of a rejection by the limit of points.
    pub limit_error_type: &'static str,
    /// Sends no rate limit headers, like most Enterprise Servers.
    pub omits_limit_headers: bool,
    /// Bytes sent on a new connection before anything is read.
    pub greeting: Option<Raw>,
    /// Version of the REST API that it serves, whatever known version a request names. None: the one that the request names.
    pub api_version: Option<&'static str>,
    /// Headers of every response.
    pub extra_headers: Vec<(&'static str, String)>,
    /// Media type that every request has to accept by its name.
    pub media_type: Option<&'static str>,
    /// Records no requests; a long run would fill the memory with them.
    pub discards_arrivals: bool,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            fault: Box::new(|_| None),
            token: None,
            scopes: Some("read:org, repo"),
            unknown_argument: None,
            app: None,
            private: false,
            primary: None,
            max_in_flight: None,
            minute: None,
            cpu_time: None,
            clock_offset: 0,
            alias_latency: Duration::ZERO,
            max_aliases: None,
            alias: Box::new(|_, _| None),
            points: None,
            limit_error_type: "RATE_LIMITED",
            omits_limit_headers: false,
            greeting: None,
            api_version: None,
            extra_headers: Vec::new(),
            media_type: None,
            discards_arrivals: false,
        }
    }
}

impl Behavior {
    /// CPU time of a request, by its number of aliases.
    pub(super) fn cpu_time_of(&self, aliases: u32) -> Duration {
        self.latency + self.alias_latency * aliases
    }
}
