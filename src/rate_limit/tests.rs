mod model;

use jiff::Timestamp;

use super::*;

fn settings() -> LimiterSettings {
    LimiterSettings::default()
}

fn limiter() -> RateLimiter {
    RateLimiter::new(settings())
}

fn throttled(seconds: u64) -> RequestOutcome<'static> {
    RequestOutcome::Throttled { retry_after: Some(Duration::from_secs(seconds)), quota_exhausted: false }
}

const WITHOUT_RETRY_AFTER: RequestOutcome<'static> =
    RequestOutcome::Throttled { retry_after: None, quota_exhausted: false };

fn connect_failed(is_permanent: bool) -> RequestOutcome<'static> {
    let stop =
        StopReason::NotConnected { error: "connection refused".into(), way_out: None, is_proxy: false };
    RequestOutcome::ConnectFailed { is_permanent, stop }
}

async fn send(limiter: &RateLimiter) -> Permit<'_> {
    let mut permit = limiter.acquire(Resource::Core, 1).await.unwrap();
    permit.mark_sent();
    permit
}

/// Sends one request with this outcome.
async fn attempt(limiter: &RateLimiter, outcome: RequestOutcome<'_>) {
    let mut permit = send(limiter).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    limiter.on_outcome(&mut permit, outcome);
}

