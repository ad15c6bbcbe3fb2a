//! `run.json` in the folder of a recording: facts about the recorded run that no response contains, so that a replay gives the
//! same report.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::github::cassette::{self, MANIFEST};
use crate::github::config::TransportMode;
use crate::login::stable_hash;
use crate::render::{Meta, row_as_json};
use crate::report::{Row, RunTotals, Status, Summary};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    #[serde(flatten)]
    meta: Meta,
    #[serde(flatten)]
    totals: RunTotals,
    #[serde(flatten)]
    input: InputFingerprint,
    /// Requests per row, if more than one.
    attempts: BTreeMap<String, u32>,
    unanswered: Vec<Value>,
}

/// Identifies the logins of a run, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct InputFingerprint {
    logins: u64,
    hash: u64,
}

/// Writes the manifest of a recording, or applies it to a replay.
#[derive(Default)]
pub(super) struct ManifestRecorder {
    mode: Mode,
    manifest: Manifest,
    input: InputFingerprint,
}

#[derive(Default)]
enum Mode {
    #[default]
    Off,
    Record(PathBuf),
    /// Rows of the recorded run without a response, by key.
    Replay(HashMap<Box<str>, Row>),
}

impl ManifestRecorder {
    pub(super) fn open(transport: &TransportMode) -> Self {
        match transport {
            TransportMode::Network => Self::default(),
            TransportMode::Record(folder) => Self { mode: Mode::Record(folder.clone()), ..Self::default() },
            TransportMode::Replay(folder) => Self::read(folder).unwrap_or_default(),
        }
    }

    fn read(folder: &Path) -> Option<Self> {
        let json = cassette::read(&folder.join(MANIFEST)).ok()?;
        let manifest: Manifest = serde_json::from_slice(&json).ok()?;
        let rows =
            manifest.unanswered.iter().filter_map(|row| Row::parse(row.to_string().as_bytes(), &[]).ok());
        let mode = Mode::Replay(rows.map(|row| (row.key(), row)).collect());
        Some(Self { mode, manifest, ..Self::default() })
    }

    pub(super) fn apply_to_meta(&self, meta: &mut Meta) {
        if let Mode::Replay(_) = self.mode {
            let recorded = self.manifest.meta.clone();
            let Meta { exchanges, baseline, site, .. } = std::mem::take(meta);
            *meta = Meta { exchanges, baseline, site, ..recorded };
            meta.sanitize();
        }
    }

    /// Records a row, or replaces it by the recorded one.
    pub(super) fn observe(&mut self, row: &mut Row) {
        let key = row.key();
        match &self.mode {
            Mode::Off => return,
            // Rows with a response are recorded by it, except the number of attempts. Invalid rows do not depend on responses.
            Mode::Record(_) if row.status == Status::Invalid => {}
            Mode::Record(_) if row.api.is_none() && row.error.is_some() => {
                self.manifest.unanswered.push(row_as_json(row));
            }
            Mode::Record(_) if row.attempts > 1 => {
                self.manifest.attempts.insert(key.to_string(), row.attempts);
            }
            Mode::Record(_) => {}
            Mode::Replay(unanswered) => {
                if let Some(recorded) = unanswered.get(&key).filter(|_| row.api.is_none()) {
                    let current = std::mem::replace(row, recorded.clone());
                    (row.carried, row.exchange) = (current.carried, current.exchange);
                } else if let Some(attempts) = self.manifest.attempts.get(&*key) {
                    row.attempts = *attempts;
                }
            }
        }
        self.input.logins += 1;
        self.input.hash = self.input.hash.wrapping_add(stable_hash(&key).into());
    }

    /// Writes the manifest of a recording. In a replay of the same logins, sets the totals of the recorded run.
    pub(super) fn write(mut self, meta: &Meta, summary: &mut Summary) -> io::Result<()> {
        let manifest = &mut self.manifest;
        match self.mode {
            Mode::Off => Ok(()),
            Mode::Replay(_) => {
                if manifest.input == self.input {
                    let RunTotals { requests, points, seconds, .. } = manifest.totals;
                    summary.totals = RunTotals { requests, points, seconds, ..summary.totals };
                }
                Ok(())
            }
            Mode::Record(folder) => {
                manifest.meta = Meta { exchanges: None, baseline: None, ..meta.clone() };
                manifest.totals = summary.totals;
                manifest.input = self.input;
                fs::create_dir_all(&folder)?;
                cassette::write_json(&folder, &folder.join(MANIFEST), manifest)
            }
        }
    }
}
