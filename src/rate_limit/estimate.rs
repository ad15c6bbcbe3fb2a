//! Time of a run under the documented limits, from assumed response times. `--plan` prints it.

use std::time::Duration;

use super::settings::{LimiterSettings, Pace};
use crate::stop::WaitReason;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

/// Documented upper bound on concurrent requests, of both APIs together; also that of `--jobs`.
const MAX_CONCURRENT: u64 = 100;

/// Requests of a run, without retries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Workload {
    pub(crate) queries: u64,
    pub(crate) points: u64,
    pub(crate) rest_requests: u64,
}

/// Points or requests that are left until the reset of an hourly quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuotaWindow {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) until_reset: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecidingLimit {
    PointsPerHour,
    RequestsPerHour,
    QueriesPerMinute,
    RequestsPerMinute,
    CpuTime,
    ConcurrentRequests,
}

impl DecidingLimit {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PointsPerHour => "the hourly quota of points",
            Self::RequestsPerHour => "the hourly quota of requests",
            Self::QueriesPerMinute => "2,000 queries a minute",
            Self::RequestsPerMinute => "900 requests a minute",
            Self::CpuTime => WaitReason::CpuTime.as_noun(),
            Self::ConcurrentRequests => "100 concurrent requests",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) time: Duration,
    /// The limit with the longest wait. None: the time of the responses decides.
    pub(crate) limit: Option<DecidingLimit>,
    /// Time until the last reset of an hourly quota that has to be awaited.
    pub(crate) quota_wait: Duration,
    /// Longest wait for a limit per minute.
    pub(crate) minute_wait: Duration,
}

/// Requests to one API, and their limits. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
struct ApiLoad {
    requests: u64,
    /// Points, or requests.
    cost: u64,
    quota: Option<QuotaWindow>,
    response_time: u64,
    /// None: no limits per minute apply.
    per_minute: Option<MinuteLimits>,
    jobs: u64,
}

/// Requests that fit into a minute.
#[derive(Clone, Copy, Debug)]
struct MinuteLimits {
    documented: u64,
    by_cpu_time: u64,
}

impl MinuteLimits {
    fn new(documented: u32, cpu_time: Duration, response_time: u64) -> Self {
        let by_cpu_time = (milliseconds(cpu_time) / response_time.max(1)).max(1);
        Self { documented: documented.into(), by_cpu_time }
    }

    fn smaller(self) -> u64 {
        self.documented.min(self.by_cpu_time)
    }
}

impl Estimate {
    pub(crate) fn new(
        work: Workload,
        points: Option<QuotaWindow>,
        requests: Option<QuotaWindow>,
        settings: &LimiterSettings,
    ) -> Self {
        let is_paced = settings.pace == Pace::Documented;
        let jobs = settings.max_concurrency.max(1) as u64;
        let query_time = milliseconds(settings.assumed_query_time);
        let query_limits = MinuteLimits::new(
            settings.graphql_queries_per_minute,
            settings.graphql_cpu_time_per_minute,
            query_time,
        );
        let rest_time = milliseconds(settings.assumed_rest_time);
        let rest_limits =
            MinuteLimits::new(settings.rest_requests_per_minute, settings.cpu_time_per_minute, rest_time);
        let queries = ApiLoad {
            requests: work.queries,
            cost: work.points,
            quota: points,
            response_time: query_time,
            per_minute: is_paced.then_some(query_limits),
            jobs,
        };
        let gets = ApiLoad {
            requests: work.rest_requests,
            cost: work.rest_requests,
            quota: requests,
            response_time: rest_time,
            per_minute: is_paced.then_some(rest_limits),
            jobs,
        };
        let response_time = queries.response_sum().saturating_add(gets.response_sum());
        let responses = response_time.div_ceil(jobs);
        // The budget of both APIs together.
        let budget = milliseconds(settings.cpu_time_per_minute);
        let minutes = if is_paced { response_time.saturating_sub(1) / budget.max(1) } else { 0 };
        let rest_of_budget = response_time.saturating_sub(minutes.saturating_mul(budget));
        let both = minutes.saturating_mul(MINUTE_MS).saturating_add(rest_of_budget.div_ceil(jobs));
        let waits = [
            (queries.quota_wait(), DecidingLimit::PointsPerHour),
            (gets.quota_wait(), DecidingLimit::RequestsPerHour),
            (queries.minute_wait(|limits| limits.documented), DecidingLimit::QueriesPerMinute),
            (gets.minute_wait(|limits| limits.documented), DecidingLimit::RequestsPerMinute),
            (queries.minute_wait(|limits| limits.by_cpu_time), DecidingLimit::CpuTime),
            (gets.minute_wait(|limits| limits.by_cpu_time), DecidingLimit::CpuTime),
            (minutes.saturating_mul(MINUTE_MS), DecidingLimit::CpuTime),
        ];
        let longest = waits.into_iter().max_by_key(|(wait, _)| *wait);
        let limit = longest.filter(|(wait, _)| *wait > responses).map(|(_, limit)| limit);
        let fills_jobs =
            is_paced && jobs >= MAX_CONCURRENT && work.queries.saturating_add(work.rest_requests) > jobs;
        let time = queries.time().max(gets.time()).max(both).max(responses);
        Self {
            time: Duration::from_millis(time),
            limit: limit.or(fills_jobs.then_some(DecidingLimit::ConcurrentRequests)),
            quota_wait: Duration::from_millis(queries.quota_wait().max(gets.quota_wait())),
            minute_wait: Duration::from_millis(queries.pause_per_minute().max(gets.pause_per_minute())),
        }
    }
}

