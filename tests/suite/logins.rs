//! Logins from arguments, files and standard input, and invalid ones.

use crate::fake::Fake;
use crate::program::{Program, file, path, users};

#[test]
fn logins_named_like_api_routes_cost_what_others_cost() {
    let fake = Fake::well_behaved();
    let run = Program::for_fake(
        &fake,
        &["user", "rate_limit", "a", "--api", "rest", "--max-points", "1", "-F", "ndjson"],
    )
    .run();
    assert_eq!((run.status, fake.requests()), (5, 1), "{}", run.stderr);
}

#[test]
fn an_invalid_login_is_a_row_and_never_a_request() {
    let fake = Fake::well_behaved();
    let forty = "x".repeat(40);
    let wrong = [
        "../orgs/x",
        "a/b/c",
        "@acme/core",
        "app/dependabot",
        "https://github.com/settings/profile",
        "https://github.com/search?q=user%3Amona",
        "mona@example.com",
        "team.csv",
        "#NAME?",
        "5-Mar",
        "1E+05",
        "n/a",
        "none",
        "?",
        "write to mona, please, or to the whole team",
        "a?b",
        "a%2fb",
        "",
        forty.as_str(),
        "naïve",
        "a\u{1b}[31mb",
        "a\u{7}b",
        "a b:",
        "#a",
    ];
    let run = Program::for_fake(&fake, &[&wrong[..], &["-F", "ndjson"]].concat()).run();
    assert_eq!(run.status, 1);
    assert_eq!(run.rows().len(), wrong.len());
    for row in run.rows() {
        assert_eq!(row["status"], "invalid", "{row}");
        assert_eq!(row["attempts"], 0);
        assert!(row["error"].as_str().unwrap().starts_with("not a login: "));
    }
    assert_eq!(fake.requests(), 0);
    assert!(!run.stdout.contains('\u{1b}'));
}

#[test]
fn accounts_older_than_todays_rule_are_looked_up() {
    let fake = Fake::well_behaved();
    let old = ["-SAMPLE-", "trailing-", "double--hyphen", "-"];
    let list = file(&old.join("\n"));
    for api in ["graphql", "rest"] {
        let arguments = ["-f", path(&list), "--api", api, "-F", "csv"];
        let csv = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run().stdout;
        // The report is an input again, although a spreadsheet's apostrophe is before the hyphen.
        let report = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(report.path(), csv).unwrap();
        let again = ["-f", report.path().to_str().unwrap(), "--api", api, "-F", "ndjson"];
        let rows = Program::for_fake(&fake, &again).env("GH_TOKEN", "ghp_sample").run().rows_of(4);
        for (row, login) in rows.iter().zip(&old[..3]) {
            assert_eq!(
                (&row["login"], &row["status"]),
                (&login.to_lowercase().into(), &"ok".into()),
                "{row}"
            );
        }
        assert_eq!(rows[3]["error"], "not a login: no letter or digit");
    }
    let run = Program::for_fake(&fake, &["-F", "ndjson", "@-SAMPLE-", "@-sample-"]).run();
    assert_eq!(run.rows_of(1)[0]["login"], "-sample-");
}

#[test]
fn a_managed_user_that_is_not_visible_is_not_denied() {
    let fake = Fake::well_behaved();
    for api in ["graphql", "rest"] {
        let arguments = ["missing-mona_acme", "missing-mona", "--api", api, "-F", "ndjson"];
        let rows = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_sample").run().rows_of(2);
        assert_eq!((&rows[0]["status"], &rows[1]["status"]), (&"not_found".into(), &"not_found".into()));
        assert_eq!(
            rows[0]["error"],
            "not visible: no such user, or a managed user that this token cannot see"
        );
        assert_eq!(rows[1]["error"], "no such user or organization");
    }
}

