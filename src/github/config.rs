//! Configuration of a client, with the program's defaults.

use std::path::PathBuf;
use std::time::Duration;

use super::account::{ApiKind, CountSelection};
use super::credentials::Credentials;
use super::endpoint::ApiEndpoint;
use super::graphql;
use crate::network::proxy::ProxyChoice;
use crate::rate_limit::settings::{LimiterSettings, Pace};

/// Configuration of a [`Client`](super::Client).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The API to send requests to. github.com by default.
    pub endpoint: ApiEndpoint,
    /// Token or GitHub App. None: requests without a token, of which GitHub allows 60 an hour.
    pub credentials: Option<Credentials>,
    /// Certificate authorities that are trusted beside the system's.
    pub(crate) ca_certificates: Vec<reqwest::Certificate>,
    /// Proxy for all connections. An API on this machine over plain HTTP is always connected to directly.
    pub(crate) proxy: ProxyChoice,
    /// Network, recording or replay.
    pub transport: TransportMode,
    /// Upper bound on concurrent requests. Range: 1 to 100. 10 by default.
    pub max_concurrency: usize,
    /// Time for one attempt, from sending to the last byte of the response. 15 seconds by default.
    pub timeout: Duration,
    /// Retries of a request after transient errors. A rejection because of a rate limit uses none.
    pub retries: u32,
    /// The API to query. GraphQL needs a token; bots are always looked up over REST.
    pub api: ApiKind,
    /// Over GraphQL: logins that the GraphQL API cannot look up are looked up over REST.
    pub(crate) rest_fallback: bool,
    /// Counts to request beside the public repositories.
    pub counts: CountSelection,
    /// Upper bound on logins per query. Range: 1 to 100. None: as many as cost one point, and fewer for a short input, so that it
    /// fills the jobs.
    pub batch_size: Option<usize>,
    /// None: the documented limits per minute apply on github.com and ghe.com only.
    pub(crate) pace: Option<Pace>,
    /// Longest wait for a limit; a longer one ends the run. 5 minutes by default.
    pub max_wait: Duration,
    /// Time after which no request is sent, from the creation of the client.
    pub deadline: Option<Duration>,
    /// Points that may be used, or requests if the API is REST.
    pub max_points: Option<u64>,
}

/// Source of the responses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportMode {
    /// The network.
    Network,
    /// The network; responses are also written to this folder.
    Record(PathBuf),
    /// The responses that were recorded in this folder, without network and token.
    Replay(PathBuf),
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            endpoint: ApiEndpoint::default(),
            credentials: None,
            ca_certificates: Vec::new(),
            proxy: ProxyChoice::System,
            transport: TransportMode::Network,
            max_concurrency: 10,
            timeout: Duration::from_secs(15),
            retries: 4,
            api: ApiKind::Rest,
            rest_fallback: false,
            counts: CountSelection::default(),
            batch_size: None,
            pace: None,
            max_wait: Duration::from_mins(5),
            deadline: None,
            max_points: None,
        }
    }
}

impl ClientConfig {
    /// Returns the number of queries into which a short input is divided: one for each job, as far as the budget of points and
    /// the initial concurrency go. None if the batch size was given.
    pub(crate) fn target_batch_count(&self) -> Option<usize> {
        let affordable = self.max_points.map_or(usize::MAX, |points| points.try_into().unwrap_or(usize::MAX));
        let initial_concurrency = LimiterSettings::default().initial_concurrency;
        let count = self.max_concurrency.min(initial_concurrency).min(affordable).max(1);
        self.batch_size.is_none().then_some(count)
    }

    pub(crate) fn max_batch_size(&self) -> usize {
        self.batch_size.unwrap_or_else(|| graphql::max_accounts_per_point(self.counts))
    }

    /// The REST API has no private repositories.
    pub(super) fn can_fall_back_to_rest(&self) -> bool {
        self.rest_fallback && !self.counts.private
    }

    pub(crate) fn is_replay(&self) -> bool {
        matches!(self.transport, TransportMode::Replay(_))
    }

    pub(super) fn limiter_settings(&self) -> LimiterSettings {
        let default_pace = if self.endpoint.is_github_cloud() { Pace::Documented } else { Pace::Unlimited };
        LimiterSettings {
            enabled: !self.is_replay(),
            max_concurrency: self.max_concurrency,
            pace: self.pace.unwrap_or(default_pace),
            max_wait: self.max_wait,
            deadline: self.deadline,
            max_points: self.max_points,
            retries: self.retries,
            ..LimiterSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_limits_apply_to_github_unless_a_pace_is_given() {
        for (host, given, expected) in [
            ("github.com", None, Pace::Documented),
            ("acme.ghe.com", None, Pace::Documented),
            ("github.acme.example", None, Pace::Unlimited),
            ("github.com", Some(Pace::Unlimited), Pace::Unlimited),
            ("github.acme.example", Some(Pace::Documented), Pace::Documented),
        ] {
            let endpoint = ApiEndpoint::from_host(host).unwrap();
            let config = ClientConfig { endpoint, pace: given, ..ClientConfig::default() };
            assert_eq!(config.limiter_settings().pace, expected, "{host} {given:?}");
        }
    }
}
