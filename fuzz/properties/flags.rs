//! The values of flags.

use std::time::Duration;

use super::is_a_line;
use crate::cli::values;
use crate::fail_on::Rules;
use crate::report::{Change, Row, Status, Summary};
use crate::text;

/// Rules that are read can be told in one line each, and what is told is read as the same rule. What is none
/// is named in one line, with the place of the mistake.
pub fn rules(text: &str) {
    let mut rules = match Rules::parse(text) {
        Ok(rules) => rules,
        Err(bad) => {
            let bad = bad.to_string();
            assert!(is_a_line(&bad), "{bad}");
            let named = format!("cannot understand --fail-on {text:?} at character ");
            let at = bad.strip_prefix(&named).expect("it names the rules").split_once(':').unwrap().0;
            assert!((1..=text.chars().count() + 1).contains(&at.parse().unwrap()), "{bad}");
            return;
        }
    };
    let (summary, rows) = counted();
    for row in &rows {
        rules.add(row);
    }
    let held = rules.violations(&summary);
    for line in held.iter().map(String::as_str).chain(rules.needs_baseline()) {
        assert!(is_a_line(line), "{line:?}");
    }
    for line in held {
        let rule = line.strip_prefix("--fail-on ").and_then(|line| line.split_once(": ")).unwrap().0;
        let mut again = Rules::parse(rule).expect("what is told is a rule");
        for row in &rows {
            again.add(row);
        }
        assert_eq!(again.violations(&summary), [line]);
    }
}

/// Rows with counts that a server may claim.
fn counted() -> (Summary, Vec<Row>) {
    let (mut summary, mut rows) = (Summary::default(), Vec::new());
    for change in [Change::New, Change::By(i64::MAX), Change::By(0), Change::Gone, Change::Unknown] {
        for (was, is) in [(0, u64::MAX), (u64::MAX, 0), (3, 3), (0, 0)] {
            let row = Row::without_count("a", Status::Ok, "");
            rows.push(Row { was: Some(was), public_repos: Some(is), change: Some(change), ..row });
        }
    }
    for row in &rows {
        summary.add(row);
    }
    (summary, rows)
}

/// A duration is one that can be waited for and told, and what is told is about as long.
pub fn duration(text: &str) {
    let day = Duration::from_hours(24);
    match values::duration(text) {
        Ok(duration) => {
            assert!(Duration::ZERO < duration && duration <= day, "{text}: {duration:?}");
            let told = text::format_duration(duration);
            if let Ok(again) = values::duration(&told) {
                let off = if duration < Duration::from_hours(1) {
                    Duration::from_secs(1)
                } else {
                    Duration::from_mins(1)
                };
                assert!(again.abs_diff(duration) <= off, "{duration:?} is told as {told}");
            } else {
                assert_eq!(told, "0ms");
            }
        }
        Err(error) => assert!(is_a_line(&error), "{error}"),
    }
    for span in [values::span(text), values::positive_span(text)] {
        match span {
            Ok(span) => {
                assert!(
                    is_a_line(&text::format_duration(span)) && text::format_duration(span).len() < 32,
                    "{text}"
                );
            }
            Err(error) => assert!(is_a_line(&error), "{error}"),
        }
    }
    assert!(values::positive_span(text).is_ok() <= values::span(text).is_ok());
}
