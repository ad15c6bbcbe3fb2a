//! Measures the speed and memory that the README and docs/benchmarks.md state: `cargo bench`.
//!
//! A fake GitHub runs in its own process, and the measured program in another one on the same machine. Counts are verified after
//! the time has been taken. All figures are medians of whole processes: wall time, CPU time (user and system, including child
//! processes), and maximum resident memory.
//!
//! `cargo bench -- peers 200` runs one section with its arguments; `cargo bench -- --help` lists the sections.

#![allow(clippy::expect_used, clippy::panic, missing_docs, unreachable_pub, reason = "a benchmark may panic")]

mod beside;
#[path = "../../tests/fake/mod.rs"]
mod fake;
mod formats;
mod growth;
mod input;
mod input_formats;
mod latency;
mod limits;
mod measure;
mod pace;
mod peers;
mod rate;
mod server;
mod startup;
mod table;

use std::path::Path;

use self::table::say;

const USAGE: &str = "\
cargo bench -- [--runs N] [SECTION]...

  startup              start-up time
  latency              compared with the lower bound of latency, jobs and batch size
  rate                 maximum throughput, compared with wrk
  growth [LOGINS]      throughput and memory, from a pipe, up to a million logins [1000000]
  inputs [LOGINS]      inputs of a million logins in each format, read by --plan [1000000]
  formats [LOGINS]     time and memory of each format [1000000]
  workbook [LOGINS]    rows of a workbook that needs two sheets [1100000]
  limits               with GitHub's rate limits; an hour is ten seconds
  pace [LOGINS]        with GitHub's limit on CPU time, compared with --plan [1000 10000 20000];
                       takes five minutes
  beside PROGRAM       compared with another build, such as that of an earlier commit
  peers [LOGINS]       compared with other tools [200 2000]; benches/peers/install installs them
                       below target/peers

Without a section, all of them run, except pace and beside.
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
            _ => complain("--runs requires a number, as in --runs 5"),
        }
        words.drain(at..at + 2);
    }
    let sections = if words.is_empty() {
        ["startup", "latency", "rate", "limits", "peers", "growth", "inputs", "formats", "workbook"]
            .map(str::to_owned)
            .to_vec()
    } else {
        words
    };
    let mut sections = sections.into_iter().peekable();
    while let Some(section) = sections.next() {
        if section == "beside" {
            match sections.next() {
                Some(program) => beside::measured(runs, Path::new(&program)),
                None => complain("beside requires the path of another build of the program"),
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
            "pace" => pace::measured(&sizes),
            "inputs" => input_formats::measured(runs, &sizes),
            "formats" => formats::measured(&sizes),
            "workbook" => formats::workbook(&sizes),
            "limits" => limits::measured(runs),
            "peers" => peers::measured(runs, &sizes),
            other => complain(&format!("unknown section {other}; --help lists them")),
        }
    }
}

/// Prints a usage error and exits with status 2.
fn complain(wrong: &str) -> ! {
    say(wrong);
    std::process::exit(2)
}
