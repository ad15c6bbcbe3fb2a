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
    assert!(lines[1].contains("; 1 duplicate dropped; "), "{}", lines[1]);
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
        "ghrepos: acme-100: 50 members (public ones only: the others are not visible without a token)\n";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
    let run = look_up(&fake, &["--members", "strangers-9"]);
    let message =
        "ghrepos: strangers-9: 9 members (public ones only: the token's owner is not in the organization)\n";
    assert!(run.stderr.starts_with(message), "{}", run.stderr);
}

/// A token that was lost looks as if everyone but the public members had left.
#[test]
fn an_audit_of_members_without_a_token_is_refused() {
    let fake = Fake::well_behaved();
    let list = ["--members", "acme-100", "--baseline", "last.ndjson", "--baseline-optional"];
    let run = Program::for_fake(&fake, &list).run();
    let message = "ghrepos: --members with --baseline requires a token: set GH_TOKEN\n";
    assert_eq!((run.status, run.stderr.as_str()), (4, message));
    assert_eq!(fake.requests(), 0);
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

const ENTERPRISE_SCOPES: Option<&str> = Some("repo, read:enterprise");

fn with_enterprise() -> Fake {
    Fake::start(Behavior { scopes: ENTERPRISE_SCOPES, ..Behavior::default() })
}

fn queries(fake: &Fake) -> usize {
    let is_list = |body: &[u8]| String::from_utf8_lossy(body).contains("enterprise(slug");
    fake.arrivals().iter().filter(|arrival| is_list(&arrival.request.body)).count()
}

#[test]
fn a_role_filters_the_members_of_an_organization() {
    let fake = Fake::well_behaved();
    for (role, logins, line) in [
        ("admin", &["member-0"][..], "acme-3: 1 admin"),
        ("owner", &["member-0"], "acme-3: 1 admin"),
        ("member", &["member-1", "member-2"], "acme-3: 2 members who are not admins"),
    ] {
        let run = look_up(&fake, &["--members", "acme-3", "--role", role]);
        let found: Vec<_> = run.rows().iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, logins, "{role}");
        assert!(run.stderr.starts_with(&format!("ghrepos: {line}\n")), "{}", run.stderr);
    }
    for arguments in [&["--team", "acme-3/core-5", "--role", "admin"][..], &["a", "--role", "member"]] {
        let run = look_up(&fake, arguments);
        let line = "ghrepos: --role filters the members of an organization: add --members ORG\n";
        assert_eq!((run.status, run.stderr.as_str()), (2, line));
    }
}

#[test]
fn outside_collaborators_are_looked_up() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, &["--outside-collaborators", "https://github.com/orgs/acme-150/people"]);
    // The fake is another server than github.com for its API alone.
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.rows_of(150)[149]["login"], "outside-149");
    assert!(run.stderr.starts_with("ghrepos: acme-150: 150 outside collaborators\n"), "{}", run.stderr);
    let anonymous = Program::for_fake(&fake, &["--outside-collaborators", "acme-3"]).run();
    assert_eq!(
        anonymous.stderr,
        "ghrepos: cannot list the outside collaborators of acme-3: organization not found, or only its members can see them: \
         set GH_TOKEN to a token with the scope read:org\n"
    );
    assert_eq!(anonymous.status, 2);
}

#[test]
fn a_team_is_named_by_its_address_or_its_display_name() {
    let fake = Fake::well_behaved();
    for team in ["acme-3/Core 5", "https://github.com/orgs/acme-3/teams/core-5/members", "@acme-3/core-5"] {
        let run = look_up(&fake, &["--team", team]);
        assert!(run.stderr.starts_with("ghrepos: acme-3/core-5: 5 members\n"), "{}", run.stderr);
    }
    let run = look_up(&fake, &["--team", "acme"]);
    let line = "ghrepos: invalid value \"acme\" for --team: expected ORG/TEAM, or the address of a team\n";
    assert_eq!((run.status, run.stderr.as_str()), (2, line));
}

