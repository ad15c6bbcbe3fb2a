//! OpenMetrics, parsed line by line.

use std::collections::{HashMap, HashSet};

use super::Report;

/// The name of a metric, its labels, and its value.
type Sample<'a> = (&'a str, Vec<(String, String)>, &'a str);

/// Asserts that every line is valid, that every family is declared once and before its samples, that no two samples have the same
/// labels, and that the counts are those of the rows.
pub(super) fn check(text: &str, report: &Report) {
    let lines = text.strip_suffix("\n# EOF\n").unwrap_or_else(|| {
        assert_eq!(text, "# EOF\n");
        ""
    });
    let (mut declared, mut current, mut seen, mut counts) =
        (HashSet::new(), "", HashSet::new(), HashMap::new());
    // A carriage return is no line end here.
    for line in lines.split('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').expect("what is told of a family");
            let (name, told) = rest.split_once(' ').expect("the family");
            assert!(is_name(name) && !told.is_empty(), "{line}");
            match kind {
                "HELP" => {
                    assert!(declared.insert(name), "{name} stands in two pieces");
                    current = name;
                }
                "TYPE" => assert_eq!((name, told), (current, "gauge")),
                "UNIT" => assert!(name == current && name.ends_with(&format!("_{told}"))),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, mut labels, value) = sample(line).unwrap_or_else(|| panic!("{line:?} is no sample"));
        assert_eq!(name, current);
        assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        if name == "ghrepos_account_public_repositories" {
            counts.insert(labels[0].1.clone(), value.to_owned());
        }
        labels.sort_unstable();
        assert!(labels.windows(2).all(|pair| pair[0].0 != pair[1].0), "{line}");
        assert!(seen.insert((name, labels)), "{line} is there twice");
    }
    let mut expected = HashMap::new();
    let mut logins = HashSet::new();
    for row in report.rows.iter().filter(|row| !row.is_removed()) {
        if let (true, Some(count)) = (logins.insert(&row.login), row.public_repos) {
            expected.insert(row.login.clone(), count.to_string());
        }
    }
    assert_eq!(counts, expected);
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let (text, after) = quoted(after)?;
            labels.push((label.to_owned(), text));
            if !is_name(label) {
                return None;
            }
            let Some(next) = after.strip_prefix(',') else {
                rest = after.strip_prefix('}')?;
                break;
            };
            rest = next;
        }
    }
    is_name(name).then_some((name, labels, rest.strip_prefix(' ')?))
}

/// Splits text after the closing quote of a label's value.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                plain @ ('\\' | '"') => plain,
                _ => return None,
            }),
            '\r' => return None,
            plain => value.push(plain),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
