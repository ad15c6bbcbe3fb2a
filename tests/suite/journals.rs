//! The report is the journal: what `--resume` keeps, asks again, repairs and refuses.

mod damage;
mod kills;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::fake::{Behaviour, Fake, Fault, account};
use crate::program::{Program, Run, rows, users};

/// A folder with a roster and a journal in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(roster: &str) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.at("roster.txt"), roster).unwrap();
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, fake: &Fake, arguments: &[&str]) -> Program {
        let all = [&["-f", "roster.txt", "-o", "journal.ndjson"], arguments].concat();
        Program::asking(fake, &all).current_dir(self.0.path())
    }

    fn run(&self, fake: &Fake, arguments: &[&str]) -> Run {
        self.program(fake, arguments).run()
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.at("journal.ndjson")).unwrap()
    }
}

/// The rows of a report, but for what differs from run to run.
fn comparable(ndjson: &str) -> Vec<Value> {
    let mut rows = rows(ndjson);
    for row in &mut rows {
        row["at"].take();
        row["attempts"].take();
    }
    rows
}

/// The logins whose whole rows are on disk and will be kept.
fn kept(journal: &Path) -> HashSet<String> {
    let Ok(text) = fs::read_to_string(journal) else { return HashSet::new() };
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let rows = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["status"] == "ok" || row["status"] == "not_found")
        .map(|row| row["login"].as_str().unwrap().to_owned())
        .collect()
}

fn asked(fake: &Fake, from: usize) -> Vec<String> {
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
fn resuming_keeps_counted_rows_and_follows_the_input_order() {
    let fake = Fake::with_faults(|asked| {
        (asked.time == 1 && asked.login.ends_with('5')).then_some(Fault::Html(502))
    });
    let desk = Desk::new(&mixed(100));
    let run = desk.run(&fake, &["--retries", "0", "-q"]);
    assert_eq!(run.status, 1);
    let failed = rows(&desk.journal()).iter().filter(|row| row["status"] == "failed").count();
    let before = fake.requests();
    let run = desk.run(&fake, &["--resume", "-o", "report.csv"]);
    assert_eq!(run.status, 1);
    assert_eq!(fake.requests() - before, failed as u64, "the failed ones alone");
    let counts: BTreeMap<String, u64> = rows(&desk.journal())
        .iter()
        .filter_map(|row| Some((row["login"].as_str()?.to_owned(), row["public_repos"].as_u64()?)))
        .collect();
    assert_eq!(counts.len(), 90);
    assert!(counts.iter().all(|(login, count)| account(login).unwrap().public_repos == *count));
    let logins: Vec<_> =
        rows(&desk.journal()).iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, mixed(100).lines().collect::<Vec<_>>());
    assert_eq!(fs::read_to_string(desk.at("report.csv")).unwrap().lines().count(), 101);
    assert!(run.stderr.contains(&format!(", {} kept from before", 100 - failed)), "{}", run.stderr);
    assert_eq!(fs::read_dir(desk.0.path()).unwrap().count(), 3, "nothing is left behind");
}

#[test]
fn resuming_a_changed_input_drops_and_adds_its_logins() {
    let fake = Fake::well_behaved();
    let desk = Desk::new("a\nb\nc\nd\n");
    desk.run(&fake, &[]);
    fs::write(desk.at("roster.txt"), "D\nnew\nb\n").unwrap();
    let run = desk.run(&fake, &["--resume", "-F", "json"]);
    assert_eq!((run.status, fake.requests()), (0, 5));
    let logins: Vec<_> = rows(&desk.journal()).iter().map(|row| row["login"].to_string()).collect();
    assert_eq!(logins, ["\"d\"", "\"new\"", "\"b\""]);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["summary"]["kept"], &json["summary"]["no_longer_asked"]), (&2.into(), &2.into()));
    assert!(run.stderr.contains("2 rows no longer asked for, dropped"), "{}", run.stderr);
}

#[test]
fn rows_beyond_max_age_are_looked_up_again() {
    let fake = Fake::well_behaved();
    let desk = Desk::new("a\nb\n");
    desk.run(&fake, &[]);
    let mut aged = rows(&desk.journal());
    aged[0]["at"] = "2026-01-01T00:00:00Z".into();
    // As another program writes it, with spaces.
    let spaced = |row: &Value| row.to_string().replace("\":", "\": ").replace(",\"", ", \"");
    fs::write(desk.at("journal.ndjson"), aged.iter().map(|row| spaced(row) + "\n").collect::<String>())
        .unwrap();
    let run = desk.run(&fake, &["--resume", "--max-age", "7d"]);
    assert_eq!((run.status, fake.requests()), (0, 3), "{}", run.stderr);
    let now = rows(&desk.journal());
    assert_ne!(now[0]["at"], aged[0]["at"]);
    assert_eq!(now[1], aged[1]);
    assert!(!desk.journal().contains("\": "), "all of it is as this program writes it");
}

