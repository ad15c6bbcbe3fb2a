//! Who is asked for: `user-1` and so on, and now and then somebody who does not exist.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fake;

/// A list of logins.
#[derive(Clone, Copy, Debug)]
pub struct Roster {
    pub logins: u64,
    /// Every hundredth does not exist.
    pub missing: bool,
}

/// How counts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As this program's NDJSON.
    Ndjson,
    /// A login and a number, in any order; nobody, or `-` for a number, for who does not exist.
    Plain,
}

#[derive(Deserialize)]
struct Row<'a> {
    login: &'a str,
    public_repos: Option<u64>,
}

impl Roster {
    pub fn of(logins: u64) -> Self {
        Self { logins, missing: false }
    }

    fn login(self, number: u64) -> String {
        if self.missing && number.is_multiple_of(100) {
            format!("missing-{number}")
        } else {
            format!("user-{number}")
        }
    }

    /// Writes it, one login a line.
    pub fn write(self, to: impl Write) -> std::io::Result<()> {
        let mut to = BufWriter::new(to);
        (1..=self.logins).try_for_each(|number| writeln!(to, "{}", self.login(number)))?;
        to.flush()
    }

    /// Puts it into a file.
    pub fn file(self) -> PathBuf {
        let path = folder().join("roster.txt");
        self.write(File::create(&path).expect("a file")).expect("room");
        path
    }

    /// What is wrong with what was counted, if anything is.
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
                    let right =
                        fake::account(login).map_or("-".into(), |account| account.public_repos.to_string());
                    if right != count {
                        return Some(format!("{login}: {count}, and not {right}"));
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

/// Where what is measured writes to.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}
