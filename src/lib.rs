//! Counts the public repositories of many GitHub accounts.
//!
//! Logins flow through one concurrent stage and become rows, one for each, whatever happens to it.
//!
//! ```text
//! input ──logins──▶ lookup ──rows──▶ reorder ──▶ summary, rules ──▶ renderers ──▶ outputs
//!                     │ ▲
//!                   batch = one future: acquire, send, yield what was answered, split or retry the rest
//!                     │ ▲
//!                 rate_limit      one pause, one quota per API, one concurrency limit
//!                     │ ▲
//!                  transport      network or replay, and the recording
//! ```
//!
//! # From a login to its row
//!
//! "Go to definition" leads from each step to the next one:
//!
//! 1. `run::main_with` parses the flags, and sends all requests from one thread.
//! 2. `run::execute` opens the outputs; `run::pipeline::run_pipeline` reads the input (`input`), starts the stage, and consumes the
//!    rows that it completes.
//! 3. `lookup::stage` gives each login its position and a place in the window; its `Batcher` forms a batch when there is a slot:
//!    up to a hundred logins for GraphQL, one for REST.
//! 4. `Client::look_up_batch` (`github/batch.rs`) is one batch with its retries. It waits for a permit in
//!    `RateLimiter::acquire` (`rate_limit.rs`), and then takes as many logins as the batch size allows (`Client::take_logins`).
//! 5. `Client::send` (`github/client.rs`) adds the token, sends the request, and reports its headers and outcome to the limiter.
//! 6. `RequestSender::send` (`github/transport.rs`) sends it with octocrab to a socket or a replay. It redacts the response,
//!    writes it to the recording, and makes a `LookupError` of an unsuccessful status.
//! 7. `github/graphql.rs` or `github/rest.rs` reads the response: an account or an error for each login.
//! 8. `github/retry.rs` decides about errors: retry, back off, split, or give up. The loop of step 4 acts on it; for a REST
//!    request that is `Client::get`.
//! 9. `lookup::row` makes the row. The pipeline's consumer puts it into the `reorder` buffer, and passes it on in its turn. A row
//!    that waits for a slower one is written to the `journal` meanwhile.
//! 10. `output::Sink` passes rows to the renderer of each output, on a thread of its own: `render/table.rs`, for example, which
//!     reads each cell with the getter of its column (`report/columns.rs`).
//!
//! A login crosses twelve files: `main`, `run`, `run/pipeline`, `input`, `lookup`, `github/batch`, `github/client`,
//! `github/transport`, `github/graphql`, `report`, `output`, `render/table`. Beside them, `rate_limit` admits the request,
//! `github/retry` decides about errors, and `reorder` restores the order.
//!
//! # Library
//!
//! The stage can be used without the program: [`lookup`] takes a [`Client`] and a stream of [`Login`]s and yields [`Row`]s. Here it
//! is answered from a folder of recorded exchanges; without `transport` it sends requests to GitHub.
//!
//! ```
//! use futures::{StreamExt, stream};
//! use ghrepos::{Client, ClientConfig, Login, LookupOptions, Status, TransportMode};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = TransportMode::Replay("fixtures/github".into());
//! let mut config = ClientConfig::default();
//! config.transport = transport;
//! let client = Client::new(config)?;
//! let logins = stream::iter(["torvalds", "no login", "antirez"]).map(Login::parse);
//! let rows: Vec<_> = ghrepos::lookup(&client, logins, LookupOptions::default()).collect().await;
//!
//! assert_eq!(rows[0].public_repos, Some(9));
//! assert_eq!((rows[1].status, rows[1].public_repos), (Status::Invalid, None));
//! assert_eq!(rows[2].public_repos, Some(74));
//! # Ok(())
//! # }
//! ```
//!
//! `CONTRIBUTING.md` has the map of all modules.

// The program uses more of these modules than the library.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "cli")]
mod database;
#[cfg(feature = "cli")]
mod decode;
#[cfg(feature = "cli")]
mod diff;
#[cfg(feature = "cli")]
mod exit_status;
#[cfg(feature = "cli")]
mod fail_on;
mod fs;
mod github;
#[cfg(feature = "cli")]
mod input;
#[cfg(feature = "cli")]
mod journal;
mod login;
mod lookup;
mod network;
mod object;
#[cfg(feature = "cli")]
mod output;
#[cfg(feature = "cli")]
mod partial;
#[cfg(feature = "cli")]
mod program_name;
#[cfg(feature = "cli")]
mod progress;
#[cfg(all(feature = "cli", any(test, fuzzing)))]
#[path = "../fuzz/properties/mod.rs"]
pub mod properties;
mod rate_limit;
#[cfg(feature = "cli")]
mod render;
mod reorder;
mod report;
#[cfg(feature = "cli")]
mod run;
#[cfg(feature = "cli")]
mod shard;
mod stop;
mod text;

pub use crate::github::account::{AccountKind, ApiKind, Breakdown, CountSelection};
pub use crate::github::credentials::{App, Credentials, InvalidPrivateKey, InvalidToken, Token};
pub use crate::github::endpoint::{ApiEndpoint, InvalidEndpoint};
pub use crate::github::{BuildError, Client, ClientConfig, TransportMode};
pub use crate::login::{Login, ParseLoginError};
pub use crate::lookup::{LookupOptions, lookup};
pub use crate::report::{Row, Status};
#[cfg(feature = "cli")]
pub use crate::run::main;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use crate::run::main_with;
