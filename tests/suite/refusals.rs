//! Who refused? Each kind of refusal is told from the others: a row, a retry, or the end of the run with its own message.
//!
//! The table prints its rows: `cargo test --test suite refusals -- --nocapture | grep '^|'`.

use crate::fake::{Behavior, Fake, Fault, Query, account};
use crate::program::{Program, Run, file, in_parallel, path, users};

const SIGN_IN: &str = "<!DOCTYPE html><html><head><TITLE>\n Sign in &amp; continue </TITLE></head><body><form></form></body></html>";
const NOT_FOUND: &str =
    r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}"#;

fn json(status: u16, body: &str) -> Fault {
    Fault::Response(status, vec![], body.into())
}

fn page(status: u16) -> Fault {
    Fault::Page(status, SIGN_IN.into())
}

fn redirect(status: u16, location: &str) -> Fault {
    Fault::Response(status, vec![("location", location.into())], String::new())
}

fn look_up(fake: &Fake, logins: usize, arguments: &[&str]) -> Run {
    let input = file(&users(logins));
    let arguments = [&["-f", path(&input), "-F", "ndjson"], arguments].concat();
    Program::for_fake(fake, &arguments).env("GH_TOKEN", "ghp_sampletoken").run()
}

/// The response to every request, and the end of the run.
struct Refusal {
    response: Fault,
    status: i32,
    /// Part of the line on standard error.
    message: &'static str,
    /// Requests beside those in flight together. None: any number.
    max_further_requests: u64,
}