#[test]
fn the_members_of_an_enterprise_carry_their_organizations() {
    let fake = with_enterprise();
    let run = look_up(&fake, &["--enterprise", "acme-250", "--group-by", "organizations"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let rows = run.rows_of(249);
    let organizations: Vec<_> = rows[..4].iter().map(|row| row["carried"]["organizations"].clone()).collect();
    let expected = serde_json::json!(["org-a", ["org-a", "org-b"], "org-c", null]);
    assert_eq!(serde_json::Value::from(organizations), expected);
    assert_eq!(rows[3]["login"], "member-3", "the user's login, not the account's e-mail address");
    assert_eq!((queries(&fake), rows[248]["login"].as_str()), (3, Some("member-249")));
    let lines: Vec<_> = run.stderr.lines().collect();
    assert_eq!(lines[0], "ghrepos: enterprise acme-250: 249 members");
    assert_eq!(lines[1], "ghrepos: warning: enterprise acme-250: 1 member is not visible to this token");

    let csv = Program::for_fake(&fake, &["--enterprise", "acme-2", "-F", "csv"])
        .env("GH_TOKEN", "ghp_sample")
        .run();
    let rows: Vec<_> =
        csv.stdout.lines().map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["login organizations", "member-0 org-a", "member-1 org-a; org-b"]);
}

#[test]
fn an_enterprise_and_a_sheet_are_one_input() {
    let fake = with_enterprise();
    let sheet = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(sheet.path(), "login,team\nMEMBER-1,core\nuser-1,web\n").unwrap();
    let sheet = sheet.path().to_str().unwrap();
    let arguments = ["-f", sheet, "--enterprise", "acme-2", "--carry", "team", "--group-by", "organizations"];
    let run = look_up(&fake, &arguments);
    let rows: Vec<_> = run
        .rows_of(3)
        .iter()
        .map(|row| format!("{} {}", row["login"], row["carried"]).replace('"', ""))
        .collect();
    assert_eq!(
        rows,
        [
            "member-1 {team:core,organizations:[org-a,org-b]}",
            "user-1 {team:web,organizations:null}",
            "member-0 {team:null,organizations:org-a}",
        ]
    );
}

#[test]
fn organizations_that_the_token_cannot_see_are_named() {
    let fake = with_enterprise();
    let run = look_up(&fake, &["--enterprise", "saml-4", "-q"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(run.rows_of(4)[2]["carried"]["organizations"], serde_json::Value::Null);
    assert_eq!(
        run.stderr,
        "ghrepos: warning: enterprise saml-4: organizations that this token cannot see: org-c: Resource protected by \
         organization SAML enforcement: `org-c`\n"
    );
}

#[test]
fn a_missing_enterprise_is_status_2_and_a_missing_scope_4() {
    let fake = with_enterprise();
    let run = look_up(&fake, &["torvalds", "--enterprise", "missing"]);
    let line = "ghrepos: cannot list the members of enterprise missing: enterprise not found, or not visible to this token\n";
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", line));
    assert_eq!(fake.requests(), 1);
    let scopeless = Fake::well_behaved();
    let fine_grained = Fake::start(Behavior { scopes: None, ..Behavior::default() });
    for (fake, token, hint) in [
        (&scopeless, "ghp_sample", "the token needs the scope read:enterprise"),
        (&scopeless, "gho_sample", "run gh auth refresh --scopes read:enterprise"),
        (&scopeless, "sample", "the token needs the scope read:enterprise (classic)"),
        (
            &fine_grained,
            "github_pat_sample",
            "access forbidden: Resource not accessible by personal access token; a fine-grained token cannot list the members \
             of an enterprise: set GH_TOKEN to a classic personal access token",
        ),
        (
            &fine_grained,
            "ghs_sample",
            "access forbidden: Resource not accessible by personal access token; the token of an app cannot list the members of \
             an enterprise: set GH_TOKEN to a classic personal access token",
        ),
    ] {
        let before = fake.requests();
        let run = Program::for_fake(fake, &["--enterprise", "acme-3"]).env("GH_TOKEN", token).run();
        let line = format!("ghrepos: cannot list the members of enterprise acme-3: {hint}\n");
        assert_eq!((run.status, run.stderr), (4, line), "{token}");
        assert_eq!(fake.requests() - before, 1, "{token}");
    }
    let run = Program::for_fake(&fake, &["--enterprise", "acme-3"]).run();
    assert_eq!(run.status, 4);
    assert!(run.stderr.starts_with("ghrepos: --enterprise requires a token: set GH_TOKEN"), "{}", run.stderr);
    let run = look_up(&fake, &["--enterprise", "acme-3", "--api", "rest"]);
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: --enterprise requires the GraphQL API: remove --api rest\n")
    );
}

#[test]
fn a_list_of_an_enterprise_is_retried_in_smaller_pages() {
    let fake = Fake::start(Behavior {
        scopes: ENTERPRISE_SCOPES,
        fault: Box::new(|context| {
            let body = String::from_utf8_lossy(&context.request.body);
            body.contains("first: 100, after").then_some(Fault::Html(502))
        }),
        ..Behavior::default()
    });
    let run = look_up(&fake, &["--enterprise", "acme-120", "-q"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    run.rows_of(119);
    assert_eq!(queries(&fake), 4, "one of a hundred, and three of fifty");
}

#[test]
fn a_list_of_an_enterprise_waits_for_a_rate_limit() {
    let fake = Fake::start(Behavior {
        scopes: ENTERPRISE_SCOPES,
        fault: Box::new(|context| match context.number {
            1 => Some(Fault::secondary(403, Some(0))),
            2 => Some(Fault::Response(
                200,
                vec![("retry-after", "0".into())],
                r#"{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}"#.into(),
            )),
            _ => None,
        }),
        ..Behavior::default()
    });
    let run = look_up(&fake, &["--enterprise", "acme-5", "--carry", "organizations", "-q"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    run.rows_of(5);
    assert_eq!(queries(&fake), 3);
}

#[test]
fn a_list_of_an_enterprise_shows_no_token_that_is_sent_back() {
    const TOKEN: &str = "ghp_SAMPLEsampleSAMPLEsampleSAMPLEsample";
    let members =
        r#"{"nodes":[{"login":"a","organizations":{"nodes":[null]}}],"pageInfo":{"hasNextPage":false}}"#;
    let error = format!(r#"{{"type":"FORBIDDEN","message":"no access with {TOKEN} to `{TOKEN}`"}}"#);
    let body = format!(r#"{{"data":{{"enterprise":{{"members":{members}}}}},"errors":[{error}]}}"#);
    let fake = Fake::with_faults(move |context| {
        (context.number == 1).then(|| Fault::Response(200, vec![], body.clone()))
    });
    let run =
        Program::for_fake(&fake, &["--enterprise", "acme", "-F", "ndjson"]).env("GH_TOKEN", TOKEN).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("organizations that this token cannot see"), "{}", run.stderr);
    assert!(!run.stderr.contains("SAMPLE") && !run.stdout.contains("SAMPLE"), "{}", run.stderr);
}

#[test]
fn a_list_of_an_enterprise_ends_although_a_server_repeats_it() {
    let page = |cursor: &str| {
        let members = serde_json::json!({
            "nodes": [{"login": "a", "user": {"login": "a"}}], "pageInfo": {"hasNextPage": true, "endCursor": cursor}
        });
        serde_json::json!({"data": {"enterprise": {"members": members}}}).to_string()
    };
    let fake = Fake::with_faults(move |_| Some(Fault::Response(200, vec![], page("same"))));
    let run = look_up(&fake, &["--enterprise", "acme"]);
    let line = "ghrepos: cannot list the members of enterprise acme: pagination error: the next page is an earlier one\n";
    assert_eq!((run.status, run.stderr.as_str()), (2, line));
    assert_eq!(fake.requests(), 2);
    let scope = r#"{"errors":[{"message":"Field 'enterprise' doesn't exist on type 'Query'"}]}"#;
    let old = Fake::with_faults(move |_| Some(Fault::Response(200, vec![], scope.into())));
    let run = look_up(&old, &["--enterprise", "acme"]);
    let line = "ghrepos: cannot list the members of enterprise acme: the server cannot list them: Field 'enterprise' doesn't \
                exist on type 'Query'\n";
    assert_eq!((run.status, run.stderr.as_str()), (2, line));
}

#[test]
fn a_recorded_enterprise_is_replayed_page_by_page() {
    let fake = with_enterprise();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("recording");
    let arguments = ["--enterprise", "acme-250", "user-1", "-F", "ndjson", "-q"];
    let recorded = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run_recording(&folder);
    assert_eq!(recorded.status, 0, "{}", recorded.stderr);
    for page in ["graphql/enterprise=acme-250.json", "graphql/enterprise=acme-250.3.json"] {
        assert!(folder.join(page).is_file(), "{page}");
    }
    let played = Program::new(&[&arguments[..], &["--replay", folder.to_str().unwrap()]].concat()).run();
    assert_eq!(played.status, 0, "{}", played.stderr);
    let logins = |run: &Run| -> Vec<_> {
        run.rows_of(250).iter().map(|row| format!("{} {}", row["login"], row["carried"])).collect()
    };
    assert_eq!(logins(&played), logins(&recorded));
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
