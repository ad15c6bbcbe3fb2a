//! What the README and BENCHMARKS.md claim of speed and memory, measured: `cargo bench`.
//!
//! A fake GitHub runs in a process of its own, and the program, or what people use in its place, in another
//! one; both share the machine. Everybody's counts are compared, after the time was taken. All figures are
//! medians of whole processes: wall time, CPU time (user and system, of all of its processes), and the most
//! memory that was resident.
//!
//! `cargo bench -- peers 200` measures one section, with what belongs to it; `cargo bench -- --help` lists them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark may fall over"
)]

mod beside;
#[path = "../../tests/fake/mod.rs"]
mod fake;
mod growth;
mod input;
mod latency;
mod limits;
mod measure;
mod peers;
mod rate;
mod server;
mod startup;
mod table;

use std::path::Path;

use self::table::say;

const USAGE: &str = "\
cargo bench -- [--runs N] [SECTION]...

  startup              the program alone
  latency              beside the bound that latency, jobs and batches set
  rate                 as many as go, beside wrk
  growth [LOGINS]      from a pipe: rate and memory, up to a million logins [1000000]
  limits               under limits as GitHub has them; an hour in ten seconds
  beside PROGRAM       this build beside another one, such as that of an earlier commit, in turn
  peers [LOGINS]       beside what people use [200 2000]; benches/peers/install installs that
                       below target/peers

Without a section: all of them.
";

fn main() {
    let mut words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "serve") {
        return server::serve(words.split_off(1));
    }
    if words.iter().any(|word| matches!(word.as_str(), "--help" | "-h")) {
        return say(USAGE.trim_end());
    }
    let mut runs = 5;
    if let Some(at) = words.iter().position(|word| word == "--runs") {
        match words.get(at + 1).and_then(|number| number.parse().ok()) {
            Some(number) if number > 0 => runs = number,
            _ => complain("--runs wants a number of runs, as in --runs 5"),
        }
        words.drain(at..at + 2);
    }
    let sections = if words.is_empty() {
        ["startup", "latency", "rate", "limits", "peers", "growth"].map(str::to_owned).to_vec()
    } else {
        words
    };
    let mut sections = sections.into_iter().peekable();
    while let Some(section) = sections.next() {
        if section == "beside" {
            match sections.next() {
                Some(program) => beside::measured(runs, Path::new(&program)),
                None => complain("beside wants the path of another build of the program"),
            }
            continue;
        }
        let mut sizes = Vec::new();
        while let Some(size) = sections.peek().and_then(|word| word.parse().ok()) {
            sizes.push(size);
            sections.next();
        }
        match section.as_str() {
            "startup" => startup::measured(runs),
            "latency" => latency::measured(runs),
            "rate" => rate::measured(runs),
            "growth" => growth::measured(&sizes),
            "limits" => limits::measured(runs),
            "peers" => peers::measured(runs, &sizes),
            other => complain(&format!("there is no section {other}; --help lists them")),
        }
    }
}

/// Ends with what is wrong with the words.
fn complain(wrong: &str) -> ! {
    say(wrong);
    std::process::exit(2)
}
