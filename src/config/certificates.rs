//! Certificate authorities: those of `--ca-file`, and a check of those that the environment names.

use std::path::Path;

use reqwest::Certificate;

use super::ConfigError;

/// The certificates in a file, in PEM format.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    read(path).map_err(|reason| ConfigError::NoCertificate { path: path.display().to_string(), reason })
}

fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let pem = std::fs::read(path).map_err(|error| crate::text::io_message(&error))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(NONE.into()),
        Err(error) => Err(crate::text::io_message(&error)),
    }
}

const NONE: &str = "there is no certificate in PEM format in it";

/// Checks the files that replace the system's authorities: the library that reads them skips what it cannot
/// read. Only on the systems on which it reads them.
pub(super) fn check_environment(env: &dyn Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
    if cfg!(not(all(unix, not(target_vendor = "apple"), not(target_os = "android")))) {
        return Ok(());
    }
    let (file, folders) = (env("SSL_CERT_FILE"), env("SSL_CERT_DIR"));
    if let Some(file) = &file {
        read(Path::new(file)).map_err(|reason| unusable("SSL_CERT_FILE", file, reason))?;
    }
    let mut has_certificate = file.is_some();
    let folders = folders.as_deref().unwrap_or_default();
    for folder in std::env::split_paths(folders).filter(|folder| !folder.as_os_str().is_empty()) {
        let entries = std::fs::read_dir(&folder).map_err(|error| {
            unusable("SSL_CERT_DIR", &folder.display().to_string(), crate::text::io_message(&error))
        })?;
        has_certificate |= entries.flatten().any(|entry| read(&entry.path()).is_ok());
    }
    if folders.is_empty() || has_certificate {
        return Ok(());
    }
    Err(unusable("SSL_CERT_DIR", folders, "none of its files has a certificate in PEM format".into()))
}

fn unusable(variable: &'static str, path: &str, reason: String) -> ConfigError {
    let path = crate::text::sanitize_line(path).into_owned();
    ConfigError::UnusableCertificates { variable, path, reason }
}
