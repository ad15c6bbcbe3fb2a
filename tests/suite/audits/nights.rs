//! Nights in a row: a bad one loses no event of a later one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use super::Folder;
use crate::fake::{Behavior, Fake, Fault, FaultContext, account};
use crate::program::{Program, Run, file, path, rows, users, wait_for_exit};

const LOGINS: std::ops::RangeInclusive<u32> = 1..=30;

/// Rules of the third night, one for each event.
const RULES: &str = "new>0,removed>0,renamed>0,replaced>0,missing>0";

#[derive(Clone, Copy, Debug)]
enum BadNight {
    /// Twenty of the logins fail: status 1, and the report is kept.
    Failures,
    /// The host does not respond: status 5, and the earlier report stays.
    DeadHost,
}

/// The place where each night finds the report of an earlier one.
#[derive(Clone, Copy, Debug)]
enum Baseline {
    File(&'static str),
    Database,
}

struct Nights {
    folder: Folder,
    baseline: Baseline,
}

impl Nights {
    /// Runs a night, and keeps its report as the next baseline after the statuses 0, 1 and 3.
    fn night(&self, logins: &[String], fake: Option<&Fake>, arguments: &[&str]) -> Run {
        fs::write(self.folder.at("team.txt"), logins.join("\n")).unwrap();
        let (list, url) = (self.folder.at("team.txt"), format!("sqlite:{}", self.folder.at("audit.db")));
        let (last, now) = match self.baseline {
            Baseline::File(extension) => {
                (self.folder.at(&format!("last.{extension}")), self.folder.at(&format!("now.{extension}")))
            }
            Baseline::Database => (url.clone(), url.clone()),
        };
        let mut all = vec!["-f", &list, "--retries", "0", "-F", "ndjson"];
        match self.baseline {
            Baseline::File(_) => all.extend(["-o", &now]),
            Baseline::Database => all.extend(["--save", &url]),
        }
        if fs::exists(self.folder.at("later")).unwrap() {
            all.extend(["--baseline", &last]);
        }
        all.extend(arguments);
        let run = match fake {
            Some(fake) => Program::for_fake(fake, &all).run(),
            None => Program::new(&all).argument("--api-url=http://127.0.0.1:9").run(),
        };
        fs::write(self.folder.at("later"), "").unwrap();
        if matches!(self.baseline, Baseline::File(_)) && [0, 1, 3].contains(&run.status) {
            fs::rename(now, last).unwrap();
        }
        run
    }
}

fn logins() -> Vec<String> {
    LOGINS.map(|number| format!("user-{number}")).collect()
}

fn fails_for_twenty(context: &FaultContext<'_>) -> Option<Fault> {
    let number: u32 = context.login.strip_prefix("user-")?.parse().ok()?;
    (number <= 20).then_some(Fault::Html(502))
}

/// On the third night user-3 has the login `renamed`, user-4 is another account, and user-5 does not exist.
fn third_night(context: &FaultContext<'_>) -> Option<Fault> {
    let user = |login: &str, id: u64| {
        let body = json!({"login": login, "id": id, "type": "User", "public_repos": 7});
        Some(Fault::Response(200, vec![], body.to_string()))
    };
    match context.login {
        "renamed" => user("renamed", account("user-3").unwrap().id),
        "user-4" => user("user-4", 4),
        "user-5" => {
            let body = r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}"#;
            Some(Fault::Response(404, vec![], body.into()))
        }
        _ => None,
    }
}

fn count(login: &str) -> u64 {
    account(login).unwrap().public_repos
}

/// Asserts that the third night reports the five events after these nights, and nothing else.
fn assert_five_events_after(bad_nights: &[BadNight], baseline: Baseline) {
    let nights = Nights { folder: Folder::new(), baseline };
    let context = format!("{bad_nights:?} {baseline:?}");
    let fake = Fake::well_behaved();
    assert_eq!(nights.night(&logins(), Some(&fake), &[]).status, 0, "{context}");
    for bad_night in bad_nights {
        match bad_night {
            BadNight::Failures => {
                let fake = Fake::with_faults(fails_for_twenty);
                let run = nights.night(&logins(), Some(&fake), &[]);
                assert_eq!(run.status, 1, "{context}: {}", run.stderr);
                let row = &run.rows_of(30)[0];
                assert_eq!(
                    ["status", "public_repos", "was", "change", "event", "id", "at"]
                        .map(|key| row[key].clone()),
                    [
                        json!("failed"),
                        Value::Null,
                        json!(count("user-1")),
                        Value::Null,
                        json!("unknown"),
                        json!(account("user-1").unwrap().id),
                        Value::Null
                    ],
                    "{context}"
                );
            }
            BadNight::DeadHost => {
                assert_eq!(nights.night(&logins(), None, &[]).status, 5, "{context}");
            }
        }
    }
    let mut list = logins();
    list.retain(|login| login != "user-2");
    list.push("user-31".into());
    list[1] = "renamed".into();
    let fake = Fake::with_faults(third_night);
    let run = nights.night(&list, Some(&fake), &["--fail-on", RULES]);
    assert_eq!(run.status, 3, "{context}: {}", run.stderr);
    assert_five_events(&rows(&run.stdout), &context);
    for rule in [
        "new>0: 1 login: user-31",
        "removed>0: 1 login: user-2",
        "renamed>0: 1 login: renamed",
        "replaced>0: 1 login: user-4",
        "missing>0: 1 login: user-5",
    ] {
        assert!(run.stderr.contains(&format!("ghrepos: --fail-on {rule}\n")), "{context}: {}", run.stderr);
    }
    // The night after that has nothing to report.
    let run = nights.night(&list, Some(&fake), &["--fail-on", RULES]);
    assert_ne!(run.status, 3, "{context}: {}", run.stderr);
    let events: Vec<_> = rows(&run.stdout).into_iter().filter(|row| !row["event"].is_null()).collect();
    assert_eq!((events.len(), &events[0]["login"]), (1, &json!("user-5")), "{context}");
    assert_eq!(events[0]["event"], "unknown", "{context}");
}

