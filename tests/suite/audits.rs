//! Audits over time: what has changed, what a run fails on, and evidence.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::fake::{AliasFault, Behaviour, Fake, Fault, account};
use crate::program::{Program, Run, file, path, users};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

fn audit(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit").join(name).display().to_string()
}

/// A month of the sample team, with these arguments too.
fn month(month: &str, arguments: &[&str]) -> Run {
    let (list, recording) = (audit(&format!("{month}/team.csv")), audit(&format!("{month}/github")));
    Program::new(&[&["--replay", &recording, "-f", &list, "--carry", "team"], arguments].concat()).run()
}

#[test]
fn two_months_of_a_team_show_who_came_who_went_and_what_has_changed() {
    let folder = Folder::new();
    let (october, csv, json) =
        (folder.at("october.ndjson"), folder.at("october.csv"), folder.at("october.json"));
    let run = month("2026-10", &["-o", &october, "-o", &csv, "-o", &json]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    for baseline in [&october, &csv, &json] {
        let run = month("2026-11", &["--baseline", baseline, "-F", "ndjson"]);
        assert_eq!(run.status, 1, "{}", run.stderr);
        let changes: BTreeMap<_, _> = run
            .rows_of(52)
            .into_iter()
            .filter(|row| row["change"] != 0)
            .map(|row| {
                (row["login"].as_str().unwrap().to_owned(), (row["was"].clone(), row["change"].clone()))
            })
            .collect();
        let expected = [
            ("sample-aiko", 8.into(), 2.into()),
            ("sample-boris", 9.into(), "gone".into()),
            ("sample-diego", 40.into(), (-28).into()),
            ("sample-elif", 20.into(), 10.into()),
            ("sample-hana", 10.into(), 14.into()),
            ("sample-kai", 56.into(), "replaced".into()),
            ("sample-lars", 33.into(), (-2).into()),
            ("sample-noor-k", 56.into(), "renamed".into()),
            ("sample-petra", 3.into(), "unknown".into()),
            ("sample-uma", Value::Null, "new".into()),
            ("sample-yuki", Value::Null, "new".into()),
        ];
        assert_eq!(changes, expected.map(|(login, was, change)| (login.to_owned(), (was, change))).into());
    }
    let run = month("2026-11", &["--baseline", &october, "-F", "json"]);
    let drift = serde_json::from_str::<Value>(&run.stdout).unwrap()["summary"]["drift"].clone();
    for (key, number) in [
        ("new", 2),
        ("gone", 1),
        ("renamed", 1),
        ("replaced", 1),
        ("unknown", 1),
        ("grown", 3),
        ("shrunk", 2),
        ("repositories_come", 26),
        ("repositories_gone", 30),
        ("repositories_of_new", 15),
        ("repositories_of_gone", 9),
    ] {
        assert_eq!(drift[key], number, "{key}: {drift}");
    }
    assert!(
        run.stderr.contains(": 2 new, 1 gone, 1 renamed, 1 replaced, 3 grown (+26), 2 shrunk (-30)"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_run_fails_on_the_rules_that_hold_and_names_their_rows() {
    let folder = Folder::new();
    let october = folder.at("october.ndjson");
    month("2026-10", &["-o", &october]);
    let fail_on =
        |rule: &str| month("2026-11", &["--baseline", &october, "--fail-on", rule, "-F", "csv", "-q"]);
    for (rule, line) in [
        ("new>0", "ghrepos: --fail-on new>0: 2 logins: sample-uma, sample-yuki\n"),
        (
            "change>50%",
            "ghrepos: --fail-on change>50%: 2 logins: sample-diego (40 to 12), sample-hana (10 to 24)\n",
        ),
        (
            "change>=50%,new>2",
            "ghrepos: --fail-on change>=50%: 3 logins: sample-diego (40 to 12), sample-elif (20 to 30), sample-hana (10 to 24)\n",
        ),
        ("forbidden=1", "ghrepos: --fail-on forbidden=1: 1 login: sample-petra\n"),
    ] {
        let run = fail_on(rule);
        assert_eq!((run.status, run.stderr.as_str()), (3, line));
        assert_eq!(run.stdout.lines().count(), 1 + 52, "the report is there all the same");
    }
    let run = fail_on("new>2,gone>1,change>200%");
    assert_eq!((run.status, run.stderr.as_str()), (1, ""), "no rule holds");
    // Nothing is asked where a rule makes no sense.
    let fake = Fake::well_behaved();
    for (arguments, reason) in [
        (
            &["--fail-on", "failed>0,chnge>5"][..],
            "cannot understand --fail-on \"failed>0,chnge>5\" at character 10: there is no measure \"chnge\"",
        ),
        (
            &["--fail-on", "new>0"],
            "--fail-on new>0 needs an earlier report to compare with: add --baseline FILE",
        ),
        (&["--baseline", "/nowhere.csv"], "cannot read /nowhere.csv as a report: No such file or directory"),
    ] {
        let run = Program::asking(&fake, &[&["a"], arguments].concat()).run();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.starts_with(&format!("ghrepos: {reason}")), "{}", run.stderr);
    }
    assert_eq!(fake.requests(), 0);
    let run = Program::asking(&fake, &["missing-1", "a", "--fail-on", "not_found>49%", "-q"]).run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (3, "ghrepos: --fail-on not_found>49%: 1 login: missing-1\n")
    );
}

#[test]
fn a_finished_report_is_rendered_as_the_run_rendered_it() {
    let folder = Folder::new();
    let october = folder.at("october.ndjson");
    month("2026-10", &["-o", &october]);
    let fake = Fake::well_behaved();
    let list = folder.at("list.csv");
    std::fs::write(&list, "login,note,team\ntorvalds,=1+1,core\nmissing-1,\"a\nb\",\nno login,'x,web\n")
        .unwrap();
    let breakdown = ["-f", &list, "--carry", "note,team", "--breakdown", "--verify", "100", "--api", "rest"];
    type Ask<'a> = Box<dyn Fn(&[&str]) -> Run + 'a>;
    let runs: [(&str, Ask<'_>); 2] = [
        ("drift", Box::new(|more| month("2026-11", &[&["--baseline", &october], more].concat()))),
        (
            "breakdown",
            Box::new(|more| {
                Program::asking(&fake, &[&breakdown[..], more].concat()).env("GH_TOKEN", "ghp_sample").run()
            }),
        ),
    ];
    for (name, run) in runs {
        let at = |extension: &str| folder.at(&format!("{name}.{extension}"));
        let formats = ["csv", "tsv", "json", "ndjson"];
        let outputs: Vec<_> = formats.iter().flat_map(|extension| ["-o".to_owned(), at(extension)]).collect();
        let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
        let original = run(&[&outputs[..], &["-F", "table"]].concat());
        for from in formats {
            for to in ["csv", "tsv", "json", "ndjson", "table"] {
                let again = Program::new(&["--from", &at(from), "-F", to, "-q"]).run();
                assert_eq!(again.status, 1, "{}", again.stderr);
                let expected = match to {
                    "table" => original.stdout.clone(),
                    to => std::fs::read_to_string(at(to)).unwrap(),
                };
                // What only a JSON report knows of its run is told by that alone.
                if to != "json" || from == "json" {
                    assert_eq!(again.stdout, expected, "{name}: {from} as {to}");
                }
            }
        }
    }
    // Sorted, cut, grouped and compared.
    let report = folder.at("drift.csv");
    let run = Program::new(&[
        "--from",
        &report,
        "--sort",
        "public_repos",
        "--top",
        "2",
        "--group-by",
        "team",
        "-F",
        "json",
        "-q",
    ])
    .run();
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (json["rows"].as_array().unwrap().len(), json["summary"]["groups"].as_array().unwrap().len()),
        (2, 5)
    );
    assert_eq!((&json["summary"]["requests"], &json["meta"]["api"]), (&Value::Null, &Value::Null));
    let run =
        Program::new(&["--from", &report, "--baseline", &october, "--fail-on", "gone>0", "-q", "-F", "csv"])
            .run();
    assert_eq!((run.status, run.stderr.as_str()), (3, "ghrepos: --fail-on gone>0: 1 login: sample-boris\n"));
    assert_eq!(run.stdout, std::fs::read_to_string(&report).unwrap());
    let run = Program::new(&["--from", &report, "--group-by", "site"]).run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: cannot group by site: the report carries team\n")
    );
    let no_report = file("name\nx\n");
    let run = Program::new(&["--from", path(&no_report)]).run();
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert_eq!(Program::new(&["--from", &report, "torvalds"]).run().status, 2);
}

#[test]
fn parts_are_joined_and_of_several_answers_the_last_one_counts() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let list = file(&users(60));
    let mut parts = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let at = folder.at(&format!("part-{}.ndjson", &part[..1]));
        Program::asking(&fake, &["-f", path(&list), "--shard", part, "-o", &at]).run();
        parts.extend(["--from".to_owned(), at]);
    }
    let failing = Fake::with_faults(|_| Some(Fault::Html(502)));
    let failed = folder.at("failed.ndjson");
    let run = Program::asking(&failing, &["user-7", "nobody-1", "--retries", "0", "-F", "ndjson"]).run();
    std::fs::write(&failed, run.stdout).unwrap();
    parts.extend(["--from".to_owned(), failed]);
    let arguments: Vec<_> = parts.iter().map(String::as_str).chain(["-F", "ndjson"]).collect();
    let run = Program::new(&arguments).run();
    let rows = run.rows_of(61);
    assert_eq!(run.status, 1);
    let failed: Vec<_> = rows.iter().filter(|row| row["status"] != "ok").map(|row| &row["login"]).collect();
    assert_eq!(failed, ["nobody-1"]);
    // Who is gone from one report and could not be counted in the other is not gone, whichever comes first.
    let (one, other) = (folder.at("gone.ndjson"), folder.at("there.ndjson"));
    let row = |change: &str, status: &str| {
        format!(
            "{{\"login\":\"x\",\"status\":\"{status}\",\"was\":null,\"change\":{change},\"attempts\":1}}\n"
        )
    };
    std::fs::write(&one, row("\"gone\"", "skipped")).unwrap();
    std::fs::write(&other, row("\"unknown\"", "failed")).unwrap();
    for order in [[&one, &other], [&other, &one]] {
        let run = Program::new(&["--from", order[0], "--from", order[1], "-F", "ndjson"]).run();
        assert_eq!((&run.rows_of(1)[0]["change"], run.status), (&"unknown".into(), 1), "{}", run.stderr);
    }
}

