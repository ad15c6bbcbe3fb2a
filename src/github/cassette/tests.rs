use std::fs;

use super::*;

#[test]
fn a_damaged_file_is_named_in_one_printable_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("users")).unwrap();
    fs::write(folder.path().join("users/a.json"), r#"{"request":"GET /users/a","\n\u001b[31m":1}"#).unwrap();
    let request =
        RecordedRequest { method: Method::GET, uri: Uri::from_static("/users/a"), body: Bytes::default() };
    let error = Cassette::new(folder.path()).replay(&request).unwrap_err().to_string();
    assert!(error.contains("a.json is damaged: unknown field `\\n\\u{1b}[31m`"), "{error}");
}
