//! The program from outside: its binary against a fake GitHub that can misbehave. One binary for all
//! tests; each is named for the promise that it keeps.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fall over, and tell what they have measured"
)]
#![allow(missing_docs, unreachable_pub, reason = "nobody uses this crate")]

#[path = "../fake/mod.rs"]
mod fake;

mod action;
mod advice;
mod answers;
mod apps;
mod audits;
mod batches;
mod certificates;
mod databases;
mod echoes;
mod faults;
mod groups;
mod hostile;
mod hosts;
mod house;
mod journals;
mod limits;
mod logins;
mod lookups;
mod manuals;
mod outputs;
mod pages;
mod program;
mod proxies;
mod real_servers;
mod recordings;
mod schema;
mod secrets;
mod servers;
mod sheets;
mod soak;
mod stops;
mod terminal;
mod terminals;
mod tokens;
