//! Black-box tests: the binary of the program against a fake GitHub that can misbehave. Each test is named for its claim.

#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may panic, and print what they have measured"
)]
#![allow(missing_docs, unreachable_pub, reason = "no other crate uses this one")]

#[path = "../fake/mod.rs"]
mod fake;

mod action;
mod advice;
mod answers;
mod apps;
mod audits;
mod batches;
mod certificates;
mod contradictions;
mod databases;
mod described;
#[cfg(unix)]
mod documentation;
mod echoes;
mod extension;
mod faults;
mod groups;
mod hints;
mod hostile;
mod hosts;
mod inputs;
mod journals;
mod json_schema;
mod last_push;
mod limits;
mod logins;
mod lookups;
mod manuals;
mod outputs;
mod pages;
mod partials;
mod private_counts;
mod program;
mod proxies;
mod readers;
mod real_servers;
mod recorded;
mod recordings;
mod refusals;
mod scale;
mod schema;
mod secrets;
mod servers;
mod sheets;
mod soak;
mod source_layout;
mod stops;
mod terminal;
mod terminals;
mod tokens;
mod totals;
mod versions;
mod workbook_writer;
mod workbooks;