fn assert_five_events(rows: &[Value], context: &str) {
    let mut events = Vec::new();
    for row in rows {
        if row["event"].is_null() {
            assert_eq!((&row["status"], &row["change"]), (&json!("ok"), &json!(0)), "{context}: {row}");
        } else {
            let cells = ["login", "status", "was", "change", "event", "previous_login"];
            events.push(cells.map(|key| row[key].clone()));
        }
    }
    let renamed = 7 - i64::try_from(count("user-3")).unwrap();
    let expected = [
        json!(["renamed", "ok", count("user-3"), renamed, "renamed", "user-3"]),
        json!(["user-4", "ok", count("user-4"), null, "replaced", null]),
        json!(["user-5", "not_found", count("user-5"), null, "missing", null]),
        json!(["user-31", "ok", null, null, "new", null]),
        json!(["user-2", "removed", count("user-2"), null, "removed", null]),
    ];
    assert_eq!(json!(events), json!(expected), "{context}");
}

#[test]
fn a_bad_night_loses_no_event_of_the_next() {
    for bad_night in [BadNight::Failures, BadNight::DeadHost] {
        for extension in ["ndjson", "csv", "json", "tsv"] {
            assert_five_events_after(&[bad_night], Baseline::File(extension));
        }
        assert_five_events_after(&[bad_night], Baseline::Database);
    }
}

#[test]
fn two_bad_nights_lose_no_event_of_the_next() {
    use BadNight::{DeadHost, Failures};
    for nights in [[Failures, Failures], [DeadHost, DeadHost], [Failures, DeadHost], [DeadHost, Failures]] {
        assert_five_events_after(&nights, Baseline::File("ndjson"));
        assert_five_events_after(&nights, Baseline::Database);
    }
    assert_five_events_after(&[Failures, Failures], Baseline::File("csv"));
    assert_five_events_after(&[Failures, Failures], Baseline::File("json"));
}

#[test]
fn a_baseline_that_lacks_rows_or_columns_is_refused() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let at = |name: &str| folder.at(name);
    let run = |arguments: &[&str]| Program::for_fake(&fake, arguments).run();
    assert_eq!(run(&["a", "b", "c", "--top", "2", "-o", &at("cut.json")]).status, 0);
    assert_eq!(run(&["a", "b", "--top", "3", "-o", &at("whole.json")]).status, 0);
    assert_eq!(run(&["--from", &at("cut.json"), "-o", &at("again.json")]).status, 0);
    fs::write(at("no-id.csv"), "login,status,public_repos,attempts\r\na,ok,3,1\r\n").unwrap();
    fs::write(at("no-id.ndjson"), "{\"login\":\"a\",\"status\":\"ok\",\"public_repos\":3}\n").unwrap();
    fs::write(at("no-count.ndjson"), "{\"login\":\"a\",\"status\":\"failed\",\"id\":3}\n").unwrap();
    let before = fake.requests();
    for (name, reason) in [
        ("cut.json", "it was cut by --top 2; use a report that was made without --top"),
        ("again.json", "it was cut by --top 2; use a report that was made without --top"),
        ("no-id.csv", "it has no column id; a baseline requires login, status, id and public_repos"),
        ("no-id.ndjson", "it has no column id; a baseline requires login, status, id and public_repos"),
        (
            "no-count.ndjson",
            "it has no column public_repos; a baseline requires login, status, id and public_repos",
        ),
    ] {
        let path = at(name);
        let refused = run(&["a", "--baseline", &path]);
        let message = format!("ghrepos: cannot compare with {path}: {reason}\n");
        assert_eq!((refused.status, refused.stdout, refused.stderr), (2, String::new(), message));
    }
    let refused = run(&["--from", &at("no-id.csv"), "-F", "csv"]);
    let message = format!(
        "ghrepos: cannot read {} as a report: it has no column id; a report requires login, status, id and public_repos\n",
        at("no-id.csv")
    );
    assert_eq!((refused.status, refused.stderr), (2, message));
    let refused = run(&["--from", &at("cut.json"), "--baseline", &at("whole.json")]);
    let message = "ghrepos: cannot compare a report that was cut by --top 2: make it again without --top\n";
    assert_eq!((refused.status, refused.stderr.as_str()), (2, message));
    assert_eq!(fake.requests(), before, "refused before the first request");
    let compared = run(&["a", "b", "--baseline", &at("whole.json"), "-F", "ndjson"]);
    assert_eq!(compared.status, 0, "{}", compared.stderr);
}

