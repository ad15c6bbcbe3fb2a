//! Recorded queries, played back login by login.
//!
//! Which logins were asked for together depends on when they came and on what failed before. So a
//! query is not looked up as a whole: each of its logins gets what was answered for it then.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Exchange, shelf};

/// The type of the error that stands for a login that was not recorded.
pub(in crate::github) const NOT_RECORDED: &str = "NOT_RECORDED";

/// A query, as it is posted.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    pub(super) query: String,
    pub(super) variables: Map<String, Value>,
}

impl Posted {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// A name for the file: its first login, and how many more there are.
    pub(super) fn name(&self) -> String {
        let first = self.variables.values().next().and_then(Value::as_str).unwrap_or("query");
        match self.variables.len() {
            0 | 1 => first.to_ascii_lowercase(),
            more => format!("{}+{}", first.to_ascii_lowercase(), more - 1),
        }
    }

    /// The alias and the login of each variable: `a7` for `$l7`.
    fn aliases(&self) -> impl Iterator<Item = (String, String)> {
        self.variables.iter().filter_map(|(variable, login)| {
            Some((format!("a{}", variable.strip_prefix('l')?), login.as_str()?.to_ascii_lowercase()))
        })
    }
}

/// Takes the recorded queries out of a folder, and nothing else.
pub(super) fn clear(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()) {
        shelf::remove(&file, |json| {
            serde_json::from_slice::<Exchange>(json).is_ok_and(|exchange| exchange.query.is_some())
        });
    }
}

/// What was answered for each login, the last time that there was an answer.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<String, Answered>);

#[derive(Clone, Debug)]
struct Answered {
    owner: Value,
    errors: Vec<Value>,
    file: PathBuf,
}

/// The aliases and logins of a query that have an answer, and whether it is better than none: not an error's `null`.
pub(super) fn answered(posted: &Posted, body: &Value) -> impl Iterator<Item = (String, String, bool)> {
    posted.aliases().filter_map(|(alias, login)| {
        let owner = body.get("data")?.get(&alias)?;
        let better = !owner.is_null() || errors_about(body, &alias).next().is_none();
        Some((alias, login, better))
    })
}

fn errors_about<'a>(body: &'a Value, alias: &'a str) -> impl Iterator<Item = &'a Value> {
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter(move |error| error.pointer("/path/0").and_then(Value::as_str) == Some(alias))
}

impl Answers {
    /// Reads every query in a folder. Exchanges that failed as a whole answer nothing.
    pub(super) fn read(folder: &Path) -> Self {
        let mut files: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect();
        files.sort();
        let mut answers = Self::default();
        for file in files {
            let exchange =
                shelf::read(&file).ok().and_then(|json| serde_json::from_slice::<Exchange>(&json).ok());
            let Some((posted, body)) =
                exchange.and_then(|exchange| Some((exchange.posted()?, exchange.body?)))
            else {
                tracing::info!("{} is no recorded query", file.display());
                continue;
            };
            answers.learn(&posted, &body, &file);
        }
        answers
    }

    fn learn(&mut self, posted: &Posted, body: &Value, file: &Path) {
        for (alias, login, better) in answered(posted, body) {
            if better || !self.0.contains_key(&login) {
                let owner = body.get("data").and_then(|data| data.get(&alias)).cloned().unwrap_or_default();
                let errors = errors_about(body, &alias).cloned().collect();
                self.0.insert(login, Answered { owner, errors, file: file.to_owned() });
            }
        }
    }

    /// Where the answers for a query's logins come from.
    pub(super) fn files(&self, posted: &Posted) -> impl Iterator<Item = (String, &Path)> {
        posted.aliases().filter_map(|(_, login)| {
            let file = self.0.get(&login)?.file.as_path();
            Some((login, file))
        })
    }

    /// The answer to a query, put together from what was answered then.
    pub(super) fn answer(&self, posted: &Posted, folder: &Path) -> Value {
        let (mut data, mut errors) = (Map::new(), Vec::new());
        for (alias, login) in posted.aliases() {
            let Some(answered) = self.0.get(&login) else {
                let message = format!("no exchange recorded for {login} in {}", folder.display());
                errors.push(json!({"type": NOT_RECORDED, "path": [alias], "message": message}));
                data.insert(alias, Value::Null);
                continue;
            };
            errors.extend(answered.errors.iter().cloned().map(|mut error| {
                if let Some(first) = error.pointer_mut("/path/0") {
                    *first = Value::from(alias.as_str());
                }
                error
            }));
            data.insert(alias, answered.owner.clone());
        }
        json!({"data": data, "errors": errors})
    }
}
