//! GitHub: the client, and everything that knows its APIs.
//!
//! In the order of a lookup: `batch` looks up a group of logins, with all their requests and retries. `client` sends a request
//! with a permit of the rate limiter through [`transport`], to the network or a replay. [`graphql`] and [`rest`] parse the
//! response, [`error`] classifies failures, and `retry` decides about retries. `token_provider` requests the tokens of a GitHub
//! App, with retries of its own and without a permit: every other request waits for the token.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) mod account;
pub(crate) mod api_version;
mod batch;
mod batch_size;
pub(crate) mod cassette;
mod client;
pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod endpoint;
mod enterprise;
pub(crate) mod error;
mod foreign;
pub(crate) mod graphql;
pub(crate) mod members;
pub(crate) mod redact;
pub(crate) mod rest;
mod retry;
mod token_provider;
pub(crate) mod transport;

pub(crate) use self::batch::{Batch, LookupOutcome};
pub use self::client::{BuildError, Client};
pub use self::config::{ClientConfig, TransportMode};

/// Locks a mutex, also after a panic elsewhere: every value that is locked here is replaced at once.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
