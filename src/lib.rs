//! How many repositories does each of many GitHub accounts have?
//!
//! Logins flow through one concurrent stage and become rows, one for each, whatever happens to it.
//!
//! ```text
//! input ──logins──▶ lookup ──rows──▶ reorder ──▶ summary, rules ──▶ renderers ──▶ outputs
//!                     │ ▲
//!                   batch = one future: acquire, send, yield what was answered, split or retry the rest
//!                     │ ▲
//!                 rate_limit      one pause, one quota, one concurrency limit for every request
//!                     │ ▲
//!                 connection      network or replay, and the recording
//! ```
//!
//! # From a login to its row
//!
//! Each step calls the next one, so "go to definition" leads from the command line to the socket:
//!
//! 1. `main` parses the flags and calls [`run::start`], which runs everything on one thread.
//! 2. `run::pipeline::run_pipeline` reads the input ([`roster`]), starts the stage, and consumes the rows that it completes.
//! 3. `lookup::stage` gives each login its position and a place in the window; its `Batcher` forms a batch when there is a slot:
//!    up to a hundred logins for GraphQL, one for REST.
//! 4. `Client::look_up_batch` (`github/batch.rs`) is one batch with its retries. It waits for a permit in
//!    `RateLimiter::acquire` (`rate_limit.rs`), and takes as many logins as the batch size allows by then.
//! 5. `Client::send` (`github/client.rs`) adds the token, sends the request, and reports its headers and outcome to the limiter.
//! 6. `Connection::send` (`github/connection.rs`) hands it to octocrab, whose bottom is `github/transport.rs`: a socket or a
//!    replay. It redacts the response, and writes it to the recording. An unsuccessful status becomes a
//!    [`LookupError`](github::error::LookupError) here.
//! 7. `github/graphql.rs` or `github/rest.rs` reads the response: an account or an error for each login.
//! 8. `github/retry.rs` decides about errors: retry, back off, split, or give up. The loop of step 4 acts on it; for a REST
//!    request that is `Client::get`.
//! 9. `lookup::row` makes the row. The pipeline's consumer puts it into the `reorder` buffer, and passes it on in its turn: to the
//!    summary and the rules, and to each output's renderer on a thread of its own. A row that waits for a slower one is written to
//!    the [`journal`] meanwhile.
//!
//! # Library
//!
//! The stage can be used without the program: [`lookup`](fn@lookup) takes a
//! [`Client`](github::Client) and a stream of [`Login`](login::Login)s and yields
//! [`Row`](report::Row)s. Here it is answered from a folder of recorded exchanges; without `transport` it sends requests to GitHub.
//!
//! ```
//! use futures::{StreamExt, stream};
//! use ghrepos::github::transport::TransportMode;
//! use ghrepos::github::{Client, ClientConfig};
//! use ghrepos::login::Login;
//! use ghrepos::lookup::Options;
//! use ghrepos::report::Status;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = TransportMode::Replay("fixtures/github".into());
//! let client = Client::new(ClientConfig { transport, ..ClientConfig::default() })?;
//! let logins = stream::iter(["torvalds", "no/login", "antirez"]).map(Login::parse);
//! let rows: Vec<_> = ghrepos::lookup(&client, logins, Options::default()).collect().await;
//!
//! assert_eq!(rows[0].public_repos, Some(9));
//! assert_eq!((rows[1].status, rows[1].public_repos), (Status::Invalid, None));
//! assert_eq!(rows[2].public_repos, Some(74));
//! # Ok(())
//! # }
//! ```
//!
//! In reading order:
//!
//! | module | what is in it |
//! |---|---|
//! | [`cli`], [`config`] | the flags; flags and environment made one valid [`Config`](config::Config) |
//! | [`run`] | one run, from the configuration to the exit status |
//! | [`login`] | [`Login`](login::Login), the only way to a request path |
//! | [`roster`] | where logins come from, without duplicates |
//! | [`lookup`](mod@lookup), [`plan`] | the concurrent stage; what it would cost |
//! | [`github`] | the client: batches, retries, octocrab, transport, errors |
//! | `rate_limit`, [`stop`] | when a request may be sent; the early end of a run |
//! | [`report`] | rows, columns and the summary |
//! | [`render`], [`output`] | formats, and the files that they go to |
//! | [`drift`] | what has changed since an earlier report, and rules on which a run fails |
//! | [`journal`] | the `.ndjson` report that a killed run goes on with |
//! | `store`, `sql` | runs that are saved to a database (with the feature `sql`) |
//! | `properties` | what holds for whatever comes, for the tests and `cargo fuzz` |
//! | [`progress`], [`exit`], [`text`] | the bar, the exit statuses, text for people |

pub mod cli;
pub mod config;
pub mod drift;
pub mod exit;
mod file;
pub mod github;
pub mod journal;
pub mod login;
pub mod lookup;
mod object;
pub mod output;
pub mod plan;
pub mod progress;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod rate_limit;
pub mod render;
mod reorder;
pub mod report;
pub mod roster;
pub mod run;
#[cfg(feature = "sql")]
pub mod sql;
pub mod stop;
#[cfg(feature = "sql")]
pub mod store;
pub mod text;

pub use lookup::lookup;
