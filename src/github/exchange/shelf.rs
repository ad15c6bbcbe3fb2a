//! The files of a recording. Its folder may be one that a person keeps other things in, or that came out of
//! an archive: nothing in it is replaced or taken away but what was recorded, and no link is followed to write.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::file::beside;

/// No exchange is longer: a body of 16 MiB, in which each character may be an escape.
const MAX_FILE: u64 = 128 << 20;

/// Reads a file: an ordinary one, since a pipe might never end.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than any exchange"));
    }
    Ok(bytes)
}

/// Puts a file below `folder`, whole or not at all. What has its name already is replaced where it `is_ours`.
pub(crate) fn put(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    is_ours: impl Fn(&[u8]) -> bool,
) -> io::Result<()> {
    let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    let between = path.ancestors().skip(1).take_while(|above| *above != folder);
    if between.into_iter().any(Path::is_symlink) {
        return refuse("its folder is a link to another one; record to a new folder");
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(path).is_ok() && !is_plain(path, is_ours) {
        return refuse("there is something there that was not recorded; record to a new folder");
    }
    let file = beside(path, None)?;
    fs::write(file.path(), bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Takes a file away, if it `is_ours`.
pub(super) fn remove(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> bool {
    is_plain(path, is_ours) && fs::remove_file(path).is_ok()
}

fn is_plain(path: &Path, is_ours: impl Fn(&[u8]) -> bool) -> bool {
    let plain = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    plain && read(path).is_ok_and(|bytes| is_ours(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_was_recorded_is_replaced_or_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let ours = |bytes: &[u8]| bytes.starts_with(b"ours");
        let put = |name: &str| put(folder.path(), &at(name), b"ours, new", ours);
        fs::write(at("theirs"), "theirs").unwrap();
        fs::write(at("ours"), "ours, old").unwrap();
        put("ours").unwrap();
        put("users/new").unwrap();
        let told = put("theirs").unwrap_err().to_string();
        assert!(told.contains("not recorded"), "{told}");
        assert!(!remove(&at("theirs"), ours) && !remove(&at("nothing"), ours));
        assert_eq!(fs::read(at("theirs")).unwrap(), b"theirs");
        assert_eq!(fs::read(at("users/new")).unwrap(), b"ours, new");
        assert!(remove(&at("ours"), ours));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    #[cfg(unix)]
    fn no_link_is_followed_to_write() {
        use std::os::unix::fs::symlink;
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = elsewhere.path().join("victim");
        fs::write(&victim, "ours, but elsewhere").unwrap();
        let ours = |_: &[u8]| true;
        symlink(&victim, folder.path().join("link")).unwrap();
        symlink(elsewhere.path(), folder.path().join("users")).unwrap();
        for name in ["link", "users/victim", "users/deep/new"] {
            assert!(put(folder.path(), &folder.path().join(name), b"new", ours).is_err(), "{name}");
        }
        assert!(!remove(&folder.path().join("link"), ours));
        assert_eq!(fs::read(&victim).unwrap(), b"ours, but elsewhere");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
        // The folder itself may be a link: the person named it.
        let named = elsewhere.path().join("named");
        symlink(folder.path(), &named).unwrap();
        put(&named, &named.join("graphql/a"), b"new", ours).unwrap();
    }
}
