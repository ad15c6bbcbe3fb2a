//! JSON and NDJSON, for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{Meta, Output, Renderer};
use crate::report::{Column, Columns, EXTRA_KEY, ReportSchema, Row, Summary, groups_in};

pub(crate) struct RowObject<'a>(pub(crate) &'a Columns, pub(crate) &'a Row);

impl Serialize for RowObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(columns, row) = self;
        let mut map = serializer.serialize_map(None)?;
        for column in columns.iter() {
            match column {
                Column::Own(spec) => map.serialize_entry(spec.key, &row.own_cell(spec))?,
                Column::Extra { index: 0, .. } => {
                    map.serialize_entry(EXTRA_KEY, &extra_object(columns, row))?;
                }
                Column::Extra { .. } => {}
            }
        }
        map.end()
    }
}

/// Returns the extra cells by name: text, or an array if the account is in several groups.
fn extra_object(columns: &Columns, row: &Row) -> Map<String, Value> {
    let mut object = Map::new();
    for (index, name) in columns.carried().iter().enumerate() {
        let cell = row.carried.get(index).and_then(Option::as_deref);
        let groups: Vec<_> = cell.map(groups_in).into_iter().flatten().collect();
        object.insert(name.clone(), if groups.len() > 1 { groups.into() } else { cell.into() });
    }
    object
}

/// Appends a line of NDJSON.
pub(crate) fn line(out: &mut Vec<u8>, columns: &Columns, row: &Row) {
    // Cannot fail: the output is memory.
    let _ = serde_json::to_writer(&mut *out, &RowObject(columns, row));
    out.push(b'\n');
}

/// Returns the columns of every report.
pub(crate) fn row_as_json(row: &Row) -> Value {
    let columns = Columns::of(&ReportSchema::default());
    // Cannot fail: the output is memory.
    serde_json::to_value(RowObject(&columns, row)).unwrap_or_default()
}

/// One object per line, written as the rows come.
pub(super) struct Ndjson {
    out: Output,
    columns: Columns,
}

impl Ndjson {
    pub(super) fn new(out: Output, columns: Columns) -> Self {
        Self { out, columns }
    }
}

impl Renderer for Ndjson {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &RowObject(&self.columns, row))?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

/// Version of the keys and their meanings. New keys do not change it.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// One document: `{"meta": …, "rows": […], "summary": …}`, with a line for each row.
pub(super) struct Json {
    out: Output,
    columns: Columns,
    meta: Meta,
    has_rows: bool,
}

impl Json {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta) -> Self {
        Self { out, columns, meta, has_rows: false }
    }

    /// Writes the start of the document.
    fn start(&mut self) -> io::Result<()> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            schema_version: u32,
            #[serde(flatten)]
            meta: &'a Meta,
        }
        self.out.write_all(b"{\n\"meta\": ")?;
        serde_json::to_writer(
            &mut self.out,
            &Versioned { schema_version: SCHEMA_VERSION, meta: &self.meta },
        )?;
        self.out.write_all(b",\n\"rows\": [\n")
    }
}

impl Renderer for Json {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        if std::mem::replace(&mut self.has_rows, true) {
            self.out.write_all(b",\n")?;
        } else {
            self.start()?;
        }
        serde_json::to_writer(&mut self.out, &RowObject(&self.columns, row)).map_err(Into::into)
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if self.has_rows {
            self.out.write_all(b"\n")?;
        } else {
            self.start()?;
        }
        self.out.write_all(b"],\n\"summary\": ")?;
        serde_json::to_writer(&mut self.out, summary)?;
        self.out.write_all(b"\n}\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};

    const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

    #[test]
    fn ndjson_has_null_for_unknown_values() {
        let ndjson = sample::report(Format::Ndjson, ORDER, TerminalStyle::default());
        let lines: Vec<_> = ndjson.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[0],
            r#"{"login":"torvalds","status":"ok","type":"user","public_repos":9,"error":null,"id":1024025,"api":"rest","at":"2026-11-22T12:00:00Z","attempts":1}"#
        );
        assert_eq!(
            lines[2],
            r#"{"login":"nosuchlogin","status":"not_found","type":null,"public_repos":null,"error":"no such user or organization","id":null,"api":null,"at":null,"attempts":1}"#
        );
    }

    #[test]
    fn json_is_one_document() {
        for (top, rows) in [(None, 5), (Some(1), 1), (Some(0), 0)] {
            let json = sample::report(Format::Json, RowOrder { top, ..ORDER }, TerminalStyle::default());
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json["rows"].as_array().unwrap().len(), rows);
            assert_eq!(json["meta"]["api"], "https://api.github.com");
            assert_eq!(json["summary"]["asked"], 5);
            assert_eq!(json["summary"]["public_repos"], 7430);
            assert_eq!(json["summary"]["complete"], true);
        }
    }
}
