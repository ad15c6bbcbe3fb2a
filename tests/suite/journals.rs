//! The journal: rows that `--resume` keeps, looks up again, repairs or refuses.

mod damage;
mod kills;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::fake::{Behavior, Fake, Fault, account};
use crate::program::{Program, Run, rows, users};

/// A folder with an input and a journal.
struct Workspace(tempfile::TempDir);

impl Workspace {
    fn new(input: &str) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        fs::write(workspace.at("input.txt"), input).unwrap();
        workspace
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, fake: &Fake, arguments: &[&str]) -> Program {
        let all = [&["-f", "input.txt", "-o", "journal.ndjson"], arguments].concat();
        Program::for_fake(fake, &all).current_dir(self.0.path())
    }

    fn run(&self, fake: &Fake, arguments: &[&str]) -> Run {
        self.program(fake, arguments).run()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.at("journal.ndjson")).unwrap()
    }

    /// The journal of an unfinished run.
    fn partial(&self) -> String {
        fs::read_to_string(self.at("journal.ndjson.partial")).unwrap()
    }

    /// Logins that `--resume` keeps, of an unfinished run or else of the report.
    fn kept(&self) -> HashSet<String> {
        let partial = self.at("journal.ndjson.partial");
        let is_unfinished = fs::metadata(&partial).is_ok_and(|metadata| metadata.len() > 0);
        kept(&if is_unfinished { partial } else { self.at("journal.ndjson") })
    }
}

/// The rows of a report, without the fields that differ between runs.
fn comparable(ndjson: &str) -> Vec<Value> {
    let mut rows = rows(ndjson);
    for row in &mut rows {
        row["at"].take();
        row["attempts"].take();
    }
    rows
}

/// Logins whose complete rows are on disk and will be kept.
fn kept(journal: &Path) -> HashSet<String> {
    let Ok(text) = fs::read_to_string(journal) else { return HashSet::new() };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let rows = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["status"] == "ok" || row["status"] == "not_found")
        .map(|row| row["login"].as_str().unwrap().to_owned())
        .collect()
}

fn requested_logins(fake: &Fake, from: usize) -> Vec<String> {
    let logins = |path: &str| path.trim_start_matches("/users/").to_ascii_lowercase();
    fake.arrivals()[from..].iter().map(|arrival| logins(arrival.request.path())).collect()
}

fn mixed(number: usize) -> String {
    let login = |at: usize| match at % 20 {
        7 => format!("missing-{at}\n"),
        13 => format!("no login {at}\n"),
        _ => format!("user-{at}\n"),
    };
    (1..=number).map(login).collect()
}

#[test]
fn a_kept_row_is_compared_with_the_baseline_of_this_run() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new("user-1\n");
    for (name, count) in [("march.csv", 7), ("april.csv", 8)] {
        fs::write(workspace.at(name), format!("login,status,id,public_repos\nuser-1,ok,,{count}\n")).unwrap();
    }
    for (baseline, was) in [("march.csv", 7), ("april.csv", 8)] {
        let run = workspace.run(&fake, &["--resume", "--baseline", baseline, "-q"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        // Both rows are of the same length.
        assert_eq!(rows(&workspace.journal())[0]["was"], was, "{baseline}");
    }
    assert_eq!(fake.requests(), 1);
}

#[test]
fn resuming_keeps_counted_rows_and_follows_the_input_order() {
    let fake = Fake::with_faults(|context| {
        (context.attempt == 1 && context.login.ends_with('5')).then_some(Fault::Html(502))
    });
    let workspace = Workspace::new(&mixed(100));
    let run = workspace.run(&fake, &["--retries", "0", "-q"]);
    assert_eq!(run.status, 1);
    let failed = rows(&workspace.journal()).iter().filter(|row| row["status"] == "failed").count();
    let before = fake.requests();
    let run = workspace.run(&fake, &["--resume", "-o", "report.csv"]);
    assert_eq!(run.status, 1);
    assert_eq!(fake.requests() - before, failed as u64, "the failed ones alone");
    let counts: BTreeMap<String, u64> = rows(&workspace.journal())
        .iter()
        .filter_map(|row| Some((row["login"].as_str()?.to_owned(), row["public_repos"].as_u64()?)))
        .collect();
    assert_eq!(counts.len(), 90);
    assert!(counts.iter().all(|(login, count)| account(login).unwrap().public_repos == *count));
    let logins: Vec<_> =
        rows(&workspace.journal()).iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, mixed(100).lines().collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(workspace.at("report.csv")).unwrap().lines().count(), 101);
    assert!(
        run.stderr.contains(&format!("; {} rows kept from an earlier run", 100 - failed)),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_dir(workspace.0.path()).unwrap().count(), 3, "nothing is left behind");
}

