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

/// One stray response of each kind, at a random request in the middle of a long run.
fn stray_responses() -> Vec<Fault> {
    let page = "<html><head><title>Sign in</title></head></html>";
    vec![
        Fault::Response(404, vec![], NOT_FOUND.into()),
        Fault::Response(401, vec![], r#"{"message":"Bad credentials","status":"401"}"#.into()),
        Fault::Html(502),
        Fault::Page(200, page.into()),
        Fault::Page(403, page.into()),
        Fault::Page(404, page.into()),
        Fault::Response(404, vec![], "{}".into()),
        Fault::Truncated,
    ]
}

fn check_stray_responses(api: &str, logins: usize, requests: u64) {
    let seed = fastrand::u64(..);
    let strays = stray_responses();
    let fake = Fake::with_faults(move |context| {
        // A 404 to `GET /users/x` is an answer about x, from GitHub.
        let is_account = context.request.method == "GET";
        let step = requests / (strays.len() as u64 + 1);
        let offset = seed % step;
        let index =
            context.number.checked_sub(step + offset).filter(|after| after.is_multiple_of(step))? / step;
        let stray = strays.get(usize::try_from(index).unwrap()).cloned()?;
        Some(stray).filter(|stray| !(is_account && *stray == Fault::Response(404, vec![], NOT_FOUND.into())))
    });
    let input = users(logins);
    let list = file(&input);
    let run = Program::for_fake(&fake, &["-f", path(&list), "-F", "ndjson", "-q", "--api", api])
        .env("GH_TOKEN", "ghp_sampletoken")
        .run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{api}, seed {seed}");
    for (row, login) in run.rows_of(logins).iter().zip(input.lines()) {
        let account = account(login).unwrap();
        assert_eq!((&row["login"], &row["id"]), (&login.into(), &account.id.into()), "seed {seed}");
        assert_eq!(row["public_repos"], account.public_repos, "seed {seed}: {row}");
    }
    assert!(fake.requests() > requests, "seed {seed}: no fault was met");
}

#[test]
fn stray_responses_cost_no_row_over_graphql() {
    check_stray_responses("graphql", 20_000, 200);
}

#[test]
fn stray_responses_cost_no_row_over_rest() {
    check_stray_responses("rest", 2_000, 2_000);
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
        // A recording of the run has the same account.
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        look_up(&fake, &["torvalds", "--record", folder]);
        let replay = ["torvalds", "-F", "ndjson", "--replay", folder];
        let run = Program::new(&replay).run();
        let replayed = &run.rows_of(1)[0];
        assert_eq!(
            (&replayed["public_repos"], &replayed["api"]),
            (&9.into(), &"rest".into()),
            "{fault:?}: {}",
            run.stderr
        );
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
