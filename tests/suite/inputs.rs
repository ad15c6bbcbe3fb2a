//! Lists as people and programs have them: the content decides the format, and what is not a list costs no request.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use crate::fake::Fake;
use crate::program::{Program, Run, report_skipped, wait_for_exit};
use crate::workbook_writer::{Cell, Sheet, archive, ods, xlsx};

fn look_up(fake: &Fake, list: &Path, flags: &[&str]) -> Run {
    Program::for_fake(fake, &[&["-f", list.to_str().unwrap(), "-F", "ndjson"], flags].concat()).run()
}

fn look_up_stdin(fake: &Fake, bytes: &[u8], flags: &[&str]) -> Run {
    let mut child =
        Program::for_fake(fake, &[&["-F", "ndjson"], flags].concat()).stdin(Stdio::piped()).spawn();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let run = wait_for_exit(child);
    let _ = writer.join();
    run
}

/// Returns the logins, and the invalid texts as `invalid: …`.
fn found(run: &Run) -> String {
    let rows = run.rows();
    let logins = |is_invalid: bool| {
        let rows = rows.iter().filter(|row| (row["status"] == "invalid") == is_invalid);
        rows.map(|row| row["login"].as_str().unwrap().to_lowercase()).collect::<Vec<_>>().join(", ")
    };
    match logins(true).as_str() {
        "" => logins(false),
        invalid => format!("{}; invalid: {invalid}", logins(false)),
    }
}

/// Asserts one line of `expected.tsv`: the logins, or a `!` and words of the one line on standard error.
fn assert_case(run: &Run, requests: u64, expected: &str, case: &str) {
    let Some(words) = expected.strip_prefix("! ") else {
        assert_eq!(found(run), expected.to_lowercase(), "{case}: {}", run.stderr);
        let logins = run.rows().iter().filter(|row| row["status"] != "invalid").count();
        assert_eq!(requests, logins as u64, "{case}");
        return;
    };
    assert_eq!((run.status, run.stdout.as_str(), requests), (2, "", 0), "{case}: {}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{case}: {}", run.stderr);
    let words = words.replace("names the columns and --login-column", "columns: , --login-column");
    for word in words.split(", ") {
        let is_there = word.split(" or ").any(|word| run.stderr.contains(word.trim()));
        assert!(is_there, "{case}: no {word:?} in {}", run.stderr);
    }
}

fn assert_cases(folder: &Path) {
    let fake = Fake::well_behaved();
    let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut cases = 0;
    for line in table.lines() {
        let [file, flags, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let flags: Vec<_> = flags.split_whitespace().collect();
        let path = folder.join(file);
        let before = fake.requests();
        let run = look_up(&fake, &path, &flags);
        assert_case(&run, fake.requests() - before, expected, line);
        // The same content has the same logins on standard input.
        let before = fake.requests();
        let run = look_up_stdin(&fake, &fs::read(&path).unwrap(), &flags);
        assert_case(&run, fake.requests() - before, expected, &format!("standard input: {line}"));
        cases += 1;
    }
    assert!(cases > 20, "{cases}");
}

#[test]
fn every_sample_list_has_its_logins_or_its_error() {
    assert_cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inputs/cases"));
}

#[test]
fn every_list_of_the_shared_cases_has_its_logins() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    if folder.is_dir() {
        assert_cases(&folder);
    } else {
        report_skipped("../shared/cases is not there");
    }
}