/// Texts of a list as people paste them, and the login that is looked up, or a part of the reason for which none is. Sample data.
const PASTED: [(&str, Result<&str, &str>); 40] = [
    ("https://github.com/user-1?tab=stars", Ok("user-1")),
    ("https://github.com/orgs/org-2/repositories", Ok("org-2")),
    ("http://www.github.com/user-3/", Ok("user-3")),
    ("github.com/user-4", Ok("user-4")),
    ("https://github.com/user-5/website", Ok("user-5")),
    ("https://github.com/user-6/website/issues/7#issuecomment-1", Ok("user-6")),
    ("git@github.com:user-7/website.git", Ok("user-7")),
    ("ssh://git@github.com/user-8/website.git", Ok("user-8")),
    ("https://github.com/user-9.git", Ok("user-9")),
    ("https://github.com/users/user-10/projects/2", Ok("user-10")),
    ("https://github.com/sponsors/user-11", Ok("user-11")),
    ("https://gist.github.com/user-12", Ok("user-12")),
    ("https://gist.github.com/user-13/0123456789abcdef0123456789abcdef", Ok("user-13")),
    ("https://raw.githubusercontent.com/user-14/website/main/index.html", Ok("user-14")),
    ("https://api.github.com/users/user-15", Ok("user-15")),
    ("https://api.github.com/repos/user-16/website", Ok("user-16")),
    ("12345+user-17@users.noreply.github.com", Ok("user-17")),
    ("user-18@users.noreply.github.com", Ok("user-18")),
    ("<https://github.com/user-19>", Ok("user-19")),
    ("[the author](https://github.com/user-20)", Ok("user-20")),
    ("user-21/website", Ok("user-21")),
    ("https://github.com/@user-22", Ok("user-22")),
    ("https://GitHub.com/User-23", Ok("user-23")),
    ("https://github.com//user-24", Ok("user-24")),
    ("@user-25,", Ok("user-25")),
    ("user-26;", Ok("user-26")),
    ("\"user-27\"", Ok("user-27")),
    ("'user-28'", Ok("user-28")),
    ("`user-29`", Ok("user-29")),
    ("(user-30)", Ok("user-30")),
    ("https://github.com/stars/user-31/lists/tools", Ok("user-31")),
    ("https://github.com/apps/renovate", Ok("renovate[bot]")),
    ("https://user-33.github.io", Err("write user-33")),
    ("app/renovate", Err("renovate[bot]")),
    ("https://github.com/orgs/org-35/teams/core", Err("--team org-35/core")),
    ("@org-36/core", Err("--team org-36/core")),
    ("https://github.com/features/actions", Err("github.com itself")),
    ("#REF!", Err("an error of a spreadsheet")),
    ("Mar-05", Err("@Mar-05")),
    ("none", Err("@none")),
];

#[test]
fn every_text_that_people_paste_is_its_login_or_has_a_hint() {
    let fake = Fake::well_behaved();
    let list = file(&PASTED.map(|(text, _)| text).join("\n"));
    for arguments in [vec!["-f", path(&list)], PASTED.map(|(text, _)| text).to_vec()] {
        let before = fake.requests();
        let rows = Program::for_fake(&fake, &[&["-F", "ndjson"], &arguments[..]].concat()).run().rows_of(40);
        for (row, (text, expected)) in rows.iter().zip(&PASTED) {
            match expected {
                Ok(login) => {
                    assert_eq!((&row["login"], &row["status"]), (&(*login).into(), &"ok".into()), "{text}");
                }
                Err(hint) => {
                    assert_eq!((&row["login"], &row["status"]), (&(*text).into(), &"invalid".into()));
                    assert!(row["error"].as_str().unwrap().contains(hint), "{row}");
                }
            }
        }
        let logins = PASTED.iter().filter(|(_, expected)| expected.is_ok()).count() as u64;
        assert_eq!(fake.requests() - before, logins, "one for each login");
    }
}

#[test]
fn the_shared_list_of_addresses_is_read_as_expected() {
    let shared = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases"));
    if !shared.join("c25-urls.txt").exists() {
        crate::program::report_skipped("there is no folder ../shared/cases");
        return;
    }
    let expected = std::fs::read_to_string(shared.join("expected.tsv")).unwrap();
    let expected = expected.lines().find_map(|line| line.strip_prefix("c25-urls.txt\t\t")).unwrap();
    let (logins, invalid) = expected.split_once("; invalid: ").unwrap();
    let fake = Fake::well_behaved();
    let list = shared.join("c25-urls.txt");
    let run = Program::for_fake(&fake, &["-F", "ndjson", "-f", list.to_str().unwrap()]).run();
    let of = |is_invalid: bool| -> Vec<String> {
        let rows = run.rows().into_iter().filter(|row| (row["status"] == "invalid") == is_invalid);
        rows.map(|row| row["login"].as_str().unwrap().to_lowercase()).collect()
    };
    assert_eq!(of(false).join(", "), logins.to_lowercase());
    assert_eq!(of(true).join(", "), invalid.to_lowercase());
}

