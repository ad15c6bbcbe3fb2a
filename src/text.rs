//! Text for people: numbers with separators, and text from elsewhere made harmless.
//!
//! Logins come from lists that anyone may have edited, messages from servers. Neither may reach a
//! terminal with control characters that move its cursor or turn its writing direction round.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use std::io;

/// The most characters of a text from elsewhere that a report holds.
const MAX_LENGTH: usize = 500;
/// The most characters of a cell that is carried from a spreadsheet.
const MAX_CELL: usize = 32_767;

/// `text` with its control and direction characters escaped (`\u{1b}`), but for joiners between letters that
/// need them, and cut to 500 characters.
#[must_use]
pub(crate) fn sanitize_line(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LENGTH && !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len().min(MAX_LENGTH));
    let (mut rest, mut length) = (text.chars().peekable(), 0);
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let stays = !is_invisible(c) || is_joiner(c) && joins(shown.chars().last()) && joins(next);
        // What is shown is cut, and not what was written: it stays the same when it is read again.
        length += if stays { 1 } else { c.escape_default().len() };
        if length > MAX_LENGTH {
            shown.push('…');
            break;
        }
        if stays {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    Cow::Owned(shown)
}

/// `text` as it was written, over several lines if need be, with all other control and direction
/// characters escaped, but for joiners between letters that need them, and between emoji. It is cut to the
/// 32,767 characters that a cell of a spreadsheet can hold, the last of which is then an ellipsis.
#[must_use]
pub(crate) fn kept(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut rest, mut length, mut before_last) = (text.chars().peekable(), 0, 0);
    while let Some(c) = rest.next() {
        let stays = match c {
            '\n' | '\t' => true,
            '\r' => rest.peek() == Some(&'\n'),
            c if is_joiner(c) => joins(kept.chars().last()) && joins(rest.peek().copied()),
            c => !is_invisible(c),
        };
        length += if stays { 1 } else { c.escape_default().len() };
        if length > MAX_CELL {
            kept.truncate(before_last);
            // Half a line end is none.
            kept.truncate(kept.strip_suffix('\r').unwrap_or(&kept).len());
            kept.push('…');
            break;
        }
        if stays {
            kept.push(c);
        } else {
            kept.extend(c.escape_default());
        }
        if length < MAX_CELL {
            before_last = kept.len();
        }
    }
    kept
}

/// `text` without line ends, and with one space where there was white space.
#[must_use]
pub(crate) fn on_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a spreadsheet takes a text for a formula, or would if an apostrophe and white space did not stand
/// before it.
pub(crate) fn is_formula(text: &str) -> bool {
    text.trim_start_matches(|c: char| c == '\'' || c.is_whitespace())
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Persian is not spelled without the one, nor a family drawn without the other.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether a joiner beside this character can have a meaning.
fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| !c.is_ascii() && !is_invisible(c))
}

/// Control characters (C0, DEL, C1), line and paragraph separators, everything that changes the
/// direction of writing or takes no room, and the code points that are no characters and that no page may hold.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// An address without the name and password in it, and, where it is a database's, without its parameters;
/// any other text as it is.
#[must_use]
pub(crate) fn redact_url(text: &str) -> String {
    let is_database = |scheme: &str| {
        let scheme = scheme.to_ascii_lowercase();
        scheme.ends_with("postgres") || scheme.ends_with("postgresql")
    };
    let (scheme, between, rest) = match (text.split_once("://"), text.split_once(':')) {
        (Some((scheme, rest)), _) => (scheme, "://", rest),
        (None, Some((scheme, rest))) if is_database(scheme) => (scheme, ":", rest),
        _ => return sanitize_line(text).into_owned(),
    };
    if !is_database(scheme) {
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_port = |port: &str| port.chars().all(|c| c.is_ascii_digit());
        // Whoever forgot to escape the slashes in a password is not to find it in a log.
        let (host, path) = match (host.rsplit_once('@'), host.split_once(':')) {
            (Some((_, host)), _) => (host, path),
            (None, Some((_, port))) if !is_port(port) => {
                (path.rsplit_once('@').map_or(host, |(_, host)| host), "")
            }
            _ => (host, path),
        };
        return sanitize_line(&format!("{scheme}{between}{host}{path}")).into_owned();
    }
    // A password may hold anything: what stands before the last @ is dropped first.
    if rest.split_once('?').is_some_and(|(_, parameters)| parameters.contains('@')) {
        // Nobody knows where it begins.
        return format!("{}{between}…", sanitize_line(scheme));
    }
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    sanitize_line(&format!("{scheme}{between}{rest}")).into_owned()
}

