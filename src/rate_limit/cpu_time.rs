//! CPU time of the last minute. GitHub names the total response time as the estimate of it.
//!
//! GitHub does not publish the moment at which it counts a request. A request counts here from its admission until a minute after
//! its response, so that no rolling minute exceeds the limit, however GitHub counts. Bursts are allowed within it.
//!
//! A request in flight counts with its predicted time, or with the time since its admission if that is longer. The prediction is
//! the longest recent response, and at least the assumed time: the first responses to arrive are the fastest ones. Before there are
//! enough responses to predict from, few requests are in flight: each response admits two more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::Deadline;
use super::quota::{MINUTE, PerResource, Resource};
use super::settings::LimiterSettings;
use super::{Admission, Pause};
use crate::stop::WaitReason;

/// Responses that the prediction is based on: more than the 60 full queries of a minute, so that none of them is forgotten.
const RECENT_RESPONSES: usize = 100;

/// Response times of the last minute. One ledger has the requests of both APIs.
#[derive(Debug)]
pub(super) struct CpuTimeLedger {
    /// None: no limit applies, and nothing is recorded.
    budgets: Option<Budgets>,
    max_unmeasured: usize,
    assumed: PerResource<Duration>,
    predicted: PerResource<Duration>,
    in_flight: HashMap<ReservationId, InFlight>,
    /// Responses of the last minute, in the order of completion.
    completed: VecDeque<Completed>,
    /// Sum of their times.
    used: PerResource<Duration>,
    next_id: u64,
}

/// CPU time per minute.
#[derive(Clone, Copy, Debug)]
struct Budgets {
    all: Duration,
    graphql: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReservationId(u64);

#[derive(Debug)]
struct InFlight {
    resource: Resource,
    admitted: Instant,
}

#[derive(Debug)]
struct Completed {
    resource: Resource,
    at: Instant,
    took: Duration,
}

/// Requests that a budget covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Graphql,
}

impl Scope {
    fn covers(self, resource: Resource) -> bool {
        self == Self::All || resource == Resource::Graphql
    }
}

impl CpuTimeLedger {
    pub(super) fn new(settings: &LimiterSettings) -> Self {
        let budgets =
            Budgets { all: settings.cpu_time_per_minute, graphql: settings.graphql_cpu_time_per_minute };
        let assumed = PerResource { core: settings.assumed_rest_time, graphql: settings.assumed_query_time };
        Self {
            budgets: settings.is_paced().then_some(budgets),
            max_unmeasured: settings.max_unmeasured_requests as usize,
            assumed,
            predicted: assumed,
            in_flight: HashMap::new(),
            completed: VecDeque::new(),
            used: PerResource::default(),
            next_id: 0,
        }
    }

    /// Checks whether the next request fits into the budgets.
    pub(super) fn check(&mut self, resource: Resource) -> Admission {
        let Some(budgets) = self.budgets else { return Admission::Ready };
        let now = Instant::now();
        self.remove_expired(now);
        if self.in_flight.len() >= self.completed.len() + self.max_unmeasured {
            return Admission::Blocked;
        }
        self.update_prediction(resource);
        let all = self.check_budget(resource, Scope::All, budgets.all, now);
        match resource {
            Resource::Core => all,
            Resource::Graphql => all.max(self.check_budget(resource, Scope::Graphql, budgets.graphql, now)),
        }
    }

    fn remove_expired(&mut self, now: Instant) {
        while let Some(oldest) = self.completed.pop_front_if(|completed| completed.at + MINUTE <= now) {
            let used = self.used.get_mut(oldest.resource);
            *used = used.saturating_sub(oldest.took);
        }
    }

    /// Without a response in the last minute, the earlier prediction remains.
    fn update_prediction(&mut self, resource: Resource) {
        let latest = self.completed.iter().rev().filter(|completed| completed.resource == resource);
        if let Some(longest) = latest.take(RECENT_RESPONSES).map(|completed| completed.took).max() {
            *self.predicted.get_mut(resource) = longest.max(*self.assumed.get(resource));
        }
    }

    fn check_budget(&self, resource: Resource, scope: Scope, budget: Duration, now: Instant) -> Admission {
        // A request that is predicted to exceed the budget is admitted alone.
        let room = budget.saturating_sub(*self.predicted.get(resource));
        let used = match scope {
            Scope::All => self.used.core + self.used.graphql,
            Scope::Graphql => self.used.graphql,
        };
        let in_flight = self.in_flight.values().filter(|request| scope.covers(request.resource));
        let reserved: Duration = in_flight
            .map(|request| now.duration_since(request.admitted).max(*self.predicted.get(request.resource)))
            .sum();
        if used + reserved <= room {
            return Admission::Ready;
        }
        // A request in flight may turn out to be faster than predicted.
        let Some(mut excess) = used.checked_sub(room).filter(|excess| !excess.is_zero()) else {
            return Admission::Blocked;
        };
        for Completed { at, took, .. } in
            self.completed.iter().filter(|completed| scope.covers(completed.resource))
        {
            excess = excess.saturating_sub(*took);
            if excess.is_zero() {
                let until = Deadline::after(*at + MINUTE - now);
                return Admission::NotBefore(Pause { until, reason: WaitReason::CpuTime });
            }
        }
        Admission::Blocked
    }

