//! The fake GitHub in its own process: the benchmark started again with the argument `serve`.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use wait4::Wait4;

use crate::fake::{Behavior, CpuTimeLimit, Fake, Fault, PrimaryLimit};
use crate::table::say;

/// Settings of the fake.
#[derive(Clone, Copy, Debug, Default)]
pub struct World {
    /// Latency of a response, in milliseconds.
    pub latency: u64,
    /// Additional latency for each alias of a query, in milliseconds.
    pub alias: u64,
    /// Requests and points per window, and the length of the window in seconds.
    pub limit: Option<(u64, u64)>,
    /// Requests in flight above which the fake rejects every request.
    pub max_in_flight: Option<i64>,
    /// Logins in a query above which the fake responds with 502.
    pub max_aliases: Option<u64>,
    /// Requests per thousand that are rejected at random, with a `retry-after` of one second.
    pub rejected_permille: u64,
    /// Requests per hundred that meet a fault: 5xx, broken connections, truncated or malformed bodies, rejections.
    pub fault_percent: u64,
    /// Enforces GitHub's limit on CPU time.
    pub limits_cpu_time: bool,
}

/// A running fake.
pub struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    pub url: String,
}

/// Requests that the fake has received.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub requests: u64,
    pub points: u64,
    pub rejected: u64,
    /// CPU time of the fake.
    pub cpu: Duration,
}

impl Server {
    pub fn start(world: World) -> Self {
        let World { latency, alias, limit, rejected_permille, fault_percent, .. } = world;
        let World { max_in_flight, max_aliases, limits_cpu_time, .. } = world;
        let (limit, window) = limit.unwrap_or_default();
        let max_in_flight = u64::try_from(max_in_flight.unwrap_or(0)).expect("a few");
        let max_aliases = max_aliases.unwrap_or(0);
        let numbers = [
            latency,
            alias,
            limit,
            window,
            max_in_flight,
            max_aliases,
            rejected_permille,
            fault_percent,
            limits_cpu_time.into(),
        ];
        let mut child = Command::new(std::env::current_exe().expect("a path"))
            .arg("serve")
            .args(numbers.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program again");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut url = String::new();
        stdout.read_line(&mut url).expect("its address");
        Self { child, stdin, stdout, url: url.trim().to_owned() }
    }

    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap_or_default()
    }

    /// Stops the fake and returns its figures.
    pub fn end(self) -> Seen {
        let Self { mut child, stdin, mut stdout, .. } = self;
        drop(stdin);
        let mut line = String::new();
        stdout.read_line(&mut line).expect("what it has seen");
        let used = child.wait4().expect("an end").rusage;
        let mut numbers = line.split_whitespace().map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers");
        Seen { requests: next(), points: next(), rejected: next(), cpu: used.utime + used.stime }
    }
}

/// Runs the fake until the end of standard input, and prints its figures.
pub fn serve(numbers: Vec<String>) {
    let mut numbers = numbers.into_iter().map(|number| number.parse::<u64>().expect("a number"));
    let mut next = || numbers.next().expect("nine numbers");
    let (latency, alias_latency) = (Duration::from_millis(next()), Duration::from_millis(next()));
    let (limit, window, max_in_flight) = (next(), next(), next());
    let primary = (limit > 0).then(|| PrimaryLimit::new(limit, Duration::from_secs(window)));
    let max_in_flight = (max_in_flight > 0).then(|| (i64::try_from(max_in_flight).expect("a few"), Some(1)));
    let max_aliases = usize::try_from(next()).ok().filter(|max| *max > 0);
    let (rejected_permille, fault_percent) = (next(), next());
    let cpu_time = (next() > 0).then(CpuTimeLimit::default);
    let fake = Fake::start(Behavior {
        max_aliases,
        fault: Box::new(move |context| fault(context.number, rejected_permille, fault_percent)),
        latency,
        alias_latency,
        primary,
        points: primary,
        max_in_flight,
        cpu_time,
        discards_arrivals: true,
        ..Behavior::default()
    });
    say(&fake.url());
    let _ = std::io::stdin().lock().read_line(&mut String::new());
    say(&format!("{} {} {}", fake.requests(), fake.points(), fake.rejections().len()));
}

/// Decides the fault of a request, in the same way in every run.
fn fault(number: u64, rejected_permille: u64, fault_percent: u64) -> Option<Fault> {
    let mut random = fastrand::Rng::with_seed(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if random.u64(0..1000) < rejected_permille {
        return Some(Fault::secondary(429, Some(1)));
    }
    let faults = [
        Fault::Html(500),
        Fault::Html(502),
        Fault::Reset,
        Fault::Hangup,
        Fault::Truncated,
        Fault::BrokenJson,
        Fault::secondary(403, Some(0)),
    ];
    (random.u64(0..100) < fault_percent).then(|| random.choice(faults)).flatten()
}
