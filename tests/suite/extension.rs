//! The program as the extension `gh-repos-count` of the GitHub CLI: texts and commands name it as people call it.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::fake::Fake;
use crate::program::{Run, wait_for_exit};

/// A folder with the program under the file name of an extension.
struct Extension(tempfile::TempDir);

impl Extension {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_ghrepos"), folder.path().join("gh-repos-count")).unwrap();
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.at("gh-repos-count"));
        command.args(arguments).current_dir(self.0.path()).env_clear().env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        wait_for_exit(self.command(arguments).spawn().unwrap())
    }
}

#[test]
fn help_and_errors_of_an_extension_name_the_gh_command() {
    let extension = Extension::new();
    for flag in ["-h", "--help"] {
        let help = extension.run(&[flag]).stdout;
        assert!(help.contains("Usage: gh repos-count [OPTIONS] [LOGIN]..."), "{help}");
        assert!(!help.contains("ghrepos "), "{help}");
    }
    let help = extension.run(&["--help"]).stdout;
    assert!(help.contains("\n  gh repos-count torvalds gvanrossum antirez\n"), "{help}");
    let error = extension.run(&["--output"]);
    assert!(error.stderr.starts_with("gh repos-count: a value is required"), "{}", error.stderr);
    assert!(error.stderr.ends_with("See gh repos-count --help\n"), "{}", error.stderr);
    let tip = extension.run(&["--json"]);
    assert!(tip.stderr.ends_with("See gh repos-count --help\n"), "{}", tip.stderr);
    // The name of the program itself does not change.
    assert_eq!(extension.run(&["--version"]).stdout, concat!("ghrepos ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn an_extension_proposes_commands_that_gh_runs() {
    let extension = Extension::new();
    fs::write(extension.at("team.gz"), b"\x1f\x8b\x08\0sample").unwrap();
    let packed = extension.run(&["--file", "team.gz"]);
    assert!(packed.stderr.contains("use gzip -dc FILE | gh repos-count -"), "{}", packed.stderr);

    let fake = Fake::well_behaved();
    let url = fake.url();
    let arguments = ["--api-url", &url, "--api=rest", "--max-points=1", "-o", "all.ndjson", "a", "b", "c"];
    let stopped = extension.run(&arguments);
    let command = stopped.stderr.lines().find_map(|line| line.split_once("Continue with: ")).unwrap().1;
    let expected =
        format!("gh repos-count --resume --api-url {url} --api=rest --max-points=1 -o all.ndjson a b c");
    assert_eq!(command, expected);

    let report = extension.run(&["--api-url", &url, "--api=rest", "-F", "json", "user-1"]).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    let command = report["meta"]["command"].as_str().unwrap();
    assert!(command.starts_with("gh repos-count --api-url "), "{command}");
}
