mod model;

use jiff::Timestamp;

use std::sync::Mutex;

use http::HeaderMap;

use super::*;
use crate::github::api::Api;
use crate::github::connect::ConnectError;
use crate::github::error::LookupError;

fn governor(jobs: usize) -> Governor {
    // Another host than GitHub's: no pace.
    let api = Api::parse("https://git.example.com/api/v3").unwrap();
    Governor::new(&Settings { api, jobs, ..Settings::default() })
}

fn refusal(seconds: u64) -> LookupError {
    LookupError::RateLimited { status: 403, wait: Some(Duration::from_secs(seconds)), primary: false }
}

async fn admit(governor: &Governor, resource: Resource, again: bool) -> Result<Permit, Stop> {
    let newcomer = if again { None } else { Some(governor.newcomer().await?) };
    governor.admit(resource, 1, newcomer).await
}

async fn sent(governor: &Governor, again: bool) -> Permit {
    let mut permit = admit(governor, Resource::Core, again).await.unwrap();
    permit.send();
    permit
}

/// One request that goes as `outcome` says.
async fn attempt(governor: &Governor, outcome: Result<(), &LookupError>) {
    let mut permit = sent(governor, true).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    governor.learn(&mut permit, outcome, true);
}

fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn limit(remaining: u64, reset: Timestamp) -> HeaderMap {
    headers(&[
        ("x-ratelimit-limit", "10".into()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.as_second().to_string()),
    ])
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_pauses_all_until_the_latest_moment_asked_for() {
    let governor = governor(10);
    let (mut first, mut second) = (sent(&governor, false).await, sent(&governor, false).await);
    let start = Instant::now();
    governor.learn(&mut first, Err(&refusal(7)), true);
    governor.learn(&mut second, Err(&refusal(3)), true);
    drop((first, second));
    drop(sent(&governor, false).await);
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn refusals_without_an_end_end_the_run() {
    let governor = governor(10);
    for _ in 0..5 {
        attempt(&governor, Err(&refusal(1))).await;
    }
    assert_eq!(governor.stop(), None);
    attempt(&governor, Err(&refusal(1))).await;
    assert_eq!(admit(&governor, Resource::Core, false).await.unwrap_err(), Stop::RefusedAgain(5));
}

#[tokio::test(start_paused = true)]
async fn without_a_time_the_wait_is_a_minute_and_doubles() {
    let governor = governor(1);
    let untold = LookupError::RateLimited { status: 403, wait: None, primary: false };
    let start = Instant::now();
    for seconds in [60, 180] {
        attempt(&governor, Err(&untold)).await;
        drop(admit(&governor, Resource::Core, true).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // An answer to a request that was under way at the refusal does not end the doubling; a later one does.
    let mut early = sent(&governor, true).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    governor.learn(&mut early, Err(&untold), true);
    governor.learn(&mut early, Ok(()), true);
    drop(early);
    drop(admit(&governor, Resource::Core, true).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 180 + 240);
    attempt(&governor, Ok(())).await;
    let start = Instant::now();
    attempt(&governor, Err(&untold)).await;
    drop(admit(&governor, Resource::Core, true).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_longest_ends_the_run() {
    let governor = governor(10);
    attempt(&governor, Err(&refusal(3000))).await;
    assert!(matches!(governor.stop(), Some(Stop::Limited { .. })));
    assert!(admit(&governor, Resource::Core, false).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_spent_to_its_end_and_its_reset_waited_for_by_its_own_requests() {
    let governor = governor(10);
    let begun = Instant::now();
    let reset = Timestamp::from_second(governor.state().clock.now().as_second() + 100).unwrap();
    for remaining in [2, 1, 0] {
        let mut permit = sent(&governor, false).await;
        governor.hear(&mut permit, &limit(remaining, reset), true);
        governor.learn(&mut permit, Ok(()), true);
    }
    assert!(begun.elapsed().is_zero());
    drop(admit(&governor, Resource::Graphql, false).await.unwrap());
    assert!(begun.elapsed().is_zero(), "points are another budget");
    let mut permit = sent(&governor, false).await;
    let waited = begun.elapsed().as_secs_f64();
    assert!((98.9..=100.1).contains(&waited), "{waited}");
    // A single request brings word of the new window; the others wait for it.
    let other = admit(&governor, Resource::Core, false);
    assert!(tokio::time::timeout(Duration::from_secs(1), other).await.is_err());
    let next = Timestamp::from_second(reset.as_second() + 3600).unwrap();
    governor.hear(&mut permit, &limit(9, next), true);
    drop(admit(&governor, Resource::Core, false).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reset_beyond_the_longest_wait_ends_the_run_when_the_budget_is_spent() {
    let governor = governor(10);
    let reset = Timestamp::from_second(governor.state().clock.now().as_second() + 3000).unwrap();
    let mut permit = sent(&governor, false).await;
    governor.hear(&mut permit, &limit(1, reset), true);
    drop(permit);
    drop(admit(&governor, Resource::Core, false).await.unwrap());
    assert_eq!(governor.stop(), None, "there is one left");
    let mut permit = sent(&governor, false).await;
    governor.hear(&mut permit, &limit(0, reset), true);
    drop(permit);
    assert!(admit(&governor, Resource::Core, false).await.is_err());
    assert!(matches!(governor.stop(), Some(Stop::Limited { .. })), "{:?}", governor.stop());
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let api = Api::parse("https://git.example.com/api/v3").unwrap();
    let deadline = Some(Duration::from_secs(30));
    let governor = Governor::new(&Settings { api, deadline, ..Settings::default() });
    attempt(&governor, Err(&refusal(20))).await;
    drop(sent(&governor, false).await);
    attempt(&governor, Err(&refusal(20))).await;
    assert!(matches!(governor.stop(), Some(Stop::Deadline { until: Some(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn a_host_out_of_reach_ends_the_run_after_five_rounds_not_five_requests() {
    let governor = governor(10);
    let refused = LookupError::from(ConnectError::Io("connection refused".into()));
    for round in 1..=5 {
        assert_eq!(governor.stop(), None, "round {round}");
        let mut permits = Vec::new();
        for _ in 0..10 {
            permits.push(sent(&governor, false).await);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        for permit in &mut permits {
            governor.learn(permit, Err(&refused), false);
        }
    }
    assert!(matches!(governor.stop(), Some(Stop::NotConnected(_))));
}

#[test]
fn the_budget_of_a_run_is_never_overdrawn() {
    let governor = Governor::new(&Settings { budget: Some(3), ..Settings::default() });
    assert!(governor.spend(2).is_ok());
    governor.put_right(2, 1);
    assert!(governor.spend(2).is_ok());
    assert_eq!(governor.spend(1), Err(Stop::Spent(3)));
    assert_eq!((governor.spent(), governor.stop()), (3, Some(Stop::Spent(3))));
}

#[tokio::test(start_paused = true)]
async fn those_asked_again_overtake_the_newcomers() {
    let governor = governor(1);
    let busy = sent(&governor, false).await;
    let order = Mutex::new(Vec::new());
    let ask = |name, again| {
        let (governor, order) = (&governor, &order);
        async move {
            let _permit = sent(governor, again).await;
            order.lock().unwrap().push(name);
        }
    };
    tokio::join!(ask("first", false), ask("second", false), ask("third", false), ask("again", true), async {
        tokio::task::yield_now().await;
        drop(busy);
    });
    assert_eq!(order.into_inner().unwrap(), ["first", "again", "second", "third"]);
}

#[test]
fn back_off_doubles_up_to_its_bound() {
    for (attempts, bound) in [(1, 500), (2, 1000), (4, 4000), (7, 30_000), (u32::MAX, 30_000)] {
        let longest = (0..200).map(|_| backoff(attempts).as_millis()).max().unwrap();
        assert!(longest <= bound && longest > bound / 2, "{attempts}: {longest}");
    }
}