#[test]
fn resuming_a_changed_input_drops_and_adds_its_logins() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new("a\nb\nc\nd\n");
    workspace.run(&fake, &[]);
    fs::write(workspace.at("input.txt"), "D\nnew\nb\n").unwrap();
    let run = workspace.run(&fake, &["--resume", "-F", "json"]);
    assert_eq!((run.status, fake.requests()), (0, 5));
    let logins: Vec<_> = rows(&workspace.journal()).iter().map(|row| row["login"].to_string()).collect();
    assert_eq!(logins, ["\"d\"", "\"new\"", "\"b\""]);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["summary"]["kept"], &json["summary"]["no_longer_asked"]), (&2.into(), &2.into()));
    assert!(run.stderr.contains("2 rows dropped: no longer in the input"), "{}", run.stderr);
}

#[test]
fn rows_beyond_max_age_are_looked_up_again() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new("a\nb\n");
    workspace.run(&fake, &[]);
    let mut aged = rows(&workspace.journal());
    aged[0]["at"] = "2026-01-01T00:00:00Z".into();
    // With spaces, as another program may write it.
    let spaced = |row: &Value| row.to_string().replace("\":", "\": ").replace(",\"", ", \"");
    fs::write(workspace.at("journal.ndjson"), aged.iter().map(|row| spaced(row) + "\n").collect::<String>())
        .unwrap();
    let run = workspace.run(&fake, &["--resume", "--max-age", "7d"]);
    assert_eq!((run.status, fake.requests()), (0, 3), "{}", run.stderr);
    let note = "ghrepos: 1 row of the earlier run is looked up again: too old, or without a count that this run has\n";
    assert!(run.stderr.starts_with(note), "{}", run.stderr);
    let now = rows(&workspace.journal());
    assert_ne!(now[0]["at"], aged[0]["at"]);
    assert_eq!(now[1], aged[1]);
    assert!(!workspace.journal().contains("\": "), "all of it is as this program writes it");
}

#[test]
fn a_plan_counts_retained_rows_and_changes_no_file() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new(&users(30));
    workspace.run(&fake, &[]);
    fs::write(workspace.at("input.txt"), users(40)).unwrap();
    let text = workspace.journal();
    let run = workspace.run(&fake, &["--resume", "--plan"]);
    assert!(run.stdout.starts_with("logins    10 (30 kept from before)\n"), "{}", run.stdout);
    assert_eq!(workspace.journal(), text);
}

#[test]
fn a_refused_run_leaves_no_journal_behind() {
    let fake = Fake::well_behaved();
    let refusing = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let workspace = Workspace::new("a\nb\n");
    workspace.run(&fake, &[]);
    let text = workspace.journal();
    let run = workspace.program(&refusing, &[]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, workspace.journal()), (4, text));
    fs::write(workspace.at("input.txt"), "c\n").unwrap();
    workspace.run(&fake, &[]);
    assert_eq!(rows(&workspace.journal()).len(), 1);
    fs::remove_file(workspace.at("journal.ndjson")).unwrap();
    let run = workspace.program(&refusing, &[]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, workspace.at("journal.ndjson").exists()), (4, false), "{}", run.stderr);
}

