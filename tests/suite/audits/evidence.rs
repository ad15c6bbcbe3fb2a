//! Recordings as evidence: a recorded run replays with the same rows, including failures.

use std::path::Path;

use serde_json::Value;

use super::Folder;
use crate::fake::{AliasFault, Behavior, Fake, Fault};
use crate::program::{Program, file, path, users};

#[test]
fn an_interrupted_recording_replays_as_interrupted() {
    let folder = Folder::new();
    let recording = folder.at("recording");
    let fake = Fake::well_behaved();
    let list = file(&users(40));
    let common = ["-f", path(&list), "--batch", "10", "-j", "1", "-F", "json", "-q", "--max-points", "2"];
    let live = Program::for_fake(&fake, &[&common[..], &["--record", &recording]].concat())
        .env("GH_TOKEN", "t_sample")
        .run();
    let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
    assert_eq!((live.status, played.status), (5, 5), "{}", played.stderr);
    assert_eq!(without_times(&live.stdout), without_times(&played.stdout));
}

/// Removes the times from a report.
fn without_times(report: &str) -> String {
    report.lines().map(|line| match line.split_once("\"at\":\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
        None => line.to_owned(),
    } + "\n").collect()
}

#[test]
fn a_recorded_run_replays_byte_for_byte_except_at() {
    let faults = |context: &crate::fake::FaultContext<'_>| match (context.login, context.attempt) {
        ("user-3", 1) => Some(Fault::Html(502)),
        ("user-5", 1 | 2) => Some(Fault::Hangup),
        ("user-7", time) if time % 2 == 0 => Some(Fault::Truncated),
        ("user-7", _) => Some(Fault::Html(500)),
        ("user-9", _) => Some(Fault::Reset),
        _ => None,
    };
    let alias = |login: &str, time| match (login, time) {
        ("user-4", 1) | ("user-8", _) => Some(AliasFault::ResourceLimits),
        ("user-6", _) => Some(AliasFault::Forbidden),
        _ => None,
    };
    let input = file(&(users(30) + "missing-1\nno login\ndependabot[bot]\n"));
    for api in ["rest", "graphql"] {
        let folder = Folder::new();
        let recording = folder.at("recording");
        let fake =
            Fake::start(Behavior { fault: Box::new(faults), alias: Box::new(alias), ..Behavior::default() });
        let common = ["-f", path(&input), "-F", "json", "--retries", "2"];
        let live = Program::for_fake(&fake, &[&common[..], &["--api", api, "--record", &recording]].concat())
            .env("GH_TOKEN", "ghp_sample")
            .run();
        let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
        assert_eq!((live.status, played.status), (1, 1), "{}", played.stderr);
        assert_eq!(without_times(&live.stdout), without_times(&played.stdout), "{api}");
        let report: Value = serde_json::from_str(&live.stdout).unwrap();
        assert_eq!(report["meta"]["exchanges"], recording);
        assert_eq!(report["meta"]["viewer"], "Octocat-Sample");
        for row in report["rows"].as_array().unwrap().iter().filter(|row| row["status"] == "ok") {
            let exchange = row["exchange"].as_str().unwrap();
            let kept = std::fs::read_to_string(Path::new(&recording).join(exchange)).unwrap();
            assert!(kept.contains(row["login"].as_str().unwrap()), "{exchange}");
            assert!(kept.contains(&row["id"].to_string()), "{exchange}");
        }
        // A part of the input replays too, with its own requests and points.
        let part = Program::new(&["user-1", "user-2", "-F", "json", "--replay", &recording]).run();
        assert_eq!(part.status, 0, "{}", part.stderr);
        let rows_of =
            |json: &str| serde_json::from_str::<Value>(json).unwrap()["rows"].as_array().unwrap().len();
        assert_eq!(rows_of(&part.stdout), 2);
        // The exchanges contain the identity too. A killed run has no other source of it.
        std::fs::remove_file(Path::new(&recording).join("run.json")).unwrap();
        let part = Program::new(&["user-1", "user-2", "-F", "json", "--replay", &recording]).run();
        let part: Value = serde_json::from_str(&part.stdout).unwrap();
        assert_eq!(part["meta"]["viewer"], "Octocat-Sample");
    }
}

#[test]
fn an_interrupted_verification_replays_as_interrupted() {
    let fault = |context: &crate::fake::FaultContext<'_>| match (context.login, context.attempt) {
        ("user-3", 1) => Some(Fault::secondary(403, Some(1))),
        ("user-3", _) => Some(Fault::Hangup),
        _ => None,
    };
    let fake = Fake::with_faults(fault);
    let folder = Folder::new();
    let recording = folder.at("recording");
    let list = file(&users(10));
    let common = ["-f", path(&list), "--verify", "100", "-F", "json", "--retries", "2"];
    let live = Program::for_fake(&fake, &[&common[..], &["--record", &recording]].concat())
        .env("GH_TOKEN", "ghp_sample")
        .run();
    let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
    assert_eq!((live.status, played.status), (0, 0), "{}{}", live.stderr, played.stderr);
    assert_eq!(without_times(&live.stdout), without_times(&played.stdout));
}