#[test]
fn a_cell_with_several_logins_is_a_row_for_each() {
    let fake = Fake::well_behaved();
    let sheet = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let rows = "login,team\n\"a1, @a2; https://github.com/a3\",core\n\"Ask Mona, or the whole team\",web\n@a4 @a1,web\n";
    std::fs::write(sheet.path(), rows).unwrap();
    let sheet = sheet.path().to_str().unwrap();
    let run = Program::for_fake(&fake, &["-F", "ndjson", "-f", sheet, "--carry", "team"]).run();
    let rows: Vec<_> = run
        .rows()
        .iter()
        .map(|row| format!("{} {} {}", row["login"], row["status"], row["carried"]["team"]).replace('"', ""))
        .collect();
    assert_eq!(
        rows,
        ["a1 ok core", "a2 ok core", "a3 ok core", "Ask Mona, or the whole team invalid web", "a4 ok web"]
    );
    assert_eq!(fake.requests(), 4);
}

#[test]
fn no_login_of_a_long_line_or_a_quoted_argument_is_lost() {
    let fake = Fake::well_behaved();
    let thousands: Vec<_> = (0..3000).map(|number| format!("user-{number}")).collect();
    let list = file(&format!("first\n{}\n", thousands.join(", ")));
    let program = Program::for_fake(&fake, &["-f", path(&list), "-F", "ndjson"]);
    let run = program.env("GH_TOKEN", "ghp_sample").run();
    assert_eq!((run.status, run.rows().len()), (0, 3001), "{}", run.stderr);
    let run =
        Program::for_fake(&fake, &["user-1 user-2\nuser-3", "mona lisa", "Mr. X", "-F", "ndjson"]).run();
    let logins: Vec<_> = run.rows().iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, ["user-1", "user-2", "user-3", "mona", "lisa", "Mr. X"], "{}", run.stderr);
    let endless = file(&format!("first\n{}\n", "user-1,".repeat(200_000)));
    let run = Program::for_fake(&fake, &["-f", path(&endless), "-F", "ndjson"]).run();
    assert_eq!((run.status, run.rows().len()), (2, 1), "{}", run.stderr);
    assert!(run.stderr.contains("it has a line of more than 1 MiB"), "{}", run.stderr);
}

#[test]
fn every_spelling_of_a_login_is_looked_up_once() {
    let fake = Fake::well_behaved();
    let run = Program::for_fake(
        &fake,
        &["@torvalds", "https://github.com/torvalds/", "TORVALDS", "torvalds", "antirez", "-F", "ndjson"],
    )
    .run();
    assert_eq!(run.status, 0);
    let logins: Vec<_> = run.rows().iter().map(|row| row["login"].clone()).collect();
    assert_eq!(logins, ["torvalds", "antirez"]);
    assert_eq!(fake.requests(), 2);
    assert!(
        run.stderr.starts_with("ghrepos: 2 logins: 2 counted; 83 public repositories; 3 duplicates dropped"),
        "{}",
        run.stderr
    );
}

#[test]
fn arguments_files_and_stdin_are_one_input() {
    let fake = Fake::well_behaved();
    let list = crate::program::file("two # the second\n\n# comment\nThree");
    let program = Program::for_fake(&fake, &["one", "-", "-f", crate::program::path(&list), "-F", "ndjson"]);
    let run = program.run_with_input("four\nONE\n");
    let logins: Vec<_> = run.rows().iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, ["one", "four", "two", "three"]);
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf8_is_an_invalid_row() {
    use std::os::unix::ffi::OsStrExt;
    let fake = Fake::well_behaved();
    let run = Program::for_fake(&fake, &["-F", "ndjson", "torvalds"])
        .raw_argument(std::ffi::OsStr::from_bytes(b"\xff"))
        .run();
    let statuses: Vec<_> = run.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(statuses, ["ok", "invalid"]);
}

