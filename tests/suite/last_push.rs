//! `--last-push`: the latest push to a public repository of each account.

use std::fs;

use serde_json::Value;

use crate::fake::{AliasFault, Behavior, Fake, Fault, account};
use crate::program::{Program, Run, file, path, users};

const TOKEN: &str = "ghp_sampletoken";

fn look_up(fake: &Fake, input: &str, arguments: &[&str]) -> Run {
    let input = file(input);
    let arguments = [&["-f", path(&input), "-F", "ndjson", "--last-push"], arguments].concat();
    Program::for_fake(fake, &arguments).env("GH_TOKEN", TOKEN).run()
}

fn assert_pushes(run: &Run, input: &str) {
    for (row, login) in run.rows_of(input.lines().count()).iter().zip(input.lines()) {
        assert_eq!(
            row["last_push"],
            Value::from(account(login).and_then(|account| account.last_push())),
            "{row}"
        );
    }
}

fn with_repositories(input: &str) -> u64 {
    let accounts = input.lines().filter_map(account);
    accounts.filter(|account| account.public_repos > 0).count() as u64
}

#[test]
fn both_apis_report_the_latest_push_of_each_account() {
    let input = format!("torvalds\norg-7\nempty\nidle-1\nidle-2\nmissing-1\nsome-app[bot]\n{}", users(40));
    for api in ["graphql", "rest"] {
        for more in [&[][..], &["--breakdown"]] {
            let run = look_up(&Fake::well_behaved(), &input, &[&["--api", api], more].concat());
            assert_eq!(run.status, 1, "{}", run.stderr);
            assert_pushes(&run, &input);
            let rows = run.rows();
            assert!(rows[0]["last_push"].as_str().unwrap().ends_with("T00:00:00Z"), "{}", rows[0]);
            assert!(
                rows[3]["last_push"].is_null() && rows[3]["public_repos"].as_u64() > Some(0),
                "{}",
                rows[3]
            );
        }
    }
}

#[test]
fn a_push_costs_no_point_and_one_rest_request_more() {
    let fake = Fake::well_behaved();
    look_up(&fake, &users(1000), &["--api", "graphql", "-j", "1"]);
    assert_eq!((fake.requests(), fake.points()), (10, 10));
    let fake = Fake::well_behaved();
    let input = format!("empty\nmissing-1\n{}", users(50));
    let run = look_up(&fake, &input, &["--api", "rest"]);
    assert_eq!(fake.requests(), 52 + with_repositories(&input), "accounts without repositories have none");
    assert_eq!((&run.rows()[0]["attempts"], &run.rows()[2]["attempts"]), (&1.into(), &2.into()));
    let lists = fake.arrivals().into_iter().map(|arrival| arrival.request.target);
    let lists: Vec<_> = lists.filter(|target| target.starts_with("/users/user-7/repos")).collect();
    assert_eq!(lists, ["/users/user-7/repos?type=owner&sort=pushed&direction=desc&per_page=1"]);
}

#[test]
fn a_breakdown_over_rest_lists_each_page_once() {
    let input = users(30);
    let requests = |arguments: &[&str]| {
        let fake = Fake::well_behaved();
        let input = file(&input);
        let arguments = [&["-f", path(&input), "--api", "rest", "--breakdown", "-q"], arguments].concat();
        assert_eq!(Program::for_fake(&fake, &arguments).run().status, 0);
        fake.requests()
    };
    assert_eq!(requests(&["--last-push"]), requests(&[]));
}

