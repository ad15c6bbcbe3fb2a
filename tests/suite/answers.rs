//! Invalid responses: transient errors are retried, permanent ones are reported.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::fake::{Behavior, Fake, Fault, FaultContext, Raw, account};
use crate::program::{Program, Run, file, in_parallel, path, users};

/// A tenth of the logins meets each fault.
fn faults() -> [(&'static str, Fault, &'static str); 6] {
    [
        ("1", Fault::Html(502), "HTTP 502"),
        ("2", Fault::Reset, "connection lost: "),
        ("3", Fault::Truncated, "response truncated: "),
        ("4", Fault::BrokenJson, "unexpected response: not JSON"),
        ("5", Fault::Silent, "timed out after 2s"),
        ("6", Fault::Hangup, "connection lost: "),
    ]
}

fn fault_of(login: &str) -> Option<(Fault, &'static str)> {
    let fault = faults().into_iter().find(|(digit, ..)| login.ends_with(digit));
    fault.map(|(_, fault, reason)| (fault, reason))
}

fn look_up(fake: &Fake, logins: usize, arguments: &[&str]) -> Run {
    let input = file(&users(logins));
    let arguments = [&["-f", path(&input), "-F", "ndjson", "--timeout", "2s"], arguments].concat();
    Program::for_fake(fake, &arguments).run()
}

