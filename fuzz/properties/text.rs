//! Sanitized text.

use super::is_a_line;
use crate::text::{collapse_whitespace, redact_url, sanitize_line, sanitize_multiline};

/// Maximum number of characters of a line, with the ellipsis.
const MAX_LINE: usize = 501;
/// Maximum number of characters of a cell.
const MAX_CELL: usize = 32_767;

/// Sanitized text has no harmful characters, is not too long, and stays the same when it is sanitized again: a report that is read
/// back has the same text.
pub fn text(text: &str) {
    let shown = sanitize_line(text);
    assert!(is_a_line(&shown) && shown.chars().count() <= MAX_LINE, "{shown}");
    assert_eq!(sanitize_line(&shown), shown);

    let cell = sanitize_multiline(text);
    let plain = cell.replace("\r\n", "").replace(['\n', '\t'], "");
    assert!(is_a_line(&plain) && cell.chars().count() <= MAX_CELL, "{cell}");
    assert_eq!(sanitize_multiline(&cell), cell);

    let line = collapse_whitespace(text);
    assert!(!line.contains(['\n', '\t']) && !line.contains("  ") && line == line.trim(), "{line:?}");
    assert!(is_a_line(&redact_url(text)));
}
