use std::io::Write;

use super::*;

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

async fn read(sources: &[InputSource]) -> (Vec<String>, u64) {
    let input = Input::open(sources, &InputOptions::default()).unwrap();
    let report = input.report();
    let logins = input.into_stream().map(|record| match record.login {
        Ok(login) => login.to_string(),
        Err(invalid) => format!("{:?} {invalid}", invalid.text),
    });
    (logins.collect().await, report.lock().duplicates)
}

#[tokio::test]
async fn comments_blank_lines_and_line_ends_are_ignored() {
    let list = file(
        b"\xef\xbb\xbf# our team\r\ntorvalds\r\n\r\n  @antirez # Redis\n\nhttps://github.com/gvanrossum",
    );
    let (entries, duplicates) = read(&[InputSource::File(list.path().into())]).await;
    assert_eq!(entries, ["torvalds", "antirez", "gvanrossum"]);
    assert_eq!(duplicates, 0);
}

#[tokio::test]
async fn duplicates_in_any_case_are_dropped() {
    let list = file(b"Torvalds\nantirez\nTORVALDS\na/b/c\n");
    let (entries, duplicates) = read(&[
        InputSource::Text("torvalds".into()),
        InputSource::Text("a/b/c".into()),
        InputSource::File(list.path().into()),
        InputSource::Text("#late".into()),
    ])
    .await;
    assert_eq!(
        entries,
        ["torvalds", "\"a/b/c\" not a login: contains '/'", "antirez", "\"#late\" not a login: contains '#'"]
    );
    assert_eq!(duplicates, 3);
}

#[tokio::test]
async fn binary_and_endless_lines_are_rows() {
    let long = vec![b'x'; 1 << 20];
    let list = file(&[b"\x80\x81\n", &long[..], b"\nantirez\n"].concat());
    let (entries, _) = read(&[InputSource::File(list.path().into())]).await;
    assert_eq!(entries.len(), 3);
    assert!(entries[0].ends_with("not a login: contains '€'"), "{}", entries[0]);
    assert!(entries[1].len() < 5_000, "{}", entries[1].len());
    assert_eq!(entries[2], "antirez");
}

#[test]
fn an_unreadable_file_is_named() {
    let open = |path: &str| {
        Input::open(&[InputSource::File(path.into())], &InputOptions::default()).err().unwrap().to_string()
    };
    assert!(open("/nowhere/list.txt").starts_with("cannot read /nowhere/list.txt: No such file"));
    assert_eq!(open("/"), "cannot read /: it is a folder; name a file in it");
}

#[test]
fn the_length_is_estimated_unless_there_is_stdin() {
    let list = file(b"a\nb\nc");
    let sources =
        [InputSource::Text("x".into()), InputSource::File(list.path().into()), InputSource::Text("y".into())];
    assert_eq!(Input::open(&sources, &InputOptions::default()).unwrap().estimate(), Some(5));
    assert_eq!(Input::open(&[InputSource::Stdin], &InputOptions::default()).unwrap().estimate(), None);
}

#[test]
fn at_most_five_rows_without_a_login_are_named() {
    let mut rows = EmptyRows::default();
    assert_eq!(rows.places(), None);
    rows.add(15);
    assert_eq!(rows.places().as_deref(), Some("line 15"));
    (20..24).for_each(|number| rows.add(number));
    assert_eq!(rows.places().as_deref(), Some("lines 15, 20, 21, 22, 23"));
    rows.add(24);
    assert_eq!(rows.places().as_deref(), Some("lines 15, 20, 21, 22, 23, …"));
    assert_eq!(EmptyRows::unnumbered(3).places(), None);
}
