//! Recorded exchanges: what was asked and what GitHub answered, one readable JSON file each.
//!
//! A file's path mirrors the route: the answer to `GET /users/torvalds` is in `users/torvalds.json`,
//! further ones for the same route in `users/torvalds.2.json` and so on. A query is named for its
//! first login and how many more it asks for: `graphql/torvalds+99.json`. Logins have no case, so
//! paths are in lower case. Neither the request's headers nor its token are kept.

mod asked;
mod queries;
pub(crate) mod shelf;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::ApiKind;
use crate::text::visible;

pub(crate) use self::asked::Asked;
pub(super) use self::queries::NOT_RECORDED;
use self::queries::{Answers, Posted};

/// The file beside a run's exchanges that tells what the run was.
pub(crate) const MANIFEST: &str = "run.json";

/// The headers that tell something about an answer; all others are left out.
const KEPT: [&str; 13] = [
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

/// The longest body that is kept as JSON, with a line for each of its parts: read, it may be forty times as
/// large. No answer to a question of ours is as long.
const LARGEST: usize = 2 << 20;

/// A recorded exchange, as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// `GET /users/torvalds`
    request: String,
    /// What was posted, where it was a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<serde_json::Map<String, Value>>,
    status: u16,
    headers: serde_json::Map<String, Value>,
    /// The body, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// The body, where it is anything else, or longer than any that we ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Exchange {
    /// The query that it answers, if it answers one with a success.
    fn posted(&self) -> Option<Posted> {
        let (query, variables) = (self.query.clone()?, self.variables.clone()?);
        (self.status == 200).then_some(Posted { query, variables })
    }
}

/// Nothing was recorded for a request: for which, where, and why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotRecorded(pub(super) String);

/// An exchange could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {}", path.display(), crate::text::reason(cause))]
pub(crate) struct NotKept {
    path: PathBuf,
    cause: io::Error,
}

/// A folder of exchanges, to write or to read.
#[derive(Debug)]
pub(crate) struct Exchanges {
    folder: PathBuf,
    /// How often each route was asked in this run.
    asked: Mutex<HashMap<PathBuf, u32>>,
    /// What was recorded of queries, read when the first one is asked.
    answers: OnceLock<Answers>,
    /// Whether a query was recorded in this run.
    begun: AtomicBool,
    /// The file with the last answer for each login, by the API that gave it.
    files: Mutex<HashMap<(ApiKind, String), Box<str>>>,
}

