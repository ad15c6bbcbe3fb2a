//! File names with `*` and `?`, which a shell did not expand: on Windows, or in quotes.

use std::fs;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::fs::parent;

/// Replaces each pattern by the files that match it, by name. A file whose name is the pattern comes first.
pub(super) fn expand(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, ConfigError> {
    let mut expanded = Vec::new();
    for path in paths {
        let pattern =
            path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?']));
        match pattern {
            Some(pattern) if !path.exists() => expanded.extend(matching_files(&path, pattern)?),
            _ => expanded.push(path),
        }
    }
    Ok(expanded)
}

fn matching_files(path: &Path, pattern: &str) -> Result<Vec<PathBuf>, ConfigError> {
    let no_match = || ConfigError::NoMatch(path.display().to_string());
    let mut files = Vec::new();
    for entry in fs::read_dir(parent(path)).map_err(|_| no_match())?.flatten() {
        let name = entry.file_name();
        // Like a shell, a star does not match hidden files.
        let is_match = name.to_str().is_some_and(|name| {
            name.starts_with('.') == pattern.starts_with('.') && matches(pattern.as_bytes(), name.as_bytes())
        });
        if is_match && entry.path().is_file() {
            files.push(path.with_file_name(name));
        }
    }
    if files.is_empty() {
        return Err(no_match());
    }
    files.sort();
    Ok(files)
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
        for name in ["part-2.ndjson", "part-1.ndjson", ".part-0.ndjson", "other.csv"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("part-3.ndjson")).unwrap();
        let paths = vec![at("other.csv"), at("part-*.ndjson"), at("none.csv")];
        let expected = [at("other.csv"), at("part-1.ndjson"), at("part-2.ndjson"), at("none.csv")];
        assert_eq!(expand(paths).unwrap(), expected);
        let error = expand(vec![at("x*")]).unwrap_err().to_string();
        assert_eq!(error, format!("no file matches {}: name the reports of --from", at("x*").display()));
    }
}
