use std::io::BufWriter;

use super::TerminalStyle;
use crate::render::{Format, Renderer, RowOrder, SortKey, sample};
use crate::report::{Columns, CountSelection, Event, ReportSchema, Row, Status, Summary};

const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

fn table(order: RowOrder, style: TerminalStyle) -> String {
    sample::report(Format::Table, order, style)
}

#[test]
fn a_failure_has_its_reason_in_its_row() {
    insta::assert_snapshot!(table(ORDER, TerminalStyle { unicode: true, ..TerminalStyle::default() }), @r#"
     Login                Type           Public repos   Reason
    ─────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9
     microsoft            organization          7,421
     nosuchlogin          not found                 -   no such user or organization
     =cmd|' /C calc'!A0   invalid                   -   not a login: holds '='
     a\u{1b}[31m,"b"      invalid                   -   not a login: holds '\u{1b}'
    ─────────────────────────────────────────────────────────────────────────────────
     5 logins             2 counted             7,430   1 not found, 2 invalid
    "#);
}

#[test]
fn a_table_without_failures_has_no_column_for_them() {
    let style = TerminalStyle { unicode: true, ..TerminalStyle::default() };
    insta::assert_snapshot!(table(RowOrder { top: Some(1), ..ORDER }, style), @r##"
     Login           Type        Public repos
    ──────────────────────────────────────────
     torvalds        user                   9
    ──────────────────────────────────────────
     1 of 5 logins   2 counted          7,430
       1 not found, 2 invalid
    "##);
}

#[test]
fn every_measure_has_a_column() {
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: false, last_push: false },
        verified: true,
        ..ReportSchema::default()
    });
    let style = TerminalStyle { unicode: true, ..TerminalStyle::default() };
    insta::assert_snapshot!(sample::report_of(columns, Format::Table, ORDER, style), @r##"
     Login                Type           Public repos   Sources   Forks   Archived   Verified   Reason
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9         6       3          1   yes
     microsoft            organization          7,421     4,948   2,473          1   yes
     nosuchlogin          not found                 -         -       -          -   -          no such user or organization
     =cmd|' /C calc'!A0   invalid                   -         -       -          -   -          not a login: holds '='
     a\u{1b}[31m,"b"      invalid                   -         -       -          -   -          not a login: holds '\u{1b}'
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     5 logins             2 counted             7,430     4,954   2,476          2              1 not found, 2 invalid
    "##);
}

#[test]
fn a_table_fits_sixty_columns() {
    let table = table(ORDER, TerminalStyle { unicode: true, width: Some(60), color: false, max_rows: None });
    assert!(table.lines().all(|line| line.chars().count() <= 60));
    insta::assert_snapshot!(table, @r##"
     Login                Type           Public repos
    ──────────────────────────────────────────────────
     torvalds             user                      9
     microsoft            organization          7,421
     nosuchlogin          not found                 -
       no such user or organization
     =cmd|' /C calc'!A0   invalid                   -
       not a login: holds '='
     a\u{1b}[31m,"b"      invalid                   -
       not a login: holds '\u{1b}'
    ──────────────────────────────────────────────────
     5 logins             2 counted             7,430
       1 not found, 2 invalid
    "##);
}

#[test]
fn a_table_without_unicode_is_ascii() {
    assert!(table(ORDER, TerminalStyle::default()).is_ascii());
}

#[test]
fn bars_are_proportional_and_never_too_long() {
    for (count, largest, unicode, shown) in [
        (0, 0, true, ""),
        (0, 10, true, ""),
        (1, 1_000_000, true, "▏"),
        (5, 10, true, "█████"),
        (10, 10, true, "██████████"),
        (53, 100, true, "█████▎"),
        (u64::MAX, u64::MAX, true, "██████████"),
        (1, 1_000_000, false, "#"),
        (53, 100, false, "#####"),
    ] {
        assert_eq!(super::bar(count, largest, 10, unicode), shown, "{count} of {largest}");
    }
}

#[test]
fn columns_without_room_are_named() {
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: true, last_push: false },
        carried: vec!["team".into()],
        ..ReportSchema::default()
    });
    let style = TerminalStyle { unicode: true, width: Some(60), color: false, max_rows: None };
    insta::assert_snapshot!(sample::report_of(columns, Format::Table, ORDER, style), @r##"
     Login           Type           Public   Private   Internal
                                     repos
    ────────────────────────────────────────────────────────────
     torvalds        user                9         -          -
     microsoft       organization    7,421         -          -
     nosuchlogin     not found           -         -          -
       no such user or organization
     =cmd|' /C       invalid             -         -          -
     calc'!A0
       not a login: holds '='
     a\u{1b}[31m,"   invalid             -         -          -
     b"
       not a login: holds '\u{1b}'
    ────────────────────────────────────────────────────────────
     5 logins        2 counted       7,430         -          -
       1 not found, 2 invalid
       Hidden to fit 60 columns: team, Sources, Forks,
       Archived. Use -o FILE.csv for all columns.
    "##);
}

#[test]
fn failures_are_colored_if_requested() {
    let colored = table(ORDER, TerminalStyle { unicode: true, color: true, width: None, max_rows: None });
    assert!(colored.contains("\u{1b}[38;5;3m") && colored.contains("\u{1b}[38;5;1m"), "{colored:?}");
    assert!(!table(ORDER, TerminalStyle::default()).contains('\u{1b}'));
}

#[test]
fn changes_are_signed_and_colored() {
    let columns = Columns::of(&ReportSchema { change: true, ..ReportSchema::default() });
    for (change, event, text, color) in [
        (Some(1_234), None, "+1,234", Some(2)),
        (Some(-5), None, "-5", Some(1)),
        (Some(0), None, "=", None),
        (None, Some(Event::New), "new", Some(3)),
        (None, Some(Event::Renamed), "renamed from torvald", Some(3)),
    ] {
        let out = sample::Shared::default();
        let style = TerminalStyle { unicode: true, color: true, width: None, max_rows: None };
        let mut table = super::Table::new(BufWriter::new(Box::new(out.clone())), &columns, style);
        let previous_login = (event == Some(Event::Renamed)).then(|| "torvald".into());
        table.row(&Row { change, event, previous_login, ..sample::rows().remove(0) }).unwrap();
        table.finish(&Summary::default()).unwrap();
        let painted = color.map_or_else(|| format!(" {text}"), |color| format!("\u{1b}[38;5;{color}m"));
        let text_is_there = out.text().lines().any(|line| line.contains(&painted) && line.contains(text));
        assert!(text_is_there, "{text}: {:?}", out.text());
    }
}

fn unsorted(rows: &[Row], style: TerminalStyle) -> String {
    let out = sample::Shared::default();
    let columns = Columns::of(&ReportSchema::default());
    let mut table = super::Table::new(BufWriter::new(Box::new(out.clone())), &columns, style);
    let mut summary = Summary::default();
    for row in rows {
        summary.add(row);
        table.row(row).unwrap();
    }
    table.finish(&summary).unwrap();
    out.text()
}

#[test]
fn logins_that_were_not_asked_share_a_line() {
    let mut rows = sample::rows();
    rows.truncate(1);
    rows.extend((0..1911).map(|at| Row::without_count(&format!("user-{at}"), Status::Skipped, "not asked")));
    insta::assert_snapshot!(unsorted(&rows, TerminalStyle::default()), @r##"
     Login          Type        Public repos
    -----------------------------------------
     torvalds       user                   9
       1,911 logins were not asked
    -----------------------------------------
     1,912 logins   1 counted     at least 9
       1,911 skipped
    "##);
}

#[test]
fn a_table_that_is_too_long_has_its_totals() {
    let style = TerminalStyle { width: Some(60), max_rows: Some(2), ..TerminalStyle::default() };
    insta::assert_snapshot!(unsorted(&sample::rows(), style), @r##"
     Login       Type           Public repos
    -----------------------------------------
       5 rows are too many for a terminal: write them to a file
       with -o FILE.csv, or print all with -F table
    -----------------------------------------
     5 logins    2 counted             7,430
       1 not found, 2 invalid
    "##);
    assert!(unsorted(&sample::rows()[..2], style).contains("torvalds"));
}
