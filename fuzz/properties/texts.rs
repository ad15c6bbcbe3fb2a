//! Text from elsewhere.

use super::is_a_line;
use crate::text::{collapse_whitespace, redact_url, sanitize_line, sanitize_multiline};

/// The most characters of a text in a report, with the ellipsis behind them, and of a cell.
const LINE: usize = 501;
const CELL: usize = 32_767;

/// What is made harmless is harmless, is no longer than it may be, and stays the same when that is done
/// again: a report that is read back holds what was written.
pub fn text(text: &str) {
    let shown = sanitize_line(text);
    assert!(is_a_line(&shown) && shown.chars().count() <= LINE, "{shown}");
    assert_eq!(sanitize_line(&shown), shown);

    let cell = sanitize_multiline(text);
    let plain = cell.replace("\r\n", "").replace(['\n', '\t'], "");
    assert!(is_a_line(&plain) && cell.chars().count() <= CELL, "{cell}");
    assert_eq!(sanitize_multiline(&cell), cell);

    let line = collapse_whitespace(text);
    assert!(!line.contains(['\n', '\t']) && !line.contains("  ") && line == line.trim(), "{line:?}");
    assert!(is_a_line(&redact_url(text)));
}
