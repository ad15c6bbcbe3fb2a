//! Versions of the REST API: notices of their end, and the responses of the newer one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::fake::{App, Behavior, Fake, Fault, rest};
use crate::program::{Program, Run, file, path, users};

const SUNSET: &str = "Fri, 10 Mar 2028 00:00:00 GMT";

fn announcing(headers: &[(&'static str, &str)]) -> Fake {
    let extra_headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Fake::start(Behavior { extra_headers, ..Behavior::default() })
}

/// Returns the lines about the version of the API, with `HOST` for the address of the fake.
fn notices(run: &Run, fake: &Fake) -> Vec<String> {
    let lines = run.stderr.lines().filter(|line| line.contains("of its API"));
    lines.map(|line| line.replace(&fake.url(), "HOST")).collect()
}

#[test]
fn a_notice_of_the_versions_end_is_one_line_with_its_date() {
    let version = "version 2022-11-28 of its API";
    let update = "install a newer ghrepos";
    for (headers, line) in [
        (&[("sunset", SUNSET)][..], format!("announces the end of {version}, on 2028-03-10; {update}")),
        (
            &[("deprecation", "@1773100800"), ("sunset", SUNSET)],
            format!("announces the end of {version}, on 2028-03-10; {update}"),
        ),
        (&[("deprecation", "@1773100800")], format!("has deprecated {version}, as of 2026-03-10; {update}")),
        (
            &[("deprecation", "Tue, 10 Mar 2026 00:00:00 GMT")],
            format!("has deprecated {version}, as of 2026-03-10; {update}"),
        ),
        (&[("deprecation", "true")], format!("has deprecated {version}; {update}")),
        // A tab and a control character of ISO 8859-1: no other one ever gets past the HTTP client.
        (&[("sunset", "2\t\u{9b}31m")], format!("announces the end of {version}; {update}")),
    ] {
        let fake = announcing(headers);
        let list = file(&users(40));
        for arguments in [
            &["-f", path(&list), "--api", "rest"][..],
            &["-f", path(&list), "--batch", "5"],
            &["user-1", "-q"],
            &["--members", "acme-3", "--plan"],
        ] {
            let run = Program::for_fake(&fake, arguments).env("GH_TOKEN", "ghp_sample").run();
            assert_eq!(run.status, 0, "{headers:?} {arguments:?}: {}", run.stderr);
            let expected = format!("ghrepos: warning: HOST {line}");
            assert_eq!(notices(&run, &fake), [expected], "{headers:?} {arguments:?}");
        }
    }
}

#[test]
fn the_most_urgent_of_several_notices_is_printed() {
    let number = AtomicU64::new(0);
    let fake = Fake::with_faults(move |context| {
        let date = match number.fetch_add(1, Ordering::Relaxed) {
            0 => ("deprecation", "true"),
            1 => ("sunset", "Sat, 10 Mar 2029 00:00:00 GMT"),
            2 => ("sunset", SUNSET),
            _ => return None,
        };
        let body = format!(r#"{{"login":"{}","id":1,"type":"User","public_repos":1}}"#, context.login);
        Some(Fault::Response(200, vec![(date.0, date.1.to_owned())], body))
    });
    let run = Program::for_fake(&fake, &["a", "b", "c", "d", "-j", "1"]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let line = "ghrepos: warning: HOST announces the end of version 2022-11-28 of its API, on 2028-03-10; install a newer ghrepos";
    assert_eq!(notices(&run, &fake), [line]);
}

#[test]
fn a_notice_of_another_server_is_not_githubs() {
    let notice = || vec![("sunset", SUNSET.to_owned())];
    let stray = move |context: &crate::fake::FaultContext<'_>| {
        (context.number == 2).then(|| Fault::Response(404, notice(), "{}".into()))
    };
    let fake = Fake::with_faults(stray);
    let run = Program::for_fake(&fake, &["a", "b", "c", "-j", "1"]).run();
    assert_eq!((run.status, fake.requests(), notices(&run, &fake)), (0, 4, vec![]), "{}", run.stderr);
}

#[test]
fn a_replay_repeats_a_recorded_notice_and_no_other() {
    for api in ["rest", "graphql"] {
        let logins = ["user-1", "missing-1", "--api", api];
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        for headers in [&[][..], &[("sunset", SUNSET), ("deprecation", "true")]] {
            let fake = announcing(headers);
            let program = Program::for_fake(&fake, &logins).env("GH_TOKEN", "ghp_sample");
            let recorded = program.argument("--record").argument(folder).run();
            let replayed = Program::new(&logins).argument("--replay").argument(folder).run();
            let notices = [&recorded, &replayed].map(|run| notices(run, &fake).len());
            let expected = usize::from(!headers.is_empty());
            assert_eq!(notices, [expected, expected], "{api}: {}{}", recorded.stderr, replayed.stderr);
        }
    }
}

/// Counts 500 logins with ten jobs against a server that answers 410 after a number of requests.
fn run_until_410(api: &str, answered: u64, body: &'static str) -> (Run, Fake) {
    let fake = Fake::start(Behavior {
        latency: Duration::from_millis(10),
        fault: Box::new(move |context| {
            (context.number > answered).then(|| Fault::Response(410, vec![], body.into()))
        }),
        ..Behavior::default()
    });
    let list = file(&users(500));
    let arguments = ["-f", path(&list), "--api", api, "--batch", "10", "-F", "ndjson"];
    let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run();
    (run, fake)
}

#[test]
fn a_retired_version_ends_the_run_by_its_name() {
    const RETIRED: &str = r#"{"message":"This version is gone.\u001b[2J","documentation_url":"https://docs.github.com/rest","status":"410"}"#;
    for (api, answered) in [("rest", 0), ("graphql", 0), ("rest", 25), ("graphql", 25)] {
        for (body, reason) in [(RETIRED, ": This version is gone.\\u{1b}[2J"), (r#"{"message":""}"#, "")] {
            let (run, fake) = run_until_410(api, answered, body);
            let line = format!(
                "ghrepos: {} has retired version 2022-11-28 of its API{reason}; install a newer ghrepos; ",
                fake.url()
            );
            assert_eq!(run.status, 5, "{api}, {answered}: {}", run.stderr);
            assert!(run.stderr.starts_with(&line), "{api}, {answered}: {}", run.stderr);
            assert!(
                run.stderr.lines().next().unwrap().ends_with(" logins were not looked up"),
                "{}",
                run.stderr
            );
            assert!(fake.requests() <= answered + 12, "{api}, {answered}: {} requests", fake.requests());
            let rows = run.rows_of(500);
            assert!(rows.iter().all(|row| row["status"] != "not_found" && row["status"] != "forbidden"));
            let ok = rows.iter().filter(|row| row["status"] == "ok").count() as u64;
            // Responses to requests in flight are not waited for.
            let logins = if api == "rest" { 1 } else { 10 };
            assert!((answered.saturating_sub(10) * logins..=answered * logins).contains(&ok), "{ok}");
        }
    }
}

#[test]
fn a_retired_version_ends_lists_of_members_and_apps_too() {
    let gone = || {
        let fault = |_: &crate::fake::FaultContext<'_>| {
            Some(Fault::Response(410, vec![], r#"{"message":"Gone","status":"410"}"#.into()))
        };
        Fake::start(Behavior { fault: Box::new(fault), app: Some(App::new(|_| true)), ..Behavior::default() })
    };
    let key = file(crate::apps::private_key());
    let app = ["user-1", "--app-id", "12", "--app-key", path(&key), "--installation", "7"];
    for arguments in [&["--members", "acme-3"][..], &app] {
        let fake = gone();
        let run = Program::for_fake(&fake, arguments).run();
        let line = format!("ghrepos: {} has retired version 2022-11-28 of its API: Gone; ", fake.url());
        assert!(run.status == 5 && run.stderr.starts_with(&line), "{}", run.stderr);
        assert_eq!(fake.requests(), 1);
    }
}

#[test]
fn every_request_names_the_version_and_accepts_plain_json() {
    let key = file(crate::apps::private_key());
    let app = ["--app-id", "12", "--app-key", path(&key)];
    for arguments in [
        &["user-1", "user-2", "--api", "graphql", "--breakdown", "--private"][..],
        &["user-1", "--api", "rest", "--breakdown", "-F", "json"],
        &["--members", "acme-3", "--plan"],
    ] {
        for api_version in [None, Some(rest::VERSIONS[1])] {
            let app_of_fake = Some(App::new(|_| true));
            let fake = Fake::start(Behavior {
                media_type: Some("application/json"),
                api_version,
                app: app_of_fake,
                ..Behavior::default()
            });
            let run = Program::for_fake(&fake, &[&app[..], arguments].concat()).run();
            assert_eq!(run.status, 0, "{arguments:?}: {}", run.stderr);
            for arrival in fake.arrivals() {
                let request = arrival.request;
                assert_eq!(request.all("accept"), ["application/vnd.github+json, application/json;q=0.9"]);
                assert_eq!(request.all("x-github-api-version"), [rest::VERSIONS[0]], "{}", request.target);
            }
        }
    }
}

/// Runs the same command against both versions of the API.
fn with_each_version(arguments: &[&str], behavior: impl Fn() -> Behavior, token: &str) -> [Run; 2] {
    rest::VERSIONS.map(|version| {
        let fake = Fake::start(Behavior { api_version: Some(version), ..behavior() });
        let mut run = Program::for_fake(&fake, arguments).env("GH_TOKEN", token).run();
        assert!(fake.requests() > 0, "{}", run.stderr);
        // The two servers have not been started in the same second.
        let lines = run.stdout.lines().map(|line| line.split(", reset at ").next().unwrap_or_default());
        run.stdout = lines.collect::<Vec<_>>().join("\n").replace(&fake.url(), "HOST");
        run
    })
}

#[test]
fn both_versions_of_the_api_give_the_same_report() {
    let fault = || {
        let fault = |context: &crate::fake::FaultContext<'_>| match (context.login, context.attempt) {
            ("flaky", 1) => Some(Fault::Html(502)),
            ("blocked", _) => {
                Some(Fault::Response(403, vec![], r#"{"message":"Blocked","status":"403"}"#.into()))
            }
            ("moved", _) => {
                Some(Fault::Response(301, vec![("location", "/users/new_corp".into())], "{}".into()))
            }
            _ => None,
        };
        Behavior { fault: Box::new(fault), ..Behavior::default() }
    };
    let logins = ["user-1", "flaky", "missing-1", "orgs-1", "dependabot[bot]"];
    for (arguments, status) in [
        ([&logins[..], &["--api", "rest"]].concat(), 1),
        ([&logins[..], &["--api", "graphql"]].concat(), 1),
        (vec!["user-1", "blocked", "moved", "user-2", "--api", "rest"], 1),
        (vec!["orgs-1", "--breakdown", "--api", "rest"], 0),
        (vec!["octocat-sample", "--private"], 0),
        (vec!["user-1", "user-2", "--verify", "100"], 0),
        (vec!["--members", "acme-250"], 0),
        (vec!["--team", "acme/core-3"], 0),
        (vec!["user-1", "user-2", "--plan", "--api", "rest"], 0),
    ] {
        let [old, new] = with_each_version(&arguments, fault, "ghp_sample");
        assert_eq!(old.status, status, "{arguments:?}: {}", old.stderr);
        assert_eq!((old.status, &old.stdout), (new.status, &new.stdout), "{arguments:?}: {}", new.stderr);
    }
}

#[test]
fn an_unknown_version_is_refused_by_the_fake_as_by_github() {
    let fake = Fake::well_behaved();
    for version in rest::VERSIONS.iter().chain(&["2020-01-01"]) {
        let address = fake.url().replace("http://", "");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!(
            "GET /users/user-1 HTTP/1.1\r\nhost: fake\r\nuser-agent: test\r\nx-github-api-version: {version}\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut head = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut head).unwrap();
        let status = if *version == "2020-01-01" { "400" } else { "200" };
        assert_eq!(String::from_utf8_lossy(&head), format!("HTTP/1.1 {status}"));
    }
}
