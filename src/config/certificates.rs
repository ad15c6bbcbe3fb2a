//! Certificate authorities: those of `--ca-file`.

use std::path::Path;

use reqwest::Certificate;

use super::ConfigError;

/// The certificates in a file, in PEM format.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    read(path).map_err(|reason| ConfigError::NoCertificate { path: path.display().to_string(), reason })
}

fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = std::fs::read(path).map_err(|error| crate::text::reason(&error))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(NONE.into()),
        Err(error) => Err(crate::text::reason(&error)),
    }
}

const NONE: &str = "there is no certificate in PEM format in it";
