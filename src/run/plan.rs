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
use crate::rate_limit::estimate::{DecidingLimit, Estimate, QuotaWindow, Workload};
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
    /// Upper bound on the REST requests for a login, without the pages of repositories.
    #[serde(skip)]
    requests_per_login: u64,
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
        // The latest push is among the pages of repositories. An account without repositories has no second request.
        plan.requests_per_login = if settings.counts.last_push && !settings.counts.breakdown { 2 } else { 1 };
        by_get *= plan.requests_per_login;
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
        let window = |quota: Quota| QuotaWindow {
            limit: quota.limit,
            remaining: quota.remaining,
            until_reset: Duration::from_secs(
                u64::try_from(quota.reset.saturating_sub(now.as_second())).unwrap_or(0),
            ),
        };
        let work = Workload { queries: self.queries, points: self.points, rest_requests: self.rest_requests };
        let estimate = Estimate::new(work, graphql.map(window), core.map(window), settings);
        let [query_time, rest_time] =
            [settings.assumed_query_time, settings.assumed_rest_time].map(format_duration);
        let at_once = pluralize(settings.max_concurrency as u64, "request", "requests");
        let no_wait = if quota.is_none() { ", no wait for a quota" } else { "" };
        self.assumes =
            format!("{query_time} per query, {rest_time} per REST request, {at_once} at once{no_wait}");
        self.limited_by = estimate.limit.map(DecidingLimit::as_str);
        self.seconds = estimate.time.as_secs() + u64::from(estimate.time.subsec_nanos() > 0);
        // Any other window is an hour long.
        let quota_wait = estimate.quota_wait.min(Duration::from_hours(1));
        let waits = [(quota_wait, "the quota"), (estimate.minute_wait, "the limit of the next minute")];
        let too_long = waits.into_iter().find(|(wait, _)| *wait > settings.max_wait);
        let cost = if self.api == "graphql" { self.points } else { self.points + self.rest_requests };
        self.ends_early = match (settings.max_points, settings.deadline) {
            (Some(max), _) if max < cost => Some(format!("--max-points {max} is less than the run needs")),
            _ if let Some((wait, limit)) = too_long => {
                let (max, wait) = (format_duration(settings.max_wait), format_duration(wait));
                Some(format!("--max-wait {max} is less than the wait of {wait} for {limit}"))
            }
            (_, Some(deadline)) if deadline < Duration::from_secs(self.seconds) => {
                Some(format!("--deadline {} is less than the run takes", format_duration(deadline)))
            }
            _ => None,
        };
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
            None if self.requests_per_login > 1 => "REST, two requests per login with repositories".into(),
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
        let limit = self.limited_by.map(|limit| format!("\nlimit     {limit}")).unwrap_or_default();
        let ends_early = self.ends_early.as_ref().map(|reason| format!("\nends      early: {reason}"));
        format!(
            "logins    {}{dropped}\nAPI       {api}\nrequests  {}{more}\npoints    {}\nquota     {quota}\ntime      about {time}, assuming {}{limit}{}",
            group_digits(self.logins),
            group_digits(self.requests),
            group_digits(self.points),
            self.assumes,
            ends_early.unwrap_or_default(),
        )
    }
}

fn query_cost(accounts: u64, settings: &ClientConfig) -> u64 {
    graphql::query_cost(usize::try_from(accounts).unwrap_or(usize::MAX), settings.counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::settings::Pace;

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
            LimiterSettings { pace: Pace::Documented, max_concurrency: 100, ..LimiterSettings::default() };
        let without_cpu_limit = LimiterSettings {
            cpu_time_per_minute: Duration::MAX,
            graphql_cpu_time_per_minute: Duration::MAX,
            ..settings
        };
        let (points, requests) = (Some("the hourly quota of points"), Some("the hourly quota of requests"));
        let cpu_time = Some("GitHub's limit on CPU time");
        for (queries, gets, remaining, seconds, limited_by) in [
            (50, 0, 5000, 1, None),
            (60, 0, 5000, 1, None),
            (61, 0, 5000, 61, cpu_time),
            // Four bursts; the last one has 20 queries.
            (200, 0, 5000, 181, cpu_time),
            (10_000, 0, 5000, 9961, cpu_time),
            (100, 0, 99, 601, points),
            (0, 400, 5000, 1, Some("100 concurrent requests")),
            (0, 900, 5000, 61, cpu_time),
            // The quota is not used up before its reset: the pace goes on.
            (0, 5001, 5000, 661, cpu_time),
            // Queries take 60 s of the minute, and the other requests 30 s.
            (60, 225, 5000, 61, cpu_time),
        ] {
            let plan = estimate(queries, gets, remaining, &settings);
            assert_eq!(
                (plan.seconds, plan.limited_by),
                (seconds, limited_by),
                "{queries} {gets} {remaining}"
            );
        }
        for (queries, gets, remaining, seconds, limited_by) in [
            (2001, 0, 5000, 61, Some("2,000 queries a minute")),
            (20_000, 0, 5000, 600 + 2 * 3600 + 130, points),
            (0, 1801, 5000, 121, Some("900 requests a minute")),
            (0, 5001, 5000, 601, requests),
            // A second count costs the other quota.
            (100, 5_500, 5000, 601, requests),
        ] {
            let plan = estimate(queries, gets, remaining, &without_cpu_limit);
            assert_eq!(
                (plan.seconds, plan.limited_by),
                (seconds, limited_by),
                "{queries} {gets} {remaining}, without a limit on CPU time"
            );
        }
    }

    #[test]
    fn an_absurd_quota_does_not_overflow_the_estimate() {
        let now = Timestamp::from_second(400).unwrap();
        for (limit, remaining, reset) in
            [(0, u64::MAX, i64::MIN), (0, 0, i64::MAX), (1, 0, i64::MAX), (u64::MAX, 1, 0)]
        {
            for requests in [1, u64::MAX / 2] {
                let quota = Quota { limit, remaining, reset };
                let limits = RateLimits { core: quota, graphql: Some(quota) };
                let mut plan =
                    Plan { queries: requests, points: requests, rest_requests: requests, ..Plan::default() };
                for pace in [Pace::Documented, Pace::Unlimited] {
                    let settings = LimiterSettings { pace, ..LimiterSettings::default() };
                    plan.estimate(Some(&limits), &settings, now);
                }
            }
        }
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
        let settings = LimiterSettings {
            pace: Pace::Documented,
            max_wait: Duration::from_secs(30),
            ..LimiterSettings::default()
        };
        let plan = estimate(200, 0, 5000, &settings);
        let wait = "--max-wait 30s is less than the wait of 54s for the limit of the next minute";
        assert_eq!((plan.seconds, plan.ends_early.as_deref()), (182, Some(wait)));
    }
}
