//! Batches of up to a hundred logins, each with its own result.

mod failures;
mod points;

use std::collections::HashSet;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{AliasFault, Behavior, Fake, Fault, account};
use crate::program::{Program, Run, file, path, users};

const TOKEN: &str = "ghp_sampletoken";

fn look_up(fake: &Fake, input: &str, arguments: &[&str]) -> Run {
    let input = file(input);
    let arguments = [&["-f", path(&input), "-F", "ndjson"], arguments].concat();
    Program::for_fake(fake, &arguments).env("GH_TOKEN", TOKEN).run()
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

fn assert_all_right(run: &Run, input: &str) {
    let logins: Vec<_> = input.lines().collect();
    for (row, login) in run.rows_of(logins.len()).iter().zip(logins) {
        assert_right(row, login);
    }
}

/// Twenty thousand logins. Every hundredth does not exist, and another one in a hundred is forbidden.
fn twenty_thousand() -> &'static (Fake, Vec<String>, Run) {
    // Several tests look at the same run.
    static RUN: OnceLock<(Fake, Vec<String>, Run)> = OnceLock::new();
    RUN.get_or_init(run_twenty_thousand)
}

fn run_twenty_thousand() -> (Fake, Vec<String>, Run) {
    let alias = |login: &str, _| login.ends_with("77").then_some(AliasFault::Forbidden);
    let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
    let login = |number: usize| {
        if number.is_multiple_of(100) { format!("missing-{number}") } else { format!("user-{number}") }
    };
    let logins: Vec<_> = (1..=20_000).map(login).collect();
    let run = look_up(&fake, &(logins.join("\n") + "\nnot/a/login\n"), &[]);
    (fake, logins, run)
}

#[test]
fn each_of_twenty_thousand_logins_has_its_own_row() {
    let (fake, logins, run) = twenty_thousand();
    assert_eq!(run.status, 1);
    let rows = run.rows_of(20_001);
    for (row, login) in rows.iter().zip(logins) {
        if login.ends_with("77") {
            assert_eq!((&row["login"], &row["status"]), (&login.as_str().into(), &"forbidden".into()));
        } else {
            assert_right(row, login);
        }
        assert_eq!((&row["api"], &row["attempts"]), (&"graphql".into(), &1.into()));
    }
    assert_eq!(rows[20_000]["status"], "invalid");
    assert!(fake.peak() <= 10);
}

#[test]
fn both_apis_give_the_same_rows() {
    let fake = Fake::well_behaved();
    let login = |number: usize| match number % 20 {
        0 => format!("missing-{number}"),
        1 => format!("org-{number}"),
        2 => format!("app-{number}[bot]"),
        _ => format!("user-{number}"),
    };
    for (measure, logins) in [(&[][..], 2000), (&["--breakdown"], 200)] {
        let input: String = (0..logins).map(|number| login(number) + "\n").collect();
        let rows = |api| {
            let run = look_up(&fake, &input, &[measure, &["--api", api, "-j", "50", "-q"]].concat());
            assert_eq!((run.status, run.stderr.as_str()), (1, ""));
            let mut rows = run.rows_of(logins);
            for row in &mut rows {
                for key in ["api", "at", "attempts"] {
                    row[key].take();
                }
            }
            rows
        };
        assert_eq!(rows("graphql"), rows("rest"));
    }
}

#[test]
fn a_bot_is_looked_up_by_rest_with_either_api() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, "torvalds\ndependabot[bot]\n", &["--api", "graphql"]);
    let rows = run.rows_of(2);
    assert_eq!((&rows[0]["api"], &rows[1]["api"]), (&"graphql".into(), &"rest".into()));
    assert_eq!(rows[1]["type"], "bot");
}

#[test]
fn a_short_input_is_divided_to_fill_the_jobs() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(30), ..Behavior::default() });
    let sizes = |input: &str, arguments: &[&str]| {
        let before = fake.queries().len();
        assert_all_right(&look_up(&fake, input, arguments), input);
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
fn a_slow_input_is_not_held_back() {
    let fake = Fake::well_behaved();
    Program::for_fake(&fake, &["-", "-F", "ndjson"]).env("GH_TOKEN", TOKEN).assert_rows_while_input_is_open();
    assert_eq!(fake.queries(), [["torvalds"], ["antirez"]]);
}

#[test]
fn logins_are_variables_and_never_query_text() {
    let fake = Fake::well_behaved();
    look_up(&fake, &users(20), &["-j", "1"]);
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
fn an_enterprise_server_uses_its_route_and_token_without_limits() {
    let fake =
        Fake::start(Behavior { omits_limit_headers: true, token: Some(TOKEN.into()), ..Behavior::default() });
    let url = format!("{}/api/v3", fake.url());
    let arguments = ["torvalds", "--api-url", &url, "--max-points", "1", "-F", "json"];
    let run = Program::new(&arguments).env("GH_ENTERPRISE_TOKEN", TOKEN).env("GH_TOKEN", "ghp_other").run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let targets: Vec<_> = fake.arrivals().iter().map(|arrival| arrival.request.target.clone()).collect();
    assert_eq!(targets, ["/api/v3/user", "/api/graphql"], "whose token it is, and the account");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["summary"]["points"], 0, "a server without limits has no cost");
}

#[test]
fn a_sample_is_recounted_through_the_other_api() {
    let fake = Fake::with_faults(|context| {
        let known = account(context.login)?;
        // Another count of the same account, and the same count of another account.
        let (id, count) = match context.login {
            "user-13" => (known.id, 99_999),
            "user-14" => (1, known.public_repos),
            _ => return None,
        };
        let body = json!({"login": context.login, "id": id, "type": "User", "public_repos": count});
        Some(Fault::Response(200, vec![], body.to_string()))
    });
    for api in ["graphql", "rest"] {
        let run = look_up(&fake, &users(50), &["--verify", "100", "--api", api]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        let rows = run.rows_of(50);
        for (row, login) in rows.iter().zip(users(50).lines()) {
            assert_eq!(row["verified"], !["user-13", "user-14"].contains(&login), "{row}");
            assert_eq!(row["attempts"], 2);
        }
        assert!(
            run.stderr.contains("warning: the two APIs disagree on 2 logins of 50 counted twice"),
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
    let sample = sampled(look_up(&fake, &users(1000), &["--verify", "5"]));
    assert!((20..100).contains(&sample.len()), "{}", sample.len());
    assert_eq!(sample, sampled(look_up(&fake, &users(1000), &["--verify", "5"])), "the same every time");
}

#[test]
fn options_that_need_a_token_are_refused_before_any_request() {
    let fake = Fake::well_behaved();
    for flags in [&["--api", "graphql"][..], &["--private"], &["--verify", "10"]] {
        let run = Program::for_fake(&fake, &[&["torvalds"], flags].concat()).run();
        assert_eq!((run.status, run.stderr.lines().count()), (4, 1), "{}", run.stderr);
    }
    let run =
        Program::for_fake(&fake, &["torvalds", "--private", "--api", "rest"]).env("GH_TOKEN", TOKEN).run();
    assert_eq!((run.status, fake.requests()), (2, 0));
    let listed =
        Program::for_fake(&fake, &["torvalds", "antirez", "empty", "--breakdown", "-F", "ndjson"]).run();
    assert!(
        listed.stderr.contains("--breakdown over REST sends a request per 100 repositories"),
        "{}",
        listed.stderr
    );
    assert_eq!(listed.rows_of(3)[0]["forks"], 3);
    assert_eq!(fake.requests(), 5, "nothing is listed of an account without repositories");
}
