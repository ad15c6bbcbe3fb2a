//! Recordings: one readable JSON file for each request and its response.
//!
//! The path of a file mirrors the path of its request: the response to `GET /users/torvalds` is in `users/torvalds.json`, later
//! ones in `users/torvalds.2.json` and so on. A query is named after its first login and the number of others:
//! `graphql/torvalds+99.json`. Paths are in lower case, because logins have no case. Request headers are not recorded, and so no
//! token.
//!
//! The pages of an enterprise's members are in `graphql/enterprise=acme.json`, `graphql/enterprise=acme.2.json` and so on.
//!
//! A query is replayed login by login: its logins depend on timing and on earlier failures, so a later run has other queries.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::ApiKind;
use super::api_version::{DEPRECATION, SUNSET};
use super::lock;
use crate::fs::temp_file_beside;
use crate::rate_limit::clock::parse_date;
use crate::text::{io_message, sanitize_line};

pub(crate) const MANIFEST: &str = "run.json";

const RECORDED_HEADERS: [&str; 16] = [
    "content-type",
    "date",
    DEPRECATION,
    "etag",
    "link",
    "location",
    "retry-after",
    SUNSET,
    "x-github-request-id",
    "x-github-sso",
    SCOPES,
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-resource",
    "x-ratelimit-used",
];

/// Headers that the response to a replayed query takes from the recorded ones. All of them were sent with the same token.
const REPLAYED_QUERY_HEADERS: [&str; 3] = [DEPRECATION, SCOPES, SUNSET];

/// Upper bound on a body that is recorded as JSON and not as text, in bytes. Parsed, it takes up to forty times as much memory.
const MAX_JSON_BODY: usize = 2 << 20;
/// Upper bound on a file, in bytes: a body of 16 MiB in which every character is escaped.
const MAX_FILE: u64 = 128 << 20;
/// Type of the GraphQL error for a login that was not recorded.
pub(super) const NOT_RECORDED: &str = "NOT_RECORDED";
/// Variable of a query with the name of an enterprise. No query for logins has it.
pub(super) const ENTERPRISE_VARIABLE: &str = "slug";
/// Header with the scopes of a classic token.
pub(super) const SCOPES: &str = "x-oauth-scopes";

/// The recording has no response to a request. The text names the request and the folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CassetteMiss(pub(super) String);

#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {}", path.display(), io_message(source))]
pub(crate) struct RecordError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interaction {
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Map<String, Value>>,
    status: u16,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// The body, if it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(crate) struct RecordedRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
}

impl RecordedRequest {
    fn query(&self) -> Option<QueryBody> {
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

    /// Returns the path of its file below the folder, without sequence number and extension.
    fn stem(&self, query: Option<&QueryBody>) -> PathBuf {
        let path = self.uri.path().split('/').filter(|part| !matches!(*part, "" | "." | ".."));
        let components = path.map(decode_login).chain(self.uri.query().map(str::to_ascii_lowercase));
        let components = components.chain(query.map(QueryBody::file_name));
        // Other characters are not allowed in a file name on every system.
        let is_reserved = |c: char| !c.is_ascii_alphanumeric() && !"._=&+@[]-".contains(c);
        components.map(|component| component.replace(is_reserved, "-")).collect()
    }
}

/// Returns a part of a path in lower case, with the brackets of `name[bot]`.
fn decode_login(component: &str) -> String {
    component.to_ascii_lowercase().replace("%5b", "[").replace("%5d", "]")
}

#[derive(Deserialize)]
struct QueryBody {
    query: String,
    variables: Map<String, Value>,
}

/// Part of a response to a query that is about one login.
struct Answer {
    owner: Value,
    errors: Vec<Value>,
}

/// An answer, and the response that it is from.
struct RecordedAnswer {
    answer: Answer,
    file: PathBuf,
    headers: HeaderMap,
}

/// The recorded response about a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the folder.
    pub(crate) path: Box<str>,
    /// Time of the response, by the server's clock.
    pub(crate) date: Option<Timestamp>,
}

impl Answer {
    /// False for the `null` of an error.
    fn is_conclusive(&self) -> bool {
        !self.owner.is_null() || self.errors.is_empty()
    }
}

impl QueryBody {
    /// Returns the name of the enterprise whose members are listed. The pages of a list are replayed in their order.
    fn enterprise(&self) -> Option<&str> {
        self.variables.get(ENTERPRISE_VARIABLE)?.as_str()
    }

