//! Files that appear complete or not at all.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Returns true for devices, pipes, and everything else that is neither a regular file nor a folder.
pub(crate) fn is_special_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Checks that a file can be written or created at `path`, and returns the metadata of the one that is there.
pub(crate) fn check_writable(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(_) => {
            let path = resolve_symlinks(path);
            if parent(&path).is_dir() { Ok(None) } else { Err(missing_folder(&path)) }
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn missing_folder(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("there is no folder {}", parent(path).display()))
}

/// Returns the path to which links lead, whether it exists or not.
pub(crate) fn resolve_symlinks(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // Linux follows as many links in a row.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = parent(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// Creates a temporary file in the folder of `path`, with the permissions of the file that it will replace.
pub(crate) fn temp_file_beside(path: &Path, permissions: Option<Permissions>) -> io::Result<NamedTempFile> {
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    // The default of temporary files is 0600; a report has the mode of any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(parent(path)).map_err(|error| match error.raw_os_error() {
        _ if error.kind() == ErrorKind::NotFound => missing_folder(path),
        // The error of `tempfile` names the temporary file.
        Some(code) => io::Error::from_raw_os_error(code).kind().into(),
        None => error.kind().into(),
    })?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}