#[test]
fn a_damaged_or_unfinished_report_is_no_wrong_baseline() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let full = folder.at("full.csv");
    Program::asking(&fake, &["user-1", "user-2", "-o", &full]).run();
    let text = std::fs::read_to_string(&full).unwrap();
    // Cut in the last number, and by a column.
    let cut = folder.at("cut.csv");
    let short =
        text.lines().map(|line| line.split(',').take(5).collect::<Vec<_>>().join(",")).collect::<Vec<_>>();
    for (damaged, reason) in [
        (short.join("\r\n"), "its last line has no end: it was cut off"),
        (
            format!("{}\r\n{}\r\n", text.lines().next().unwrap(), short[1]),
            "found record with 5 fields, but the previous record has 9 fields",
        ),
    ] {
        std::fs::write(&cut, damaged).unwrap();
        for arguments in [&["--from", &cut][..], &["user-1", "--baseline", &cut]] {
            let run = Program::asking(&fake, arguments).run();
            assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{}", run.stderr);
            assert!(run.stderr.contains(reason), "{}", run.stderr);
        }
    }
    for name in ["empty.csv", "empty.tsv", "empty.json"] {
        let empty = folder.at(name);
        std::fs::write(&empty, "").unwrap();
        let run = Program::new(&["--from", &empty]).run();
        assert_eq!(
            (run.status, run.stderr),
            (2, format!("ghrepos: cannot read {empty} as a report: it is empty\n"))
        );
    }
    // A journal whose run was killed while it went on with an older one holds a login twice.
    let journal = folder.at("journal.ndjson");
    let row = |status: &str, repos: &str| {
        format!("{{\"login\":\"user-1\",\"status\":\"{status}\",\"public_repos\":{repos},\"attempts\":1}}\n")
    };
    let count = account("user-1").unwrap().public_repos;
    std::fs::write(
        &journal,
        row("failed", "null") + &row("ok", &count.to_string()) + &row("skipped", "null"),
    )
    .unwrap();
    let run = Program::asking(&fake, &["user-1", "--baseline", &journal, "-F", "ndjson"]).run();
    assert_eq!(run.rows_of(1)[0]["change"], 0, "{}", run.stderr);
    // What looks like an address is never shown with its password.
    for url in [
        "postgress://me:s3cret@h/a",
        "POSTGRES://me:s3cret@127.0.0.1:1/a",
        "jdbc:postgres://me:s3cret@h/a",
        "postgres:me:s3cret@h/a",
    ] {
        let run = Program::asking(&fake, &["user-1", "--baseline", url]).run();
        assert_eq!(run.status, 2);
        assert!(!run.stderr.contains("s3cret") && run.stderr.lines().count() == 1, "{}", run.stderr);
        let run = Program::new(&["--from", url]).run();
        assert!(run.status == 2 && !run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[test]
fn what_is_read_from_csv_is_what_was_written_apostrophes_and_all() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let (list, csv, ndjson) = (folder.at("list.csv"), folder.at("out.csv"), folder.at("out.ndjson"));
    std::fs::write(&list, "login,note\na,=1\nb,'=1\nc,''+1\nd,'quoted'\ne,-\n").unwrap();
    let run = Program::asking(&fake, &["-f", &list, "--carry", "note", "-o", &csv, "-o", &ndjson]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let again = Program::new(&["--from", &csv, "-F", "ndjson"]).run();
    assert_eq!(again.stdout, std::fs::read_to_string(&ndjson).unwrap());
    let again = Program::new(&["--from", &ndjson, "-F", "csv"]).run();
    assert_eq!(again.stdout, std::fs::read_to_string(&csv).unwrap());
}

#[test]
fn a_recording_that_was_stopped_plays_back_as_one_that_was_stopped() {
    let folder = Folder::new();
    let recording = folder.at("recording");
    let fake = Fake::well_behaved();
    let list = file(&users(40));
    let common = ["-f", path(&list), "--batch", "10", "-j", "1", "-F", "json", "-q", "--max-points", "2"];
    let live = Program::asking(&fake, &[&common[..], &["--record", &recording]].concat())
        .env("GH_TOKEN", "t_sample")
        .run();
    let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
    assert_eq!((live.status, played.status), (5, 5), "{}", played.stderr);
    assert_eq!(without_times(&live.stdout), without_times(&played.stdout));
}

/// A report without the times at which it was made.
fn without_times(report: &str) -> String {
    report.lines().map(|line| match line.split_once("\"at\":\"") {
        Some((before, after)) => format!("{before}{}", after.split_once('"').unwrap().1),
        None => line.to_owned(),
    } + "\n").collect()
}

#[test]
fn a_recorded_run_is_played_back_byte_for_byte_but_for_at() {
    let faults = |asked: &crate::fake::Asked<'_>| match (asked.login, asked.time) {
        ("user-3", 1) => Some(Fault::Html(502)),
        ("user-5", 1 | 2) => Some(Fault::Hangup),
        ("user-7", time) if time % 2 == 0 => Some(Fault::Truncated),
        ("user-7", _) => Some(Fault::Html(500)),
        ("user-9", _) => Some(Fault::Reset),
        _ => None,
    };
    let alias = |login: &str, time| match (login, time) {
        ("user-4", 1) | ("user-8", _) => Some(AliasFault::ResourceLimits),
        ("user-6", _) => Some(AliasFault::Forbidden),
        _ => None,
    };
    let roster = file(&(users(30) + "missing-1\nno login\ndependabot[bot]\n"));
    for api in ["rest", "graphql"] {
        let folder = Folder::new();
        let recording = folder.at("recording");
        let fake = Fake::start(Behaviour {
            fault: Box::new(faults),
            alias: Box::new(alias),
            ..Behaviour::default()
        });
        let common = ["-f", path(&roster), "-F", "json", "--retries", "2"];
        let live = Program::asking(&fake, &[&common[..], &["--api", api, "--record", &recording]].concat())
            .env("GH_TOKEN", "ghp_sample")
            .run();
        let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
        assert_eq!((live.status, played.status), (1, 1), "{}", played.stderr);
        assert_eq!(without_times(&live.stdout), without_times(&played.stdout), "{api}");
        let report: Value = serde_json::from_str(&live.stdout).unwrap();
        assert_eq!(report["meta"]["exchanges"], recording);
        assert_eq!(report["meta"]["viewer"], "Octocat-Sample");
        for row in report["rows"].as_array().unwrap().iter().filter(|row| row["status"] == "ok") {
            let exchange = row["exchange"].as_str().unwrap();
            let kept = std::fs::read_to_string(Path::new(&recording).join(exchange)).unwrap();
            assert!(kept.contains(row["login"].as_str().unwrap()), "{exchange}");
            assert!(kept.contains(&row["id"].to_string()), "{exchange}");
        }
        // A part of the roster plays back, too; what was spent is then not the recorded run's.
        let part = Program::new(&["user-1", "user-2", "-F", "json", "--replay", &recording]).run();
        assert_eq!(part.status, 0, "{}", part.stderr);
        let rows_of =
            |json: &str| serde_json::from_str::<Value>(json).unwrap()["rows"].as_array().unwrap().len();
        assert_eq!(rows_of(&part.stdout), 2);
        let part: Value = serde_json::from_str(&part.stdout).unwrap();
        assert_eq!(part["meta"]["viewer"], "Octocat-Sample", "whose token it was is in the recording");
    }
}

/// The script of the recipe's audit, as GitHub runs it: by bash that ends at the first failure.
/// The script of the action, which the weekly recipe uses.
fn weekly() -> String {
    let action = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap();
    let script = action.split("      run: |\n").nth(1).unwrap();
    let script = script.lines().take_while(|line| line.starts_with("        "));
    let script: Vec<_> = script.map(|line| &line[8..]).collect();
    script.join("\n")
}

#[test]
#[cfg(unix)]
fn the_weekly_audit_keeps_a_baseline_and_fails_on_what_needs_attention() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let bin = Path::new(env!("CARGO_BIN_EXE_ghrepos")).parent().unwrap().display().to_string();
    let week = |team: &str| {
        std::fs::write(folder.at("team.csv"), format!("login,team\n{team}")).unwrap();
        let arguments = format!("--file=team.csv\n--group-by=team\n--api-url={}\n", fake.url());
        let run = std::process::Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &weekly()])
            .current_dir(folder.0.path())
            .env_clear()
            .env("PATH", format!("{bin}:/usr/bin:/bin"))
            .env("LANG", "C.UTF-8")
            .env("GH_TOKEN", "ghp_sample")
            .env("ARGUMENTS", arguments)
            .env("FOLDER", "audit")
            .env("GITHUB_OUTPUT", folder.at("output"))
            .env("RULES", "new>0,gone>0,replaced>0,change>50%,failed>0")
            .env("GITHUB_STEP_SUMMARY", folder.at("summary.md"))
            .output()
            .unwrap();
        (
            run.status.code().unwrap(),
            String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap(),
        )
    };
    let (status, told) = week("user-1,core\nuser-2,web\nmissing-1,web\n");
    assert_eq!(status, 0, "{told}");
    let (status, told) = week("user-1,core\nuser-2,web\nmissing-1,web\n");
    assert_eq!(status, 0, "{told}");
    let (status, told) = week("user-1,core\nuser-3,web\nmissing-1,web\n");
    assert_eq!(status, 3, "{told}");
    assert!(
        told.contains("--fail-on new>0: 1 login: user-3")
            && told.contains("--fail-on gone>0: 1 login: user-2"),
        "{told}"
    );
    let summary = std::fs::read_to_string(folder.at("summary.md")).unwrap();
    assert_eq!(summary.matches("public repositories of 2 of 3 accounts").count(), 3, "{summary}");
    assert!(summary.contains("| web | 2 | 1 |"), "{summary}");
    assert!(std::fs::read_to_string(folder.at("audit/now.html")).unwrap().contains("By team"));
    assert!(std::fs::read_to_string(folder.at("output")).unwrap().ends_with("status=3\n"));
    // What needed attention once is the baseline of the next week.
    let (status, told) = week("user-1,core\nuser-3,web\nmissing-1,web\n");
    assert_eq!(status, 0, "{told}");
    let (status, told) = week("user-1,core\nuser-3,web,extra\n\"open\n");
    assert_eq!(status, 2, "{told}");
    assert!(std::fs::read_to_string(folder.at("audit/last.ndjson")).unwrap().contains("user-3"));
}