    fn file_name(&self) -> String {
        if let Some(slug) = self.enterprise() {
            return format!("enterprise={}", slug.to_ascii_lowercase());
        }
        let first = self.variables.values().next().and_then(Value::as_str).unwrap_or("query");
        let first = first.to_ascii_lowercase();
        if self.variables.len() <= 1 { first } else { format!("{first}+{}", self.variables.len() - 1) }
    }

    fn aliases(&self) -> impl Iterator<Item = (String, String)> {
        self.variables.iter().filter_map(|(variable, login)| {
            Some((format!("a{}", variable.strip_prefix('l')?), login.as_str()?.to_ascii_lowercase()))
        })
    }

    fn has_alias(&self, name: &str) -> bool {
        name.strip_prefix('a').is_some_and(|number| self.variables.contains_key(&format!("l{number}")))
    }

    fn answers(&self, body: &Value) -> impl Iterator<Item = (String, Answer)> {
        self.aliases().filter_map(|(alias, login)| {
            let owner = body.get("data")?.get(&alias)?.clone();
            let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
            let about_login = |error: &Value| match error.pointer("/path/0").and_then(Value::as_str) {
                Some("rateLimit") => None,
                Some(path) if self.has_alias(path) => (path == alias).then(|| error.clone()),
                // It may be the reason for any null. Its type is not about this login.
                _ => owner.is_null().then(|| json!({"message": error.get("message")})),
            };
            let errors = errors.filter_map(about_login).collect();
            Some((login, Answer { owner, errors }))
        })
    }
}

/// Reads the last conclusive answer about each login, and its file.
fn read_queries(folder: &Path) -> HashMap<String, RecordedAnswer> {
    let mut files: Vec<_> = files_in(folder).collect();
    files.sort();
    let mut index = HashMap::new();
    for file in files {
        let Some(interaction) = read(&file).ok().and_then(|json| serde_json::from_slice(&json).ok()) else {
            tracing::info!(file = %file.display(), "not a recorded response");
            continue;
        };
        let Interaction {
            query: Some(query),
            variables: Some(variables),
            status: 200,
            body: Some(body),
            headers,
            ..
        } = interaction
        else {
            continue;
        };
        let headers = header_map(&headers);
        for (login, answer) in (QueryBody { query, variables }).answers(&body) {
            if answer.is_conclusive() || !index.contains_key(&login) {
                index.insert(login, RecordedAnswer { answer, file: file.clone(), headers: headers.clone() });
            }
        }
    }
    index
}