fn quota_headers(remaining: u64, reset: Timestamp) -> HeaderMap {
    let pairs = [
        ("x-ratelimit-limit", "10".into()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.as_second().to_string()),
    ];
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn seconds_from_now(limiter: &RateLimiter, seconds: i64) -> Timestamp {
    Timestamp::from_second(limiter.clock().now().as_second() + seconds).unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_rejection_pauses_every_request() {
    let limiter = limiter();
    let (mut first, mut second) = (send(&limiter).await, send(&limiter).await);
    let start = Instant::now();
    limiter.on_outcome(&mut first, throttled(7));
    limiter.on_outcome(&mut second, throttled(3));
    drop((first, second));
    drop(send(&limiter).await);
    assert_eq!(start.elapsed().as_secs(), 7, "the longest wait counts");
}

#[tokio::test(start_paused = true)]
async fn endless_rejections_end_the_run() {
    let limiter = limiter();
    for _ in 0..5 {
        attempt(&limiter, throttled(1)).await;
    }
    assert_eq!(limiter.stop.reason(), None);
    attempt(&limiter, throttled(1)).await;
    assert_eq!(limiter.acquire(Resource::Core, 1).await.unwrap_err(), StopReason::StillRateLimited(5));
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_wait_is_a_minute_and_doubles() {
    let limiter = limiter();
    let start = Instant::now();
    for seconds in [60, 180] {
        attempt(&limiter, WITHOUT_RETRY_AFTER).await;
        drop(limiter.acquire(Resource::Core, 1).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    // The response to a request that was in flight at the rejection does not end the doubling; a later one does.
    let mut in_flight = send(&limiter).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    limiter.on_outcome(&mut in_flight, WITHOUT_RETRY_AFTER);
    limiter.on_outcome(&mut in_flight, RequestOutcome::Success);
    drop(in_flight);
    drop(limiter.acquire(Resource::Core, 1).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 180 + 240);
    attempt(&limiter, RequestOutcome::Success).await;
    let start = Instant::now();
    attempt(&limiter, WITHOUT_RETRY_AFTER).await;
    drop(limiter.acquire(Resource::Core, 1).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_max_wait_ends_the_run() {
    let limiter = limiter();
    attempt(&limiter, throttled(3000)).await;
    assert!(matches!(limiter.stop.reason(), Some(StopReason::RateLimitTooLong { .. })));
    assert!(limiter.acquire(Resource::Core, 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_quota_is_used_up_and_then_its_reset_awaited() {
    let limiter = limiter();
    let start = Instant::now();
    let reset = seconds_from_now(&limiter, 100);
    for remaining in [2, 1, 0] {
        let mut permit = send(&limiter).await;
        limiter.on_headers(&mut permit, &quota_headers(remaining, reset), true);
        limiter.on_outcome(&mut permit, RequestOutcome::Success);
    }
    assert!(start.elapsed().is_zero());
    drop(limiter.acquire(Resource::Graphql, 1).await.unwrap());
    assert!(start.elapsed().is_zero(), "points are another quota");
    let mut first = send(&limiter).await;
    let waited = start.elapsed().as_secs_f64();
    assert!((98.9..=100.1).contains(&waited), "{waited}");
    // A single request opens the new window; the others wait for its response.
    let other = limiter.acquire(Resource::Core, 1);
    assert!(tokio::time::timeout(Duration::from_secs(1), other).await.is_err());
    let next = Timestamp::from_second(reset.as_second() + 3600).unwrap();
    limiter.on_headers(&mut first, &quota_headers(9, next), true);
    drop(limiter.acquire(Resource::Core, 1).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_distant_reset_ends_the_run_when_the_quota_is_used_up() {
    let limiter = limiter();
    let reset = seconds_from_now(&limiter, 3000);
    let mut permit = send(&limiter).await;
    limiter.on_headers(&mut permit, &quota_headers(1, reset), true);
    drop(permit);
    drop(limiter.acquire(Resource::Core, 1).await.unwrap());
    assert_eq!(limiter.stop.reason(), None, "one request is left");
    let mut permit = send(&limiter).await;
    limiter.on_headers(&mut permit, &quota_headers(0, reset), true);
    drop(permit);
    assert!(limiter.acquire(Resource::Core, 1).await.is_err());
    let stop = limiter.stop.reason();
    assert!(matches!(stop, Some(StopReason::RateLimitTooLong { .. })), "{stop:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_started() {
    let deadline = Some(Duration::from_secs(30));
    let limiter = RateLimiter::new(LimiterSettings { deadline, ..settings() });
    attempt(&limiter, throttled(20)).await;
    drop(send(&limiter).await);
    attempt(&limiter, throttled(20)).await;
    assert!(matches!(limiter.stop.reason(), Some(StopReason::Deadline { until: Some(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn no_request_is_admitted_after_the_deadline() {
    let given = Duration::from_secs(30);
    let limiter = RateLimiter::new(LimiterSettings { deadline: Some(given), ..settings() });
    tokio::time::advance(Duration::from_secs(29)).await;
    drop(send(&limiter).await);
    tokio::time::advance(Duration::from_secs(1)).await;
    let stop = StopReason::Deadline { given, until: None };
    assert_eq!(limiter.acquire(Resource::Core, 1).await.unwrap_err(), stop);
}

#[tokio::test(start_paused = true)]
async fn a_dead_host_ends_the_run_after_five_rounds() {
    let limiter = limiter();
    for round in 1..=5 {
        assert_eq!(limiter.stop.reason(), None, "round {round}");
        let mut permits = Vec::new();
        for _ in 0..10 {
            permits.push(send(&limiter).await);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        for permit in &mut permits {
            limiter.on_outcome(permit, connect_failed(false));
        }
    }
    assert!(matches!(limiter.stop.reason(), Some(StopReason::NotConnected { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_server_in_maintenance_ends_the_run_after_five_waits() {
    let limiter = limiter();
    let busy = || RequestOutcome::Busy { retry_after: Duration::from_mins(1), error: &"HTTP 503" };
    let start = Instant::now();
    for _ in 0..5 {
        attempt(&limiter, busy()).await;
        assert_eq!(limiter.stop.reason(), None);
    }
    attempt(&limiter, busy()).await;
    assert_eq!(limiter.stop.reason(), Some(StopReason::OutOfReach("HTTP 503, after 5 waits".into())));
    assert_eq!(start.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_connect_failure_ends_the_run_at_once() {
    let fresh = limiter();
    attempt(&fresh, connect_failed(true)).await;
    assert!(matches!(fresh.stop.reason(), Some(StopReason::NotConnected { .. })));
    // A host that has responded before gets the benefit of the doubt.
    let limiter = limiter();
    attempt(&limiter, RequestOutcome::Success).await;
    attempt(&limiter, connect_failed(true)).await;
    assert_eq!(limiter.stop.reason(), None);
}

#[test]
fn the_points_of_a_run_are_never_overdrawn() {
    let limiter = RateLimiter::new(LimiterSettings { max_points: Some(3), ..settings() });
    assert!(limiter.reserve_points(2).is_ok());
    limiter.reconcile_points(2, 1);
    assert!(limiter.reserve_points(2).is_ok());
    let stop = StopReason::PointBudgetExhausted(3);
    assert_eq!(limiter.reserve_points(1), Err(stop.clone()));
    assert_eq!(limiter.stop.reason(), Some(stop));
}

#[tokio::test(start_paused = true)]
async fn requests_are_admitted_in_the_order_of_their_calls() {
    let limiter = RateLimiter::new(LimiterSettings { max_concurrency: 1, ..settings() });
    let busy = send(&limiter).await;
    let order = Mutex::new(Vec::new());
    let request = |number| {
        let (limiter, order) = (&limiter, &order);
        async move {
            let _permit = send(limiter).await;
            order.lock().unwrap().push(number);
        }
    };
    tokio::join!(request(1), request(2), request(3), async {
        tokio::task::yield_now().await;
        drop(busy);
    });
    assert_eq!(order.into_inner().unwrap(), [1, 2, 3]);
}