impl Exchanges {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            asked: Mutex::default(),
            answers: OnceLock::new(),
            begun: AtomicBool::new(false),
            files: Mutex::default(),
        }
    }

    /// Writes down an exchange. `redact` takes secrets out of what a server might echo.
    pub(crate) fn keep(
        &self,
        asked: &Asked,
        head: &http::response::Parts,
        body: &Bytes,
        redact: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<(), NotKept> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&redact(bytes)).into_owned();
        let headers =
            kept(&head.headers).map(|(name, value)| (name.to_owned(), text(value).into())).collect();
        let text = text(body);
        let json = if text.len() > LARGEST { None } else { serde_json::from_str(&text).ok() };
        let posted = asked.posted();
        let exchange = Exchange {
            request: asked.line(),
            query: posted.as_ref().map(|posted| posted.query.clone()),
            variables: posted.map(|posted| posted.variables),
            status: head.status.as_u16(),
            headers,
            text: json.is_none().then_some(text),
            body: json,
        };
        let (path, number) = self.next(asked);
        if asked.posted().is_some() && !self.begun.swap(true, Ordering::Relaxed) {
            // Queries are played back login by login: those of an earlier recording would be mixed in.
            queries::clear(path.parent().unwrap_or(&self.folder));
        }
        let written = || {
            if number == 1 {
                // Later answers of an earlier recording would be played after ours.
                let mut stale = 2;
                while shelf::remove(&self.file(asked, stale), is_exchange) {
                    stale += 1;
                }
            }
            let mut json = serde_json::to_vec_pretty(&exchange)?;
            json.push(b'\n');
            shelf::put(&self.folder, &path, &json, is_exchange)
        };
        written().map_err(|cause| NotKept { path: path.clone(), cause })?;
        match (&exchange.query, asked.login()) {
            (None, Some(login)) => self.note(ApiKind::Rest, login, &path),
            (None, None) => {}
            (Some(_), _) => {
                let Exchange { body: Some(body), .. } = &exchange else { return Ok(()) };
                let Some(posted) = asked.posted() else { return Ok(()) };
                for (_, login, better) in queries::answered(&posted, body) {
                    if better || self.file_of(ApiKind::Graphql, &login).is_none() {
                        self.note(ApiKind::Graphql, login, &path);
                    }
                }
            }
        }
        Ok(())
    }

    /// The file with the last answer for a login, below the folder.
    pub(super) fn file_of(&self, via: ApiKind, login: &str) -> Option<Box<str>> {
        self.files().get(&(via, login.to_ascii_lowercase())).cloned()
    }

    fn note(&self, via: ApiKind, login: String, path: &Path) {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        // As in an address, whatever separates folders here.
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        self.files().insert((via, login), parts.join("/").into());
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<(ApiKind, String), Box<str>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that was written down for a request: the first for the first time that it is asked
    /// for, and the last one over and over.
    pub(crate) fn answer(&self, asked: &Asked) -> Result<Response<Full<Bytes>>, NotRecorded> {
        if let Some(posted) = asked.posted() {
            let folder = self.folder.join(asked.uri.path().trim_start_matches('/'));
            let answers = self.answers.get_or_init(|| Answers::read(&folder));
            for (login, file) in answers.files(&posted) {
                self.note(ApiKind::Graphql, login, file);
            }
            return Ok(Response::new(Full::new(answers.answer(&posted, &self.folder).to_string().into())));
        }
        let not_recorded = |reason: Option<String>| {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            NotRecorded(format!(
                "no exchange recorded for {} in {}{reason}",
                asked.line(),
                self.folder.display()
            ))
        };
        let (_, number) = self.next(asked);
        let mut latest = (1..=number).rev().map(|number| self.file(asked, number));
        let found = latest.find_map(|path| shelf::read(&path).ok().map(|json| (path, json)));
        let (path, json) = found.ok_or_else(|| not_recorded(None))?;
        if let Some(login) = asked.login() {
            self.note(ApiKind::Rest, login, &path);
        }
        let broken = |cause: &dyn std::fmt::Display| {
            not_recorded(Some(format!("{} is damaged: {}", path.display(), visible(&cause.to_string()))))
        };
        let exchange: Exchange = serde_json::from_slice(&json).map_err(|cause| broken(&cause))?;
        let body = match (exchange.body, exchange.text) {
            (Some(json), _) => json.to_string(),
            (None, text) => text.unwrap_or_default(),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(exchange.status).map_err(|cause| broken(&cause))?;
        for (name, value) in exchange.headers {
            let name = HeaderName::try_from(name).map_err(|cause| broken(&cause))?;
            let value =
                HeaderValue::try_from(value.as_str().unwrap_or_default()).map_err(|cause| broken(&cause))?;
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }

    /// The file for this time that a route is asked, and which time it is.
    fn next(&self, asked: &Asked) -> (PathBuf, u32) {
        let mut times = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let number = times.entry(self.file(asked, 1)).or_default();
        *number += 1;
        (self.file(asked, *number), *number)
    }

    fn file(&self, asked: &Asked, number: u32) -> PathBuf {
        let mut path = self.folder.join(asked.stem());
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        path.as_mut_os_string().push(format!("{number}.json"));
        path
    }
}

fn is_exchange(json: &[u8]) -> bool {
    serde_json::from_slice::<Exchange>(json).is_ok()
}

fn kept(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &[u8])> {
    KEPT.iter().filter_map(|name| Some((*name, headers.get(*name)?.as_bytes())))
}

#[cfg(test)]
mod tests;
