//! Truncated, invalid, removed and locked journals.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use super::{Workspace, comparable};
use crate::fake::{Behavior, Fake, PrimaryLimit};
use crate::program::{Program, Run, rows, users};

#[test]
fn a_truncated_last_line_is_repaired_and_no_other() {
    let fake = Fake::well_behaved();
    let whole = Workspace::new(&users(5));
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
        let workspace = Workspace::new(&users(5));
        fs::write(workspace.at("journal.ndjson"), torn).unwrap();
        let before = fake.requests();
        let run = workspace.run(&fake, &["--resume", "-q"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{torn:?}");
        assert_eq!(fake.requests() - before, again, "{torn:?}");
        assert_eq!(comparable(&workspace.journal()), comparable(&text));
    }
}

#[test]
fn a_file_that_is_not_a_journal_is_refused_unchanged() {
    let fake = Fake::well_behaved();
    let row = r#"{"login":"a","status":"ok","type":"user","public_repos":1,"error":null,"id":1,"api":"rest","at":"2026-11-22T12:00:00Z","attempts":1}"#;
    let more = row.replace("\"error\"", "\"sources\":1,\"forks\":0,\"archived\":0,\"error\"");
    for (text, reason) in [
        (
            format!("{row}\n{{\"level\":\"info\"}}\n{row}\n"),
            "line 2 is not a row of a report (missing field `login`); the file is unchanged",
        ),
        (format!("{row}\nhello"), "line 2 is not a row of a report (not JSON); the file is unchanged"),
        ("login,status\na,ok\n".into(), "line 1 is not a row of a report (not JSON); the file is unchanged"),
        ("x".repeat(100_000), "line 1 is not a row of a report (not JSON); the file is unchanged"),
        (format!("{more}\n"), "it was made with --breakdown; add that flag, or use another --output"),
    ] {
        let workspace = Workspace::new("a\nb\n");
        fs::write(workspace.at("journal.ndjson"), &text).unwrap();
        let run = workspace.run(&fake, &["--resume"]);
        assert_eq!(run.status, 2);
        assert_eq!(run.stderr, format!("ghrepos: cannot resume from journal.ndjson: {reason}\n"));
        assert_eq!(workspace.journal(), text);
    }
    assert_eq!(fake.requests(), 0);

    let workspace = Workspace::new("a\n");
    fs::create_dir(workspace.at("journal.ndjson")).unwrap();
    let run = workspace.run(&fake, &["--resume"]);
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{}", run.stderr);
    for (arguments, reason) in [
        (&["-o", "x.csv"][..], "--resume requires exactly one .ndjson output: add -o FILE.ndjson"),
        (
            &["-o", "x.ndjson", "-o", "y.ndjson"],
            "--resume requires exactly one .ndjson output, not 2: write the others in another run",
        ),
    ] {
        let run = Program::for_fake(&fake, &[&["a", "--resume"], arguments].concat()).run();
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {reason}\n")));
    }
}

#[test]
fn a_second_run_on_the_same_journal_is_refused() {
    let fake = Fake::start(Behavior { latency: Duration::from_millis(100), ..Behavior::default() });
    let workspace = Workspace::new(&users(100));
    let first = workspace.program(&fake, &["-q"]).spawn();
    while fake.requests() < 20 {
        std::thread::sleep(Duration::from_millis(10));
    }
    for arguments in [&["--resume"][..], &[]] {
        let run = workspace.run(&fake, arguments);
        assert_eq!(run.status, 2);
        assert!(run.stderr.ends_with("journal.ndjson: another run is writing to it\n"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1);
    }
    assert_eq!(crate::program::wait_for_exit(first).status, 0);
    assert_eq!(rows(&workspace.journal()).len(), 100);
}

#[test]
fn json_that_is_not_a_row_is_refused_and_so_are_null_bytes() {
    let fake = Fake::well_behaved();
    for text in ["{\"login\":\"bob\",\"name\":\"Bob\"}", "\0\0\0\0", "{\"login\":\"bob\",\"name\":\"Bob\""] {
        let workspace = Workspace::new("a\n");
        fs::write(workspace.at("journal.ndjson"), text).unwrap();
        let run = workspace.run(&fake, &["--resume"]);
        let torn = !text.ends_with('}') && !text.starts_with('\0');
        assert_eq!(run.status, if torn { 0 } else { 2 }, "{text:?}: {}", run.stderr);
        assert!(torn || workspace.journal() == text, "{text:?}");
    }
}

#[test]
fn a_journal_that_disappears_during_a_run_is_an_error() {
    for replacement in [None, Some("{\"precious\":1}\n")] {
        let fake = Fake::start(Behavior { latency: Duration::from_millis(20), ..Behavior::default() });
        let workspace = Workspace::new(&users(200));
        let child = workspace.program(&fake, &["-q"]).spawn();
        while fake.requests() < 50 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let partial = workspace.at("journal.ndjson.partial");
        fs::remove_file(&partial).unwrap();
        if let Some(text) = replacement {
            fs::write(&partial, text).unwrap();
        }
        let run = crate::program::wait_for_exit(child);
        assert_eq!(run.status, 2);
        assert_eq!(
            run.stderr,
            "ghrepos: cannot write journal.ndjson: journal.ndjson.partial was removed or replaced during the run\n"
        );
        assert_eq!(fs::read_to_string(partial).ok().as_deref(), replacement);
        assert!(!workspace.at("journal.ndjson").exists());
    }
}

/// Runs 200 logins, and extends the unfinished journal while they are looked up.
fn extend_during_a_run(workspace: &Workspace, fake: &Fake, arguments: &[&str]) -> Run {
    let child = workspace.program(fake, &[&["-q"], arguments].concat()).spawn();
    while fake.requests() < 50 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let partial = fs::OpenOptions::new().append(true).open(workspace.at("journal.ndjson.partial"));
    partial.unwrap().write_all(&[b'x'; 1 << 20]).unwrap();
    crate::program::wait_for_exit(child)
}

#[test]
fn a_journal_that_another_program_extends_is_an_error() {
    const ERROR: &str = "ghrepos: cannot write journal.ndjson: another program has written to journal.ndjson.partial during the run; \
         the rows so far are in journal.ndjson.partial\n";
    let latency = Duration::from_millis(20);
    let fake = Fake::start(Behavior { latency, ..Behavior::default() });
    let workspace = Workspace::new(&users(200));
    let run = extend_during_a_run(&workspace, &fake, &[]);
    assert_eq!((run.status, run.stderr.as_str()), (2, ERROR));
    assert!(!workspace.at("journal.ndjson").exists());

    // Another file of an incomplete run, whose name is the end of the journal's, is named beside it.
    let primary = Some(PrimaryLimit::new(100, Duration::from_hours(1)));
    let fake = Fake::start(Behavior { latency, primary, ..Behavior::default() });
    let workspace = Workspace::new(&users(200));
    fs::write(workspace.at("journal.ndjson"), "an earlier report\n").unwrap();
    let run = extend_during_a_run(&workspace, &fake, &["-o", "nal.ndjson"]);
    let others =
        "ghrepos: not complete: the rows so far are in nal.ndjson.partial; journal.ndjson is unchanged\n";
    assert!(run.stderr.starts_with(ERROR) && run.stderr.ends_with(others), "{}", run.stderr);
    assert_eq!(workspace.journal(), "an earlier report\n");
}
