use proptest::prelude::*;

use super::*;

fn reason(text: &str) -> String {
    Login::parse(text).unwrap_err().to_string()
}

#[test]
fn a_login_is_taken_in_another_spelling_and_no_other_login_is() {
    let asked = Login::parse("Octo-Cat").unwrap();
    assert_eq!(asked.with_case_of("octo-CAT").unwrap().as_str(), "octo-CAT");
    for other in ["octocat", "octo-cat ", "@octo-cat", "", "octo-cat/../x"] {
        assert_eq!(asked.with_case_of(other), None, "{other}");
    }
}

#[test]
fn a_stable_hash_ignores_case_and_never_changes() {
    assert_eq!(stable_hash("Torvalds"), stable_hash("torvalds"));
    assert_eq!(stable_hash("torvalds"), 953_843_727);
}

#[test]
fn every_kind_of_account_has_a_login() {
    for login in [
        "torvalds",
        "0",
        "a-b",
        "old--double",
        "old-ending-",
        "-old-beginning",
        "-SAMPLE-",
        "mona_acme",
        "dependabot[bot]",
        "DependaBot[Bot]",
        "a12345678901234567890123456789012345678",
    ] {
        assert_eq!(Login::parse(login).unwrap().as_str(), login);
    }
}

#[test]
fn a_login_is_found_in_what_people_paste() {
    for text in [
        "torvalds",
        " torvalds\r",
        "@torvalds",
        "'torvalds",
        "https://github.com/torvalds",
        "https://github.com/torvalds/",
        "HTTPS://GitHub.com/torvalds?tab=repositories",
        "http://www.github.com/torvalds#top",
        "github.com/torvalds",
        "https://github.com/orgs/torvalds/repositories",
    ] {
        assert_eq!(Login::parse(text).unwrap().as_str(), "torvalds", "{text}");
    }
    assert_eq!(Login::parse("https://github.com/apps/dependabot").unwrap().as_str(), "dependabot[bot]");
}

#[test]
fn an_invalid_login_has_a_reason() {
    assert_eq!(reason(""), "not a login: empty");
    assert_eq!(reason(" \t"), "not a login: empty");
    assert_eq!(reason("@"), "not a login: empty");
    assert_eq!(reason("[bot]"), "not a login: empty");
    assert_eq!(reason("a/b"), "not a login: holds '/'");
    assert_eq!(reason("../orgs/x"), "not a login: holds '.'");
    assert_eq!(reason("a?b"), "not a login: holds '?'");
    assert_eq!(reason("a%2fb"), "not a login: holds '%'");
    assert_eq!(reason("naïve"), "not a login: holds 'ï'");
    assert_eq!(reason("a\u{1b}[31m"), "not a login: holds '\\u{1b}'");
    assert_eq!(reason("a\0"), "not a login: holds '\\0'");
    assert_eq!(reason(&"a".repeat(40)), "not a login: 40 characters, 39 at most");
    assert_eq!(reason("-"), "not a login: no letter or digit");
    assert_eq!(reason("---"), "not a login: no letter or digit");
    assert_eq!(reason("-[bot]"), "not a login: no letter or digit");
    assert_eq!(reason("_a"), "not a login: begins with '_'");
    assert_eq!(reason("a_b_c"), "not a login: holds more than one '_'");
    assert_eq!(reason("a_"), "not a login: ends with '_'");
    assert_eq!(reason("[bot]x"), "not a login: holds '['");
    assert_eq!(
        reason("https://gitlab.com/torvalds"),
        "not a login: an address on gitlab.com, not on github.com"
    );
    assert_eq!(
        reason("https://github.com/torvalds/linux"),
        "not a login: an address of something else than a profile"
    );
    assert_eq!(
        reason("https://\ngi\u{1b}[31m"),
        "not a login: an address on \\ngi\\u{1b}[31m, not on github.com"
    );
    assert_eq!(reason("https://github.com/"), "not a login: empty");
    assert_eq!(reason("https://"), "not a login: an address on , not on github.com");
    assert_eq!(reason("https://github.com/..%2forgs"), "not a login: holds '.'");
}

#[test]
fn a_bots_brackets_are_escaped_in_its_path() {
    assert_eq!(Login::parse("dependabot[bot]").unwrap().path(), "/users/dependabot%5Bbot%5D");
}

proptest! {
    #[test]
    fn no_string_makes_another_path(text in any::<String>()) {
        no_other_path(&text)?;
    }

    #[test]
    fn no_plausible_string_makes_another_path(text in r"(@|https?://|github\.com/|orgs/|\.\./)?[-a-zA-Z0-9_./?#%\[\]@:\\ \t\n]{0,44}(\[bot\])?") {
        no_other_path(&text)?;
    }
}

fn no_other_path(text: &str) -> Result<(), TestCaseError> {
    if let Ok(login) = Login::parse(text) {
        let path = login.path();
        let name = path.strip_prefix("/users/").unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix("%5bbot%5d").unwrap_or(&lower);
        prop_assert!(!plain.is_empty());
        prop_assert!(plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{path}");
        let uri: http::Uri = path.parse().unwrap();
        prop_assert_eq!(uri.path(), path.as_str());
        prop_assert_eq!(uri.query(), None);
    }
    Ok(())
}
