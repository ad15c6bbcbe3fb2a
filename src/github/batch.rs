//! One batch of logins, from the permit to the outcome of each login.
//!
//! A batch is up to a hundred logins for GraphQL queries, or one login with its REST requests. [`Client::look_up_batch`] is the
//! whole path. For queries it is one loop: acquire a permit, take as many logins as the batch size allows, send them, return those
//! that were answered, and put the others back as the [policy](super::retry) says. A login that GitHub left out, or that makes its
//! query fail, does not hold up the others.

use std::collections::VecDeque;

use futures::{StreamExt, stream};
use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;

use super::account::{Account, ApiKind, Breakdown, CountSelection};
use super::batch_size::NextSize;
use super::client::Client;
use super::error::LookupError;
use super::graphql::{self, Query, Schema};
use super::rest::{self, Existence, Paginator, Repo, TOO_MANY_PAGES};
use super::retry::{AttemptLog, RetryDecision};
use super::transport::Request;
use crate::login::Login;
use crate::rate_limit::{Permit, Resource};

/// Logins that are looked up together, by one API. `L`: a login, and what the caller keeps beside it.
pub(crate) struct Batch<L> {
    pub(crate) api: ApiKind,
    /// One login if the API is REST.
    pub(crate) logins: Vec<L>,
    pub(crate) counts: CountSelection,
    /// Held until each login was sent once: a retry holds none, so at most `--jobs` first attempts wait ahead of it.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(crate) struct LookupOutcome {
    pub(crate) result: Result<Account, LookupError>,
    pub(crate) api: ApiKind,
    pub(crate) log: AttemptLog,
}

struct PendingLogin<L> {
    login: L,
    log: AttemptLog,
    /// Upper bound on the logins of its next query, after one that failed.
    max_batch_size: usize,
}

impl<L> PendingLogin<L> {
    fn new(login: L) -> Self {
        Self { login, log: AttemptLog::default(), max_batch_size: usize::MAX }
    }

    fn answer(self, result: Result<Account, LookupError>) -> (L, LookupOutcome) {
        (self.login, LookupOutcome { result, api: ApiKind::Graphql, log: self.log })
    }
}

/// Results of the logins of one query, in their order.
struct QueryResults {
    results: Vec<Result<Account, LookupError>>,
    /// Upper bound on the parts into which the logins without a result are split.
    max_batch_size: usize,
}

impl Client {
    /// Looks up a batch. Calls `on_outcome` with each login as soon as its outcome is known.
    pub(crate) async fn look_up_batch<L: AsRef<Login> + Send>(
        &self,
        batch: Batch<L>,
        on_outcome: impl Fn(L, LookupOutcome),
    ) {
        let Batch { api, logins, counts, mut slot } = batch;
        if api == ApiKind::Graphql {
            return self.look_up_by_graphql(logins, counts, slot, on_outcome).await;
        }
        for login in logins {
            let mut log = AttemptLog::with_slot(slot.take());
            let result = self.account_by_rest(login.as_ref(), &mut log, counts.breakdown).await;
            on_outcome(login, LookupOutcome { result, api, log });
        }
    }

