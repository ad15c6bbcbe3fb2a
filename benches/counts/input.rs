//! The input of a measured run, `user-1`, `user-2` and so on, and the check of its report.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fake;

#[derive(Clone, Copy, Debug)]
pub struct Input {
    pub logins: u64,
    /// Whether every hundredth account does not exist.
    pub missing: bool,
}

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// NDJSON of this program.
    Ndjson,
    /// A login and a number per line, in any order. A missing account has no line, or `-` instead of a number.
    Plain,
}

#[derive(Deserialize)]
struct Row<'a> {
    login: &'a str,
    public_repos: Option<u64>,
}

impl Input {
    pub fn new(logins: u64) -> Self {
        Self { logins, missing: false }
    }

    fn login(self, number: u64) -> String {
        if self.missing && number.is_multiple_of(100) {
            format!("missing-{number}")
        } else {
            format!("user-{number}")
        }
    }

    /// Writes one login per line.
    pub fn write(self, to: impl Write) -> std::io::Result<()> {
        let mut to = BufWriter::new(to);
        (1..=self.logins).try_for_each(|number| writeln!(to, "{}", self.login(number)))?;
        to.flush()
    }

    /// Writes the logins to a file.
    pub fn file(self) -> PathBuf {
        let path = folder().join("input.txt");
        self.write(File::create(&path).expect("a file")).expect("room");
        path
    }

    /// Returns the first error of a report.
    pub fn wrong(self, counted: &Path, shape: Shape) -> Option<String> {
        let mut lines = BufReader::new(File::open(counted).expect("a report")).lines();
        let mut next = || lines.next().map(|line| line.expect("text"));
        match shape {
            Shape::Ndjson => {
                for number in 1..=self.logins {
                    let login = self.login(number);
                    let Some(line) = next() else { return Some(format!("nothing for {login}")) };
                    let row: Row<'_> = serde_json::from_str(&line).expect("JSON");
                    let count = fake::account(&login).map(|account| account.public_repos);
                    if (row.login, row.public_repos) != (login.as_str(), count) {
                        return Some(format!("{login}: {line}"));
                    }
                }
                next().map(|line| format!("one too many: {line}"))
            }
            Shape::Plain => {
                let mut seen = HashSet::new();
                while let Some(line) = next() {
                    let (login, count) = line.split_once(' ').unwrap_or((&line, ""));
                    let expected =
                        fake::account(login).map_or("-".into(), |account| account.public_repos.to_string());
                    if expected != count {
                        return Some(format!("{login}: {count} instead of {expected}"));
                    }
                    if count != "-" && !seen.insert(login.to_owned()) {
                        return Some(format!("{login} twice"));
                    }
                }
                let existing = self.logins - if self.missing { self.logins / 100 } else { 0 };
                (seen.len() as u64 != existing).then(|| format!("{} of {existing}", seen.len()))
            }
        }
    }
}

/// Folder of the files of a measured run.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
