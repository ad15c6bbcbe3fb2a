use super::*;
use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
use crate::report::{CountSelection, ReportSchema, Status};

const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

/// Renders Markdown as GitHub does.
fn rendered(markdown: &str) -> String {
    crate::properties::rendered(markdown).replace(" align=\"left\"", "")
}

fn report(meta: Meta, columns: &Columns, rows: &[Row]) -> String {
    let out = sample::Shared::default();
    let mut markdown = Markdown::new(io::BufWriter::new(Box::new(out.clone())), columns, meta);
    let mut summary = Summary { complete: true, ..Summary::default() };
    for row in rows {
        summary.add(row);
        markdown.row(row).unwrap();
    }
    markdown.finish(&summary).unwrap();
    out.text()
}

#[test]
fn failures_are_folded() {
    insta::assert_snapshot!(sample::report(Format::Markdown, ORDER, TerminalStyle::default()), @r##"
    ### 7,430 public repositories of 2 of 5 accounts

    2 counted, 1 not found, 2 invalid.

    | Login | Type | Public repos |
    | :-- | :-- | --: |
    | torvalds | user | 9 |
    | microsoft | organization | 7,421 |
    | **2 counted** |  | **7,430** |

    <details>
    <summary>3 not counted</summary>

    | Login | Outcome | Reason |
    | :-- | :-- | :-- |
    | nosuchlogin | not found | no such user or organization |
    | =cmd\|' /C calc'!A0 | invalid | not a login: holds '=' |
    | a\\u{1b}\[31m,"b" | invalid | not a login: holds '\\u{1b}' |

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
    assert_eq!(html.matches("<table>").count(), 2);
    assert_eq!(html.matches("<tr>").count(), 4 + 4, "{html}");
    assert!(html.contains(r#"<td><a href="https://github.com/torvalds">torvalds</a></td>"#), "{html}");
    assert!(html.contains(r#"<td align="right">7,421</td>"#), "{html}");
    assert!(html.contains("<td>=cmd|' /C calc'!A0</td>"), "{html}");
    assert!(html.contains("<summary>3 not counted</summary>"), "{html}");
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
    let markdown = report(Meta::default(), &Columns::of(&ReportSchema::default()), &rows);
    assert!(markdown.len() < 1 << 20, "{} bytes", markdown.len());
    let shown = |name: &str| markdown.lines().filter(|line| line.starts_with(&format!("| {name}-"))).count();
    for (name, all) in [("user", 40_000), ("missing", 10_000)] {
        let left_out = group_digits((all - shown(name)) as u64);
        assert!(
            shown(name) < all && markdown.contains(&format!("**{left_out} more rows not shown**")),
            "{name}"
        );
    }
    assert!(markdown.contains("| **40,000 counted** |"), "the totals are of all");
}
