//! One batch of logins, from the permit to the outcome of each login.
//!
//! A batch is up to a hundred logins for GraphQL queries, or one login with its REST requests. [`Client::look_up_batch`] is the
//! whole path. For queries it is one loop: acquire a permit, take as many logins as the batch size allows, send them, return those
//! that were answered, and put the others back as the [policy](super::retry) says. A login that GitHub left out, or that makes its
//! query fail, does not hold up the others.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use futures::{StreamExt, stream};
use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::account::{Account, ApiKind, Breakdown, CountSelection};
use super::batch_size::NextSize;
use super::client::Client;
use super::error::LookupError;
use super::graphql::{self, Query, Schema};
use super::lock;
use super::rest::{self, BoundedVec, Existence, Paginator, Repo, TOO_MANY_PAGES, parse_json};
use super::retry::{AttemptLog, RetryDecision};
use super::transport::Request;
use crate::login::Login;
use crate::rate_limit::{Permit, Resource};
use crate::stop::StopReason;

/// Queries without a result after which the GraphQL API is given up, if none has had one; with more jobs, two more than those.
const MAX_DOUBTFUL_QUERIES: usize = 12;

/// Reason for which a response of `/users/{login}/repos` is rejected.
const NOT_REPOSITORIES: &str = "not a list of repositories";

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

fn answer_all<L>(
    logins: impl Iterator<Item = PendingLogin<L>>,
    error: &LookupError,
    on_outcome: impl Fn(L, LookupOutcome),
) {
    for pending in logins {
        let (login, outcome) = pending.answer(Err(error.clone()));
        on_outcome(login, outcome);
    }
}