    async fn look_up_by_graphql<L: AsRef<Login>>(
        &self,
        logins: Vec<L>,
        counts: CountSelection,
        mut slot: Option<OwnedSemaphorePermit>,
        on_outcome: impl Fn(L, LookupOutcome),
    ) {
        let mut unsent: VecDeque<_> = logins.into_iter().map(PendingLogin::new).collect();
        let (mut backing_off, mut failed_alone) = (Vec::new(), Vec::new());
        while !unsent.is_empty() {
            let max_cost = graphql::query_cost(self.config().max_batch_size(), counts);
            let permit = self.acquire(Resource::Graphql, max_cost).await;
            // The batch size is decided now, by all responses so far.
            let NextSize { size, trial } = self.next_size(&unsent);
            let cost = graphql::query_cost(size, counts);
            let permit = match permit.and_then(|permit| self.limiter().reserve_points(cost).map(|()| permit))
            {
                Ok(permit) => permit,
                Err(stop) => {
                    for pending in unsent.into_iter().chain(backing_off) {
                        let (login, outcome) = pending.answer(Err(LookupError::Stopped(stop.clone())));
                        on_outcome(login, outcome);
                    }
                    break;
                }
            };
            let mut logins: Vec<_> = unsent.drain(..size).collect();
            let schema = self.schema();
            let QueryResults { results, max_batch_size } =
                self.query(counts, schema, &mut logins, permit).await;
            drop(trial);
            if self.query_error().is_some()
                && matches!(results.first(), Some(Err(LookupError::QueryUnsupported(_))))
            {
                drop(slot.take());
                let all = logins.into_iter().chain(unsent).chain(backing_off);
                self.look_up_by_rest_instead(all, counts, &on_outcome).await;
                break;
            }
            let mut is_logged = self.limiter().stop.reason().is_some();
            for (mut pending, result) in logins.into_iter().zip(results) {
                let decision = match &result {
                    Ok(_) => RetryDecision::GiveUp,
                    Err(LookupError::NoVisibility(_)) if schema == Schema::Current => RetryDecision::Retry,
                    Err(error) => pending.log.on_failure(error, size, self.config().retries),
                };
                if let Err(error) = &result
                    && decision != RetryDecision::GiveUp
                    && !std::mem::replace(&mut is_logged, true)
                {
                    tracing::info!(%error, ?decision, first = %pending.login.as_ref(), size, "retrying a query");
                }
                match decision {
                    RetryDecision::GiveUp => match result {
                        Err(error) if self.may_know_by_rest(&error, size) => {
                            failed_alone.push((pending, error));
                        }
                        result => {
                            let (login, outcome) = pending.answer(result);
                            on_outcome(login, outcome);
                        }
                    },
                    RetryDecision::Split => unsent.push_back(PendingLogin { max_batch_size, ..pending }),
                    RetryDecision::Retry => unsent.push_back(pending),
                    RetryDecision::BackOff => backing_off.push(pending),
                }
            }
            if unsent.iter().all(|pending| pending.log.attempts > 0) {
                drop(slot.take());
            }
            if unsent.is_empty()
                && let Some(retries) = backing_off.iter().map(|pending| pending.log.retries).max()
            {
                self.limiter().back_off(retries).await;
                unsent.extend(backing_off.drain(..));
            }
        }
        for (pending, error) in failed_alone {
            let (login, outcome) = self.look_up_alone_by_rest(pending, error, counts).await;
            on_outcome(login, outcome);
        }
    }

    /// Returns true if the REST API may have an account for a login that failed in a GraphQL query of `size` logins. An error of a
    /// larger query is not about one login.
    fn may_know_by_rest(&self, error: &LookupError, size: usize) -> bool {
        let config = self.config();
        let is_about_login = match error {
            LookupError::TimedOut(_)
            | LookupError::ConnectionClosed(_)
            | LookupError::Truncated(_)
            | LookupError::TooLong(_)
            | LookupError::Malformed(_)
            | LookupError::OtherJson(_)
            | LookupError::PartialResponse(_)
            | LookupError::Status { .. } => size == 1,
            // Queries that failed have no recorded response.
            LookupError::NotRecorded(_) => true,
            _ => false,
        };
        is_about_login && config.rest_fallback && config.api == ApiKind::Graphql
    }

    /// Looks up a login over REST that failed alone in the GraphQL API. Keeps that error if REST has no answer either.
    async fn look_up_alone_by_rest<L: AsRef<Login>>(
        &self,
        mut pending: PendingLogin<L>,
        error: LookupError,
        counts: CountSelection,
    ) -> (L, LookupOutcome) {
        let login = pending.login.as_ref();
        tracing::info!(%login, %error, "failed in the GraphQL API, looking up over REST");
        let mut log = AttemptLog::default();
        let result = self.account_by_rest(login, &mut log, counts.breakdown).await;
        pending.log.attempts += log.attempts;
        match result {
            Ok(_) | Err(LookupError::NotFound | LookupError::Forbidden { .. }) => {
                (pending.login, LookupOutcome { result, api: ApiKind::Rest, log: pending.log })
            }
            Err(_) => pending.answer(Err(error)),
        }
    }

    /// Looks up the logins of a batch whose query the server does not know.
    async fn look_up_by_rest_instead<L: AsRef<Login>>(
        &self,
        logins: impl Iterator<Item = PendingLogin<L>>,
        counts: CountSelection,
        on_outcome: impl Fn(L, LookupOutcome),
    ) {
        let look_up = async |pending: PendingLogin<L>| {
            let PendingLogin { login, mut log, .. } = pending;
            let result = self.account_by_rest(login.as_ref(), &mut log, counts.breakdown).await;
            on_outcome(login, LookupOutcome { result, api: ApiKind::Rest, log });
        };
        stream::iter(logins).for_each_concurrent(None, look_up).await;
    }

