//! Cost of a run: the fewest queries and points, as planned, and at most `--max-points`.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;

use super::{TOKEN, assert_right, look_up, twenty_thousand};
use crate::fake::{Behavior, Fake, Fault, account};
use crate::program::{Program, file, path, users};

#[test]
fn twenty_thousand_logins_are_two_hundred_queries_and_points() {
    // A batch is sent before it is full if the input pauses, so a busy machine may send one more query.
    let (fake, _, run) = twenty_thousand();
    let (requests, points) = (fake.requests(), fake.points());
    assert!((200..=202).contains(&points) && requests == points, "{requests} requests, {points} points");
    let message = format!("{requests} requests for {points} points in ");
    assert!(run.stderr.contains(&message), "{}", run.stderr);
}

#[test]
fn a_slow_reader_costs_no_extra_points() {
    let fake = Fake::well_behaved();
    // More rows than the window and the pipe hold.
    let input = file(&users(9000));
    let program = Program::for_fake(&fake, &["-f", path(&input), "-F", "ndjson"]);
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
    assert_eq!(rows, 9000);
    assert!((90..=92).contains(&fake.points()), "{} points", fake.points());
}

#[test]
fn a_breakdown_costs_at_most_three_points_per_hundred_logins() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, &users(2000), &["--breakdown"]);
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
fn max_points_is_kept_and_the_rest_is_skipped() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, &users(2000), &["--max-points", "7"]);
    assert_eq!(run.status, 5);
    assert_eq!((fake.points(), fake.requests()), (7, 7));
    let rows = run.rows_of(2000);
    let with = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
    assert_eq!((with("ok"), with("skipped")), (700, 1300));
    assert!(
        rows[1999]["error"].as_str().unwrap().starts_with("not looked up: budget of 7 points spent"),
        "{}",
        rows[1999]
    );
    assert!(run.stderr.contains("--max-points 7 reached; 1,300 logins were not looked up"), "{}", run.stderr);
    let run = look_up(&fake, &users(10), &["--max-points", "4", "--api", "rest"]);
    assert_eq!(run.rows().iter().filter(|row| row["status"] == "ok").count(), 4);
}

#[test]
fn a_plan_predicts_the_cost_and_requests_only_the_quota() {
    let fake = Fake::well_behaved();
    let plan = |input: &str, arguments: &[&str]| -> Value {
        let before = fake.requests();
        let input = file(input);
        let arguments = [&["-f", path(&input), "--plan", "-F", "json"], arguments].concat();
        let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", TOKEN).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_eq!(fake.requests(), before + 1);
        assert!(fake.arrivals().last().unwrap().request.target.ends_with("/rate_limit"));
        serde_json::from_str(&run.stdout).unwrap()
    };
    for (logins, arguments) in
        [(3000, &[][..]), (500, &[]), (1234, &["--breakdown"]), (777, &["--batch", "30"])]
    {
        let plan = plan(&users(logins), arguments);
        assert_eq!(plan["logins"], logins);
        let (requests, points) = (fake.requests(), fake.points());
        look_up(&fake, &users(logins), arguments);
        // One more query on a busy machine, as above.
        let more = |planned: &Value, spent: u64| spent.checked_sub(planned.as_u64().unwrap());
        let requests = more(&plan["requests"], fake.requests() - requests);
        let points = more(&plan["points"], fake.points() - points);
        assert!(requests.is_some_and(|more| more <= 1), "{logins} {arguments:?}: {requests:?}");
        assert_eq!(points, requests, "{logins} {arguments:?}");
    }
    assert_eq!(plan(&users(10_000), &[])["points"], 100);
    let rest = plan("a\nA\nb/c/d\nd[bot]\n", &["--api", "rest"]);
    assert_eq!((&rest["logins"], &rest["invalid"], &rest["duplicates"]), (&2.into(), &1.into(), &1.into()));
    assert_eq!((&rest["requests"], &rest["quota"]["resource"]), (&2.into(), &"core".into()));
    let text = Program::for_fake(&fake, &["torvalds", "--plan"]).env("GH_TOKEN", TOKEN).run();
    assert!(text.stdout.contains("points    1\n"), "{}", text.stdout);
    let assumed = "1s per query, 0.2s per REST request, 10 requests at once";
    assert!(text.stdout.ends_with(&format!("time      about 1s, assuming {assumed}\n")), "{}", text.stdout);
    // A failure is not the absence of limits, and the pace of github.com is not that of another server.
    let without_limits = Behavior { omits_limit_headers: true, ..Behavior::default() };
    let failing = Behavior {
        fault: Box::new(|context| {
            context.request.target.ends_with("/rate_limit").then_some(Fault::Html(502))
        }),
        ..Behavior::default()
    };
    for (behavior, quota) in [
        (without_limits, "quota     the server reports no limits\n"),
        (failing, "quota     unknown: HTTP 502\n"),
    ] {
        let input = file(&users(4_000));
        let arguments = ["-f", path(&input), "--api", "rest", "--plan", "--retries", "0"];
        let run = Program::for_fake(&Fake::start(behavior), &arguments).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stdout.contains(quota), "{}", run.stdout);
        let time = format!("time      about 1m 20s, assuming {assumed}, no wait for a quota\n");
        assert!(run.stdout.ends_with(&time), "{}", run.stdout);
    }
}
