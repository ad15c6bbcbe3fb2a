//! A hundred logins a query: each has its own outcome, whatever becomes of the others.

use std::collections::HashSet;
use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fake::{AliasFault, Behaviour, Fake, Fault, Primary, account};
use crate::program::{Program, Run, file, path, users};

const TOKEN: &str = "ghp_sampletoken";

fn ask(fake: &Fake, roster: &str, arguments: &[&str]) -> Run {
    let roster = file(roster);
    let arguments = [&["-f", path(&roster), "-F", "ndjson"], arguments].concat();
    Program::asking(fake, &arguments).env("GH_TOKEN", TOKEN).run()
}

fn assert_right(row: &Value, login: &str) {
    match account(login) {
        Some(account) => {
            assert_eq!(row["login"], account.login);
            assert_eq!(
                (&row["status"], &row["public_repos"]),
                (&"ok".into(), &account.public_repos.into()),
                "{row}"
            );
            assert_eq!(row["id"], account.id);
        }
        None => {
            assert_eq!((&row["login"], &row["status"]), (&login.into(), &"not_found".into()), "{row}");
            assert!(row["public_repos"].is_null());
        }
    }
}

fn assert_all_right(run: &Run, roster: &str) {
    let logins: Vec<_> = roster.lines().collect();
    for (row, login) in run.rows_of(logins.len()).iter().zip(logins) {
        assert_right(row, login);
    }
}

/// Twenty thousand logins: every hundredth does not exist, and one in a hundred is refused.
fn twenty_thousand() -> (Fake, Vec<String>, Run) {
    let alias = |login: &str, _| login.ends_with("77").then_some(AliasFault::Forbidden);
    let fake = Fake::start(Behaviour { alias: Box::new(alias), ..Behaviour::default() });
    let login = |number: usize| {
        if number.is_multiple_of(100) { format!("missing-{number}") } else { format!("user-{number}") }
    };
    let logins: Vec<_> = (1..=20_000).map(login).collect();
    let run = ask(&fake, &(logins.join("\n") + "\nnot/a/login\n"), &[]);
    (fake, logins, run)
}

#[test]
fn each_of_twenty_thousand_logins_has_its_own_row() {
    let (fake, logins, run) = twenty_thousand();
    assert_eq!(run.status, 1);
    let rows = run.rows_of(20_001);
    for (row, login) in rows.iter().zip(&logins) {
        if login.ends_with("77") {
            assert_eq!((&row["login"], &row["status"]), (&login.as_str().into(), &"forbidden".into()));
        } else {
            assert_right(row, login);
        }
        assert_eq!((&row["via"], &row["attempts"]), (&"graphql".into(), &1.into()));
    }
    assert_eq!(rows[20_000]["status"], "invalid");
    assert!(fake.peak() <= 10);
}

#[test]
fn twenty_thousand_logins_are_two_hundred_queries_and_points() {
    // A list of which nothing is read for a while is taken for a slow one, and not waited for: on a machine
    // that stutters there may be one more.
    let (fake, _, run) = twenty_thousand();
    let (requests, points) = (fake.requests(), fake.points());
    assert!((200..=202).contains(&points) && requests == points, "{requests} requests, {points} points");
    let told = format!("{requests} requests for {points} points in ");
    assert!(run.stderr.contains(&told), "{}", run.stderr);
}

