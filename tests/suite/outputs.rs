//! Output files, pipes, and errors in writing them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use crate::fake::{Behavior, Fake, Fault};
use crate::program::{Program, file, path, users, wait_for_exit};

fn slow() -> Fake {
    Fake::start(Behavior { latency: Duration::from_millis(10), ..Behavior::default() })
}

#[test]
fn a_closed_output_stops_the_requests_without_an_error() {
    for format in ["ndjson", "csv", "tsv"] {
        let fake = slow();
        let input = file(&users(2000));
        let mut child = Program::for_fake(&fake, &["-f", path(&input), "-F", format]).spawn();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let run = wait_for_exit(child);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{format}");
        assert!(fake.requests() < 2000, "{format}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error_for_a_table() {
    let fake = Fake::well_behaved();
    let mut child = Program::for_fake(&fake, &["torvalds"]).spawn();
    drop(child.stdout.take());
    let run = wait_for_exit(child);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
}

#[cfg(unix)]
#[test]
fn an_unwritable_output_is_status_2_and_one_line() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(at("folder.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/full", at("full.ndjson")).unwrap();
    for (output, reason) in [
        (at("folder.csv"), "it is a folder; name a file in it".to_owned()),
        (at("missing/report.csv"), format!("folder {} does not exist", at("missing"))),
        (at("full.ndjson"), "No space left on device".to_owned()),
    ] {
        let run = Program::for_fake(&fake, &["torvalds", "-o", &output]).run();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""));
        assert_eq!(run.stderr, format!("ghrepos: cannot write {output}: {reason}\n"));
    }
    let run = Program::for_fake(&fake, &["torvalds", "-o", "/dev/full"]).run();
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    for format in ["table", "csv", "json", "ndjson"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let run = Program::for_fake(&fake, &["torvalds", "-F", format]).stdout(full).run();
        assert_eq!(run.status, 2, "{format}");
        assert_eq!(
            run.stderr, "ghrepos: cannot write standard output: No space left on device\n",
            "{format}"
        );
    }
    assert!(fs::symlink_metadata(at("full.ndjson")).unwrap().is_symlink());
}

#[test]
fn one_run_writes_several_reports_and_nothing_to_stdout() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let run = Program::for_fake(
        &fake,
        &["torvalds", "missing", "-o", "a.csv", "-o", "a.tsv", "-o", "a.json", "-o", "a.ndjson"],
    )
    .current_dir(folder.path())
    .run();
    assert_eq!((run.status, run.stdout.as_str(), fake.requests()), (1, "", 2));
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let mut csv = csv::Reader::from_reader(fs::File::open(folder.path().join("a.csv")).unwrap());
    let header: Vec<_> = csv.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["login", "status", "type", "public_repos", "error", "id", "api", "at", "attempts"]);
    let records: Vec<_> = csv.records().map(Result::unwrap).collect();
    assert_eq!((&records[0][0], &records[0][3]), ("torvalds", "9"));
    assert_eq!((&records[1][1], &records[1][3]), ("not_found", ""), "an absent count is empty, not 0");
    assert_eq!(read("a.tsv").lines().count(), 3);
    assert_eq!(read("a.ndjson").lines().count(), 2);
    let json: serde_json::Value = serde_json::from_str(&read("a.json")).unwrap();
    assert_eq!(json["summary"]["not_found"], 1);
    assert_eq!(json["rows"][1]["public_repos"], serde_json::Value::Null);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left behind");

    let run =
        Program::for_fake(&fake, &["torvalds", "-o", "b.csv", "-F", "csv"]).current_dir(folder.path()).run();
    assert_eq!(run.stdout, read("b.csv"));
}

