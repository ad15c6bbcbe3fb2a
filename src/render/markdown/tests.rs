use super::*;
use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
use crate::report::{CountSelection, ReportSchema, Status};

const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

/// Renders Markdown as GitHub does.
fn rendered(markdown: &str) -> String {
    crate::properties::rendered(markdown).replace(" align=\"left\"", "")
}

fn report(meta: Meta, columns: &Columns, rows: &[Row]) -> String {
    report_with(Summary { complete: true, ..Summary::default() }, meta, columns, rows)
}

fn report_with(mut summary: Summary, meta: Meta, columns: &Columns, rows: &[Row]) -> String {
    let out = sample::Shared::default();
    let mut markdown = Markdown::new(io::BufWriter::new(Box::new(out.clone())), columns, meta);
    for row in rows {
        summary.add(row);
        markdown.row(row).unwrap();
    }
    markdown.finish(&summary).unwrap();
    out.text()
}

#[test]
fn failures_come_before_the_folded_table() {
    insta::assert_snapshot!(sample::report(Format::Markdown, ORDER, TerminalStyle::default()), @r##"
    ### 7,430 public repositories of 2 of 5 accounts

    2 counted, 1 not found, 2 invalid.

    **3 not counted**

    | Login | Outcome | Reason |
    | :-- | :-- | :-- |
    | nosuchlogin | not found | no such user or organization |
    | =cmd\|' /C calc'!A0 | invalid | not a login: holds '=' |
    | a\\u{1b}\[31m,"b" | invalid | not a login: holds '\\u{1b}' |

    <details>
    <summary>2 counted</summary>

    | Login | Type | Public repos |
    | :-- | :-- | --: |
    | torvalds | user | 9 |
    | microsoft | organization | 7,421 |
    | **2 counted** |  | **7,430** |

    </details>

    <sub>ghrepos 0.1.0 · 2026-11-22 12:00 UTC · https\://api.github.com · 3 requests in 0.2s</sub>
    "##);
}

#[test]
fn links_and_tables_are_rendered() {
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: false, last_push: false },
        ..ReportSchema::default()
    });
    let meta = Meta { site: Some("github.com".into()), ..Meta::default() };
    let html = rendered(&report(meta, &columns, &sample::rows()));
    assert_eq!(html.matches("<table>").count(), 3, "failures, sums and accounts");
    assert_eq!(html.matches("<tr>").count(), 4 + 2 + 4, "{html}");
    assert!(html.contains(r#"<td><a href="https://github.com/torvalds">torvalds</a></td>"#), "{html}");
    assert!(html.contains(r#"<td align="right">7,421</td>"#), "{html}");
    assert!(html.contains("<td>=cmd|' /C calc'!A0</td>"), "{html}");
    assert!(html.contains("<strong>3 not counted</strong>"), "{html}");
    assert!(html.contains("<summary>2 counted</summary>"), "{html}");
}

#[test]
fn a_name_has_no_markup() {
    for text in [
        "<img src=x onerror=alert(1)>",
        "a|b",
        "**bold** _it_ `code` ~~gone~~ $x$",
        "[x](javascript:alert(1)) ![y](https://example.com/y.png)",
        "https://example.com www.example.com a@example.com",
        "&lt;b&gt; &amp; \\| \\",
        "# heading",
        "- item",
        "=cmd|' /C calc'!A0",
        "</details></table>",
        "日本語 עברית 🦊",
        "a\nb | c\n\n# d",
    ] {
        let row = Row {
            error: None,
            public_repos: Some(1),
            carried: [Some(text.into())].into(),
            ..Row::without_count("torvalds", Status::Ok, "")
        };
        let failed = Row::without_count(text, Status::Invalid, text);
        let columns = Columns::of(&ReportSchema { carried: vec![text.into()], ..ReportSchema::default() });
        let html = rendered(&report(Meta::default(), &columns, &[row, failed]));
        let plain = collapse_whitespace(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let plain = plain.replace('@', "@<!-- -->").replace('#', "#<!-- -->");
        // Also as the name of a column, and as the login that it is not.
        for cell in [format!("<td>{plain}</td>"), format!("<th>{plain}</th>")] {
            assert!(html.replace("&quot;", "\"").contains(&cell), "{cell} is not in {html}");
        }
        let failed = sanitize_line(text).matches('<').count() == 0 || html.matches("&lt;").count() >= 4;
        assert!(failed && !html.contains("<a ") && !html.contains("<img"), "{html}");
        assert_eq!((html.matches("<table>").count(), html.matches("<details>").count()), (2, 1), "{html}");
    }
}

#[test]
fn rows_beyond_the_limit_are_counted() {
    let row = |number: u64| Row {
        error: None,
        public_repos: Some(number),
        ..Row::without_count(&format!("user-{number}"), Status::Ok, "")
    };
    let mut rows: Vec<_> = (0..40_000).map(row).collect();
    rows.extend((0..10_000).map(|number| {
        Row::without_count(&format!("missing-{number}"), Status::NotFound, "no such user or organization")
    }));
    rows.extend((0..10_000).map(|number| Row {
        event: Some(Event::Removed),
        ..Row::without_count(&format!("leaver-{number}"), Status::Removed, "not in the input")
    }));
    let violations = (0..10_000).map(|number| format!("--fail-on new>{number}: 20,000 logins")).collect();
    let summary = Summary { complete: true, violations, ..Summary::default() };
    let columns = Columns::of(&ReportSchema { change: true, ..ReportSchema::default() });
    let markdown = report_with(summary, Meta::default(), &columns, &rows);
    // The workflow appends messages of at most 20,000 bytes.
    assert!(markdown.len() < (1 << 20) - 25_000, "{} bytes", markdown.len());
    assert!(markdown.contains("**10,000 rules matched**") && markdown.contains("- … more in the messages"));
    let shown = |name: &str| markdown.lines().filter(|line| line.starts_with(&format!("| {name}-"))).count();
    for (name, all) in [("user", 40_000), ("missing", 10_000), ("leaver", 10_000)] {
        let left_out = group_digits((all - shown(name)) as u64);
        assert!(
            shown(name) < all && markdown.contains(&format!("**{left_out} more rows not shown**")),
            "{name}"
        );
    }
    assert!(markdown.contains("| **40,000 counted** |"), "the totals are of all");
}

#[test]
fn rules_events_and_failures_come_first() {
    let mut rows = sample::rows();
    rows.truncate(3);
    for (row, (team, was, event)) in rows.iter_mut().zip([
        ("core", Some(7), None),
        ("core", Some(7_421), Some(Event::Renamed)),
        ("web", Some(3), Some(Event::Missing)),
    ]) {
        row.carried = [Some(team.into())].into();
        (row.was, row.event) = (was, event);
        row.change = row.public_repos.zip(was).and_then(|(is, was)| is.checked_signed_diff(was));
        row.previous_login = (event == Some(Event::Renamed)).then(|| "micro-soft".into());
    }
    rows.push(Row {
        was: Some(4),
        event: Some(Event::Removed),
        carried: [Some("web".into())].into(),
        ..Row::without_count("leaver", Status::Removed, "not in the input")
    });
    let columns = Columns::of(&ReportSchema {
        counts: CountSelection { breakdown: true, private: false, last_push: false },
        carried: vec!["team".into()],
        change: true,
        ..ReportSchema::default()
    });
    let summary = Summary {
        complete: true,
        groups: Some(GroupTotals::new("team".into(), 0)),
        changes: Some(DiffSummary { baseline: "last.ndjson".into(), ..DiffSummary::default() }),
        violations: vec!["--fail-on removed>0: 1 login: leaver".into()],
        ..Summary::default()
    };
    insta::assert_snapshot!(report_with(summary, Meta::default(), &columns, &rows), @r##"
    ### 7,430 public repositories of 2 of 3 accounts

    2 counted, 1 not found. Since last.ndjson: 1 removed, 1 renamed, 1 missing, 1 grown (+2), 1 unchanged.

    **1 rule matched**

    - --fail-on removed&gt;0: 1 login: leaver

    **3 events since the baseline**

    | Login | Event | Was | Public repos | Change | team |
    | :-- | :-- | --: | --: | --: | :-- |
    | microsoft | renamed from micro-soft | 7,421 | 7,421 | = | core |
    | nosuchlogin | missing | 3 | – | – | web |
    | leaver | removed | 4 | – | – | web |

    **1 not counted**

    | Login | Outcome | Reason | team | Was | Event |
    | :-- | :-- | :-- | :-- | --: | :-- |
    | nosuchlogin | not found | no such user or organization | web | 3 | missing |

    | Public repos | Sources | Forks | Archived |
    | --: | --: | --: | --: |
    | 7,430 | 4,954 | 2,476 | 2 |

    | team | Logins | Counted | Public repos |
    | :-- | --: | --: | --: |
    | core | 2 | 2 | 7,430 |
    | web | 1 | 0 | – |

    <details>
    <summary>2 counted</summary>

    | Login | team | Type | Public repos | Sources | Forks | Archived | Was | Change | Event |
    | :-- | :-- | :-- | --: | --: | --: | --: | --: | --: | :-- |
    | torvalds | core | user | 9 | 6 | 3 | 1 | 7 | +2 |  |
    | microsoft | core | organization | 7,421 | 4,948 | 2,473 | 1 | 7,421 | = | renamed from micro-soft |
    | **2 counted** |  |  | **7,430** | **4,954** | **2,476** | **2** |  |  |  |

    </details>

    <sub> · 1970-01-01 00:00 UTC</sub>
    "##);
}

#[test]
fn a_run_with_nothing_to_report_says_it_in_one_line() {
    let columns = Columns::of(&ReportSchema::default());
    let rows = sample::rows();
    let counted = report(Meta::default(), &columns, &rows[..2]);
    assert_eq!(counted.lines().nth(2).unwrap(), "Nothing to report: every account was counted.");
    assert!(counted.contains("<summary>2 counted</summary>"), "{counted}");
    let with = |summary| report_with(summary, Meta::default(), &columns, &rows[..2]);
    let event = DiffSummary { renamed: 1, ..DiffSummary::default() };
    for markdown in [
        report(Meta::default(), &columns, &rows),
        report(Meta::default(), &columns, &[]),
        with(Summary { complete: false, ..Summary::default() }),
        with(Summary { complete: true, violations: vec!["a rule".into()], ..Summary::default() }),
        with(Summary { complete: true, changes: Some(event), ..Summary::default() }),
    ] {
        assert!(!markdown.contains("Nothing to report"), "{markdown}");
    }
}

#[test]
fn a_long_table_of_failures_is_folded() {
    let failures = |number: u64| {
        let row = |at| Row::without_count(&format!("missing-{at}"), Status::NotFound, "gone");
        let rows: Vec<_> = (0..number).map(row).collect();
        report(Meta::default(), &Columns::of(&ReportSchema::default()), &rows)
    };
    assert!(failures(30).contains("**30 not counted**"));
    assert!(failures(31).contains("<summary>31 not counted</summary>"));
}
