//! Recorded queries, replayed login by login.
//!
//! The logins of a query depend on timing and on earlier failures. A replayed query may have others, so each of its logins is
//! looked up by itself.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Interaction, files};

/// Type of the error for a login that was not recorded.
pub(in crate::github) const NOT_RECORDED: &str = "NOT_RECORDED";

/// The body of a query request.
#[derive(Debug, Deserialize)]
pub(super) struct GraphqlBody {
    pub(super) query: String,
    pub(super) variables: Map<String, Value>,
}

/// What a response says about one login.
pub(super) struct AliasResult {
    alias: String,
    pub(super) login: String,
    /// Whether it is not the `null` of an error.
    pub(super) is_conclusive: bool,
}

impl GraphqlBody {
    /// Returns the name of its file, without extension.
    pub(super) fn file_name(&self) -> String {
        let first = self.variables.values().next().and_then(Value::as_str).unwrap_or("query");
        let first = first.to_ascii_lowercase();
        if self.variables.len() <= 1 { first } else { format!("{first}+{}", self.variables.len() - 1) }
    }

    /// Returns the alias and the login of each variable: `a7` for `$l7`.
    fn aliases(&self) -> impl Iterator<Item = (String, String)> {
        self.variables.iter().filter_map(|(variable, login)| {
            Some((format!("a{}", variable.strip_prefix('l')?), login.as_str()?.to_ascii_lowercase()))
        })
    }

    /// Returns the results of the logins that a response contains.
    pub(super) fn results(&self, body: &Value) -> impl Iterator<Item = AliasResult> {
        self.aliases().filter_map(|(alias, login)| {
            let owner = body.get("data")?.get(&alias)?;
            let is_conclusive = !owner.is_null() || errors_for_alias(body, &alias).next().is_none();
            Some(AliasResult { alias, login, is_conclusive })
        })
    }
}

fn errors_for_alias<'a>(body: &'a Value, alias: &'a str) -> impl Iterator<Item = &'a Value> {
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter(move |error| error.pointer("/path/0").and_then(Value::as_str) == Some(alias))
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path())
}

/// Removes the recorded queries in a folder.
pub(super) fn remove_queries(folder: &Path) {
    for file in files_in(folder) {
        files::remove_recorded(&file, |json| {
            Interaction::parse(json).is_ok_and(|interaction| interaction.query.is_some())
        });
    }
}

/// The last conclusive answer about each login.
#[derive(Debug, Default)]
pub(super) struct ReplayIndex(HashMap<String, RecordedAnswer>);

#[derive(Debug)]
struct RecordedAnswer {
    owner: Value,
    errors: Vec<Value>,
    file: PathBuf,
}

impl ReplayIndex {
    /// Reads all queries in a folder. Responses that are not a success are skipped.
    pub(super) fn read(folder: &Path) -> Self {
        let mut files: Vec<_> = files_in(folder).collect();
        files.sort();
        let mut index = Self::default();
        for file in files {
            if let Some(interaction) = files::read(&file).ok().and_then(|json| Interaction::parse(&json).ok())
            {
                index.insert(interaction, &file);
            } else {
                tracing::info!("{} is not a recorded response", file.display());
            }
        }
        index
    }

    fn insert(&mut self, interaction: Interaction, file: &Path) {
        let Interaction {
            query: Some(query), variables: Some(variables), status: 200, body: Some(body), ..
        } = interaction
        else {
            return;
        };
        for AliasResult { alias, login, is_conclusive } in (GraphqlBody { query, variables }).results(&body) {
            if is_conclusive || !self.0.contains_key(&login) {
                let owner = body.get("data").and_then(|data| data.get(&alias)).cloned().unwrap_or_default();
                let errors = errors_for_alias(&body, &alias).cloned().collect();
                self.0.insert(login, RecordedAnswer { owner, errors, file: file.to_owned() });
            }
        }
    }

    /// Returns the file of each login that was recorded.
    pub(super) fn files(&self, query: &GraphqlBody) -> impl Iterator<Item = (String, &Path)> {
        query.aliases().filter_map(|(_, login)| {
            let file = self.0.get(&login)?.file.as_path();
            Some((login, file))
        })
    }

    /// Builds the response to a query from the recorded answers.
    pub(super) fn response(&self, query: &GraphqlBody, folder: &Path) -> Value {
        let (mut data, mut errors) = (Map::new(), Vec::new());
        for (alias, login) in query.aliases() {
            let Some(answer) = self.0.get(&login) else {
                let message = format!("no recorded response for {login} in {}", folder.display());
                errors.push(json!({"type": NOT_RECORDED, "path": [alias], "message": message}));
                data.insert(alias, Value::Null);
                continue;
            };
            for mut error in answer.errors.iter().cloned() {
                if let Some(first) = error.pointer_mut("/path/0") {
                    *first = Value::from(alias.as_str());
                }
                errors.push(error);
            }
            data.insert(alias, answer.owner.clone());
        }
        json!({"data": data, "errors": errors})
    }
}
