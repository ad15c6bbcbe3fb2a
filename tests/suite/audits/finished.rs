//! Saved reports that are rerendered, merged, compared, or refused.

use serde_json::Value;

use super::{Folder, month};
use crate::fake::{Fake, Fault, account};
use crate::program::{Program, Run, file, path, users};

#[test]
fn a_finished_report_renders_as_the_run_did() {
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
        ("changes", Box::new(|more| month("2026-11", &[&["--baseline", &october], more].concat()))),
        (
            "breakdown",
            Box::new(|more| {
                Program::for_fake(&fake, &[&breakdown[..], more].concat()).env("GH_TOKEN", "ghp_sample").run()
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
                // Only a JSON report contains the metadata of its run.
                if to != "json" || from == "json" {
                    assert_eq!(again.stdout, expected, "{name}: {from} as {to}");
                }
            }
        }
    }
    // With sorting, --top, subtotals and a baseline.
    let report = folder.at("changes.csv");
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
    let run = Program::new(&[
        "--from",
        &report,
        "--baseline",
        &october,
        "--fail-on",
        "removed>0",
        "-q",
        "-F",
        "csv",
    ])
    .run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (3, "ghrepos: --fail-on removed>0: 1 login: sample-boris\n")
    );
    assert_eq!(run.stdout, std::fs::read_to_string(&report).unwrap());
    let run = Program::new(&["--from", &report, "--group-by", "site"]).run();
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: cannot group by site: the carried columns are team; choose one of them\n")
    );
    let no_report = file("name\nx\n");
    let run = Program::new(&["--from", path(&no_report)]).run();
    assert_eq!(run.status, 2, "{}", run.stderr);
    // Logins are a list that the report must cover.
    assert_eq!(Program::new(&["--from", &report, "torvalds"]).run().status, 5);
}

#[test]
fn merged_reports_keep_the_last_row_of_each_login() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let list = file(&users(60));
    let mut parts = Vec::new();
    for part in ["1/3", "2/3", "3/3"] {
        let at = folder.at(&format!("part-{}.ndjson", &part[..1]));
        Program::for_fake(&fake, &["-f", path(&list), "--shard", part, "-o", &at]).run();
        parts.extend(["--from".to_owned(), at]);
    }
    let failing = Fake::with_faults(|_| Some(Fault::Html(502)));
    let failed = folder.at("failed.ndjson");
    let run = Program::for_fake(&failing, &["user-7", "nobody-1", "--retries", "0", "-F", "ndjson"]).run();
    std::fs::write(&failed, run.stdout).unwrap();
    parts.extend(["--from".to_owned(), failed]);
    let arguments: Vec<_> = parts.iter().map(String::as_str).chain(["-F", "ndjson"]).collect();
    let run = Program::new(&arguments).run();
    let rows = run.rows_of(61);
    assert_eq!(run.status, 1);
    let failed: Vec<_> = rows.iter().filter(|row| row["status"] != "ok").map(|row| &row["login"]).collect();
    assert_eq!(failed, ["nobody-1"]);
    // A login that is removed in one report and not counted in another is not removed, in either order.
    let (one, other) = (folder.at("removed.ndjson"), folder.at("there.ndjson"));
    let row = |event: &str, status: &str| {
        format!("{{\"login\":\"x\",\"status\":\"{status}\",\"event\":\"{event}\",\"attempts\":1}}\n")
    };
    std::fs::write(&one, row("removed", "removed")).unwrap();
    std::fs::write(&other, row("unknown", "failed")).unwrap();
    for order in [[&one, &other], [&other, &one]] {
        let run = Program::new(&["--from", order[0], "--from", order[1], "-F", "ndjson"]).run();
        assert_eq!((&run.rows_of(1)[0]["event"], run.status), (&"unknown".into(), 1), "{}", run.stderr);
    }
}

