//! Text for people: numbers with separators, and text from elsewhere made safe to print.
//!
//! Logins come from lists that anyone may have edited, messages from servers. Neither may reach a terminal with control
//! characters that move its cursor or change its writing direction.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Maximum length of a line from elsewhere, in characters: 500 and an ellipsis.
const MAX_LINE: usize = 501;
/// Maximum length of a carried cell, in characters: that of a cell of a spreadsheet.
const MAX_CELL: usize = 32_767;

/// Escapes all control and direction characters (`\u{1b}`), except joiners between letters that need them, and cuts the text to
/// 500 characters.
pub(crate) fn sanitize_line(text: &str) -> Cow<'_, str> {
    if text.len() < MAX_LINE && !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(escape(text, MAX_LINE, is_kept_on_a_line))
}

/// Escapes control and direction characters like [`sanitize_line`], but keeps line ends and tabs. The text is cut to the 32,767
/// characters that a cell of a spreadsheet can hold, the last of which is then an ellipsis.
pub(crate) fn sanitize_multiline(text: &str) -> String {
    escape(text, MAX_CELL, |c, before, after| match c {
        '\n' | '\t' => true,
        '\r' => after == Some('\n'),
        c => is_kept_on_a_line(c, before, after),
    })
}

fn is_kept_on_a_line(c: char, before: Option<char>, after: Option<char>) -> bool {
    // U+200C is needed to spell Persian, U+200D to combine emoji.
    let is_joiner = matches!(c, '\u{200c}' | '\u{200d}');
    !is_unprintable(c) || is_joiner && can_be_joined(before) && can_be_joined(after)
}

/// Escapes the characters that are not kept, and cuts the result to `max` characters. The limit applies to the result, so that
/// text that was cut is not cut again when it is read back.
fn escape(text: &str, max: usize, is_kept: impl Fn(char, Option<char>, Option<char>) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len().min(max));
    let (mut rest, mut length, mut cut) = (text.chars().peekable(), 0, 0);
    while let Some(c) = rest.next() {
        let is_kept = is_kept(c, escaped.chars().last(), rest.peek().copied());
        length += if is_kept { 1 } else { c.escape_default().len() };
        if length > max {
            escaped.truncate(cut);
            // A line end is cut as a whole.
            escaped.truncate(escaped.strip_suffix('\r').unwrap_or(&escaped).len());
            escaped.push('…');
            break;
        }
        if is_kept {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
        if length < max {
            cut = escaped.len();
        }
    }
    escaped
}

/// Replaces each run of white space, line ends included, by one space.
pub(crate) fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns true for text that a spreadsheet takes for a formula, or would without the apostrophe and white space before it.
pub(crate) fn is_formula(text: &str) -> bool {
    text.trim_start_matches(|c: char| c == '\'' || c.is_whitespace())
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Returns true for characters beside which a joiner can have a meaning.
fn can_be_joined(c: Option<char>) -> bool {
    c.is_some_and(|c| !c.is_ascii() && !is_unprintable(c))
}

/// Control characters (C0, DEL, C1), line and paragraph separators, characters that change the direction of writing or have no
/// width, and code points that are not characters, which HTML forbids.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Removes the user and the password from a URL, and the parameters from that of a database. Other text stays as it is.
///
/// The crate `url` does not do: it takes the first slash for the end of the host, although it may be part of a password that was
/// not escaped.
pub(crate) fn redact_url(text: &str) -> String {
    let (scheme, separator, rest) = match (text.split_once("://"), text.split_once(':')) {
        (Some((scheme, rest)), _) => (scheme, "://", rest),
        (None, Some((scheme, rest))) if is_database_scheme(scheme) => (scheme, ":", rest),
        _ => return sanitize_line(text).into_owned(),
    };
    let rest: Cow<'_, str> = if is_database_scheme(scheme) {
        match rest.split_once('?') {
            // The @ may belong to a password that contains a question mark.
            Some((_, parameters)) if parameters.contains('@') => "…".into(),
            _ => {
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                rest.split_once('?').map_or(rest, |(rest, _)| rest).into()
            }
        }
    } else {
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        match (host.rsplit_once('@'), host.split_once(':')) {
            (Some((_, host)), _) => format!("{host}{path}").into(),
            // Not a port: a password with a slash.
            (None, Some((_, port))) if port.contains(|c: char| !c.is_ascii_digit()) => {
                path.rsplit_once('@').map_or(host, |(_, host)| host).into()
            }
            _ => rest.into(),
        }
    };
    sanitize_line(&format!("{scheme}{separator}{rest}")).into_owned()
}

fn is_database_scheme(scheme: &str) -> bool {
    let scheme = scheme.to_ascii_lowercase();
    scheme.ends_with("postgres") || scheme.ends_with("postgresql")
}

