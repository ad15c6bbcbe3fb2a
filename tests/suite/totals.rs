//! Totals: null where nothing was counted, and "at least" where something is missing, in every format.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::fake::Fake;
use crate::program::{Program, Run, file, path, users};

/// The report in each format, and the messages of the run.
struct Reports {
    folder: TempDir,
    run: Run,
}

impl Reports {
    /// Renders NDJSON rows. Each row is in a group of its own kind.
    fn of(rows: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("rows.ndjson"), rows.join("\n") + "\n").unwrap();
        let rows = at("rows.ndjson");
        let mut program = Program::new(&["--from", &rows, "--group-by", "team", "-F", "table"]);
        for output in ["a.json", "a.md", "a.html", "a.prom"] {
            program = program.argument("-o").argument(&at(output));
        }
        let run = program.run();
        Self { folder, run }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn summary(&self) -> Value {
        serde_json::from_str::<Value>(&self.read("a.json")).unwrap()["summary"].take()
    }

    /// The summary on standard error, which the names of the files follow.
    fn summary_line(&self) -> &str {
        let (summary, files) = self.run.stderr.split_once("\nghrepos: wrote ").unwrap();
        assert_eq!(files.matches(", ").count(), 3, "{files}");
        summary
    }

    /// Values of the tiles of the page.
    fn tiles(&self) -> Vec<String> {
        let page = self.read("a.html");
        let tiles = page.split("<div><dt>").skip(1).take_while(|tile| tile.contains("</dd></div>"));
        let text = |tile: &str| {
            tile.split_once("</dd>")
                .unwrap()
                .0
                .replace("</dt><dd>", ": ")
                .replace("<span class=\"note\">at least</span>", "at least")
        };
        tiles.map(text).map(|tile| tile.split("<span").next().unwrap().to_owned()).collect()
    }
}

const COUNTED: &str = r#"{"login":"a","status":"ok","public_repos":5,"carried":{"team":"core"}}"#;
const EMPTY: &str = r#"{"login":"z","status":"ok","public_repos":0,"carried":{"team":"core"}}"#;
const FAILED: &str = r#"{"login":"b","status":"failed","error":"timeout","carried":{"team":"core"}}"#;
const FORBIDDEN: &str = r#"{"login":"c","status":"forbidden","error":"SSO","carried":{"team":"web"}}"#;
const NOT_FOUND: &str = r#"{"login":"d","status":"not_found","error":"no user","carried":{"team":"core"}}"#;

#[test]
fn a_total_of_nothing_is_not_zero_in_any_format() {
    let reports = Reports::of(&[FAILED, FORBIDDEN, NOT_FOUND]);
    let summary = reports.summary();
    assert_eq!(summary["public_repos"], Value::Null);
    for group in summary["groups"].as_array().unwrap() {
        assert_eq!((&group["counted"], &group["public_repos"]), (&0.into(), &Value::Null), "{group}");
    }
    let metrics = reports.read("a.prom");
    assert!(!metrics.contains("public_repositories"), "{metrics}");
    assert!(metrics.contains("ghrepos_group_counted_logins{by=\"team\",group=\"core\"} 0"), "{metrics}");
    let markdown = reports.read("a.md");
    assert!(markdown.starts_with("### 0 of 3 accounts counted\n"), "{markdown}");
    assert!(markdown.contains("| core | 2 | 0 | – |"), "{markdown}");
    assert_eq!(reports.tiles()[..3], ["Public repositories: –", "Counted: 0", "Not counted: 3"]);
    assert!(reports.read("a.html").contains("<title>3 accounts, none counted · ghrepos</title>"));
    let table = reports.run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for total in
        ["core - 0 of 2 counted", "web - 0 of 1 counted", "3 logins - 1 not found, 1 forbidden, 1 failed"]
    {
        assert!(table.contains(total), "{}", reports.run.stdout);
    }
    assert_eq!(reports.summary_line(), "ghrepos: 3 logins: 1 not found, 1 forbidden, 1 failed");
}

