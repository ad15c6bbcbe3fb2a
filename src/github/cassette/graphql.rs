//! Recorded queries, replayed login by login.
//!
//! The logins of a query depend on timing and on earlier failures. A replayed query may have others, so each of its logins is
//! looked up by itself.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{ApiKind, Cassette, Interaction, RecordedRequest};

/// Type of the error for a login that was not recorded.
pub(in crate::github) const NOT_RECORDED: &str = "NOT_RECORDED";

#[derive(Deserialize)]
pub(super) struct GraphqlBody {
    pub(super) query: String,
    pub(super) variables: Map<String, Value>,
}

/// What a response says about one login.
pub(super) struct Answer {
    owner: Value,
    errors: Vec<Value>,
}

impl Answer {
    /// Whether it is not the `null` of an error.
    pub(super) fn is_conclusive(&self) -> bool {
        !self.owner.is_null() || self.errors.is_empty()
    }
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

    /// Returns the answers in a response, by login.
    pub(super) fn answers(&self, body: &Value) -> impl Iterator<Item = (String, Answer)> {
        self.aliases().filter_map(|(alias, login)| {
            let owner = body.get("data")?.get(&alias)?.clone();
            let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
            let is_about = |error: &&Value| error.pointer("/path/0").and_then(Value::as_str) == Some(&alias);
            Some((login, Answer { owner, errors: errors.filter(is_about).cloned().collect() }))
        })
    }
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path())
}

pub(super) fn remove_queries(folder: &Path) {
    for file in files_in(folder) {
        super::remove_json(&file, |interaction: &Interaction| interaction.query.is_some());
    }
}

/// The last conclusive answer about each login, and its file.
pub(super) type ReplayIndex = HashMap<String, (Answer, PathBuf)>;

/// Reads all queries in a folder. Responses that are not a success are skipped.
fn read_index(folder: &Path) -> ReplayIndex {
    let mut files: Vec<_> = files_in(folder).collect();
    files.sort();
    let mut index = ReplayIndex::new();
    for file in files {
        let Some(interaction) = super::read(&file).ok().and_then(|json| serde_json::from_slice(&json).ok())
        else {
            tracing::info!("{} is not a recorded response", file.display());
            continue;
        };
        let Interaction {
            query: Some(query), variables: Some(variables), status: 200, body: Some(body), ..
        } = interaction
        else {
            continue;
        };
        for (login, answer) in (GraphqlBody { query, variables }).answers(&body) {
            if answer.is_conclusive() || !index.contains_key(&login) {
                index.insert(login, (answer, file.clone()));
            }
        }
    }
    index
}

impl Cassette {
    /// Builds the response to a query from the recorded answers.
    pub(super) fn replay_query(&self, request: &RecordedRequest, query: &GraphqlBody) -> Value {
        let folder = self.folder.join(request.uri.path().trim_start_matches('/'));
        let index = self.replay_index.get_or_init(|| read_index(&folder));
        let (mut data, mut errors) = (Map::new(), Vec::new());
        for (alias, login) in query.aliases() {
            let Some((answer, file)) = index.get(&login) else {
                let message = format!("no recorded response for {login} in {}", self.folder.display());
                errors.push(json!({"type": NOT_RECORDED, "path": [alias], "message": message}));
                data.insert(alias, Value::Null);
                continue;
            };
            self.index_login(ApiKind::Graphql, login, file);
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
