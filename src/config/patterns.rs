//! File names with `*` and `?`, which a shell did not expand: on Windows, or in quotes.

use std::fs;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::fs::parent;
use crate::partial::{partial_path, target_of};

/// Values of `--from`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SavedFiles {
    pub(super) reports: Vec<PathBuf>,
    /// `FILE.partial` beside a report, or in its place, that is not a report itself.
    pub(super) unfinished: Vec<PathBuf>,
}

/// Replaces each pattern by the files that match it, by name. A file whose name is the pattern comes first.
pub(super) fn expand(paths: Vec<PathBuf>) -> Result<SavedFiles, ConfigError> {
    let mut all = SavedFiles::default();
    for path in paths {
        let pattern =
            path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?']));
        match pattern {
            Some(pattern) if !path.exists() => {
                let mut files = matching_files(&path, pattern)?;
                all.reports.append(&mut files.reports);
                all.unfinished.append(&mut files.unfinished);
            }
            _ => {
                all.unfinished.extend(Some(partial_path(&path)).filter(|partial| partial.is_file()));
                all.reports.push(path);
            }
        }
    }
    all.unfinished.retain(|partial| !all.reports.contains(partial));
    all.unfinished.dedup();
    Ok(all)
}

fn matching_files(path: &Path, pattern: &str) -> Result<SavedFiles, ConfigError> {
    let no_match = || ConfigError::NoMatch(path.display().to_string());
    let mut files = SavedFiles::default();
    for entry in fs::read_dir(parent(path)).map_err(|_| no_match())?.flatten() {
        let name = entry.file_name();
        if !entry.path().is_file() {
            continue;
        }
        if matches_file(pattern, Path::new(&name)) {
            files.reports.push(path.with_file_name(name));
        } else if target_of(Path::new(&name)).is_some_and(|target| matches_file(pattern, &target)) {
            files.unfinished.push(path.with_file_name(name));
        }
    }
    files.reports.sort();
    files.unfinished.sort();
    match (files.reports.is_empty(), unfinished_note(&files.unfinished)) {
        (false, _) => Ok(files),
        (true, None) => Err(no_match()),
        (true, Some(note)) => Err(ConfigError::OnlyUnfinished(path.display().to_string(), note)),
    }
}

/// Returns one line about unfinished runs, if `partials` has any.
pub(crate) fn unfinished_note(partials: &[PathBuf]) -> Option<String> {
    let names: Vec<_> = partials.iter().map(|path| path.display().to_string()).collect();
    match names.as_slice() {
        [] => None,
        [name] => {
            Some(format!("{name} is of an unfinished run, and is not read; continue that run with --resume"))
        }
        _ => {
            let names = names.join(", ");
            Some(format!(
                "{names} are of unfinished runs, and are not read; continue these runs with --resume"
            ))
        }
    }
}

/// Returns true if the name of a file matches. Like in a shell, a star does not match hidden files.
fn matches_file(pattern: &str, name: &Path) -> bool {
    name.to_str().is_some_and(|name| {
        name.starts_with('.') == pattern.starts_with('.') && matches(pattern.as_bytes(), name.as_bytes())
    })
}

/// Returns true if a name matches: `*` stands for any text, `?` for one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Returns to the last star: earlier ones need no other match.
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == b'?' || name.get(from) == Some(byte) => (at, from) = (at + 1, from + 1),
            _ => match &mut star {
                Some((last, begin)) => {
                    *begin += 1;
                    (at, from) = (*last + 1, *begin);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_byte() {
        for (pattern, name, expected) in [
            ("part-*.ndjson", "part-1.ndjson", true),
            ("part-*.ndjson", "part-1.ndjson.partial", false),
            ("part-?.ndjson", "part-12.ndjson", false),
            ("*a*b*", "xaxxbx", true),
            ("*a*b", "abab", true),
            ("*", "", true),
            ("?", "", false),
            ("a*", "ba", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_becomes_the_files_that_match_it_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["part-2.ndjson", "part-1.ndjson", ".part-0.ndjson", "other.csv", "part-4.ndjson.partial"]
        {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("part-3.ndjson")).unwrap();
        let unfinished = vec![at("part-4.ndjson.partial")];
        let paths = vec![at("other.csv"), at("part-*.ndjson"), at("none.csv")];
        let reports = vec![at("other.csv"), at("part-1.ndjson"), at("part-2.ndjson"), at("none.csv")];
        assert_eq!(expand(paths).unwrap(), SavedFiles { reports, unfinished: unfinished.clone() });
        // A file that is named is not a note.
        let paths = vec![at("part-4.ndjson"), unfinished[0].clone()];
        assert_eq!(expand(paths.clone()).unwrap(), SavedFiles { reports: paths, unfinished: Vec::new() });
        let paths = vec![at("part-4.ndjson")];
        assert_eq!(expand(paths.clone()).unwrap(), SavedFiles { reports: paths, unfinished });
        let error = expand(vec![at("x*")]).unwrap_err().to_string();
        assert_eq!(error, format!("no file matches {}: name the reports of --from", at("x*").display()));
    }
}