#[test]
fn an_output_never_overwrites_its_input() {
    let list = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let path = list.path().to_str().unwrap();
    let run = Program::new(&["-f", path, "-o", path]).run();
    assert_eq!(run.status, 2);
    assert_eq!(run.stderr, format!("ghrepos: output {path} would overwrite the input file\n"));
}

#[test]
fn a_file_among_the_arguments_is_refused_with_its_flag() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    for name in ["team.csv", "user-1"] {
        std::fs::write(folder.path().join(name), "torvalds\n").unwrap();
    }
    let run = Program::for_fake(&fake, &["a", "team.csv"]).current_dir(folder.path()).run();
    let line = "ghrepos: \"team.csv\" is a file, not a login: read it with --file team.csv\n";
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", line));
    assert_eq!(fake.requests(), 0);
    let run = Program::for_fake(&fake, &["user-1", "-F", "ndjson"]).current_dir(folder.path()).run();
    let note = "ghrepos: \"user-1\" is looked up as a login; to read the file of this name use --file\n";
    assert_eq!((run.status, &run.rows_of(1)[0]["login"]), (0, &"user-1".into()));
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
}

#[test]
fn a_token_among_the_arguments_is_refused_and_not_shown() {
    for arguments in [
        &["ghp_S3cretS3cretS3cretS3cretS3cretS3cret"][..],
        &["a", "--token", "ghp_S3cretS3cretS3cretS3cretS3cretS3cret"],
        &["a", "--token=S3cret"],
    ] {
        let run = Program::new(arguments).run();
        assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        assert!(run.stderr.contains("GH_TOKEN") && !run.stderr.contains("S3cret"), "{}", run.stderr);
    }
}

#[test]
fn an_unreadable_input_is_reported_in_one_line() {
    for (file, line) in [
        ("/nowhere/list.txt", "ghrepos: cannot read /nowhere/list.txt: No such file or directory\n"),
        ("/", "ghrepos: cannot read /: it is a folder; name a file in it\n"),
    ] {
        let run = Program::new(&["-f", file]).run();
        assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", line));
    }
    let run = Program::new(&[]).run();
    assert_eq!(run.status, 2);
    assert!(run.stderr.starts_with("ghrepos: no logins given: "), "{}", run.stderr);
}

#[test]
fn the_reports_of_all_shards_add_up_to_the_whole() {
    let fake = Fake::well_behaved();
    let input = file(&(users(300) + "USER-7\nmissing-1\nno login\n"));
    let rows = |shard: &[&str]| {
        let arguments = [&["-f", path(&input), "-F", "ndjson", "-q"], shard].concat();
        let mut rows = Program::for_fake(&fake, &arguments).run().rows();
        rows.iter_mut().for_each(|row| row["at"] = serde_json::Value::Null);
        rows
    };
    let whole = rows(&[]);
    assert_eq!(whole.len(), 302);
    let mut parts: Vec<_> =
        ["1/3", "2/3", "3/3"].iter().flat_map(|shard| rows(&["--shard", shard])).collect();
    assert_eq!(fake.requests(), 2 * 301, "each login is looked up in one part");
    let order = |row: &serde_json::Value| whole.iter().position(|other| other["login"] == row["login"]);
    parts.sort_by_key(order);
    assert_eq!(parts, whole);
    for wrong in ["0/3", "4/3", "3"] {
        let run = Program::for_fake(&fake, &["a", "--shard", wrong]).run();
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("expected a part such as 1/8"), "{}", run.stderr);
    }
}

#[test]
fn a_login_before_thousands_of_invalid_lines_is_looked_up() {
    let lines: String = (0..7000).map(|number| format!("not/a/login/{number}\n")).collect();
    let list = file(&format!("torvalds\n{lines}"));
    let arguments =
        ["--replay", "fixtures/github", "--api", "graphql", "-f", path(&list), "-F", "ndjson", "-q"];
    let run = Program::new(&arguments).run();
    let rows = run.rows_of(7001);
    assert_eq!((&rows[0]["login"], &rows[7000]["status"]), (&"torvalds".into(), &"invalid".into()));
}
