//! How the fake behaves, and what goes wrong with it.

use std::time::Duration;

use super::{AliasFault, App, Primary, Raw, Request, rest};

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
