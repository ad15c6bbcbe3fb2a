use super::*;

fn row(login: &str, was: Option<u64>, is: u64, change: Option<Change>) -> Row {
    let row = Row::without_count(login, Status::Ok, "");
    Row { was, public_repos: Some(is), change, error: None, ..row }
}

fn violations(rules: &str) -> Vec<String> {
    let mut rules = Rules::parse(rules).unwrap();
    let mut summary = Summary::default();
    for row in [
        row("joiner", None, 3, Some(Change::New)),
        row("twice", Some(10), 20, Some(Change::By(10))),
        row("half", Some(10), 5, Some(Change::By(-5))),
        row("from-none", Some(0), 1, Some(Change::By(1))),
        row("renamed", Some(10), 16, Some(Change::Renamed)),
        row("taken", Some(1), 100, Some(Change::Replaced)),
        row("same", Some(0), 0, Some(Change::By(0))),
        Row { change: Some(Change::Unknown), ..Row::without_count("broken", Status::Failed, "x") },
        Row { was: Some(7), change: Some(Change::Gone), ..Row::without_count("leaver", Status::Skipped, "") },
    ] {
        summary.add(&row);
        rules.add(&row);
    }
    rules.violations(&summary)
}

#[test]
fn a_rule_counts_only_the_rows_that_match() {
    assert_eq!(violations("new>0"), ["--fail-on new>0: 1 login: joiner"]);
    assert_eq!(violations("new>1,gone>=1"), ["--fail-on gone>=1: 1 login: leaver"]);
    assert_eq!(violations("renamed=0 , skipped=0"), ["--fail-on skipped=0: 0 logins"]);
    assert_eq!(
        violations("change>50%"),
        ["--fail-on change>50%: 3 logins: twice (10 to 20), from-none (0 to 1), renamed (10 to 16)"]
    );
    assert_eq!(violations("change>=50%").len(), 1);
    assert_eq!(violations("change>= 10"), ["--fail-on change>= 10: 1 login: twice (10 to 20)"]);
    assert_eq!(violations("change\n>=\u{2028}10"), ["--fail-on change >= 10: 1 login: twice (10 to 20)"]);
    assert_eq!(violations("public_repos>99"), ["--fail-on public_repos>99: 1 login: taken (100)"]);
    assert_eq!(violations("failed>12%"), ["--fail-on failed>12%: 1 login: broken"]);
    assert_eq!(
        violations("failed>12.5%,change>100000%,unknown>1"),
        ["--fail-on change>100000%: 1 login: from-none (0 to 1)"]
    );
}

#[test]
fn the_error_of_a_bad_rule_names_the_position() {
    for (text, at, reason) in [
        ("", 1, "unknown metric \"\""),
        ("new>0,", 7, "unknown metric \"\""),
        ("chnge>5", 1, "unknown metric \"chnge\", expected new, gone"),
        ("new>0, chänge>5", 8, "unknown metric \"chänge\""),
        ("new", 4, "expected >, >= or ="),
        ("new<5", 4, "expected >, >= or ="),
        ("new>0,gone>", 12, "expected a number or a percentage"),
        ("new>-1", 5, "expected a number"),
        ("new> 1.5", 6, "expected a number"),
        ("change>ten%", 8, "expected a number"),
        ("change>nan%", 8, "expected a number"),
        ("change>.%", 8, "expected a number"),
        ("public_repos>5%", 14, "public_repos is compared with a number"),
    ] {
        let bad = Rules::parse(text).unwrap_err();
        assert_eq!(bad.at, at, "{text}: {bad}");
        assert!(bad.reason.starts_with(reason), "{text}: {bad}");
    }
}
