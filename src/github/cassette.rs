//! Recordings: one readable JSON file for each request and its response.
//!
//! The path of a file mirrors the path of its request: the response to `GET /users/torvalds` is in `users/torvalds.json`, later
//! ones in `users/torvalds.2.json` and so on. A query is named after its first login and the number of others:
//! `graphql/torvalds+99.json`. Paths are in lower case, because logins have no case. Request headers are not recorded, and so no
//! token.

mod graphql;

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Response, Uri};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::graphql::{GraphqlBody, ReplayIndex};
use super::account::ApiKind;
use crate::fs::temp_file_beside;
use crate::text::{io_message, sanitize_line};

pub(super) use self::graphql::NOT_RECORDED;

/// Name of the file that describes the recorded run.
pub(crate) const MANIFEST: &str = "run.json";

const RECORDED_HEADERS: [&str; 13] = [
    "content-type",
    "date",
    "etag",
    "link",
    "location",
    "retry-after",
    "x-github-request-id",
    "x-github-sso",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-resource",
    "x-ratelimit-used",
];

/// Upper bound on a body that is recorded as JSON and not as text, in bytes. Parsed, it takes up to forty times as much memory.
const MAX_JSON_BODY: usize = 2 << 20;
/// Upper bound on a file, in bytes: a body of 16 MiB in which every character is escaped.
const MAX_FILE: u64 = 128 << 20;

/// The recording has no response to a request. The text names the request and the folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CassetteMiss(pub(super) String);

/// A response could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {}", path.display(), io_message(source))]
pub(crate) struct RecordError {
    path: PathBuf,
    source: io::Error,
}

/// A request and its response, as in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interaction {
    /// `GET /users/torvalds`
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Map<String, Value>>,
    status: u16,
    headers: Map<String, Value>,
    /// The body, if it is JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// Any other body.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Interaction {
    fn into_response(self) -> http::Result<Response<Full<Bytes>>> {
        let body = self.body.map(|json| json.to_string()).or(self.text).unwrap_or_default();
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value.as_str().unwrap_or_default());
        }
        response.body(Full::new(body.into()))
    }
}

pub(crate) struct RecordedRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
}

impl RecordedRequest {
    fn query(&self) -> Option<GraphqlBody> {
        (self.method == Method::POST).then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// Returns the login of `GET /users/LOGIN`.
    fn login(&self) -> Option<String> {
        let (parent, login) = self.uri.path().rsplit_once('/')?;
        let is_account = !login.is_empty() && (parent == "users" || parent.ends_with("/users"));
        is_account.then(|| decode_login(login))
    }

    fn request_line(&self) -> String {
        format!("{} {}", self.method, self.uri.path_and_query().map_or("/", |path| path.as_str()))
    }
}

/// Returns a part of a path in lower case, with the brackets of `name[bot]`.
fn decode_login(component: &str) -> String {
    component.to_ascii_lowercase().replace("%5b", "[").replace("%5d", "]")
}

/// Replaces what is not allowed in a file name on any system.
fn sanitize_path_component(component: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._=&+@[]-".contains(c);
    component.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect()
}

/// A folder of recorded responses, to write or to read.
#[derive(Default)]
pub(crate) struct Cassette {
    folder: PathBuf,
    /// Number of requests with the same path in this run.
    sequences: Mutex<HashMap<PathBuf, u32>>,
    /// Index of the recorded queries, for replay.
    replay_index: OnceLock<ReplayIndex>,
    /// Removal of the queries of an earlier recording.
    queries_removed: OnceLock<()>,
    /// File of the last response about each login, relative to the folder.
    entries: Mutex<HashMap<(ApiKind, String), Box<str>>>,
}

impl Cassette {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// Writes a response to its file. The response must be redacted.
    pub(crate) fn record(
        &self,
        request: &RecordedRequest,
        head: &Parts,
        body: &[u8],
    ) -> Result<(), RecordError> {
        let query = request.query();
        let headers = RECORDED_HEADERS.iter().filter_map(|name| {
            let value = String::from_utf8_lossy(head.headers.get(*name)?.as_bytes());
            Some(((*name).to_owned(), value.into()))
        });
        let text = String::from_utf8_lossy(body);
        let json = if text.len() > MAX_JSON_BODY { None } else { serde_json::from_str(&text).ok() };
        let interaction = Interaction {
            request: request.request_line(),
            query: query.as_ref().map(|query| query.query.clone()),
            variables: query.as_ref().map(|query| query.variables.clone()),
            status: head.status.as_u16(),
            headers: headers.collect(),
            text: json.is_none().then(|| text.into_owned()),
            body: json,
        };
        let (stem, sequence) = self.next_sequence(request, query.as_ref());
        let path = numbered_file(&stem, sequence);
        // Files of an earlier recording would be replayed with those of this one.
        if query.is_some() {
            let folder = path.parent().unwrap_or(&self.folder);
            self.queries_removed.get_or_init(|| graphql::remove_queries(folder));
        }
        let mut stale = 2;
        while sequence == 1 && remove_json(&numbered_file(&stem, stale), |_: &Interaction| true) {
            stale += 1;
        }
        write_json(&self.folder, &path, &interaction)
            .map_err(|source| RecordError { path: path.clone(), source })?;
        if let (Some(query), Some(body)) = (&query, &interaction.body) {
            for (login, answer) in query.answers(body) {
                if answer.is_conclusive() || self.entry_for(ApiKind::Graphql, &login).is_none() {
                    self.index_login(ApiKind::Graphql, login, &path);
                }
            }
        } else if let (None, Some(login)) = (query, request.login()) {
            self.index_login(ApiKind::Rest, login, &path);
        }
        Ok(())
    }