#[test]
fn a_run_without_results_leaves_an_earlier_report_alone() {
    let fake = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.csv");
    fs::write(&report, "last week's").unwrap();
    let run = Program::for_fake(&fake, &["torvalds", "-o", report.to_str().unwrap()])
        .env("GH_TOKEN", "wrong")
        .run();
    assert_eq!(run.status, 4);
    assert_eq!(fs::read_to_string(&report).unwrap(), "last week's");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_report_appears_only_when_it_is_complete() {
    let fake = slow();
    let input = file(&users(100));
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.csv");
    let mut child = Program::for_fake(
        &fake,
        &["-f", path(&input), "-F", "ndjson", "-j", "1", "-o", report.to_str().unwrap()],
    )
    .spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    assert!(!report.exists());
    stdout.read_to_string(&mut String::new()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&report).unwrap().lines().count(), 101);
}

#[cfg(unix)]
#[test]
fn a_replaced_report_keeps_its_mode_and_its_symlink() {
    use std::os::unix::fs::PermissionsExt;
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.csv"), folder.path().join("link.csv"));
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.csv", &link).unwrap();
    let run = Program::for_fake(&fake, &["torvalds", "-q", "-o", link.to_str().unwrap()]).run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("torvalds"));
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);

    let new = folder.path().join("new.csv");
    Program::for_fake(&fake, &["torvalds", "-q", "-o", new.to_str().unwrap()]).run();
    assert_ne!(fs::metadata(&new).unwrap().permissions().mode() & 0o044, 0, "a report is an ordinary file");
}

/// Runs the program in a shell with a umask.
fn under_umask(umask: &str, arguments: &[&str]) -> std::process::Output {
    let script = format!("umask {umask}; exec \"$0\" \"$@\"");
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_ghrepos")]).args(arguments).env_clear();
    command.output().unwrap()
}

#[test]
fn a_new_report_has_the_permissions_of_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let url = fake.url();
    for (umask, most) in [("077", 0o600), ("027", 0o640)] {
        for name in ["a.csv", "a.ndjson", "a.html", "a.db"] {
            let path = folder.path().join(format!("{umask}-{name}"));
            let to = path.to_str().unwrap();
            let saving = format!("sqlite:{to}");
            let where_to = if name == "a.db" { ["--save", &saving] } else { ["-o", to] };
            let arguments = [&["torvalds", "-q", "--api-url", &url], &where_to[..]].concat();
            let run = under_umask(umask, &arguments);
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & !most, 0, "{name} with {umask}: {mode:o}");
        }
    }
}

#[test]
fn the_second_of_two_concurrent_runs_on_one_file_is_refused() {
    let fake = slow();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.csv");
    let list = file(&users(300));
    let program = || Program::for_fake(&fake, &["-q", "-f", path(&list), "-o", report.to_str().unwrap()]);
    let first = program().spawn();
    while fake.requests() < 20 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = program().run();
    assert_eq!(second.status, 2);
    assert_eq!(
        second.stderr,
        format!("ghrepos: cannot write {}: another run is writing to it\n", report.display())
    );
    assert_eq!(wait_for_exit(first).status, 0);
    assert_eq!(fs::read_to_string(&report).unwrap().lines().count(), 301);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["report.csv"], "nothing else is left behind");
}

