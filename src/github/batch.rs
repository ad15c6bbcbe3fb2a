//! One batch of logins, from the permit to the outcome of each login.
//!
//! A batch is one GraphQL query for up to a hundred logins, or the REST requests for one login. [`Client::look_up_batch`] is the
//! whole path. For a query it is one loop ([`QueryLoop::next`]): acquire a permit, take as many logins as the batch size allows,
//! send them, yield those that were answered, and put the others back as the [policy](super::retry) says. A login that GitHub left
//! out, or that makes its query fail, does not hold up the others.

use std::collections::VecDeque;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;

use super::account::{Account, ApiKind, Breakdown, CountSelection};
use super::client::Client;
use super::connection::Request;
use super::error::LookupError;
use super::graphql::{self, Query};
use super::rest::{self, Paginator, TOO_MANY_PAGES};
use super::retry::{AttemptLog, RetryDecision};
use crate::login::Login;
use crate::rate_limit::{Permit, Resource};
use crate::stop::StopReason;

/// Logins that are looked up together, by one API.
pub(crate) struct Batch {
    pub(crate) api: ApiKind,
    /// One login if the API is REST.
    pub(crate) logins: Vec<Login>,
    pub(crate) counts: CountSelection,
    /// Whether the number of logins is a registered probe of the batch size.
    pub(crate) is_probe: bool,
    /// Held until the first response: a retry holds none, so at most `--jobs` first attempts wait ahead of it.
    pub(crate) slot: Option<OwnedSemaphorePermit>,
}

/// Outcome of looking up one login.
#[derive(Debug)]
pub(crate) struct LookupOutcome {
    /// The account, or the last error.
    pub(crate) result: Result<Account, LookupError>,
    pub(crate) api: ApiKind,
    /// Requests that were sent for it.
    pub(crate) attempts: u32,
    /// Failed requests since the last successful one.
    pub(crate) consecutive_failures: u32,
    pub(crate) same_error_each_time: bool,
}

impl LookupOutcome {
    fn new(result: Result<Account, LookupError>, log: &AttemptLog, api: ApiKind) -> Self {
        Self {
            result,
            attempts: log.attempts,
            consecutive_failures: log.consecutive_failures,
            same_error_each_time: log.same_error_each_time,
            api,
        }
    }
}

/// Outcomes of logins, by their position in the batch.
pub(crate) type Outcomes = Vec<(usize, LookupOutcome)>;

impl Client {
    /// Looks up a batch. Yields the outcomes of its logins as they become known.
    pub(crate) fn look_up_batch(&self, batch: Batch) -> impl Stream<Item = Outcomes> + use<'_> {
        match batch.api {
            ApiKind::Rest => self.look_up_by_rest(batch).left_stream(),
            ApiKind::Graphql => {
                let query_loop = QueryLoop::new(self, batch);
                stream::unfold(query_loop, |mut query_loop| async move {
                    query_loop.next().await.map(|outcomes| (outcomes, query_loop))
                })
                .right_stream()
            }
        }
    }

    fn look_up_by_rest(&self, batch: Batch) -> impl Stream<Item = Outcomes> + use<'_> {
        let Batch { logins, counts, mut slot, .. } = batch;
        stream::iter(logins).enumerate().then(move |(index, login)| {
            let mut log = AttemptLog::with_slot(slot.take());
            async move {
                let result = self.account_by_rest(&login, &mut log, counts.breakdown).await;
                vec![(index, LookupOutcome::new(result, &log, ApiKind::Rest))]
            }
        })
    }

    /// Requests an account, and the pages of its repositories if `breakdown` is set.
    async fn account_by_rest(
        &self,
        login: &Login,
        log: &mut AttemptLog,
        breakdown: bool,
    ) -> Result<Account, LookupError> {
        let route = self.config().endpoint.rest(&login.path());
        let mut account = self.get(log, &route, |_, body| rest::parse_account(body, login)).await?;
        if breakdown {
            account.breakdown = Some(self.breakdown_by_rest(login, log, account.public_repos).await?);
        }
        Ok(account)
    }

    async fn breakdown_by_rest(
        &self,
        login: &Login,
        log: &mut AttemptLog,
        public_repos: u64,
    ) -> Result<Breakdown, LookupError> {
        let endpoint = &self.config().endpoint;
        let first = endpoint.rest(&rest::repos_path(login));
        let mut paginator = Paginator::new(&first, endpoint);
        let mut next = (public_repos > 0).then_some(first);
        let (mut forks, mut archived, mut listed) = (0, 0, 0);
        while let Some(route) = next {
            let page = self.get(log, &route, rest::parse_repo_page).await?;
            listed += page.repos as u64;
            forks += page.forks;
            archived += page.archived;
            if page.next.is_some() && listed > public_repos.saturating_add(100) {
                return Err(TOO_MANY_PAGES);
            }
            next = paginator.next_page(page.repos, page.next.as_deref())?;
        }
        // A few may have been deleted meanwhile, or be hidden. A list that lacks far more is not complete.
        if listed.saturating_add(10 + public_repos / 10) < public_repos {
            return Err(LookupError::Malformed("the list of repositories is incomplete"));
        }
        Ok(Breakdown { sources: public_repos.saturating_sub(forks), forks, archived })
    }

    /// Sends one query with a permit, and settles what it cost.
    async fn send_query(
        &self,
        logins: &[PendingLogin],
        counts: CountSelection,
        mut permit: Permit<'_>,
    ) -> Result<Vec<Result<Account, LookupError>>, LookupError> {
        let size = logins.len();
        let names: Vec<_> = logins.iter().map(|login| &login.login).collect();
        let text = self.query_text(size, counts);
        let request = Request::Graphql(Query::new(&text, &names));
        let read = |headers: &HeaderMap, body: &[u8]| graphql::parse_response(headers, body, &names, counts);
        let response = self.send(&request, &mut permit, read).await;
        drop(permit);
        let cost = graphql::query_cost(size, counts);
        let actual_cost = match &response {
            // A server without limits names no cost: there is none.
            Ok(response) => response.cost.unwrap_or(if response.has_rate_limit { cost } else { 0 }),
            Err(LookupError::Connect(_)) => 0,
            // Unknown: GitHub may have charged for a query whose response never arrived.
            Err(_) => cost,
        };
        self.limiter().reconcile_points(cost, actual_cost);
        self.add_points(actual_cost);
        self.record_batch_size(size, response.as_ref().map(|response| response.results.as_slice()));
        response.map(|response| response.results)
    }

    /// Tells the batch size how a query went. A response that leaves out more than a quarter counts as too large.
    fn record_batch_size(&self, size: usize, results: Result<&[Result<Account, LookupError>], &LookupError>) {
        let mut batch_size = self.batch_size();
        match results {
            Ok(results) => {
                let left_out = results.iter().filter(|result| is_left_out(result)).count();
                let worked = left_out <= size / 4;
                batch_size.record(size, worked);
                if !worked {
                    batch_size.record(size - left_out, true);
                }
            }
            Err(error) if error.suggests_smaller_batch() => batch_size.record(size, false),
            Err(_) => batch_size.cancel_probe(size),
        }
    }
}

