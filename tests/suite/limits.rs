//! GitHub's limits: announced ones are kept, and unannounced ones are found.

use std::time::{Duration, Instant};

use crate::fake::{Behavior, CpuTimeLimit, Fake, PrimaryLimit};
use crate::program::{Program, Run, file, in_parallel, path, users};

fn look_up(fake: &Fake, number: usize, arguments: &[&str]) -> Run {
    let input = file(&users(number));
    let run = Program::for_fake(fake, &["-f", path(&input), "-F", "ndjson", "-q"]);
    arguments.iter().fold(run, |run, argument| run.argument(argument)).run()
}

fn assert_all_ok(run: &Run, number: usize) {
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(run.rows_of(number).iter().all(|row| row["status"] == "ok"));
}

#[test]
fn a_quota_is_used_up_with_hardly_a_rejection() {
    let primary = PrimaryLimit::new(250, Duration::from_secs(2));
    let fake = Fake::start(Behavior { primary: Some(primary), ..Behavior::default() });
    assert_all_ok(&look_up(&fake, 700, &[]), 700);
    // One request at each of the two resets may be slightly early.
    assert!(fake.rejections().len() <= 2, "{}", fake.rejections().len());
    assert_eq!(fake.requests(), 700 + fake.rejections().len() as u64);
}

#[test]
fn a_late_rate_limit_reset_is_probed_with_single_requests() {
    let primary =
        PrimaryLimit { late: Duration::from_secs(1), ..PrimaryLimit::new(100, Duration::from_secs(2)) };
    let fake = Fake::start(Behavior { primary: Some(primary), ..Behavior::default() });
    assert_all_ok(&look_up(&fake, 250, &["-j", "50"]), 250);
    assert!((1..=8).contains(&fake.rejections().len()), "{}", fake.rejections().len());
}

#[test]
fn a_wait_for_a_reset_follows_the_servers_clock() {
    for clock_offset in [-7200, 7200] {
        let primary = Some(PrimaryLimit::new(50, Duration::from_secs(2)));
        let fake = Fake::start(Behavior { primary, clock_offset, ..Behavior::default() });
        assert_all_ok(&look_up(&fake, 120, &[]), 120);
        assert!(fake.rejections().len() <= 2, "{}", fake.rejections().len());
    }
}

#[test]
fn concurrency_settles_below_the_servers_limit() {
    crate::program::retry_three_times(|| {
        let latency = Duration::from_millis(50);
        let fake =
            Fake::start(Behavior { max_in_flight: Some((20, Some(1))), latency, ..Behavior::default() });
        assert_all_ok(&look_up(&fake, 2500, &["-j", "100"]), 2500);
        let (rejections, requests) = (fake.rejections(), fake.requests());
        assert!(rejections.len() as u64 * 100 < requests * 3, "{} of {requests}", rejections.len());
        let arrivals = fake.arrivals();
        let later = arrivals[arrivals.len() / 2].at;
        assert!(rejections.iter().all(|at| *at < later), "it has settled before half of the requests");
        // Concurrency stays close to the limit of the server.
        let in_flight: Vec<_> =
            arrivals[arrivals.len() / 2..].iter().map(|arrival| arrival.in_flight).collect();
        let mean = in_flight.iter().sum::<i64>() / in_flight.len() as i64;
        assert!((7..=20).contains(&mean), "{mean} in flight");
    });
}

