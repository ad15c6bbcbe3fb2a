//! Hostile names and messages, which are harmless in every format.

use std::fs;
use std::path::Path;

use super::{browser, check_metrics, rendered};
use crate::fake::{Behavior, Fake, Fault};
use crate::program::Program;

/// Hostile names in an input and in messages of a server.
const HOSTILE: [&str; 12] = [
    "<img src=x onerror=\"window.ran=true\">",
    "</script><script>window.ran=true</script>",
    "</details></td></table><h1>x</h1>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\u{202e}gpj.exe",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "🦊👩\u{200d}🚀",
    "[x](javascript:alert(1))",
    "a | b | c",
    "{{ 7*7 }} ${7*7} &lt;b&gt; \"' \\",
];

#[test]
fn a_hostile_name_is_harmless_in_every_format() {
    // In responses, in logins, and in carried columns.
    let fake = Fake::start(Behavior {
        fault: Box::new(|context| {
            if context.request.path().ends_with("/user") {
                let body = serde_json::json!({ "login": HOSTILE[0], "id": 1, "type": "User" });
                return Some(Fault::Response(200, Vec::new(), body.to_string()));
            }
            let at: usize = context.login.strip_prefix("evil-")?.parse().ok()?;
            let body = serde_json::json!({ "message": HOSTILE[at], "login": HOSTILE[at], "status": "403" });
            Some(Fault::Response(403, Vec::new(), body.to_string()))
        }),
        ..Behavior::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut input = csv::Writer::from_path(at("team.csv")).unwrap();
    input.write_record(["login", HOSTILE[0], "=team"]).unwrap();
    for (number, name) in HOSTILE.iter().enumerate() {
        for login in [*name, &format!("evil-{number}"), &format!("user-{number}")] {
            input.write_record([login, name, name]).unwrap();
        }
    }
    input.flush().unwrap();
    let formats = ["csv", "tsv", "json", "ndjson", "md", "html", "prom"];
    let outputs: Vec<_> =
        formats.iter().flat_map(|format| ["-o".into(), at(&format!("r.{format}"))]).collect();
    // Only an Enterprise Server or github.com has profiles to link to.
    let api = fake.url() + "/api/v3";
    let (input, flags) = (at("team.csv"), ["--api", "rest", "-F", "table", "--api-url", &api]);
    let mut program = Program::new(&[&["-f", &input], &flags[..]].concat())
        .argument("--group-by")
        .argument("=team")
        .argument("--carry")
        .argument(HOSTILE[0]);
    for output in &outputs {
        program = program.argument(output);
    }
    let run = program.env("GH_ENTERPRISE_TOKEN", "right").env("COLUMNS", "200").run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let rows = 3 * HOSTILE.len();
    let quiet = |text: &str| {
        let bad = |c: char| c.is_control() && !"\n\r\t".contains(c) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.chars().any(bad), "{text:?}");
    };
    quiet(&run.stdout);
    quiet(&run.stderr);
    let read = |format: &str| fs::read_to_string(at(&format!("r.{format}"))).unwrap();
    for format in formats {
        quiet(&read(format));
    }
    for (format, delimiter) in [("csv", b','), ("tsv", b'\t')] {
        let text = read(format);
        let reader =
            csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(text.as_bytes());
        let records: Vec<_> = reader.into_records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 1 + rows);
        for field in records.iter().flatten() {
            assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
        }
    }
    assert_eq!(crate::program::rows(&read("ndjson")).len(), rows);
    let json: serde_json::Value = serde_json::from_str(&read("json")).unwrap();
    assert_eq!(json["rows"].as_array().unwrap().len(), rows);

    let html = rendered(&read("md"));
    for tag in ["<img", "<script", "<h1", "javascript:alert(1)\""] {
        assert!(!html.contains(tag), "{tag} in {html}");
    }
    assert_eq!(html.matches("<details>").count(), 1, "{html}");
    assert_eq!(html.matches("</table>").count(), 3, "{html}");
    assert_eq!(html.matches("<a ").count(), HOSTILE.len(), "only profiles are linked to: {html}");

    check_metrics(&read("prom"));

    let page = read("html");
    for tag in ["<img", "<script>window", "</script><script", "<h1>x"] {
        assert!(!page.contains(tag), "{tag}");
    }
    browser("harmless", Path::new(&at("r.html")));
}

#[test]
fn run_metadata_is_harmless_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    Program::new(&["--replay", "fixtures/github", "torvalds", "-o", &at("a.json")]).run();
    let mut report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at("a.json")).unwrap()).unwrap();
    for key in ["generator", "api", "viewer", "app", "exchanges", "baseline", "command"] {
        report["meta"][key] = format!("{key}\u{202e}\u{1b}]0;x\u{7}<b>").into();
    }
    fs::write(at("a.json"), report.to_string()).unwrap();
    let run =
        Program::new(&["--from", &at("a.json"), "-o", &at("b.html"), "-o", &at("b.prom"), "-o", &at("b.md")])
            .run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    for format in ["html", "prom", "md"] {
        let text = fs::read_to_string(at(&format!("b.{format}"))).unwrap();
        assert!(text.contains("generator\\u{202e}") || text.contains("generator\\\\u{202e}"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{7}']), "{format}");
        assert!(!text.contains("<b>") || format == "prom", "{format}");
    }
}
