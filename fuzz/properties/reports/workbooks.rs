//! Workbooks, read as zip files of XML.

use std::io::{Cursor, Read};

use super::Report;

/// A workbook has every row, and neither a formula nor a control character.
pub(super) fn check(workbook: &[u8], report: &Report) {
    let mut archive = zip::ZipArchive::new(Cursor::new(workbook)).expect("a workbook is a zip file");
    let mut part = |name: &str| {
        let mut text = String::new();
        archive.by_name(name).expect("a part").read_to_string(&mut text).expect("text");
        text
    };
    let (accounts, sheets) = (part("xl/worksheets/sheet1.xml"), part("xl/workbook.xml"));
    assert!(sheets.contains("<sheet name=\"Accounts\"") && sheets.contains("<sheet name=\"Changes\""));
    assert_eq!(accounts.matches("<row ").count(), report.rows.len() + 1, "{accounts}");
    assert!(!accounts.contains("<f"), "{accounts}");
    let is_allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    assert!(accounts.chars().all(is_allowed), "{accounts:?}");
}
