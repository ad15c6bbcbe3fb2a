//! Files of a recording.
//!
//! The folder may contain other files, or be from an archive. Only recorded files are replaced or removed, and links are not
//! followed to write.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

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

/// Writes a file below `folder`, completely or not at all. Replaces an existing file only if `is_recorded` accepts its content.
pub(crate) fn write_atomic(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    is_recorded: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
    if path.ancestors().skip(1).take_while(|parent| *parent != folder).any(Path::is_symlink) {
        return refuse("its folder is a link; record to a new folder");
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(path).is_ok() && !is_regular_and_recorded(path, is_recorded) {
        return refuse("the existing file was not recorded; record to a new folder");
    }
    let file = beside(path, None)?;
    fs::write(file.path(), bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Removes a file if `is_recorded` accepts its content. Returns whether it did.
pub(super) fn remove_recorded(path: &Path, is_recorded: impl Fn(&[u8]) -> bool) -> bool {
    is_regular_and_recorded(path, is_recorded) && fs::remove_file(path).is_ok()
}

fn is_regular_and_recorded(path: &Path, is_recorded: impl Fn(&[u8]) -> bool) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
        && read(path).is_ok_and(|bytes| is_recorded(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recorded_files_are_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let is_recorded = |bytes: &[u8]| bytes.starts_with(b"recorded");
        let write = |name: &str| write_atomic(folder.path(), &at(name), b"recorded, new", is_recorded);
        fs::write(at("other"), "other").unwrap();
        fs::write(at("recorded"), "recorded, old").unwrap();
        write("recorded").unwrap();
        write("users/new").unwrap();
        let error = write("other").unwrap_err().to_string();
        assert!(error.contains("not recorded"), "{error}");
        assert!(!remove_recorded(&at("other"), is_recorded) && !remove_recorded(&at("nothing"), is_recorded));
        assert_eq!(fs::read(at("other")).unwrap(), b"other");
        assert_eq!(fs::read(at("users/new")).unwrap(), b"recorded, new");
        assert!(remove_recorded(&at("recorded"), is_recorded));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    #[cfg(unix)]
    fn links_are_not_followed_to_write() {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = elsewhere.path().join("victim");
        fs::write(&victim, "recorded, but elsewhere").unwrap();
        let is_recorded = |_: &[u8]| true;
        symlink(&victim, folder.path().join("link")).unwrap();
        symlink(elsewhere.path(), folder.path().join("users")).unwrap();
        for name in ["link", "users/victim", "users/deep/new"] {
            assert!(
                write_atomic(folder.path(), &folder.path().join(name), b"new", is_recorded).is_err(),
                "{name}"
            );
        }
        assert!(!remove_recorded(&folder.path().join("link"), is_recorded));
        assert_eq!(fs::read(&victim).unwrap(), b"recorded, but elsewhere");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
        // The folder itself may be a link.
        let named = elsewhere.path().join("named");
        symlink(folder.path(), &named).unwrap();
        write_atomic(&named, &named.join("graphql/a"), b"new", is_recorded).unwrap();
    }
}
