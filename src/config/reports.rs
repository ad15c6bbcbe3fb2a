//! What is written, and that it destroys nothing that is read.

use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::input::{self, InputSource};
use crate::output::OutputSpec;
use crate::render::Format;

/// The reports: standard output, unless there are files and no format was named for it.
pub(super) fn reports(format: Option<Format>, outputs: &[PathBuf]) -> Result<Vec<OutputSpec>, ConfigError> {
    let mut reports = Vec::new();
    if format.is_some() || outputs.is_empty() {
        reports.push(OutputSpec { format: format.unwrap_or(Format::Table), path: None });
    }
    for path in outputs {
        let name = path.display().to_string();
        let Some(format) = Format::of(path) else {
            return Err(ConfigError::NoFormat(name));
        };
        if reports.iter().any(|report| report.path.as_deref().is_some_and(|other| same(other, path))) {
            return Err(ConfigError::OutputTwice(name));
        }
        reports.push(OutputSpec { format, path: Some(path.clone()) });
    }
    Ok(reports)
}

/// Whether the lists can be read as they are named, and none of them is written to.
pub(super) fn check_lists(
    sources: &[InputSource],
    reports: &[OutputSpec],
    for_sheets: Option<&'static str>,
) -> Result<(), ConfigError> {
    let is_sheet = |source: &InputSource| matches!(source, InputSource::File(path) if input::is_sheet(path));
    if let (Some(flag), false) = (for_sheets, sources.iter().any(is_sheet)) {
        return Err(ConfigError::NoSheet(flag));
    }
    for list in sources {
        let Some(list) = list.path() else { continue };
        if reports.iter().any(|report| report.path.as_deref().is_some_and(|path| same(path, list))) {
            return Err(ConfigError::ListIsOutput(list.display().to_string()));
        }
    }
    Ok(())
}

/// Whether there is one report that can be gone on with.
pub(super) fn check_journal(reports: &[OutputSpec]) -> Result<(), ConfigError> {
    let journals: Vec<_> = reports
        .iter()
        .filter(|report| report.format == Format::Ndjson)
        .filter_map(|report| report.path.as_ref())
        .collect();
    match journals.as_slice() {
        [] => Err(ConfigError::NoJournal),
        [only] if only.exists() && !only.is_file() => {
            Err(ConfigError::NoJournalFile(only.display().to_string()))
        }
        [_] => Ok(()),
        many => Err(ConfigError::ManyJournals(many.len())),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    real(one).ok() == real(other).ok()
}
