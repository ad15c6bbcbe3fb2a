use base64::Engine;

use super::CSP;
use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
use crate::report::{Columns, ReportSchema};

fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(digest))
}

#[test]
fn the_csp_allows_only_our_style_and_script() {
    let page = sample::report(Format::Html, ORDER, TerminalStyle::default());
    let between = |begin, end| page.split_once(begin).unwrap().1.split_once(end).unwrap().0;
    let (style, script) = (hash(between("<style>", "</style>")), hash(between("<script>", "</script>")));
    assert_eq!(
        CSP,
        format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; style-src {style}; script-src {script}"
        )
    );
    let policy = between("Content-Security-Policy\" content=\"", "\">").replace("&#39;", "'");
    assert_eq!(policy, CSP);
}

const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

#[test]
fn text_in_a_row_is_not_markup() {
    let page = sample::report(Format::Html, ORDER, TerminalStyle::default());
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for outside in ["src=", "href=\"http:", "@import", "url(", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<bdi>=cmd|&#39; /C calc&#39;!A0</bdi>"), "{page}");
    assert!(page.contains(r#"<td class="n">7,421</td>"#));
    assert!(page.contains("2 counted, 1 not found, 2 invalid"));
}

#[test]
fn rows_beyond_the_maximum_are_left_out() {
    let columns = Columns::of(&ReportSchema::default());
    let mut table = super::rows::RowTable::counted(&columns);
    let row = &sample::rows()[0];
    for _ in 0..=super::rows::MAX_ROWS {
        table.add(row, None).unwrap();
    }
    assert_eq!((table.first().len(), table.first().len() + table.rest().len()), (200, super::rows::MAX_ROWS));
    assert_eq!(table.left_out_label(), "This table has 100,000 rows; 1 more row is");
}

#[test]
fn a_page_of_the_top_rows_keeps_all_reasons() {
    let page = |by, top| {
        let order = RowOrder { by, reverse: false, top: Some(top) };
        sample::report(Format::Html, order, TerminalStyle::default())
    };
    for by in [SortKey::public_repos(), SortKey::Input] {
        let page = page(by, 1);
        assert!(page.contains("<h2 id=\"failures\">3 of 5 accounts were not counted</h2>"), "{page}");
        assert!(page.contains("</span> not found: <bdi>no such user or organization</bdi>"), "{page}");
        assert!(page.contains("<p class=\"note\">--top leaves them out of this page.</p>"), "{page}");
        assert!(!page.contains(" more</li>") && !page.contains("#uncounted-title"), "{page}");
    }
    let some = page(SortKey::public_repos(), 4);
    assert!(some.contains("--top leaves 1 of them out of this page."), "{some}");
    assert!(some.contains("Show the others"), "{some}");
    let all = page(SortKey::public_repos(), 5);
    assert!(!all.contains("out of this page") && all.contains("Show these accounts"), "{all}");
}

#[test]
fn the_heading_names_the_rows_that_top_shows() {
    for (by, reverse, top, heading) in [
        (SortKey::public_repos(), false, Some(1), "Public repositories: the largest of 5 GitHub accounts"),
        (SortKey::public_repos(), true, Some(2), "Public repositories: the 2 smallest of 5 GitHub accounts"),
        (SortKey::public_repos(), false, Some(3), "Public repositories: 3 of 5 GitHub accounts"),
        (SortKey::Login, false, Some(2), "Public repositories: 2 of 5 GitHub accounts"),
        (SortKey::Login, false, Some(5), "Public repositories of 5 GitHub accounts"),
        (SortKey::Input, false, None, "Public repositories of 5 GitHub accounts"),
    ] {
        let order = RowOrder { by, reverse, top };
        let page = sample::report(Format::Html, order, TerminalStyle::default());
        assert!(page.contains(&format!("<h1>{heading}</h1>")), "{heading}");
    }
}