/// A folder of recorded responses, to write or to read.
#[derive(Default)]
pub(crate) struct Cassette {
    folder: PathBuf,
    sequences: Mutex<HashMap<PathBuf, u32>>,
    queries: OnceLock<HashMap<String, RecordedAnswer>>,
    queries_removed: OnceLock<()>,
    /// Last response about each login.
    entries: Mutex<HashMap<(ApiKind, String), Entry>>,
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
        let (stem, sequence) = self.next_sequence(request, query.as_ref());
        let path = numbered_file(&stem, sequence);
        // Files of an earlier recording would be replayed with those of this one.
        if query.is_some() {
            self.queries_removed.get_or_init(|| {
                for file in files_in(path.parent().unwrap_or(&self.folder)) {
                    remove_json(&file, |interaction: &Interaction| interaction.query.is_some());
                }
            });
        }
        let mut stale = 2;
        while sequence == 1 && remove_json(&numbered_file(&stem, stale), |_: &Interaction| true) {
            stale += 1;
        }
        let headers = RECORDED_HEADERS.iter().filter_map(|name| {
            let value = String::from_utf8_lossy(head.headers.get(*name)?.as_bytes());
            Some(((*name).to_owned(), value.into()))
        });
        let text = String::from_utf8_lossy(body);
        let json = if text.len() > MAX_JSON_BODY { None } else { serde_json::from_str(&text).ok() };
        if let (Some(query), Some(body)) = (&query, &json) {
            for (login, answer) in query.answers(body) {
                if answer.is_conclusive() || self.entry_for(ApiKind::Graphql, &login).is_none() {
                    self.index_login(ApiKind::Graphql, login, &path, &head.headers);
                }
            }
        } else if let (None, Some(login)) = (&query, request.login()) {
            self.index_login(ApiKind::Rest, login, &path, &head.headers);
        }
        let (query, variables) = query.map(|body| (body.query, body.variables)).unzip();
        let interaction = Interaction {
            request: request.request_line(),
            query,
            variables,
            status: head.status.as_u16(),
            headers: headers.collect(),
            text: json.is_none().then(|| text.into_owned()),
            body: json,
        };
        write_json(&self.folder, &path, &interaction).map_err(|source| RecordError { path, source })
    }

    /// Returns the recorded response to a request: the first time the first one, and the last one again and again.
    pub(crate) fn replay(&self, request: &RecordedRequest) -> Result<Response<Full<Bytes>>, CassetteMiss> {
        let query = request.query();
        if let Some(query) = query.as_ref().filter(|query| query.enterprise().is_none()) {
            return Ok(self.replay_query(request, query));
        }
        let (stem, sequence) = self.next_sequence(request, query.as_ref());
        let mut latest = (1..=sequence).rev().map(|sequence| numbered_file(&stem, sequence));
        let miss =
            format!("no recorded response for {} in {}", request.request_line(), self.folder.display());
        let Some((path, json)) = latest.find_map(|path| read(&path).ok().map(|json| (path, json))) else {
            return Err(CassetteMiss(miss));
        };
        let response = parse_response(&json).map_err(|error| {
            let error = error.to_string();
            CassetteMiss(format!("{miss}: {} is damaged: {}", path.display(), sanitize_line(&error)))
        })?;
        if let Some(login) = request.login() {
            self.index_login(ApiKind::Rest, login, &path, response.headers());
        }
        Ok(response)
    }

    /// Builds the response to a query from the recorded answers.
    fn replay_query(&self, request: &RecordedRequest, query: &QueryBody) -> Response<Full<Bytes>> {
        let folder = self.folder.join(request.uri.path().trim_start_matches('/'));
        let index = self.queries.get_or_init(|| read_queries(&folder));
        let (mut data, mut errors, mut kept) = (Map::new(), Vec::new(), HeaderMap::new());
        for (alias, login) in query.aliases() {
            let Some(RecordedAnswer { answer, file, headers }) = index.get(&login) else {
                let message = format!("no recorded response for {login} in {}", self.folder.display());
                errors.push(json!({"type": NOT_RECORDED, "path": [alias], "message": message}));
                data.insert(alias, Value::Null);
                continue;
            };
            self.index_login(ApiKind::Graphql, login, file, headers);
            for name in REPLAYED_QUERY_HEADERS {
                if let (false, Some(value)) = (kept.contains_key(name), headers.get(name)) {
                    kept.insert(name, value.clone());
                }
            }
            for mut error in answer.errors.iter().cloned() {
                if let Some(fields) = error.as_object_mut() {
                    fields.insert("path".into(), json!([alias]));
                }
                errors.push(error);
            }
            data.insert(alias, answer.owner.clone());
        }
        let mut response = Response::new(json!({"data": data, "errors": errors}).to_string().into());
        *response.headers_mut() = kept;
        response
    }

    pub(super) fn entry_for(&self, api: ApiKind, login: &str) -> Option<Entry> {
        lock(&self.entries).get(&(api, login.to_ascii_lowercase())).cloned()
    }

    fn index_login(&self, api: ApiKind, login: String, path: &Path, headers: &HeaderMap) {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        // Reports have slashes on every system.
        let components: Vec<_> = path.iter().map(|component| component.to_string_lossy()).collect();
        let entry = Entry { path: components.join("/").into(), date: parse_date(headers) };
        lock(&self.entries).insert((api, login), entry);
    }

    /// Counts a request. Returns its stem, and the number of requests with this stem so far.
    fn next_sequence(&self, request: &RecordedRequest, query: Option<&QueryBody>) -> (PathBuf, u32) {
        // A path without components is a file in the folder, not the folder's own name.
        let stem = self.folder.join("").join(request.stem(query));
        let mut sequences = lock(&self.sequences);
        let sequence = sequences.entry(stem.clone()).or_default();
        *sequence += 1;
        (stem, *sequence)
    }
}

fn parse_response(json: &[u8]) -> Result<Response<Full<Bytes>>, Box<dyn Error>> {
    let Interaction { status, headers, body, text, .. } = serde_json::from_slice(json)?;
    let body = body.map(|json| json.to_string()).or(text).unwrap_or_default();
    let mut response = Response::builder().status(status).body(Full::new(body.into()))?;
    *response.headers_mut() = header_map(&headers);
    Ok(response)
}

fn header_map(headers: &Map<String, Value>) -> HeaderMap {
    let parse = |(name, value): (&String, &Value)| {
        Some((name.parse::<HeaderName>().ok()?, value.as_str()?.parse::<HeaderValue>().ok()?))
    };
    headers.iter().filter_map(parse).collect()
}

fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path())
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
    let file = temp_file_beside(path)?;
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
