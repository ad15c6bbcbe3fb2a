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

/// Texts of each kind, and the login that they stand for. Sample data.
const PASTED: &[(&str, &str)] = &[
    (" torvalds\r", "torvalds"),
    ("@torvalds", "torvalds"),
    ("'torvalds", "torvalds"),
    ("\u{ff20}torvalds", "torvalds"),
    ("\u{feff}torvalds\u{200b}", "torvalds"),
    ("\u{a0}@torvalds\u{202c}", "torvalds"),
    // Quotes, brackets and separators around it.
    ("\"torvalds\",", "torvalds"),
    ("`torvalds`", "torvalds"),
    ("('torvalds')", "torvalds"),
    ("(@torvalds);", "torvalds"),
    ("\u{201e}torvalds\u{201c}", "torvalds"),
    ("<https://github.com/torvalds>", "torvalds"),
    ("[Linus](https://github.com/torvalds)", "torvalds"),
    ("[a, b](<https://github.com/torvalds> \"profile\")", "torvalds"),
    ("[@torvalds](https://github.com/torvalds),", "torvalds"),
    // Profiles and their pages.
    ("https://github.com/torvalds", "torvalds"),
    ("https://github.com/torvalds/", "torvalds"),
    ("https://github.com//torvalds", "torvalds"),
    ("https://github.com/@torvalds", "torvalds"),
    ("HTTPS://GitHub.com/torvalds?tab=repositories", "torvalds"),
    ("http://www.github.com/torvalds#top", "torvalds"),
    ("github.com/torvalds", "torvalds"),
    ("https://github.com/torvalds.png?size=40", "torvalds"),
    ("https://github.com/torvalds.git", "torvalds"),
    ("https://github.com/torvalds.keys", "torvalds"),
    ("https://github.com/orgs/torvalds/repositories", "torvalds"),
    ("https://github.com/organizations/torvalds/settings/profile", "torvalds"),
    ("https://github.com/users/torvalds/projects/1", "torvalds"),
    ("https://github.com/sponsors/torvalds", "torvalds"),
    ("https://github.com/stars/torvalds/lists/x", "torvalds"),
    ("https://github.com/apps/dependabot", "dependabot[bot]"),
    ("https://github.com/apps/dependabot/installations/new", "dependabot[bot]"),
    // Repositories.
    ("torvalds/linux", "torvalds"),
    ("torvalds/linux#12", "torvalds"),
    ("torvalds/linux@v6.1", "torvalds"),
    ("torvalds/linux.git", "torvalds"),
    ("torvalds/", "torvalds"),
    ("https://github.com/torvalds/linux", "torvalds"),
    ("https://github.com/torvalds/linux/pull/17/files?w=1#diff", "torvalds"),
    ("https://github.com/torvalds/linux/tree/master/kernel", "torvalds"),
    ("https://someone@github.com/torvalds/linux.git", "torvalds"),
    ("git@github.com:torvalds/linux.git", "torvalds"),
    ("org-1234@github.com:torvalds/linux.git", "torvalds"),
    ("github.com:torvalds/linux", "torvalds"),
    ("ssh://git@github.com/torvalds/linux.git", "torvalds"),
    ("ssh://git@ssh.github.com:443/torvalds/linux.git", "torvalds"),
    ("git+ssh://git@github.com/torvalds/linux.git", "torvalds"),
    ("git://github.com/torvalds/linux", "torvalds"),
    ("https://raw.githubusercontent.com/torvalds/linux/master/README", "torvalds"),
    ("https://codeload.github.com/torvalds/linux/zip/refs/heads/master", "torvalds"),
    ("https://github.dev/torvalds/linux", "torvalds"),
    // Gists, the API, and mail.
    ("https://gist.github.com/torvalds", "torvalds"),
    ("https://gist.github.com/torvalds/0123456789abcdef0123456789abcdef", "torvalds"),
    ("https://gist.githubusercontent.com/torvalds/0123456789abcdef0123/raw/x.txt", "torvalds"),
    ("https://api.github.com/users/torvalds", "torvalds"),
    ("https://api.github.com/users/torvalds/repos?page=2", "torvalds"),
    ("https://api.github.com/repos/torvalds/linux", "torvalds"),
    ("https://api.github.com/orgs/torvalds", "torvalds"),
    ("https://api.github.com/users/dependabot%5Bbot%5D", "dependabot[bot]"),
    ("1024025+torvalds@users.noreply.github.com", "torvalds"),
    ("torvalds@users.noreply.github.com", "torvalds"),
    ("49699333+dependabot[bot]@users.noreply.github.com", "dependabot[bot]"),
    ("mailto:torvalds@users.noreply.github.com", "torvalds"),
    ("Torvalds, Linus <1024025+torvalds@users.noreply.github.com>", "torvalds"),
    // Texts that only look like dates, numbers and placeholders.
    ("@none", "none"),
    ("@5-Mar", "5-Mar"),
    ("jan-05", "jan-05"),
    ("12345", "12345"),
    ("1e5", "1e5"),
    ("TRUE", "TRUE"),
    ("nan", "nan"),
    ("https://github.com/none", "none"),
];

