//! The plan of a run: what it would ask, cost and take. Nothing is asked but what is left.

use std::io::{self, Write};
use std::pin::pin;

use futures::StreamExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::github::rest::{Quota, RateLimits};
use crate::github::{Client, graphql};
use crate::input::Input;
use crate::journal::Checkpoint;
use crate::lookup::{LookupOptions, is_sampled};
use crate::rate_limit::settings::LimiterSettings;
use crate::report::ApiKind;
use crate::text::{duration, group_digits, pluralize};

/// What a run would ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    /// Distinct logins that would be asked for.
    pub(crate) logins: u64,
    /// Texts that are none.
    pub(crate) invalid: u64,
    /// Logins that were named again.
    pub(crate) duplicates: u64,
    /// Logins whose rows are kept from an earlier run.
    pub(crate) kept: u64,
    /// `graphql` or `rest`.
    pub(crate) api: &'static str,
    /// Most logins in a query.
    pub(crate) batch: Option<u64>,
    /// Requests, where nothing has to be asked again.
    pub(crate) requests: u64,
    #[serde(skip)]
    queries: u64,
    #[serde(skip)]
    gets: u64,
    /// Whether there may be more, because how many cannot be known beforehand.
    pub(crate) at_least: bool,
    /// Points of the GraphQL API's budget.
    pub(crate) points: u64,
    /// What is left of the budget that the run would use.
    pub(crate) budget: Option<Left>,
    /// The least time that GitHub's limits leave it, in seconds.
    pub(crate) wait_seconds: u64,
    /// The limit that decides this.
    pub(crate) decided_by: Option<&'static str>,
}

/// What is left of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Left {
    /// `core` or `graphql`.
    pub(crate) resource: &'static str,
    /// In an hour.
    pub(crate) limit: u64,
    /// Left of it.
    pub(crate) remaining: u64,
    /// When there is a full one again.
    pub(crate) reset: Timestamp,
}

impl Plan {
    /// Reads the whole roster and works out what it would cost, but for the rows that are `kept`.
    pub(crate) async fn of(
        roster: Input,
        mut kept: Option<Checkpoint>,
        client: &Client,
        options: LookupOptions,
    ) -> Self {
        let settings = client.config();
        let notes = roster.report();
        let (mut by_query, mut by_get, mut sampled, mut plan) = (0_u64, 0_u64, 0_u64, Self::default());
        let mut entries = pin!(roster.into_stream());
        while let Some(entry) = entries.next().await {
            if kept.as_mut().and_then(|kept| kept.take(&entry)).is_some() {
                plan.kept += 1;
                continue;
            }
            match entry.login {
                Err(_) => plan.invalid += 1,
                Ok(login) => {
                    plan.logins += 1;
                    *(if client.api_for(&login) == ApiKind::Rest { &mut by_get } else { &mut by_query }) += 1;
                    sampled += u64::from(!login.is_bot() && is_sampled(&login, options.verify));
                }
            }
        }
        plan.duplicates = notes.duplicates();
        plan.api = settings.api.as_str();
        let accounts = match settings.api {
            ApiKind::Graphql => {
                by_get += sampled;
                by_query
            }
            ApiKind::Rest => sampled,
        };
        // Nobody knows beforehand how many pages of repositories there are, nor which logins, one
        // after the other, will go together in a query for a second count.
        plan.at_least =
            (settings.counts.breakdown && by_get > 0) || (settings.api == ApiKind::Rest && sampled > 0);
        let largest = settings.max_batch_size() as u64;
        let short = settings.api == ApiKind::Graphql && accounts < largest * settings.max_concurrency as u64;
        let batch = match settings.target_batch_count() {
            Some(fill) if short => accounts.div_ceil(fill as u64).min(largest).max(1),
            _ => largest,
        };
        let price = |accounts: u64| {
            graphql::query_cost(usize::try_from(accounts).unwrap_or(usize::MAX), settings.counts)
        };
        let queries = accounts.div_ceil(batch);
        let rest = accounts % batch;
        plan.points = (accounts / batch) * price(batch) + if rest > 0 { price(rest) } else { 0 };
        plan.batch = (settings.api == ApiKind::Graphql).then_some(batch);
        (plan.queries, plan.gets) = (queries, by_get);
        plan.requests = queries + by_get;
        plan
    }

