//! What is asked, and the name of the file that its exchange has.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Uri};

use super::queries::Posted;

/// A request that is recorded or answered.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
}

impl Asked {
    /// The path of its file, below the folder and without the ending.
    pub(super) fn stem(&self) -> PathBuf {
        let mut path = PathBuf::new();
        // Our routes are made of logins and fixed words, but a path must not climb out of the folder
        // whatever they become.
        for part in self.uri.path().split('/').filter(|part| !matches!(*part, "" | "." | "..")) {
            path.push(harmless(&part.to_ascii_lowercase().replace("%5b", "[").replace("%5d", "]")));
        }
        if let Some(query) = self.uri.query() {
            // Pages of a list: repos/page=2 and so on.
            path.push(harmless(&query.to_ascii_lowercase()));
        }
        if let Some(posted) = self.posted() {
            path.push(harmless(&posted.name()));
        }
        path
    }

    pub(super) fn posted(&self) -> Option<Posted> {
        (self.method == Method::POST).then(|| Posted::parse(&self.body)).flatten()
    }

    /// The login whose account is asked for, by REST.
    pub(super) fn login(&self) -> Option<String> {
        let mut parts = self.uri.path().rsplit('/');
        let login = parts.next().filter(|login| !login.is_empty())?;
        (parts.next() == Some("users"))
            .then(|| login.to_ascii_lowercase().replace("%5b", "[").replace("%5d", "]"))
    }

    /// `GET /users/torvalds`
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri.path_and_query().map_or("/", |path| path.as_str()))
    }
}

/// A part of a path that is one everywhere: no separator, no drive, nothing that only one system forbids.
fn harmless(part: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._=&+@[]-".contains(c);
    part.chars().map(|c| if harmless(c) { c } else { '-' }).collect()
}
