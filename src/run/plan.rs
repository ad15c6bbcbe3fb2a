//! `--plan`: the requests, points and time of a run. Lists of members and the remaining quota are requested, no account.

use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use serde::Serialize;

use super::messages::{no_logins, print_stop};
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::github::rest::{Quota, RateLimits};
use crate::github::{Client, ClientConfig, graphql};
use crate::input::Input;
use crate::journal::Checkpoint;
use crate::lookup::is_sampled;
use crate::output::check_stdout;
use crate::progress::eprint_status;
use crate::rate_limit::settings::LimiterSettings;
use crate::render::Format;
use crate::report::ApiKind;
use crate::text::{format_duration, group_digits, pluralize};

/// Assumed time of a response, in milliseconds. Only a run can measure it.
const QUERY_TIME: u64 = 1000;
const REST_TIME: u64 = 200;

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
    quota: Option<RemainingQuota>,
    /// Reason for which the quota is not known.
    quota_unknown: Option<String>,
    /// Estimated duration.
    seconds: u64,
    /// Limit that decides about the duration. None: the time of the responses.
    limited_by: Option<&'static str>,
    /// Assumptions behind the duration.
    assumes: String,
    /// Flag that ends the run before every login is looked up, and the reason.
    ends_early: Option<String>,
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
        Some(path) => Checkpoint::open_readonly(path, &config.resume_filter(), &config.layout.columns)?,
        None => None,
    };
    let mut plan = tokio::select! {
        plan = Plan::count(input, checkpoint, client, config.options.verify) => plan,
        // Standard input may have no end.
        reason = stop.requested() => return Ok(print_stop(&reason, config, 0, true)),
    };
    let input = input_report.lock().clone();
    let is_empty = !input.has_logins && !config.input_options.allow_empty;
    if let Some(error) = input.failure.or_else(|| is_empty.then(|| no_logins(config))) {
        eprint_status(&error);
        return Ok(ExitStatus::Usage);
    }
    let limits = if config.client.is_replay() { Ok(None) } else { client.rate_limits().await };
    let limits = match (limits, stop.reason()) {
        (Err(_), Some(reason)) => return Ok(print_stop(&reason, config, 0, true)),
        (limits, _) => limits.map_err(|error| format!("unknown: {error}")),
    };
    plan.quota_unknown = match &limits {
        Ok(Some(_)) => None,
        Ok(None) if config.client.is_replay() => Some("a replay needs none".to_owned()),
        Ok(None) => Some("the server reports no limits".to_owned()),
        Err(reason) => Some(reason.clone()),
    };
    plan.estimate(limits.ok().flatten().as_ref(), &client.limiter().settings, Timestamp::now());
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
    /// Reads the whole input and counts the requests for all rows except those of the checkpoint.
    async fn count(input: Input, mut checkpoint: Option<Checkpoint>, client: &Client, verify: u8) -> Self {
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
            sampled += u64::from(!login.is_bot() && is_sampled(&login, verify));
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

    /// Estimates the duration by the limits that the run obeys, and finds the flag that ends it early.
    fn estimate(&mut self, limits: Option<&RateLimits>, settings: &LimiterSettings, now: Timestamp) {
        let core = limits.map(|limits| limits.core);
        let graphql = limits.and_then(|limits| limits.graphql);
        let (resource, quota) = match graphql.filter(|_| self.api == "graphql") {
            Some(quota) => ("graphql", Some(quota)),
            None => ("core", core),
        };
        self.quota = quota.map(|quota| RemainingQuota {
            resource,
            limit: quota.limit,
            remaining: quota.remaining,
            reset: Timestamp::from_second(quota.reset).unwrap_or(now),
        });
        let points_wait = graphql.map_or(0, |quota| hourly_wait(self.points, quota, now));
        let requests_wait = core.map_or(0, |quota| hourly_wait(self.rest_requests, quota, now));
        let per_minute =
            |requests, limit| if settings.per_minute { per_minute_wait(requests, limit) } else { 0 };
        let waits = [
            (points_wait, "the hourly quota of points"),
            (requests_wait, "the hourly quota of requests"),
            (per_minute(self.queries, settings.graphql_queries_per_minute), "2,000 queries a minute"),
            (per_minute(self.rest_requests, settings.rest_requests_per_minute), "900 requests a minute"),
        ];
        let (wait, limit) = waits.into_iter().max_by_key(|(wait, _)| *wait).unwrap_or_default();
        let responses = self.response_seconds(settings.max_concurrency);
        let at_once = pluralize(settings.max_concurrency as u64, "request", "requests");
        let no_wait = if quota.is_none() { ", no wait for a quota" } else { "" };
        self.assumes = format!("1s per query, 0.2s per REST request, {at_once} at once{no_wait}");
        self.limited_by = (wait > responses).then_some(limit);
        self.seconds = wait.max(responses);
        // Any other window is an hour long.
        let longest_wait = Duration::from_secs(points_wait.max(requests_wait).min(3600));
        let cost = if self.api == "graphql" { self.points } else { self.points + self.rest_requests };
        self.ends_early = match (settings.max_points, settings.deadline) {
            (Some(max), _) if max < cost => Some(format!("--max-points {max} is less than the run needs")),
            _ if longest_wait > settings.max_wait => {
                let (max, wait) = (format_duration(settings.max_wait), format_duration(longest_wait));
                Some(format!("--max-wait {max} is less than the wait of {wait} for the quota"))
            }
            (_, Some(deadline)) if deadline < Duration::from_secs(self.seconds) => {
                Some(format!("--deadline {} is less than the run takes", format_duration(deadline)))
            }
            _ => None,
        };
    }

    /// Estimates the time of all responses, with as many requests at once as there are jobs.
    fn response_seconds(&self, jobs: usize) -> u64 {
        let queries = self.queries.saturating_mul(QUERY_TIME);
        let requests = self.rest_requests.saturating_mul(REST_TIME);
        queries.saturating_add(requests).div_ceil(jobs.max(1) as u64).div_ceil(1000)
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
        let quota = match &self.quota {
            Some(RemainingQuota { resource, limit, remaining, reset }) => {
                let (remaining, limit) = (group_digits(*remaining), group_digits(*limit));
                format!("{remaining} of {limit} left ({resource}), reset at {reset}")
            }
            None => self.quota_unknown.clone().unwrap_or_default(),
        };
        let time = format_duration(Duration::from_secs(self.seconds));
        let time = match self.limited_by {
            Some(limit) => format!("at least {time}: {limit} decides"),
            None => format!("about {time}, assuming {}", self.assumes),
        };
        let ends_early = self.ends_early.as_ref().map(|reason| format!("\nends      early: {reason}"));
        format!(
            "logins    {}{dropped}\nAPI       {api}\nrequests  {}{more}\npoints    {}\nquota     {quota}\ntime      {time}{}",
            group_digits(self.logins),
            group_digits(self.requests),
            group_digits(self.points),
            ends_early.unwrap_or_default(),
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

    fn estimate(queries: u64, rest_requests: u64, remaining: u64, settings: &LimiterSettings) -> Plan {
        let mut plan = Plan { api: "graphql", queries, rest_requests, points: queries, ..Plan::default() };
        plan.estimate(Some(&limits(remaining, 1000)), settings, Timestamp::from_second(400).unwrap());
        plan
    }

    #[test]
    fn the_limit_that_decides_is_named() {
        let settings =
            LimiterSettings { per_minute: true, max_concurrency: 100, ..LimiterSettings::default() };
        let (points, requests) = (Some("the hourly quota of points"), Some("the hourly quota of requests"));
        for (queries, gets, remaining, seconds, limited_by) in [
            (100, 0, 5000, 1, None),
            (2001, 0, 5000, 60, Some("2,000 queries a minute")),
            (100, 0, 99, 600, points),
            (20_000, 0, 5000, 600 + 2 * 3600, points),
            (0, 900, 5000, 2, None),
            (0, 1801, 5000, 120, Some("900 requests a minute")),
            (0, 5001, 5000, 600, requests),
            // A second count costs the other quota.
            (100, 5_500, 5000, 600, requests),
        ] {
            let plan = estimate(queries, gets, remaining, &settings);
            assert_eq!(
                (plan.seconds, plan.limited_by),
                (seconds, limited_by),
                "{queries} {gets} {remaining}"
            );
        }
        let hostile = Quota { limit: 0, remaining: u64::MAX, reset: i64::MIN };
        assert_eq!(hourly_wait(1, hostile, Timestamp::MAX), 0);
        let exhausted = Quota { remaining: 0, reset: i64::MAX, ..hostile };
        assert_eq!(hourly_wait(u64::MAX, exhausted, Timestamp::MIN), u64::MAX);
    }

    #[test]
    fn an_estimate_follows_the_settings_of_the_run() {
        // Enterprise Servers have no documented limits per minute.
        let settings = LimiterSettings { max_concurrency: 10, ..LimiterSettings::default() };
        let plan = estimate(0, 4500, 5000, &settings);
        assert_eq!((plan.seconds, plan.limited_by, plan.ends_early), (90, None, None));
        let ends_early = |settings: LimiterSettings| estimate(100, 0, 40, &settings).ends_early;
        let wait = "--max-wait 5m is less than the wait of 10m for the quota";
        assert_eq!(ends_early(settings).as_deref(), Some(wait));
        let settings = LimiterSettings { max_wait: Duration::from_mins(15), ..settings };
        assert_eq!(ends_early(settings), None);
        let deadline = LimiterSettings { deadline: Some(Duration::from_mins(1)), ..settings };
        assert_eq!(ends_early(deadline).as_deref(), Some("--deadline 1m is less than the run takes"));
        let points = LimiterSettings { max_points: Some(99), ..deadline };
        assert_eq!(ends_early(points).as_deref(), Some("--max-points 99 is less than the run needs"));
    }
}
