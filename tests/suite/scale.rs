//! Parts of a list on many machines: the recipes of docs/scale.md, and the command that joins the parts.

mod recipes;

use std::fs;
use std::path::PathBuf;

use crate::fake::{Fake, Fault, account};
use crate::program::{Program, Run, users};

/// A folder with a list, the reports of its parts, and the fake that they were made with.
struct Parts {
    folder: tempfile::TempDir,
    fake: Fake,
}

impl Parts {
    fn new(list: &str) -> Self {
        let parts = Self { folder: tempfile::tempdir().unwrap(), fake: Fake::well_behaved() };
        fs::write(parts.at("everyone.txt"), list).unwrap();
        parts
    }

    /// A list with the reports of all its parts.
    fn complete(list: &str, of: u32) -> Self {
        let parts = Self::new(list);
        for part in 1..=of {
            let run = parts.count(part, of, &[]);
            assert!(run.status <= 1, "{}", run.stderr);
        }
        parts
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Counts one part.
    fn count(&self, part: u32, of: u32, arguments: &[&str]) -> Run {
        let (shard, report) = (format!("{part}/{of}"), format!("part-{part}.ndjson"));
        let own = ["-f", "everyone.txt", "--shard", &shard, "-o", &report];
        Program::for_fake(&self.fake, &[&own[..], arguments].concat()).current_dir(self.folder.path()).run()
    }

    /// Joins the parts, without a server.
    fn join(&self, arguments: &[&str]) -> Run {
        let own = ["--from", "part-*.ndjson", "-o", "everyone.csv"];
        Program::new(&[&own[..], arguments].concat()).current_dir(self.folder.path()).run()
    }

    /// Removes the rows of some logins from the report of their part.
    fn remove_rows(&self, part: u32, logins: &[&str]) {
        let name = format!("part-{part}.ndjson");
        let is_removed = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            logins.contains(&row["login"].as_str().unwrap())
        };
        let kept: String = self
            .read(&name)
            .lines()
            .filter(|line| !is_removed(line))
            .map(|line| format!("{line}\n"))
            .collect();
        fs::write(self.at(&name), kept).unwrap();
    }

    /// Logins of a part, in the order of its report.
    fn logins(&self, part: u32) -> Vec<String> {
        let rows = crate::program::rows(&self.read(&format!("part-{part}.ndjson")));
        rows.iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect()
    }
}

/// Asserts that a CSV report has one row for each of these logins, with the count of the fake.
fn assert_counts(csv: &str, logins: &[String]) {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|other| other == name).unwrap();
    let (login, status, count) = (column("login"), column("status"), column("public_repos"));
    let mut rows: Vec<_> = reader
        .records()
        .map(Result::unwrap)
        .map(|row| [&row[login], &row[status], &row[count]].map(str::to_owned))
        .collect();
    let mut expected: Vec<_> = logins
        .iter()
        .map(|login| match account(login) {
            _ if login.contains(' ') => [login.clone(), "invalid".to_owned(), String::new()],
            None => [login.clone(), "not_found".to_owned(), String::new()],
            Some(account) => [login.clone(), "ok".to_owned(), account.public_repos.to_string()],
        })
        .collect();
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
}

#[test]
fn a_list_that_the_parts_cover_joins_them_as_before() {
    let list = users(300) + "USER-7\nmissing-1\nno login\n=1+1\n  @user-8 \n";
    let parts = Parts::complete(&list, 3);
    let before = parts.join(&["-q"]);
    let (without_list, requests) = (parts.read("everyone.csv"), parts.fake.requests());
    assert_eq!((before.status, before.stderr.as_str()), (1, ""));
    for list in [&["-f", "everyone.txt"][..], &["-f", "everyone.txt", "--parts", "3"], &["user-1", "USER-2"]]
    {
        let joined = parts.join(&[list, &["-q"]].concat());
        assert_eq!((joined.status, joined.stderr.as_str()), (1, ""), "{list:?}");
        assert_eq!(parts.read("everyone.csv"), without_list, "{list:?}");
    }
    // A CSV report has the same logins.
    let joined = Program::new(&["--from", "everyone.csv", "-f", "everyone.txt", "-F", "ndjson"])
        .current_dir(parts.folder.path())
        .run();
    assert_eq!(joined.rows_of(303).len(), 303);
    assert_eq!(joined.status, 1, "{}", joined.stderr);
    // Standard input is a list, too.
    let joined = Program::new(&["--from", "everyone.csv", "-", "-F", "csv", "-q"])
        .current_dir(parts.folder.path())
        .run_with_input("User-3\nuser-301\n");
    assert_eq!(
        (joined.status, joined.stdout.as_str(), joined.stderr.as_str()),
        (
            5,
            "",
            "ghrepos: not complete: 1 of 2 logins has no row: user-301; nothing was written; run their part again with --resume (--parts N names it)\n"
        )
    );
    assert_eq!(parts.fake.requests(), requests);
}

