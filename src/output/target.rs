//! What a report is written to: a file under a temporary name, or what is no ordinary file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::file;
use crate::render::Output;

/// Opens what a report is written to: a file under a temporary name, and the name that it shall have;
/// or, where that is no ordinary file, the thing itself.
pub(super) fn create(path: &Path) -> io::Result<(Output, Option<(NamedTempFile, PathBuf)>)> {
    file::check(path)?;
    if file::is_special(path) {
        return Ok((buffered(File::options().write(true).open(path)?), None));
    }
    let path = file::resolved(path);
    let permissions = match fs::metadata(&path) {
        Ok(existing) => {
            // Whoever may not write the file shall not replace it either.
            File::options().append(true).open(&path)?;
            Some(existing.permissions())
        }
        Err(_) => None,
    };
    let unfinished = file::beside(&path, permissions)?;
    Ok((buffered(unfinished.reopen()?), Some((unfinished, path))))
}

pub(super) fn buffered(out: impl Write + Send + 'static) -> Output {
    BufWriter::with_capacity(64 << 10, Box::new(out))
}