    /// Reserves the time of a request.
    pub(super) fn reserve(&mut self, resource: Resource) -> Option<ReservationId> {
        self.budgets?;
        let id = ReservationId(self.next_id);
        self.next_id += 1;
        self.in_flight.insert(id, InFlight { resource, admitted: Instant::now() });
        Some(id)
    }

    /// Replaces the reservation by the measured time. A request that was not sent takes none.
    pub(super) fn settle(&mut self, id: Option<ReservationId>, was_sent: bool) {
        let Some(InFlight { resource, admitted, .. }) = id.and_then(|id| self.in_flight.remove(&id)) else {
            return;
        };
        if was_sent {
            let at = Instant::now();
            self.complete(Completed { resource, at, took: at.duration_since(admitted) });
        }
    }

    fn complete(&mut self, completed: Completed) {
        *self.used.get_mut(completed.resource) += completed.took;
        self.completed.push_back(completed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Pace;
    use super::*;

    fn ledger() -> CpuTimeLedger {
        CpuTimeLedger::new(&LimiterSettings {
            pace: Pace::Documented,
            max_unmeasured_requests: 100,
            ..LimiterSettings::default()
        })
    }

    async fn respond(ledger: &mut CpuTimeLedger, resource: Resource, took: Duration) {
        let id = ledger.reserve(resource);
        tokio::time::advance(took).await;
        ledger.settle(id, true);
    }

    fn wait(ledger: &mut CpuTimeLedger, resource: Resource) -> Option<u64> {
        match ledger.check(resource) {
            Admission::Ready => None,
            Admission::NotBefore(Pause { until, reason: WaitReason::CpuTime }) => {
                Some((until.remaining() + Duration::from_millis(500)).as_secs())
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sixty_seconds_of_queries_fit_into_a_minute() {
        let mut ledger = ledger();
        let ids: Vec<_> = (0..60)
            .map(|number| {
                assert_eq!(ledger.check(Resource::Graphql), Admission::Ready, "{number}");
                ledger.reserve(Resource::Graphql)
            })
            .collect();
        assert_eq!(ledger.check(Resource::Graphql), Admission::Blocked, "until a response");
        assert_eq!(ledger.check(Resource::Core), Admission::Ready, "REST has thirty seconds of its own");
        // The measured time replaces the predicted one: half a minute is left.
        tokio::time::advance(Duration::from_millis(500)).await;
        for id in ids {
            ledger.settle(id, true);
        }
        for _ in 0..30 {
            assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
            respond(&mut ledger, Resource::Graphql, Duration::from_secs(1)).await;
        }
        assert_eq!(wait(&mut ledger, Resource::Graphql), Some(30));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn each_response_admits_two_more_requests() {
        let mut ledger = CpuTimeLedger { max_unmeasured: 10, ..ledger() };
        let ids: Vec<_> = (0..10)
            .map(|number| {
                assert_eq!(ledger.check(Resource::Graphql), Admission::Ready, "{number}");
                ledger.reserve(Resource::Graphql)
            })
            .collect();
        assert_eq!(ledger.check(Resource::Graphql), Admission::Blocked);
        ledger.settle(ids.first().copied().flatten(), true);
        for _ in 0..2 {
            assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
            ledger.reserve(Resource::Graphql);
        }
        assert_eq!(ledger.check(Resource::Graphql), Admission::Blocked);
    }

    #[tokio::test(start_paused = true)]
    async fn both_apis_share_ninety_seconds() {
        let mut ledger = ledger();
        for (resource, seconds) in [(Resource::Graphql, 5), (Resource::Core, 4)] {
            for _ in 0..10 {
                let took = Duration::from_secs(seconds);
                ledger.complete(Completed { resource, at: Instant::now(), took });
            }
        }
        assert_eq!(wait(&mut ledger, Resource::Core), Some(60));
        assert_eq!(wait(&mut ledger, Resource::Graphql), Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_counts_the_time_since_its_admission() {
        let mut ledger = ledger();
        for _ in 0..10 {
            ledger.reserve(Resource::Graphql);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ledger.check(Resource::Graphql), Admission::Blocked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_above_the_budget_is_admitted_alone() {
        let mut ledger = ledger();
        respond(&mut ledger, Resource::Graphql, Duration::from_secs(100)).await;
        assert_eq!(wait(&mut ledger, Resource::Graphql), Some(60));
        tokio::time::advance(MINUTE).await;
        assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
        ledger.reserve(Resource::Graphql);
        assert_eq!(ledger.check(Resource::Graphql), Admission::Blocked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_not_sent_takes_no_time() {
        let mut ledger = ledger();
        let ids: Vec<_> = (0..60).map(|_| ledger.reserve(Resource::Graphql)).collect();
        tokio::time::advance(Duration::from_secs(9)).await;
        for id in ids {
            ledger.settle(id, false);
        }
        assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_pace_nothing_is_recorded() {
        let mut ledger = CpuTimeLedger::new(&LimiterSettings::default());
        for _ in 0..1000 {
            respond(&mut ledger, Resource::Graphql, Duration::from_secs(1)).await;
        }
        assert_eq!(ledger.check(Resource::Graphql), Admission::Ready);
        assert!(ledger.completed.is_empty());
    }
}
