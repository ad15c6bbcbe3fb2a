//! Recorded exchanges: what was asked and what GitHub answered, one readable JSON file each.
//!
//! A file's path mirrors the route: the answer to `GET /users/torvalds` is in `users/torvalds.json`,
//! further ones for the same route in `users/torvalds.2.json` and so on. Logins have no case, so
//! paths are in lower case. Neither the request's headers nor its token are kept.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// A recorded exchange, as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    /// `GET /users/torvalds`
    request: String,
    status: u16,
    headers: serde_json::Map<String, Value>,
    /// The body, where it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// The body, where it is anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Nothing was recorded for a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no exchange recorded for {request} in {folder}{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
pub struct NotRecorded {
    request: String,
    folder: String,
    reason: Option<String>,
}

/// An exchange could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {}", path.display(), crate::text::reason(cause))]
pub(super) struct NotKept {
    path: PathBuf,
    cause: io::Error,
}

/// A folder of exchanges, to write or to read.
#[derive(Debug)]
pub(super) struct Exchanges {
    folder: PathBuf,
    /// How often each route was asked in this run.
    asked: Mutex<HashMap<PathBuf, u32>>,
}

impl Exchanges {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), asked: Mutex::default() }
    }

    /// Writes down an exchange. `redact` takes secrets out of what a server might echo.
    pub(super) fn keep(
        &self,
        method: &Method,
        uri: &Uri,
        head: &http::response::Parts,
        body: &Bytes,
        redact: impl Fn(&str) -> String,
    ) -> Result<(), NotKept> {
        let text = redact(&String::from_utf8_lossy(body));
        let json = serde_json::from_str(&text).ok();
        let exchange = Exchange {
            request: request_line(method, uri),
            status: head.status.as_u16(),
            headers: kept(&head.headers)
                .map(|(name, value)| (name.to_owned(), Value::from(redact(&value))))
                .collect(),
            text: json.is_none().then_some(text),
            body: json,
        };
        let (path, number) = self.next(uri);
        let written = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            if number == 1 {
                // Later answers of an earlier recording would be played after ours.
                let mut stale = 2;
                while fs::remove_file(self.file(uri, stale)).is_ok() {
                    stale += 1;
                }
            }
            let mut json = serde_json::to_vec_pretty(&exchange)?;
            json.push(b'\n');
            fs::write(&path, json)
        };
        written().map_err(|cause| NotKept { path: path.clone(), cause })
    }

    /// The answer that was written down for a request: the first for the first time that it is asked
    /// for, and the last one over and over.
    pub(super) fn answer(&self, method: &Method, uri: &Uri) -> Result<Response<Full<Bytes>>, NotRecorded> {
        let not_recorded = |reason: Option<String>| NotRecorded {
            request: request_line(method, uri),
            folder: self.folder.display().to_string(),
            reason,
        };
        let (path, number) = self.next(uri);
        let read = |path: &Path| fs::read(path).ok();
        let earlier = || (1..number).rev().find_map(|number| read(&self.file(uri, number)));
        let json = read(&path).or_else(earlier).ok_or_else(|| not_recorded(None))?;
        let broken = |cause: &dyn std::fmt::Display| {
            not_recorded(Some(format!("{} is damaged: {cause}", path.display())))
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
    fn next(&self, uri: &Uri) -> (PathBuf, u32) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let number = asked.entry(self.file(uri, 1)).or_default();
        *number += 1;
        (self.file(uri, *number), *number)
    }

    fn file(&self, uri: &Uri, number: u32) -> PathBuf {
        let mut path = self.folder.clone();
        // Our routes are made of logins and fixed words, but a path must not climb out of the folder
        // whatever they become.
        for part in uri.path().split('/').filter(|part| !matches!(*part, "" | "." | "..")) {
            path.push(part.to_ascii_lowercase().replace("%5b", "[").replace("%5d", "]"));
        }
        let number = if number == 1 { String::new() } else { format!(".{number}") };
        path.as_mut_os_string().push(format!("{number}.json"));
        path
    }
}

fn request_line(method: &Method, uri: &Uri) -> String {
    format!("{method} {}", uri.path_and_query().map_or("/", |path| path.as_str()))
}

fn kept(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, String)> {
    KEPT.iter().filter_map(|name| {
        let value = headers.get(*name)?;
        Some((*name, String::from_utf8_lossy(value.as_bytes()).into_owned()))
    })
}