    /// Takes into account what is left of the budgets.
    pub(crate) fn limited(&mut self, limits: &RateLimits, now: Timestamp) {
        let (resource, budget) = match (self.api, limits.graphql) {
            ("graphql", Some(graphql)) => ("graphql", graphql),
            _ => ("core", limits.core),
        };
        let reset = Timestamp::from_second(budget.reset).unwrap_or(now);
        self.budget = Some(Left { resource, limit: budget.limit, remaining: budget.remaining, reset });
        let minutes = |requests: u64, a_minute| requests.saturating_sub(1) / a_minute * 60;
        let points = limits.graphql.map_or(0, |budget| hourly_wait(self.points, budget, now));
        let waits = [
            (points, "the hourly budget of points"),
            (hourly_wait(self.gets, limits.core, now), "the hourly budget of requests"),
            (
                minutes(self.queries, LimiterSettings::default().graphql_queries_per_minute as u64),
                "the secondary limit of 2,000 queries a minute",
            ),
            (
                minutes(self.gets, LimiterSettings::default().rest_requests_per_minute as u64),
                "the secondary limit of 900 requests a minute",
            ),
        ];
        let (wait, by) = waits.into_iter().max_by_key(|(wait, _)| *wait).unwrap_or((0, ""));
        self.wait_seconds = wait;
        self.decided_by = (wait > 0).then_some(by);
    }

    /// Writes it for people.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut dropped = Vec::new();
        if self.duplicates > 0 {
            dropped.push(pluralize(self.duplicates, "duplicate dropped", "duplicates dropped"));
        }
        if self.invalid > 0 {
            dropped.push(format!("{} invalid", group_digits(self.invalid)));
        }
        if self.kept > 0 {
            dropped.push(format!("{} kept from before", group_digits(self.kept)));
        }
        let dropped = if dropped.is_empty() { String::new() } else { format!(" ({})", dropped.join(", ")) };
        writeln!(out, "logins    {}{dropped}", group_digits(self.logins))?;
        match self.batch {
            Some(batch) => {
                writeln!(out, "API       GraphQL, up to {} a query", pluralize(batch, "login", "logins"))?;
            }
            None => writeln!(out, "API       REST, a request a login")?,
        }
        let more = if self.at_least {
            " at least (the pages of repositories, or the queries of a second count, come on top)"
        } else {
            ""
        };
        writeln!(out, "requests  {}{more}", group_digits(self.requests))?;
        writeln!(out, "points    {}", group_digits(self.points))?;
        match &self.budget {
            None => writeln!(out, "budget    the server tells of no limits")?,
            Some(left) => writeln!(
                out,
                "budget    {} of {} left ({}), a full one at {}",
                group_digits(left.remaining),
                group_digits(left.limit),
                left.resource,
                left.reset
            )?,
        }
        match self.decided_by {
            Some(by) => {
                let wait = duration(std::time::Duration::from_secs(self.wait_seconds));
                writeln!(out, "time      at least {wait}: {by} decides")
            }
            None => writeln!(out, "time      no wait: as fast as GitHub answers"),
        }
    }
}

/// How long the hourly budget makes the last of `needed` wait.
fn hourly_wait(needed: u64, budget: Quota, now: Timestamp) -> u64 {
    let Some(beyond) = needed.checked_sub(budget.remaining.saturating_add(1)) else {
        return 0;
    };
    let until_reset = u64::try_from(budget.reset.saturating_sub(now.as_second())).unwrap_or(0);
    until_reset.saturating_add((beyond / budget.limit.max(1)).saturating_mul(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(remaining: u64, reset: i64) -> RateLimits {
        RateLimits {
            core: Quota { limit: 5000, remaining, reset },
            graphql: Some(Quota { limit: 5000, remaining, reset }),
        }
    }

    fn wait(queries: u64, points: u64, gets: u64, remaining: u64) -> (u64, Option<&'static str>) {
        let mut plan = Plan { api: "graphql", queries, gets, points, ..Plan::default() };
        plan.limited(&limits(remaining, 1000), Timestamp::from_second(400).unwrap());
        (plan.wait_seconds, plan.decided_by)
    }

    #[test]
    fn the_limit_that_decides_is_named() {
        let (points, requests) = (Some("the hourly budget of points"), Some("the hourly budget of requests"));
        assert_eq!(wait(100, 100, 0, 5000), (0, None));
        assert_eq!(wait(2001, 2001, 0, 5000), (60, Some("the secondary limit of 2,000 queries a minute")));
        assert_eq!(wait(100, 100, 0, 99), (600, points));
        assert_eq!(wait(20_000, 20_000, 0, 5000), (600 + 2 * 3600, points));
        assert_eq!(wait(0, 0, 900, 5000), (0, None));
        assert_eq!(wait(0, 0, 1801, 5000), (120, Some("the secondary limit of 900 requests a minute")));
        assert_eq!(wait(0, 0, 5001, 5000), (600, requests));
        let hostile = Quota { limit: 0, remaining: u64::MAX, reset: i64::MIN };
        assert_eq!(hourly_wait(1, hostile, Timestamp::MAX), 0);
        assert_eq!(
            hourly_wait(u64::MAX, Quota { remaining: 0, reset: i64::MAX, ..hostile }, Timestamp::MIN),
            u64::MAX
        );
        assert_eq!(wait(100, 100, 5_500, 5000), (600, requests), "a second count costs the other budget");
    }
}