#[test]
fn a_json_report_has_a_version_and_unknown_keys_are_ignored() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let (report, newer) = (folder.at("report.json"), folder.at("newer.json"));
    assert_eq!(Program::for_fake(&fake, &["a", "-o", &report]).run().status, 0);
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(json["meta"]["schema_version"], 1);
    json["meta"]["schema_version"] = json!(2);
    for object in ["meta", "summary"] {
        json[object]["weather"] = json!({"now": ["sunny"]});
    }
    json["rows"][0]["weather"] = json!([1.5, {"deep": null}]);
    json["weather"] = json!(1);
    fs::write(&newer, json.to_string()).unwrap();
    let again = Program::new(&["--from", &newer, "-F", "json", "-q"]).run();
    assert_eq!((again.status, again.stdout), (0, fs::read_to_string(&report).unwrap()));
    let compared = Program::for_fake(&fake, &["a", "--baseline", &newer, "-F", "ndjson"]).run();
    assert_eq!((compared.status, &compared.rows_of(1)[0]["change"]), (0, &json!(0)));
}

#[test]
fn rules_are_printed_whatever_ends_the_run() {
    let fake = Fake::with_faults(|context| (context.login == "d").then_some(Fault::Html(502)));
    let arguments = [
        "missing-1",
        "b",
        "c",
        "d",
        "e",
        "f",
        "--retries",
        "0",
        "--jobs",
        "1",
        "--max-points",
        "4",
        "-q",
        "-F",
        "csv",
    ];
    // Of six logins four are looked up: percentages are of these.
    for (rule, line) in [
        ("not_found>=25%", "not_found>=25%: 1 login: missing-1"),
        ("failed>24%", "failed>24%: 1 login: d"),
        ("skipped>0", "skipped>0: 2 logins: e, f"),
    ] {
        let run = Program::for_fake(&fake, &arguments).argument(&format!("--fail-on={rule}")).run();
        assert_eq!(run.status, 5, "{}", run.stderr);
        assert!(run.stderr.contains(&format!("ghrepos: --fail-on {line}\n")), "{}", run.stderr);
    }
}

#[test]
fn removed_logins_are_last_in_every_order() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let (first, parts) = (folder.at("first.csv"), [folder.at("one.csv"), folder.at("two.csv")]);
    let logins = ["a", "b", "c", "d"];
    assert_eq!(Program::for_fake(&fake, &[&logins[..], &["-o", &first]].concat()).run().status, 0);
    let run = Program::for_fake(&fake, &["d", "b", "missing-1", "--baseline", &first, "--sort", "login"]);
    let table = run.argument("-F=ndjson").run();
    let sorted: Vec<_> = table.rows().iter().map(|row| row["login"].clone()).collect();
    assert_eq!(json!(sorted), json!(["b", "d", "missing-1", "a", "c"]));
    for (login, part) in ["b", "d"].iter().zip(&parts) {
        assert_eq!(Program::for_fake(&fake, &[login, "--baseline", &first, "-o", part]).run().status, 0);
    }
    let merged = Program::new(&["--from", &parts[0], "--from", &parts[1], "-F", "ndjson"]).run();
    let rows: Vec<_> = merged.rows().iter().map(|row| json!([row["login"], row["status"]])).collect();
    let expected = json!([["b", "ok"], ["d", "ok"], ["a", "removed"], ["c", "removed"]]);
    assert_eq!((json!(rows), merged.status), (expected, 0), "{}", merged.stderr);
}

#[test]
fn a_closed_output_does_not_pass_an_audit() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(10), ..Behavior::default() });
    let list = file(&("missing-1\n".to_owned() + &users(2000)));
    for (rule, line) in
        [("not_found>0", "ghrepos: --fail-on not_found>0: 1 login: missing-1\n"), ("failed>0", "")]
    {
        let mut child =
            Program::for_fake(&fake, &["-f", path(&list), "-F", "ndjson", "--fail-on", rule]).spawn();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        let run = wait_for_exit(child);
        let closed =
            "ghrepos: output closed before the run was complete: --fail-on applies to a part of the logins\n";
        assert_eq!(run.status, 5, "{}", run.stderr);
        assert!(run.stderr.starts_with(closed) && run.stderr.ends_with(line), "{}", run.stderr);
    }
}
