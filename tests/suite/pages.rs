//! HTML pages in a browser, Markdown, and metrics.

mod harmless;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use comrak::{Options, markdown_to_html};

use crate::fake::Fake;
use crate::program::{Program, file, installed, is_available, path, users};

/// Folder of the npm packages playwright-core and axe-core, which `.ci/run` installs.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/page");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page/page.mjs");
/// Folder of the screenshots.
const SCREENSHOTS: &str = env!("CARGO_TARGET_TMPDIR");
/// The sample team of two hundred.
const TEAM: [&str; 11] = [
    "--replay",
    "fixtures/team/github",
    "-f",
    "fixtures/team/team.csv",
    "--breakdown",
    "--carry",
    "name",
    "--group-by",
    "team",
    "--baseline",
    "fixtures/team/october.csv",
];

/// Checks a page in a browser and returns its output. None without a browser.
fn browser(mode: &str, page: &Path) -> Option<String> {
    let packages = Path::new(PACKAGES).join("node_modules/playwright-core").exists();
    if !is_available("playwright-core", packages) || !installed(&["chromium", "node"]) {
        return None;
    }
    let output = Command::new("node")
        .args([SCRIPT, mode, PACKAGES])
        .arg(page)
        .arg(SCREENSHOTS)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    Some(text)
}

/// Runs a program that checks metrics on its standard input.
fn check(program: &str, arguments: &[&str], metrics: &str) {
    let mut checker = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    checker.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = checker.wait_with_output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.is_empty(), "{program}: {text}");
}

/// Checks metrics with Prometheus' promtool and with the reference parser of OpenMetrics.
fn check_metrics(metrics: &str) {
    if installed(&["promtool"]) {
        check("promtool", &["check", "metrics"], metrics);
    }
    const PARSER: &str = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
        assert list(text_string_to_metric_families(sys.stdin.read()))";
    let import = Command::new("/usr/bin/python3").args(["-c", "import prometheus_client"]).output();
    if is_available("Python's prometheus-client", import.is_ok_and(|output| output.status.success())) {
        check("/usr/bin/python3", &["-c", PARSER], metrics);
    }
}

/// Renders Markdown as GitHub does.
fn rendered(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.render.r#unsafe = true;
    markdown_to_html(markdown, &options)
}

#[test]
fn a_page_works_in_a_browser_and_is_accessible() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("team.html");
    let run = Program::new(&TEAM).argument("-o").argument(page.to_str().unwrap()).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let html = fs::read_to_string(&page).unwrap();
    for expected in ["Public repositories of 200 GitHub accounts", "sample-lead", "By team", "Changes"] {
        assert!(html.contains(expected), "{expected}");
    }
    if browser("check", &page).is_none() {
        return;
    }
    for width in ["390", "1280"] {
        for place in ["light-top", "light-counted-title", "dark-top", "dark-counted-title"] {
            let picture = Path::new(SCREENSHOTS).join(format!("page-{width}-{place}.png"));
            assert!(picture.exists(), "{}", picture.display());
        }
    }
}

#[test]
fn a_page_names_the_baseline_and_earlier_logins_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    Program::new(&TEAM).argument("-o").argument(&at("a.json")).argument("-o").argument(&at("a.html")).run();
    let html = fs::read_to_string(at("a.html")).unwrap();
    for expected in [
        "Since <bdi>fixtures/team/october.csv</bdi> of 22 October 2026, 12:00 UTC",
        "from sample-sofia, which had 21 repositories; has 23",
        "the account before had 33 repositories; has 5",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    // The date belongs to the baseline that a report is compared with now.
    let later = fs::read_to_string("fixtures/team/october.csv").unwrap().replace("2026-10-22", "2026-11-02");
    fs::write(at("later.csv"), later).unwrap();
    let arguments = ["--from", &at("a.json"), "--baseline", &at("later.csv"), "-o", &at("b.html")];
    let run = Program::new(&arguments).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let html = fs::read_to_string(at("b.html")).unwrap();
    assert!(html.contains("later.csv</bdi> of 2 November 2026, 12:00 UTC"), "{html}");
}

#[test]
fn a_page_of_ten_thousand_rows_works_below_five_megabytes() {
    let fake = Fake::well_behaved();
    let input =
        file(&(users(9_990) + &(1..=300).map(|number| format!("missing-{number}\n")).collect::<String>()));
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("all.html");
    let run = Program::for_fake(&fake, &["-f", path(&input), "--breakdown", "-o", page.to_str().unwrap()])
        .env("GH_TOKEN", "right")
        .run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let length = fs::metadata(&page).unwrap().len();
    assert!(length < 5_000_000, "{length} bytes");
    browser("many", &page);
}