#[test]
fn a_total_without_some_counts_says_at_least() {
    let reports = Reports::of(&[COUNTED, FAILED, FORBIDDEN]);
    assert_eq!(reports.summary()["public_repos"], 5);
    let markdown = reports.read("a.md");
    for line in [
        "### At least 5 public repositories of 1 of 3 accounts",
        "| **1 counted** |  |  | **at least 5** |",
        "| core | 2 | 1 | at least 5 |",
        "| web | 1 | 0 | – |",
    ] {
        assert!(markdown.contains(line), "{line}: {markdown}");
    }
    assert_eq!(reports.tiles()[0], "Public repositories: at least 5");
    let table = &reports.run.stdout;
    assert_eq!(table.matches("at least 5").count(), 2, "{table}");
    assert!(
        reports.run.stderr.contains("1 failed; at least 5 public repositories"),
        "{}",
        reports.run.stderr
    );
}

#[test]
fn a_login_that_does_not_exist_is_not_missing() {
    let reports = Reports::of(&[COUNTED, EMPTY, NOT_FOUND]);
    assert_eq!(reports.summary_line(), "ghrepos: 3 logins: 2 counted, 1 not found; 5 public repositories");
    assert!(!reports.run.stdout.contains("at least"), "{}", reports.run.stdout);
    let zero = Reports::of(&[EMPTY]);
    assert_eq!(zero.summary()["public_repos"], 0, "an account without repositories was counted");
    assert!(zero.read("a.prom").contains("\nghrepos_public_repositories 0\n"));
}

#[test]
fn logins_that_were_not_asked_are_one_line_of_the_table() {
    let fake = Fake::well_behaved();
    let (input, csv) = (file(&users(60)), tempfile::Builder::new().suffix(".csv").tempfile().unwrap());
    let limits = ["--batch", "20", "-j", "1", "--max-points", "1"];
    let arguments = [&["-f", path(&input), "-F", "table", "-o", path(&csv)], &limits[..]].concat();
    let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "right").run();
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(run.stdout.contains("\n   40 logins were not looked up\n"), "{}", run.stdout);
    assert_eq!(run.stdout.matches(" user-").count(), 20, "{}", run.stdout);
    assert!(run.stdout.contains(" at least ") && run.stdout.contains("40 skipped"), "{}", run.stdout);
    assert!(run.stderr.contains("60 logins: 20 counted, 40 skipped; at least "), "{}", run.stderr);
    let csv =
        ["", ".partial"].map(|suffix| fs::read_to_string(path(&csv).to_owned() + suffix).unwrap_or_default());
    assert!(csv.iter().any(|csv| csv.matches(",skipped,").count() == 40), "a file has every row");
}

#[test]
fn a_report_names_the_host_that_was_asked() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let recording = at("recording");
    for (path, links) in [("", 0), ("/api/v3", 3)] {
        let (url, host) = (fake.url() + path, fake.url().replace("http://", ""));
        let _ = fs::remove_dir_all(&recording);
        let runs = [
            (vec!["torvalds", "--api-url", &url, "--record", &recording], "asked"),
            (vec!["torvalds", "--api-url", &url, "--replay", &recording], "replayed"),
            (vec!["--from", "JSON"], "rendered"),
        ];
        for (arguments, name) in runs {
            let json = at("asked.json");
            let arguments = arguments.into_iter().map(|word| if word == "JSON" { &json } else { word });
            let mut program = Program::new(&arguments.collect::<Vec<_>>());
            let outputs = ["html", "md", "json"].map(|format| at(&format!("{name}.{format}")));
            for output in &outputs {
                program = program.argument("-o").argument(output);
            }
            let run = program.run();
            assert_eq!(run.status, 0, "{}", run.stderr);
            let [html, md, _] = outputs.map(|output| fs::read_to_string(output).unwrap());
            assert!(html.contains(&format!(" on {host}: 1 counted")), "{name}: {html}");
            assert!(!html.contains("github.com") && !md.contains("github.com"), "{name}: {md}");
            let link = format!("https://{host}/torvalds");
            assert_eq!(html.matches(&link).count() + md.matches(&link).count(), links, "{name}: {md}");
        }
    }
}
