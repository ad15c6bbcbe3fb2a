//! Failed, rejected and partial queries, and their cost for the other logins.

use std::time::{Duration, Instant};

use super::{assert_all_right, look_up};
use crate::fake::{AliasFault, Behavior, Fake, Fault, PrimaryLimit};
use crate::program::users;

#[test]
fn a_server_that_omits_most_logins_gets_smaller_batches() {
    // The server answers thirty of the first hundred logins.
    let beyond =
        |login: &str| login.trim_start_matches("user-").parse::<usize>().is_ok_and(|at| at > 30 && at <= 100);
    let alias = move |login: &str, time| (beyond(login) && time == 1).then_some(AliasFault::ResourceLimits);
    let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
    let input = users(1000);
    assert_all_right(&look_up(&fake, &input, &["-j", "1"]), &input);
    let sizes: Vec<_> = fake.queries().iter().map(Vec::len).collect();
    assert_eq!(sizes[0], 100);
    assert!(sizes[1..].iter().all(|size| *size < 100), "{sizes:?}");
}

#[test]
fn a_server_failing_above_thirty_logins_costs_few_requests() {
    let fake = Fake::start(Behavior { max_aliases: Some(30), ..Behavior::default() });
    let input = users(3000);
    let run = look_up(&fake, &input, &[]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_all_right(&run, &input);
    // About 125 on an idle machine. On a busy one more queries are in flight when the first one fails.
    assert!(fake.requests() <= 140, "the least possible is 100: {}", fake.requests());
}

#[test]
fn a_poisoned_alias_is_retried_alone_and_delays_no_other_login() {
    for fault in [AliasFault::ResourceLimits, AliasFault::Wrong, AliasFault::Unscoped] {
        let poison = fault.clone();
        let alias = move |login: &str, time| (login.ends_with("50") && time == 1).then(|| poison.clone());
        let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
        let input = users(1000);
        let run = look_up(&fake, &input, &[]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_all_right(&run, &input);
        for (row, login) in run.rows().iter().zip(input.lines()) {
            assert_eq!(row["attempts"], if login.ends_with("50") { 2 } else { 1 }, "{row}");
        }
        let (full, alone): (Vec<_>, Vec<_>) =
            fake.queries().into_iter().partition(|logins| logins.len() == 100);
        assert_eq!((full.len(), alone.len()), (10, 10));
        assert!(alone.iter().all(|logins| logins.len() == 1 && logins[0].ends_with("50")), "{alone:?}");
    }
}

#[test]
fn a_permanently_poisoned_alias_fails_alone_with_its_reason() {
    let alias = |login: &str, _| (login == "user-7").then_some(AliasFault::ResourceLimits);
    let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
    let run = look_up(&fake, &users(100), &["--retries", "1", "--api", "graphql"]);
    assert_eq!(run.status, 1);
    let rows = run.rows_of(100);
    assert_eq!(rows[6]["status"], "failed");
    let error = rows[6]["error"].as_str().unwrap();
    assert!(error.starts_with("incomplete response: Resource limits for this query exceeded., "), "{error}");
    assert_eq!(rows.iter().filter(|row| row["status"] == "ok").count(), 99);
}

#[test]
fn every_kind_of_failed_batch_is_retried_until_rows_are_right() {
    for fault in
        [Fault::Html(502), Fault::Html(504), Fault::Reset, Fault::Truncated, Fault::BrokenJson, Fault::Silent]
    {
        let (met, description) = (fault.clone(), format!("{fault:?}"));
        // The first three queries fail, and a later one.
        let fake = Fake::with_faults(move |context| {
            (context.number <= 3 || context.number == 20).then(|| met.clone())
        });
        let input = users(500);
        let run = look_up(&fake, &input, &["--timeout", "2s", "-j", "5", "--batch", "20"]);
        assert_eq!(run.status, 0, "{description}: {}", run.stderr);
        assert_all_right(&run, &input);
    }
}

/// Returns the logins in a query.
fn asked_for(context: &crate::fake::FaultContext<'_>) -> Vec<String> {
    crate::fake::Query::parse(context.request).map(|query| query.summary().logins).unwrap_or_default()
}

#[test]
fn a_login_that_fails_every_query_delays_no_other() {
    let poison = |context: &crate::fake::FaultContext<'_>| {
        asked_for(context).contains(&"user-1500".to_owned()).then_some(Fault::Html(502))
    };
    for (jobs, most) in [("1", 60), ("10", 70)] {
        let fake = Fake::with_faults(poison);
        let run = look_up(&fake, &users(3000), &["-j", jobs, "--retries", "1"]);
        let rows = run.rows_of(3000);
        let by_rest: Vec<_> =
            rows.iter().filter(|row| row["api"] != "graphql").map(|row| row["login"].clone()).collect();
        assert_eq!((run.status, by_rest), (0, vec!["user-1500".into()]));
        assert!(fake.requests() <= most, "{jobs} jobs: {}", fake.requests());
    }
}

#[test]
fn a_dropped_connection_does_not_split_a_batch() {
    let fake =
        Fake::with_faults(|context| (context.number == 1 || context.number == 5).then_some(Fault::Hangup));
    let run = look_up(&fake, &users(2000), &[]);
    assert_all_right(&run, &users(2000));
    assert!(fake.requests() <= 26, "the least possible is 22: {}", fake.requests());
}

#[test]
fn a_server_that_is_down_ends_the_run() {
    let fake = Fake::with_faults(|_| Some(Fault::Html(502)));
    // More logins than are read ahead.
    let run = look_up(&fake, &users(7000), &["--retries", "1", "-q"]);
    assert_eq!(run.status, 5);
    run.rows_of(7000);
    assert!(fake.requests() < 2500, "{}", fake.requests());
}

#[test]
fn an_api_url_without_graphql_makes_no_account_missing() {
    let missing = r#"{"message":"Not Found"}"#;
    let fake = Fake::with_faults(move |_| Some(Fault::Response(404, vec![], missing.into())));
    for (logins, api) in [(300, "auto"), (300, "graphql"), (2, "auto"), (1, "auto"), (1, "graphql")] {
        let run = look_up(&fake, &users(logins), &["--api", api, "-j", "1", "--retries", "1"]);
        assert_eq!((run.status, run.stderr.lines().count()), (5, 1), "{}", run.stderr);
        let rows = run.rows_of(logins);
        assert!(rows.iter().all(|row| row["status"] == "skipped"), "{api}: {}", run.stdout);
        assert!(run.stderr.contains("no GraphQL API at this URL; use --api rest"), "{}", run.stderr);
        assert!(!run.stderr.contains("cannot reach"), "{}", run.stderr);
    }
}

#[test]
fn a_limit_error_in_a_200_pauses_every_request() {
    for limit_error_type in ["RATE_LIMITED", "RATE_LIMIT"] {
        // Requests are rejected until then, and on a busy machine some have to be sent before.
        let late = Duration::from_secs(1);
        let points = Some(PrimaryLimit { late, ..PrimaryLimit::new(12, Duration::from_secs(2)) });
        let fake = Fake::start(Behavior { points, limit_error_type, ..Behavior::default() });
        let input = users(2000);
        let run = look_up(&fake, &input, &["-j", "4"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_all_right(&run, &input);
        assert!(!fake.rejections().is_empty(), "the limit was met");
        // A few single requests probe the start of the window.
        assert!(fake.rejections().len() <= 4, "{}", fake.rejections().len());
    }
}

#[test]
fn a_secondary_limit_on_one_query_pauses_every_query() {
    let rejection = |context: &crate::fake::FaultContext<'_>| {
        (context.number == 4).then(|| Fault::secondary(403, Some(1)))
    };
    let fake = Fake::start(Behavior {
        // Longer than the rejection takes to arrive on a busy machine.
        latency: Duration::from_millis(600),
        fault: Box::new(rejection),
        ..Behavior::default()
    });
    let run = look_up(&fake, &users(1000), &["-j", "4"]);
    assert_all_right(&run, &users(1000));
    let refused = fake.rejections()[0];
    let after = |at: Instant| at.saturating_duration_since(refused);
    let during = fake
        .arrivals()
        .iter()
        .filter(|a| after(a.at) > Duration::ZERO && after(a.at) < Duration::from_secs(1))
        .count();
    assert_eq!(during, 0);
}
