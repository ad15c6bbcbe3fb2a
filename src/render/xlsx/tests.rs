use std::io::{BufWriter, Cursor, Read};

use super::*;
use crate::render::sample::{self, Shared};
use crate::report::{ReportSchema, RunTotals};

/// Returns a part of a workbook.
fn part(workbook: &Shared, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(workbook.bytes())).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap_or_else(|_| panic!("no part {name}")).read_to_string(&mut text).unwrap();
    text
}

/// Returns the cell with this reference, as XML.
fn cell<'a>(sheet: &'a str, reference: &str) -> &'a str {
    let Some(at) = sheet.find(&format!("<c r=\"{reference}\"")) else { return "" };
    let rest = &sheet[at..];
    &rest[..rest.find("</c>").unwrap_or(0)]
}

fn renderer(schema: &ReportSchema) -> (Xlsx, Shared) {
    let out = Shared::default();
    let meta = Meta {
        api: Some("https://api.github.com".into()),
        site: Some("github.com".into()),
        started: "2026-11-22T12:00:00Z".parse().unwrap(),
        ..Meta::default()
    };
    (Xlsx::new(BufWriter::new(Box::new(out.clone())), Columns::of(schema), meta), out)
}

fn workbook(schema: &ReportSchema, rows: Vec<Row>, change: impl FnOnce(&mut Xlsx)) -> Shared {
    let (mut xlsx, out) = renderer(schema);
    change(&mut xlsx);
    let mut summary = Summary {
        complete: true,
        totals: RunTotals { seconds: Some(0.25), ..RunTotals::default() },
        ..Summary::default()
    };
    for row in rows {
        summary.add(&row);
        xlsx.row(&row).unwrap();
    }
    xlsx.finish(&summary).unwrap();
    out
}

fn first_sheet(row: Row, schema: &ReportSchema) -> String {
    part(&workbook(schema, vec![row], |_| {}), "xl/worksheets/sheet1.xml")
}

#[test]
fn cells_have_types_and_text_is_never_a_formula() {
    let sheet = part(&workbook(&ReportSchema::default(), sample::rows(), |_| {}), "xl/worksheets/sheet1.xml");
    assert!(cell(&sheet, "A2").ends_with("t=\"inlineStr\"><is><t>torvalds</t></is>"));
    assert!(cell(&sheet, "D3").ends_with("><v>7421</v>"), "a count is a number");
    assert!(cell(&sheet, "F3").ends_with("><v>6154722</v>"), "an id is a number");
    assert!(cell(&sheet, "H2").ends_with("><v>46348.5</v>"), "a time is a date: {}", cell(&sheet, "H2"));
    assert_eq!(cell(&sheet, "D4"), "", "a missing count is an empty cell");
    assert!(cell(&sheet, "A5").ends_with("<t>=cmd|' /C calc'!A0</t></is>"));
    assert!(!sheet.contains("<f>") && !sheet.contains('\u{1b}'));
    assert!(sheet.contains("<autoFilter ref=\"A1:I6\"/>") && sheet.contains("state=\"frozen\""));
}

#[test]
fn a_full_sheet_is_continued_on_another_one() {
    let rows: Vec<_> = (0..5).map(|_| sample::rows().remove(0)).collect();
    let book = workbook(&ReportSchema::default(), rows, |xlsx| xlsx.accounts.max_rows = 3);
    let sheets = part(&book, "xl/workbook.xml");
    for name in ["Accounts", "Accounts 2", "Accounts 3", "Totals"] {
        assert!(sheets.contains(&format!("name=\"{name}\"")), "{name}");
    }
    for (sheet, rows) in [(1, 3), (2, 3), (3, 2)] {
        let sheet = part(&book, &format!("xl/worksheets/sheet{sheet}.xml"));
        assert_eq!(sheet.matches("<row ").count(), rows);
        assert!(cell(&sheet, "A1").ends_with("<t>login</t></is>"), "each sheet has a header");
    }
}

#[test]
fn logins_are_links_up_to_the_limit_of_excel() {
    let rows: Vec<_> = (0..4).map(|_| sample::rows().remove(0)).collect();
    let book = workbook(&ReportSchema::default(), rows, |xlsx| xlsx.accounts.max_linked_rows = 2);
    let links = part(&book, "xl/worksheets/_rels/sheet1.xml.rels");
    assert_eq!(links.matches("Target=\"https://github.com/torvalds\"").count(), 2);
    let sheet = part(&book, "xl/worksheets/sheet1.xml");
    assert!(cell(&sheet, "A5").ends_with("<t>torvalds</t></is>"));
}

