//! Getting one route of the REST API: as a courtesy, with patience, or once.

use std::sync::Arc;

use http::HeaderMap;

use super::attempt::Request;
use super::error::LookupError;
use super::governor::{Newcomer, Resource};
use super::persist::{AbortOnDrop, Failure, Tries};
use super::stop::Stop;
use super::{COURTESY, Client, RATE_LIMIT, USER};
use crate::report::Via;

impl Client {
    /// Gets what is worth neither a second attempt nor a long wait.
    pub(super) async fn courtesy<T: Send + 'static>(
        &self,
        route: String,
        read: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, LookupError> + Send + 'static,
    ) -> Option<Result<T, LookupError>> {
        tokio::select! {
            answer = self.send(route, None, read) => Some(answer.map_err(|failure| failure.error)),
            _ = self.governor().stopped() => None,
            () = tokio::time::sleep(COURTESY) => None,
        }
    }

    /// Gets one route, again while the failure is one that may pass. `newcomer`: where it is a login's
    /// first request.
    pub(super) async fn get<T: Send + 'static>(
        &self,
        tries: &mut Tries,
        mut newcomer: Option<Newcomer<'_>>,
        route: String,
        read: impl Fn(&HeaderMap, &[u8]) -> Result<T, LookupError> + Clone + Send + 'static,
    ) -> Result<T, LookupError> {
        self.persist(tries, async |_, _| self.send(route.clone(), newcomer.take(), read.clone()).await).await
    }

    /// Sends a GET when it may leave, on a task of its own: a reader of our output who takes a break
    /// must not make an answer late.
    pub(super) async fn send<T: Send + 'static>(
        &self,
        route: String,
        newcomer: Option<Newcomer<'_>>,
        read: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, LookupError> + Send + 'static,
    ) -> Result<T, Failure> {
        let governor = &self.shared.governor;
        let api = &self.shared.settings.api;
        let price = u64::from(!api.is(&route, RATE_LIMIT));
        let mut permit = governor.admit(Resource::Core, price, newcomer).await.map_err(Failure::unsent)?;
        if self.shared.settings.via == Via::Rest && !api.is(&route, USER) {
            governor.spend(price).map_err(Failure::unsent)?;
        }
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let outcome = shared.attempt(&Request::Get(route), &mut permit, read).await;
            drop(permit);
            outcome
        });
        let outcome = AbortOnDrop(task).await;
        outcome.unwrap_or_else(|_| Err(LookupError::Stopped(Stop::Interrupted))).map_err(Failure::from)
    }
}