fn refusals() -> Vec<Refusal> {
    let not_github = |response, message| Refusal { response, status: 5, message, max_further_requests: 2 };
    let stop = |response, status, message| Refusal { response, status, message, max_further_requests: 0 };
    vec![
        not_github(
            page(200),
            "did not answer as GitHub: HTTP 200 with the page \"Sign in & continue\" at http://127",
        ),
        not_github(page(401), "HTTP 401 with the page \"Sign in & continue\" at http://127"),
        not_github(page(403), "HTTP 403 with the page \"Sign in & continue\" at http://127"),
        not_github(page(404), "HTTP 404 with the page \"Sign in & continue\" at http://127"),
        not_github(page(407), "HTTP 407 with the page \"Sign in & continue\" at http://127"),
        not_github(Fault::Page(200, "It works!".into()), "HTTP 200 with It works! at http://127"),
        not_github(Fault::Page(403, String::new()), "HTTP 403 without a body at http://127"),
        not_github(json(404, "{}"), "HTTP 404 with {} at http://127"),
        not_github(
            json(404, r#"{"detail":"Not Found"}"#),
            r#"HTTP 404 with {"detail":"Not Found"} at http://127"#,
        ),
        not_github(json(404, r#"{"message":"no Route matched with those values"}"#), "HTTP 404 with "),
        not_github(json(404, r#"{"error":{"code":404}}"#), "HTTP 404 with "),
        not_github(json(404, r#""Not Found""#), "HTTP 404 with "),
        not_github(json(403, r#"{"message":"Forbidden"}"#), r#"HTTP 403 with {"message":"Forbidden"} at "#),
        not_github(json(403, r#"{"message":"Missing Authentication Token"}"#), "HTTP 403 with "),
        not_github(json(403, "{}"), "HTTP 403 with {} at "),
        not_github(json(401, r#"{"detail":"Authentication required"}"#), "HTTP 401 with "),
        not_github(json(200, "{}"), "HTTP 200 with {} at "),
        not_github(json(200, r#"{"detail":"Not Found"}"#), "HTTP 200 with "),
        not_github(json(200, "[]"), "HTTP 200 with [] at "),
        not_github(json(200, ""), "HTTP 200 without a body at "),
        not_github(json(200, "null"), "HTTP 200 with null at "),
        not_github(
            redirect(302, "https://sso.example.com/login?token=secret#top"),
            "HTTP 302 redirects to https://sso.example.com/login; ",
        ),
        not_github(redirect(307, "/login?return_to=x"), "HTTP 307 redirects to http://127"),
        not_github(redirect(302, "login?x=1"), "HTTP 302 redirects to http://127"),
        not_github(redirect(302, ""), "HTTP 302 redirects to http://127"),
        not_github(redirect(301, "/users/login"), "HTTP 301 redirects to http://127"),
        not_github(redirect(308, "/user/1"), "HTTP 308 redirects to http://127"),
        not_github(
            Fault::Response(403, vec![("retry-after", "3600".into())], SIGN_IN.into()),
            "HTTP 403 with the page \"Sign in & continue\" at http://127",
        ),
        not_github(
            Fault::Response(429, vec![("retry-after", "3600".into())], SIGN_IN.into()),
            "HTTP 429 with the page \"Sign in & continue\" at http://127",
        ),
        not_github(page(413), "HTTP 413 with the page \"Sign in & continue\" at http://127"),
        not_github(Fault::Page(418, "I'm a teapot".into()), "HTTP 418 with I'm a teapot at http://127"),
        not_github(
            redirect(303, "//sso.example.com:8443/a"),
            "HTTP 303 redirects to http://sso.example.com:8443/a; ",
        ),
        stop(
            json(
                403,
                r#"{"message":"Sorry. Your account was suspended.","documentation_url":"https://docs.github.com"}"#,
            ),
            4,
            "GitHub refuses the account of the token from GH_TOKEN: Sorry. Your account was suspended; only ",
        ),
        stop(
            json(403, r#"{"message":"Your account has been flagged."}"#),
            4,
            "Your account has been flagged; only GitHub Support",
        ),
        stop(json(403, r#"{"message":"Sorry. Your account was locked."}"#), 4, "account was locked; only "),
        stop(
            json(403, r#"{"message":"Your account has been locked due to a Terms of Service violation"}"#),
            4,
            "Terms of Service violation; only ",
        ),
        stop(
            json(403, r#"{"message":"Your account is locked because of a billing issue"}"#),
            4,
            "a billing issue; only ",
        ),
        stop(json(403, r#"{"message":"Your account has been blocked"}"#), 4, "has been blocked; only "),
        stop(
            json(403, r#"{"message":"You must verify your email address"}"#),
            4,
            "You must verify your email address; verify the email address in the account's settings",
        ),
        stop(
            json(403, r#"{"message":"At least one email address must be verified to do that"}"#),
            4,
            "must be verified to do that; verify ",
        ),
        stop(
            json(401, r#"{"message":"Your account was suspended"}"#),
            4,
            "GitHub refuses the account of the token from GH_TOKEN: Your account was suspended; only ",
        ),
        stop(json(403, r#"{"message":"This installation has been suspended"}"#), 4, "has been suspended"),
        stop(json(200, r#"{"message":"Sorry. Your account was suspended."}"#), 4, "account was suspended"),
        stop(
            json(403, r#"{"message":"Maximum number of login attempts exceeded. Please try again later."}"#),
            4,
            "GitHub refused the token from GH_TOKEN: Maximum number",
        ),
        stop(json(401, r#"{"message":"Bad credentials"}"#), 4, "GitHub refused the token from GH_TOKEN: Bad"),
        stop(
            json(410, r#"{"message":"API version retired","documentation_url":"https://docs.github.com"}"#),
            5,
            "has retired version 2022-11-28 of its API: API version retired; install a newer ghrepos",
        ),
        stop(
            json(400, r#"{"message":"This API version is not supported.","status":"400"}"#),
            5,
            "has retired version 2022-11-28 of its API: This API version is not supported; install a newer ghrepos",
        ),
    ]
}

/// Looks up twice as many logins as there are jobs.
fn check_refusal(refusal: &Refusal, api: &str, jobs: u64) -> Result<(), String> {
    let response = refusal.response.clone();
    let fake = Fake::start(Behavior {
        fault: Box::new(move |_| Some(response.clone())),
        latency: std::time::Duration::from_millis(20),
        ..Behavior::default()
    });
    let run = look_up(&fake, 2 * jobs as usize, &["--api", api, "-j", &jobs.to_string()]);
    let counted =
        run.rows().into_iter().filter(|row| !matches!(row["status"].as_str(), Some("skipped" | "failed")));
    let max_requests = jobs + refusal.max_further_requests;
    println!(
        "| {:?} | {api} | {jobs} | {} | {} | {} |",
        refusal.response,
        run.status,
        fake.requests(),
        run.stderr.trim()
    );
    let is_as_expected = run.status == refusal.status
        && run.stderr.lines().count() == 1
        && run.stderr.contains(refusal.message)
        && !run.stderr.contains("secret")
        && counted.count() == 0
        && fake.requests() <= max_requests;
    let Run { status, stdout, stderr } = &run;
    is_as_expected.then_some(()).ok_or_else(|| {
        format!(
            "{:?}, {api}, -j {jobs}: {status}, {} requests, {stderr}{stdout}",
            refusal.response,
            fake.requests()
        )
    })
}

#[test]
fn each_refusal_of_everything_ends_the_run_by_its_name() {
    let refusals = refusals();
    let mut cases = vec![(&refusals[0], "rest", 50), (&refusals[0], "rest", 1)];
    for refusal in &refusals {
        cases.push((refusal, "rest", 10));
        // GitHub's response to a query that takes too long, and that of a proxy to one that is too long.
        if refusal.response != json(200, "") && refusal.response != page(413) {
            cases.push((refusal, "graphql", 10));
        }
    }
    let failures: Vec<_> = in_parallel(cases, |(refusal, api, jobs)| check_refusal(refusal, api, jobs).err())
        .into_iter()
        .flatten()
        .collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// Looks up one login beside others, with a response that only this login gets.
#[test]
fn a_refusal_of_one_login_is_its_row() {
    let legal = json(451, r#"{"message":"Repository access blocked","block":{"reason":"dmca"}}"#);
    let saml = r#"{"message":"Resource protected by organization SAML enforcement."}"#;
    let cases: [(&str, Fault, &str, &str, u64); 8] = [
        ("missing", json(404, NOT_FOUND), "not_found", "no such user or organization", 1),
        ("saml", json(403, saml), "forbidden", "access forbidden: Resource protected by", 1),
        (
            "legal",
            legal,
            "forbidden",
            "access forbidden: unavailable for legal reasons: Repository access blocked",
            1,
        ),
        ("waf", page(403), "failed", "not a response from GitHub: HTTP 403 with the page", 5),
        ("empty", json(200, "{}"), "failed", "unexpected response: missing account fields, 5 times", 5),
        (
            "away",
            redirect(301, "https://example.com/user/2"),
            "failed",
            "redirects to https://example.com/user/2",
            5,
        ),
        ("no-account", redirect(301, "/search/user-2"), "failed", "HTTP 301 redirects to http://127", 5),
        ("circle", redirect(301, "/users/circle"), "failed", "HTTP 301 redirects to http://127", 5),
    ];
    for (login, response, status, error, attempts) in cases {
        let fake = Fake::with_faults(move |context| (context.login == login).then(|| response.clone()));
        let run = Program::for_fake(&fake, &["user-1", login, "user-2", "-F", "ndjson"]).run();
        assert_eq!(run.status, 1, "{login}: {}", run.stderr);
        let row = &run.rows_of(3)[1];
        assert_eq!((&row["status"], &row["attempts"]), (&status.into(), &attempts.into()), "{row}");
        assert!(row["error"].as_str().unwrap().contains(error), "{row}");
    }
}

#[test]
fn few_failures_are_enough_to_name_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("counts.json");
    for response in [page(200), page(403), json(404, "{}"), redirect(302, "https://sso.example.com/login")] {
        for (logins, api) in
            [(&["octocat"][..], "rest"), (&["octocat", "x1"], "rest"), (&["octocat"], "graphql")]
        {
            std::fs::write(&report, "an earlier report").unwrap();
            let answer = response.clone();
            let fake = Fake::with_faults(move |_| Some(answer.clone()));
            let output = ["--retries", "0", "--api", api, "-o", report.to_str().unwrap()];
            let run = Program::for_fake(&fake, &[logins, &output].concat())
                .env("GH_TOKEN", "ghp_sampletoken")
                .run();
            assert_eq!(run.status, 5, "{response:?}: {}", run.stderr);
            assert!(run.stderr.contains("did not answer as GitHub: HTTP "), "{response:?}: {}", run.stderr);
            assert_eq!(std::fs::read_to_string(&report).unwrap(), "an earlier report");
        }
    }
}

#[test]
fn a_query_that_is_too_large_for_a_proxy_is_split() {
    let fake = Fake::with_faults(|context| {
        (context.request.method == "POST" && context.request.body.len() > 2000).then(|| page(413))
    });
    let run = look_up(&fake, 100, &["--api", "graphql"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.rows_of(100).iter().all(|row| row["status"] == "ok"), "{}", run.stdout);
    let refused = Fake::with_faults(|_| Some(page(413)));
    let run = look_up(&refused, 100, &["--api", "graphql"]);
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(run.stderr.contains("did not answer as GitHub: HTTP 413 with the page"), "{}", run.stderr);
}

#[test]
fn a_maintenance_page_is_named_at_the_end_of_a_run() {
    let page = "<html><title>Down for maintenance</title></html>";
    let fake = Fake::with_faults(move |_| Some(Fault::Page(503, page.into())));
    let run = Program::for_fake(&fake, &["--members", "acme-3", "--retries", "1"]).run();
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(run.stderr.contains("HTTP 503: the page \"Down for maintenance\""), "{}", run.stderr);
}

#[test]
fn a_forbidden_list_does_not_deny_its_account() {
    let fake = Fake::with_faults(|context| {
        let body = r#"{"message":"Resource not accessible by integration","status":"403"}"#;
        context.request.path().ends_with("/repos").then(|| json(403, body))
    });
    let run = Program::for_fake(&fake, &["torvalds", "--breakdown", "--retries", "1", "-F", "ndjson"]).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let row = &run.rows_of(1)[0];
    assert_eq!(row["status"], "failed", "{row}");
    assert!(
        row["error"].as_str().unwrap().contains("a list of an existing account: access forbidden"),
        "{row}"
    );
}

#[test]
fn moved_accounts_at_the_start_of_a_list_are_counted() {
    let fake = Fake::with_faults(|context| {
        let (_, name) = context.request.path().split_once("/users/old-")?;
        Some(redirect(301, &format!("/users/{name}")))
    });
    let input = file(&users(30).lines().map(|login| format!("old-{login}\n")).collect::<String>());
    let run = Program::for_fake(&fake, &["-f", path(&input), "-F", "ndjson"]).run();
    assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(fake.requests(), 60);
}

#[test]
fn a_moved_account_is_counted_under_its_new_login() {
    for (location, login) in [
        ("/user/1024025", "torvalds"),
        ("HOST/user/1024025", "torvalds"),
        ("/users/torvalds", "torvalds"),
        ("/users/new_corp", "new_corp"),
    ] {
        let fake = Fake::with_faults(move |context| {
            let host = format!("http://{}", context.request.all("host")[0]);
            match context.request.path() {
                "/users/old-name" => Some(redirect(301, &location.replace("HOST", &host))),
                "/user/1024025" => {
                    Some(json(200, r#"{"login":"torvalds","id":1024025,"type":"User","public_repos":9}"#))
                }
                _ => None,
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display().to_string();
        let arguments = ["old-name", "user-1", "-F", "ndjson"];
        let run = Program::for_fake(&fake, &arguments).argument("--record").argument(&folder).run();
        assert_eq!(run.status, 0, "{}{}", run.stdout, run.stderr);
        let replay = Program::for_fake(&fake, &arguments).argument("--replay").argument(&folder).run();
        assert_eq!((replay.status, &replay.rows()[0]["login"]), (0, &login.into()), "{}", replay.stdout);
        let row = &run.rows_of(2)[0];
        let count = account(login).unwrap().public_repos;
        assert_eq!((&row["login"], &row["public_repos"]), (&login.into(), &count.into()), "{row}");
        assert!(row["id"].is_number() && row["attempts"] == 2, "{row}");
        assert_eq!(fake.requests(), 3);
    }
}

/// After a hundred good responses each of these is sent once.
fn check_strays(api: &str, logins: usize, batch: &str) {
    let mut strays = vec![
        page(200),
        page(403),
        page(404),
        json(404, "{}"),
        json(403, r#"{"message":"Forbidden"}"#),
        json(401, r#"{"message":"Bad credentials"}"#),
        Fault::Html(502),
        Fault::Truncated,
        redirect(302, "https://sso.example.com/login"),
        json(200, "{}"),
    ];
    // A 404 of GitHub is about the account in the REST API, and about the route in the other.
    strays.extend((api == "graphql").then(|| json(404, NOT_FOUND)));
    let fake = Fake::with_faults(move |context| {
        let index = context.number.checked_sub(100).filter(|after| after % 30 == 0)? / 30;
        strays.get(usize::try_from(index).unwrap()).cloned()
    });
    let run = look_up(&fake, logins, &["--api", api, "--batch", batch, "--retries", "9"]);
    assert_eq!(run.status, 0, "{api}: {}", run.stderr);
    for (row, login) in run.rows_of(logins).iter().zip(users(logins).lines()) {
        assert_eq!(row["public_repos"], account(login).unwrap().public_repos, "{api}: {row}");
    }
    assert!((420..700).contains(&fake.requests()), "{api}: {}", fake.requests());
}

#[test]
fn a_stray_refusal_by_rest_costs_no_row() {
    check_strays("rest", 600, "1");
}

#[test]
fn a_stray_refusal_by_graphql_costs_no_row() {
    check_strays("graphql", 2100, "5");
}

#[test]
fn a_host_that_stops_being_github_ends_the_run() {
    for (response, status) in [(page(200), 5), (json(401, r#"{"message":"Bad credentials"}"#), 4)] {
        let fake = Fake::with_faults(move |context| (context.number > 100).then(|| response.clone()));
        let run = look_up(&fake, 500, &["--api", "rest"]);
        assert_eq!(run.status, status, "{}", run.stderr);
        assert_eq!(run.rows().iter().filter(|row| row["status"] == "ok").count(), 100);
        assert!(fake.requests() <= 100 + 20, "{}", fake.requests());
    }
}

#[test]
fn an_app_is_told_who_refused() {
    let key = file(crate::apps::private_key());
    let suspended = json(403, r#"{"message":"This installation has been suspended","status":"403"}"#);
    for (response, status, message, max_requests) in [
        (page(200), 5, "did not answer as GitHub: HTTP 200 with the page \"Sign in & continue\" at ", 3),
        (page(403), 5, "did not answer as GitHub: HTTP 403 with the page \"Sign in & continue\" at ", 3),
        (suspended, 4, "GitHub refuses the app or its installation: This installation has been suspended", 1),
    ] {
        let app = crate::fake::App::new(|_| true);
        let fake = Fake::start(Behavior {
            app: Some(app),
            fault: Box::new(move |_| Some(response.clone())),
            ..Behavior::default()
        });
        let arguments = ["user-1", "--app-id", "12", "--app-key", path(&key), "--installation", "7"];
        let run = Program::for_fake(&fake, &arguments).run();
        assert_eq!(run.status, status, "{}", run.stderr);
        assert!(run.stderr.contains(message) && fake.requests() <= max_requests, "{}", run.stderr);
    }
}

#[test]
fn members_of_another_server_are_not_an_organization() {
    for response in [page(404), json(404, "{}"), json(404, r#"{"detail":"Not Found"}"#), json(200, "{}")] {
        for retries in ["0", "4"] {
            let answer = response.clone();
            let fake = Fake::with_faults(move |_| Some(answer.clone()));
            let run = Program::for_fake(&fake, &["--members", "acme-3", "--retries", retries])
                .env("GH_TOKEN", "ghp_sampletoken")
                .run();
            assert_eq!(run.status, 5, "{}", run.stderr);
            assert!(run.stderr.contains("did not answer as GitHub: HTTP "), "{}", run.stderr);
            assert!(run.stderr.contains(" at http://127"), "{}", run.stderr);
            assert!(!run.stderr.contains("organization"), "{}", run.stderr);
            assert!(fake.requests() <= 12);
        }
    }
}

#[test]
fn a_host_without_answers_is_not_a_missing_organization() {
    for (fault, message) in [
        (Fault::Hangup, "cannot reach http://127"),
        (Fault::Html(503), "HTTP 503"),
        (Fault::Response(503, vec![("retry-after", "0".into())], String::new()), "HTTP 503"),
    ] {
        let answer = fault.clone();
        let fake = Fake::with_faults(move |_| Some(answer.clone()));
        for arguments in [&["--members", "acme-3"][..], &["--team", "acme-3/core"]] {
            let run = Program::for_fake(&fake, &[arguments, &["--retries", "1"]].concat())
                .env("GH_TOKEN", "ghp_sampletoken")
                .run();
            assert_eq!(run.status, 5, "{fault:?}: {}", run.stderr);
            assert!(run.stderr.contains(message) && run.stderr.lines().count() == 1, "{}", run.stderr);
        }
    }
    let missing = Fake::with_faults(|_| Some(json(404, NOT_FOUND)));
    let run = Program::for_fake(&missing, &["--members", "acme-3"]).run();
    assert_eq!(run.status, 2, "{}", run.stderr);
}

#[test]
fn a_query_that_the_server_does_not_know_is_sent_once() {
    let error = |code: &str, message: &str| {
        let path = r#"["query Accounts","a0","repositories","ownerAffiliations"]"#;
        format!(r#"{{"errors":[{{"path":{path},"extensions":{{"code":"{code}"}},"message":"{message}"}}]}}"#)
    };
    let unknown = "Field 'repositoryOwner' doesn't exist on type 'Query'";
    for body in [
        error("undefinedField", unknown),
        error("argumentNotAccepted", unknown),
        error("", unknown),
        format!(r#"{{"data":null,"errors":[{{"message":"{unknown}"}}]}}"#),
        format!(r#"{{"errors":[{{"message":"{unknown}"}}]}}"#),
    ] {
        let fake = Fake::with_faults(move |_| Some(json(200, &body)));
        let run = look_up(&fake, 300, &["--api", "graphql"]);
        assert_eq!(run.status, 5, "{}", run.stderr);
        let message = format!("is too old: {unknown}; use --api rest; ");
        assert!(run.stderr.contains(&message) && run.stderr.lines().count() == 1, "{}", run.stderr);
        assert!(run.rows_of(300).iter().all(|row| row["status"] == "skipped" || row["status"] == "failed"));
        assert!(fake.requests() <= 10, "{}", fake.requests());
    }
}

#[test]
fn retry_after_in_a_200_is_waited_for() {
    let limit = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    for body in [
        format!(r#"{{"errors":[{{"message":"{limit}"}}]}}"#),
        format!(r#"{{"data":null,"errors":[{{"type":"RATE_LIMITED","message":"{limit}"}}]}}"#),
        format!(r#"{{"message":"{limit}","documentation_url":"https://docs.github.com"}}"#),
    ] {
        for api in ["rest", "graphql"] {
            if api == "rest" && body.contains("errors") {
                continue;
            }
            let response = Fault::Response(200, vec![("retry-after", "2".into())], body.clone());
            let fake = Fake::with_faults(move |context| (context.number == 1).then(|| response.clone()));
            let begun = std::time::Instant::now();
            let run = look_up(&fake, 1, &["--api", api, "-j", "1"]);
            assert_eq!((run.status, fake.requests()), (0, 2), "{api} {body}: {}", run.stderr);
            assert!(begun.elapsed().as_millis() >= 1900, "{api} {body}");
        }
    }
}

#[test]
fn an_old_server_is_asked_over_rest_where_that_can_answer() {
    let unknown = "Field 'isArchived' doesn't accept argument 'isArchived'";
    for (arguments, status, queries) in [
        (&["--breakdown"][..], 0, 10),
        (&["--verify", "10"], 0, 10),
        (&["--private"], 5, 10),
        (&["--breakdown", "-j", "50"], 0, 50),
    ] {
        let body = format!(
            r#"{{"errors":[{{"message":"{unknown}","extensions":{{"code":"argumentNotAccepted"}}}}]}}"#
        );
        let fake =
            Fake::with_faults(move |context| (context.request.method == "POST").then(|| json(200, &body)));
        let run = look_up(&fake, 100, arguments);
        assert_eq!(run.status, status, "{arguments:?}: {}", run.stderr);
        assert!(fake.queries().len() <= queries, "{arguments:?}: {}", fake.queries().len());
        let said = format!("the GraphQL API of {} is too old: {unknown}; ", fake.url());
        let way_out = if status == 0 {
            "looked up over REST\n"
        } else {
            "without --private it can be asked with --api rest; "
        };
        assert!(run.stderr.contains(&(said + way_out)), "{arguments:?}: {}", run.stderr);
        for (row, login) in run.rows_of(100).iter().zip(users(100).lines()) {
            let account = account(login).unwrap();
            match status {
                0 => assert_eq!(row["public_repos"], account.public_repos, "{row}"),
                _ => assert!(row["public_repos"].is_null(), "{row}"),
            }
        }
    }
}

#[test]
fn a_suspension_in_the_errors_of_a_query_ends_the_run() {
    let message = "Sorry. Your account was suspended.";
    for errors in [
        format!(r#""errors":[{{"message":"{message}"}}]"#),
        format!(r#""data":null,"errors":[{{"type":"FORBIDDEN","message":"{message}"}}]"#),
        format!(
            r#""data":{{"a0":null}},"errors":[{{"type":"FORBIDDEN","path":["a0"],"message":"{message}"}}]"#
        ),
    ] {
        let fake = Fake::with_faults(move |_| Some(json(200, &format!("{{{errors}}}"))));
        let run = look_up(&fake, 300, &["--api", "graphql"]);
        assert_eq!(run.status, 4, "{}", run.stderr);
        assert!(
            run.stderr.contains("Sorry. Your account was suspended; ") && run.stderr.lines().count() == 1,
            "{}",
            run.stderr
        );
        assert!(run.rows_of(300).iter().all(|row| row["status"] == "skipped"));
        assert!(fake.requests() <= 10, "{}", fake.requests());
    }
}

/// Refuses the queries that ask for `user-7` with this response.
fn refuse_user_7(response: Fault) -> Fake {
    Fake::with_faults(move |context| {
        let logins = Query::parse(context.request).map(|query| query.summary().logins).unwrap_or_default();
        logins.iter().any(|login| login == "user-7").then(|| response.clone())
    })
}

#[test]
fn a_query_refused_because_of_one_login_costs_one_row() {
    let saml = r#"{"message":"Resource protected by organization SAML enforcement."}"#;
    let sso = vec![("x-github-sso", "required; url=https://github.com/orgs/a/sso".to_owned())];
    let legal = json(451, r#"{"message":"Repository access blocked"}"#);
    let responses = [
        (Fault::Response(403, sso, saml.into()), "forbidden"),
        (json(403, r#"{"message":"Resource not accessible by integration"}"#), "forbidden"),
        (legal, "forbidden"),
        (page(403), "failed"),
        (json(404, NOT_FOUND), "failed"),
    ];
    std::thread::scope(|scope| {
        for (response, status) in &responses {
            for (api, jobs) in [("auto", "1"), ("auto", "10"), ("graphql", "10")] {
                scope.spawn(move || {
                    let fake = refuse_user_7(response.clone());
                    let run = look_up(&fake, 100, &["--api", api, "-j", jobs, "--retries", "1"]);
                    let context = format!("{response:?} {api} -j {jobs}: {}", run.stderr);
                    assert_eq!(run.status, i32::from(api == "graphql"), "{context}");
                    for (index, row) in run.rows_of(100).iter().enumerate() {
                        let (status, api) = match (index, api) {
                            (6, "auto") => ("ok", "rest"),
                            (6, _) => (*status, "graphql"),
                            _ => ("ok", "graphql"),
                        };
                        assert_eq!(row["status"], status, "{context}: {row}");
                        assert!(row["api"] == api || status == "failed", "{context}: {row}");
                    }
                    assert!(fake.requests() <= 25, "{context}: {} requests", fake.requests());
                });
            }
        }
    });
}

#[test]
fn a_stray_refusal_of_a_query_costs_no_row() {
    for status in [403, 451] {
        for number in [1, 3] {
            let stray =
                json(status, r#"{"message":"Resource not accessible by integration","status":"403"}"#);
            let stray = if status == 451 { json(451, r#"{"message":"Blocked"}"#) } else { stray };
            let fake = Fake::with_faults(move |context| (context.number == number).then(|| stray.clone()));
            let run = look_up(&fake, 500, &["--api", "graphql", "--batch", "100"]);
            assert_eq!((run.status, fake.requests()), (0, 7), "{status}: {}", run.stderr);
        }
    }
}

#[test]
fn a_token_without_access_to_queries_costs_few_requests() {
    let refusal = json(403, r#"{"message":"Resource not accessible by personal access token"}"#);
    // Full queries of a hundred logins each: twice as many as may be sent.
    for (api, jobs, logins, max_requests) in
        [("auto", 10, 3000, 15), ("graphql", 10, 3000, 15), ("auto", 1, 3000, 12), ("auto", 50, 12_000, 60)]
    {
        let response = refusal.clone();
        let fake = Fake::with_faults(move |_| Some(response.clone()));
        let run = look_up(&fake, logins, &["--api", api, "-j", &jobs.to_string()]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(run.rows_of(logins).iter().all(|row| row["status"] == "forbidden"));
        assert!(fake.requests() <= max_requests, "{api} -j {jobs}: {} requests", fake.requests());
    }
}

/// Responses with 200 that have nothing of a GraphQL response of GitHub.
fn odd_query_responses() -> [Fault; 5] {
    [
        r#"{"errors":[{"message":"Unauthorized","extensions":{"code":"UNAUTHENTICATED"}}]}"#,
        "",
        r#"{"data":{}}"#,
        r#"{"errors":[{"message":"Parse error on \"query\" (IDENTIFIER) at [1, 1]"}]}"#,
        "{}",
    ]
    .map(|body| json(200, body))
}

#[test]
fn queries_answered_by_another_server_end_the_run() {
    for response in odd_query_responses() {
        // A few of the first queries may still be in flight at the verdict.
        for (jobs, max_requests) in [(1, 12), (10, 15), (50, 60)] {
            let response = response.clone();
            let fake = Fake::with_faults(move |_| Some(response.clone()));
            let run = look_up(&fake, 500, &["--api", "graphql", "-j", &jobs.to_string()]);
            assert_eq!((run.status, run.stderr.lines().count()), (5, 1), "{}", run.stderr);
            assert!(run.stderr.contains("did not answer as GitHub: HTTP 200 with"), "{}", run.stderr);
            assert!(fake.requests() <= max_requests, "-j {jobs}: {} requests", fake.requests());
        }
    }
}

#[test]
fn rest_is_asked_where_only_queries_are_not_answered() {
    let missing = json(404, NOT_FOUND);
    for response in odd_query_responses().into_iter().chain([missing.clone()]) {
        for jobs in ["1", "10"] {
            let sent = response.clone();
            let fake =
                Fake::with_faults(move |context| (context.request.method == "POST").then(|| sent.clone()));
            let run = look_up(&fake, 100, &["-j", jobs]);
            assert_eq!((run.status, run.stderr.lines().count()), (0, 2), "{response:?}: {}", run.stderr);
            let reason = if response == missing {
                "is missing: HTTP 404"
            } else {
                "does not answer as GitHub: HTTP 200"
            };
            let note = format!("the GraphQL API of {} {reason} with", fake.url());
            assert!(run.stderr.contains(&note), "{}", run.stderr);
            assert!(run.stderr.contains("/graphql; looked up over REST\n"), "{}", run.stderr);
            assert!(run.rows_of(100).iter().all(|row| row["status"] == "ok" && row["api"] == "rest"));
            assert!(fake.queries().len() <= 15, "{}", fake.queries().len());
        }
    }
}
