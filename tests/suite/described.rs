//! Runs the program against GitHub's published descriptions of its APIs, on engines of others: Prism for OpenAPI, graphql-js for
//! GraphQL. The scripts in `tests/described` print the seed of each run; a seed as their argument repeats it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::apps::private_key;
use crate::fake::{App, Arrival, Behavior, Fake, Fault};
use crate::program::{Program, file, path, size_in_ci};

/// Folder of the npm packages, which `.ci/run` installs.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schema");

/// The REST requests that the program sends. `/user/{account_id}` is the new address of an account that has moved.
const OPERATIONS: [&str; 12] = [
    "GET /app",
    "GET /app/installations",
    "GET /orgs/{org}/members",
    "GET /orgs/{org}/outside_collaborators",
    "GET /orgs/{org}/teams/{team_slug}/members",
    "GET /rate_limit",
    "GET /user",
    "GET /user/memberships/orgs/{org}",
    "GET /user/{account_id}",
    "GET /users/{username}",
    "GET /users/{username}/repos",
    "POST /app/installations/{installation_id}/access_tokens",
];

fn is_installed(packages: &[&str]) -> bool {
    let is_there = |package: &&str| {
        let there = Path::new(PACKAGES).join("node_modules").join(package).exists();
        crate::program::is_available(&format!("the npm package {package}"), there)
    };
    packages.iter().all(is_there) && crate::program::installed(&["node"])
}

/// Runs a script of `tests/described`. Returns whether it succeeded, and its output.
fn run_script(name: &str, arguments: &[&str], input: &str) -> (bool, String) {
    let script = format!("{}/tests/described/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node");
    node.args([&script, PACKAGES]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// Returns the REST requests of a run of each feature.
fn sent_requests() -> Vec<Arrival> {
    let moved = |name: &str| name.starts_with("moved").then(|| ("location", "/user/1".to_owned()));
    let fake = Fake::with_faults(move |context| {
        let location = moved(context.login)?;
        Some(Fault::Response(301, vec![location], "{}".into()))
    });
    let accounts = ["user-1", "user-20", "missing-1", "name_acme", "dependabot[bot]"];
    for arguments in [
        &["moved-1"][..],
        &["--breakdown"],
        &["--last-push"],
        &["--breakdown", "--last-push", "-F", "json"],
        &["--plan"],
        &["--members", "acme-150"],
        &["--members", "acme-150", "--role", "admin"],
        &["--members", "acme-150", "--role", "member"],
        &["--team", "acme-1/core-120"],
        &["--outside-collaborators", "acme-120"],
        &["--verify", "100", "--api", "auto"],
    ] {
        let arguments = [&accounts[..], &["--api", "rest"], arguments].concat();
        for token in ["ghp_sampletoken", ""] {
            Program::for_fake(&fake, &arguments).env("GH_TOKEN", token).run();
        }
    }
    let app = Fake::start(Behavior { app: Some(App::new(|_| true)), ..Behavior::default() });
    let key = file(private_key());
    let arguments = ["--app-id", "12", "--app-key", path(&key), "user-1", "--api", "rest", "-F", "json"];
    assert_eq!(Program::for_fake(&app, &arguments).run().status, 0);
    let mut requests = [fake.arrivals(), app.arrivals()].concat();
    requests.retain(|arrival| !arrival.request.path().ends_with("/graphql"));
    requests
}

fn check(requests: &[Value]) -> (bool, String) {
    run_script("requests.mjs", &[], &Value::from(requests).to_string())
}

#[test]
fn every_rest_request_is_described_by_github() {
    if !is_installed(&["@octokit/openapi"]) {
        return;
    }
    let describe = |Arrival { request, .. }: &Arrival| json!({"method": request.method, "target": request.target, "headers": request.headers});
    let requests: Vec<_> = sent_requests().iter().map(describe).collect();
    let (is_valid, output) = check(&requests);
    assert!(is_valid, "{output}");
    let operations: Vec<_> = output.lines().skip(1).collect();
    assert_eq!(operations, OPERATIONS);
    let request = |target: &str| {
        let request = requests.iter().find(|request| request["target"].as_str().unwrap().starts_with(target));
        request.unwrap().clone()
    };
    let changes = [
        ("/users/user-1/repos", "per_page=", "perpage=", "the parameter perpage is not described"),
        ("/users/user-1/repos", "per_page=", "per_page=9", "the parameter per_page cannot be 9100"),
        ("/orgs/acme-150/members?role", "role=", "role=super", "the parameter role cannot be superadmin"),
        ("/orgs/acme-1/teams", "/members", "/people", "the path is not described"),
        ("/users/user-1", "GET", "PUT", "the path is not described"),
        ("/users/user-1", "user-agent", "user", "the request has no user agent, or several"),
        ("/users/user-1", "application/", "text/", "the request accepts no described media type"),
    ];
    let changed = changes.map(|(target, part, other, _)| {
        let text = request(target).to_string().replace(part, other);
        serde_json::from_str(&text).unwrap()
    });
    let (is_valid, output) = check(&changed);
    assert!(!is_valid, "the check can fail");
    for (target, _, _, violation) in changes {
        let is_found = output.lines().any(|line| line.contains(target) && line.ends_with(violation));
        assert!(is_found, "{target}: {violation}: {output}");
    }
}

#[test]
fn prisms_responses_are_counted_right_or_refused() {
    if !is_installed(&["@octokit/openapi", "@stoplight/prism-http"]) {
        return;
    }
    let key = file(private_key());
    let seed = fastrand::u32(..).to_string();
    let (is_right, output) = run_script("rest.mjs", &[env!("CARGO_BIN_EXE_ghrepos"), path(&key), &seed], "");
    println!("{output}");
    assert!(is_right);
}

#[test]
fn no_random_null_or_error_of_a_query_makes_a_wrong_row() {
    if !is_installed(&["@octokit/graphql-schema", "graphql"]) {
        return;
    }
    let seed = fastrand::u32(..).to_string();
    let runs = size_in_ci(60, 30).to_string();
    let (is_right, output) = run_script("graphql.mjs", &[env!("CARGO_BIN_EXE_ghrepos"), &seed, &runs], "");
    println!("{output}");
    assert!(is_right);
}