#[test]
fn a_failed_list_of_pushes_is_retried_and_then_a_failure() {
    for (failures, status, attempts) in [(1, "ok", 3), (9, "failed", 3)] {
        let fake = Fake::with_faults(move |context| {
            let is_list = context.request.path().ends_with("/user-3/repos");
            (is_list && context.attempt <= 1 + failures).then_some(Fault::Html(502))
        });
        let run = look_up(&fake, &users(5), &["--api", "rest", "--retries", "1"]);
        let rows = run.rows_of(5);
        assert_eq!(
            (&rows[2]["status"], &rows[2]["attempts"]),
            (&status.into(), &attempts.into()),
            "{}",
            rows[2]
        );
        assert!(rows.iter().enumerate().all(|(at, row)| at == 2 || row["status"] == "ok"));
        if status == "failed" {
            assert!(
                rows[2]["last_push"].is_null() && rows[2]["error"].as_str().unwrap().contains("502"),
                "{}",
                rows[2]
            );
        }
    }
    let alias = |login: &str, time| (login == "user-3" && time == 1).then_some(AliasFault::ResourceLimits);
    let fake = Fake::start(Behavior { alias: Box::new(alias), ..Behavior::default() });
    let run = look_up(&fake, &users(5), &["--api", "graphql"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_pushes(&run, &users(5));
}

#[test]
fn a_table_has_the_date_of_a_push_and_a_file_the_time() {
    let fake = Fake::well_behaved();
    let time = account("torvalds").unwrap().last_push().unwrap();
    let date = time.split_once('T').unwrap().0;
    for (format, shows_time) in [("table", false), ("csv", true), ("tsv", true), ("markdown", true)] {
        let run = look_up(&fake, "torvalds\nidle-1\n", &["-F", format]);
        assert_eq!(run.stdout.contains(&time), shows_time, "{format}: {}", run.stdout);
        assert!(run.stdout.contains(date), "{format}: {}", run.stdout);
    }
}

#[test]
fn more_requests_over_rest_are_announced() {
    let push = "ghrepos: --last-push over REST sends one more request per account with repositories";
    let breakdown = "ghrepos: --breakdown over REST sends a request per 100 repositories of each account";
    let way_out = "; remove --api rest to use GraphQL\n";
    for (flags, note) in [
        (&["--api", "rest"][..], format!("{push}{way_out}")),
        (&["--api", "rest", "--breakdown"], format!("{breakdown}{way_out}")),
        (&["--api", "rest", "-q"], String::new()),
        (&["--api", "graphql"], String::new()),
    ] {
        let run = look_up(&Fake::well_behaved(), "torvalds\n", flags);
        let notes: String =
            run.stderr.split_inclusive('\n').filter(|line| line.contains("over REST")).collect();
        assert_eq!(notes, note, "{flags:?}");
    }
    let fake = Fake::well_behaved();
    let run = Program::for_fake(&fake, &["torvalds", "--last-push"]).run();
    assert!(run.stderr.starts_with(&format!("{push}; set GH_TOKEN")), "{}", run.stderr);
}

#[test]
fn an_odd_list_of_pushes_is_null_or_a_failure() {
    for (body, status) in [
        ("[]", "ok"),
        (r#"[{"fork":false}]"#, "ok"),
        (r#"[{"fork":false,"pushed_at":null}]"#, "ok"),
        (r#"[{"fork":false,"pushed_at":"soon"}]"#, "failed"),
        (r#"{"message":"no list"}"#, "failed"),
    ] {
        let fake = Fake::with_faults(move |context| {
            context.request.path().ends_with("/repos").then(|| Fault::Response(200, vec![], body.into()))
        });
        let run = look_up(&fake, "torvalds\n", &["--api", "rest", "--retries", "0"]);
        let row = &run.rows_of(1)[0];
        assert_eq!((&row["status"], &row["last_push"]), (&status.into(), &Value::Null), "{body}: {row}");
    }
}

#[test]
fn a_plan_has_the_additional_requests() {
    let fake = Fake::well_behaved();
    let plan = |arguments: &[&str]| {
        let input = file(&users(300));
        let arguments = [&["-f", path(&input), "--plan", "--last-push"], arguments].concat();
        let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", TOKEN).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        run.stdout
    };
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&plan(&[&["-F", "json"], arguments].concat())).unwrap()
    };
    let graphql = json(&["--batch", "100"]);
    assert_eq!((&graphql["requests"], &graphql["points"]), (&3.into(), &3.into()));
    let rest = json(&["--api", "rest"]);
    assert_eq!((&rest["requests"], &rest["at_least"]), (&600.into(), &false.into()));
    let pages = json(&["--api", "rest", "--breakdown"]);
    assert_eq!((&pages["requests"], &pages["at_least"]), (&300.into(), &true.into()));
    let text = plan(&["--api", "rest"]);
    assert!(
        text.contains("API       REST, two requests per login with repositories\nrequests  600\n"),
        "{text}"
    );
}

#[test]
fn a_rule_about_pushes_is_status_3_and_null_never_matches() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, "torvalds\nidle-1\nempty\n", &["--fail-on", "last_push>30d", "-q"]);
    let rows = run.rows();
    let day = &rows[0]["last_push"].as_str().unwrap()[..10];
    assert_eq!(run.status, 3);
    assert_eq!(run.stderr, format!("ghrepos: --fail-on last_push>30d: 1 login: torvalds ({day})\n"));
    assert_eq!(look_up(&fake, "idle-1\nempty\n", &["--fail-on", "last_push>=0s"]).status, 0);
    assert_eq!(look_up(&fake, "torvalds\n", &["--fail-on", "last_push>36500d"]).status, 0);
}

#[test]
fn without_the_flag_what_needs_the_push_names_it() {
    let fake = Fake::well_behaved();
    for (arguments, message) in [
        (["--columns", "login,last_push"], "--columns last_push requires --last-push"),
        (["--sort", "last_push"], "--sort last_push requires --last-push"),
        (["--fail-on", "last_push>365d"], "--fail-on last_push>365d requires --last-push"),
    ] {
        let run = Program::for_fake(&fake, &[&["torvalds"], &arguments[..]].concat()).run();
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {message}\n")));
    }
    let folder = tempfile::tempdir().unwrap();
    let program = |arguments: &[&str]| Program::for_fake(&fake, arguments).current_dir(folder.path());
    assert_eq!(program(&["torvalds", "-o", "old.ndjson"]).run().status, 0);
    let run = program(&["--from", "old.ndjson", "--fail-on", "last_push>365d"]).run();
    let message = "cannot check --fail-on last_push>365d: the report has no column last_push; count again with --last-push";
    assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {message}\n")));
    assert_eq!(fake.requests(), 1);
}

#[test]
fn the_newest_push_is_sorted_first_and_null_last() {
    let fake = Fake::well_behaved();
    let input = format!("idle-1\n{}empty\n", users(20));
    for reverse in [&[][..], &["--reverse"]] {
        let arguments = [&["--sort", "last_push", "-q"], reverse].concat();
        let rows = look_up(&fake, &input, &arguments).rows_of(22);
        let pushes: Vec<_> = rows.iter().filter_map(|row| row["last_push"].as_str()).collect();
        let mut sorted = pushes.clone();
        sorted.sort_unstable();
        if reverse.is_empty() {
            sorted.reverse();
        }
        assert_eq!(pushes, sorted);
        let first_null = rows.iter().position(|row| row["last_push"].is_null()).unwrap();
        assert!(first_null == pushes.len() && pushes.len() >= 15, "{}", pushes.len());
    }
}

#[test]
fn every_format_has_the_push() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let push = account("torvalds").unwrap().last_push().unwrap();
    let seconds = push.parse::<jiff::Timestamp>().unwrap().as_second();
    let outputs = ["r.csv", "r.tsv", "r.json", "r.ndjson", "r.md", "r.html", "r.prom", "r.xlsx"];
    let mut arguments = vec!["torvalds", "idle-1", "--last-push"];
    outputs.iter().for_each(|output| arguments.extend(["-o", output]));
    let run = Program::for_fake(&fake, &arguments).current_dir(folder.path()).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    for name in ["r.csv", "r.tsv", "r.json", "r.ndjson"] {
        assert!(text(name).contains(&push), "{name}: {}", text(name));
    }
    // For people: the day at least.
    for name in ["r.md", "r.html"] {
        assert!(
            text(name).contains(&push[..10]) && text(name).contains("Last push"),
            "{name}: {}",
            text(name)
        );
    }
    let metric = "ghrepos_account_last_push_timestamp_seconds";
    let family = format!(
        "# TYPE {metric} gauge\n# UNIT {metric} seconds\n{metric}{{login=\"torvalds\"}} {seconds}\n#"
    );
    assert!(text("r.prom").contains(&family), "{}", text("r.prom"));
    let workbook = fs::read(folder.path().join("r.xlsx")).unwrap();
    // Days since 1899-12-30, in a cell without a type: a number with the format of a date.
    let date = format!("<v>{}</v>", seconds / 86_400 + 25_569);
    let sheet = crate::workbooks::part(&workbook, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains(&date), "{date}: {sheet}");
    let table = Program::for_fake(&fake, &["torvalds", "--last-push"]).run().stdout;
    assert!(table.contains("Last push") && table.contains(&push[..10]), "{table}");
    let columns = ["torvalds", "--last-push", "--columns", "last_push,login", "-F", "csv"];
    assert_eq!(
        Program::for_fake(&fake, &columns).run().stdout,
        format!("last_push,login\r\n{push},torvalds\r\n")
    );
}

#[test]
fn rows_without_the_measure_are_looked_up_again() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let before = fake.requests();
        let arguments = [&["torvalds", "idle-1", "-o", "r.ndjson", "-q"], arguments].concat();
        let run =
            Program::for_fake(&fake, &arguments).env("GH_TOKEN", TOKEN).current_dir(folder.path()).run();
        (run.status, fake.requests() - before)
    };
    run(&[]);
    let (status, requests) = run(&["--resume", "--last-push"]);
    assert!(status == 0 && requests > 0);
    let rows = crate::program::rows(&fs::read_to_string(folder.path().join("r.ndjson")).unwrap());
    assert_eq!(rows[0]["last_push"], account("torvalds").unwrap().last_push().unwrap());
    assert_eq!(run(&["--resume", "--last-push"]), (0, 0), "a null that was asked for is kept");
    assert_eq!(run(&["--resume"]).0, 2, "the column would be lost");
}