#[test]
fn a_reader_who_is_slow_costs_no_point_more() {
    let fake = Fake::well_behaved();
    let roster = file(&users(20_000));
    let program = Program::asking(&fake, &["-f", path(&roster), "-F", "ndjson"]);
    let mut run = program.env("GH_TOKEN", TOKEN).spawn();
    let mut output = run.stdout.take().unwrap();
    let (mut part, mut rows) = (vec![0; 64 << 10], 0);
    loop {
        let length = output.read(&mut part).unwrap();
        if length == 0 {
            break;
        }
        rows += part[..length].iter().filter(|byte| **byte == b'\n').count();
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(run.wait().unwrap().success());
    assert_eq!(rows, 20_000);
    assert!((200..=202).contains(&fake.points()), "{} points", fake.points());
}

#[test]
fn the_breakdown_stays_within_three_points_a_hundred_logins() {
    let fake = Fake::well_behaved();
    let run = ask(&fake, &users(2000), &["--breakdown"]);
    assert_eq!(run.status, 0);
    for (row, login) in run.rows_of(2000).iter().zip(users(2000).lines()) {
        assert_right(row, login);
        let account = account(login).unwrap();
        assert_eq!(row["forks"], account.forks());
        assert_eq!(row["archived"], account.archived());
        assert_eq!(row["sources"], account.public_repos - account.forks());
    }
    assert!(fake.points() <= 60, "{}", fake.points());
    assert!(fake.queries().iter().all(|logins| logins.len() <= 49), "a query stays within a point");
}

#[test]
fn private_repositories_are_counted_on_their_own_and_nobody_elses_are() {
    let fake = Fake::well_behaved();
    let run = ask(&fake, &users(300), &["--private"]);
    for (row, login) in run.rows_of(300).iter().zip(users(300).lines()) {
        assert_right(row, login);
        assert_eq!(row["private_repos"], account(login).unwrap().private_repos);
    }
}

#[test]
fn a_server_that_leaves_most_of_a_query_out_is_asked_for_fewer() {
    // Of the first hundred, thirty are answered.
    let beyond =
        |login: &str| login.trim_start_matches("user-").parse::<usize>().is_ok_and(|at| at > 30 && at <= 100);
    let alias = move |login: &str, time| (beyond(login) && time == 1).then_some(AliasFault::ResourceLimits);
    let fake = Fake::start(Behaviour { alias: Box::new(alias), ..Behaviour::default() });
    let roster = users(1000);
    assert_all_right(&ask(&fake, &roster, &["-j", "1"]), &roster);
    let sizes: Vec<_> = fake.queries().iter().map(Vec::len).collect();
    assert_eq!(sizes[0], 100);
    assert!(sizes[1..].iter().all(|size| *size < 100), "{sizes:?}");
}

#[test]
fn a_server_that_fails_above_thirty_logins_costs_few_requests_too_many() {
    let fake = Fake::start(Behaviour { most_aliases: Some(30), ..Behaviour::default() });
    let roster = users(3000);
    let run = ask(&fake, &roster, &[]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_all_right(&run, &roster);
    // About 125 on an idle machine; on a busy one more are under way when the first of them fails.
    assert!(fake.requests() <= 140, "the least possible is 100: {}", fake.requests());
}

#[test]
fn one_poisoned_alias_in_each_batch_costs_the_others_nothing_and_is_asked_again_alone() {
    for fault in [AliasFault::ResourceLimits, AliasFault::Wrong] {
        let poison = fault.clone();
        let alias = move |login: &str, time| (login.ends_with("50") && time == 1).then(|| poison.clone());
        let fake = Fake::start(Behaviour { alias: Box::new(alias), ..Behaviour::default() });
        let roster = users(2000);
        let run = ask(&fake, &roster, &[]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_all_right(&run, &roster);
        for (row, login) in run.rows().iter().zip(roster.lines()) {
            assert_eq!(row["attempts"], if login.ends_with("50") { 2 } else { 1 }, "{row}");
        }
        let (full, alone): (Vec<_>, Vec<_>) =
            fake.queries().into_iter().partition(|logins| logins.len() == 100);
        assert_eq!((full.len(), alone.len()), (20, 20));
        assert!(alone.iter().all(|logins| logins.len() == 1 && logins[0].ends_with("50")), "{alone:?}");
    }
}

#[test]
fn an_alias_that_stays_poisoned_fails_alone_and_says_why() {
    let alias = |login: &str, _| (login == "user-7").then_some(AliasFault::ResourceLimits);
    let fake = Fake::start(Behaviour { alias: Box::new(alias), ..Behaviour::default() });
    let run = ask(&fake, &users(100), &["--retries", "1"]);
    assert_eq!(run.status, 1);
    let rows = run.rows_of(100);
    assert_eq!(rows[6]["status"], "failed");
    let error = rows[6]["error"].as_str().unwrap();
    assert!(
        error.starts_with("GitHub gave no answer: Resource limits for this query exceeded., "),
        "{error}"
    );
    assert_eq!(rows.iter().filter(|row| row["status"] == "ok").count(), 99);
}

#[test]
fn every_kind_of_failed_batch_is_asked_again_until_every_row_is_right() {
    for fault in
        [Fault::Html(502), Fault::Html(504), Fault::Reset, Fault::Truncated, Fault::BrokenJson, Fault::Silent]
    {
        let (met, told) = (fault.clone(), format!("{fault:?}"));
        // The first queries fail, and some later ones.
        let fake =
            Fake::with_faults(move |asked| (asked.number <= 3 || asked.number == 20).then(|| met.clone()));
        let roster = users(1500);
        let run = ask(&fake, &roster, &["--timeout", "400ms", "-j", "5"]);
        assert_eq!(run.status, 0, "{told}: {}", run.stderr);
        assert_all_right(&run, &roster);
    }
}

/// The logins that a request asks for.
fn asked_for(asked: &crate::fake::Asked<'_>) -> Vec<String> {
    crate::fake::Query::parse(asked.request).map(|query| query.asks().logins).unwrap_or_default()
}

#[test]
fn one_login_that_fails_every_query_costs_the_others_little() {
    let poison = |asked: &crate::fake::Asked<'_>| {
        asked_for(asked).contains(&"user-1500".to_owned()).then_some(Fault::Html(502))
    };
    for (jobs, most) in [("1", 60), ("10", 70)] {
        let fake = Fake::with_faults(poison);
        let run = ask(&fake, &users(3000), &["-j", jobs, "--retries", "1"]);
        let rows = run.rows_of(3000);
        let failed: Vec<_> =
            rows.iter().filter(|row| row["status"] != "ok").map(|row| row["login"].clone()).collect();
        assert_eq!((run.status, failed), (1, vec!["user-1500".into()]));
        assert!(fake.requests() <= most, "{jobs} jobs: {}", fake.requests());
    }
}

#[test]
fn a_dropped_connection_does_not_break_a_batch_into_pieces() {
    let fake = Fake::with_faults(|asked| (asked.number == 1 || asked.number == 5).then_some(Fault::Hangup));
    let run = ask(&fake, &users(2000), &[]);
    assert_all_right(&run, &users(2000));
    assert!(fake.requests() <= 26, "the least possible is 22: {}", fake.requests());
}

#[test]
fn a_server_that_is_down_is_not_asked_for_ever() {
    let fake = Fake::with_faults(|_| Some(Fault::Html(502)));
    let run = ask(&fake, &users(20_000), &["--retries", "1", "-q"]);
    assert_eq!(run.status, 5);
    run.rows_of(20_000);
    assert!(fake.requests() < 2500, "{}", fake.requests());
}

#[test]
fn an_address_without_graphql_says_nothing_of_any_account() {
    let missing = r#"{"message":"Not Found"}"#;
    let fake = Fake::with_faults(move |_| Some(Fault::Answer(404, vec![], missing.into())));
    let run = ask(&fake, &users(300), &[]);
    assert_eq!(run.status, 5);
    assert!(run.rows_of(300).iter().all(|row| row["status"] == "skipped"));
    assert!(run.stderr.contains("there is no GraphQL API at this address; try --api rest"), "{}", run.stderr);
}

#[test]
fn a_limit_inside_a_success_pauses_every_request_in_either_spelling() {
    for spelling in ["RATE_LIMITED", "RATE_LIMIT"] {
        let late = Duration::from_millis(250); // than told
        let points = Some(Primary { late, ..Primary::new(12, Duration::from_secs(2)) });
        let fake = Fake::start(Behaviour { points, spelling, ..Behaviour::default() });
        let roster = users(2000);
        let run = ask(&fake, &roster, &["-j", "4"]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_all_right(&run, &roster);
        assert!(!fake.refusals().is_empty(), "the limit was met");
        // The few that looked whether the window had begun, one after the other.
        assert!(fake.refusals().len() <= 4, "{}", fake.refusals().len());
    }
}

#[test]
fn a_secondary_refusal_of_a_query_pauses_every_query() {
    let refusal =
        |asked: &crate::fake::Asked<'_>| (asked.number == 4).then(|| Fault::secondary(403, Some(1)));
    let fake = Fake::start(Behaviour {
        latency: Duration::from_millis(100),
        fault: Box::new(refusal),
        ..Behaviour::default()
    });
    let run = ask(&fake, &users(1000), &["-j", "4"]);
    assert_all_right(&run, &users(1000));
    let refused = fake.refusals()[0];
    let after = |at: Instant| at.saturating_duration_since(refused);
    let during = fake
        .arrivals()
        .iter()
        .filter(|a| after(a.at) > Duration::ZERO && after(a.at) < Duration::from_secs(1))
        .count();
    assert_eq!(during, 0);
}

#[test]
fn by_either_api_the_rows_are_the_same() {
    let fake = Fake::well_behaved();
    let login = |number: usize| match number % 20 {
        0 => format!("missing-{number}"),
        1 => format!("org-{number}"),
        2 => format!("app-{number}[bot]"),
        _ => format!("user-{number}"),
    };
    let roster: String = (0..2000).map(|number| login(number) + "\n").collect();
    for measure in [&[][..], &["--breakdown"]] {
        let rows = |api| {
            let run = ask(&fake, &roster, &[measure, &["--api", api, "-j", "50", "-q"]].concat());
            assert_eq!((run.status, run.stderr.as_str()), (1, ""));
            let mut rows = run.rows_of(2000);
            for row in &mut rows {
                for key in ["via", "at", "attempts"] {
                    row[key].take();
                }
            }
            rows
        };
        let logins = if measure.is_empty() { 2000 } else { 200 };
        let (graphql, rest) = (rows("graphql"), rows("rest"));
        assert_eq!(graphql[..logins], rest[..logins]);
    }
}

#[test]
fn a_bot_is_asked_for_by_rest_whatever_the_api() {
    let fake = Fake::well_behaved();
    let run = ask(&fake, "torvalds\ndependabot[bot]\n", &["--api", "graphql"]);
    let rows = run.rows_of(2);
    assert_eq!((&rows[0]["via"], &rows[1]["via"]), (&"graphql".into(), &"rest".into()));
    assert_eq!(rows[1]["kind"], "bot");
}

#[test]
fn a_short_roster_is_divided_so_that_it_fills_the_jobs() {
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(30), ..Behaviour::default() });
    let sizes = |roster: &str, arguments: &[&str]| {
        let before = fake.queries().len();
        assert_all_right(&ask(&fake, roster, arguments), roster);
        let mut sizes: Vec<_> = fake.queries()[before..].iter().map(Vec::len).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes
    };
    assert_eq!(sizes(&users(200), &[]), [20; 10]);
    assert_eq!(sizes(&users(3), &[]), [1; 3]);
    assert_eq!(sizes(&users(200), &["--batch", "100"]), [100; 2]);
    assert_eq!(sizes(&users(90), &["--batch", "40"]), [40, 40, 10]);
}

#[test]
fn a_stream_that_is_slow_to_come_is_not_held_back() {
    let fake = Fake::well_behaved();
    Program::asking(&fake, &["-", "-F", "ndjson"]).env("GH_TOKEN", TOKEN).answers_one_by_one();
    assert_eq!(fake.queries(), [["torvalds"], ["antirez"]]);
}

#[test]
fn logins_are_variables_and_never_part_of_the_text() {
    let fake = Fake::well_behaved();
    ask(&fake, &users(20), &["-j", "1"]);
    let request = &fake.arrivals()[0].request;
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let text = body["query"].as_str().unwrap();
    assert!(!text.contains("user-"));
    assert!(text.contains("ownerAffiliations: OWNER"));
    assert_eq!(body["variables"]["l7"], "user-8");
    assert_eq!(request.all("content-type"), ["application/json"]);
    assert_eq!(request.all("content-length"), [request.body.len().to_string()]);
    assert_eq!(request.all("user-agent").len(), 1);
}

#[test]
fn an_enterprise_server_has_its_own_route_token_and_no_limits() {
    let fake = Fake::start(Behaviour { bare: true, token: Some(TOKEN.into()), ..Behaviour::default() });
    let url = format!("{}/api/v3", fake.url());
    let arguments = ["torvalds", "--api-url", &url, "--max-points", "1", "-F", "json"];
    let run = Program::new(&arguments).env("GH_ENTERPRISE_TOKEN", TOKEN).env("GH_TOKEN", "ghp_other").run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let asked: Vec<_> = fake.arrivals().iter().map(|arrival| arrival.request.target.clone()).collect();
    assert_eq!(asked, ["/api/v3/user", "/api/graphql"], "whose token it is, and the account");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["summary"]["points"], 0, "it tells no price: there is none");
}

