//! Members of organizations and teams, which are listed before the first lookup.

use std::collections::HashSet;

use crate::fake::{Behavior, Fake, Fault};
use crate::program::{Program, Run};

fn look_up(fake: &Fake, arguments: &[&str]) -> Run {
    Program::for_fake(fake, &[arguments, &["-F", "ndjson"]].concat()).env("GH_TOKEN", "ghp_sample").run()
}

fn listings(fake: &Fake) -> usize {
    let listing = |target: &str| target.contains("/members?");
    fake.arrivals().iter().filter(|arrival| listing(&arrival.request.target)).count()
}

#[test]
fn members_and_named_logins_are_each_counted_once() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, &["torvalds", "MEMBER-7", "--members", "acme-437"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let rows = run.rows_of(438);
    let logins: HashSet<_> = rows.iter().map(|row| row["login"].to_string()).collect();
    assert_eq!(logins.len(), 438);
    assert_eq!((&rows[0]["login"], &rows[2]["login"]), (&"torvalds".into(), &"member-0".into()));
    assert!(rows.iter().all(|row| row["status"] == "ok"));
    assert_eq!(listings(&fake), 5);
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines[0], "ghrepos: acme-437: 437 members");
    assert!(lines[1].contains("438 logins (1 duplicate dropped)"), "{}", lines[1]);
}

#[test]
fn organizations_and_teams_are_one_input() {
    let fake = Fake::well_behaved();
    let run =
        look_up(&fake, &["--members", "acme-3", "--team", "acme-3/core-5", "--members", "other-4", "-q"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let logins: Vec<_> = run.rows().iter().map(|row| row["login"].to_string()).collect();
    assert_eq!(logins, ["\"member-0\"", "\"member-1\"", "\"member-2\"", "\"member-3\"", "\"member-4\""]);
}

#[test]
fn a_token_that_sees_public_members_only_gets_a_note() {
    let fake = Fake::well_behaved();
    let run = Program::for_fake(&fake, &["--members", "acme-100", "-F", "ndjson"]).run();
    run.rows_of(50);
    let message =
        "ghrepos: acme-100: 50 members, the public ones: the others are not visible without a token\n";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
    let run = look_up(&fake, &["--members", "strangers-9"]);
    let message =
        "ghrepos: strangers-9: 9 members, the public ones: the token's owner is not in the organization\n";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
}

#[test]
fn an_unlistable_organization_ends_the_run_before_counting() {
    let fake = Fake::well_behaved();
    for (arguments, reason) in [
        (
            &["--members", "nobody"][..],
            "the members of nobody: organization not found, or not visible to this token",
        ),
        (
            &["--team", "acme-3/none"],
            "the members of acme-3/none: team not found, or not visible to this token: the token needs the scope read:org\n",
        ),
        (
            &["--members", "saml-9"],
            "(authorize the token for SSO at https://github.com/orgs/saml/sso?authorization_request=SAMPLE)\n",
        ),
    ] {
        let run = look_up(&fake, &[&["torvalds"], arguments].concat());
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(run.stderr.contains(reason) && run.stderr.lines().count() == 1, "{}", run.stderr);
    }
    let run = Program::for_fake(&fake, &["--team", "acme-3/core-5"]).run();
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains(": set GH_TOKEN to a token with the scope read:org\n"), "{}", run.stderr);
    assert!(fake.arrivals().iter().all(|arrival| arrival.request.method == "GET"), "no login was looked up");
    for wrong in [&["--members", "a/b"][..], &["--team", "acme"], &["--team", "acme/.."]] {
        assert_eq!(look_up(&fake, wrong).status, 2);
    }
    let refusing = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let run = look_up(&refusing, &["--members", "acme-3"]);
    assert_eq!((run.status, run.stderr.lines().count()), (4, 1), "{}", run.stderr);
}

#[test]
fn listing_members_is_retried_like_every_request() {
    let fake = Fake::with_faults(|context| {
        (context.number % 2 == 1 && context.number < 8).then_some(Fault::Html(502))
    });
    let run = look_up(&fake, &["--members", "acme-250", "-q"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    run.rows_of(250);
}

#[test]
fn a_replay_of_members_needs_no_address() {
    let fake = Fake::well_behaved();
    for (path, token) in [("", "ghp_sample"), ("/api/v3", "ghp_sample"), ("/api/v3", "")] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("recording");
        let teams = if token.is_empty() { &[][..] } else { &["--team", "acme-250/core-120"] };
        let arguments =
            [&["--members", "acme-250", "user-1", "dependabot[bot]", "-F", "ndjson"], teams].concat();
        let url = format!("{}{path}", fake.url());
        let variable = if path == "/api/v3" { "GH_ENTERPRISE_TOKEN" } else { "GH_TOKEN" };
        let recorded = Program::new(&[&arguments[..], &["--api-url", &url]].concat()).env(variable, token);
        let recorded = recorded.run_recording(&folder);
        assert_eq!(recorded.status, 0, "{}", recorded.stderr);
        let played = Program::new(&[&arguments[..], &["--replay", folder.to_str().unwrap()]].concat());
        let played = played.env("GH_HOST", "git.example.com").run();
        assert_eq!(played.status, 0, "{path}: {}", played.stderr);
        let rows = |run: &Run| {
            let mut rows = run.rows();
            rows.iter_mut().for_each(|row| drop(row["at"].take()));
            rows
        };
        assert_eq!(rows(&played), rows(&recorded), "{path}");
        assert!(rows(&played).len() > 100, "{path}");
    }
}