#[test]
fn changed_rows_have_a_sheet_of_their_own() {
    let schema = ReportSchema { change: true, ..ReportSchema::default() };
    let row =
        |login: &str, change, event| Row { login: login.into(), change, event, ..sample::rows().remove(0) };
    let rows = vec![
        row("same", Some(0), None),
        row("grown", Some(3), None),
        row("shrunk", Some(-2), None),
        row("new", None, Some(crate::report::Event::New)),
    ];
    let book = workbook(&schema, rows, |_| {});
    let changes = part(&book, "xl/worksheets/sheet2.xml");
    assert!(part(&book, "xl/workbook.xml").contains("name=\"Changes\""));
    for (reference, text) in [("A2", "grown"), ("A3", "shrunk"), ("A4", "new")] {
        assert!(cell(&changes, reference).ends_with(&format!("<t>{text}</t></is>")), "{changes}");
    }
    assert!(cell(&changes, "F2").ends_with("<v>3</v>") && cell(&changes, "F3").ends_with("<v>-2</v>"));
    assert_eq!(changes.matches("<row ").count(), 4);
    let book = workbook(&ReportSchema::default(), sample::rows(), |_| {});
    assert!(!part(&book, "xl/workbook.xml").contains("Changes"), "only with a baseline");
}

#[test]
fn a_long_cell_is_cut_with_a_mark() {
    let schema = ReportSchema { carried: vec!["note".into()], ..ReportSchema::default() };
    for (text, units) in
        [("x".repeat(40_000), 32_767), ("🚀".repeat(20_000), 32_767), ("x".repeat(32_767), 32_767)]
    {
        let row = Row { carried: vec![Some(text.as_str().into())].into(), ..sample::rows().remove(0) };
        let sheet = first_sheet(row, &schema);
        let shown = cell(&sheet, "B2").split_once("<t>").unwrap().1.split_once("</t>").unwrap().0;
        assert_eq!(shown.encode_utf16().count(), units, "{}", &text[..4]);
        assert_eq!(shown.ends_with('…'), shown != text);
    }
}

#[test]
fn what_excel_would_round_or_shift_is_text() {
    let row = |id, at: &str| Row { id: Some(id), at: Some(at.parse().unwrap()), ..sample::rows().remove(0) };
    let sheet = first_sheet(row(999_999_999_999_999, "1900-03-01T00:00:00Z"), &ReportSchema::default());
    assert!(cell(&sheet, "F2").ends_with("<v>999999999999999</v>"));
    assert!(cell(&sheet, "H2").ends_with("<v>61</v>"), "{}", cell(&sheet, "H2"));
    let sheet = first_sheet(row(1_000_000_000_000_000, "1900-02-28T23:59:59Z"), &ReportSchema::default());
    assert!(cell(&sheet, "F2").ends_with("<t>1000000000000000</t></is>"));
    assert!(cell(&sheet, "H2").ends_with("<t>1900-02-28T23:59:59Z</t></is>"));
}

#[test]
fn line_ends_in_a_cell_are_those_of_excel() {
    let schema = ReportSchema { carried: vec!["note".into()], ..ReportSchema::default() };
    let row = Row { carried: vec![Some("a\r\nb".into())].into(), ..sample::rows().remove(0) };
    assert!(cell(&first_sheet(row, &schema), "B2").ends_with("<t>a\nb</t></is>"));
}

#[test]
fn totals_have_a_sheet_with_numbers() {
    let book = workbook(&ReportSchema::default(), sample::rows(), |_| {});
    let totals = part(&book, "xl/worksheets/sheet2.xml");
    assert!(cell(&totals, "A2").ends_with("<t>Logins</t></is>") && cell(&totals, "B2").ends_with("<v>5</v>"));
    assert!(totals.contains("<t>Public repos</t>") && totals.contains("<v>7430</v>"));
    let empty = workbook(&ReportSchema::default(), Vec::new(), |_| {});
    assert!(part(&empty, "xl/worksheets/sheet2.xml").contains("<t>–</t>"), "nothing was counted: no 0");
    assert_eq!(part(&empty, "xl/worksheets/sheet1.xml").matches("<row ").count(), 1);
}
