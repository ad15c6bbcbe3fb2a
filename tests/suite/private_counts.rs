//! `--private`: a number only where the token can see all repositories, else null.

use serde_json::{Value, json};

use crate::fake::{Behavior, Fake, VIEWER, account};
use crate::program::{Program, Run};

const LOGINS: [&str; 5] = [VIEWER, "torvalds", "org-owned", "org-member", "org-other"];

fn look_up(fake: &Fake, arguments: &[&str]) -> Run {
    let arguments = [&LOGINS[..], &["--private", "-F", "ndjson"], arguments].concat();
    Program::for_fake(fake, &arguments).env("GH_TOKEN", "ghp_sampletoken").run()
}

fn private_and_internal(run: &Run) -> Vec<[Value; 2]> {
    let rows = run.rows_of(LOGINS.len());
    rows.iter().map(|row| [row["private_repos"].clone(), row["internal_repos"].clone()]).collect()
}

fn private(login: &str) -> u64 {
    account(login).unwrap().private_repos
}

fn internal(login: &str) -> u64 {
    account(login).unwrap().internal_repos
}

#[test]
fn a_number_is_shown_where_the_token_sees_all() {
    let fake = Fake::well_behaved();
    let run = look_up(&fake, &["-v"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        private_and_internal(&run),
        [
            [private(VIEWER).into(), 0.into()],
            [Value::Null, Value::Null],
            [private("org-owned").into(), internal("org-owned").into()],
            [Value::Null, internal("org-member").into()],
            [Value::Null, Value::Null],
        ]
    );
    let reason = "private repositories unknown login=torvalds reason=\"the owner of the token does not administer the account\"";
    assert!(run.stderr.contains(reason), "{}", run.stderr);
}

#[test]
fn a_token_of_unknown_access_shows_no_number() {
    for scopes in [None, Some(""), Some("public_repo, read:org"), Some("repo:status")] {
        let fake = Fake::start(Behavior { scopes, ..Behavior::default() });
        let run = look_up(&fake, &["-v"]);
        assert_eq!(private_and_internal(&run), [const { [Value::Null, Value::Null] }; 5], "{scopes:?}");
        assert!(run.stderr.contains("only a classic token with the scope repo"), "{}", run.stderr);
    }
}

#[test]
fn an_older_enterprise_server_counts_private_repositories_alone() {
    let fake = Fake::start(Behavior { unknown_argument: Some("visibility"), ..Behavior::default() });
    let run = look_up(&fake, &["-j1", "--retries", "0"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let owned = private("org-owned") + internal("org-owned");
    assert_eq!(
        private_and_internal(&run)[2],
        [json!(owned), Value::Null],
        "its schema counts both as private"
    );
    let rows = run.rows_of(LOGINS.len());
    assert_eq!(rows[1]["public_repos"], 9);
    assert_eq!(fake.queries().len(), 2, "the schema is learned once");
}

#[test]
fn private_counts_survive_a_replay() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let recorded = look_up(&fake, &["--record", folder]);
    let arguments = [&LOGINS[..], &["--private", "-F", "ndjson", "--replay", folder]].concat();
    let replayed = Program::new(&arguments).argument("--api=graphql").run();
    assert_eq!(private_and_internal(&replayed), private_and_internal(&recorded), "{}", replayed.stderr);
}

#[test]
fn a_resumed_run_keeps_unknown_private_counts() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.ndjson");
    let resume = ["-o", report.to_str().unwrap(), "--resume"];
    let begun = Program::for_fake(&fake, &[&LOGINS[..], &resume].concat()).env("GH_TOKEN", "ghp_a").run();
    assert_eq!((begun.status, fake.requests()), (0, 5), "{}", begun.stderr);
    for requests in [10, 10] {
        let run = look_up(&fake, &resume);
        assert_eq!((run.status, fake.requests()), (0, requests), "{}", run.stderr);
    }
}

#[test]
fn the_plan_has_the_price_of_both_connections() {
    let fake = Fake::well_behaved();
    let logins: Vec<_> = (0..980).map(|number| format!("user-{number}")).collect();
    let list = crate::program::file(&logins.join("\n"));
    let path = crate::program::path(&list);
    let run = Program::for_fake(&fake, &["-f", path, "--private", "--plan"]).env("GH_TOKEN", "ghp_a").run();
    assert!(run.stdout.contains("up to 49 logins per query"), "{}", run.stdout);
    assert!(run.stdout.contains("points    20\n"), "{}", run.stdout);
}
