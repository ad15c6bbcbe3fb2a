//! Audits: baselines, rules, and recorded evidence.

mod evidence;
mod finished;
mod nights;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::program::{Program, Run};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

fn audit(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit").join(name).display().to_string()
}

/// Runs one month of the sample team.
fn month(month: &str, arguments: &[&str]) -> Run {
    let (list, recording) = (audit(&format!("{month}/team.csv")), audit(&format!("{month}/github")));
    Program::new(&[&["--replay", &recording, "-f", &list, "--carry", "team"], arguments].concat()).run()
}

#[test]
fn two_monthly_reports_show_added_removed_and_changed_logins() {
    let folder = Folder::new();
    let (october, csv, json) =
        (folder.at("october.ndjson"), folder.at("october.csv"), folder.at("october.json"));
    let run = month("2026-10", &["-o", &october, "-o", &csv, "-o", &json]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    for baseline in [&october, &csv, &json] {
        let run = month("2026-11", &["--baseline", baseline, "-F", "ndjson"]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        let changes: BTreeMap<_, _> = run
            .rows_of(52)
            .into_iter()
            .filter(|row| row["change"] != 0 || !row["event"].is_null())
            .map(|row| {
                let cells = ["status", "was", "change", "event", "previous_login"];
                (row["login"].as_str().unwrap().to_owned(), cells.map(|key| row[key].clone()))
            })
            .collect();
        let expected = [
            ("sample-aiko", json!(["ok", 8, 2, null, null])),
            ("sample-boris", json!(["removed", 9, null, "removed", null])),
            ("sample-diego", json!(["ok", 40, -28, null, null])),
            ("sample-elif", json!(["ok", 20, 10, null, null])),
            ("sample-hana", json!(["ok", 10, 14, null, null])),
            ("sample-kai", json!(["ok", 56, null, "replaced", null])),
            ("sample-lars", json!(["ok", 33, -2, null, null])),
            ("sample-noor-k", json!(["ok", 56, 0, "renamed", "sample-noor"])),
            ("sample-petra", json!(["forbidden", 3, null, "unknown", null])),
            ("sample-uma", json!(["ok", null, null, "new", null])),
            ("sample-yuki", json!(["ok", null, null, "new", null])),
        ];
        let changes: Vec<_> = changes.into_iter().map(|(login, cells)| (login, json!(cells))).collect();
        assert_eq!(changes, expected.map(|(login, cells)| (login.to_owned(), cells)));
    }
    let run = month("2026-11", &["--baseline", &october, "-F", "json"]);
    let changes = serde_json::from_str::<Value>(&run.stdout).unwrap()["summary"]["changes"].clone();
    for (key, number) in [
        ("new", 2),
        ("removed", 1),
        ("renamed", 1),
        ("replaced", 1),
        ("unknown", 1),
        ("grown", 3),
        ("shrunk", 2),
        ("repositories_added", 26),
        ("repositories_removed", 30),
        ("repositories_of_new", 15),
        ("repositories_of_removed", 9),
    ] {
        assert_eq!(changes[key], number, "{key}: {changes}");
    }
    assert!(
        run.stderr.contains(": 2 new, 1 removed, 1 renamed, 1 replaced, 3 grown (+26), 2 shrunk (-30)"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_run_fails_on_matching_rules_and_names_their_rows() {
    let folder = Folder::new();
    let october = folder.at("october.ndjson");
    month("2026-10", &["-o", &october]);
    let fail_on =
        |rule: &str| month("2026-11", &["--baseline", &october, "--fail-on", rule, "-F", "csv", "-q"]);
    for (rule, line) in [
        ("new>0", "ghrepos: --fail-on new>0: 2 logins: sample-uma, sample-yuki\n"),
        (
            "change>50%",
            "ghrepos: --fail-on change>50%: 2 logins: sample-diego (40 to 12), sample-hana (10 to 24)\n",
        ),
        (
            "change>=50%,new>2",
            "ghrepos: --fail-on change>=50%: 3 logins: sample-diego (40 to 12), sample-elif (20 to 30), sample-hana (10 to 24)\n",
        ),
        ("forbidden=1", "ghrepos: --fail-on forbidden=1: 1 login: sample-petra\n"),
    ] {
        let run = fail_on(rule);
        assert_eq!((run.status, run.stderr.as_str()), (3, line));
        assert_eq!(run.stdout.lines().count(), 1 + 52, "the report is complete anyway");
    }
    let run = fail_on("new>2,removed>1,change>200%");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "no rule matches, although a login is forbidden");
    // An invalid rule is refused before any request.
    let fake = Fake::well_behaved();
    for (arguments, reason) in [
        (
            &["--fail-on", "failed>0,chnge>5"][..],
            "invalid --fail-on \"failed>0,chnge>5\" at character 10: unknown metric \"chnge\"",
        ),
        (&["--fail-on", "new>0"], "--fail-on new>0 requires an earlier report: add --baseline FILE"),
        (
            &["--baseline", "/nowhere.csv"],
            "baseline /nowhere.csv not found: check the name, or add --baseline-optional for a first run",
        ),
    ] {
        let run = Program::for_fake(&fake, &[&["a"], arguments].concat()).run();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.starts_with(&format!("ghrepos: {reason}")), "{}", run.stderr);
    }
    assert_eq!(fake.requests(), 0);
    let run = Program::for_fake(&fake, &["missing-1", "a", "--fail-on", "not_found>49%", "-q"]).run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (3, "ghrepos: --fail-on not_found>49%: 1 login: missing-1\n")
    );
}

#[test]
fn an_optional_baseline_may_be_missing_with_a_warning() {
    let folder = Folder::new();
    let (last, json) = (folder.at("last.ndjson"), folder.at("now.json"));
    let audit = |arguments: &[&str]| {
        let common = ["--baseline", &last, "--baseline-optional", "-F", "csv", "-o", &json];
        month("2026-10", &[&common[..], arguments].concat())
    };
    let missing = format!(
        "ghrepos: warning: baseline {last} not found: nothing is compared, and rules about changes do not apply\n"
    );
    // Even a rule that nothing would match without a comparison.
    let run = audit(&["--fail-on", "new=0,change>=0,failed>0", "-q"]);
    assert_eq!((run.status, &run.stderr), (0, &missing));
    assert!(!run.stdout.contains(",change,"), "a report that compares nothing has no such columns");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((&report["meta"]["baseline"], &report["summary"]["changes"]), (&Value::Null, &Value::Null));
    let run = audit(&["--fail-on", "public_repos>50", "-q"]);
    assert_eq!(run.status, 3, "{}", run.stderr);
    // A saved report is compared in the same way.
    let run = Program::new(&[
        "--from",
        &json,
        "--baseline",
        &last,
        "--baseline-optional",
        "--fail-on",
        "new=0",
        "-q",
    ]);
    let run = run.run();
    assert_eq!((run.status, run.stderr), (0, missing));

    // A baseline that is there but damaged is an error, and so is one that cannot be missing.
    std::fs::write(&last, "{\"login\":").unwrap();
    let run = audit(&[]);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    for (arguments, reason) in [
        (
            &["a", "--baseline-optional"][..],
            "the following required arguments were not provided: --baseline <FILE|URL>",
        ),
        (
            &["a", "--baseline", "sqlite:audit.db", "--baseline-optional"],
            "--baseline-optional requires a file as --baseline: omit both for the first run into a database",
        ),
    ] {
        let run = Program::new(arguments).run();
        assert_eq!(run.status, 2);
        assert!(run.stderr.starts_with(&format!("ghrepos: {reason}")), "{}", run.stderr);
    }
}
