//! CSV, JSON and NDJSON reports in the programs that docs/reports.md names.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::program::{Program, file, is_available};
use crate::workbooks::{PYTHON, difficult_report};

/// Runs a Python script for reports of every type of cell. None if its packages are not installed.
fn read_with(script: &str, stdin: Option<&str>) -> Option<String> {
    if !is_available("the Python packages of .ci/run", Path::new(PYTHON).exists()) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    difficult_report(folder.path());
    let outputs = ["-o", "report.csv", "-o", "report.json", "-o", "report.ndjson", "-q"];
    let arguments = [&["--from", "difficult.ndjson"], &outputs[..]].concat();
    assert_eq!(Program::new(&arguments).current_dir(folder.path()).run().status, 1);
    let script = format!("{}/tests/readers/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(PYTHON);
    python.args([script.as_str(), "report"]).current_dir(folder.path());
    let stdin = stdin.map(file);
    if let Some(stdin) = &stdin {
        python.stdin(File::open(stdin.path()).unwrap());
    }
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn pandas_polars_and_duckdb_read_typed_columns() {
    if let Some(printed) = read_with("tables.py", None) {
        assert_eq!(printed, "typed\n");
    }
}

#[test]
fn a_validator_of_json_schema_accepts_our_reports() {
    let schema = Program::new(&["--generate", "schema"]).run();
    assert_eq!((schema.status, schema.stderr.as_str()), (0, ""));
    if let Some(printed) = read_with("schema.py", Some(&schema.stdout)) {
        assert_eq!(printed, "41 are valid\n");
    }
}
