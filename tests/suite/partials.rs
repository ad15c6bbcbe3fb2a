//! Reports that are not complete: `FILE.partial`, statuses, and inputs without logins.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use crate::fake::{Behavior, Fake, Fault, PrimaryLimit};
use crate::program::{Program, Run, file, path, rows, users, wait_for_exit};

/// A folder with reports of last week.
struct Folder(tempfile::TempDir);

const EARLIER: &str = "last week's";
const FORMATS: [&str; 7] = ["csv", "tsv", "json", "ndjson", "html", "md", "prom"];

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with_reports() -> Self {
        let folder = Self::new();
        for format in FORMATS {
            fs::write(folder.at(&format!("report.{format}")), EARLIER).unwrap();
        }
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn program(&self, fake: &Fake, arguments: &[&str]) -> Program {
        Program::for_fake(fake, arguments).current_dir(self.0.path())
    }

    fn run(&self, fake: &Fake, arguments: &[&str]) -> Run {
        self.program(fake, arguments).run()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn slow() -> Fake {
    Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() })
}

fn every_output() -> Vec<String> {
    FORMATS.iter().flat_map(|format| ["-o".to_owned(), format!("report.{format}")]).collect()
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn an_incomplete_run_keeps_the_report() {
    let list = file(&users(500));
    let outputs = every_output();
    let common: Vec<_> = ["-f", path(&list)].into_iter().chain(outputs.iter().map(String::as_str)).collect();
    for (status, arguments, limit) in [
        (130, &[][..], None),
        (143, &["-q"], None),
        (5, &["--deadline", "2s"], None),
        (5, &["--max-points", "30"], None),
        (5, &[], Some(PrimaryLimit::new(30, Duration::from_hours(1)))),
    ] {
        // The list takes ten seconds.
        let latency = Duration::from_millis(200);
        let fake = Fake::start(Behavior { latency, primary: limit, ..Behavior::default() });
        let folder = Folder::with_reports();
        let child = folder.program(&fake, &[&common[..], arguments].concat()).spawn();
        if status > 5 {
            while fake.requests() < 50 {
                std::thread::sleep(Duration::from_millis(5));
            }
            signal(&child, if status == 130 { "-INT" } else { "-TERM" });
        }
        let run = wait_for_exit(child);
        assert_eq!(run.status, status, "{}", run.stderr);
        for format in FORMATS {
            assert_eq!(folder.read(&format!("report.{format}")), EARLIER, "{status}");
        }
        let ndjson = rows(&folder.read("report.ndjson.partial"));
        assert_eq!(ndjson.len(), 500);
        let ok = ndjson.iter().filter(|row| row["status"] == "ok").count();
        assert!((1..500).contains(&ok), "{ok}");
        let csv = folder.read("report.csv.partial");
        assert_eq!(csv.matches(",ok,").count(), ok);
        let json: serde_json::Value = serde_json::from_str(&folder.read("report.json.partial")).unwrap();
        assert_eq!(json["summary"]["complete"], false);
        assert!(folder.read("report.html.partial").contains("</html>"));
        let line = "ghrepos: not complete: the rows so far are in report.csv.partial, report.tsv.partial, ";
        let line = run
            .stderr
            .lines()
            .find(|stderr| stderr.starts_with(line))
            .unwrap_or_else(|| panic!("{}", run.stderr));
        assert!(
            line.contains("; report.csv, report.tsv, ") && line.ends_with(" report.prom are unchanged"),
            "{line}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_moment_keeps_the_report() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(2), ..Behavior::default() });
    let list = file(&users(400));
    let outputs = every_output();
    let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = Folder::with_reports();
    let (mut killed, mut ended) = (0, 0);
    while killed < 10 {
        let mut child =
            folder.program(&fake, &[&["-q", "--resume", "-f", path(&list)], &outputs[..]].concat());
        if killed + ended == 0 {
            // There is no journal to begin with.
            fs::remove_file(folder.at("report.ndjson")).unwrap();
        }
        child = child.argument("--max-age").argument("0s");
        let mut child = child.spawn();
        std::thread::sleep(Duration::from_micros(random.u64(0..200_000)));
        if child.try_wait().unwrap().is_some() {
            ended += 1;
        } else {
            killed += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for format in FORMATS {
            let text =
                fs::read_to_string(folder.at(&format!("report.{format}"))).unwrap_or_else(|_| EARLIER.into());
            let is_complete = match format {
                "csv" | "tsv" => text.lines().count() == 401,
                "ndjson" => rows_or_none(&text) == Some(400),
                "json" => serde_json::from_str::<serde_json::Value>(&text)
                    .is_ok_and(|json| json["rows"].as_array().unwrap().len() == 400),
                "html" => text.contains("</html>"),
                "prom" => text.ends_with("# EOF\n"),
                _ => text.contains("user-400"),
            };
            assert!(text == EARLIER || is_complete, "seed {seed}: {format}");
        }
    }
    let run = folder.run(&fake, &[&["-q", "--resume", "-f", path(&list)], &outputs[..]].concat());
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "seed {seed}");
    assert_eq!(folder.names().len(), FORMATS.len(), "seed {seed}: {:?}", folder.names());
}

fn rows_or_none(text: &str) -> Option<usize> {
    text.lines().all(|line| line.starts_with('{')).then(|| text.lines().count())
}

#[cfg(unix)]
#[test]
fn a_journal_is_not_replaced_without_resume() {
    let fake = slow();
    let folder = Folder::new();
    let list = file(&users(200));
    let arguments = ["-f", path(&list), "-q", "-o", "a.ndjson", "-o", "a.csv"];
    let mut child = folder.program(&fake, &arguments).spawn();
    while fs::read_to_string(folder.at("a.ndjson.partial")).unwrap_or_default().lines().count() < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let text = folder.read("a.ndjson.partial");
    let requests = fake.requests();
    for more in [&[][..], &["--sort", "login"], &["--top", "3"]] {
        let run = folder.run(&fake, &[&arguments[..], more].concat());
        assert_eq!(
            (run.status, run.stderr.as_str()),
            (
                2,
                "ghrepos: cannot write a.ndjson: a.ndjson.partial has the rows of an unfinished run; continue it \
                 with --resume, or remove it\n"
            )
        );
        assert_eq!(folder.read("a.ndjson.partial"), text);
    }
    // The ten requests in flight at the kill may arrive after it. A run would send 180.
    assert!(fake.requests() <= requests + 10, "{} requests, {requests} before", fake.requests());
    let requests = fake.requests();
    let run = folder.run(&fake, &[&arguments[..], &["--resume"]].concat());
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(fake.requests() - requests <= 200 - 20);
    assert_eq!(rows(&folder.read("a.ndjson")).len(), 200);
    assert_eq!(folder.names(), ["a.csv", "a.ndjson"]);
}

#[test]
fn resuming_goes_on_with_the_partial_and_else_the_report() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    fs::write(folder.at("list"), users(10)).unwrap();
    let arguments = ["-f", "list", "-q", "-o", "a.ndjson", "--resume"];
    assert_eq!(folder.run(&fake, &arguments).status, 0);
    let complete = folder.read("a.ndjson");
    // From the report, which stays as it is until its successor is complete.
    fs::write(folder.at("list"), users(14)).unwrap();
    let run = folder.run(&fake, &[&arguments[..], &["--max-points", "2", "-j", "1"]].concat());
    assert_eq!((run.status, fake.requests()), (5, 12), "{}", run.stderr);
    assert_eq!(folder.read("a.ndjson"), complete);
    assert_eq!(rows(&folder.read("a.ndjson.partial")).len(), 14);
    // From the rows of the unfinished run.
    let run = folder.run(&fake, &arguments);
    assert_eq!((run.status, fake.requests()), (0, 14), "{}", run.stderr);
    assert_eq!(rows(&folder.read("a.ndjson")).len(), 14);
    assert_eq!(folder.names(), ["a.ndjson", "list"]);
    // A run that was killed before its first row has left an empty file.
    fs::write(folder.at("a.ndjson.partial"), "").unwrap();
    let run = folder.run(&fake, &[&arguments[..], &["--plan"]].concat());
    assert!(run.stdout.starts_with("logins    0 (14 kept from before)\n"), "{}", run.stdout);
    let requests = fake.requests();
    let run = folder.run(&fake, &arguments);
    assert_eq!((run.status, fake.requests()), (0, requests), "{}", run.stderr);
    fs::write(folder.at("a.ndjson.partial"), "").unwrap();
    assert_eq!(folder.run(&fake, &["a", "-q", "-o", "a.ndjson"]).status, 0);
    assert_eq!(rows(&folder.read("a.ndjson")).len(), 1);
    assert_eq!(folder.names(), ["a.ndjson", "list"]);
}

#[test]
fn a_failing_rename_is_status_2_and_keeps_the_data() {
    for format in FORMATS {
        let fake = slow();
        let folder = Folder::new();
        let list = file(&users(100));
        let report = format!("report.{format}");
        let child =
            folder.program(&fake, &["-f", path(&list), "-q", "-o", &report, "-o", "other.csv"]).spawn();
        while fake.requests() < 20 {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Like a file that another program has open on Windows, a folder cannot be replaced.
        fs::create_dir(folder.at(&report)).unwrap();
        let run = wait_for_exit(child);
        assert_eq!(
            (run.status, run.stderr),
            (
                2,
                format!(
                    "ghrepos: cannot write {report}: it is a folder; name a file in it; the complete report is in {report}.partial\n"
                )
            )
        );
        assert!(folder.read(&format!("{report}.partial")).contains("user-100"));
        assert_eq!(folder.read("other.csv").lines().count(), 101, "the other report is complete");
        // `--resume` goes on once the report can be written.
        fs::remove_dir(folder.at(&report)).unwrap();
        if format == "ndjson" {
            let requests = fake.requests();
            let run = folder.run(&fake, &["-f", path(&list), "-q", "-o", &report, "--resume"]);
            assert_eq!((run.status, fake.requests()), (0, requests), "{}", run.stderr);
            assert_eq!(folder.names(), ["other.csv", "report.ndjson"]);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_partial_that_is_not_a_file_of_this_user_is_refused() {
    use std::os::unix::fs::{chown, symlink};
    let fake = Fake::well_behaved();
    for format in ["csv", "ndjson"] {
        for kind in ["link", "dangling", "pipe", "folder", "stranger"] {
            let folder = Folder::new();
            let partial = folder.at(&format!("report.{format}.partial"));
            fs::write(folder.at("precious"), EARLIER).unwrap();
            match kind {
                "link" => symlink("precious", &partial).unwrap(),
                "dangling" => symlink("nowhere", &partial).unwrap(),
                "pipe" => {
                    assert!(std::process::Command::new("mkfifo").arg(&partial).status().unwrap().success())
                }
                "folder" => fs::create_dir(&partial).unwrap(),
                _ => {
                    fs::write(&partial, "").unwrap();
                    if chown(&partial, Some(12345), None).is_err() {
                        crate::program::report_skipped("only root can give a file to another user");
                        continue;
                    }
                }
            }
            for more in [&[][..], &["--resume"]] {
                if format == "csv" && !more.is_empty() {
                    continue;
                }
                let report = format!("report.{format}");
                let run = folder.run(&fake, &[&["a", "-o", &report], more].concat());
                assert_eq!(run.status, 2, "{kind}");
                let reason = format!("{report}.partial: not a regular file of this user; remove it\n");
                assert!(
                    run.stderr.ends_with(&reason) && run.stderr.lines().count() == 1,
                    "{kind}: {}",
                    run.stderr
                );
                assert_eq!(folder.read("precious"), EARLIER);
                assert!(!folder.at("nowhere").exists());
            }
        }
    }
    assert_eq!(fake.requests(), 0);
}

#[cfg(unix)]
#[test]
fn a_partial_is_beside_the_linked_file_with_its_mode() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let fake = slow();
    let folder = Folder::new();
    let list = file(&users(100));
    fs::create_dir(folder.at("real")).unwrap();
    for format in ["csv", "ndjson"] {
        let (link, real) = (format!("link.{format}"), format!("real/report.{format}"));
        fs::write(folder.at(&real), "").unwrap();
        fs::set_permissions(folder.at(&real), fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&real, folder.at(&link)).unwrap();
        let child = folder.program(&fake, &["-f", path(&list), "-q", "-o", &link]).spawn();
        let partial = folder.at(&format!("{real}.partial"));
        while !fs::metadata(&partial).is_ok_and(|metadata| metadata.len() > 0) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&partial), 0o600, "nobody else reads a private report meanwhile");
        // Another name of the same file is the same output.
        let run = folder.run(&fake, &["a", "-o", &link, "-o", &real]);
        assert_eq!(run.stderr, format!("ghrepos: output {real} is specified more than once\n"));
        assert_eq!(wait_for_exit(child).status, 0);
        assert!(fs::symlink_metadata(folder.at(&link)).unwrap().is_symlink());
        assert_eq!(mode(&folder.at(&real)), 0o600);
        assert!(folder.read(&real).contains("user-100") && !partial.exists());
    }
    // A link to nothing yet.
    symlink("real/new.csv", folder.at("new.csv")).unwrap();
    let run = folder.run(&fake, &["a", "-o", "new.csv", "-o", "real/new.csv"]);
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: output real/new.csv is specified more than once\n")
    );
    assert_eq!(folder.run(&fake, &["a", "-q", "-o", "new.csv"]).status, 0);
    assert!(folder.read("real/new.csv").contains("a,ok,"));
}

#[test]
fn a_partial_is_read_in_the_format_of_its_report() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    fs::write(folder.at("list"), users(10)).unwrap();
    let outputs = ["-o", "a.ndjson", "-o", "a.csv", "-o", "a.json"];
    let run =
        folder.run(&fake, &[&["-f", "list", "--max-points", "6", "-j", "1", "-q"], &outputs[..]].concat());
    assert_eq!(run.status, 5, "{}", run.stderr);
    for format in ["ndjson", "csv", "json"] {
        let partial = format!("a.{format}.partial");
        let run = folder.run(&fake, &["--from", &partial, "-F", "ndjson"]);
        assert_eq!(run.status, 5, "it is not complete: {}", run.stderr);
        assert_eq!(run.rows_of(10).iter().filter(|row| row["status"] == "ok").count(), 6);
        let run = folder.run(&fake, &["user-1", "--baseline", &partial, "-F", "ndjson"]);
        assert_eq!(run.rows_of(10).iter().filter(|row| row["was"].is_u64()).count(), 6, "{}", run.stderr);
        let warning = format!(
            "ghrepos: warning: {partial} is not complete: logins that it lacks are reported as new\n"
        );
        assert!(run.stderr.starts_with(&warning), "{}", run.stderr);
        // What is read is not overwritten, even by a report of the same name.
        let run = folder.run(&fake, &["--from", &partial, "-o", &format!("a.{format}")]);
        assert_eq!(run.stderr, format!("ghrepos: output {partial} would overwrite the input file\n"));
    }
    // A report that is rendered replaces another one, although its rows are not complete.
    fs::write(folder.at("page.html"), EARLIER).unwrap();
    let run = folder.run(&fake, &["--from", "a.csv.partial", "-o", "page.html"]);
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(folder.read("page.html").contains("user-10") && !folder.at("page.html.partial").exists());
    // A run that was killed has left a part of a line, and its rows look complete.
    let text = folder.read("a.ndjson.partial");
    let end = text.match_indices('\n').nth(3).unwrap().0 + 20;
    fs::write(folder.at("a.ndjson.partial"), &text[..end]).unwrap();
    let run = folder.run(&fake, &["--from", "a.ndjson.partial", "-F", "json"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.status, &json["summary"]["complete"]), (5, &false.into()), "{}", run.stderr);
    assert_eq!(json["rows"].as_array().unwrap().len(), 4);
    // The same for a part of a row of CSV, which may look like a row with other cells.
    let text = folder.read("a.csv.partial");
    for cut in 1..20 {
        fs::write(folder.at("a.csv.partial"), &text[..text.len() - cut]).unwrap();
        let run = folder.run(&fake, &["--from", "a.csv.partial", "-F", "ndjson"]);
        assert_eq!((run.status, run.stdout.lines().count()), (5, 9), "{cut}: {}", run.stderr);
    }
}

#[test]
fn a_run_that_cannot_start_leaves_nothing_behind() {
    let fake = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let folder = Folder::with_reports();
    let before = folder.names();
    let outputs = every_output();
    let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
    let run = folder.program(&fake, &[&["a"], &outputs[..]].concat()).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, run.stderr.lines().count()), (4, 1), "{}", run.stderr);
    assert_eq!(folder.names(), before);
    let run = folder.run(&fake, &[&["a"], &outputs[..], &["-o", "nowhere/a.csv"]].concat());
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    assert_eq!(folder.names(), before);
    for format in FORMATS {
        assert_eq!(folder.read(&format!("report.{format}")), EARLIER);
    }
}