    /// Returns the recorded response to a request: the first time the first one, and the last one again and again.
    pub(crate) fn replay(&self, request: &RecordedRequest) -> Result<Response<Full<Bytes>>, CassetteMiss> {
        if let Some(query) = request.query() {
            return Ok(Response::new(Full::new(self.replay_query(request, &query).to_string().into())));
        }
        let miss = |reason: &str| {
            let (request, folder) = (request.request_line(), self.folder.display());
            CassetteMiss(format!("no recorded response for {request} in {folder}{reason}"))
        };
        let (stem, sequence) = self.next_sequence(request, None);
        let mut latest = (1..=sequence).rev().map(|sequence| numbered_file(&stem, sequence));
        let recorded = latest.find_map(|path| read(&path).ok().map(|json| (path, json)));
        let (path, json) = recorded.ok_or_else(|| miss(""))?;
        if let Some(login) = request.login() {
            self.index_login(ApiKind::Rest, login, &path);
        }
        let damaged = |error: &dyn Display| {
            miss(&format!(": {} is damaged: {}", path.display(), sanitize_line(&error.to_string())))
        };
        let interaction: Interaction = serde_json::from_slice(&json).map_err(|error| damaged(&error))?;
        interaction.into_response().map_err(|error| damaged(&error))
    }

    /// Returns the file of the last response about a login, relative to the folder.
    pub(super) fn entry_for(&self, api: ApiKind, login: &str) -> Option<Box<str>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&(api, login.to_ascii_lowercase())).cloned()
    }

    fn index_login(&self, api: ApiKind, login: String, path: &Path) {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        // Reports have slashes on every system.
        let components: Vec<_> = path.iter().map(|component| component.to_string_lossy()).collect();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert((api, login), components.join("/").into());
    }

    /// Counts a request. Returns the path of its file, without sequence number and extension, and how many requests with this path
    /// there were.
    fn next_sequence(&self, request: &RecordedRequest, query: Option<&GraphqlBody>) -> (PathBuf, u32) {
        // The slash keeps a path without components in the folder.
        let mut stem = self.folder.join("");
        for component in request.uri.path().split('/').filter(|part| !matches!(*part, "" | "." | "..")) {
            stem.push(sanitize_path_component(&decode_login(component)));
        }
        if let Some(parameters) = request.uri.query() {
            stem.push(sanitize_path_component(&parameters.to_ascii_lowercase()));
        }
        if let Some(query) = query {
            stem.push(sanitize_path_component(&query.file_name()));
        }
        let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = sequences.entry(stem.clone()).or_default();
        *sequence += 1;
        (stem, *sequence)
    }
}

/// Returns `torvalds.json`, `torvalds.2.json` and so on.
fn numbered_file(stem: &Path, sequence: u32) -> PathBuf {
    let mut path = stem.to_owned();
    path.as_mut_os_string().push(if sequence == 1 { ".json".into() } else { format!(".{sequence}.json") });
    path
}

/// Reads a regular file. A pipe might never end.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes JSON to a file below `folder`, completely or not at all. Replaces an existing file only if it contains a `T`.
pub(crate) fn write_json<T: Serialize + DeserializeOwned>(
    folder: &Path,
    path: &Path,
    value: &T,
) -> io::Result<()> {
    let refuse = |reason: &str| Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
    if path.ancestors().skip(1).take_while(|parent| *parent != folder).any(Path::is_symlink) {
        return refuse("its folder is a link; record to a new folder");
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(path).is_ok() && read_json::<T>(path).is_none() {
        return refuse("the existing file was not recorded; record to a new folder");
    }
    let file = temp_file_beside(path, None)?;
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    fs::write(file.path(), json)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Removes a file if it contains a `T` that `is_stale` accepts. Returns whether it did.
fn remove_json<T: DeserializeOwned>(path: &Path, is_stale: impl Fn(&T) -> bool) -> bool {
    read_json(path).is_some_and(|value| is_stale(&value)) && fs::remove_file(path).is_ok()
}

/// Reads JSON from a regular file. Does not follow a link.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    if path.is_symlink() { None } else { serde_json::from_slice(&read(path).ok()?).ok() }
}

#[cfg(test)]
mod tests;