fn is_left_out(result: &Result<Account, LookupError>) -> bool {
    result.as_ref().is_err_and(LookupError::is_transient)
}

/// A login without an outcome.
struct PendingLogin {
    /// Position in the batch.
    index: usize,
    login: Login,
    log: AttemptLog,
    /// Upper bound on the logins of its next query, after one that failed.
    max_batch_size: usize,
}

impl PendingLogin {
    fn answer(self, result: Result<Account, LookupError>) -> (usize, LookupOutcome) {
        (self.index, LookupOutcome::new(result, &self.log, ApiKind::Graphql))
    }
}

/// The queries of one batch.
struct QueryLoop<'a> {
    client: &'a Client,
    counts: CountSelection,
    /// Logins to query; the loop ends when this and `running` are empty.
    unsent: VecDeque<PendingLogin>,
    /// The next permit. It is kept while responses arrive, so that its place in the queue is not lost.
    admission: Option<BoxFuture<'a, Result<Permit<'a>, StopReason>>>,
    /// Queries in flight, and logins that back off.
    running: FuturesUnordered<BoxFuture<'a, Attempted>>,
    /// Whether the first query is a registered probe.
    is_probe: bool,
    slot: Option<OwnedSemaphorePermit>,
}

/// Result of a query, or of a backoff.
#[derive(Default)]
struct Attempted {
    answered: Outcomes,
    /// To be queried again.
    unsent: Vec<PendingLogin>,
    /// To be queried again after a backoff.
    backing_off: Vec<PendingLogin>,
}

impl<'a> QueryLoop<'a> {
    fn new(client: &'a Client, batch: Batch) -> Self {
        let logins = batch.logins.into_iter().enumerate();
        let unsent = logins.map(|(index, login)| PendingLogin {
            index,
            login,
            log: AttemptLog::default(),
            max_batch_size: usize::MAX,
        });
        Self {
            client,
            counts: batch.counts,
            unsent: unsent.collect(),
            admission: None,
            running: FuturesUnordered::new(),
            is_probe: batch.is_probe,
            slot: batch.slot,
        }
    }

    /// Returns the next outcomes. None when all logins have one.
    async fn next(&mut self) -> Option<Outcomes> {
        loop {
            if self.unsent.is_empty() && self.running.is_empty() {
                return None;
            }
            tokio::select! {
                biased;
                permit = admission(&mut self.admission, self.client, self.counts), if !self.unsent.is_empty() => {
                    self.admission = None;
                    if let Err(stop) = permit.and_then(|permit| self.send(permit)) {
                        return Some(self.stop(&stop));
                    }
                }
                Some(attempted) = self.running.next(), if !self.running.is_empty() => {
                    self.slot = None;
                    let Attempted { answered, unsent, backing_off } = attempted;
                    self.unsent.extend(unsent);
                    if !backing_off.is_empty() {
                        self.running.push(back_off(self.client, backing_off).boxed());
                    }
                    if !answered.is_empty() {
                        return Some(answered);
                    }
                }
            }
        }
    }