#[test]
fn what_is_not_a_list_causes_no_request() {
    const OLE2: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"user-1\n").unwrap();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an Excel 97-2003 workbook", [OLE2, &[7; 600], b"user-1\n"].concat()),
        ("protected by a password", [OLE2, &[7; 600], &utf16("EncryptedPackage")].concat()),
        ("a Word document", [OLE2, &[7; 600], &utf16("WordDocument")].concat()),
        (
            "an Excel binary workbook",
            archive(&[("[Content_Types].xml", b""), ("xl/workbook.bin", b"user-1")]),
        ),
        ("a Word document", archive(&[("[Content_Types].xml", b""), ("word/document.xml", b"user-1")])),
        ("an Apple Numbers document", archive(&[("Index/Document.iwa", b"user-1")])),
        ("a zip archive", archive(&[("list.txt", b"user-1\n")])),
        (
            "a workbook that is damaged",
            xlsx(&[Sheet::new("Sheet", &[&[Cell::Text("login")]])])[..200].to_vec(),
        ),
        ("a workbook that is damaged", archive(&[("[Content_Types].xml", b"")])),
        ("an OpenDocument text", archive(&[("mimetype", b"application/vnd.oasis.opendocument.text")])),
        ("compressed with gzip", gzip.finish().unwrap()),
        ("a PDF", b"%PDF-1.7\nuser-1\n".to_vec()),
        ("an image", b"\x89PNG\r\n\x1a\nuser-1\n".to_vec()),
        ("an SQLite database", b"SQLite format 3\0user-1".to_vec()),
        ("neither text nor a workbook", b"user-1\0\x01\x02\n".to_vec()),
        ("a CODEOWNERS file", b"*.rs @user-1 user@example.com\n".to_vec()),
        ("a CODEOWNERS file", b"# owners\n\n*  @user-1\n".to_vec()),
        ("a CODEOWNERS file", b"/src @user-1 @acme/team\n".to_vec()),
        ("a CODEOWNERS file", b"docs/ @user-1\n".to_vec()),
        ("YAML", b"---\nusers:\n- user-1\n".to_vec()),
        ("YAML", b"team: core\n".to_vec()),
        ("a YAML or Markdown list", b"- user-1\n- user-2\n".to_vec()),
        ("Markdown", b"# Team\n\n* [user-1](https://github.com/user-1)\n".to_vec()),
        ("Markdown", b"| login |\n|---|\n| user-1 |\n".to_vec()),
        ("an HTML page", b"\n<!DOCTYPE HTML>\nuser-1\n".to_vec()),
        ("an HTML page", b"<table><tr><td>user-1</td></tr></table>".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?>\n<Workbook/>".to_vec()),
        ("a TOML or INI file", b"[users]\nuser-1 = 1\n".to_vec()),
        ("a key or a certificate", b"-----BEGIN CERTIFICATE-----\nMIIB\n".to_vec()),
        ("a file of metrics", b"# HELP repos Repositories.\nrepos 1\n".to_vec()),
        ("a script", b"#!/bin/sh\nuser-1\n".to_vec()),
        ("a Rich Text document", b"{\\rtf1 user-1}".to_vec()),
    ];
    for (number, (name, bytes)) in cases.iter().enumerate() {
        // The name of the file does not matter.
        let path = folder.path().join(format!("{number}.{}", ["csv", "txt", "xlsx"][number % 3]));
        fs::write(&path, bytes).unwrap();
        for flags in [&[][..], &["--login-column", "1", "--no-header"]] {
            for run in [look_up(&fake, &path, flags), look_up_stdin(&fake, bytes, flags)] {
                assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{name}: {}", run.stderr);
                let line = run.stderr.strip_prefix("ghrepos: cannot read ").expect(name);
                assert!(line.contains(": it is ") && line.contains(name), "{name}: {line}");
                assert!(line.lines().count() == 1 && line.split(": ").count() > 2, "{name}: {line}");
            }
        }
    }
    assert_eq!(fake.requests(), 0);
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_workbook_is_read_from_its_sheet_with_logins() {
    use Cell::{Date, Empty, Number, Text};
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let team = [
        &[Text("Name"), Text("GitHub user"), Text("Joined"), Text("Team")][..],
        &[Text("Ana"), Text(" user-1 "), Date(45943.0), Text("blue")],
        &[Text("Bo"), Text("https://github.com/user-2"), Date(45943.5), Text("blue")],
        &[],
        &[Text("Cy"), Empty, Empty, Text("green")],
        &[Text("Di"), Number(12345.0), Number(1.5), Text("green")],
        &[Text("Ed"), Date(45943.0), Empty, Text("green")],
    ];
    let notes = [&[Text("Read me")][..], &[Text("user-9")]];
    let hidden = Sheet { is_hidden: true, ..Sheet::new("Old", &[&[Text("GitHub")], &[Text("user-8")]]) };
    let book = xlsx(&[Sheet::new("Notes", &notes), hidden, Sheet::new("Team", &team)]);
    let path = write(&folder, "team.txt", &book);
    let run = look_up(&fake, &path, &["--carry", "joined", "--group-by", "Team"]);
    assert_eq!(found(&run), "user-1, user-2, 12345; invalid: 2025-10-13", "{}", run.stderr);
    let carried: Vec<_> = run.rows().iter().map(|row| row["carried"].to_string()).collect();
    let date = r#"{"joined":"2025-10-13","Team":"blue"}"#;
    let time = r#"{"joined":"2025-10-13 12:00:00","Team":"blue"}"#;
    assert_eq!(carried[..3], [date, time, r#"{"joined":"1.5","Team":"green"}"#]);
    assert!(run.stderr.contains(r#"the logins are those of sheet "Team", not of "Notes""#), "{}", run.stderr);
    assert!(run.stderr.contains("1 row without a login skipped: row 5\n"), "{}", run.stderr);
    let run = look_up_stdin(&fake, &book, &["-f", "-"]);
    assert_eq!(found(&run), "user-1, user-2, 12345; invalid: 2025-10-13", "{}", run.stderr);

    let titles =
        [&[Text("Sample team")][..], &[], &[Text("Name"), Text("login")], &[Text("Ana"), Text("user-1")]];
    let path = write(&folder, "titles.xlsx", &xlsx(&[Sheet::new("Sheet", &titles)]));
    let run = look_up(&fake, &path, &[]);
    assert!(
        run.status == 2 && run.stderr.contains("line 3 looks like it: use --header-row 3"),
        "{}",
        run.stderr
    );
    assert_eq!(found(&look_up(&fake, &path, &["--header-row", "3"])), "user-1");
    for (flags, reason) in [
        (&["--header-row", "4"][..], "line 3 looks like it: use --header-row 3"),
        (&["--login-column", "2"], "line 3 looks like it: use --header-row 3"),
        (
            &["--login-column", "login"],
            "column \"login\" not found in line 1 (columns: 1 \"Sample team\"); line 3 has it: use --header-row 3",
        ),
        (&["--header-row", "1", "--carry", "name"], "line 3 looks like it: use --header-row 3"),
    ] {
        let run = look_up(&fake, &path, flags);
        assert!(run.status == 2 && run.stderr.trim_end().ends_with(reason), "{}", run.stderr);
    }

    let path = write(&folder, "empty.xlsx", &xlsx(&[Sheet::new("Sheet", &[])]));
    let run = look_up(&fake, &path, &[]);
    assert_eq!(
        (run.status, run.stderr.as_str()),
        (2, "ghrepos: the input has no logins; use --allow-empty if that is right\n")
    );
    assert_eq!(look_up(&fake, &path, &["--allow-empty"]).status, 0);

    let rows: [&[&str]; 4] = [&["Name", "GitHub"], &["Ana", "user-1"], &["Bo", ""], &["Cy", "user-2"]];
    let run = look_up(&fake, &write(&folder, "team.ods", &ods(&rows)), &[]);
    assert_eq!(found(&run), "user-1, user-2");
    assert!(run.stderr.contains("1 row without a login skipped: row 3\n"), "{}", run.stderr);
}

#[test]
fn a_workbook_that_unpacks_to_gigabytes_is_refused() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let mut bomb = archive(&[("[Content_Types].xml", &[b' '; 4321])]);
    // The directory states 2 GiB.
    let stated = 4321_u32.to_le_bytes();
    let at = bomb.windows(4).rposition(|bytes| bytes == stated).unwrap();
    bomb[at..at + 4].copy_from_slice(&(2_u32 << 30).to_le_bytes());
    let run = look_up(&fake, &write(&folder, "bomb.xlsx", &bomb), &[]);
    assert!(run.status == 2 && run.stderr.contains("it unpacks to more than 1 GiB"), "{}", run.stderr);
    // The number of texts, for which a reader reserves memory.
    let texts = b"<sst uniqueCount=\"99999999999999\"></sst>";
    let bomb = archive(&[("[Content_Types].xml", b""), ("xl/sharedStrings.xml", texts)]);
    let run = look_up(&fake, &write(&folder, "texts.xlsx", &bomb), &[]);
    assert!(run.status == 2 && run.stderr.contains("a workbook that is damaged"), "{}", run.stderr);
    let mut large = archive(&[("[Content_Types].xml", b"")]);
    large.resize(65 << 20, 0);
    for run in [look_up(&fake, &write(&folder, "large.xlsx", &large), &[]), look_up_stdin(&fake, &large, &[])]
    {
        assert!(run.status == 2 && run.stderr.contains("more than 64 MiB"), "{}", run.stderr);
    }
    assert_eq!(fake.requests(), 0);
}

#[test]
fn columns_of_json_are_carried_and_grouped() {
    let fake = Fake::well_behaved();
    let list = r#"{"members":[{"login":"user-1","team":["core","web"],"site":{"name":"Oslo"}},{"login":"user-2","team":"web"}]}"#;
    let run = look_up_stdin(&fake, list.as_bytes(), &["-", "--group-by", "team", "--carry", "site.name"]);
    let carried: Vec<_> = run.rows_of(2).iter().map(|row| row["carried"].to_string()).collect();
    assert_eq!(
        carried,
        [r#"{"site.name":"Oslo","team":["core","web"]}"#, r#"{"site.name":null,"team":"web"}"#]
    );
}

#[test]
fn elements_of_json_without_a_login_are_counted() {
    let fake = Fake::well_behaved();
    for (list, skipped) in [
        (r#"["user-1", "", null, "user-2"]"#, "2 rows"),
        (
            r#"[{"login": "user-1"}, {"name": "Ana"}, {"login": ""}, {"login": "user-2"}, {"name": "Bo"}]"#,
            "3 rows",
        ),
        (r#"{"users": ["user-1", "user-2", " "], "files": ["", {"name": "user-3"}, 7]}"#, "1 row"),
    ] {
        let run = look_up_stdin(&fake, list.as_bytes(), &["-"]);
        assert_eq!(found(&run), "user-1, user-2", "{list}");
        assert!(run.stderr.contains(&format!("{skipped} without a login skipped")), "{list}: {}", run.stderr);
    }
    let run = look_up_stdin(&fake, br#"{"users": ["user-1", 12345], "ids": [7]}"#, &["-"]);
    assert_eq!(found(&run), "user-1, 12345", "{}", run.stderr);
}

/// Writes a line at a time, and waits for the row of its login: recognition does not wait for the rest.
fn assert_streamed(lines: &[(&str, &str)]) {
    let fake = Fake::well_behaved();
    let mut child = Program::for_fake(&fake, &["-F", "ndjson"]).stdin(Stdio::piped()).spawn();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for (line, login) in lines {
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut row = String::new();
        if !login.is_empty() {
            stdout.read_line(&mut row).unwrap();
        }
        assert!(row.contains(login), "{line}: {row}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_slow_list_is_looked_up_line_by_line() {
    assert_streamed(&[
        ("user-1\n", "user-1"),
        ("user-2\r\n", "user-2"),
        ("# x\n", ""),
        ("user-3", ""),
        ("\n", "user-3"),
    ]);
    assert_streamed(&[("login;team\n", ""), ("user-1;a\n", "user-1"), ("user-2;\"b\nc\"\n", "user-2")]);
    assert_streamed(&[("{\"login\":\"user-1\"}\n", "user-1"), ("{\"login\":\"user-2\"}\n", "user-2")]);
    assert_streamed(&[
        ("[\n{\"login\":\"user-1\"}", "user-1"),
        (",\n{\"login\":\"user-2\"}", "user-2"),
        ("]\n", ""),
    ]);
}

#[test]
fn silent_standard_input_is_mentioned() {
    let fake = Fake::well_behaved();
    let mut child = Program::for_fake(&fake, &["-F", "ndjson"]).stdin(Stdio::piped()).spawn();
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "ghrepos: reading logins from standard input\n");
    stdin.write_all(b"user-1\n").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    // Input without logins that was not named is no input.
    let run = Program::for_fake(&fake, &[]).run();
    assert!(run.status == 2 && run.stderr.starts_with("ghrepos: no logins given: "), "{}", run.stderr);
}

#[test]
fn reports_in_utf16_are_compared_merged_and_resumed() {
    let fake = Fake::well_behaved();
    let folder = tempfile::tempdir().unwrap();
    let input = ["user-1", "user-2"];
    for (format, name) in [("ndjson", "r.ndjson"), ("json", "r.json"), ("csv", "r.csv"), ("tsv", "r.tsv")] {
        let report = Program::for_fake(&fake, &[&input[..], &["-F", format]].concat()).run().stdout;
        let utf16: Vec<u8> = std::iter::once(0xfeff)
            .chain(report.replace('\n', "\r\n").encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let path = write(&folder, name, &utf16);
        let path = path.to_str().unwrap();
        let again = Program::new(&["--from", path, "-F", "csv"]).run();
        assert_eq!((again.status, again.stdout.lines().count()), (0, 3), "{name}: {}", again.stderr);
        let run = Program::for_fake(&fake, &["user-1", "--baseline", path, "-F", "ndjson"]).run();
        assert_eq!(run.rows_of(2)[1]["event"], "removed", "{name}");
    }
    let path = folder.path().join("r.ndjson");
    let before = fake.requests();
    let arguments = ["user-1", "user-2", "user-3", "--resume", "-o", path.to_str().unwrap()];
    let run = Program::for_fake(&fake, &arguments).run();
    assert_eq!((run.status, fake.requests() - before), (0, 1), "{}", run.stderr);
    let logins: Vec<_> = crate::program::rows(&fs::read_to_string(&path).unwrap())
        .iter()
        .map(|row| row["login"].clone())
        .collect();
    assert_eq!(logins, ["user-1", "user-2", "user-3"]);
}
