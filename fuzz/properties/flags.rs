//! Values of flags.

use std::time::Duration;

use super::is_a_line;
use crate::cli::values;
use crate::fail_on::Rules;
use crate::report::{Event, Row, Status, Summary};
use crate::text;

/// Each violated rule is described in one line, which parses to the same rule. An invalid rule is an error of one line with the
/// position of the mistake.
pub fn fail_on(text: &str) {
    let mut rules = match Rules::parse(text) {
        Ok(rules) => rules,
        Err(error) => {
            let error = error.to_string();
            assert!(is_a_line(&error), "{error}");
            let prefix = format!("invalid --fail-on {text:?} at character ");
            let at =
                error.strip_prefix(&prefix).expect("the message names the rules").split_once(':').unwrap().0;
            assert!((1..=text.chars().count() + 1).contains(&at.parse().unwrap()), "{error}");
            return;
        }
    };
    let (summary, rows) = extreme_rows();
    for row in &rows {
        rules.add(row);
    }
    let violations = rules.violations(&summary);
    for line in violations.iter().map(String::as_str).chain(rules.needs_baseline()) {
        assert!(is_a_line(line), "{line:?}");
    }
    for line in violations {
        let rule = line.strip_prefix("--fail-on ").and_then(|line| line.split_once(": ")).unwrap().0;
        let mut parsed = Rules::parse(rule).expect("a description is a rule");
        for row in &rows {
            parsed.add(row);
        }
        assert_eq!(parsed.violations(&summary), [line]);
    }
}

/// Returns rows with extreme counts.
fn extreme_rows() -> (Summary, Vec<Row>) {
    let (mut summary, mut rows) = (Summary::default(), Vec::new());
    for event in [None, Some(Event::New), Some(Event::Removed), Some(Event::Missing), Some(Event::Unknown)] {
        for (was, is, change) in
            [(0, u64::MAX, Some(i64::MAX)), (u64::MAX, 0, Some(i64::MIN)), (3, 3, Some(0)), (0, 0, None)]
        {
            let row = Row::without_count("a", Status::Ok, "");
            rows.push(Row { was: Some(was), public_repos: Some(is), change, event, ..row });
        }
    }
    for row in &rows {
        summary.add(row);
    }
    (summary, rows)
}

/// The text of a duration is short, and up to a day it parses to about the same duration.
pub fn duration(text: &str) {
    let duration = match values::parse_nonzero_duration(text) {
        Ok(duration) => duration,
        Err(error) => return assert!(is_a_line(&error), "{error}"),
    };
    assert!(Duration::ZERO < duration, "{text}");
    assert_eq!(text::parse_duration(text), Ok(duration));
    let shown = text::format_duration(duration);
    assert!(is_a_line(&shown) && shown.len() < 32, "{text}: {shown}");
    if duration > Duration::from_hours(24) {
        return;
    }
    if let Ok(parsed) = values::parse_nonzero_duration(&shown) {
        let is_short = duration < Duration::from_hours(1);
        let tolerance = if is_short { Duration::from_secs(1) } else { Duration::from_mins(1) };
        assert!(parsed.abs_diff(duration) <= tolerance, "{duration:?} is shown as {shown}");
    } else {
        assert_eq!(shown, "0ms");
    }
}
