//! A fake GitHub on loopback for experiments: `cargo run --example fake-github -- 8099 20 1` listens on port 8099 and responds
//! after 20 milliseconds, plus one for each alias of a query. Two more numbers set a primary limit and its window in seconds:
//! `… 8099 20 1 1000 5`. A sixth one enforces GitHub's limit on CPU time; a response takes this multiple of its CPU time.

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::io::Write;
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |otherwise: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (port, latency) = (number(8099), Duration::from_millis(number(0)));
    let alias_latency = Duration::from_millis(number(0));
    let (limit, window) = (number(0), Duration::from_secs(number(3600)));
    let primary = (limit > 0).then(|| fake::PrimaryLimit::new(limit, window));
    let response_factor = u32::try_from(number(0)).unwrap_or(u32::MAX);
    let cpu_time = (response_factor > 0)
        .then(|| fake::CpuTimeLimit { response_factor, ..fake::CpuTimeLimit::default() });
    let behavior = fake::Behavior {
        latency,
        alias_latency,
        primary,
        points: primary,
        cpu_time,
        scopes: Some("read:enterprise, read:org, repo"),
        ..fake::Behavior::default()
    };
    let fake = fake::Fake::start_on(&format!("127.0.0.1:{port}"), behavior);
    let _ = writeln!(std::io::stdout(), "{} (Enter or end of input stops it)", fake.url());
    let _ = std::io::stdin().read_line(&mut String::new());
    let _ = writeln!(
        std::io::stdout(),
        "{} requests on {} connections, {} in flight at most, {} points",
        fake.requests(),
        fake.connections(),
        fake.peak(),
        fake.points()
    );
}