    /// Sends the next query with a permit: the batch size is decided now, by all responses so far.
    fn send(&mut self, permit: Permit<'a>) -> Result<(), StopReason> {
        let logins = self.take();
        if let Err(stop) =
            self.client.limiter().reserve_points(graphql::query_cost(logins.len(), self.counts))
        {
            self.unsent.extend(logins);
            return Err(stop);
        }
        self.running.push(query(self.client, self.counts, logins, permit).boxed());
        Ok(())
    }

    /// Takes the logins of the next query. What does not fit into one is divided evenly.
    fn take(&mut self) -> Vec<PendingLogin> {
        let mut batch_size = self.client.batch_size();
        let max = self.unsent.iter().map(|login| login.max_batch_size).min().unwrap_or(1);
        let available = self.unsent.len().min(max);
        if std::mem::take(&mut self.is_probe) {
            if batch_size.is_useful_probe(available) {
                return self.unsent.drain(..).collect();
            }
            batch_size.cancel_probe(available);
        }
        let next = batch_size.next_size(available);
        let size = if next.is_probe {
            next.size
        } else {
            let queries = self.unsent.len().div_ceil(next.size.max(1));
            self.unsent.len().div_ceil(queries.max(1))
        };
        self.unsent.drain(..size).collect()
    }

    /// Ends the loop: the logins that are not in flight have no response.
    fn stop(&mut self, stop: &StopReason) -> Outcomes {
        let unsent = self.unsent.drain(..);
        unsent.map(|login| login.answer(Err(LookupError::Stopped(stop.clone())))).collect()
    }
}

/// Waits for the permit of the next query.
async fn admission<'a>(
    admission: &mut Option<BoxFuture<'a, Result<Permit<'a>, StopReason>>>,
    client: &'a Client,
    counts: CountSelection,
) -> Result<Permit<'a>, StopReason> {
    let cost = graphql::query_cost(client.batch_size().max(), counts);
    admission.get_or_insert_with(|| client.acquire(Resource::Graphql, cost).boxed()).await
}

/// Sends a query, and separates the logins that were answered from those to ask again.
async fn query(
    client: &Client,
    counts: CountSelection,
    logins: Vec<PendingLogin>,
    permit: Permit<'_>,
) -> Attempted {
    let size = logins.len();
    let max_retries = client.config().retries;
    let mut attempted = Attempted::default();
    let (results, left_out) = match client.send_query(&logins, counts, permit).await {
        Ok(results) => {
            let left_out = results.iter().filter(|result| is_left_out(result)).count();
            (results, left_out)
        }
        Err(error) => (vec![Err(error); size], size),
    };
    // Of a partial response the rest is halved; of a failure the batch size says how much may work.
    let max_batch_size =
        if left_out < size { left_out.div_ceil(2).max(1) } else { client.batch_size().split_size(size) };
    let mut retried = Retried::default();
    for (mut login, result) in logins.into_iter().zip(results) {
        let error = match result {
            Ok(account) => {
                login.log.attempts += 1;
                attempted.answered.push(login.answer(Ok(account)));
                continue;
            }
            Err(error) => error,
        };
        let decision = login.log.on_failure(&error, size, max_retries);
        retried.add(&login, &error, decision);
        match decision {
            RetryDecision::GiveUp => attempted.answered.push(login.answer(Err(error))),
            RetryDecision::Split => {
                attempted.unsent.push(PendingLogin { max_batch_size, ..login });
            }
            RetryDecision::Retry => attempted.unsent.push(login),
            RetryDecision::BackOff => attempted.backing_off.push(login),
        }
    }
    if client.limiter().stop.reason().is_none() {
        retried.log(size);
    }
    attempted
}

/// The logins of one query that are queried again: the first with its error, and their number.
#[derive(Default)]
struct Retried {
    first: Option<(Login, LookupError, RetryDecision)>,
    number: usize,
}

impl Retried {
    fn add(&mut self, login: &PendingLogin, error: &LookupError, decision: RetryDecision) {
        if decision != RetryDecision::GiveUp {
            self.number += 1;
            self.first.get_or_insert_with(|| (login.login.clone(), error.clone(), decision));
        }
    }

    /// Logs one line for the query.
    fn log(&self, size: usize) {
        if let Some((login, error, decision)) = &self.first {
            let number = self.number;
            tracing::info!(%error, ?decision, first = %login, "{number} of {size} logins: trying again");
        }
    }
}

async fn back_off(client: &Client, logins: Vec<PendingLogin>) -> Attempted {
    let retries = logins.iter().map(|login| login.log.retries()).max().unwrap_or(1);
    client.back_off(retries).await;
    Attempted { unsent: logins, ..Attempted::default() }
}