#[test]
fn a_plan_counts_retained_rows_and_changes_no_file() {
    let fake = Fake::well_behaved();
    let desk = Desk::new(&users(30));
    desk.run(&fake, &[]);
    fs::write(desk.at("roster.txt"), users(40)).unwrap();
    let text = desk.journal();
    let run = desk.run(&fake, &["--resume", "--plan"]);
    assert!(run.stdout.starts_with("logins    10 (30 kept from before)\n"), "{}", run.stdout);
    assert_eq!(desk.journal(), text);
}

#[test]
fn without_resume_a_report_is_replaced_once_a_row_is_known() {
    let fake = Fake::well_behaved();
    let refusing = Fake::start(Behaviour { token: Some("right".into()), ..Behaviour::default() });
    let desk = Desk::new("a\nb\n");
    desk.run(&fake, &[]);
    let text = desk.journal();
    let run = desk.program(&refusing, &[]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, desk.journal()), (4, text));
    fs::write(desk.at("roster.txt"), "c\n").unwrap();
    desk.run(&fake, &[]);
    assert_eq!(rows(&desk.journal()).len(), 1);
    fs::remove_file(desk.at("journal.ndjson")).unwrap();
    let run = desk.program(&refusing, &[]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, desk.at("journal.ndjson").exists()), (4, false), "{}", run.stderr);
}

#[test]
fn a_failed_lookup_does_not_replace_an_earlier_count() {
    let fake = Fake::well_behaved();
    let desk = Desk::new("a\nb\nc\n");
    desk.run(&fake, &[]);
    let text = desk.journal();
    // Nothing is learnt: nothing is touched.
    let refusing = Fake::start(Behaviour { token: Some("right".into()), ..Behaviour::default() });
    let run = desk.program(&refusing, &["--resume", "--max-age", "0s"]).env("GH_TOKEN", "wrong").run();
    assert_eq!((run.status, desk.journal()), (4, text.clone()));
    // Something is: the others' older answers stay.
    let run = desk.run(&fake, &["--resume", "--max-age", "0s", "--max-points", "1", "-j", "1", "-F", "csv"]);
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert_eq!(run.stdout.matches(",skipped,").count(), 2, "this run's reports tell of this run");
    assert_eq!(comparable(&desk.journal()), comparable(&text));
    // A failure behind an answer does not undo it either.
    let failed = r#"{"login":"a","status":"failed","kind":null,"id":null,"public_repos":null,"error":"x","via":null,"at":null,"attempts":1}"#;
    fs::write(desk.at("journal.ndjson"), format!("{text}{failed}\n")).unwrap();
    let before = fake.requests();
    assert_eq!((desk.run(&fake, &["--resume"]).status, fake.requests() - before), (0, 0));
    assert_eq!(desk.journal(), text);
    // And a new one that learns nothing does not come to be.
    fs::remove_file(desk.at("journal.ndjson")).unwrap();
    desk.program(&refusing, &["--resume"]).env("GH_TOKEN", "wrong").run();
    assert!(!desk.at("journal.ndjson").exists());
}

#[cfg(unix)]
#[test]
fn a_symlink_to_the_journal_is_kept() {
    let fake = Fake::well_behaved();
    for arguments in [&[][..], &["--resume"]] {
        let desk = Desk::new("a\n");
        std::os::unix::fs::symlink("real.ndjson", desk.at("journal.ndjson")).unwrap();
        assert_eq!(desk.run(&fake, arguments).status, 0);
        assert!(fs::symlink_metadata(desk.at("journal.ndjson")).unwrap().is_symlink());
        assert_eq!(rows(&fs::read_to_string(desk.at("real.ndjson")).unwrap()).len(), 1);
    }
}

#[test]
fn a_resumed_report_takes_its_carried_columns_from_the_input() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (list, report) = (at("team.csv"), at("report.ndjson"));
    let ask = |text: &str| {
        std::fs::write(&list, text).unwrap();
        let run = Program::asking(&fake, &["-f", &list, "--carry", "team", "-o", &report, "--resume"]).run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
        rows.iter().map(|row| format!("{} {}", row["login"], row["carried"]["team"])).collect::<Vec<_>>()
    };
    assert_eq!(ask("login,team\na,core\nb,web\n"), [r#""a" "core""#, r#""b" "web""#]);
    assert_eq!(ask("login,team\nb,web\na,moved\nc,\n"), [r#""b" "web""#, r#""a" "moved""#, r#""c" null"#]);
    assert_eq!(fake.requests(), 3, "nobody was asked twice");
    // An older answer that stays for want of a new one is told with today's column as well.
    std::fs::write(&list, "login,team\na,new\nb,new\nc,new\n").unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let arguments = ["-f", &list, "--carry", "team", "-o", &report, "--resume", "--max-age", "1s"];
    let fake = Fake::with_faults(|asked| (asked.login != "c").then_some(Fault::Html(502)));
    let run = Program::asking(&fake, &[&arguments[..], &["--retries", "0"]].concat()).run();
    assert_eq!(run.status, 1, "{}", run.stderr);
    let rows = crate::program::rows(&std::fs::read_to_string(&report).unwrap());
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["status"] == "ok" && row["carried"]["team"] == "new"), "{rows:?}");
}
