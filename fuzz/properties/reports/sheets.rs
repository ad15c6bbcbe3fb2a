//! CSV and TSV.

use super::Report;
use crate::report::{Cell, Row};

/// Characters that start a formula.
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Asserts that the `csv` crate parses the same rows, with an apostrophe before a formula and before nothing else.
pub(super) fn check(sheet: &str, delimiter: u8, report: &Report) {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(sheet.as_bytes());
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let (head, records) = records.split_first().expect("a header");
    assert_eq!(records.len(), report.rows.len());
    let columns = &report.columns;
    for (found, column) in head.iter().zip(columns.iter()) {
        text(found, column.key());
    }
    for (record, row) in records.iter().zip(&report.rows) {
        assert_eq!(record.len(), columns.iter().count());
        for (found, column) in record.iter().zip(columns.iter()) {
            match row.cell(column) {
                Cell::Null => assert_eq!(found, ""),
                Cell::Text(written) => text(found, &written),
                Cell::Number(number) => assert_eq!(found.parse(), Ok(number)),
                Cell::Delta(number) => assert_eq!(found.parse(), Ok(number)),
                Cell::Bool(flag) => assert_eq!(found.parse(), Ok(flag)),
            }
        }
    }
}

fn text(found: &str, written: &str) {
    assert!(!found.trim_start().starts_with(FORMULAS), "{found:?} is a formula");
    let hidden = written.trim_start_matches(|c: char| c == '\'' || c.is_whitespace());
    let apostrophe = if hidden.starts_with(FORMULAS) { "'" } else { "" };
    assert_eq!(found, format!("{apostrophe}{written}"));
}

/// Replaces empty text by None, because CSV does not distinguish them.
pub(super) fn without_empty_text(row: &mut Row) {
    row.error = row.error.take().filter(|text| !text.is_empty());
    row.previous_login = row.previous_login.take().filter(|text| !text.is_empty());
    row.exchange = row.exchange.take().filter(|text| !text.is_empty());
    for text in &mut row.carried {
        *text = text.take().filter(|text| !text.is_empty());
    }
}
