//! The report is the journal: what `--resume` keeps, asks again, repairs and refuses.

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

#[cfg(unix)]
#[test]
fn twenty_kills_at_random_moments_lose_no_row_that_was_on_disk() {
    for api in ["rest", "graphql"] {
        let fake = Fake::start(Behaviour {
            latency: Duration::from_millis(8),
            // Some are slow to be answered well: rows wait behind them.
            fault: Box::new(|asked| (asked.time == 1 && asked.number % 37 == 0).then_some(Fault::Html(502))),
            ..Behaviour::default()
        });
        let roster = mixed(1500);
        let undisturbed = Desk::new(&roster);
        let ask = |desk: &Desk, arguments: &[&str]| {
            let batch: &[&str] = if api == "graphql" { &["--batch", "5"] } else { &[] };
            desk.program(&fake, &[arguments, batch, &["--api", api, "-j", "5", "-q"]].concat())
                .env("GH_TOKEN", "ghp_sample")
        };
        assert_eq!(ask(&undisturbed, &[]).run().status, 1);

        let desk = Desk::new(&roster);
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kills = 0;
        while kills < 20 {
            let on_disk = kept(&desk.at("journal.ndjson"));
            let before = fake.arrivals().len();
            let mut child = ask(&desk, &["--resume"]).spawn();
            std::thread::sleep(Duration::from_micros(random.u64(0..400_000)));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            if api == "rest" {
                let again = asked(&fake, before).into_iter().filter(|login| on_disk.contains(login)).count();
                assert_eq!(again, 0, "seed {seed}");
            }
            let now = kept(&desk.at("journal.ndjson"));
            assert!(now.is_superset(&on_disk), "seed {seed}: never a shorter journal");
            kills += 1;
            if ended.is_some() {
                fs::remove_file(desk.at("journal.ndjson")).unwrap();
            }
        }
        let run = ask(&desk, &["--resume", "-o", "report.json"]).run();
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert_eq!(comparable(&desk.journal()), comparable(&undisturbed.journal()), "seed {seed}");
        let json: Value = serde_json::from_slice(&fs::read(desk.at("report.json")).unwrap()).unwrap();
        assert_eq!(json["rows"], Value::from(rows(&desk.journal())), "every report holds the kept rows too");
    }
}

