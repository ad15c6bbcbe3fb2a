use super::Look;
use crate::render::{Format, Order, SortKey, sample};
use crate::report::{Columns, Holds, Measures};

const ORDER: Order = Order { by: SortKey::Roster, top: None };

fn table(order: Order, look: Look) -> String {
    sample::report(Format::Table, order, look)
}

#[test]
fn a_failures_reason_stands_in_its_row() {
    insta::assert_snapshot!(table(ORDER, Look { unicode: true, ..Look::default() }), @r#"
     Login                Kind           Public repos   Reason
    ───────────────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9
     microsoft            organization          7,421
     nosuchlogin          not found                 -   no user or organisation has this login
     =cmd|' /C calc'!A0   invalid                   -   not a login: holds '='
     a\u{1b}[31m,"b"      invalid                   -   not a login: holds '\u{1b}'
    ───────────────────────────────────────────────────────────────────────────────────────────
     5 logins             2 counted             7,430   1 not found, 2 invalid
    "#);
}

#[test]
fn without_failures_there_is_no_column_for_reasons() {
    let look = Look { unicode: true, ..Look::default() };
    insta::assert_snapshot!(table(Order { top: Some(1), ..ORDER }, look), @"
     Login           Kind                                Public repos
    ──────────────────────────────────────────────────────────────────
     torvalds        user                                           9
    ──────────────────────────────────────────────────────────────────
     1 of 5 logins   2 counted, 1 not found, 2 invalid          7,430
    ");
}

#[test]
fn every_measure_has_its_column() {
    let columns = Columns::of(&Holds {
        measures: Measures { breakdown: true, private: false },
        verified: true,
        ..Holds::default()
    });
    let look = Look { unicode: true, ..Look::default() };
    insta::assert_snapshot!(sample::report_of(columns, Format::Table, ORDER, look), @r##"
     Login                Kind           Public repos   Sources   Forks   Archived   Verified   Reason
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9         6       3          1   yes
     microsoft            organization          7,421     4,948   2,473          1   yes
     nosuchlogin          not found                 -         -       -          -   -          no user or organisation has this login
     =cmd|' /C calc'!A0   invalid                   -         -       -          -   -          not a login: holds '='
     a\u{1b}[31m,"b"      invalid                   -         -       -          -   -          not a login: holds '\u{1b}'
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     5 logins             2 counted             7,430     4,954   2,476          2              1 not found, 2 invalid
    "##);
}

#[test]
fn it_is_readable_at_sixty_columns() {
    let table = table(ORDER, Look { unicode: true, width: Some(60), color: false });
    assert!(table.lines().all(|line| line.chars().count() <= 60));
    insta::assert_snapshot!(table, @r#"
     Login           Kind           Public repos   Reason
    ────────────────────────────────────────────────────────────
     torvalds        user                      9
     microsoft       organization          7,421
     nosuchlogin     not found                 -   no user or
                                                   organisation
                                                   has this
                                                   login
     =cmd|' /C       invalid                   -   not a login:
     calc'!A0                                      holds '='
     a\u{1b}[31m,"   invalid                   -   not a login:
     b"                                            holds
                                                   '\u{1b}'
    ────────────────────────────────────────────────────────────
     5 logins        2 counted             7,430   1 not found,
                                                   2 invalid
    "#);
}

#[test]
fn it_is_plain_ascii_where_the_locale_is_not_utf8() {
    assert!(table(ORDER, Look::default()).is_ascii());
}

#[test]
fn failures_are_coloured_where_colours_are_wanted() {
    let colored = table(ORDER, Look { unicode: true, color: true, width: None });
    assert!(colored.contains("\u{1b}[38;5;3m") && colored.contains("\u{1b}[38;5;1m"), "{colored:?}");
    assert!(!table(ORDER, Look::default()).contains('\u{1b}'));
}
