use super::*;

fn row(login: &str, was: Option<u64>, is: u64, event: Option<Event>) -> Row {
    let row = Row::without_count(login, Status::Ok, "");
    let change =
        was.filter(|_| event != Some(Event::Replaced)).map(|was| is.cast_signed() - was.cast_signed());
    Row { was, public_repos: Some(is), change, event, error: None, ..row }
}

fn violations(rules: &str) -> Vec<String> {
    let mut rules = Rules::parse(rules).unwrap();
    let mut summary = Summary::default();
    for row in [
        row("joiner", None, 3, Some(Event::New)),
        row("twice", Some(10), 20, None),
        row("half", Some(10), 5, None),
        row("from-none", Some(0), 1, None),
        row("renamed", Some(10), 16, Some(Event::Renamed)),
        row("taken", Some(1), 100, Some(Event::Replaced)),
        row("same", Some(0), 0, None),
        Row { event: Some(Event::Unknown), ..Row::without_count("broken", Status::Failed, "x") },
        Row { event: Some(Event::Missing), ..Row::without_count("deleted", Status::NotFound, "x") },
        Row {
            was: Some(7),
            event: Some(Event::Removed),
            ..Row::without_count("leaver", Status::Removed, "")
        },
        Row::without_count("never-asked", Status::Skipped, ""),
    ] {
        summary.add(&row);
        rules.add(&row);
    }
    rules.violations(&summary)
}

#[test]
fn a_rule_counts_only_the_rows_that_match() {
    assert_eq!(violations("new>0"), ["--fail-on new>0: 1 login: joiner"]);
    assert_eq!(violations("new>1,removed>=1"), ["--fail-on removed>=1: 1 login: leaver"]);
    assert_eq!(violations("renamed=0 , skipped=1"), ["--fail-on skipped=1: 1 login: never-asked"]);
    assert_eq!(
        violations("change>50%"),
        ["--fail-on change>50%: 3 logins: twice (10 to 20), from-none (0 to 1), renamed (10 to 16)"]
    );
    assert_eq!(violations("change>=50%").len(), 1);
    assert_eq!(violations("change>= 10"), ["--fail-on change>= 10: 1 login: twice (10 to 20)"]);
    assert_eq!(violations("change\n>=\u{2028}10"), ["--fail-on change >= 10: 1 login: twice (10 to 20)"]);
    assert_eq!(violations("public_repos>99"), ["--fail-on public_repos>99: 1 login: taken (100)"]);
    assert_eq!(violations("missing>0"), ["--fail-on missing>0: 1 login: deleted"]);
    // Of nine rows: skipped and removed ones are not counted.
    assert_eq!(violations("failed>11.1%"), ["--fail-on failed>11.1%: 1 login: broken"]);
    assert_eq!(
        violations("failed>11.2%,change>100000%,unknown>1"),
        ["--fail-on change>100000%: 1 login: from-none (0 to 1)"]
    );
}

fn pushed(login: &str, last_push: Option<&str>) -> Row {
    let last_push = last_push.map(|time| time.parse().unwrap());
    Row { last_push, at: Some("2026-01-01T00:00:00Z".parse().unwrap()), ..row(login, None, 1, None) }
}

#[test]
fn the_age_of_a_push_is_measured_against_the_response() {
    let rows = [
        pushed("a-year", Some("2025-01-01T00:00:00Z")),
        pushed("a-second-more", Some("2024-12-31T23:59:59Z")),
        pushed("now", Some("2026-01-01T00:00:00Z")),
        pushed("ahead", Some("2026-01-01T00:00:05Z")),
        pushed("never", None),
        Row { at: None, ..pushed("without-a-response", Some("2001-01-01T00:00:00Z")) },
    ];
    for (text, logins) in [
        ("last_push>365d", vec!["a-second-more (2024-12-31)"]),
        ("last_push>=52w 1d", vec!["a-year (2025-01-01)", "a-second-more (2024-12-31)"]),
        ("last_push=0s", vec!["now (2026-01-01)", "ahead (2026-01-01)"]),
        ("last_push>8760h", vec!["a-second-more (2024-12-31)"]),
        ("last_push>3660d", vec![]),
    ] {
        let mut rules = Rules::parse(text).unwrap();
        for row in &rows {
            rules.add(row);
        }
        let violations = rules.violations(&Summary::default());
        let counted = pluralize(logins.len() as u64, "login", "logins");
        let line = format!("--fail-on {text}: {counted}: {}", logins.join(", "));
        assert_eq!(violations, if logins.is_empty() { vec![] } else { vec![line] }, "{text}");
    }
}

#[test]
fn the_error_of_a_bad_rule_names_the_position() {
    for (text, at, reason) in [
        ("", 1, "unknown metric \"\""),
        ("new>0,", 7, "unknown metric \"\""),
        (
            "chnge>5",
            1,
            "unknown metric \"chnge\", expected new, removed, renamed, replaced, missing, unknown, change",
        ),
        ("new>0, chänge>5", 8, "unknown metric \"chänge\""),
        ("new", 4, "expected >, >= or ="),
        ("new<5", 4, "expected >, >= or ="),
        ("gone>0", 1, "unknown metric \"gone\""),
        ("new>0,removed>", 15, "expected a number or a percentage"),
        ("new>-1", 5, "expected a number"),
        ("new> 1.5", 6, "expected a number"),
        ("change>ten%", 8, "expected a number"),
        ("change>nan%", 8, "expected a number"),
        ("change>.%", 8, "expected a number"),
        ("last_push>365", 11, "expected an age with a unit such as 365d"),
        ("last_push>5%", 11, "expected an age with a unit"),
        ("last_push>1y", 11, "expected an age with a unit"),
        ("last_push>-1d", 11, "expected an age with a unit"),
        ("last_push>", 11, "expected an age with a unit"),
        ("change>365d", 8, "expected a number or a percentage"),
        ("public_repos>5%", 14, "public_repos is compared with a number"),
    ] {
        let bad = Rules::parse(text).unwrap_err();
        assert_eq!(bad.at, at, "{text}: {bad}");
        assert!(bad.reason.starts_with(reason), "{text}: {bad}");
    }
}