    /// Returns the size of the next query. What does not fit into one is divided evenly.
    fn next_size<L>(&self, unsent: &VecDeque<PendingLogin<L>>) -> NextSize {
        let max = unsent.iter().map(|login| login.max_batch_size).min().unwrap_or(1);
        let NextSize { mut size, trial } = self.batch_size().next_size(unsent.len().min(max));
        if trial.is_none() {
            let queries = unsent.len().div_ceil(size.max(1));
            size = unsent.len().div_ceil(queries.max(1));
        }
        NextSize { size, trial }
    }

    /// Sends one query.
    async fn query<L: AsRef<Login>>(
        &self,
        counts: CountSelection,
        schema: Schema,
        logins: &mut [PendingLogin<L>],
        mut permit: Permit<'_>,
    ) -> QueryResults {
        let size = logins.len();
        for login in &mut *logins {
            login.log.attempts += 1;
        }
        let names: Vec<_> = logins.iter().map(|pending| pending.login.as_ref()).collect();
        let text = graphql::build_query(size, counts, schema);
        let request = Request::Graphql(Query::new(&text, &names));
        let parse = |headers: &HeaderMap, body: &[u8]| graphql::parse_response(headers, body, &names, counts);
        let response = self.send(&request, &mut permit, parse).await;
        drop(permit);
        let estimate = graphql::query_cost(size, counts);
        let cost = match &response {
            Ok(response) => response.cost.unwrap_or(estimate),
            Err(LookupError::Connect(_)) => 0,
            // Unknown: GitHub may have charged for a query whose response never arrived.
            Err(_) => estimate,
        };
        self.limiter().reconcile_points(estimate, cost);
        self.add_points(cost);
        match response {
            Ok(response) => {
                let max_batch_size = self.record_results(&response.results);
                QueryResults { results: response.results, max_batch_size }
            }
            Err(error) => {
                if matches!(error, LookupError::NoVisibility(_)) {
                    self.set_lacks_visibility();
                }
                let mut batch_size = self.batch_size();
                if error.suggests_smaller_batch() {
                    batch_size.record(size, false);
                }
                let max_batch_size = batch_size.split_size(size);
                QueryResults { results: vec![Err(error); size], max_batch_size }
            }
        }
    }

    /// Updates the batch size. Returns the upper bound on the parts into which the logins that were left out are split.
    fn record_results(&self, results: &[Result<Account, LookupError>]) -> usize {
        let size = results.len();
        let left_out =
            results.iter().filter(|result| result.as_ref().is_err_and(LookupError::is_transient)).count();
        let mut batch_size = self.batch_size();
        // A response that leaves out more than a quarter was too large.
        let worked = left_out <= size / 4;
        batch_size.record(size, worked);
        if !worked {
            batch_size.record(size - left_out, true);
        }
        if left_out < size { left_out.div_ceil(2).max(1) } else { batch_size.split_size(size) }
    }

    async fn account_by_rest(
        &self,
        login: &Login,
        log: &mut AttemptLog,
        breakdown: bool,
    ) -> Result<Account, LookupError> {
        let route = self.config().endpoint.rest(&login.path());
        let parse = |answered: &str, _: &HeaderMap, body: &[u8]| {
            rest::parse_account(body, (answered == route).then_some(login))
        };
        let mut account = self.get(log, &route, parse).await?;
        if breakdown {
            let login = account.login.clone();
            account.breakdown = Some(self.breakdown_by_rest(&login, log, account.public_repos).await?);
        }
        Ok(account)
    }

    async fn breakdown_by_rest(
        &self,
        login: &Login,
        log: &mut AttemptLog,
        public_repos: u64,
    ) -> Result<Breakdown, LookupError> {
        let path = format!("{}/repos?type=owner&per_page=100", login.path());
        let mut pages = Paginator::new(&path, Existence::Known, &self.config().endpoint);
        let (mut forks, mut archived, mut listed) = (0, 0, 0);
        while public_repos > 0
            && let Some(repos) = self.get_page::<Repo>(log, &mut pages, "not a list of repositories").await?
        {
            listed += repos.len() as u64;
            forks += repos.iter().filter(|repo| repo.fork).count() as u64;
            archived += repos.iter().filter(|repo| repo.archived).count() as u64;
            if pages.next.is_some() && listed > public_repos.saturating_add(100) {
                return Err(TOO_MANY_PAGES);
            }
        }
        // A few may have been deleted meanwhile, or be hidden. A list that lacks far more is not complete.
        if listed.saturating_add(10 + public_repos / 10) < public_repos {
            return Err(LookupError::Malformed("the list of repositories is incomplete"));
        }
        Ok(Breakdown { sources: public_repos.saturating_sub(forks), forks, archived })
    }
}
