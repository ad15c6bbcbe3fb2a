//! What a recorded run knew beside its exchanges, so that it can be played back as it was.
//!
//! `run.json` in the folder of the recording tells when the run began, who asked, what it spent, and
//! which logins got no answer that could be recorded, and why.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::github::cassette::{self, MANIFEST};
use crate::github::transport::TransportMode;
use crate::login::stable_hash;
use crate::render::{Meta, row_as_json};
use crate::report::{Identity, Row, Status, Summary};

/// What is known of a recorded run.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    generator: String,
    api: Option<String>,
    #[serde(flatten)]
    whose: Identity,
    started: Option<Timestamp>,
    #[serde(default)]
    command: Option<String>,
    requests: u64,
    points: u64,
    seconds: f64,
    /// Of the roster: the same numbers mean the same logins.
    logins: u64,
    hash: u64,
    /// Rows that took more than one request.
    attempts: BTreeMap<String, u32>,
    /// Rows without an answer.
    unanswered: Vec<Value>,
}

/// Keeps what is needed to play a run back, or plays it back.
#[derive(Default)]
pub(super) struct Evidence {
    folder: Option<PathBuf>,
    records: bool,
    manifest: Manifest,
    /// Of the manifest that is played back: rows without an answer.
    unanswered: HashMap<Box<str>, Row>,
    /// The roster of this run.
    logins: u64,
    hash: u64,
}

impl Evidence {
    pub(super) fn of(mode: &TransportMode) -> Self {
        match mode {
            TransportMode::Network => Self::default(),
            TransportMode::Record(folder) => {
                Self { folder: Some(folder.clone()), records: true, ..Self::default() }
            }
            TransportMode::Replay(folder) => Self::read(folder).unwrap_or_default(),
        }
    }

    fn read(folder: &Path) -> Option<Self> {
        let manifest: Manifest =
            serde_json::from_slice(&cassette::read(&folder.join(MANIFEST)).ok()?).ok()?;
        let rows =
            manifest.unanswered.iter().filter_map(|row| Row::parse(row.to_string().as_bytes(), &[]).ok());
        let unanswered = rows.map(|row| (row.key(), row)).collect();
        Some(Self { folder: Some(folder.to_owned()), manifest, unanswered, ..Self::default() })
    }

    /// What the recorded run said of itself.
    pub(super) fn told(&self, meta: &mut Meta) {
        if let (false, Some(started)) = (self.records, self.manifest.started) {
            meta.started = started;
            meta.generator.clone_from(&self.manifest.generator);
            meta.api.clone_from(&self.manifest.api);
            meta.whose.clone_from(&self.manifest.whose);
            meta.command.clone_from(&self.manifest.command);
            meta.sanitize();
        }
    }

    /// Takes note of a row, or makes it what it was.
    pub(super) fn take(&mut self, row: &mut Row) {
        if self.folder.is_none() {
            return;
        }
        self.logins += 1;
        self.hash = self.hash.wrapping_add(stable_hash(&row.key()).into());
        if self.records {
            // What GitHub has answered is in an exchange; of what broke off there may be none.
            if row.status == Status::Invalid {
                // It is one again when it is played back.
            } else if row.via.is_none() && row.error.is_some() {
                self.manifest.unanswered.push(row_as_json(row));
            } else if row.attempts > 1 {
                self.manifest.attempts.insert(row.key().into(), row.attempts);
            }
            return;
        }
        if let Some(then) = self.unanswered.get(&row.key()).filter(|_| row.via.is_none()) {
            let now = std::mem::replace(row, then.clone());
            (row.carried, row.exchange) = (now.carried, now.exchange);
        } else if let Some(attempts) = self.manifest.attempts.get(&*row.key()) {
            row.attempts = *attempts;
        }
    }

    /// Ends it: what was spent is told as it was then, or written down.
    pub(super) fn finish(mut self, meta: &Meta, summary: &mut Summary) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let manifest = &mut self.manifest;
        if !self.records {
            if (manifest.logins, manifest.hash) == (self.logins, self.hash) {
                (summary.requests, summary.points) = (Some(manifest.requests), Some(manifest.points));
                summary.seconds = Some(manifest.seconds);
            }
            return Ok(());
        }
        manifest.generator.clone_from(&meta.generator);
        manifest.api.clone_from(&meta.api);
        manifest.whose.clone_from(&meta.whose);
        manifest.started = Some(meta.started);
        manifest.command.clone_from(&meta.command);
        (manifest.requests, manifest.points) = (summary.requests.unwrap_or(0), summary.points.unwrap_or(0));
        manifest.seconds = summary.seconds.unwrap_or(0.0);
        (manifest.logins, manifest.hash) = (self.logins, self.hash);
        fs::create_dir_all(folder)?;
        cassette::write_json(folder, &folder.join(MANIFEST), manifest)
    }
}