/// Returns the text of an error in one line, without the number of a system error.
pub(crate) fn io_message(error: &(dyn Error + 'static)) -> String {
    let is_folder =
        |error: &io::Error| error.kind() == io::ErrorKind::IsADirectory && error.get_ref().is_none();
    if error.downcast_ref().is_some_and(is_folder) {
        return "it is a folder; name a file in it".to_owned();
    }
    let text = collapse_whitespace(&error.to_string());
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

/// Returns an error and its causes as one line, outermost first. A cause is left out if the text before it repeats it, or if it
/// only repeats that text in other words.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let (mut chain, mut last) = (String::new(), None::<String>);
    for cause in causes(error) {
        let text = io_message(cause);
        match &last {
            None => chain.clone_from(&text),
            Some(last) if chain.contains(&text) || text.contains(last) => continue,
            Some(_) => chain = format!("{chain}: {text}"),
        }
        last = Some(text);
    }
    chain
}

/// Returns the text of the innermost cause. The outer errors repeat it, or add a URL.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    io_message(causes(error).last().unwrap_or(error))
}

/// Formats `1234567` as `1,234,567`. `indicatif::HumanCount` does the same, but the library alone does not depend on it.
pub(crate) fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Formats a difference: `+1,234`, `−5`, `=`.
pub(crate) fn format_delta(by: i64) -> String {
    match by {
        0 => "=".into(),
        1.. => format!("+{}", group_digits(by.unsigned_abs())),
        _ => format!("−{}", group_digits(by.unsigned_abs())),
    }
}

/// Formats a number with its noun: `1 login`, `2 logins`, `1,234 logins`.
pub(crate) fn pluralize(number: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", group_digits(number), if number == 1 { singular } else { plural })
}

/// Makes the first letter a capital.
pub(crate) fn capitalize(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

/// `30m`, `2h`, `7d`, `1m 30s`, or a number of seconds. A day has 24 hours.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    seconds
        .or_else(|| parse_friendly(text))
        .ok_or_else(|| "expected a duration such as 90s, 30m, 2h or 7d".into())
}

fn parse_friendly(text: &str) -> Option<Duration> {
    let span = text.parse::<jiff::Span>().ok()?;
    span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
}

/// Formats a duration in its two largest units: `12ms`, `0.2s`, `15s`, `4m 10s`, `2h 5m`. jiff's printer has no such limit.
pub(crate) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) if duration.as_millis() < 100 => format!("{}ms", duration.as_millis()),
        (0, 0, s) if s < 10 && duration.subsec_millis() >= 50 => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h {m}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_printed_without_its_password() {
        assert_eq!(redact_url("postgres://me:secret@db/staff"), "postgres://db/staff");
        assert_eq!(redact_url("--save=postgresql://me:pw@h/d"), "--save=postgresql://h/d");
        assert_eq!(redact_url("postgres://h/d?user=me&password=p@ss"), "postgres://…");
        assert_eq!(redact_url("mysql://me:pw@h/d"), "mysql://h/d");
        assert_eq!(redact_url("postgres:me:pw@h/d"), "postgres:h/d");
        assert_eq!(redact_url("JDBC:Postgres://me:pw@h/d"), "JDBC:Postgres://h/d");
        assert_eq!(redact_url("https://github.com/@torvalds"), "https://github.com/@torvalds");
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
    fn cursor_and_direction_characters_are_escaped() {
        assert_eq!(sanitize_line("日本語 naïve"), "日本語 naïve");
        assert_eq!(sanitize_line("a\r\n\t\u{7f}\u{9b}b"), "a\\r\\n\\t\\u{7f}\\u{9b}b");
        assert_eq!(sanitize_line("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(sanitize_line("\u{fdd0}\u{ffff}\u{1fffe}"), "\\u{fdd0}\\u{ffff}\\u{1fffe}");
        assert_eq!(sanitize_multiline("می\u{200c}خواهم 👩\u{200d}🚀"), "می\u{200c}خواهم 👩\u{200d}🚀");
        assert_eq!(
            sanitize_multiline("tor\u{200d}valds \u{200d}\u{200c}"),
            "tor\\u{200d}valds \\u{200d}\\u{200c}"
        );
        assert_eq!(sanitize_line(&"x".repeat(600)).chars().count(), 501);
    }

    #[test]
    fn text_that_was_cut_is_not_cut_again() {
        // Each of these takes five characters once it is escaped.
        let line = sanitize_line(&"\0".repeat(200)).into_owned();
        assert_eq!(line, format!("{}…", "\\u{0}".repeat(100)));
        assert_eq!(sanitize_line(&line), line);
        for text in ["\0".repeat(10_000), "x".repeat(MAX_CELL + 1), "\r\n".repeat(MAX_CELL / 2) + "\r\n"] {
            let cell = sanitize_multiline(&text);
            assert!(cell.chars().count() <= MAX_CELL && cell.ends_with('…'));
            assert_eq!(sanitize_multiline(&cell), cell);
        }
        assert_eq!(sanitize_multiline(&"x".repeat(MAX_CELL)), "x".repeat(MAX_CELL));
    }

    fn milliseconds(ms: u64) -> String {
        format_duration(Duration::from_millis(ms))
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(milliseconds(12), "12ms");
        assert_eq!(milliseconds(234), "0.2s");
        assert_eq!(milliseconds(1000), "1s");
        assert_eq!(milliseconds(1500), "1.5s");
        assert_eq!(milliseconds(15_000), "15s");
        assert_eq!(milliseconds(250_000), "4m 10s");
        assert_eq!(milliseconds(300_000), "5m");
        assert_eq!(milliseconds(7_500_000), "2h 5m");
    }
}
