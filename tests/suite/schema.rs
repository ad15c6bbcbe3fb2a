//! Validates every query of the program with the schema that GitHub publishes.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fake::{Behavior, Fake};
use crate::program::{Program, users};

/// Folder of the npm packages `@octokit/graphql-schema` and `graphql`, which `.ci/run` installs.
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

/// Returns the queries of runs with 1 to 100 logins and each selection of counts.
fn sent_queries() -> Vec<String> {
    let fake = Fake::well_behaved();
    for counts in [
        &[][..],
        &["--breakdown"],
        &["--private"],
        &["--last-push"],
        &["--breakdown", "--private", "--last-push"],
    ] {
        for size in 1..=100 {
            let arguments = [&["-", "--jobs", "1", "-q", "-F", "ndjson"], counts].concat();
            let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sampletoken");
            assert_eq!(run.run_with_input(&users(size)).rows().len(), size);
        }
    }
    let enterprise = Fake::start(Behavior { scopes: Some("read:enterprise"), ..Behavior::default() });
    let run =
        Program::for_fake(&enterprise, &["--enterprise", "acme-1", "-q"]).env("GH_TOKEN", "ghp_sampletoken");
    assert_eq!(run.run().status, 0);
    let text =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["query"].as_str().unwrap().to_owned();
    let texts: BTreeSet<_> = fake
        .arrivals()
        .iter()
        .chain(&enterprise.arrivals())
        .map(|arrival| text(&arrival.request.body))
        .collect();
    texts.into_iter().collect()
}

#[test]
fn every_query_is_valid_by_githubs_own_schema() {
    let there = Path::new(PACKAGES).join("node_modules/@octokit/graphql-schema").exists();
    if !crate::program::is_available("the npm package @octokit/graphql-schema", there)
        || !crate::program::installed(&["node"])
    {
        return;
    }
    let documents = sent_queries();
    assert!(documents.len() >= 200, "{} different queries", documents.len());
    let (valid, message) = validate(&documents);
    assert!(valid, "{message}");
    let broken = documents[0].replace("ownerAffiliations", "ownerAffiliation");
    let (valid, message) = validate(&[broken]);
    assert!(!valid && message.contains("ownerAffiliation"), "the check can fail: {message}");
}
