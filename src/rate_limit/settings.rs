//! Settings of the rate limiter.

use std::time::Duration;

/// Speed of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// No rolling minute exceeds the limits that GitHub documents: points per minute and CPU time.
    Documented,
    /// As fast as the server responds and accepts requests.
    Unlimited,
}

/// Limits of one run, and after them constants. `cargo bench -- limits` and the model in `rate_limit/tests` measure their effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimiterSettings {
    /// Off for recorded responses: waiting would not change them.
    pub(crate) enabled: bool,
    /// Upper bound on concurrent requests, from `--jobs`. Range: 1 to 100.
    pub(crate) max_concurrency: usize,
    /// From `--pace`: whether the documented limits per minute apply.
    pub(crate) pace: Pace,
    /// Longest single wait, from `--max-wait`. A longer one ends the run.
    pub(crate) max_wait: Duration,
    /// Time after which no request is sent, from `--deadline`.
    pub(crate) deadline: Option<Duration>,
    /// Points (REST: requests) that the run may use, from `--max-points`.
    pub(crate) max_points: Option<u64>,
    /// Retries of one request, from `--retries`. A host that never responded is given up after one round of failed connections
    /// more than this, at most after `max_connect_failures`.
    pub(crate) retries: u32,

    /// REST points per rolling minute that GitHub documents; a GET costs 1.
    pub(crate) rest_requests_per_minute: u32,
    /// GraphQL points per rolling minute that GitHub documents; a query costs 1.
    pub(crate) graphql_queries_per_minute: u32,
    /// CPU time per rolling minute that GitHub documents, of both APIs together. More is rejected with a wait of a minute.
    /// Source: "Rate limits for the REST API", with the total response time as the estimate of the CPU time.
    pub(crate) cpu_time_per_minute: Duration,
    /// Part of `cpu_time_per_minute` that queries may use. It decides the speed of most runs: 60 queries of a second.
    pub(crate) graphql_cpu_time_per_minute: Duration,
    /// Response time of a query before one was measured; also that of `--plan`. A lower value sends more queries at once than
    /// the limit allows if they are slow, a higher one delays the first minute if they are fast.
    pub(crate) assumed_query_time: Duration,
    /// Response time of a REST request before one was measured; also that of `--plan`.
    pub(crate) assumed_rest_time: Duration,
    /// Requests in flight beyond the number of responses of the last minute. More exceed the limit on CPU time at once, if they take
    /// longer than assumed. Fewer delay a short run: with `-j 100` and 10, sixty queries of a second take three seconds.
    pub(crate) max_unmeasured_requests: u32,

    /// Concurrency before the first response, in requests. More fills a fast server sooner; a server with a lower limit
    /// rejects the excess of the first round. At 50 a server that takes 20 rejects 31 of 3,000 requests.
    pub(crate) initial_concurrency: usize,
    /// Once a limit was found, it does not grow for this multiple of the pause that finding it caused. At 5, probing takes longer
    /// than the work (18 s instead of 3 s against a server that takes 20); at 20 under 5 % of the time is paused.
    pub(crate) cooldown_factor: u32,

    /// Wait after a rejection without `retry-after`; doubles with each further one. GitHub asks for at least a minute.
    pub(crate) default_retry_after: Duration,
    /// Wait for a quota window that should have started: resets are in whole seconds. Triples with each further rejection.
    pub(crate) reset_grace: Duration,
    /// Rejections after a reset that wait for `reset_grace`; further ones wait for `default_retry_after`.
    pub(crate) max_short_waits: u32,

    /// Rounds of rejections without a success after which the run ends, or `--retries` + 1 if that is more. Requests that were in
    /// flight together are one round.
    pub(crate) max_throttled: u32,
    /// Rounds of failed connections after which the host counts as unreachable.
    pub(crate) max_connect_failures: u32,
    /// Rounds of timeouts and closed connections after which the host counts as unreachable. More than for connections:
    /// a single request may well be unlucky five times.
    pub(crate) max_no_response: u32,
    /// Rounds of unusable responses (5xx, not JSON) after which the server counts as down.
    pub(crate) max_bad_responses: u32,

    /// Rounds of responses that are not GitHub's after which the run ends. In the rounds after the first one, requests are sent
    /// one at a time, so that the run ends after `max_concurrency` + 2 requests.
    pub(crate) max_foreign: u32,

    /// Backoff before the second attempt; doubles with each further one. Full jitter.
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    /// Interval at which admission is checked although no request has completed: a quota window may have started.
    pub(crate) recheck_interval: Duration,
}

impl Default for LimiterSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_concurrency: 10,
            pace: Pace::Unlimited,
            max_wait: Duration::from_mins(5),
            deadline: None,
            max_points: None,
            retries: 4,
            rest_requests_per_minute: 900,
            graphql_queries_per_minute: 2000,
            cpu_time_per_minute: Duration::from_secs(90),
            graphql_cpu_time_per_minute: Duration::from_mins(1),
            assumed_query_time: Duration::from_secs(1),
            assumed_rest_time: Duration::from_millis(200),
            max_unmeasured_requests: 10,
            initial_concurrency: 50,
            cooldown_factor: 20,
            default_retry_after: Duration::from_mins(1),
            reset_grace: Duration::from_millis(100),
            max_short_waits: 4,
            max_throttled: 5,
            max_connect_failures: 5,
            max_no_response: 12,
            max_bad_responses: 100,
            max_foreign: 3,
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            recheck_interval: Duration::from_millis(250),
        }
    }
}

impl LimiterSettings {
    /// Returns true if the documented limits per minute apply. A replay has none.
    pub(super) fn is_paced(&self) -> bool {
        self.enabled && self.pace == Pace::Documented
    }

    /// Returns the waits that a server may ask for in a row.
    pub(super) fn max_waits(&self) -> u32 {
        self.max_throttled.max(self.retries.saturating_add(1))
    }

    /// Returns a random wait up to a bound that doubles with each failure (full jitter), so that requests that failed
    /// together do not come back together.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let factor = 2u32.saturating_pow(failures.saturating_sub(1));
        self.initial_backoff.saturating_mul(factor).min(self.max_backoff).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        for (failures, bound) in [(1, 500), (2, 1000), (4, 4000), (7, 30_000), (u32::MAX, 30_000)] {
            let longest =
                (0..200).map(|_| LimiterSettings::default().backoff(failures).as_millis()).max().unwrap();
            assert!(longest <= bound && longest > bound / 2, "{failures}: {longest}");
        }
    }
}
