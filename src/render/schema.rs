//! `--generate schema`: JSON Schema of JSON reports and of the lines of NDJSON reports.
//!
//! It is made of [`COLUMNS`] and of the structs that are serialized. Objects are open: a later version may have more keys.

use serde_json::{Map, Value, json};

use super::Meta;
use super::json::SCHEMA_VERSION;
use crate::report::{
    AccountKind, ApiKind, COLUMNS, Cell, ColumnSpec, DiffSummary, Event, GroupTotals, Identity, Row,
    RunTotals, Status, Subtotal, Summary, Total, ValueType,
};

/// Returns the schema, with its keys in the order of a report.
pub(crate) fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ghrepos report",
        "description": "A JSON report, or one line of an NDJSON report. Ignore keys that you do not know.",
        "anyOf": [{"$ref": "#/$defs/document"}, {"$ref": "#/$defs/row"}],
        "$defs": {
            "document": {
                "type": "object",
                "properties": {
                    "meta": {"$ref": "#/$defs/meta"},
                    "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
                    "summary": {"$ref": "#/$defs/summary"}
                },
                "required": ["meta", "rows", "summary"]
            },
            "row": row_schema(),
            "meta": meta_schema(),
            "summary": summary_schema(),
            "group": group_schema(),
            "changes": object_schema(&to_value(&some_changes()), &to_value(&DiffSummary::default()))
        }
    })
}

fn row_schema() -> Value {
    let empty = Row { error: None, ..Row::without_count("", Status::Skipped, "") };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for spec in &COLUMNS {
        let is_nullable = spec.value != ValueType::Object && empty.own_cell(spec) == Cell::Null;
        properties.insert(spec.key.to_owned(), column_schema(spec, is_nullable));
        if spec.group.is_none() && spec.value != ValueType::Object {
            required.push(spec.key);
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn column_schema(spec: &ColumnSpec, is_nullable: bool) -> Value {
    let schema = match spec.value {
        ValueType::Text => json!({"type": "string"}),
        ValueType::Label => json!({"type": "string", "enum": words(spec)}),
        ValueType::Number => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        ValueType::SmallNumber => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        ValueType::Delta => json!({"type": "integer"}),
        ValueType::Bool => json!({"type": "boolean"}),
        ValueType::Timestamp => json!({"type": "string", "format": "date-time"}),
        // Several groups of an account are an array.
        ValueType::Object => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "null", "array"], "items": {"type": "string"}}
        }),
    };
    if is_nullable { nullable(schema) } else { schema }
}

/// Returns the words of a column of labels.
fn words(spec: &ColumnSpec) -> Vec<&'static str> {
    match spec.key {
        "status" => Status::ALL.map(Status::as_str).into(),
        "type" => {
            [AccountKind::User, AccountKind::Organization, AccountKind::Bot].map(AccountKind::as_str).into()
        }
        "event" => Event::ALL.map(Event::as_str).into(),
        "api" => [ApiKind::Graphql, ApiKind::Rest].map(ApiKind::as_str).into(),
        // No value is valid then, and the tests fail.
        _ => Vec::new(),
    }
}

fn nullable(mut schema: Value) -> Value {
    if let Some(allowed) = schema.get_mut("type") {
        *allowed = json!([allowed.take(), "null"]);
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema
}

fn meta_schema() -> Value {
    let text = || Some(String::new());
    let full = Meta {
        api: text(),
        identity: Identity { viewer: text(), app: text() },
        exchanges: text(),
        baseline: text(),
        baseline_at: Some(jiff::Timestamp::default()),
        from: vec![String::new()],
        top: Some(0),
        command: text(),
        ..Meta::default()
    };
    let mut schema = object_schema(&to_value(&full), &to_value(&Meta::default()));
    for time in ["started", "baseline_at"] {
        set_property(&mut schema, time, json!({"type": "string", "format": "date-time"}));
    }
    set_property(&mut schema, "schema_version", json!({"const": SCHEMA_VERSION}));
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, "schema_version".into());
    }
    schema
}

