use std::io::Write;

use super::*;

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

async fn read(sources: &[InputSource]) -> (Vec<String>, u64) {
    let roster = Input::open(sources, &InputOptions::default()).unwrap();
    let notes = roster.notes();
    let entries = roster.entries().map(|entry| match entry.login {
        Ok(login) => login.to_string(),
        Err(not) => format!("{:?} {}", not.text, not),
    });
    (entries.collect().await, notes.duplicates())
}

#[tokio::test]
async fn lists_may_hold_comments_blank_lines_and_any_line_ends() {
    let list = file(
        b"\xef\xbb\xbf# our team\r\ntorvalds\r\n\r\n  @antirez # Redis\n\nhttps://github.com/gvanrossum",
    );
    let (entries, duplicates) = read(&[InputSource::File(list.path().into())]).await;
    assert_eq!(entries, ["torvalds", "antirez", "gvanrossum"]);
    assert_eq!(duplicates, 0);
}

#[tokio::test]
async fn logins_are_deduplicated_without_case_in_input_order() {
    let list = file(b"Torvalds\nantirez\nTORVALDS\na/b\n");
    let (entries, duplicates) = read(&[
        InputSource::Text("torvalds".into()),
        InputSource::Text("a/b".into()),
        InputSource::File(list.path().into()),
        InputSource::Text("#late".into()),
    ])
    .await;
    assert_eq!(
        entries,
        ["torvalds", "\"a/b\" not a login: holds '/'", "antirez", "\"#late\" not a login: holds '#'"]
    );
    assert_eq!(duplicates, 3);
}

#[tokio::test]
async fn what_is_no_text_is_rows_and_not_the_end() {
    let long = vec![b'x'; 1 << 20];
    let list = file(&[b"\xff\xfe\n", &long[..], b"\nantirez\n"].concat());
    let (entries, _) = read(&[InputSource::File(list.path().into())]).await;
    assert_eq!(entries.len(), 3);
    assert!(entries[0].ends_with("not a login: holds '\u{fffd}'"), "{}", entries[0]);
    assert!(entries[1].len() < 5_000, "{}", entries[1].len());
    assert_eq!(entries[2], "antirez");
}

#[test]
fn a_file_that_cannot_be_read_is_named_at_once() {
    let open = |path: &str| {
        Input::open(&[InputSource::File(path.into())], &InputOptions::default()).err().unwrap().to_string()
    };
    assert!(open("/nowhere/list.txt").starts_with("cannot read /nowhere/list.txt: No such file"));
    assert_eq!(open("/"), "cannot read /: it is a folder");
}

#[test]
fn every_entry_is_in_exactly_one_shard_and_they_are_about_equal() {
    // Names that people number, too.
    for (prefix, number, of) in [
        ("user", 9000, 3),
        ("u", 1500, 2),
        ("acme-dev-", 1000, 8),
        ("student0", 3000, 8),
        ("x", 9000, 16),
        ("", 5000, 7),
    ] {
        let entries: Vec<_> =
            (0..number).map(|at| InputRecord::from(Login::parse(&format!("{prefix}{at}")))).collect();
        let parts: Vec<Shard> = (1..=of).map(|part| Shard { part, of }).collect();
        let mut sizes = vec![0; of as usize];
        for entry in entries.iter().chain([&InputRecord::from(Login::parse("no login"))]) {
            let holds: Vec<_> = parts.iter().map(|part| part.contains(entry.text())).collect();
            assert_eq!(holds.iter().filter(|holds| **holds).count(), 1);
            sizes[holds.iter().position(|holds| *holds).unwrap()] += 1;
        }
        let fair = number / of as usize;
        assert!(
            sizes.iter().all(|size| fair * 8 / 10 < *size && *size < fair * 12 / 10),
            "{prefix}: {sizes:?}"
        );
    }
    assert_eq!("2/8".parse(), Ok(Shard { part: 2, of: 8 }));
    for text in ["", "1", "0/8", "9/8", "1/0", "-1/8", "1/8/2", "a/b"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
}

#[test]
fn the_input_length_is_known_unless_stdin_is_read() {
    let list = file(b"a\nb\nc");
    let sources =
        [InputSource::Text("x".into()), InputSource::File(list.path().into()), InputSource::Text("y".into())];
    assert_eq!(Input::open(&sources, &InputOptions::default()).unwrap().estimate(), Some(5));
    assert_eq!(Input::open(&[InputSource::Stdin], &InputOptions::default()).unwrap().estimate(), None);
}
