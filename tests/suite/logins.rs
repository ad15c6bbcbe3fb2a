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
        "a/b",
        "a?b",
        "a%2fb",
        "",
        forty.as_str(),
        "naïve",
        "a\u{1b}[31mb",
        "a\nb",
        "a b",
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
        run.stderr.starts_with("ghrepos: 2 logins (3 duplicates dropped): 2 counted. 83 public"),
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
    let lines: String = (0..20_000).map(|number| format!("not/a/login/{number}\n")).collect();
    let list = file(&format!("torvalds\n{lines}"));
    let arguments =
        ["--replay", "fixtures/github", "--api", "graphql", "-f", path(&list), "-F", "ndjson", "-q"];
    let run = Program::new(&arguments).run();
    let rows = run.rows_of(20_001);
    assert_eq!((&rows[0]["login"], &rows[20_000]["status"]), (&"torvalds".into(), &"invalid".into()));
}