#[test]
fn a_login_is_found_in_what_people_paste() {
    for (text, login) in PASTED {
        let parsed = Login::parse(text).map(|login| login.to_string());
        assert_eq!(parsed.as_deref(), Ok(*login), "{text}");
        assert_eq!(parse_text(text, "github.com"), LoginText::One(Ok(Login((*login).into()))), "{text}");
    }
}

#[test]
fn an_invalid_login_has_a_reason() {
    for (text, expected) in [
        ("", "empty"),
        (" \t", "empty"),
        ("@", "empty"),
        ("\u{feff}", "empty"),
        ("[bot]", "empty"),
        ("../orgs/x", "contains '.'"),
        ("a/b/c", "contains '/'"),
        ("a/..", "contains '/'"),
        ("a/#1", "contains '/'"),
        ("a?b", "contains '?'"),
        ("a%2fb", "contains '%'"),
        ("naïve", "contains 'ï'"),
        ("a b", "contains ' '"),
        ("a\nb", "contains '\\n'"),
        ("a\u{1b}[31m", "contains '\\u{1b}'"),
        ("a\0", "contains '\\0'"),
        ("-", "no letter or digit"),
        ("---", "no letter or digit"),
        ("-[bot]", "no letter or digit"),
        ("_a", "begins with '_'"),
        ("a_b_c", "contains more than one '_'"),
        ("a_", "ends with '_'"),
        ("[bot]x", "contains '['"),
        ("https://gitlab.com/torvalds", "an address on gitlab.com, not on github.com"),
        ("gitlab.com/torvalds", "an address on gitlab.com, not on github.com"),
        ("git@gitlab.com:torvalds/x.git", "an address on gitlab.com, not on github.com"),
        (
            "https://torvalds.github.io/x",
            "an address on torvalds.github.io, not on github.com; for the account of that site write torvalds",
        ),
        ("https://gi\u{1b}[31m", "an address on gi\\u{1b}[31m, not on github.com"),
        ("https://github.com/", "an address without an account"),
        ("github.com", "an address without an account"),
        ("https://", "an address on , not on github.com"),
        ("https://github.com/..%2forgs", "contains '.'"),
        (
            "https://gist.github.com/0123456789abcdef0123456789abcdef",
            "the address of a gist without its owner",
        ),
        ("https://api.github.com/user/1024025", "an address of the API of github.com without a login"),
        ("mona@example.com", "an e-mail address: write the login"),
        ("noreply@github.com", "an e-mail address: write the login"),
        ("app/dependabot", "an app: its login is dependabot[bot]"),
        ("@acme/core", "a team: look up its members with --team acme/core"),
        ("https://github.com/orgs/acme/teams/core", "a team: look up its members with --team acme/core"),
        ("orgs/acme/teams/core", "a team: look up its members with --team acme/core"),
        ("https://github.com/orgs/acme/teams/a\u{1b}", "a team: look up its members with --team ORG/TEAM"),
        (
            "https://github.com/enterprises/acme/people",
            "an enterprise: look up its members with --enterprise acme",
        ),
        ("team.csv", "the name of a file: read it with --file"),
        ("lists/team.xlsx", "the name of a file: read it with --file"),
        ("n/a", "a placeholder"),
        ("(N/A)", "a placeholder"),
        ("?", "a placeholder"),
        ("\u{2014}", "a placeholder"),
        ("None", "a placeholder; if it is a login, write @None"),
        ("TBD", "a placeholder; if it is a login, write @TBD"),
        ("NA", "a placeholder; if it is a login, write @NA"),
        ("#NAME?", "an error of a spreadsheet: correct its formula"),
        ("#N/A", "an error of a spreadsheet: correct its formula"),
        ("#BEZUG!", "an error of a spreadsheet: correct its formula"),
        ("Err:502", "an error of a spreadsheet: correct its formula"),
        ("1/2", "a fraction or a date"),
    ] {
        assert_eq!(reason(text), format!("not a login: {expected}"), "{text}");
    }
    assert_eq!(reason(&"a".repeat(40)), "not a login: 40 characters, 39 at most");
}

