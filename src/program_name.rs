//! The name under which the program was called, for messages and commands that people can copy.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::LazyLock;

/// Name of the program, and of its package.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Returns `ghrepos`, or `gh repos-count` if this process was started as the extension `gh-repos-count` of the GitHub CLI.
pub(crate) fn called_name() -> &'static str {
    static CALLED: LazyLock<String> = LazyLock::new(|| name_of(std::env::args_os().next().as_deref()));
    &CALLED
}

/// Replaces `ghrepos` in a sample command by the name under which the program was called.
pub(crate) fn as_called(command: &str) -> String {
    command.replace(NAME, called_name())
}

/// Returns true if the program was started as an extension of the GitHub CLI, by a path that people do not type.
pub(crate) fn is_extension() -> bool {
    called_name() != NAME
}

fn name_of(executable: Option<&OsStr>) -> String {
    let extension = executable.and_then(extension_name);
    extension.map_or_else(|| NAME.to_owned(), |extension| format!("gh {extension}"))
}

/// Returns the name of an extension. A downloaded file such as `gh-repos-count_v1.0.0_linux-amd64` is called by its path, and has
/// no such name.
fn extension_name(executable: &OsStr) -> Option<&str> {
    let name = Path::new(executable).file_stem()?.to_str()?.strip_prefix("gh-")?;
    let is_command = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_command.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_of_an_extension_is_a_gh_command() {
        for (executable, name) in [
            ("/home/me/.local/share/gh/extensions/gh-repos-count/gh-repos-count", "gh repos-count"),
            ("gh-repos-count.exe", "gh repos-count"),
            ("gh-counts", "gh counts"),
            ("target/debug/ghrepos", "ghrepos"),
            ("renamed", "ghrepos"),
            ("gh-", "ghrepos"),
            ("gh-repos-count_v1.0.0_linux-amd64", "ghrepos"),
            ("gh-\u{1b}[2J", "ghrepos"),
            ("", "ghrepos"),
        ] {
            assert_eq!(name_of(Some(OsStr::new(executable))), name, "{executable}");
        }
        assert_eq!(name_of(None), "ghrepos");
    }
}
