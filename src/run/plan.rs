//! `--plan`: the requests, points and time of a run. Lists of members and the remaining quota are requested, no account.

use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::messages::print_stop;
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::github::rest::{Quota, RateLimits};
use crate::github::{Client, ClientConfig, graphql};
use crate::input::Input;
use crate::journal::Checkpoint;
use crate::lookup::{LookupOptions, is_sampled};
use crate::output::check_stdout;
use crate::progress::eprint_status;
use crate::rate_limit::settings::LimiterSettings;
use crate::render::Format;
use crate::report::ApiKind;
use crate::text::{format_duration, group_digits, pluralize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Plan {
    /// Distinct logins to look up.
    logins: u64,
    invalid: u64,
    duplicates: u64,
    /// Logins whose rows are kept from an earlier run.
    kept: u64,
    api: &'static str,
    batch: Option<u64>,
    /// Requests without retries.
    requests: u64,
    #[serde(skip)]
    queries: u64,
    #[serde(skip)]
    rest_requests: u64,
    /// Set when more requests may be needed, whose number cannot be known beforehand.
    at_least: bool,
    points: u64,
    budget: Option<RemainingQuota>,
    /// Minimum wait that GitHub's limits cause.
    wait_seconds: u64,
    decided_by: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct RemainingQuota {
    /// `core` or `graphql`.
    resource: &'static str,
    limit: u64,
    remaining: u64,
    reset: Timestamp,
}

pub(super) async fn print_plan(input: Input, client: &Client, config: &Config) -> anyhow::Result<ExitStatus> {
    let input_report = input.report();
    let stop = &client.limiter().stop;
    let checkpoint = match config.journal().filter(|_| config.resume) {
        Some((_, path)) => Checkpoint::open_readonly(path, &config.resume_filter(), &config.layout.columns)?,
        None => None,
    };
    let mut plan = tokio::select! {
        plan = Plan::estimate(input, checkpoint, client, config.options) => plan,
        // Standard input may have no end.
        reason = stop.requested() => return Ok(print_stop(&reason, config, 0, true)),
    };
    if let Some(error) = &input_report.lock().failure {
        eprint_status(error);
        return Ok(ExitStatus::Usage);
    }
    if !config.client.is_replay() {
        match client.rate_limits().await {
            Ok(Some(limits)) => plan.apply_limits(&limits, Timestamp::now()),
            Ok(None) => {}
            Err(error) => match stop.reason() {
                Some(reason) => return Ok(print_stop(&reason, config, 0, true)),
                None => eprint_status(&format!("cannot read the remaining quota: {error}")),
            },
        }
    }
    let is_json = config.reports.iter().any(|report| report.path.is_none() && report.format == Format::Json);
    let text = if is_json {
        serde_json::to_string_pretty(&plan).map_err(io::Error::from)
    } else {
        Ok(plan.describe())
    };
    check_stdout(text.and_then(|text| writeln!(io::stdout(), "{text}")))?;
    Ok(ExitStatus::Success)
}

impl Plan {
    /// Reads the whole input and estimates the cost of all rows except those of the checkpoint.
    async fn estimate(
        input: Input,
        mut checkpoint: Option<Checkpoint>,
        client: &Client,
        options: LookupOptions,
    ) -> Self {
        let settings = client.config();
        let input_report = input.report();
        let mut plan = Self { api: settings.api.as_str(), ..Self::default() };
        let (mut by_query, mut by_get, mut sampled) = (0_u64, 0_u64, 0_u64);
        let mut records = pin!(input.into_stream());
        while let Some(record) = records.next().await {
            if checkpoint.as_mut().and_then(|checkpoint| checkpoint.take(&record)).is_some() {
                plan.kept += 1;
                continue;
            }
            let Ok(login) = record.login else {
                plan.invalid += 1;
                continue;
            };
            plan.logins += 1;
            match client.api_for(&login) {
                ApiKind::Graphql => by_query += 1,
                ApiKind::Rest => by_get += 1,
            }
            sampled += u64::from(!login.is_bot() && is_sampled(&login, options.verify));
        }
        plan.duplicates = input_report.lock().duplicates;
        // A sample is counted again by the other API.
        let (accounts, rest_requests) = match settings.api {
            ApiKind::Graphql => (by_query, by_get + sampled),
            ApiKind::Rest => (sampled, by_get),
        };
        // The number of pages of repositories is unknown, and so is the number of sampled logins that share a query.
        plan.at_least = (settings.counts.breakdown && rest_requests > 0)
            || (settings.api == ApiKind::Rest && sampled > 0);
        let largest = settings.max_batch_size() as u64;
        let is_short =
            settings.api == ApiKind::Graphql && accounts < largest * settings.max_concurrency as u64;
        let batch = match settings.target_batch_count() {
            Some(count) if is_short => accounts.div_ceil(count as u64).min(largest).max(1),
            _ => largest,
        };
        plan.batch = (settings.api == ApiKind::Graphql).then_some(batch);
        plan.queries = accounts.div_ceil(batch);
        plan.rest_requests = rest_requests;
        plan.requests = plan.queries + rest_requests;
        plan.points = (accounts / batch) * query_cost(batch, settings);
        if !accounts.is_multiple_of(batch) {
            plan.points += query_cost(accounts % batch, settings);
        }
        plan
    }

    fn apply_limits(&mut self, limits: &RateLimits, now: Timestamp) {
        let (resource, quota) = match (self.api, limits.graphql) {
            ("graphql", Some(graphql)) => ("graphql", graphql),
            _ => ("core", limits.core),
        };
        let reset = Timestamp::from_second(quota.reset).unwrap_or(now);
        self.budget =
            Some(RemainingQuota { resource, limit: quota.limit, remaining: quota.remaining, reset });
        let tuning = LimiterSettings::default();
        let points = limits.graphql.map_or(0, |quota| hourly_wait(self.points, quota, now));
        let waits = [
            (points, "the hourly budget of points"),
            (hourly_wait(self.rest_requests, limits.core, now), "the hourly budget of requests"),
            (
                per_minute_wait(self.queries, tuning.graphql_queries_per_minute),
                "the secondary limit of 2,000 queries a minute",
            ),
            (
                per_minute_wait(self.rest_requests, tuning.rest_requests_per_minute),
                "the secondary limit of 900 requests a minute",
            ),
        ];
        let (wait, limit) = waits.into_iter().max_by_key(|(wait, _)| *wait).unwrap_or_default();
        self.wait_seconds = wait;
        self.decided_by = (wait > 0).then_some(limit);
    }

    fn describe(&self) -> String {
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
        let api = match self.batch {
            Some(batch) => format!("GraphQL, up to {} per query", pluralize(batch, "login", "logins")),
            None => "REST, one request per login".into(),
        };
        let more = if self.at_least {
            " at least (plus the pages of repositories, or the queries of a second count)"
        } else {
            ""
        };
        let budget = match &self.budget {
            None => "the server reports no limits".into(),
            Some(quota) => format!(
                "{} of {} left ({}), reset at {}",
                group_digits(quota.remaining),
                group_digits(quota.limit),
                quota.resource,
                quota.reset
            ),
        };
        let time = match self.decided_by {
            Some(limit) => {
                let wait = format_duration(Duration::from_secs(self.wait_seconds));
                format!("at least {wait}: {limit} decides")
            }
            None => "no wait: as fast as GitHub answers".into(),
        };
        format!(
            "logins    {}{dropped}\nAPI       {api}\nrequests  {}{more}\npoints    {}\nbudget    {budget}\ntime      {time}",
            group_digits(self.logins),
            group_digits(self.requests),
            group_digits(self.points),
        )
    }
}

fn query_cost(accounts: u64, settings: &ClientConfig) -> u64 {
    graphql::query_cost(usize::try_from(accounts).unwrap_or(usize::MAX), settings.counts)
}

/// Returns the seconds that the hourly quota delays the last of the requests or points that are needed.
fn hourly_wait(needed: u64, quota: Quota, now: Timestamp) -> u64 {
    let Some(beyond) = needed.checked_sub(quota.remaining.saturating_add(1)) else {
        return 0;
    };
    let until_reset = u64::try_from(quota.reset.saturating_sub(now.as_second())).unwrap_or(0);
    until_reset.saturating_add((beyond / quota.limit.max(1)).saturating_mul(3600))
}

/// Returns the seconds that a limit per minute delays the last request.
fn per_minute_wait(requests: u64, per_minute: usize) -> u64 {
    requests.saturating_sub(1) / per_minute as u64 * 60
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
        let mut plan = Plan { api: "graphql", queries, rest_requests: gets, points, ..Plan::default() };
        plan.apply_limits(&limits(remaining, 1000), Timestamp::from_second(400).unwrap());
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
