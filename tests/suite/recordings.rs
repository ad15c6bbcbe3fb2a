//! Recorded exchanges that are replayed without a network.

use std::fs;

use serde_json::Value;

use crate::fake::{Fake, Fault};
use crate::program::{Program, Run};

impl Program {
    pub fn run_recording(self, folder: &std::path::Path) -> Run {
        self.argument("--record").argument(folder.to_str().unwrap()).run()
    }
}

fn fixtures() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/github").to_owned()
}

#[test]
fn the_readmes_command_shows_the_table_with_no_network() {
    let run = Program::new(&["--replay", &fixtures(), "torvalds", "gvanrossum", "antirez"]).run();
    assert_eq!(run.status, 0);
    insta::assert_snapshot!(run.stdout, @r##"
     Login        Public repos
    ───────────────────────────────────────
     torvalds                9
     gvanrossum             28
     antirez                74
    ───────────────────────────────────────
     3 logins              111   3 counted
    "##);
    let run = Program::new(&["--replay", &fixtures(), "torvalds", "nosuchlogin"]).run();
    assert_eq!(run.status, 1);
    assert!(run.stdout.contains("nosuchlogin      not found\n"));
}

#[test]
fn every_fixture_can_be_replayed() {
    let logins: Vec<_> = fs::read_dir(fixtures() + "/users")
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(logins.len() >= 12);
    let mut program = Program::new(&["--replay", &fixtures(), "-F", "ndjson"]);
    for login in &logins {
        program = program.argument(login);
    }
    let run = program.run();
    for (row, login) in run.rows_of(logins.len()).iter().zip(&logins) {
        assert_eq!(row["login"].as_str().unwrap().to_ascii_lowercase(), *login);
        let expected = match login.as_str() {
            "nosuchlogin" => "not_found",
            "acme-internal" => "forbidden",
            _ => "ok",
        };
        assert_eq!(row["status"], expected, "{row}");
    }
}

#[test]
fn a_recorded_run_replays_with_the_same_rows() {
    let fake = Fake::with_faults(|context| match (context.login, context.attempt) {
        ("flaky", 1) => Some(Fault::Html(502)),
        ("flaky", 2) => Some(Fault::BrokenJson),
        ("blocked", _) => Some(Fault::Response(403, vec![], r#"{"message":"Access blocked"}"#.into())),
        _ => None,
    });
    let logins = ["torvalds", "Flaky", "missing-one", "blocked", "dependabot[bot]", "a/b/c"];
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("deep/recording");
    let arguments = [&logins[..], &["-F", "ndjson"]].concat();
    let recorded = Program::for_fake(&fake, &arguments).run_recording(&recording);
    let before = fake.requests();
    let played = Program::new(&[&arguments[..], &["--replay", recording.to_str().unwrap()]].concat()).run();
    let but_for_at = |run: &Run| -> Vec<Value> {
        let mut rows = run.rows();
        for row in &mut rows {
            row["at"].take();
        }
        rows
    };
    assert_eq!(but_for_at(&recorded), but_for_at(&played));
    assert_eq!((recorded.status, played.status), (1, 1));
    assert_eq!(fake.requests(), before, "a replay sends no request");
    assert_eq!(but_for_at(&played)[1]["attempts"], 3);

    let exchange = fs::read_to_string(recording.join("users/torvalds.json")).unwrap();
    let json: Value = serde_json::from_str(&exchange).unwrap();
    assert_eq!(json["request"], "GET /users/torvalds");
    assert_eq!(json["status"], 200);
    assert_eq!(json["body"]["public_repos"], 9);
    assert!(json["headers"]["x-ratelimit-remaining"].is_string());
    assert!(exchange.lines().count() > 20, "it is made to be read");
    let html = fs::read_to_string(recording.join("users/flaky.json")).unwrap();
    assert!(html.contains("Unicorn!"));
    for name in ["users/flaky.2.json", "users/flaky.3.json", "users/dependabot[bot].json"] {
        assert!(recording.join(name).exists(), "{name}");
    }

    // A recording of an Enterprise Server is replayed without its URL.
    let url = format!("{}/api/v3", fake.url());
    let folder = folder.path().join("enterprise");
    let recorded = Program::new(&["torvalds", "--api-url", &url, "-q"]).run_recording(&folder);
    let played = ["torvalds", "-q", "--replay", folder.to_str().unwrap()];
    assert_eq!((recorded.status, recorded.stdout), (0, Program::new(&played).run().stdout));

    // A second recording replaces the first one in the same folder.
    let again = Program::for_fake(&fake, &arguments).run_recording(&recording);
    assert_eq!(again.rows()[1]["attempts"], 1);
    assert!(!recording.join("users/flaky.2.json").exists());
}

#[test]
fn at_is_the_time_when_github_answered() {
    let replay = ["torvalds", "nosuchlogin-sample", "-F", "ndjson", "--replay", "fixtures/github"];
    let rows = Program::new(&replay).run().rows_of(2);
    assert_eq!(rows[0]["at"], "2026-01-15T09:30:00Z");
    assert_eq!(rows[1]["at"], serde_json::Value::Null, "it was not recorded");

    let fake = Fake::start(crate::fake::Behavior { clock_offset: -7200, ..Default::default() });
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    for api in ["graphql", "rest"] {
        let arguments = ["torvalds", "missing-one", "--api", api, "-F", "ndjson"];
        let program = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample");
        let recorded = program.argument("--record").argument(folder).run();
        let now = jiff::Timestamp::now();
        for row in recorded.rows_of(2) {
            let at: jiff::Timestamp = row["at"].as_str().unwrap().parse().unwrap();
            assert!((7190..7300).contains(&now.duration_since(at).as_secs()), "by GitHub's clock: {row}");
        }
        let replayed = Program::new(&[&arguments[..], &["--replay", folder]].concat()).run();
        assert_eq!(replayed.stdout, recorded.stdout, "{}", replayed.stderr);
    }
}

#[test]
fn recorded_queries_replay_with_any_batch_size() {
    let alias = |login: &str, _| (login == "user-3").then_some(crate::fake::AliasFault::Forbidden);
    let fake = Fake::start(crate::fake::Behavior { alias: Box::new(alias), ..Default::default() });
    let folder = tempfile::tempdir().unwrap();
    let input =
        crate::program::file(&(crate::program::users(250) + "missing-1\ndependabot[bot]\nTorvalds\n"));
    let arguments = ["-f", crate::program::path(&input), "-F", "ndjson", "--breakdown", "-q"];
    let program = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample");
    let recorded = program.argument("--verify").argument("10").run_recording(folder.path());
    let before = fake.requests();
    let but_for_at = |run: &Run| -> Vec<Value> {
        let mut rows = run.rows_of(253);
        for row in &mut rows {
            row["at"].take();
        }
        rows
    };
    for batch in [&[][..], &["--batch", "7"], &["-j", "1"]] {
        let replay = ["--replay", folder.path().to_str().unwrap(), "--verify", "10"];
        let played = Program::new(&[&arguments[..], &replay, batch].concat()).run();
        assert_eq!(but_for_at(&recorded), but_for_at(&played), "{batch:?}");
        assert_eq!((recorded.status, played.status), (1, 1));
    }
    assert_eq!(fake.requests(), before, "a replay sends no request");
    let other =
        Program::new(&["unheard-of", "user-1", "-F", "ndjson", "--replay", folder.path().to_str().unwrap()])
            .run();
    let rows = other.rows_of(2);
    let reason = format!("no recorded response for unheard-of in {}", folder.path().display());
    assert_eq!((&rows[0]["status"], &rows[0]["error"]), (&"failed".into(), &reason.into()));
    assert_eq!(rows[1]["status"], "ok");
    let exchange = fs::read_to_string(folder.path().join("graphql/user-1+25.json")).unwrap();
    assert!(exchange.contains("\"l0\": \"user-1\"") && !exchange.contains("ghp_sample"), "{exchange}");
}

#[test]
fn an_unrecorded_verification_is_reported() {
    let run = Program::new(&["--replay", &fixtures(), "torvalds", "--verify", "100", "-F", "ndjson"]).run();
    assert_eq!(run.status, 0);
    assert!(run.rows_of(1)[0]["verified"].is_null());
    assert!(run.stderr.contains("warning: 1 login could not be verified; see -v"), "{}", run.stderr);
}

#[test]
fn an_unrecorded_login_is_a_failed_row_with_a_reason() {
    let run = Program::new(&["--replay", &fixtures(), "torvalds", "unheard-of", "-F", "ndjson"]).run();
    assert_eq!(run.status, 1);
    let row = &run.rows()[1];
    assert_eq!((&row["status"], &row["attempts"]), (&"failed".into(), &1.into()));
    assert_eq!(row["error"], format!("no recorded response for GET /users/unheard-of in {}", fixtures()));
}

#[test]
fn a_damaged_recording_is_a_failed_row_a_missing_one_status_2() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("users")).unwrap();
    fs::write(folder.path().join("users/a.json"), "{").unwrap();
    fs::write(folder.path().join("users/b.json"), r#"{"request":"","status":9999,"headers":{}}"#).unwrap();
    let run = Program::new(&["--replay", folder.path().to_str().unwrap(), "a", "b", "-F", "ndjson"]).run();
    for row in run.rows_of(2) {
        assert!(row["error"].as_str().unwrap().contains(".json is damaged: "), "{row}");
    }
    let run = Program::new(&["--replay", "/nowhere", "a"]).run();
    assert_eq!((run.status, run.stderr.as_str()), (2, "ghrepos: cannot replay /nowhere: no such folder\n"));
}

#[cfg(unix)]
#[test]
fn a_recording_that_cannot_be_written_is_status_2() {
    let fake = Fake::well_behaved();
    let run = Program::for_fake(&fake, &["torvalds"]).run_recording("/dev/null/recording".as_ref());
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    assert!(run.stderr.starts_with("ghrepos: cannot record to /dev/null/recording"), "{}", run.stderr);
}
