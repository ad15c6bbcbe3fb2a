//! Responses that contradict each other: a failure of one API or list does not deny an account that another one knows.

use serde_json::Value;

use crate::fake::{AliasFault, Behavior, Fake, Fault, VIEWER, account};
use crate::program::{Program, Run, file, path, users};

const NOT_FOUND: &str = r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest"}"#;

fn look_up(fake: &Fake, arguments: &[&str]) -> Run {
    let arguments = [&["-F", "ndjson", "--retries", "1"], arguments].concat();
    Program::for_fake(fake, &arguments).env("GH_TOKEN", "ghp_sampletoken").run()
}

#[test]
fn a_login_that_fails_alone_in_graphql_is_asked_over_rest() {
    for fault in [AliasFault::ResourceLimits, AliasFault::Wrong, AliasFault::Unscoped] {
        let poison = fault.clone();
        let alias = move |login: &str, _| matches!(login, "user-7" | VIEWER).then(|| poison.clone());
        let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
        let list = file(&(users(20) + VIEWER));
        let run = look_up(&fake, &["-f", path(&list), "--private", "--verify", "100"]);
        assert_eq!(run.status, 0, "{fault:?}: {}", run.stderr);
        for row in run.rows_of(21) {
            let login = row["login"].as_str().unwrap();
            let is_poisoned = matches!(login, "user-7" | VIEWER);
            assert_eq!(row["public_repos"], account(login).unwrap().public_repos);
            assert_eq!(row["api"], if is_poisoned { "rest" } else { "graphql" }, "{row}");
            assert_eq!(row["verified"], if is_poisoned { Value::Null } else { true.into() }, "{row}");
            assert_eq!(row["private_repos"], Value::Null, "{row}");
        }
        let graphql = look_up(&fake, &["-f", path(&list), "--api", "graphql"]);
        assert_eq!(graphql.status, 1);
        assert_eq!(graphql.rows_of(21)[6]["status"], "failed", "{fault:?}");
    }
}

#[test]
fn every_failure_of_a_single_query_is_asked_over_rest() {
    let faults = [
        Fault::Html(502),
        Fault::Truncated,
        Fault::BrokenJson,
        Fault::Hangup,
        Fault::Response(200, vec![], r#"{"data":null,"errors":[{"message":"odd"}]}"#.into()),
    ];
    for fault in faults {
        let met = fault.clone();
        let fake = Fake::with_faults(move |context| (context.request.method == "POST").then(|| met.clone()));
        let run = look_up(&fake, &["torvalds"]);
        let row = &run.rows_of(1)[0];
        assert_eq!((&row["public_repos"], &row["api"]), (&9.into(), &"rest".into()), "{fault:?}: {row}");
        assert_eq!(row["attempts"], 3, "{fault:?}");
    }
}

#[test]
fn the_reason_of_graphql_stays_if_rest_fails_too() {
    let alias = |login: &str, _| login.starts_with("user").then_some(AliasFault::ResourceLimits);
    let fault = |context: &crate::fake::FaultContext<'_>| match context.login {
        "user-1" => Some(Fault::Html(502)),
        "user-2" => Some(Fault::Response(404, vec![], NOT_FOUND.into())),
        "user-3" => {
            let body =
                r#"{"message":"Repository access blocked","documentation_url":"https://docs.github.com"}"#;
            Some(Fault::Response(403, vec![], body.into()))
        }
        _ => None,
    };
    let fake =
        Fake::start(Behavior { alias: Box::new(alias), fault: Box::new(fault), ..Behavior::default() });
    let rows = look_up(&fake, &["user-1", "user-2", "user-3"]).rows_of(3);
    let outcome = |row: &Value| format!("{} {} {}", row["status"], row["api"], row["error"]);
    let limits = "incomplete response: Resource limits for this query exceeded., 2 times";
    assert_eq!(outcome(&rows[0]), format!(r#""failed" null "{limits}""#));
    assert_eq!(outcome(&rows[1]), r#""not_found" "rest" "no such user or organization""#);
    assert_eq!(outcome(&rows[2]), r#""forbidden" "rest" "access forbidden: Repository access blocked""#);
}

#[test]
fn a_404_of_the_repositories_does_not_deny_the_account() {
    for times in [1, u32::MAX] {
        let fake = Fake::with_faults(move |context| {
            let is_list = context.request.path().ends_with("/repos");
            // The first lookup is that of the account.
            let is_hit = is_list && context.attempt <= times.saturating_add(1);
            is_hit.then(|| Fault::Response(404, vec![], NOT_FOUND.into()))
        });
        let run = look_up(&fake, &["torvalds", "--api", "rest", "--breakdown"]);
        let row = &run.rows_of(1)[0];
        if times == 1 {
            assert_eq!((&row["status"], &row["forks"]), (&"ok".into(), &3.into()), "{row}");
        } else {
            assert_eq!(row["status"], "failed");
            assert_eq!(
                row["error"],
                "incomplete response: HTTP 404 for a list of an existing account, 2 times"
            );
        }
    }
}

#[test]
fn a_404_of_a_second_page_does_not_deny_the_organization() {
    for (times, is_temporary) in [(1, true), (u64::MAX, false)] {
        let fake = Fake::with_faults(move |context| {
            let is_second = context.request.parameter("page") == Some("2");
            (is_second && context.number <= times.saturating_add(1))
                .then(|| Fault::Response(404, vec![], NOT_FOUND.into()))
        });
        let run = look_up(&fake, &["--members", "acme-150"]);
        assert!(!run.stderr.contains("no such organization"), "{}", run.stderr);
        assert!(!run.stderr.contains("not found"), "{}", run.stderr);
        if is_temporary {
            assert_eq!((run.status, run.rows().len()), (0, 150), "{}", run.stderr);
        } else {
            assert_ne!(run.status, 0);
            let reason = "incomplete response: HTTP 404 for a list of an existing account";
            assert!(run.stderr.contains(reason), "{}", run.stderr);
        }
    }
}