#[test]
fn a_table_shows_counts_reasons_and_a_summary() {
    let fake = Fake::well_behaved();
    let run = Program::for_fake(&fake, &["torvalds", "missing-one"]).run();
    insta::assert_snapshot!(run.stdout, @r##"
     Login         Public repos
    ─────────────────────────────────────────────────────
     torvalds                 9
     missing-one      not found
    ─────────────────────────────────────────────────────
     2 logins                 9   1 counted, 1 not found
    "##);
    assert!(
        run.stderr
            .starts_with("ghrepos: 2 logins: 1 counted, 1 not found; 9 public repositories; 2 requests in ")
    );
    let ascii = Program::for_fake(&fake, &["torvalds", "naïve"]).env("LANG", "C").run();
    assert!(ascii.stdout.is_ascii(), "{}", ascii.stdout);
    let colored = Program::for_fake(&fake, &["missing-one", "--color", "always"]).run();
    assert!(colored.stdout.contains('\u{1b}'));
}

#[test]
fn sorting_and_cutting_do_not_change_the_totals() {
    let fake = Fake::with_faults(|context| {
        (context.login == "broken").then_some(Fault::Response(
            404,
            vec![],
            r#"{"message":"Not Found"}"#.into(),
        ))
    });
    let run =
        Program::for_fake(&fake, &["torvalds", "antirez", "broken", "gvanrossum", "--top", "2", "-F", "csv"])
            .run();
    let logins: Vec<_> = run.stdout.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(logins, ["antirez", "gvanrossum"]);
    assert_eq!(run.status, 1, "a failure that is not shown is still one");
    assert!(run.stderr.contains("4 logins: 3 counted, 1 not found; 111 public"), "{}", run.stderr);
}

#[test]
fn chosen_columns_are_shown_in_their_order() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let input = folder.path().join("team.csv");
    fs::write(&input, "login,Team\ntorvalds,kernel\nmissing,none\n").unwrap();
    let arguments = [
        "-f",
        &at("team.csv"),
        "--carry",
        "Team",
        "--columns",
        "id,team,LOGIN",
        "-o",
        &at("a.csv"),
        "-o",
        &at("a.ndjson"),
        "-o",
        &at("a.md"),
        "-o",
        "-",
    ];
    let run = Program::for_fake(&fake, &arguments).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let csv = fs::read_to_string(at("a.csv")).unwrap();
    assert_eq!(csv, "id,Team,login\r\n37143412,kernel,torvalds\r\n,none,missing\r\n");
    let markdown = fs::read_to_string(at("a.md")).unwrap();
    assert!(
        markdown.contains("| id | Team | Login |\n| --: | :-- | :-- |\n| 37143412 | kernel |"),
        "{markdown}"
    );
    assert!(fs::read_to_string(at("a.ndjson")).unwrap().contains("\"attempts\":1"), "NDJSON has all columns");
    let header: Vec<_> = run.stdout.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["id", "Team", "Login"], "{}", run.stdout);
    assert!(!run.stdout.contains("no such user"), "a reason was not chosen: {}", run.stdout);

    let message = |arguments: &[&str]| {
        let run = Program::for_fake(&fake, arguments).run();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""));
        run.stderr
    };
    let requests = fake.requests();
    assert_eq!(
        message(&["torvalds", "--columns", "login,forks"]),
        "ghrepos: --columns forks requires --breakdown\n"
    );
    assert_eq!(
        message(&["torvalds", "--columns", "repos"]),
        "ghrepos: unknown column \"repos\" in --columns: the columns are login, status, type, public_repos, error, id, api, at, \
         attempts\n"
    );
    assert_eq!(
        message(&["--from", &at("a.ndjson"), "--columns", "change"]),
        "ghrepos: cannot show change: the report has no such column; choose another one, or count again with --baseline\n"
    );
    assert_eq!(message(&["torvalds", "--sort", "change"]), "ghrepos: --sort change requires --baseline\n");
    assert_eq!(fake.requests(), requests, "refused before the first request");
}

#[test]
fn rows_are_sorted_by_their_change_in_both_directions() {
    let fake = Fake::well_behaved();
    let baseline = file("login,status,id,public_repos\ntorvalds,ok,,20\nantirez,ok,,70\ngone,ok,,1\n");
    let baseline = {
        let named = baseline.path().with_extension("csv");
        fs::copy(baseline.path(), &named).unwrap();
        named
    };
    let changes = |reverse: &[&str]| {
        let first = [
            "torvalds",
            "new-account",
            "antirez",
            "--baseline",
            baseline.to_str().unwrap(),
            "--sort",
            "change",
        ];
        let run = Program::for_fake(&fake, &[&first, &["-F", "ndjson"][..], reverse].concat()).run();
        let rows = run.rows_of(4);
        rows.iter().map(|row| row["change"].as_i64()).collect::<Vec<_>>()
    };
    let (falling, rising) = (changes(&[]), changes(&["--reverse"]));
    fs::remove_file(&baseline).unwrap();
    assert!(falling[0] > falling[1] && falling[2..] == [None, None], "{falling:?}");
    assert_eq!(rising, [falling[1], falling[0], None, None]);
}