#[test]
fn a_reset_beyond_max_wait_ends_the_run_at_once() {
    let primary = Some(PrimaryLimit::new(30, Duration::from_secs(3600)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    let begun = Instant::now();
    let run = look_up(&fake, 100, &["--max-wait", "10m"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(run.status, 5);
    let rows = run.rows_of(100);
    assert!(rows[..30].iter().all(|row| row["status"] == "ok"), "the budget is spent to its end");
    assert!(rows[30..].iter().all(|row| row["status"] == "skipped" && row["attempts"] == 0));
    assert!(fake.requests() <= 30, "none that would be refused: {}", fake.requests());
    assert!(run.stderr.starts_with("ghrepos: GitHub's rate limit lasts until "), "{}", run.stderr);
    assert!(
        run.stderr.contains("), longer than --max-wait 10m; 70 logins were not looked up"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1);
}

#[test]
fn a_deadline_ends_the_run_before_a_wait_beyond_it() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(40), ..Behavior::default() });
    let run = look_up(&fake, 200, &["-j", "1", "--deadline", "800ms"]);
    assert_eq!(run.status, 5);
    let ok = run.rows_of(200).iter().filter(|row| row["status"] == "ok").count();
    assert!((1..40).contains(&ok), "{ok}");
    assert_eq!(
        run.stderr,
        format!("ghrepos: deadline of 0.8s reached; {} logins were not looked up\n", 200 - ok)
    );

    let primary = Some(PrimaryLimit::new(30, Duration::from_secs(3600)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    let begun = Instant::now();
    let run = look_up(&fake, 100, &["--max-wait", "2h", "--deadline", "20m"]);
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(run.status, 5);
    assert!(
        run.stderr.contains(", beyond the deadline of 20m; 70 logins were not looked up"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_long_wait_is_logged_without_a_terminal() {
    let primary = Some(PrimaryLimit::new(30, Duration::from_secs(8)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    let input = file(&users(40));
    let run = Program::for_fake(&fake, &["-f", path(&input), "-F", "ndjson"]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let wait = run.stderr.lines().nth(1).unwrap();
    assert!(wait.starts_with("ghrepos: 30 of 40, waiting for GitHub's rate limit until "), "{wait}");
    assert!(wait.ends_with("s)"), "{wait}");
}

#[test]
fn a_rejection_is_obeyed_despite_other_responses_headers() {
    // GitHub has been observed to name a later window in a single response. The rejections name the real one.
    let primary = Some(PrimaryLimit::new(100, Duration::from_secs(3)));
    let later = (jiff::Timestamp::now().as_second() + 3600).to_string();
    let strange = move |context: &crate::fake::FaultContext<'_>| {
        (context.number == 20).then(|| {
            let headers = vec![
                ("x-ratelimit-limit", "5000".into()),
                ("x-ratelimit-remaining", "4999".into()),
                ("x-ratelimit-reset", later.clone()),
            ];
            let body = r#"{"login":"user-20","id":1,"type":"User","public_repos":1}"#;
            crate::fake::Fault::Response(200, headers, body.replace("user-20", context.login))
        })
    };
    let fake = Fake::start(Behavior { primary, fault: Box::new(strange), ..Behavior::default() });
    assert_all_ok(&look_up(&fake, 250, &[]), 250);
    assert!(fake.rejections().len() <= 22, "{}", fake.rejections().len());
}

#[test]
fn a_slow_response_delays_no_request_past_the_reset() {
    let primary = Some(PrimaryLimit::new(100, Duration::from_secs(2)));
    let slow = |context: &crate::fake::FaultContext<'_>| {
        (context.login == "user-90" && context.attempt == 1).then_some(crate::fake::Fault::Silent)
    };
    let fake = Fake::start(Behavior { primary, fault: Box::new(slow), ..Behavior::default() });
    let begun = Instant::now();
    assert_all_ok(&look_up(&fake, 250, &["--timeout", "12s"]), 250);
    let others =
        fake.arrivals().iter().filter(|arrival| arrival.at - begun < Duration::from_secs(10)).count();
    assert!(others >= 250, "{others} before the slow one was given up");
}

#[test]
fn rate_limits_fail_no_login_even_without_retries() {
    let primary =
        PrimaryLimit { late: Duration::from_secs(1), ..PrimaryLimit::new(100, Duration::from_secs(2)) };
    let fake = Fake::start(Behavior { primary: Some(primary), ..Behavior::default() });
    assert_all_ok(&look_up(&fake, 250, &["--retries", "0"]), 250);
    assert!(!fake.rejections().is_empty());
}

#[test]
fn a_scarce_quota_without_a_token_is_announced_with_a_hint() {
    let limited = || {
        Fake::start(Behavior {
            primary: Some(PrimaryLimit::new(60, Duration::from_hours(1))),
            ..Behavior::default()
        })
    };
    let line = |run: &crate::program::Run| {
        run.stderr
            .lines()
            .filter(|line| line.contains("unauthenticated limit"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let fake = limited();
    let list = file(&users(60));
    let look_up = |fake: &Fake, arguments: &[&str]| {
        Program::for_fake(fake, &[&["-F", "ndjson", "-j", "1"], arguments].concat())
    };
    let enough = look_up(&fake, &["-f", path(&list)]).run();
    assert_eq!((enough.status, line(&enough)), (0, vec![]), "{}", enough.stderr);
    // One login more than the quota, from a file and from a pipe.
    let more = file(&users(61));
    let message = "ghrepos: unauthenticated limit: 59 of 60 requests left this hour, not enough for this list; set GH_TOKEN for 5,000 points an hour (100 logins each)";
    let run = look_up(&limited(), &["-f", path(&more)]).run();
    assert_eq!((run.status, line(&run)), (5, vec![message.to_owned()]), "{}", run.stderr);
    let run = look_up(&limited(), &["-"]).run_with_input(&users(61));
    assert_eq!((run.status, line(&run)), (5, vec![message.to_owned()]), "{}", run.stderr);
    // No hint with --quiet, and none with a token.
    let run = look_up(&limited(), &["-f", path(&more), "-q"]).run();
    assert_eq!(line(&run), [""; 0]);
    let run = look_up(&limited(), &["-f", path(&more), "--api", "rest"]).env("GH_TOKEN", "ghp_sample").run();
    assert_eq!((run.status, line(&run)), (5, vec![]));
}

#[test]
fn response_times_use_up_the_cpu_time_that_github_allows() {
    // GitHub allows 60 s a minute: 46 queries of 1.3 s.
    let latency = Duration::from_millis(1300);
    let fake = Fake::start(Behavior { latency, ..Behavior::default() });
    let list = file(&users(100));
    let look_up = |arguments: &[&str]| {
        let common = ["-f", path(&list), "-F", "ndjson", "-q", "-j", "100", "--batch", "1"];
        Program::for_fake(&fake, &[&common[..], arguments].concat()).env("GH_TOKEN", "ghp_sample").run()
    };
    let count =
        |run: &Run, status: &str| run.rows_of(100).iter().filter(|row| row["status"] == status).count();
    let refused = vec![
        (["--pace", "documented", "--max-wait", "1s"], "), longer than --max-wait 1s; "),
        (["--pace", "documented", "--deadline", "20s"], ", beyond the deadline of 20s; "),
    ];
    in_parallel(refused, |(arguments, consequence)| {
        let begun = Instant::now();
        let run = look_up(&arguments);
        assert_eq!(run.status, 5, "{}", run.stderr);
        assert!(run.stderr.starts_with("ghrepos: GitHub's limit on CPU time lasts until "), "{}", run.stderr);
        assert!(run.stderr.contains(consequence), "{}", run.stderr);
        let (ok, skipped) = (count(&run, "ok"), count(&run, "skipped"));
        assert!((30..=46).contains(&ok) && ok + skipped == 100, "{ok} ok, {skipped} skipped");
        assert!(begun.elapsed() < Duration::from_secs(20), "it ends at the wait, not after it");
    });
    // No limit is documented for another server than GitHub's.
    in_parallel(vec!["none", "auto"], |pace| {
        let run = look_up(&["--pace", pace, "--max-wait", "1s"]);
        assert_eq!((run.status, count(&run, "ok")), (0, 100), "--pace {pace}: {}", run.stderr);
    });
}

#[test]
fn a_server_that_limits_cpu_time_rejects_what_exceeds_it() {
    let cpu_time = CpuTimeLimit {
        graphql: Duration::from_millis(400),
        minute: Duration::from_secs(5),
        ..CpuTimeLimit::default()
    };
    let alias_latency = Duration::from_millis(20);
    let fake = Fake::start(Behavior { cpu_time: Some(cpu_time), alias_latency, ..Behavior::default() });
    let list = file(&users(20));
    // Two queries of ten logins fill the limit, and are accepted; the next two are rejected.
    for rejections in [0, 2] {
        let arguments = ["-f", path(&list), "-F", "ndjson", "-q", "-j", "2", "--max-wait", "0"];
        let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run();
        assert_eq!(run.status, if rejections == 0 { 0 } else { 5 }, "{}", run.stderr);
        assert_eq!(fake.rejections().len(), rejections);
    }
}

#[test]
fn a_finished_run_names_the_limit_that_it_waited_for() {
    let primary = Some(PrimaryLimit::new(30, Duration::from_secs(3)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    let list = file(&users(40));
    let run = Program::for_fake(&fake, &["-f", path(&list), "-F", "ndjson"]).run();
    let last = run.stderr.lines().last().unwrap();
    assert!(last.starts_with("ghrepos: waited ") && last.ends_with("s for GitHub's rate limit"), "{last}");
    let run = Program::for_fake(&Fake::well_behaved(), &["torvalds", "-F", "ndjson"]).run();
    assert!(!run.stderr.contains("waited"), "{}", run.stderr);
}

#[test]
fn a_plan_names_cpu_time_as_the_limit_of_a_long_list() {
    let fake = Fake::well_behaved();
    let list = file(&users(20_000));
    let plan = |pace: &str| {
        let arguments = ["-f", path(&list), "--plan", "--pace", pace];
        Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run().stdout
    };
    let assumed = "assuming 1s per query, 0.2s per REST request, 10 requests at once\n";
    let documented = plan("documented");
    let expected = format!("time      about 3m 2s, {assumed}limit     GitHub's limit on CPU time\n");
    assert!(documented.ends_with(&expected), "{documented}");
    let none = plan("none");
    assert!(none.ends_with(&format!("time      about 20s, {assumed}")), "{none}");
}
