//! Rows in the table `counts`: its columns are those of [`COLUMNS`], with the extra columns as one JSON object. Rows are
//! inserted many at a time, and as parameters, never as text of the statement.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::report::{COLUMNS, Cell, ColumnSpec, Columns, EXTRA_KEY, Role, Row, ValueType};

/// Rows of a statement of `SQLite`, which takes 32,766 parameters.
pub(super) const ROWS: usize = 1024;

/// One row with its key.
pub(super) struct Saved<'a> {
    key: &'a str,
    row: &'a Row,
    columns: &'a Columns,
}

/// A column of `counts`, except `run`, `part` and `key`.
struct SqlColumn {
    name: &'static str,
    /// None for the extra columns.
    value: Option<ValueType>,
    is_required: bool,
}

impl SqlColumn {
    fn sqlite_type(&self) -> &'static str {
        match self.value {
            None | Some(ValueType::Text | ValueType::Label | ValueType::Change | ValueType::Timestamp) => {
                "TEXT"
            }
            Some(ValueType::Number | ValueType::SmallNumber | ValueType::Bool) => "INTEGER",
        }
    }

    fn postgres_type(&self) -> &'static str {
        match self.value {
            None => "JSONB",
            Some(ValueType::Text | ValueType::Label | ValueType::Change) => "TEXT",
            Some(ValueType::Number) => "NUMERIC(20)",
            Some(ValueType::SmallNumber) => "BIGINT",
            Some(ValueType::Bool) => "BOOLEAN",
            Some(ValueType::Timestamp) => "TIMESTAMPTZ",
        }
    }
}

fn sql_name(spec: &ColumnSpec) -> &'static str {
    spec.sql_name.unwrap_or(spec.key)
}

/// Returns the columns in their order. The extra ones come before `was`.
fn sql_columns() -> Vec<SqlColumn> {
    let mut columns = Vec::new();
    for spec in &COLUMNS {
        if spec.role == Role::Was {
            columns.push(SqlColumn { name: EXTRA_KEY, value: None, is_required: false });
        }
        let is_required = spec.is_required;
        columns.push(SqlColumn { name: sql_name(spec), value: Some(spec.value), is_required });
    }
    columns
}

/// Joins a text for each column.
fn join(text: impl Fn(&SqlColumn) -> String) -> String {
    sql_columns().iter().map(text).collect::<Vec<_>>().join(", ")
}

/// Returns the column definitions of `counts`.
pub(super) fn definitions(is_postgres: bool) -> String {
    join(|column| {
        let sql_type = if is_postgres { column.postgres_type() } else { column.sqlite_type() };
        format!("{} {sql_type}{}", column.name, if column.is_required { " NOT NULL" } else { "" })
    })
}

fn insert() -> String {
    format!("INSERT INTO counts (run, part, key, {})", join(|column| column.name.to_owned()))
}

/// An answer replaces an earlier row; a row without an answer does not replace an answer.
fn upsert() -> String {
    format!(
        " ON CONFLICT (run, key) DO UPDATE SET part = excluded.part, {}
        WHERE excluded.status IN ('ok', 'not_found', 'forbidden', 'invalid')
            OR counts.status NOT IN ('ok', 'not_found', 'forbidden', 'invalid')",
        join(|column| format!("{0} = excluded.{0}", column.name))
    )
}

/// Returns the statement that inserts this many rows of a run. `SQLite` converts the texts to the types of its columns.
pub(super) fn sqlite(rows: usize, run: &str, part: &str) -> String {
    let row = format!("({run}, {part}{})", ", ?".repeat(sql_columns().len() + 1));
    format!("{} VALUES {}{}", insert(), vec![row; rows].join(", "), upsert())
}

/// Returns the statement that inserts rows. Its parameters are the run, the rows as a JSON array, and the part.
pub(super) fn postgres() -> String {
    format!(
        "{} SELECT CAST($1 AS BIGINT), CAST($3 AS BIGINT), row.*
        FROM jsonb_to_recordset(CAST($2 AS JSONB)) AS row (key TEXT, {}){}",
        insert(),
        join(|column| format!("{} {}", column.name, column.postgres_type())),
        upsert()
    )
}

/// The row as a JSON object.
impl Serialize for Saved<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("key", self.key)?;
        for spec in &COLUMNS {
            object.serialize_entry(sql_name(spec), &self.row.own_cell(spec))?;
        }
        object.serialize_entry(EXTRA_KEY, &self.extra_cells())?;
        object.end()
    }
}

impl<'a> Saved<'a> {
    pub(super) fn of(key: &'a str, row: &'a Row, columns: &'a Columns) -> Self {
        Self { key, row, columns }
    }

    /// Returns the extra cells by name. None if the report has no extra columns.
    fn extra_cells(&self) -> Option<Map<String, Value>> {
        let names = self.columns.carried();
        let text =
            |index| self.row.carried.get(index).and_then(Option::as_deref).map_or(Value::Null, Value::from);
        let cells = names.iter().enumerate().map(|(index, name)| (name.clone(), text(index)));
        (!names.is_empty()).then(|| cells.collect())
    }

    /// Returns the cells in the order of the columns, as text.
    pub(super) fn cells(self) -> Vec<Option<String>> {
        let mut cells = vec![Some(self.key.to_owned())];
        for spec in &COLUMNS {
            if spec.role == Role::Was {
                cells.push(self.extra_cells().map(|extra| Value::Object(extra).to_string()));
            }
            cells.push(match self.row.own_cell(spec) {
                Cell::Null => None,
                Cell::Text(text) => Some(text.into_owned()),
                Cell::Number(number) => Some(number.to_string()),
                Cell::Delta(number) => Some(number.to_string()),
                Cell::Bool(flag) => Some(u8::from(flag).to_string()),
            });
        }
        cells
    }
}
