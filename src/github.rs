//! GitHub: the client, and everything that knows its APIs.
//!
//! In the order of a lookup: `batch` has the logins of one request and their retries, and `client` gets a permit of the rate
//! limiter (`rate_limit`) and a token for it. `sender` sends it, and redacts and records the response. [`transport`] is the network or a replay. `rest` and
//! [`graphql`] parse responses, [`error`] and `response_error` classify failures, and `retry` alone decides about retries.

pub(crate) mod account;
pub(crate) mod app;
pub(crate) mod auth;
mod batch;
mod batch_size;
pub(crate) mod cassette;
mod client;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod graphql;
pub(crate) mod members;
mod pagination;
pub(crate) mod proxy;
pub(crate) mod redact;
pub(crate) mod response_error;
pub(crate) mod rest;
mod retry;
mod sender;
pub(crate) mod tls;
mod token_provider;
pub(crate) mod transport;

pub(crate) use self::batch::{Batch, LookupOutcome};
pub(crate) use self::batch_size::{NextSize, Trial};
pub use self::client::{BuildError, Client};
pub use self::config::ClientConfig;