#[test]
fn reports_with_pushes_are_read_back_and_compared() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let program = |arguments: &[&str]| {
        Program::for_fake(&fake, arguments).env("GH_TOKEN", TOKEN).current_dir(folder.path()).run()
    };
    program(&["torvalds", "idle-1", "--last-push", "-o", "old.ndjson", "-o", "old.csv", "-o", "old.json"]);
    let ndjson = fs::read_to_string(folder.path().join("old.ndjson")).unwrap();
    for name in ["old.ndjson", "old.csv", "old.json"] {
        let again = program(&["--from", name, "-F", "ndjson", "-q"]);
        assert_eq!((again.status, again.stdout.as_str()), (0, ndjson.as_str()), "{name}");
        for more in [&[][..], &["--last-push"]] {
            let arguments = ["torvalds", "idle-1", "--baseline", name, "-F", "ndjson"];
            let compared = program(&[&arguments[..], more].concat());
            assert!(compared.rows_of(2).iter().all(|row| row["change"] == 0), "{}", compared.stdout);
        }
    }
}

#[test]
fn a_second_count_ignores_the_push() {
    for api in ["graphql", "rest"] {
        let fake = Fake::well_behaved();
        let run = look_up(&fake, &users(20), &["--verify", "100", "--api", api]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.rows_of(20).iter().all(|row| row["verified"] == true));
        assert_pushes(&run, &users(20));
        let lists =
            fake.arrivals().iter().filter(|arrival| arrival.request.path().ends_with("/repos")).count();
        assert_eq!(lists as u64, if api == "rest" { with_repositories(&users(20)) } else { 0 });
    }
}

#[test]
fn a_recording_with_pushes_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    for (api, recording) in [("graphql", "a"), ("rest", "b")] {
        let recording = folder.path().join(recording).display().to_string();
        let recorded =
            look_up(&Fake::well_behaved(), "torvalds\nidle-1\n", &["--api", api, "--record", &recording]);
        let arguments =
            ["torvalds", "idle-1", "--api", api, "--last-push", "--replay", &recording, "-F", "ndjson"];
        let pushes =
            |run: &Run| run.rows_of(2).iter().map(|row| row["last_push"].clone()).collect::<Vec<_>>();
        assert_eq!(pushes(&Program::new(&arguments).run()), pushes(&recorded), "{api}");
    }
    // A recording without pushes does not say that there are none.
    let arguments = ["torvalds", "--last-push", "--replay", "fixtures/github", "-F", "ndjson"];
    let run = Program::new(&arguments).run();
    assert_eq!((run.status, &run.rows_of(1)[0]["status"]), (1, &"failed".into()), "{}", run.stdout);
}