#[test]
fn a_second_count_that_broke_off_plays_back_as_one_that_did() {
    let fault = |asked: &crate::fake::Asked<'_>| match (asked.login, asked.time) {
        ("user-3", 1) => Some(Fault::secondary(403, Some(1))),
        ("user-3", _) => Some(Fault::Hangup),
        _ => None,
    };
    let fake = Fake::with_faults(fault);
    let folder = Folder::new();
    let recording = folder.at("recording");
    let list = file(&users(10));
    let common = ["-f", path(&list), "--verify", "100", "-F", "json", "--retries", "2"];
    let live = Program::asking(&fake, &[&common[..], &["--record", &recording]].concat())
        .env("GH_TOKEN", "ghp_sample")
        .run();
    let played = Program::new(&[&common[..], &["--replay", &recording]].concat()).run();
    assert_eq!((live.status, played.status), (0, 0), "{}{}", live.stderr, played.stderr);
    assert_eq!(without_times(&live.stdout), without_times(&played.stdout));
}

#[test]
fn a_report_that_carries_more_than_any_of_ours_is_refused_in_one_line() {
    let folder = Folder::new();
    let mut carried = String::new();
    for column in 0..40_000 {
        carried += &format!("{}\"c{column}\":\"x\"", if column == 0 { "" } else { "," });
    }
    let (line, csv, named) = (folder.at("line.ndjson"), folder.at("endless.csv"), folder.at("named.csv"));
    let row = r#""login":"a","status":"ok","kind":"user","id":1,"public_repos":1,"error":null,"via":"rest","at":null,"attempts":1"#;
    std::fs::write(&line, format!("{{{row},\"carried\":{{{carried}}}}}\n")).unwrap();
    std::fs::write(&csv, format!("login,status\na,\"{}", "x".repeat(20 << 20))).unwrap();
    std::fs::write(&named, "login,status,\u{1b}]0;x\u{7}\na,failed,b\n").unwrap();
    for (path, told) in [(&line, "line 1 is no row (it carries more than 1000 columns)"), (&csv, "")] {
        let begun = std::time::Instant::now();
        let run = Program::new(&["--from", path]).run();
        assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        assert!(run.stderr.contains(told), "{}", run.stderr);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    }
    let run = Program::new(&["--from", &named, "-F", "csv"]).run();
    assert!(run.stdout.contains("u{1b}") && !run.stdout.contains('\u{1b}'), "{}", run.stdout);
    // A file may have any name.
    let run = Program::new(&["-f", "no\u{1b}]0;x\u{7}.txt"]).run();
    assert!(run.status == 2 && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
}
