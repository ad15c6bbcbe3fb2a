//! JSON and NDJSON, for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Meta, Output, Renderer};
use crate::report::{Column, Columns, Row, Summary};

/// A row as a JSON object with the contract's keys.
struct Object<'a>(&'a Columns, &'a Row);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in self.0.iter() {
            match column {
                Column::Carried(0) => map.serialize_entry("carried", &Carried(self.0, self.1))?,
                Column::Carried(_) => {}
                column => map.serialize_entry(self.0.name(column), &self.1.cell(column))?,
            }
        }
        map.end()
    }
}

/// What a row has from the roster.
struct Carried<'a>(&'a Columns, &'a Row);

impl Serialize for Carried<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.0.carried().iter().enumerate();
        serializer.collect_map(names.map(|(at, name)| (name, self.1.cell(Column::Carried(at)))))
    }
}

/// A row as a line of NDJSON.
pub(crate) fn line(out: &mut Vec<u8>, columns: &Columns, row: &Row) {
    // Neither a row nor a vector in memory can fail.
    let _ = serde_json::to_writer(&mut *out, &Object(columns, row));
    out.push(b'\n');
}

/// Returns a row as an object.
pub(crate) fn row_as_json(columns: &Columns, row: &Row) -> serde_json::Value {
    // A row in memory cannot fail.
    serde_json::to_value(Object(columns, row)).unwrap_or_default()
}

/// One object a line, as the rows come.
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
        serde_json::to_writer(&mut self.out, &Object(&self.columns, row))?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

/// One document: `{"meta": …, "rows": […], "summary": …}`, a row a line.
pub(super) struct Json {
    out: Output,
    columns: Columns,
    meta: Meta,
    rows: u64,
}

impl Json {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta) -> Self {
        Self { out, columns, meta, rows: 0 }
    }

    /// What stands before a row: the document's beginning, or the comma behind the last row.
    fn next(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            self.out.write_all(b"{\n\"meta\": ")?;
            serde_json::to_writer(&mut self.out, &self.meta)?;
            return self.out.write_all(b",\n\"rows\": [\n");
        }
        self.out.write_all(b",\n")
    }
}

impl Renderer for Json {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.next()?;
        self.rows += 1;
        serde_json::to_writer(&mut self.out, &Object(&self.columns, row)).map_err(Into::into)
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        if self.rows == 0 {
            self.next()?;
        } else {
            self.out.write_all(b"\n")?;
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

    const ORDER: RowOrder = RowOrder { by: SortKey::Input, top: None };

    #[test]
    fn ndjson_is_rows_alone_with_null_for_what_is_not_known() {
        let ndjson = sample::report(Format::Ndjson, ORDER, TerminalStyle::default());
        let lines: Vec<_> = ndjson.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[0],
            r#"{"login":"torvalds","status":"ok","kind":"user","id":1024025,"public_repos":9,"error":null,"via":"rest","at":"2026-11-22T12:00:00Z","attempts":1}"#
        );
        assert_eq!(
            lines[2],
            r#"{"login":"nosuchlogin","status":"not_found","kind":null,"id":null,"public_repos":null,"error":"no such user or organization","via":null,"at":null,"attempts":1}"#
        );
    }

    #[test]
    fn json_is_one_document_with_meta_rows_and_summary() {
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
