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
    insta::assert_snapshot!(table(ORDER, TerminalStyle { unicode: true, ..TerminalStyle::default() }), @r##"
     Login                Type           Public repos   Reason
    ──────────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9
     microsoft            organization          7,421
     nosuchlogin                            not found
     =cmd|' /C calc'!A0                       invalid   not a login: holds '='
     a\u{1b}[31m,"b"                          invalid   not a login: holds '\u{1b}'
    ──────────────────────────────────────────────────────────────────────────────────────
     5 logins                                   7,430   2 counted, 1 not found, 2 invalid
    "##);
}

#[test]
fn a_table_without_failures_has_no_column_for_them() {
    let style = TerminalStyle { unicode: true, ..TerminalStyle::default() };
    insta::assert_snapshot!(table(RowOrder { top: Some(1), ..ORDER }, style), @r##"
     Login           Public repos
    ──────────────────────────────────────────────────────────────────
     torvalds                   9
    ──────────────────────────────────────────────────────────────────
     1 of 5 logins          7,430   2 counted, 1 not found, 2 invalid
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
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds             user                      9         6       3          1   yes
     microsoft            organization          7,421     4,948   2,473          1   yes
     nosuchlogin                            not found         -       -          -   -
     =cmd|' /C calc'!A0                       invalid         -       -          -   -          not a login: holds '='
     a\u{1b}[31m,"b"                          invalid         -       -          -   -          not a login: holds '\u{1b}'
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     5 logins                                   7,430     4,954   2,476          2              2 counted, 1 not found, 2 invalid
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
     nosuchlogin                            not found
     =cmd|' /C calc'!A0                       invalid
       not a login: holds '='
     a\u{1b}[31m,"b"                          invalid
       not a login: holds '\u{1b}'
    ──────────────────────────────────────────────────
     5 logins                                   7,430
       2 counted, 1 not found, 2 invalid
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
     Login                team      Public   Private   Internal
                                     repos
    ────────────────────────────────────────────────────────────
     torvalds                            9         -          -
     microsoft                       7,421         -          -
     nosuchlogin                 not found         -          -
     =cmd|' /C calc'!A0            invalid         -          -
       not a login: holds '='
     a\u{1b}[31m,"b"               invalid         -          -
       not a login: holds '\u{1b}'
    ────────────────────────────────────────────────────────────
     5 logins                        7,430         -          -
       2 counted, 1 not found, 2 invalid
       Hidden to fit 60 columns: Type, Sources, Forks,
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

fn rendered(columns: &Columns, rows: &[Row], style: TerminalStyle) -> String {
    let out = sample::Shared::default();
    let mut table = super::Table::new(BufWriter::new(Box::new(out.clone())), columns, style);
    let mut summary = Summary::default();
    for row in rows {
        summary.add(row);
        table.row(row).unwrap();
    }
    table.finish(&summary).unwrap();
    out.text()
}

fn unsorted(rows: &[Row], style: TerminalStyle) -> String {
    rendered(&Columns::of(&ReportSchema::default()), rows, style)
}

#[test]
fn logins_that_were_not_asked_share_a_line() {
    let mut rows = sample::rows();
    rows.truncate(1);
    rows.extend(
        (0..1911).map(|at| Row::without_count(&format!("user-{at}"), Status::Skipped, "not looked up")),
    );
    insta::assert_snapshot!(unsorted(&rows, TerminalStyle::default()), @r##"
     Login          Public repos
    --------------------------------------------------------
     torvalds                  9
       1,911 logins were not looked up
    --------------------------------------------------------
     1,912 logins     at least 9   1 counted, 1,911 skipped
    "##);
}

#[test]
fn a_table_that_is_too_long_has_its_totals() {
    let style = TerminalStyle { width: Some(60), max_rows: Some(2), ..TerminalStyle::default() };
    insta::assert_snapshot!(unsorted(&sample::rows(), style), @r##"
     Login       Public repos
    --------------------------
       5 rows are too many for a terminal: write them to a file
       with -o FILE.csv, or print all with -F table
    --------------------------
     5 logins           7,430
       2 counted, 1 not found, 2 invalid
    "##);
    assert!(unsorted(&sample::rows()[..2], style).contains("torvalds"));
}

const LONG_REASON: &str = "502 Bad Gateway: the proxy of the sample network answered with a page instead of an account, \
                           and did so again after each of 5 attempts";

/// Counts, failures, a breakdown, changes and a carried column.
fn team() -> Vec<Row> {
    let mut rows = sample::rows();
    rows.truncate(3);
    rows.push(Row::without_count("sample-broken", Status::Failed, LONG_REASON));
    for (row, (name, was, event)) in rows.iter_mut().zip([
        ("Sample, Linus", Some(7), None),
        ("Sample Works", Some(7_421), Some(Event::Renamed)),
        ("Sample, Nobody", Some(3), Some(Event::Missing)),
        ("Sample, Broken", None, Some(Event::Unknown)),
    ]) {
        row.carried = [Some(name.into())].into();
        (row.was, row.event) = (was, event);
        row.change = row.public_repos.zip(was).and_then(|(is, was)| is.checked_signed_diff(was));
        row.previous_login = (event == Some(Event::Renamed)).then(|| "micro-soft".into());
    }
    rows
}

fn team_table(width: Option<u16>) -> String {
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: false, last_push: false },
        carried: vec!["name".into()],
        change: true,
        ..ReportSchema::default()
    });
    let table =
        rendered(&columns, &team(), TerminalStyle { unicode: true, width, ..TerminalStyle::default() });
    let widest = table.lines().map(unicode_width::UnicodeWidthStr::width).max().unwrap();
    assert!(width.is_none_or(|width| widest <= width.into()), "{table}");
    table
}

#[test]
fn a_table_fits_40_columns() {
    insta::assert_snapshot!(team_table(Some(40)), @r##"
     Login              Public   Event
                         repos
    ────────────────────────────────────────
     torvalds                9
     microsoft           7,421   renamed
                                 from
                                 micro-soft
     nosuchlogin     not found   missing
     sample-broken      failed   unknown
       502 Bad Gateway: the proxy of the
       sample network answered with a page
       instead of an account, and did so
       again after each of 5 attempts
    ────────────────────────────────────────
     4 logins         at least
                         7,430
       2 counted, 1 not found, 1 failed
       Hidden to fit 40 columns: name,
       Type, Was, Sources, Forks, Archived,
       Change. Use -o FILE.csv for all
       columns.
    "##);
}

#[test]
fn a_table_fits_60_columns() {
    insta::assert_snapshot!(team_table(Some(60)), @r##"
     Login           name          Public   Change   Event
                                    repos
    ────────────────────────────────────────────────────────────
     torvalds        Sample,            9       +2
                     Linus
     microsoft       Sample         7,421        =   renamed
                     Works                           from
                                                     micro-soft
     nosuchlogin     Sample,    not found        -   missing
                     Nobody
     sample-broken   Sample,       failed        -   unknown
                     Broken
       502 Bad Gateway: the proxy of the sample network
       answered with a page instead of an account, and did so
       again after each of 5 attempts
    ────────────────────────────────────────────────────────────
     4 logins                    at least
                                    7,430
       2 counted, 1 not found, 1 failed
       Hidden to fit 60 columns: Type, Was, Sources, Forks,
       Archived. Use -o FILE.csv for all columns.
    "##);
}

#[test]
fn a_table_fits_80_columns() {
    insta::assert_snapshot!(team_table(Some(80)), @r##"
     Login           name             Public repos    Sources   Change   Event
    ────────────────────────────────────────────────────────────────────────────────
     torvalds        Sample, Linus               9          6       +2
     microsoft       Sample Works            7,421      4,948        =   renamed
                                                                         from
                                                                         micro-soft
     nosuchlogin     Sample, Nobody      not found          -        -   missing
     sample-broken   Sample, Broken         failed          -        -   unknown
       502 Bad Gateway: the proxy of the sample network answered with a page
       instead of an account, and did so again after each of 5 attempts
    ────────────────────────────────────────────────────────────────────────────────
     4 logins                             at least   at least
                                             7,430      4,954
       2 counted, 1 not found, 1 failed
       Hidden to fit 80 columns: Type, Was, Forks, Archived. Use -o FILE.csv for
       all columns.
    "##);
}

#[test]
fn a_table_fits_120_columns() {
    insta::assert_snapshot!(team_table(Some(120)), @r##"
     Login           name           Type             Was      Public    Sources      Forks   Archived   Change   Event
                                                               repos
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds        Sample,        user               7           9          6          3          1       +2
                     Linus
     microsoft       Sample Works   organization   7,421       7,421      4,948      2,473          1        =   renamed
                                                                                                                 from
                                                                                                                 micro-soft
     nosuchlogin     Sample,                           3   not found          -          -          -        -   missing
                     Nobody
     sample-broken   Sample,                           -      failed          -          -          -        -   unknown
                     Broken
       502 Bad Gateway: the proxy of the sample network answered with a page instead of an account, and did so again after
       each of 5 attempts
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     4 logins                                               at least   at least   at least   at least
                                                               7,430      4,954      2,476          2
       2 counted, 1 not found, 1 failed
    "##);
}

#[test]
fn a_table_fits_200_columns() {
    insta::assert_snapshot!(team_table(Some(200)), @r##"
     Login           name             Type             Was     Public repos          Sources            Forks     Archived   Change   Event
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds        Sample, Linus    user               7                9                6                3            1       +2                             ▏
     microsoft       Sample Works     organization   7,421            7,421            4,948            2,473            1        =   renamed from micro-soft   ████████████████████████████████████████
     nosuchlogin     Sample, Nobody                      3        not found                -                -            -        -   missing
     sample-broken   Sample, Broken                      -           failed                -                -            -        -   unknown                   502 Bad Gateway: the proxy of the sample
                                                                                                                                                                network answered with a page instead of an
                                                                                                                                                                account, and did so again after each of 5
                                                                                                                                                                attempts
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     4 logins                                                at least 7,430   at least 4,954   at least 2,476   at least 2                                      2 counted, 1 not found, 1 failed
    "##);
}

#[test]
fn a_long_reason_does_not_widen_a_piped_table() {
    let columns = Columns::of(&ReportSchema::default());
    let style = TerminalStyle { unicode: true, ..TerminalStyle::default() };
    let table = rendered(&columns, &team(), style);
    let words = table.split_whitespace().filter(|word| LONG_REASON.contains(word)).collect::<Vec<_>>();
    assert!(words.join(" ").contains("and did so again after each of 5 attempts"), "{table}");
    insta::assert_snapshot!(table, @r##"
     Login           Type             Public repos   Reason
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
     torvalds        user                        9
     microsoft       organization            7,421
     nosuchlogin                         not found
     sample-broken                          failed   502 Bad Gateway: the proxy of the sample network answered
                                                     with a page instead of an account, and did so again after
                                                     each of 5 attempts
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
     4 logins                       at least 7,430   2 counted, 1 not found, 1 failed
    "##);
}

#[test]
fn a_column_of_types_needs_an_account_that_is_not_a_user() {
    let columns = Columns::of(&ReportSchema::default());
    let (style, rows) = (TerminalStyle::default(), team());
    assert!(rendered(&columns, &rows, style).contains(" Type "));
    insta::assert_snapshot!(rendered(&columns, &rows[..1], style), @r##"
     Login      Public repos
    -------------------------------------
     torvalds              9
    -------------------------------------
     1 login               9   1 counted
    "##);
    let chosen = columns.choose(&["login".into(), "type".into()]).unwrap();
    assert!(rendered(&chosen, &rows[..1], style).contains(" Type"));
}

#[test]
fn requested_columns_are_hidden_last() {
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: true, last_push: false },
        carried: vec!["team".into()],
        change: true,
        verified: true,
        ..ReportSchema::default()
    });
    let hidden = |columns: &Columns, width| {
        let style = TerminalStyle { width: Some(width), ..TerminalStyle::default() };
        let table = rendered(columns, &team(), style).split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, hidden) = table.split_once("columns: ").unwrap_or_default();
        hidden.split(". Use").next().unwrap().to_owned()
    };
    let widths = [160, 120, 100, 80, 60, 40].map(|width| hidden(&columns, width));
    insta::assert_snapshot!(widths.join("\n"), @r##"

    Type, Was, Verified
    Type, Was, Forks, Archived, Verified
    Type, Was, Sources, Forks, Archived, Internal, Verified
    Type, Was, Sources, Forks, Archived, Private, Internal, Verified
    team, Type, Was, Sources, Forks, Archived, Private, Internal, Change, Verified
    "##);
    let names = ["forks", "login", "public_repos", "team", "sources", "type", "id"].map(str::to_owned);
    let chosen = columns.choose(&names).unwrap();
    let widths = [60, 40, 20].map(|width| hidden(&chosen, width));
    insta::assert_snapshot!(widths.join("\n"), @r##"
    Type, id
    team, Sources, Type, id
    Forks, team, Sources, Type, id
    "##);
}
