//! How many repositories does each of many GitHub accounts have?
//!
//! Logins flow through one concurrent stage and come out as rows, in the order in which they went in.
//! A row is never lost and never an error: whatever happened to a login *is* its row.
//!
//! ```text
//! roster ──logins──▶ lookup ──rows──▶ render ──▶ output
//!                     │  ▲
//!                     ▼  │
//!                   github         graphql and its batches, rest, error
//!                     │  ▲
//!                  governor        one pause for every request
//!                     │  ▲
//!                  transport       network · record · replay
//! ```
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
//! | [`github`] | the client: octocrab, governor, transport, errors |
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
pub mod rate_limit;
pub mod render;
mod reorder;
pub mod report;
pub mod roster;
pub mod run;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "sql")]
pub mod store;
pub mod text;

pub use lookup::lookup;