impl ApiLoad {
    fn response_sum(&self) -> u64 {
        self.requests.saturating_mul(self.response_time)
    }

    fn responses(&self, requests: u64) -> u64 {
        requests.div_ceil(self.jobs).saturating_mul(self.response_time)
    }

    /// Returns the time of this many requests without the hourly quota: one burst a minute.
    fn paced_time(&self, requests: u64) -> u64 {
        let Some(limits) = self.per_minute else { return self.responses(requests) };
        let minutes = requests.saturating_sub(1) / limits.smaller();
        let last = requests - minutes * limits.smaller();
        let bursts = minutes.saturating_mul(MINUTE_MS).saturating_add(self.responses(last));
        bursts.max(self.responses(requests))
    }

    /// Returns the number of requests that fit into a time, without the hourly quota.
    fn paced_requests(&self, time: u64) -> u64 {
        let responses = |time: u64| (time / self.response_time.max(1)).saturating_mul(self.jobs);
        let Some(limits) = self.per_minute else { return responses(time) };
        let bursts = (time / MINUTE_MS).saturating_mul(limits.smaller());
        let last = responses(time % MINUTE_MS).min(limits.smaller());
        bursts.saturating_add(last).min(responses(time))
    }

    /// Returns the number of requests that points allow.
    fn affordable(&self, points: u64) -> u64 {
        let requests = u128::from(points) * u128::from(self.requests) / u128::from(self.cost.max(1));
        u64::try_from(requests).unwrap_or(u64::MAX)
    }

    /// Returns the time of all requests: until the reset as many as the quota allows, then a quota per hour.
    fn time(&self) -> u64 {
        let Some(quota) = self.quota.filter(|quota| self.cost > quota.remaining) else {
            return self.paced_time(self.requests);
        };
        let until_reset = milliseconds(quota.until_reset);
        let first = self.affordable(quota.remaining).min(self.paced_requests(until_reset));
        let left = self.requests.saturating_sub(first);
        let quota_per_hour = self.affordable(quota.limit).max(1);
        // A pace that does not use up the quota runs through the resets.
        let hours = if self.paced_requests(HOUR_MS) < quota_per_hour {
            0
        } else {
            left.saturating_sub(1) / quota_per_hour
        };
        let last = self.paced_time(left - hours * quota_per_hour);
        until_reset.saturating_add(hours.saturating_mul(HOUR_MS)).saturating_add(last)
    }

    /// Returns the time until the last reset, if nothing but the hourly quota limits the requests.
    fn quota_wait(&self) -> u64 {
        let Some(quota) = self.quota else { return 0 };
        let Some(beyond) = self.cost.checked_sub(quota.remaining.saturating_add(1)) else {
            return 0;
        };
        let hours = beyond / quota.limit.max(1);
        milliseconds(quota.until_reset).saturating_add(hours.saturating_mul(HOUR_MS))
    }

    /// Returns the time by which a limit per minute delays the last request.
    fn minute_wait(&self, limit: fn(MinuteLimits) -> u64) -> u64 {
        let Some(limits) = self.per_minute else { return 0 };
        (self.requests.saturating_sub(1) / limit(limits)).saturating_mul(MINUTE_MS)
    }

    /// Returns the wait between two bursts.
    fn pause_per_minute(&self) -> u64 {
        match self.per_minute {
            Some(limits) if self.requests > limits.smaller() => {
                MINUTE_MS.saturating_sub(self.responses(limits.smaller()))
            }
            _ => 0,
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