#[test]
fn a_report_of_failures_replaces_the_report() {
    let fake = Fake::with_faults(|_| Some(Fault::Html(502)));
    let folder = Folder::with_reports();
    let run = folder.run(&fake, &["a", "b", "--retries", "0", "-o", "report.csv", "-o", "report.ndjson"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert_eq!(folder.read("report.csv").matches(",failed,").count(), 2);
    assert_eq!(rows(&folder.read("report.ndjson")).len(), 2);
    // A host that answers nothing is another matter.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::with_reports();
    let url = format!("http://{closed}");
    let run = Program::new(&["a", "b", "--retries", "0", "--api-url", &url, "-o", "report.csv"])
        .current_dir(folder.0.path())
        .run();
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert_eq!(folder.read("report.csv"), EARLIER);
    assert_eq!(folder.names().len(), FORMATS.len());
}

#[test]
fn a_deadline_after_the_last_answer_changes_nothing() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(2500), ..Behavior::default() });
    let folder = Folder::new();
    let run = folder.run(&fake, &["a", "b", "--deadline", "1s", "-o", "a.json"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(!run.stderr.contains("deadline"), "{}", run.stderr);
    let json: serde_json::Value = serde_json::from_str(&folder.read("a.json")).unwrap();
    assert_eq!(json["summary"]["complete"], true);
    let run = folder.run(&fake, &["missing-1", "--deadline", "1s", "-F", "csv"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
}

#[test]
fn with_rules_a_complete_run_is_status_0_or_3() {
    let fake = Fake::well_behaved();
    let run = |arguments: &[&str]| Program::for_fake(&fake, &[arguments, &["-q"]].concat()).run();
    for (status, rule) in [(0, "forbidden>0"), (0, "not_found>1"), (3, "not_found>0"), (3, "public_repos>0")]
    {
        let run = run(&["a", "missing-1", "no login", "--fail-on", rule]);
        assert_eq!(run.status, status, "{rule}: {}", run.stderr);
    }
    assert_eq!(run(&["a", "missing-1"]).status, 1);
    // An incomplete run is status 5, and its matching rules are printed.
    let incomplete = ["a", "missing-1", "b", "c", "-j", "1", "--max-points", "2", "--fail-on"];
    for (rule, line) in [("not_found>0", true), ("not_found>1", false)] {
        let run = run(&[&incomplete[..], &[rule]].concat());
        assert_eq!(run.status, 5, "{}", run.stderr);
        let expected = format!("ghrepos: --fail-on {rule}: 1 login: missing-1\n");
        assert_eq!(run.stderr.contains(&expected), line, "{}", run.stderr);
    }
    // A report that cannot be written comes first of all.
    let run = run(&["a", "missing-1", "-F", "csv", "--fail-on", "not_found>0", "-o", "/dev/full"]);
    assert_eq!(run.status, 2, "{}", run.stderr);
}

#[test]
fn an_input_without_logins_is_status_2() {
    let fake = Fake::well_behaved();
    let folder = Folder::with_reports();
    fs::write(folder.at("header.csv"), "login,team\n").unwrap();
    fs::write(folder.at("comments.txt"), "# nobody yet\n\n").unwrap();
    fs::write(folder.at("empty.ndjson"), "").unwrap();
    let before = folder.run(&fake, &["a", "b", "-q", "-o", "baseline.csv"]);
    assert_eq!(before.status, 0);
    let outputs = every_output();
    let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
    let query = ["--sql", "sqlite:staff.db", "--query", "SELECT login FROM counts WHERE login = ''"];
    assert_eq!(folder.run(&fake, &["a", "-q", "--save", "sqlite:staff.db"]).status, 0);
    for input in [
        &["-"][..],
        &["-f", "header.csv"],
        &["-f", "comments.txt", "--shard", "1/2"],
        &["--team", "acme-3/core-0"],
        &query,
        &["--from", "empty.ndjson"],
    ] {
        let rules = ["--baseline", "baseline.csv", "--fail-on", "removed>0"];
        for rules in [&[][..], &rules] {
            let folder_before = folder.names();
            let run = folder
                .program(&fake, &[input, &outputs[..], rules].concat())
                .env("GH_TOKEN", "ghp_sample")
                .run();
            assert_eq!(run.status, 2, "{input:?}: {}", run.stderr);
            let line = "ghrepos: the input has no logins; use --allow-empty if that is right";
            assert_eq!(run.stderr.lines().last(), Some(line), "{input:?}: {}", run.stderr);
            assert_eq!(folder.read("report.csv"), EARLIER);
            assert_eq!(folder.names(), folder_before);
        }
    }
    let requests = fake.requests();
    let run = Program::for_fake(&fake, &["-"]).run_with_input("# comment\n\n");
    assert_eq!((run.status, run.stdout.as_str(), fake.requests()), (2, "", requests), "no empty table");
    let plan = ["-f", "header.csv", "--plan"];
    let run = folder.run(&fake, &plan);
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    let run = folder.run(&fake, &[&plan[..], &["--allow-empty"]].concat());
    assert_eq!(run.status, 0, "{}", run.stderr);
    // With the flag it is an empty, complete report, and everyone was removed.
    fs::write(folder.at("empty.csv"), "").unwrap();
    let run = folder.run(&fake, &["-f", "empty.csv", "--allow-empty", "-F", "csv"]);
    assert_eq!((run.status, run.stdout.lines().count()), (0, 1), "{}", run.stderr);
    let empty = ["-", "--allow-empty"];
    let run = folder.run(&fake, &[&empty, &outputs[..]].concat());
    let line = "ghrepos: the input has no logins\nghrepos: wrote report.csv, ";
    assert!(run.status == 0 && run.stderr.starts_with(line), "{}", run.stderr);
    assert_eq!(folder.read("report.csv").lines().count(), 1);
    assert_eq!(folder.read("report.ndjson"), "");
    let json: serde_json::Value = serde_json::from_str(&folder.read("report.json")).unwrap();
    assert_eq!((&json["summary"]["asked"], &json["summary"]["complete"]), (&0.into(), &true.into()));
    let run = folder
        .run(&fake, &[&empty[..], &["--baseline", "baseline.csv", "--fail-on", "removed>0", "-q"]].concat());
    assert_eq!((run.status, run.stderr.as_str()), (3, "ghrepos: --fail-on removed>0: 2 logins: a, b\n"));
}

#[test]
fn an_empty_part_of_an_input_is_complete() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let mut logins = 0;
    for part in 1..=8 {
        let (shard, report) = (format!("{part}/8"), format!("part-{part}.ndjson"));
        let run = folder.run(&fake, &["a", "b", "--shard", &shard, "-o", &report]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        let rows = rows(&folder.read(&report)).len();
        assert!(
            rows > 0
                || run.stderr
                    == format!("ghrepos: this part of the input has no logins\nghrepos: wrote {report}\n"),
            "{}",
            run.stderr
        );
        logins += rows;
    }
    assert_eq!(logins, 2);
}

#[test]
fn a_database_replaces_the_table_and_not_other_outputs() {
    let fake = Fake::well_behaved();
    let folder = Folder::new();
    let run = folder.run(&fake, &["a", "--save", "sqlite:a.db"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert!(run.stderr.starts_with("ghrepos: 1 login: 1 counted; "), "{}", run.stderr);
    let run = folder.run(&fake, &["a", "--save", "sqlite:a.db", "-F", "csv", "-o", "a.csv"]);
    assert_eq!((run.status, run.stdout), (0, folder.read("a.csv")));
    let run = folder.run(&fake, &["a", "b", "--save", "sqlite:a.db", "--max-points", "1", "-j", "1"]);
    assert_eq!((run.status, run.stdout.as_str()), (5, ""));
    assert!(
        run.stderr.contains("ghrepos: not complete: the run in sqlite:a.db is not marked complete\n"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_names_the_rows_that_were_written() {
    let fake = Fake::with_faults(|context| (context.number > 30).then_some(Fault::Silent));
    let folder = Folder::with_reports();
    fs::remove_file(folder.at("report.ndjson")).unwrap();
    let list = file(&users(100));
    let (reader, writer) = std::io::pipe().unwrap();
    // A reader that does not read keeps the run from ending in order.
    let arguments = ["-f", path(&list), "-o", "report.ndjson", "-F", "ndjson", "--timeout", "60s"];
    let child = folder.program(&fake, &arguments).stdout(writer).spawn();
    while fake.requests() < 31 {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(700));
    // The first one may already end the run.
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(700));
    let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let run = wait_for_exit(child);
    drop(reader);
    assert_eq!(run.status, 130);
    assert!(run.stderr.contains("report.ndjson.partial"), "{}", run.stderr);
    assert!(rows(&folder.read("report.ndjson.partial")).len() >= 20);
    assert!(!folder.at("report.ndjson").exists());
}