#[test]
fn every_transient_fault_is_retried_until_every_row_is_right() {
    in_parallel(vec![("1", 20), ("10", 200), ("100", 200)], |(jobs, logins)| {
        let fake = Fake::with_faults(|context| {
            fault_of(context.login).filter(|_| context.attempt == 1).map(|(fault, _)| fault)
        });
        let run = look_up(&fake, logins, &["-j", jobs]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        for (row, login) in run.rows_of(logins).iter().zip(users(logins).lines()) {
            assert_eq!((&row["login"], &row["status"]), (&login.into(), &"ok".into()));
            assert_eq!(row["public_repos"], account(login).unwrap().public_repos);
            assert_eq!(row["attempts"], if fault_of(login).is_some() { 2 } else { 1 }, "{row}");
        }
    });
}

#[test]
fn without_retries_exactly_the_faulted_logins_fail() {
    let fake = Fake::with_faults(|context| fault_of(context.login).map(|(fault, _)| fault));
    let run = look_up(&fake, 100, &["--retries", "0", "-j", "20"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    for (row, login) in run.rows_of(100).iter().zip(users(100).lines()) {
        assert_eq!(row["login"], login);
        assert_eq!(row["attempts"], 1);
        match fault_of(login) {
            None => assert_eq!(row["public_repos"], account(login).unwrap().public_repos),
            Some((_, reason)) => {
                assert_eq!(row["status"], "failed");
                assert!(row["public_repos"].is_null(), "never a number for a failure");
                assert!(row["error"].as_str().unwrap().starts_with(reason), "{login}: {row}");
            }
        }
    }
    assert_eq!(fake.requests(), 100);
}

#[test]
fn a_permanent_failure_names_its_reason_and_attempts() {
    let fake = Fake::with_faults(|context| match context.login {
        "gateway" => Some(Fault::Html(502)),
        "silent" => Some(Fault::Silent),
        "drip" => Some(Fault::Drip),
        "blocked" => {
            Some(Fault::Response(403, vec![], r#"{"message":"Access blocked","status":"403"}"#.into()))
        }
        "legal" => Some(Fault::Response(451, vec![], r#"{"message":"Repository access blocked"}"#.into())),
        "teapot" => Some(Fault::Html(418)),
        "gateway-404" => Some(Fault::Html(404)),
        "mixup" => {
            Some(Fault::Response(200, vec![], r#"{"login":"torvalds","id":1,"public_repos":9}"#.into()))
        }
        "mixed" if context.attempt == 1 => Some(Fault::Html(500)),
        "mixed" => Some(Fault::Html(503)),
        _ => None,
    });
    let logins = [
        "gateway",
        "silent",
        "drip",
        "blocked",
        "legal",
        "teapot",
        "mixed",
        "missing",
        "gateway-404",
        "mixup",
    ];
    let arguments = [&logins[..], &["-F", "ndjson", "--timeout", "1s", "--retries", "2"]].concat();
    let run = Program::for_fake(&fake, &arguments).run();
    assert_eq!(run.status, 1);
    let outcomes: Vec<_> = run
        .rows()
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["status"].as_str().unwrap(),
                row["attempts"],
                row["error"].as_str().unwrap().replace(&fake.url(), "HOST")
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            "failed 3 HTTP 502, 3 times",
            "failed 3 timed out after 1s, 3 times",
            "failed 3 timed out after 1s, 3 times",
            "forbidden 1 access forbidden: Access blocked",
            "forbidden 1 access forbidden: unavailable for legal reasons: Repository access blocked",
            "failed 3 not a response from GitHub: HTTP 418 with the page \"418\" at HOST/users/teapot, 3 times",
            "failed 3 HTTP 503, the last of 3 failures",
            "not_found 1 no such user or organization",
            "failed 3 not a response from GitHub: HTTP 404 with the page \"404\" at HOST/users/gateway-404, 3 times",
            "failed 3 unexpected response: a different account, 3 times",
        ]
    );
}

/// A `retry-after` of one second on one of fifty requests in flight: no request is sent before it is over.
fn assert_one_rejection_pauses_all(rejection: Fault) {
    let refused = move |context: &FaultContext<'_>| (context.number == 50).then(|| rejection.clone());
    let fake = Fake::start(Behavior {
        // Longer than the rejection takes to arrive on a busy machine.
        latency: Duration::from_millis(600),
        fault: Box::new(refused),
        ..Behavior::default()
    });
    let run = look_up(&fake, 120, &["-j", "50", "--timeout", "20s"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.rows_of(120).iter().all(|row| row["status"] == "ok"));
    let rejections = fake.rejections();
    assert_eq!(rejections.len(), 1);
    let during: Vec<_> = fake
        .arrivals()
        .iter()
        .map(|arrival| arrival.at.saturating_duration_since(rejections[0]))
        .filter(|after| *after > Duration::ZERO && *after < Duration::from_secs(1))
        .collect();
    assert!(during.is_empty(), "left while all should wait: {during:?}");
    assert_eq!(fake.requests(), 121);
}

#[test]
fn retry_after_pauses_every_request() {
    assert_one_rejection_pauses_all(Fault::secondary(429, Some(1)));
}

#[test]
fn a_secondary_limit_as_403_pauses_every_request() {
    assert_one_rejection_pauses_all(Fault::secondary(403, Some(1)));
}

#[test]
fn retry_after_is_obeyed_with_any_status() {
    let busy = Fault::Response(
        503,
        vec![("retry-after", "1".into())],
        r#"{"message":"rate limit? no, busy"}"#.into(),
    );
    let fake = Fake::with_faults(move |context| (context.attempt == 1).then(|| busy.clone()));
    let begun = Instant::now();
    let run = Program::for_fake(&fake, &["torvalds", "-F", "ndjson"]).run();
    assert_eq!(run.rows()[0]["public_repos"], 9);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_body_without_end_is_cut_off_with_a_reason() {
    let fake = Fake::with_faults(|_| Some(Fault::Response(200, vec![], "x".repeat(20 << 20))));
    let run = Program::for_fake(&fake, &["torvalds", "-F", "ndjson"]).run();
    assert_eq!(run.rows()[0]["error"], "response too large: more than 16777216 bytes");
    assert_eq!(run.rows()[0]["attempts"], 1);
}

#[test]
fn a_truncated_403_is_retried_and_not_forbidden() {
    // The rest of the body would say that it is a secondary limit.
    let head = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n";
    let truncated = Fault::Raw(Raw::new(format!("{head}{{\"documentation_url\":\"https://docs.git")));
    let fake = Fake::with_faults(move |context| (context.attempt == 1).then(|| truncated.clone()));
    for api in ["rest", "graphql"] {
        let program = Program::for_fake(&fake, &[api, "torvalds", "--api", api, "-F", "ndjson"]);
        let row = program.env("GH_TOKEN", "ghp_sampletoken").run().rows().remove(1);
        assert_eq!((&row["status"], &row["public_repos"]), (&"ok".into(), &9.into()), "{row}");
    }
}

#[test]
fn verbose_output_names_each_decision_and_its_reason() {
    let stderr = |fault: Fault, arguments: &[&str]| {
        let is_first = AtomicBool::new(true);
        let fake = Fake::with_faults(move |context| {
            let is_lookup = context.request.path() != "/user";
            (is_lookup && is_first.swap(false, Ordering::Relaxed)).then(|| fault.clone())
        });
        let arguments = [&["user-1", "user-2", "-j", "1", "-F", "ndjson"], arguments].concat();
        let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sampletoken").run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        run.stderr
    };
    let split = "retrying a query error=HTTP 502 decision=Split first=user-1 size=2";
    let request = "retrying a request error=HTTP 502 decision=BackOff attempt=1 route=/users/user-1";
    let pause = "all requests pause reason=\"GitHub's rate limit\" wait=1s";
    let limited = Fault::secondary(429, Some(1));
    for (fault, api, level, expected) in [
        (Fault::Html(502), "graphql", "-v", split),
        (Fault::Html(502), "graphql", "-vv", "batch size changed size=2 worked=false"),
        (Fault::Html(502), "rest", "-v", request),
        (limited.clone(), "rest", "-v", pause),
        (limited.clone(), "rest", "-vv", "pause ended"),
        (limited, "rest", "-vv", "GET /users/user-1 error="),
    ] {
        let verbose = stderr(fault.clone(), &["--api", api, level]);
        assert!(verbose.contains(expected), "{expected} is not in {verbose}");
        let plain = stderr(fault, &["--api", api]);
        assert!(!plain.contains(expected), "{plain}");
    }
}
