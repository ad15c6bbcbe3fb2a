//! Temporary files in the folder of the file that they will replace.

use std::io::{self, ErrorKind};
use std::path::Path;

use tempfile::NamedTempFile;

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

pub(crate) fn missing_folder(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("folder {} does not exist", parent(path).display()))
}

/// Creates a temporary file in the folder of `path`.
pub(crate) fn temp_file_beside(path: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".part");
    // The default of temporary files is 0600; a report has the mode of any other file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(parent(path)).map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing_folder(path),
        // The text of the error names the temporary file.
        kind => kind.into(),
    })
}
