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

#[test]
fn a_recorded_error_is_about_its_login_or_may_explain_any_null() {
    let query: QueryBody =
        serde_json::from_value(json!({"query": "", "variables": {"l0": "user-1", "l1": "user-2"}})).unwrap();
    for (path, expected) in [
        (json!(["a0"]), [1, 0]),
        (json!(["a1", "public"]), [0, 1]),
        (json!(["a7"]), [1, 1]),
        (json!(["viewer"]), [1, 1]),
        (json!(null), [1, 1]),
        (json!(["rateLimit"]), [0, 0]),
    ] {
        let body =
            json!({"data": {"a0": null, "a1": null}, "errors": [{"message": "a sample", "path": path}]});
        let errors = query.answers(&body).map(|(_, answer)| answer.errors.len());
        assert_eq!(errors.collect::<Vec<_>>(), expected, "{path}");
    }
}

#[test]
fn only_recorded_files_are_replaced_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str| write_json(folder.path(), &at(name), &"new".to_owned());
    let remove = |name: &str| remove_json(&at(name), |recorded: &String| recorded == "new");
    fs::write(at("other"), "other").unwrap();
    fs::write(at("recorded"), "\"old\"").unwrap();
    write("recorded").unwrap();
    write("users/new").unwrap();
    let error = write("other").unwrap_err().to_string();
    assert!(error.contains("not recorded"), "{error}");
    assert!(!remove("other") && !remove("nothing"));
    assert_eq!(fs::read(at("other")).unwrap(), b"other");
    assert_eq!(fs::read(at("users/new")).unwrap(), b"\"new\"\n");
    assert!(remove("recorded"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
#[cfg(unix)]
fn links_are_not_followed_to_write() {
    use std::os::unix::fs::symlink;
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = elsewhere.path().join("victim");
    fs::write(&victim, "\"recorded\"").unwrap();
    let write = |folder: &Path, name: &str| write_json(folder, &folder.join(name), &"new".to_owned());
    symlink(&victim, folder.path().join("link")).unwrap();
    symlink(elsewhere.path(), folder.path().join("users")).unwrap();
    for name in ["link", "users/victim", "users/deep/new"] {
        assert!(write(folder.path(), name).is_err(), "{name}");
    }
    assert!(!remove_json(&folder.path().join("link"), |_: &String| true));
    assert_eq!(fs::read(&victim).unwrap(), b"\"recorded\"");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    // The folder itself may be a link.
    let named = elsewhere.path().join("named");
    symlink(folder.path(), &named).unwrap();
    write(&named, "graphql/a").unwrap();
}