#[test]
fn a_damaged_or_unfinished_baseline_is_refused() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let full = folder.at("full.csv");
    Program::for_fake(&fake, &["user-1", "user-2", "-o", &full]).run();
    let text = std::fs::read_to_string(&full).unwrap();
    // Truncated within the last number, and by one column.
    let cut = folder.at("cut.csv");
    let short =
        text.lines().map(|line| line.split(',').take(5).collect::<Vec<_>>().join(",")).collect::<Vec<_>>();
    for (damaged, reason) in [
        (short.join("\r\n"), "its last line has no end: it was cut off"),
        (
            format!("{}\r\n{}\r\n", text.lines().next().unwrap(), short[1]),
            "row 2 has 5 cells, and the header has 9",
        ),
    ] {
        std::fs::write(&cut, damaged).unwrap();
        for arguments in [&["--from", &cut][..], &["user-1", "--baseline", &cut]] {
            let run = Program::for_fake(&fake, arguments).run();
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
    // A journal contains a login twice if its run was killed while it resumed.
    let journal = folder.at("journal.ndjson");
    let row = |status: &str, repos: &str| {
        format!(
            "{{\"login\":\"user-1\",\"status\":\"{status}\",\"id\":null,\"public_repos\":{repos},\"attempts\":1}}\n"
        )
    };
    let count = account("user-1").unwrap().public_repos;
    std::fs::write(
        &journal,
        row("failed", "null") + &row("ok", &count.to_string()) + &row("skipped", "null"),
    )
    .unwrap();
    let run = Program::for_fake(&fake, &["user-1", "--baseline", &journal, "-F", "ndjson"]).run();
    assert_eq!(run.rows_of(1)[0]["change"], 0, "{}", run.stderr);
    // A path that looks like a URL is never shown with its password.
    for url in [
        "postgress://me:s3cret@h/a",
        "POSTGRES://me:s3cret@127.0.0.1:1/a",
        "jdbc:postgres://me:s3cret@h/a",
        "postgres:me:s3cret@h/a",
    ] {
        let run = Program::for_fake(&fake, &["user-1", "--baseline", url]).run();
        assert_eq!(run.status, 2);
        assert!(!run.stderr.contains("s3cret") && run.stderr.lines().count() == 1, "{}", run.stderr);
        let run = Program::new(&["--from", url]).run();
        assert!(run.status == 2 && !run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[test]
fn csv_reads_back_as_it_was_written_including_apostrophes() {
    let folder = Folder::new();
    let fake = Fake::well_behaved();
    let (list, csv, ndjson) = (folder.at("list.csv"), folder.at("out.csv"), folder.at("out.ndjson"));
    std::fs::write(&list, "login,note\na,=1\nb,'=1\nc,''+1\nd,'quoted'\ne,-\n").unwrap();
    let run = Program::for_fake(&fake, &["-f", &list, "--carry", "note", "-o", &csv, "-o", &ndjson]).run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let again = Program::new(&["--from", &csv, "-F", "ndjson"]).run();
    assert_eq!(again.stdout, std::fs::read_to_string(&ndjson).unwrap());
    let again = Program::new(&["--from", &ndjson, "-F", "csv"]).run();
    assert_eq!(again.stdout, std::fs::read_to_string(&csv).unwrap());
}

#[test]
fn a_report_with_too_many_columns_is_refused_in_one_line() {
    let folder = Folder::new();
    let mut carried = String::new();
    for column in 0..40_000 {
        carried += &format!("{}\"c{column}\":\"x\"", if column == 0 { "" } else { "," });
    }
    let (line, csv, named) = (folder.at("line.ndjson"), folder.at("endless.csv"), folder.at("named.csv"));
    let row = r#""login":"a","status":"ok","type":"user","public_repos":1,"error":null,"id":1,"api":"rest","at":null,"attempts":1"#;
    std::fs::write(&line, format!("{{{row},\"carried\":{{{carried}}}}}\n")).unwrap();
    std::fs::write(&csv, format!("login,status,public_repos\na,\"{}\n", "x".repeat(20 << 20))).unwrap();
    std::fs::write(&named, "login,status,id,public_repos,\u{1b}]0;x\u{7}\na,failed,,,b\n").unwrap();
    for (path, message) in [
        (&line, "line 1 is not a row (it carries more than 1000 columns)"),
        (&csv, "it has a row of more than 16 MiB"),
    ] {
        let begun = std::time::Instant::now();
        let run = Program::new(&["--from", path]).run();
        assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
        assert!(run.stderr.contains(message), "{}", run.stderr);
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
    }
    let run = Program::new(&["--from", &named, "-F", "csv"]).run();
    assert!(run.stdout.contains("u{1b}") && !run.stdout.contains('\u{1b}'), "{}", run.stdout);
    // File names may contain any character.
    let run = Program::new(&["-f", "no\u{1b}]0;x\u{7}.txt"]).run();
    assert!(run.status == 2 && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn a_report_without_the_column_is_not_sorted_or_judged() {
    let folder = Folder::new();
    let report = folder.at("october.csv");
    month("2026-10", &["-o", &report]);
    for (arguments, reason) in [
        (
            &["--sort", "forks"][..],
            "cannot sort by forks: the report has no such column; sort by another one, or count again with --breakdown",
        ),
        (
            &["--sort", "private_repos", "--top", "3"],
            "cannot sort by private_repos: the report has no such column; sort by another one, or count again with --private",
        ),
        (
            &["--fail-on", "failed>9,new=0"],
            "--fail-on new=0 requires an earlier report: this one was made without --baseline; add --baseline FILE",
        ),
    ] {
        let run = Program::new(&[&["--from", &report], arguments].concat()).run();
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert_eq!(run.stderr, format!("ghrepos: {reason}\n"));
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_named_as_one() {
    let folder = Folder::new();
    let path = folder.at("");
    for arguments in [
        ["--from", &path].as_slice(),
        &["a", "--baseline", &path],
        &["--file", &path],
        &["a", "--ca-file", &path],
        &["a", "--app-id", "1", "--app-key", &path],
    ] {
        let run = Program::new(arguments).run();
        assert_eq!(run.status, 2, "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("it is a folder; name a file in it\n"), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_damaged_report_is_refused_with_the_way_out() {
    let folder = Folder::new();
    let (json, ndjson, csv) = (folder.at("r.json"), folder.at("r.ndjson"), folder.at("r.csv"));
    month("2026-10", &["-o", &json, "-o", &ndjson, "-o", &csv]);
    let text = |path: &str| std::fs::read_to_string(path).unwrap();
    // Ten lines, and the beginning of another one.
    let cut = |text: String| -> Vec<u8> {
        let lines: Vec<_> = text.lines().collect();
        (lines[..10].join("\n") + "\n" + &lines[10][..30]).into()
    };
    let columns = text(&csv).lines().next().unwrap().split(',').count();
    let ragged = format!("row 11 has 2 cells, and the header has {columns}");
    let rows: Vec<_> = text(&csv).lines().take(10).map(str::to_owned).collect();
    for (name, content, reason) in [
        ("cut.json", cut(text(&json)), "line 11 is cut off"),
        (
            "lines.json",
            text(&ndjson).into(),
            "it has one object per line: its name has to end in .ndjson (missing field `rows`)",
        ),
        ("list.json", b"[1]".into(), "it is not a report (invalid type: sequence, expected an object)"),
        ("other.json", b"{\"a\":1}".into(), "it is not a report (missing field `rows`)"),
        ("text.json", b"hello".into(), "line 1 is not JSON"),
        ("bytes.json", b"\xff\xfe".into(), "it is empty"),
        ("cut.ndjson", cut(text(&ndjson)), "line 11 is not a row (cut off)"),
        ("document.ndjson", text(&json).into(), "it is one object: its name has to end in .json"),
        ("document", text(&json).into(), "it is one object: its name has to end in .json"),
        ("text.ndjson", b"hello".into(), "line 1 is not a row (not JSON)"),
        ("cut.csv", (rows.join("\n") + "\na,b\n").into(), &*ragged),
    ] {
        let path = folder.at(name);
        std::fs::write(&path, content).unwrap();
        for arguments in [&["--from", &path][..], &["a", "--baseline", &path, "--baseline-optional"]] {
            let run = Program::new(arguments).run();
            let message = format!("ghrepos: cannot read {path} as a report: {reason}\n");
            assert_eq!((run.status, run.stderr), (2, message));
        }
    }
}