#[test]
fn metrics_and_markdown_agree_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (prom, md) = (at("team.prom"), at("team.md"));
    let run = Program::new(&TEAM).argument("-o").argument(&prom).argument("-o").argument(&md).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let metrics = fs::read_to_string(&prom).unwrap();
    check_metrics(&metrics);
    let docs = fs::read_to_string("docs/reports.md").unwrap();
    for family in metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let name = family.split(' ').next().unwrap();
        assert!(docs.contains(&format!("`{name}`")), "docs/reports.md does not list {name}");
    }
    for sample in [
        "ghrepos_account_public_repositories{login=\"sample-works\"} 318",
        "ghrepos_account_change_repositories{login=\"sample-works\"} 17",
        "ghrepos_logins{status=\"not_found\"} 2",
        "ghrepos_event_logins{event=\"removed\"} 4",
        "ghrepos_public_repositories 4921",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample}");
    }
    let html = rendered(&fs::read_to_string(&md).unwrap());
    assert_eq!(html.matches("<table>").count(), 5, "events, failures, sums, groups and accounts");
    // 11 new, 4 removed, a renamed and a replaced login; 4 failures; the sums; 7 teams and one row without a team; 196 counted
    // logins and their sum; and the headings.
    let rows = (1 + 17) + (1 + 4) + (1 + 1) + (1 + 8) + (1 + 196 + 1);
    assert_eq!(html.matches("<tr>").count(), rows, "{html}");
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is not in {html}"));
    let order =
        ["17 events", "4 not counted", "at least 3,481", "(no team)", "<summary>196 counted</summary>"];
    assert!(order.map(at).is_sorted(), "{html}");
}

#[test]
fn a_page_cannot_be_read_back_as_a_report() {
    for extension in ["html", "md", "prom"] {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join(format!("a.{extension}"));
        let report = report.to_str().unwrap();
        Program::new(&["--replay", "fixtures/github", "torvalds", "-o", report]).run();
        let run = Program::new(&["--from", report]).run();
        assert_eq!(run.status, 2);
        assert_eq!(
            run.stderr,
            format!(
                "ghrepos: cannot read {report} as a report: only .ndjson, .json, .csv and .tsv can be read again\n"
            )
        );
    }
}

#[test]
fn an_incomplete_run_is_marked_incomplete() {
    let fake = Fake::well_behaved();
    let (input, folder) = (file(&users(60)), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut program =
        Program::for_fake(&fake, &["-f", path(&input), "--batch", "20", "-j", "1", "--max-points", "1"]);
    for output in ["a.html", "a.md", "a.prom", "a.csv"] {
        program = program.argument("-o").argument(&at(output));
    }
    assert_eq!(program.env("GH_TOKEN", "right").run().status, 5);
    let read = |name: &str| fs::read_to_string(at(&format!("{name}.partial"))).unwrap();
    assert!(read("a.html").contains("This report is incomplete: 40 accounts were not looked up"));
    assert!(read("a.md").contains("This report is incomplete: 40 logins were not looked up"));
    assert!(read("a.prom").contains("\nghrepos_run_complete 0\n"));
    // A rerendered report is marked too, and has the date of its rows.
    let csv = read("a.csv");
    let day = csv.lines().nth(1).unwrap().split(',').nth(7).unwrap().to_owned();
    fs::write(at("b.csv"), csv.replace(&day[..10], "2020-02-03")).unwrap();
    let run = Program::new(&["--from", &at("b.csv"), "-F", "markdown"]).run();
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(
        run.stdout.contains("incomplete: 40 logins") && run.stdout.contains("2020-02-03"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_recorded_run_replays_as_the_same_page() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (recording, input) = (at("recording"), file(&(users(60) + "missing-1\n")));
    let outputs = |name: &str| ["html", "md", "prom"].map(|format| at(&format!("{name}.{format}")));
    let run = |program: Program, outputs: [String; 3]| {
        let program = outputs.iter().fold(program, |program, output| program.argument("-o").argument(output));
        let run = program.argument("-f").argument(path(&input)).run();
        assert_eq!(run.status, 1, "{}", run.stderr);
        outputs.map(|output| fs::read_to_string(output).unwrap())
    };
    let recorded = Program::for_fake(&fake, &["--record", &recording]).env("GH_TOKEN", "right");
    let recorded = run(recorded, outputs("recorded"));
    let replayed = run(Program::new(&["--replay", &recording]), outputs("replayed"));
    for (recorded, replayed) in recorded.iter().zip(&replayed) {
        assert!(recorded == replayed, "{recorded}\n{replayed}");
    }
    assert!(recorded[0].contains("Octocat-Sample") && recorded[0].contains("--record"));
}

#[test]
fn a_rerendered_report_is_the_same_page() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut program = Program::new(&TEAM);
    for output in ["a.html", "a.md", "a.prom", "a.json"] {
        program = program.argument("-o").argument(&at(output));
    }
    program.run();
    let mut again = Program::new(&["--group-by", "team", "--from", &at("a.json")]);
    for output in ["b.html", "b.md", "b.prom"] {
        again = again.argument("-o").argument(&at(output));
    }
    assert_eq!(again.run().status, 1);
    for format in ["html", "md", "prom"] {
        let read = |name: &str| fs::read_to_string(at(&format!("{name}.{format}"))).unwrap();
        assert_eq!(read("a"), read("b"), "{format}");
    }
}