/// Results of the logins of one query, in their order.
struct QueryResults {
    results: Vec<Result<Account, LookupError>>,
    /// 403 or 451 for the whole query: one login of it may be to blame.
    is_forbidden: bool,
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
            let result = self.account_by_rest(login.as_ref(), &mut log, counts).await;
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
            let turn = if self.is_graphql_doubtful() { Some(self.doubt().turn.lock().await) } else { None };
            if self.query_error().is_some() {
                drop((turn, slot.take()));
                let all = unsent.into_iter().chain(backing_off);
                self.look_up_by_rest_instead(all, counts, &on_outcome).await;
                break;
            }
            if let Some(error) = self.doubt().refusal.get() {
                answer_all(unsent.into_iter().chain(backing_off), error, &on_outcome);
                break;
            }
            let max_cost = graphql::query_cost(self.config().max_batch_size(), counts);
            let permit = self.acquire(Resource::Graphql, max_cost).await;
            // Queries may have failed while this one waited.
            if turn.is_none() && permit.is_ok() && self.is_graphql_doubtful() {
                continue;
            }
            // The batch size is decided now, by all responses so far.
            let NextSize { size, trial } = self.next_size(&unsent);
            let cost = graphql::query_cost(size, counts);
            let permit = match permit.and_then(|permit| self.limiter().reserve_points(cost).map(|()| permit))
            {
                Ok(permit) => permit,
                Err(stop) => {
                    let all = unsent.into_iter().chain(backing_off);
                    answer_all(all, &LookupError::Stopped(stop), &on_outcome);
                    break;
                }
            };
            let mut logins: Vec<_> = unsent.drain(..size).collect();
            let schema = self.schema();
            let QueryResults { results, is_forbidden, max_batch_size } =
                self.query(counts, schema, &mut logins, permit).await;
            drop((trial, turn));
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
                    Err(error) => {
                        let decision = pending.log.on_failure(error, size, self.config().retries);
                        let is_refused = error.is_query_refused() && self.may_know_by_rest(error, size);
                        match decision {
                            _ if is_forbidden && size > 1 => RetryDecision::Split,
                            _ if is_refused => RetryDecision::GiveUp,
                            decision => decision,
                        }
                    }
                };
                if let Err(error) = &result
                    && decision != RetryDecision::GiveUp
                    && !std::mem::replace(&mut is_logged, true)
                {
                    tracing::info!(%error, ?decision, first = %pending.login.as_ref(), size, "retrying a query");
                }
                match decision {
                    RetryDecision::GiveUp => match result {
                        Err(error)
                            if self.may_know_by_rest(&error, size)
                                || is_forbidden && self.falls_back_to_rest() =>
                        {
                            failed_alone.push((pending, error));
                        }
                        result => {
                            let result = result.map_err(|error| self.stop_without_graphql(error));
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
        let is_about_login = match error {
            LookupError::TimedOut(_)
            | LookupError::ConnectionClosed(_)
            | LookupError::Truncated(_)
            | LookupError::TooLong(_)
            | LookupError::Malformed(_)
            | LookupError::OtherJson(_)
            | LookupError::PartialResponse(_)
            | LookupError::NotGithub(_)
            | LookupError::QueryNotFound(_)
            | LookupError::Status { .. } => size == 1,
            // Queries that failed have no recorded response.
            LookupError::NotRecorded(_) => true,
            _ => false,
        };
        is_about_login && self.falls_back_to_rest()
    }

    /// Returns true for a 404 to a query while no query has had a result.
    fn is_about_url(&self, error: &LookupError) -> bool {
        matches!(error, LookupError::QueryNotFound(_)) && !self.has_graphql()
    }

    /// Ends the run if this error means that there is no GraphQL API.
    fn stop_without_graphql(&self, error: LookupError) -> LookupError {
        if self.is_about_url(&error) {
            LookupError::Stopped(self.limiter().stop.request(StopReason::NoGraphqlApi))
        } else {
            error
        }
    }

    fn falls_back_to_rest(&self) -> bool {
        let config = self.config();
        config.rest_fallback && config.api == ApiKind::Graphql
    }

    /// Returns true if queries have failed, and none has had a result yet.
    fn is_graphql_doubtful(&self) -> bool {
        !self.has_graphql() && self.doubt().failures.load(Ordering::Relaxed) > 0
    }

    /// Counts a query without a result. Returns true if enough queries have failed and none had a result.
    fn doubt_graphql(&self, error: &LookupError) -> bool {
        if self.has_graphql() || !error.is_without_result() {
            return false;
        }
        let failures = self.doubt().failures.fetch_add(1, Ordering::Relaxed) + 1;
        failures >= MAX_DOUBTFUL_QUERIES.max(self.config().max_concurrency + 2)
    }

    /// Sends no further query. Returns the error of this one: REST is asked instead, all queries are forbidden, or the run ends.
    async fn give_up_graphql(&self, error: LookupError, login: &Login) -> LookupError {
        let doubt = self.doubt();
        let can_fall_back = self.config().can_fall_back_to_rest();
        let response = lock(&doubt.last_response).clone();
        let stop = match (&error, response) {
            (LookupError::Forbidden { .. }, _) => {
                return doubt.refusal.get_or_init(|| error).clone();
            }
            (LookupError::QueryNotFound(response), _) if can_fall_back && self.has_rest(login).await => {
                return self.use_rest(&format!("is missing: {response}"));
            }
            (LookupError::QueryNotFound(_), _) => StopReason::NoGraphqlApi,
            (_, Some(response)) if can_fall_back => {
                return self.use_rest(&format!("does not answer as GitHub: {response}"));
            }
            (_, Some(response)) => StopReason::NotGithub(response.to_string()),
            (_, None) => return error,
        };
        LookupError::Stopped(self.limiter().stop.request(stop))
    }

    fn use_rest(&self, reason: &str) -> LookupError {
        self.set_query_error(reason);
        LookupError::QueryUnsupported(reason.to_owned())
    }

    /// Returns true if the REST API has a result. Where it has none, a 404 does not mean that an account is missing.
    async fn has_rest(&self, login: &Login) -> bool {
        matches!(self.rate_limits().await, Ok(Some(_)))
            || self
                .account_by_rest(login, &mut AttemptLog::default(), CountSelection::default())
                .await
                .is_ok()
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
        let result = self.account_by_rest(login, &mut log, counts).await;
        pending.log.attempts += log.attempts;
        match result {
            // The 404s of both APIs together are about the URL.
            Err(LookupError::NotFound | LookupError::Stopped(_)) if self.is_about_url(&error) => {
                pending.answer(Err(self.stop_without_graphql(error)))
            }
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
            let result = self.account_by_rest(login.as_ref(), &mut log, counts).await;
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
        // Before the permit is dropped: the next request must know it.
        let must_give_up = response.as_ref().is_err_and(|error| self.doubt_graphql(error));
        drop(permit);
        let response = match (response, names.first()) {
            (Err(error), Some(login)) if must_give_up => Err(self.give_up_graphql(error, login).await),
            (response, _) => response,
        };
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
                QueryResults { results: response.results, is_forbidden: false, max_batch_size }
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
                let is_forbidden =
                    matches!(error, LookupError::Forbidden { .. }) && self.doubt().refusal.get().is_none();
                QueryResults { results: vec![Err(error); size], is_forbidden, max_batch_size }
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
        counts: CountSelection,
    ) -> Result<Account, LookupError> {
        let route = self.config().endpoint.rest(&login.path());
        let parse = |answered: &str, _: &HeaderMap, body: &[u8]| {
            rest::parse_account(body, (answered == route).then_some(login))
        };
        let mut account = self.get(log, &route, parse).await?;
        if counts.breakdown {
            let (breakdown, last_push) = self.list_by_rest(&account, log).await?;
            account.breakdown = Some(breakdown);
            account.last_push = last_push.filter(|_| counts.last_push);
        } else if counts.last_push && account.public_repos > 0 {
            account.last_push = self.last_push_by_rest(&account.login, log).await?;
        }
        Ok(account)
    }

    /// Requests the repository that was pushed to last.
    async fn last_push_by_rest(
        &self,
        login: &Login,
        log: &mut AttemptLog,
    ) -> Result<Option<Timestamp>, LookupError> {
        let path = format!("{}/repos?type=owner&sort=pushed&direction=desc&per_page=1", login.path());
        let route = self.config().endpoint.rest(&path);
        let parse = |_: &str, _: &HeaderMap, body: &[u8]| parse_json(body, NOT_REPOSITORIES);
        let BoundedVec(repos) = self.get_existing(log, &route, Existence::Known, parse).await?;
        Ok(latest_push(&repos))
    }

    /// Lists all repositories of an account.
    async fn list_by_rest(
        &self,
        account: &Account,
        log: &mut AttemptLog,
    ) -> Result<(Breakdown, Option<Timestamp>), LookupError> {
        let Account { login, public_repos, .. } = account;
        let public_repos = *public_repos;
        let path = format!("{}/repos?type=owner&per_page=100", login.path());
        let mut pages = Paginator::new(&path, Existence::Known, &self.config().endpoint);
        let (mut forks, mut archived, mut listed, mut last_push) = (0, 0, 0, None);
        while public_repos > 0
            && let Some(repos) = self.get_page::<Repo>(log, &mut pages, NOT_REPOSITORIES).await?
        {
            listed += repos.len() as u64;
            forks += repos.iter().filter(|repo| repo.fork).count() as u64;
            archived += repos.iter().filter(|repo| repo.archived).count() as u64;
            last_push = last_push.max(latest_push(&repos));
            if pages.next.is_some() && listed > public_repos.saturating_add(100) {
                return Err(TOO_MANY_PAGES);
            }
        }
        // A few may have been deleted meanwhile, or be hidden. A list that lacks far more is not complete.
        if listed.saturating_add(10 + public_repos / 10) < public_repos {
            return Err(LookupError::Malformed("the list of repositories is incomplete"));
        }
        Ok((Breakdown { sources: public_repos.saturating_sub(forks), forks, archived }, last_push))
    }
}

fn latest_push(repos: &[Repo]) -> Option<Timestamp> {
    repos.iter().filter_map(|repo| repo.pushed_at).max()
}
