use std::fs;

use http::{Method, Uri};

use super::*;

#[test]
fn a_damaged_exchange_is_named_in_one_line_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("users")).unwrap();
    fs::write(folder.path().join("users/a.json"), r#"{"request":"GET /users/a","\n\u001b[31m":1}"#).unwrap();
    let asked = Asked { method: Method::GET, uri: Uri::from_static("/users/a"), body: Bytes::default() };
    let told = Exchanges::new(folder.path()).answer(&asked).unwrap_err().to_string();
    assert!(told.contains("a.json is damaged: unknown field `\\n\\u{1b}[31m`"), "{told}");
}