#[test]
fn parts_that_lack_rows_are_named_and_nothing_is_written() {
    let parts = Parts::complete(&users(400), 4);
    assert_eq!(parts.join(&["-q"]).status, 0);
    let (two, four) = (parts.logins(2), parts.logins(4));
    fs::rename(parts.at("part-2.ndjson"), parts.at("elsewhere.ndjson")).unwrap();
    let removed: Vec<_> = four.iter().take(7).map(String::as_str).collect();
    parts.remove_rows(4, &removed);
    let expected = format!(
        "ghrepos: part 2 of 4 is missing: none of its {} logins has a row\n\
         ghrepos: part 4 of 4 is incomplete: 7 of its {} logins have no row: {} and 2 more\n\
         ghrepos: not complete: {} of 400 logins have no row; nothing was written; run again with --resume: --shard 2/4, --shard 4/4\n",
        two.len(),
        four.len(),
        removed[..5].join(", "),
        two.len() + 7,
    );
    let before = parts.read("everyone.csv");
    for quiet in [&["-q"][..], &[]] {
        let run = parts.join(&[&["-f", "everyone.txt", "--parts", "4"], quiet].concat());
        assert_eq!((run.status, run.stderr.as_str()), (5, expected.as_str()));
    }
    let run = parts.join(&["-f", "everyone.txt"]);
    let line = format!("ghrepos: not complete: {} of 400 logins have no row: ", two.len() + 7);
    assert!(
        run.status == 5 && run.stderr.starts_with(&line) && run.stderr.lines().count() == 1,
        "{}",
        run.stderr
    );
    assert_eq!(parts.read("everyone.csv"), before);
    assert!(!parts.at("everyone.csv.partial").exists());
    // The way out works.
    assert_eq!(parts.count(2, 4, &["--resume"]).status, 0);
    assert_eq!(parts.count(4, 4, &["--resume"]).status, 0);
    let run = parts.join(&["-f", "everyone.txt", "--parts", "4"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_counts(&parts.read("everyone.csv"), &users(400).lines().map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn an_interrupted_part_is_named_whether_a_list_is_given_or_not() {
    let parts = Parts::complete(&users(90), 3);
    fs::rename(parts.at("part-2.ndjson"), parts.at("part-2.ndjson.partial")).unwrap();
    let note = "ghrepos: part-2.ndjson.partial is of an unfinished run, and is not read; continue that run with --resume\n";
    let run = parts.join(&[]);
    assert!(run.status == 0 && run.stderr.starts_with(note), "{}", run.stderr);
    assert_eq!(parts.join(&["-q"]).stderr, "");
    for quiet in [&["-q"][..], &[]] {
        let run = parts.join(&[&["-f", "everyone.txt", "--parts", "3"], quiet].concat());
        assert!(run.status == 5 && run.stderr.starts_with(note), "{}", run.stderr);
        assert!(run.stderr.contains("\nghrepos: part 2 of 3 is missing: none of its "), "{}", run.stderr);
    }
    // Beside a report that is named, in its place, and where nothing else matches.
    let run =
        |from: &str| Program::new(&["--from", from, "-F", "csv"]).current_dir(parts.folder.path()).run();
    let absent = run("part-2.ndjson");
    assert!(absent.status == 2 && absent.stderr.starts_with(note), "{}", absent.stderr);
    assert!(absent.stderr.contains("cannot read part-2.ndjson as a report"), "{}", absent.stderr);
    let none = run("part-2*.ndjson");
    assert_eq!(none.status, 2);
    assert_eq!(
        none.stderr,
        format!("ghrepos: no file matches part-2*.ndjson: {}", &note["ghrepos: ".len()..])
    );
    fs::copy(parts.at("part-1.ndjson"), parts.at("part-2.ndjson")).unwrap();
    assert!(run("part-2.ndjson").stderr.starts_with(note));
    // One that is read is not named.
    let read = run("part-2.ndjson.partial");
    assert!(read.status == 5 && !read.stderr.contains("is not read"), "{}", read.stderr);
}

#[test]
fn rows_that_are_not_in_the_list_are_a_note() {
    let parts = Parts::complete(&users(20), 1);
    let run = parts.join(&["-f", "everyone.txt"]);
    assert!(run.status == 0 && !run.stderr.contains("not in the list"), "{}", run.stderr);
    let run = parts.join(&["user-1", "user-2"]);
    assert_eq!(run.status, 0);
    let note = "ghrepos: 18 rows are of logins that are not in the list: user-3, user-4, user-5, user-6, user-7 and 13 more\n";
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
    assert_eq!(parts.read("everyone.csv").lines().count(), 21);
}

#[test]
fn a_login_that_was_redirected_is_missing_under_its_old_name() {
    let mut parts = Parts::new("old\nuser-1\n");
    parts.fake = Fake::with_faults(|context| {
        (context.login == "old")
            .then(|| Fault::Response(301, vec![("location", "/users/new".into())], "{}".into()))
    });
    assert_eq!(parts.count(1, 1, &["--api", "rest"]).status, 0);
    let run = parts.join(&["-f", "everyone.txt"]);
    assert_eq!(run.status, 5);
    let note = "ghrepos: 1 row is of a login that is not in the list: new\nghrepos: not complete: 1 of 2 logins has no row: old;";
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
}

#[test]
fn a_list_that_cannot_be_checked_is_an_error_in_one_line() {
    let parts = Parts::complete("user-1\n", 1);
    fs::write(parts.at("empty.txt"), "# nobody\n").unwrap();
    for (arguments, reason) in [
        (&["-f", "none.txt"][..], "cannot read none.txt: No such file or directory"),
        (&["-f", "empty.txt"], "the input has no logins; use --allow-empty if that is right"),
        (&["--parts", "3"], "--parts names the parts that lack logins of a list: add -f FILE"),
        (&["-f", "everyone.txt", "--parts", "0"], "expected an integer from 1 to"),
        (
            &["everyone.txt"],
            "\"everyone.txt\" is a file, not a login: add --from before each report, or quote the pattern",
        ),
        (&["--shard", "1/2"], "'--shard <I/N>'"),
    ] {
        let run = parts.join(arguments);
        assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        assert!(run.stderr.contains(reason), "{arguments:?}: {}", run.stderr);
        assert!(!parts.at("everyone.csv").exists());
    }
    assert_eq!(parts.join(&["-f", "empty.txt", "--allow-empty"]).status, 0);
}

#[test]
fn a_login_that_was_only_removed_is_missing() {
    let parts = Parts::new("user-1\nuser-2\n");
    let row = "{\"login\":\"user-1\",\"status\":\"removed\",\"event\":\"removed\",\"attempts\":0}\n";
    let counted = "{\"login\":\"user-2\",\"status\":\"ok\",\"public_repos\":1,\"attempts\":1}\n";
    fs::write(parts.at("part-1.ndjson"), format!("{counted}{row}")).unwrap();
    let run = parts.join(&["-f", "everyone.txt"]);
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains("1 of 2 logins has no row: user-1;"), "{}", run.stderr);
}

#[test]
fn the_file_of_another_part_is_not_resumed() {
    let parts = Parts::complete(&users(200), 8);
    // Texts that are not logins have parts, too. That of one with a control character is not known.
    let texts = Parts::complete("no login\na\u{7}b\n", 1);
    let refused = ["1/2", "2/2"].map(|shard| {
        let arguments = ["-f", "everyone.txt", "--shard", shard, "-o", "part-1.ndjson", "--resume", "--plan"];
        Program::for_fake(&texts.fake, &arguments).current_dir(texts.folder.path()).run()
    });
    let refused: Vec<_> = refused.iter().filter(|run| run.status != 0).map(|run| &*run.stderr).collect();
    assert!(refused.len() == 1 && refused[0].contains("line 1 is the row of \"no login\""), "{refused:?}");
    let requests = parts.fake.requests();
    let (before, first) = (parts.read("part-4.ndjson"), parts.logins(4).remove(0));
    let resume = |shard: &str, more: &[&str]| {
        let arguments = ["-f", "everyone.txt", "--shard", shard, "-o", "part-4.ndjson", "--resume"];
        Program::for_fake(&parts.fake, &[&arguments[..], more].concat())
            .current_dir(parts.folder.path())
            .run()
    };
    let expected = format!(
        "ghrepos: cannot resume from part-4.ndjson: line 1 is the row of \"{first}\", which is in part 4/8, and this run is \
         --shard 3/8; correct --shard, or name the file of this part with --output; the file is unchanged\n"
    );
    for more in [&[][..], &["--plan"]] {
        let run = resume("3/8", more);
        assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", expected.as_str()));
        assert_eq!(parts.read("part-4.ndjson"), before);
        assert!(!parts.at("part-4.ndjson.partial").exists());
    }
    assert_eq!(parts.fake.requests(), requests);
    // An unfinished part, too. The right part goes on, and a part of fewer machines includes this one.
    fs::rename(parts.at("part-4.ndjson"), parts.at("part-4.ndjson.partial")).unwrap();
    assert_eq!(resume("3/8", &[]).status, 2);
    assert_eq!(parts.read("part-4.ndjson.partial"), before);
    assert_eq!(resume("4/8", &[]).status, 0);
    assert_eq!(parts.fake.requests(), requests);
    assert_eq!(resume("4/4", &[]).status, 0);
    assert!(before.lines().all(|line| parts.read("part-4.ndjson").contains(line)));
}
