//! What a run spends: the fewest queries and points, those that were planned, and none beyond the budget.

use std::io::Read;
use std::time::Duration;

use serde_json::Value;

use super::{TOKEN, ask, assert_right, twenty_thousand};
use crate::fake::{Behaviour, Fake, account};
use crate::program::{Program, file, path, users};

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
    assert!(offline.stdout.contains("the server reports no limits"), "{}", offline.stdout);
}
