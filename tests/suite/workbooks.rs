//! Excel workbooks: their outputs, and what other programs read in them.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;

use crate::fake::Fake;
use crate::program::{Program, installed, is_available};
use crate::terminal::Terminal;

/// Python of the environment that `.ci/run` makes.
pub const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/readers/bin/python");

pub fn part(workbook: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn sheets(workbook: &[u8]) -> Vec<String> {
    let list = part(workbook, "xl/workbook.xml");
    list.split("<sheet name=\"").skip(1).map(|sheet| sheet.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_workbook_is_refused_by_a_terminal_in_one_line() {
    let Some(terminal) = Terminal::run(100, &[], &["--replay", "fixtures/github", "torvalds", "-F", "xlsx"])
    else {
        return;
    };
    let screen = terminal.screen("status 2", &[]);
    assert_eq!(
        screen.lines().next().unwrap(),
        "ghrepos: cannot print a workbook to a terminal: write it to a file with -o FILE.xlsx"
    );
}

#[test]
fn a_workbook_goes_through_a_pipe_and_into_any_file() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run =
        Program::for_fake(&fake, &["torvalds", "missing", "-F", "xlsx", "-o", "report", "-o", "other.XLSX"])
            .current_dir(folder.path())
            .run();
    assert_eq!((run.status, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    let run = Program::for_fake(&fake, &["torvalds", "missing", "-F", "xlsx"])
        .stdout(fs::File::create(at("piped")).unwrap())
        .run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    for name in ["report", "other.XLSX", "piped"] {
        let workbook = fs::read(at(name)).unwrap();
        assert_eq!(sheets(&workbook), ["Accounts", "Totals"], "{name}");
        let rows = part(&workbook, "xl/worksheets/sheet1.xml");
        assert!(rows.contains("<t>torvalds</t>") && rows.contains("<t>not_found</t>"), "{name}: {rows}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing else is left behind");
    for flag in ["--from", "--baseline"] {
        let run = Program::for_fake(&fake, &[flag, "other.XLSX"]).current_dir(folder.path());
        let run = if flag == "--from" { run } else { run.argument("torvalds") }.run();
        assert_eq!(
            (run.status, run.stderr.as_str()),
            (
                2,
                "ghrepos: cannot read other.XLSX as a report: only .ndjson, .json, .csv and .tsv can be read again\n"
            ),
            "{flag}"
        );
    }
}

#[test]
fn a_workbook_that_we_wrote_is_read_as_a_list() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let written = ["torvalds", "missing", "user-1", "12345", "old-", "=1+1"];
    let run = Program::for_fake(&fake, &[&["-o", "report.xlsx"], &written[..]].concat())
        .current_dir(folder.path())
        .run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let run =
        Program::for_fake(&fake, &["-f", "report.xlsx", "-F", "ndjson"]).current_dir(folder.path()).run();
    let logins: Vec<_> = run.rows().iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, written, "{}", run.stderr);
    assert_eq!(run.rows()[5]["status"], "invalid");
}

#[cfg(unix)]
#[test]
fn a_workbook_that_cannot_be_written_is_status_2() {
    let fake = Fake::well_behaved();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let run = Program::for_fake(&fake, &["torvalds", "-F", "xlsx"]).stdout(full).run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: cannot write standard output: No space left on device\n")
    );
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").display().to_string();
    let run = Program::for_fake(&fake, &["torvalds", "-F", "xlsx"]).env("TMPDIR", &missing).run();
    let reason =
        format!("no temporary file in {missing}: No such file or directory; set TMPDIR to another folder");
    assert_eq!((run.status, run.stderr), (2, format!("ghrepos: cannot write standard output: {reason}\n")));
}

/// Rows with every type of cell and difficult text, as an NDJSON report.
pub fn difficult_report(folder: &Path) {
    let notes = [
        "plain",
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\t=1",
        "'quoted",
        "'=1",
        "007",
        "1e5",
        "2026-01-01",
        "TRUE",
        "Jürgen 日本語 🚀",
        "two\nlines",
        "two\r\nlines",
        "\"quotes\", commas; and\ttabs",
        "_x0041_",
        "<b>&amp;</b>",
        " blanks ",
        "=HYPERLINK(\"http://a\")",
    ];
    let mut report = String::new();
    for (number, note) in notes.iter().enumerate() {
        let counted = serde_json::json!({
            "login": format!("user-{number}"), "carried": {"note": note}, "status": "ok", "type": "user",
            "public_repos": number * 1000, "was": 500, "change": number as i64 * 1000 - 500, "event": null,
            "previous_login": null, "verified": number % 2 == 0, "error": null, "id": 123_456_789_012_u64 + number as u64,
            "api": "rest", "at": format!("2026-01-15T09:30:{number:02}Z"), "attempts": 1
        });
        let failed = serde_json::json!({
            "login": format!("failed-{number}"), "carried": {"note": null}, "status": "failed", "type": null,
            "public_repos": null, "was": null, "change": null, "event": "unknown", "previous_login": null, "verified": null,
            "error": format!("HTTP 500 {note}"), "id": null, "api": null, "at": null, "attempts": 4
        });
        report += &format!("{counted}\n{failed}\n");
    }
    fs::write(folder.join("difficult.ndjson"), report).unwrap();
}

#[test]
fn libreoffice_and_openpyxl_read_what_the_csv_has() {
    if !is_available("the Python package openpyxl", Path::new(PYTHON).exists()) || !installed(&["soffice"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    difficult_report(folder.path());
    let run = Program::new(&["--from", "difficult.ndjson", "-o", "report.xlsx", "-o", "report.csv"])
        .current_dir(folder.path())
        .run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    // Comma, quotation mark, UTF-8, and every sheet to a file of its own.
    let filter = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1";
    let profile = format!("-env:UserInstallation=file://{}", folder.path().join("profile").display());
    let converted = Command::new("soffice")
        .args([
            profile.as_str(),
            "--headless",
            "--convert-to",
            filter,
            "--outdir",
            "converted",
            "report.xlsx",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(converted.status.success(), "{converted:?}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/workbook.py");
    let compared = Command::new(PYTHON)
        .args([script, "report.xlsx", "report.csv", "converted/report-Accounts.csv"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    assert_eq!(String::from_utf8_lossy(&compared.stdout), "40 rows and 15 columns are equal\n");
}
