//! How a client asks: everything that a library's user can set, with the program's defaults.

use std::time::Duration;

use super::api::Api;
use super::app::Credentials;
use super::proxy::ProxyChoice;
use super::transport::Source;
use crate::report::{Measures, Via};

/// In flight at first. With more jobs than this it grows with each answer: a server that allows fewer
/// is found out with a few refusals and not with a hundred.
pub(super) const FIRST: usize = 50;

/// How a [`Client`](super::Client) asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API is.
    pub api: Api,
    /// Who asks; none: anybody, without a token.
    pub credentials: Option<Credentials>,
    /// Certificate authorities to trust beside the system's.
    pub authorities: Vec<reqwest::Certificate>,
    /// The proxy. An API on this machine by plain http is always asked directly.
    pub proxy: ProxyChoice,
    /// Where answers come from.
    pub source: Source,
    /// Requests in flight at most.
    pub jobs: usize,
    /// For one attempt, from sending to the body's last byte.
    pub timeout: Duration,
    /// Further attempts at what may pass.
    pub retries: u32,
    /// The API that is asked. GraphQL needs a token; bots go by REST in any case.
    pub via: Via,
    /// What is counted beside the public repositories.
    pub measures: Measures,
    /// Most logins in a query; none: as many as cost one point, and fewer for a short roster, so that
    /// it fills the jobs.
    pub batch: Option<usize>,
    /// The longest wait for a limit; a longer one ends the run.
    pub max_wait: Duration,
    /// When to stop asking, from the making of the client on.
    pub deadline: Option<Duration>,
    /// Points that may be spent, or requests where the API is REST.
    pub budget: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api: Api::default(),
            credentials: None,
            authorities: Vec::new(),
            proxy: ProxyChoice::System,
            source: Source::Network,
            jobs: 10,
            timeout: Duration::from_secs(15),
            retries: 4,
            via: Via::Rest,
            measures: Measures::default(),
            batch: None,
            max_wait: Duration::from_mins(5),
            deadline: None,
            budget: None,
        }
    }
}

impl Settings {
    /// How many queries a short roster is divided into: one for each job, as far as the budget goes and
    /// as many leave at first; none where the size of a batch was given.
    pub(crate) fn fill(&self) -> Option<usize> {
        let affordable = self.budget.and_then(|budget| usize::try_from(budget).ok()).unwrap_or(usize::MAX);
        self.batch.is_none().then(|| self.jobs.min(FIRST).min(affordable).max(1))
    }
}