fn summary_schema() -> Value {
    let full = Summary {
        public_repos: Total::from(0),
        totals: RunTotals {
            duplicates: Some(0),
            kept: Some(0),
            no_longer_asked: Some(0),
            requests: Some(0),
            points: Some(0),
            seconds: Some(0.5),
        },
        groups: Some(GroupTotals::new(String::new(), 0)),
        changes: Some(DiffSummary::default()),
        ..Summary::default()
    };
    let mut schema = object_schema(&to_value(&full), &to_value(&Summary::default()));
    set_property(&mut schema, "groups", json!({"type": "array", "items": {"$ref": "#/$defs/group"}}));
    set_property(&mut schema, "changes", json!({"$ref": "#/$defs/changes"}));
    schema
}

fn group_schema() -> Value {
    let full = Subtotal { public_repos: Total::from(0), ..Subtotal::default() };
    let mut schema = object_schema(&to_value(&full), &to_value(&Subtotal::default()));
    set_property(&mut schema, "group", json!({"type": ["string", "null"]}));
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, "group".into());
    }
    schema
}

fn some_changes() -> DiffSummary {
    let sum = Total::from(0);
    DiffSummary {
        repositories_added: sum,
        repositories_removed: sum,
        repositories_of_new: sum,
        repositories_of_removed: sum,
        ..DiffSummary::default()
    }
}

/// Returns the schema of objects between `minimal`, in which everything optional is missing or null, and `full`.
fn object_schema(full: &Value, minimal: &Value) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (key, value) in full.as_object().into_iter().flatten() {
        let schema = value_schema(value);
        let least = minimal.get(key);
        let schema = if least.is_some_and(Value::is_null) { nullable(schema) } else { schema };
        properties.insert(key.clone(), schema);
        if least.is_some() {
            required.push(key.as_str());
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn value_schema(value: &Value) -> Value {
    match value {
        Value::Null => json!({"type": "null"}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_u64() => json!({"type": "integer", "minimum": 0}),
        Value::Number(_) => json!({"type": "number", "minimum": 0}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(_) => json!({"type": "array", "items": {"type": "string"}}),
        Value::Object(_) => json!({"type": "object"}),
    }
}

fn set_property(schema: &mut Value, key: &str, property: Value) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(key.to_owned(), property);
    }
}

/// Serializes a struct. It cannot fail: the output is memory.
fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_types_and_words_of_its_columns() {
        let schema = row_schema();
        let property = |key: &str| &schema["properties"][key];
        assert_eq!(*property("login"), json!({"type": "string"}));
        assert_eq!(property("change")["type"], json!(["integer", "null"]));
        assert_eq!(property("at"), &json!({"type": ["string", "null"], "format": "date-time"}));
        assert_eq!(property("type")["enum"], json!(["user", "organization", "bot", null]));
        assert_eq!(property("status")["enum"].as_array().unwrap().len(), 7);
        assert_eq!(property("api")["enum"], json!(["graphql", "rest", null]));
        let required =
            json!(["login", "status", "type", "public_repos", "error", "id", "api", "at", "attempts"]);
        assert_eq!(schema["required"], required);
        assert_eq!(schema["properties"].as_object().unwrap().len(), COLUMNS.len());
    }

    #[test]
    fn every_optional_field_has_a_type() {
        fn check(schema: &Value) {
            assert_ne!(schema["type"], "null", "a field of the struct is missing in its full example");
            schema.as_object().into_iter().flatten().for_each(|(_, part)| check(part));
        }
        check(&schema());
        let summary = summary_schema();
        assert!(summary["required"].as_array().unwrap().contains(&json!("public_repos")));
        assert!(!summary["required"].as_array().unwrap().contains(&json!("changes")));
        assert_eq!(summary["properties"]["seconds"]["type"], json!(["number", "null"]));
    }
}