/// The reason for an error of the system, without its number.
#[must_use]
pub(crate) fn reason(error: &dyn Error) -> String {
    let text = error.to_string();
    sanitize_line(text.split(" (os error").next().unwrap_or_default()).into_owned()
}

/// Returns an error and its causes, outermost first. The error inside of an [`io::Error`] is a cause too, although it is not its
/// `source`.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// Returns the text of the innermost cause. The outer errors repeat it, or add a URL.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    reason(causes(error).last().unwrap_or(error))
}

/// `1234567` as `1,234,567`.
#[must_use]
pub(crate) fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A difference: `+1,234`, `−5`, `=`.
#[must_use]
pub(crate) fn signed(by: i64) -> String {
    match by {
        0 => "=".into(),
        by => format!("{}{}", if by > 0 { '+' } else { '−' }, group_digits(by.unsigned_abs())),
    }
}

/// `1 login`, `2 logins`, `1,234 logins`.
#[must_use]
pub(crate) fn pluralize(number: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", group_digits(number), if number == 1 { singular } else { plural })
}

/// A duration as a person says it: `0.2s`, `15s`, `4m 10s`, `2h 5m`.
#[must_use]
pub(crate) fn duration(duration: std::time::Duration) -> String {
    let mut out = String::new();
    let seconds = duration.as_secs();
    // Writing to a String cannot fail.
    let _ = match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) if duration.as_millis() < 100 => write!(out, "{}ms", duration.as_millis()),
        (0, 0, s) if s < 10 && duration.subsec_millis() >= 50 => {
            write!(out, "{:.1}s", duration.as_secs_f64())
        }
        (0, 0, s) => write!(out, "{s}s"),
        (0, m, 0) => write!(out, "{m}m"),
        (0, m, s) => write!(out, "{m}m {s}s"),
        (h, 0, _) => write!(out, "{h}h"),
        (h, m, _) => write!(out, "{h}h {m}m"),
    };
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_url_is_printed_without_its_password() {
        assert_eq!(redact_url("postgres://me:secret@db/staff"), "postgres://db/staff");
    }

    #[test]
    fn an_escape_character_is_spelled_out() {
        assert_eq!(sanitize_line("a\u{1b}[31mb"), "a\\u{1b}[31mb");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(group_digits(0), "0");
        assert_eq!(group_digits(999), "999");
        assert_eq!(group_digits(1000), "1,000");
        assert_eq!(group_digits(12_345_678), "12,345,678");
        assert_eq!(group_digits(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_the_text_stays() {
        assert_eq!(sanitize_line("日本語 naïve"), "日本語 naïve");
        assert_eq!(sanitize_line("a\r\n\t\u{7f}\u{9b}b"), "a\\r\\n\\t\\u{7f}\\u{9b}b");
        assert_eq!(sanitize_line("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(sanitize_line("\u{fdd0}\u{ffff}\u{1fffe}"), "\\u{fdd0}\\u{ffff}\\u{1fffe}");
        assert_eq!(kept("می\u{200c}خواهم 👩\u{200d}🚀"), "می\u{200c}خواهم 👩\u{200d}🚀");
        assert_eq!(kept("tor\u{200d}valds \u{200d}\u{200c}"), "tor\\u{200d}valds \\u{200d}\\u{200c}");
        assert_eq!(sanitize_line(&"x".repeat(600)).chars().count(), 501);
    }

    #[test]
    fn what_was_cut_is_not_cut_again() {
        // Each of these takes five characters once it is escaped.
        let line = sanitize_line(&"\0".repeat(200)).into_owned();
        assert_eq!(line, format!("{}…", "\\u{0}".repeat(100)));
        assert_eq!(sanitize_line(&line), line);
        for text in ["\0".repeat(10_000), "x".repeat(MAX_CELL + 1), "\r\n".repeat(MAX_CELL / 2) + "\r\n"] {
            let cell = kept(&text);
            assert!(cell.chars().count() <= MAX_CELL && cell.ends_with('…'));
            assert_eq!(kept(&cell), cell);
        }
        assert_eq!(kept(&"x".repeat(MAX_CELL)), "x".repeat(MAX_CELL));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let shown = |ms| duration(Duration::from_millis(ms));
        assert_eq!(shown(12), "12ms");
        assert_eq!(shown(234), "0.2s");
        assert_eq!(shown(1000), "1s");
        assert_eq!(shown(1500), "1.5s");
        assert_eq!(shown(15_000), "15s");
        assert_eq!(shown(250_000), "4m 10s");
        assert_eq!(shown(300_000), "5m");
        assert_eq!(shown(7_500_000), "2h 5m");
    }
}