#[test]
fn a_login_that_a_spreadsheet_changed_is_not_looked_up() {
    for (text, kind, escape) in [
        ("5-Mar", "date", "; if it is a login, write @5-Mar"),
        ("Mar-05", "date", "; if it is a login, write @Mar-05"),
        ("05-Mrz-24", "date", "; if it is a login, write @05-Mrz-24"),
        ("2024-03-05", "date", "; if it is a login, write @2024-03-05"),
        ("2024-03-05 00:00:00", "date", ""),
        ("2024-03-05T00:00:00", "date", ""),
        ("5. Mär", "date", ""),
        ("5/3/2024", "date", ""),
        ("05.03.2024", "date", ""),
        ("1E+05", "number", ""),
        ("1,5E+10", "number", ""),
        ("1.0", "number", ""),
        ("1,5", "number", ""),
    ] {
        let hint = "perhaps a login that a spreadsheet has changed: format the column as text";
        assert_eq!(reason(text), format!("not a login: a {kind}, {hint}{escape}"), "{text}");
        assert!(matches!(parse_text(text, "github.com"), LoginText::One(Err(_))), "{text}");
    }
}

#[test]
fn a_page_of_github_itself_is_not_an_account() {
    for page in [
        "settings/profile",
        "features",
        "search?q=user%3Aa",
        "topics/rust",
        "marketplace/actions/x",
        "sponsors",
        "sponsors/explore",
        "orgs",
        "users",
        "apps",
        "stars",
        "login?return_to=%2Ftorvalds",
        "Features/Actions",
        "notifications",
        "explore",
        "organizations/new",
        "about",
        "pricing",
        "trending/rust?since=daily",
    ] {
        let text = format!("https://github.com/{page}");
        let expected = "not a login: an address of github.com itself, not of an account";
        assert_eq!(reason(&text), expected, "{text}");
    }
}

#[test]
fn a_list_is_split_only_if_each_part_is_a_login() {
    for (text, logins) in [
        ("torvalds,antirez", &["torvalds", "antirez"][..]),
        ("a; b ;c,", &["a", "b", "c"]),
        ("@a @b\t@c", &["a", "b", "c"]),
        ("@a @b, c", &["a", "b", "c"]),
        ("@a, @a", &["a", "a"]),
        ("https://github.com/a https://github.com/b/x", &["a", "b"]),
        ("https://github.com/a?tab=repositories, https://github.com/b", &["a", "b"]),
        ("<https://github.com/a>, <https://github.com/b>", &["a", "b"]),
        ("A <1+a@users.noreply.github.com>, B <2+b@users.noreply.github.com>", &["a", "b"]),
        ("\"a\", 'b'", &["a", "b"]),
        ("a/x, git@github.com:b/y.git", &["a", "b"]),
    ] {
        let expected = logins.iter().map(|login| Login((*login).into())).collect();
        assert_eq!(parse_text(text, "github.com"), LoginText::List(expected), "{text}");
    }
    for (text, reason) in [
        ("please ask the team lead", "contains ' '"),
        ("@mona and @hubot", "contains ' '"),
        ("has none, sorry about that", "\"none\""),
        ("12345, 67890", "contains ','"),
        ("a, n/a", "\"n/a\" in a list: a placeholder"),
        ("a, b_", "\"b_\" in a list: ends with '_'"),
        ("@a @acme/core", "\"@acme/core\" in a list: a team: look up its members with --team acme/core"),
        ("a, team.csv", "\"team.csv\" in a list: the name of a file: read it with --file"),
        (",", "empty"),
    ] {
        let LoginText::One(Err(error)) = parse_text(text, "github.com") else { panic!("{text}") };
        assert_eq!(error.text, text);
        if !text.starts_with("has") {
            assert_eq!(error.to_string(), format!("not a login: {reason}"), "{text}");
        }
    }
}

#[test]
fn a_long_text_is_parsed_in_bounded_stack_and_time() {
    for part in ["[a](", "(", "a,", "@a ", "a@", "https://", "<", "'"] {
        let text = part.repeat(100_000);
        parse_text(&text, "github.com");
    }
}

#[test]
fn a_login_of_a_server_is_nothing_but_a_login() {
    assert_eq!(Login::exact("none").unwrap().as_str(), "none");
    for text in ["@a", " a", "a/b", "https://github.com/a", "a,b", ""] {
        assert!(Login::exact(text).is_err(), "{text}");
    }
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
