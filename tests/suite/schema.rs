//! Every document that we can send, against the schema that GitHub publishes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use ghrepos::github::graphql::{build_query, max_accounts_per_point};
use ghrepos::report::CountSelection;

/// Where `.ci/run` puts the npm packages `@octokit/graphql-schema` and `graphql`.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schema");

fn validate(documents: &[String]) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema/validate.mjs");
    let mut node = Command::new("node");
    let mut child =
        node.args([script, PACKAGES]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let json = serde_json::to_vec(documents).unwrap();
    child.stdin.take().unwrap().write_all(&json).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_document_is_valid_by_githubs_own_schema() {
    let there = Path::new(PACKAGES).join("node_modules/@octokit/graphql-schema").exists();
    if !crate::program::is_there("the npm package @octokit/graphql-schema", there)
        || !crate::program::installed(&["node"])
    {
        return;
    }
    let mut documents = Vec::new();
    for (breakdown, private) in [(false, false), (true, false), (false, true), (true, true)] {
        let measures = CountSelection { breakdown, private };
        for size in 1..=max_accounts_per_point(measures) {
            documents.push(build_query(size, measures));
        }
    }
    let (valid, told) = validate(&documents);
    assert!(valid, "{told}");
    let broken = documents[0].replace("ownerAffiliations", "ownerAffiliation");
    let (valid, told) = validate(&[broken]);
    assert!(!valid && told.contains("ownerAffiliation"), "the check can fail: {told}");
}