#[test]
fn what_is_good_is_kept_and_the_rest_asked_again_in_the_rosters_order() {
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
fn a_roster_that_changed_drops_who_left_and_asks_for_who_came() {
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
fn rows_that_are_too_old_are_asked_for_again() {
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
fn a_torn_last_line_is_repaired_and_nothing_else_touched() {
    let fake = Fake::well_behaved();
    let whole = Desk::new(&users(5));
    whole.run(&fake, &[]);
    let text = whole.journal();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    for (torn, again) in [
        (&text[..last + 20], 1),
        (&text[..last + 5], 1),
        (&text[..text.len() - 1], 0),
        (&text[..text.len() - 2], 1),
        (&text[..last], 1),
        (&*format!("{}\0\0\0\0\0\0", &text[..last]), 1),
        ("", 5),
        ("\n", 5),
    ] {
        let desk = Desk::new(&users(5));
        fs::write(desk.at("journal.ndjson"), torn).unwrap();
        let before = fake.requests();
        let run = desk.run(&fake, &["--resume", "-q"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{torn:?}");
        assert_eq!(fake.requests() - before, again, "{torn:?}");
        assert_eq!(comparable(&desk.journal()), comparable(&text));
    }
}

#[test]
fn what_is_no_journal_is_refused_and_left_as_it_was() {
    let fake = Fake::well_behaved();
    let row = r#"{"login":"a","status":"ok","kind":"user","id":1,"public_repos":1,"error":null,"via":"rest","at":"2026-11-22T12:00:00Z","attempts":1}"#;
    let more = row.replace("\"error\"", "\"sources\":1,\"forks\":0,\"archived\":0,\"error\"");
    for (text, reason) in [
        (
            format!("{row}\n{{\"level\":\"info\"}}\n{row}\n"),
            "line 2 is no row of a report (missing field `login`); it is left as it was",
        ),
        (format!("{row}\nhello"), "line 2 is no row of a report (expected value); it is left as it was"),
        (
            "login,status\na,ok\n".into(),
            "line 1 is no row of a report (expected value); it is left as it was",
        ),
        ("x".repeat(100_000), "line 1 is no row of a report (expected value); it is left as it was"),
        (format!("{more}\n"), "it was made with --breakdown; give it again, or another --output"),
    ] {
        let desk = Desk::new("a\nb\n");
        fs::write(desk.at("journal.ndjson"), &text).unwrap();
        let run = desk.run(&fake, &["--resume"]);
        assert_eq!(run.status, 2);
        assert_eq!(run.stderr, format!("ghrepos: cannot go on with journal.ndjson: {reason}\n"));
        assert_eq!(desk.journal(), text);
    }
    assert_eq!(fake.requests(), 0);

    let desk = Desk::new("a\n");
    fs::create_dir(desk.at("journal.ndjson")).unwrap();
    let run = desk.run(&fake, &["--resume"]);
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    for (arguments, reason) in [
        (
            &["-o", "x.csv"][..],
            "--resume goes on with one .ndjson output, and there is none: add -o FILE.ndjson",
        ),
        (
            &["-o", "x.ndjson", "-o", "y.ndjson"],
            "--resume goes on with one .ndjson output, and there are 2: write the others in another run",
        ),
    ] {
        let run = Program::asking(&fake, &[&["a", "--resume"], arguments].concat()).run();
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {reason}\n")));
    }
}

#[test]
fn a_second_run_on_the_same_journal_is_refused() {
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(100), ..Behaviour::default() });
    let desk = Desk::new(&users(100));
    let first = desk.program(&fake, &["-q"]).spawn();
    while fake.requests() < 20 {
        std::thread::sleep(Duration::from_millis(10));
    }
    for arguments in [&["--resume"][..], &[]] {
        let run = desk.run(&fake, arguments);
        assert_eq!(run.status, 2);
        assert!(run.stderr.ends_with("journal.ndjson: another run is writing to it\n"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1);
    }
    assert_eq!(crate::program::ended(first).status, 0);
    assert_eq!(rows(&desk.journal()).len(), 100);
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_status_2_and_leaves_whole_lines() {
    let fake = Fake::well_behaved();
    let desk = Desk::new(&users(300));
    // No file may become longer than 8 KiB; the signal that goes with it is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} -f roster.txt -o journal.ndjson --api-url {} --resume",
        env!("CARGO_BIN_EXE_ghrepos"),
        fake.url()
    );
    let limited = || {
        std::process::Command::new("bash").args(["-c", &script]).current_dir(desk.0.path()).output().unwrap()
    };
    let run = limited();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(stderr.starts_with("ghrepos: cannot write journal.ndjson: File too large"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let text = desk.journal();
    assert!(text.ends_with('\n') && (1..300).contains(&rows(&text).len()), "{}", text.len());
    let before = fake.requests();
    assert_eq!(limited().status.code(), Some(2));
    assert!(desk.journal().starts_with(&text), "never a shorter journal");
    let kept = rows(&desk.journal()).len();
    let asked = fake.requests();
    assert!(asked > before);
    assert_eq!(desk.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests() - asked, 300 - kept as u64);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_in_order_and_says_how_to_go_on() {
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(20), ..Behaviour::default() });
    let desk = Desk::new(&users(2000));
    let child = desk.program(&fake, &["-o", "report.csv"]).spawn();
    while fake.requests() < 100 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let run = crate::program::ended(child);
    assert_eq!(run.status, 143);
    let command = run.stderr.lines().next().unwrap().split_once("Go on with: ").unwrap().1;
    assert!(command.contains(" --resume "), "{command}");
    assert_eq!(rows(&desk.journal()).len(), 2000);
    let csv = fs::read_to_string(desk.at("report.csv")).unwrap();
    assert_eq!(
        csv.lines().filter(|line| line.contains(",skipped,")).count(),
        2001 - 1 - kept(&desk.at("journal.ndjson")).len()
    );
    let before = fake.requests();
    let kept = kept(&desk.at("journal.ndjson")).len() as u64;
    // The very command that it names.
    let run =
        std::process::Command::new("sh").args(["-c", command]).current_dir(desk.0.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(fake.requests() - before, 2000 - kept);
    assert!(rows(&desk.journal()).iter().all(|row| row["status"] == "ok"));
}

#[test]
fn answers_behind_a_slow_one_are_on_disk_within_a_second() {
    let fake = Fake::with_faults(|asked| (asked.login == "user-1").then_some(Fault::Silent));
    let desk = Desk::new(&users(50));
    let mut child = desk.program(&fake, &["--timeout", "60s"]).spawn();
    let began = std::time::Instant::now();
    while kept(&desk.at("journal.ndjson")).len() < 49 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", desk.journal());
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let fake = Fake::well_behaved();
    assert_eq!(desk.run(&fake, &["--resume"]).status, 0);
    assert_eq!(fake.requests(), 1);
    let logins: Vec<_> =
        rows(&desk.journal()).iter().map(|row| row["login"].as_str().unwrap().to_owned()).collect();
    assert_eq!(logins, users(50).lines().collect::<Vec<_>>());
}

#[test]
fn a_plan_counts_what_is_kept_and_touches_nothing() {
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
fn a_report_without_resume_is_made_anew_once_something_is_learnt() {
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
fn no_answer_takes_the_place_of_an_earlier_one() {
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

#[test]
fn whole_json_that_is_no_row_is_not_torn_and_zeros_alone_are_no_journal() {
    let fake = Fake::well_behaved();
    for text in ["{\"login\":\"bob\",\"name\":\"Bob\"}", "\0\0\0\0", "{\"login\":\"bob\",\"name\":\"Bob\""] {
        let desk = Desk::new("a\n");
        fs::write(desk.at("journal.ndjson"), text).unwrap();
        let run = desk.run(&fake, &["--resume"]);
        let torn = !text.ends_with('}') && !text.starts_with('\0');
        assert_eq!(run.status, if torn { 0 } else { 2 }, "{text:?}: {}", run.stderr);
        assert!(torn || desk.journal() == text, "{text:?}");
    }
}

#[test]
fn a_journal_that_is_taken_away_while_it_is_written_is_told() {
    for replacement in [None, Some("{\"precious\":1}\n")] {
        let fake = Fake::start(Behaviour { latency: Duration::from_millis(20), ..Behaviour::default() });
        let desk = Desk::new(&users(200));
        let child = desk.program(&fake, &["-q"]).spawn();
        while fake.requests() < 50 {
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::remove_file(desk.at("journal.ndjson")).unwrap();
        if let Some(text) = replacement {
            fs::write(desk.at("journal.ndjson"), text).unwrap();
        }
        let run = crate::program::ended(child);
        assert_eq!(run.status, 2);
        assert_eq!(
            run.stderr,
            "ghrepos: cannot write journal.ndjson: it was removed or replaced while the run was on\n"
        );
        assert_eq!(fs::read_to_string(desk.at("journal.ndjson")).ok().as_deref(), replacement);
    }
}

#[cfg(unix)]
#[test]
fn a_list_on_standard_input_has_a_row_for_everyone_and_loses_none_that_was_there() {
    let primary = Some(crate::fake::Primary::new(100, Duration::from_hours(1)));
    let fake = Fake::start(Behaviour { primary, ..Behaviour::default() });
    let desk = Desk::new("");
    let list = users(9000);
    for _ in 0..2 {
        let run = Program::asking(&fake, &["-", "-o", "journal.ndjson", "--resume"])
            .current_dir(desk.0.path())
            .run_with_input(&list);
        assert_eq!(run.status, 5);
        assert!(run.stderr.contains("; 8,900 logins were not asked. Go on then with: "), "{}", run.stderr);
        assert!(run.stderr.contains(" (and the same list on standard input)\n"), "{}", run.stderr);
        assert_eq!(rows(&desk.journal()).len(), 9000);
    }
    assert!(fake.requests() <= 120, "{}", fake.requests());

    // A pipe that nobody closes: the rows that were there stay, though nobody has named them yet.
    let mut child = Program::asking(&fake, &["-", "-o", "journal.ndjson", "--resume"])
        .current_dir(desk.0.path())
        .stdin(std::process::Stdio::piped())
        .spawn();
    let stdin = child.stdin.take().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // As `timeout` does it: twice.
    for _ in 0..2 {
        let pid = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
    let run = crate::program::ended(child);
    drop(stdin);
    assert_eq!(run.status, 143);
    assert!(run.stderr.contains("; the rest of standard input was not read"), "{}", run.stderr);
    assert_eq!(kept(&desk.at("journal.ndjson")).len(), 100);
}

#[cfg(unix)]
#[test]
fn a_link_leads_to_the_journal_be_it_there_or_not() {
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
fn what_the_sheet_says_now_stands_in_a_report_that_is_gone_on_with() {
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
