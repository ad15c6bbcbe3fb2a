//! Files of a recording.
//!
//! The folder may contain other files, or be from an archive. Only recorded files are replaced or removed, and links are not
//! followed to write.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::file::beside;

/// Upper bound on a file, in bytes: a body of 16 MiB in which every character is escaped.
const MAX_FILE: u64 = 128 << 20;

/// Reads a regular file. A pipe might never end.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for a recorded response"));
    }
    Ok(bytes)
}

/// Writes JSON to a file below `folder`, completely or not at all. Replaces an existing file only if it contains a `T`.
pub(crate) fn write_json<T: Serialize + DeserializeOwned>(
    folder: &Path,
    path: &Path,
    value: &T,
) -> io::Result<()> {
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
    if path.ancestors().skip(1).take_while(|parent| *parent != folder).any(Path::is_symlink) {
        return refuse("its folder is a link; record to a new folder");
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(path).is_ok() && read_json::<T>(path).is_none() {
        return refuse("the existing file was not recorded; record to a new folder");
    }
    let file = beside(path, None)?;
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    fs::write(file.path(), json)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Removes a file if it contains a `T` that `is_stale` accepts. Returns whether it did.
pub(super) fn remove_json<T: DeserializeOwned>(path: &Path, is_stale: impl Fn(&T) -> bool) -> bool {
    read_json(path).is_some_and(|value| is_stale(&value)) && fs::remove_file(path).is_ok()
}

/// Reads JSON from a regular file. Does not follow a link.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if path.is_symlink() { None } else { serde_json::from_slice(&read(path).ok()?).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
