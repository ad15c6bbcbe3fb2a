//! Trying again what may pass: here, and nowhere else.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;

use super::Client;
use super::error::LookupError;
use super::stop::Stop;

impl Client {
    /// Makes attempts until one succeeds, or fails with what will not pass, or too many have failed.
    pub(super) async fn persist<T>(
        &self,
        tries: &mut Tries,
        mut attempt: impl AsyncFnMut(u32, usize) -> Result<T, Failure>,
    ) -> Result<T, LookupError> {
        let governor = &self.shared.governor;
        let retries = self.shared.settings.retries;
        let (mut failures, mut refusals, mut together) = (0, 0, usize::MAX);
        loop {
            let Failure { error, sent, most, own, rested } = match attempt(tries.attempts, together).await {
                Ok(answer) => {
                    *tries = Tries { attempts: tries.attempts + 1, ..Tries::default() };
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            tries.attempts += u32::from(sent);
            if let LookupError::Stopped(_) = error {
                return Err(error);
            }
            tries.failed(&error);
            together = most;
            if !own {
                // It was asked with others, and one of them or their number is to blame.
                continue;
            }
            // A limit is nobody's own failure, and everybody waits for it together. But there is no
            // end of it where a server refuses just this one.
            let (number, most) = match error {
                LookupError::RateLimited { .. } => {
                    (&mut refusals, retries.max(1).saturating_mul(REFUSALS_A_RETRY))
                }
                _ => (&mut failures, retries),
            };
            *number += 1;
            if !error.is_transient() || *number > most {
                return Err(error);
            }
            tracing::info!("{error}; trying again");
            // Where everything waits, a wait of its own would only come on top.
            if !rested && governor.pause().is_none() {
                governor.back_off(*number).await;
            }
        }
    }
}

/// Refusals because of a limit that a login outlasts, for each further attempt that it has.
const REFUSALS_A_RETRY: u32 = 4;

/// How often something was tried.
#[derive(Debug)]
pub(super) struct Tries {
    pub(super) attempts: u32,
    /// Since the last that was none.
    pub(super) failures: u32,
    pub(super) alike: bool,
    last: Option<LookupError>,
}

impl Default for Tries {
    fn default() -> Self {
        Self { attempts: 0, failures: 0, alike: true, last: None }
    }
}

impl Tries {
    fn failed(&mut self, error: &LookupError) {
        self.failures += 1;
        self.alike &= self.last.as_ref().is_none_or(|last| last == error);
        self.last = Some(error.clone());
    }
}

/// An attempt that gave no answer.
pub(super) struct Failure {
    pub(super) error: LookupError,
    /// Whether the request left.
    pub(super) sent: bool,
    /// How many logins it may be asked together with next time, itself included.
    pub(super) most: usize,
    /// Whether it is the login's own failure, and not that of others in its query.
    pub(super) own: bool,
    /// Whether the back-off is behind it already.
    pub(super) rested: bool,
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self { error, sent: true, most: usize::MAX, own: true, rested: false }
    }
}

impl Failure {
    pub(super) fn unsent(stop: Stop) -> Self {
        Self { sent: false, ..Self::from(LookupError::Stopped(stop)) }
    }
}

/// A task that ends when nobody waits for it any more.
pub(super) struct AbortOnDrop<T>(pub(super) tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