#[test]
fn the_budget_of_points_is_kept_and_the_rest_is_skipped() {
    let fake = Fake::well_behaved();
    let run = ask(&fake, &users(2000), &["--max-points", "7"]);
    assert_eq!(run.status, 5);
    assert_eq!((fake.points(), fake.requests()), (7, 7));
    let rows = run.rows_of(2000);
    let with = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
    assert_eq!((with("ok"), with("skipped")), (700, 1300));
    assert!(
        rows[1999]["error"].as_str().unwrap().starts_with("not asked: the budget of 7 points is spent"),
        "{}",
        rows[1999]
    );
    assert!(run.stderr.contains("--max-points 7 is spent; 1,300 logins were not asked"), "{}", run.stderr);
    let run = ask(&fake, &users(10), &["--max-points", "4", "--api", "rest"]);
    assert_eq!(run.rows().iter().filter(|row| row["status"] == "ok").count(), 4);
}

#[test]
fn a_sample_is_counted_again_by_the_other_api() {
    let fake = Fake::with_faults(|asked| {
        let body = r#"{"login":"user-13","id":1,"type":"User","public_repos":99999}"#;
        (asked.login == "user-13").then(|| Fault::Answer(200, vec![], body.into()))
    });
    for api in ["graphql", "rest"] {
        let run = ask(&fake, &users(50), &["--verify", "100", "--api", api]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        let rows = run.rows_of(50);
        for (row, login) in rows.iter().zip(users(50).lines()) {
            assert_eq!(row["verified"], login != "user-13", "{row}");
            assert_eq!(row["attempts"], 2);
        }
        assert!(
            run.stderr.contains("warning: the two APIs disagree on 1 login of 50 counted twice"),
            "{}",
            run.stderr
        );
    }
    let fake = Fake::well_behaved();
    let sampled = |run: Run| -> HashSet<String> {
        let rows = run.rows_of(1000);
        let sampled = rows.iter().filter(|row| !row["verified"].is_null());
        sampled.map(|row| row["login"].as_str().unwrap().to_owned()).collect()
    };
    let sample = sampled(ask(&fake, &users(1000), &["--verify", "5"]));
    assert!((20..100).contains(&sample.len()), "{}", sample.len());
    assert_eq!(sample, sampled(ask(&fake, &users(1000), &["--verify", "5"])), "the same every time");
}

#[test]
fn a_plan_tells_what_the_run_then_spends_and_asks_nothing_but_what_is_left() {
    let fake = Fake::well_behaved();
    let plan = |roster: &str, arguments: &[&str]| -> Value {
        let before = fake.requests();
        let roster = file(roster);
        let arguments = [&["-f", path(&roster), "--plan", "-F", "json"], arguments].concat();
        let run = Program::asking(&fake, &arguments).env("GH_TOKEN", TOKEN).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_eq!(fake.requests(), before + 1);
        assert!(fake.arrivals().last().unwrap().request.target.ends_with("/rate_limit"));
        serde_json::from_str(&run.stdout).unwrap()
    };
    for (logins, arguments) in
        [(10_000, &[][..]), (500, &[]), (1234, &["--breakdown"]), (777, &["--batch", "30"])]
    {
        let plan = plan(&users(logins), arguments);
        assert_eq!(plan["logins"], logins);
        let (requests, points) = (fake.requests(), fake.points());
        ask(&fake, &users(logins), arguments);
        // As above: one more, where the machine stutters.
        let more = |planned: &Value, spent: u64| spent.checked_sub(planned.as_u64().unwrap());
        let requests = more(&plan["requests"], fake.requests() - requests);
        let points = more(&plan["points"], fake.points() - points);
        assert!(requests.is_some_and(|more| more <= 1), "{logins} {arguments:?}: {requests:?}");
        assert_eq!(points, requests, "{logins} {arguments:?}");
    }
    assert_eq!(plan(&users(10_000), &[])["points"], 100);
    let rest = plan("a\nA\nb/c\nd[bot]\n", &["--api", "rest"]);
    assert_eq!((&rest["logins"], &rest["invalid"], &rest["duplicates"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!((&rest["requests"], &rest["budget"]["resource"]), (&2.into(), &"core".into()));
    let text = Program::asking(&fake, &["torvalds", "--plan"]).env("GH_TOKEN", TOKEN).run();
    assert!(text.stdout.contains("points    1\n"), "{}", text.stdout);
    assert!(text.stdout.ends_with("time      no wait: as fast as GitHub answers\n"));
    let offline =
        Program::asking(&Fake::start(Behaviour { bare: true, ..Behaviour::default() }), &["a", "--plan"])
            .run();
    assert!(offline.stdout.contains("the server tells of no limits"), "{}", offline.stdout);
}

#[test]
fn what_needs_a_token_is_refused_before_anything_is_asked() {
    let fake = Fake::well_behaved();
    for flags in [&["--api", "graphql"][..], &["--private"], &["--verify", "10"]] {
        let run = Program::asking(&fake, &[&["torvalds"], flags].concat()).run();
        assert_eq!((run.status, run.stderr.lines().count()), (4, 1), "{}", run.stderr);
    }
    let run =
        Program::asking(&fake, &["torvalds", "--private", "--api", "rest"]).env("GH_TOKEN", TOKEN).run();
    assert_eq!((run.status, fake.requests()), (2, 0));
    let listed =
        Program::asking(&fake, &["torvalds", "antirez", "empty", "--breakdown", "-F", "ndjson"]).run();
    assert!(listed.stderr.contains("--breakdown by REST lists every repository"), "{}", listed.stderr);
    assert_eq!(listed.rows_of(3)[0]["forks"], 3);
    assert_eq!(fake.requests(), 5, "nothing is listed of an account without repositories");
}