#[test]
fn a_failed_lookup_does_not_replace_an_earlier_count() {
    let fake = Fake::well_behaved();
    let workspace = Workspace::new("a\nb\nc\n");
    workspace.run(&fake, &[]);
    let text = workspace.journal();
    // A run without results changes nothing.
    let refusing = Fake::start(Behavior { token: Some("right".into()), ..Behavior::default() });
    let run = workspace.program(&refusing, &["--resume", "--max-age", "0s"]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, workspace.journal()), (4, text.clone()));
    // With one new result, the older rows of the other logins stay.
    let run =
        workspace.run(&fake, &["--resume", "--max-age", "0s", "--max-points", "1", "-j", "1", "-F", "csv"]);
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert_eq!(run.stdout.matches(",skipped,").count(), 2, "this run's reports tell of this run");
    assert_eq!(comparable(&workspace.partial()), comparable(&text));
    assert_eq!(workspace.journal(), text);
    fs::remove_file(workspace.at("journal.ndjson.partial")).unwrap();
    // A failure after a result does not replace it.
    let failed = r#"{"login":"a","status":"failed","type":null,"public_repos":null,"error":"x","id":null,"api":null,"at":null,"attempts":1}"#;
    fs::write(workspace.at("journal.ndjson"), format!("{text}{failed}\n")).unwrap();
    let before = fake.requests();
    assert_eq!((workspace.run(&fake, &["--resume"]).status, fake.requests() - before), (0, 0));
    assert_eq!(workspace.journal(), text);
    // A run without results creates no new journal.
    fs::remove_file(workspace.at("journal.ndjson")).unwrap();
    workspace.program(&refusing, &["--resume"]).env("GH_TOKEN", "wrong").run();
    assert!(!workspace.at("journal.ndjson").exists());
}

#[cfg(unix)]
#[test]
fn a_symlink_to_the_journal_is_kept() {
    let fake = Fake::well_behaved();
    for arguments in [&[][..], &["--resume"]] {
        let workspace = Workspace::new("a\n");
        std::os::unix::fs::symlink("real.ndjson", workspace.at("journal.ndjson")).unwrap();
        assert_eq!(workspace.run(&fake, arguments).status, 0);
        assert!(fs::symlink_metadata(workspace.at("journal.ndjson")).unwrap().is_symlink());
        assert_eq!(rows(&fs::read_to_string(workspace.at("real.ndjson")).unwrap()).len(), 1);
    }
}

#[test]
fn a_resumed_report_takes_its_carried_columns_from_the_input() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (list, report) = (at("team.csv"), at("report.ndjson"));
    let look_up = |text: &str| {
        std::fs::write(&list, text).unwrap();
        let run =
            Program::for_fake(&fake, &["-f", &list, "--carry", "team", "-o", &report, "--resume"]).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
        rows.iter().map(|row| format!("{} {}", row["login"], row["carried"]["team"])).collect::<Vec<_>>()
    };
    assert_eq!(look_up("login,team\na,core\nb,web\n"), [r#""a" "core""#, r#""b" "web""#]);
    assert_eq!(
        look_up("login,team\nb,web\na,moved\nc,\n"),
        [r#""b" "web""#, r#""a" "moved""#, r#""c" null"#]
    );
    assert_eq!(fake.requests(), 3, "no login was looked up twice");
    // An older row that stays because its lookup failed has the new carried column too.
    std::fs::write(&list, "login,team\na,new\nb,new\nc,new\n").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let arguments = ["-f", &list, "--carry", "team", "-o", &report, "--resume", "--max-age", "1s"];
    let fake = Fake::with_faults(|context| (context.login != "c").then_some(Fault::Html(502)));
    let run = Program::for_fake(&fake, &[&arguments[..], &["--retries", "0"]].concat()).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["status"] == "ok" && row["carried"]["team"] == "new"), "{rows:?}");
}
