//! Validation of reports by `--generate schema`. It knows the keywords of that schema, and fails on others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::program::{Run, size_in_ci};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let printed =
        Command::new(env!("CARGO_BIN_EXE_ghrepos")).args(["--generate", "schema"]).output().unwrap();
    serde_json::from_slice(&printed.stdout).unwrap()
});

/// Asserts that the reports in a text are valid: a JSON report, or the rows of an NDJSON report. Other text is not a report.
pub fn assert_valid(text: &str) {
    if text.starts_with("{\n\"meta\": ") {
        if let Ok(document) = serde_json::from_str::<Value>(text) {
            assert_valid_as("document", &document);
        }
        return;
    }
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("{\"login\":")).collect();
    // Rows that are validated at each end of a report: those between them are made in the same way.
    let rows = size_in_ci(20_000, 500);
    let middle = rows..lines.len().saturating_sub(rows);
    for line in lines.iter().enumerate().filter(|(at, _)| !middle.contains(at)).map(|(_, line)| line) {
        // The last line of a killed run may be cut off.
        if let Ok(row) = serde_json::from_str::<Value>(line) {
            assert_valid_as("row", &row);
        }
    }
}

/// Asserts that the reports in the named outputs of a run are valid. A run that is refused leaves files of others.
pub fn assert_outputs_valid(outputs: &[PathBuf], run: &Run) {
    if run.status == 2 {
        return;
    }
    for output in outputs {
        for path in [output.clone(), PathBuf::from(format!("{}.partial", output.display()))] {
            if path.is_file()
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                assert_valid(&text);
            }
        }
    }
}

/// Returns the JSON and NDJSON files of `--output`.
pub fn json_outputs(command: &Command) -> Vec<PathBuf> {
    let folder = command.get_current_dir().unwrap_or(Path::new("."));
    let arguments: Vec<_> = command.get_args().collect();
    let values = arguments.windows(2).filter(|pair| pair[0] == "-o" || pair[0] == "--output");
    let paths = values.map(|pair| folder.join(pair[1]));
    let is_json = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "json" || end == "ndjson" || end == "jsonl")
    };
    paths.filter(is_json).collect()
}

fn assert_valid_as(part: &str, value: &Value) {
    if let Err(reason) = check(value, &json!({"$ref": format!("#/$defs/{part}")}), "") {
        panic!("a {part} that does not match --generate schema: {reason}: {value}");
    }
}

fn check(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let is_met = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                check(value, SCHEMA.pointer(pointer).unwrap(), at)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|word| is_of_type(value, word)),
                word => is_of_type(value, word),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => !value.is_number() || value.as_f64() >= rule.as_f64(),
            "maximum" => !value.is_number() || value.as_f64() <= rule.as_f64(),
            "format" => value.as_str().is_none_or(|text| rule == "date-time" && is_time(text)),
            "required" => {
                let keys = rule.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                value.as_object().is_none_or(|object| keys.into_iter().all(|key| object.contains_key(key)))
            }
            "properties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    // Objects are open, but what this version writes has to be described.
                    let schema = rule.get(key).ok_or_else(|| format!("{at}/{key} is not in the schema"))?;
                    check(member, schema, &format!("{at}/{key}"))?;
                }
                true
            }
            "additionalProperties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    check(member, rule, &format!("{at}/{key}"))?;
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, rule, &format!("{at}/{index}"))?;
                }
                true
            }
            other => return Err(format!("unknown keyword {other}")),
        };
        if !is_met {
            return Err(format!("{at} is {value}, and {keyword} is {rule}"));
        }
    }
    Ok(())
}

fn is_of_type(value: &Value, word: &Value) -> bool {
    match word.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

fn is_time(text: &str) -> bool {
    text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

#[test]
fn a_report_that_differs_from_the_schema_is_noticed() {
    let row = r#"{"login":"a","status":"ok","type":"user","public_repos":1,"error":null,"id":1,"api":"rest","at":"2026-01-15T09:30:00Z","attempts":1}"#;
    assert_valid(row);
    for (from, to, reason) in [
        ("\"ok\"", "\"okay\"", "/status is \"okay\", and enum is"),
        (":1,\"error\"", ":\"1\",\"error\"", "/public_repos is \"1\", and type is"),
        ("\"id\":1", "\"id\":-1", "/id is -1, and minimum is 0"),
        ("\"error\":null,", "", "and required is"),
        ("15T09:30:00Z", "15", "/at is \"2026-01-15\", and format is"),
        ("\"attempts\"", "\"tries\":1,\"attempts\"", "/tries is not in the schema"),
    ] {
        let changed: Value = serde_json::from_str(&row.replace(from, to)).unwrap();
        let refused = check(&changed, &json!({"$ref": "#/$defs/row"}), "").unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}
