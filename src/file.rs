//! Files that appear whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Whether there is something at `path` that is no ordinary file: a device, a pipe.
pub(crate) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// What can be written, or may become a file: an error otherwise.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) if !folder(&resolved(path)).is_dir() => Err(no_folder(&resolved(path))),
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn no_folder(path: &Path) -> io::Error {
    let reason = format!("there is no folder {}", folder(path).display());
    io::Error::new(io::ErrorKind::NotFound, reason)
}

/// Where a link leads, be there something or not.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links in a row as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// A temporary file beside `path`, with the permissions of the file that it shall replace.
pub(crate) fn beside(path: &Path, permissions: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut builder = tempfile::Builder::new();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(".part");
    // Temporary files are their owner's alone; a report is an ordinary file, or keeps the mode of
    // the one that it replaces.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder(path)).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return no_folder(path);
        }
        // tempfile adds its own name for the file, which means nothing to anybody.
        io::Error::from(
            error
                .raw_os_error()
                .map_or_else(|| error.kind(), |code| io::Error::from_raw_os_error(code).kind()),
        )
    })?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}
