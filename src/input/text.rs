//! Plain lists: one login a line, `#` begins a comment.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc::Sender;

use super::InputRecord;
use crate::login::Login;

/// The longest line that is looked at; what comes behind is dropped. No login is anywhere near.
const MAX_LINE: u64 = 4096;
/// Lines that are handed on together where there are that many at once.
pub(super) const BATCH: usize = 256;

/// Why reading ended before the list did.
pub(super) enum End {
    /// The run is over.
    NobodyWants,
    /// The list broke off.
    Failed(io::Error),
}

/// Reads a list line by line. Lines are handed on in batches, but none waits for the next to come.
pub(super) fn read(list: impl Read, site: &str, sender: &Sender<Vec<InputRecord>>) -> Result<(), End> {
    let mut reader = BufReader::with_capacity(64 << 10, list);
    let mut batch = Vec::new();
    let mut first = true;
    loop {
        let line = match next_line(&mut reader) {
            Ok(line) => line,
            Err(error) => {
                // What was read before is still good.
                send(&mut batch, sender)?;
                return Err(End::Failed(error));
            }
        };
        let Some(mut line) = line else {
            return send(&mut batch, sender);
        };
        if std::mem::take(&mut first) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        let text = String::from_utf8_lossy(&line);
        let text = without_comment(&text);
        if !text.is_empty() {
            batch.push(Login::parse_for_host(text, site).into());
        }
        if batch.len() >= BATCH || !reader.buffer().contains(&b'\n') {
            send(&mut batch, sender)?;
        }
    }
}

pub(super) fn send(batch: &mut Vec<InputRecord>, sender: &Sender<Vec<InputRecord>>) -> Result<(), End> {
    if batch.is_empty() {
        return Ok(());
    }
    sender.blocking_send(std::mem::take(batch)).map_err(|_| End::NobodyWants)
}

fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        reader.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// A `#` begins a comment at the beginning of a line or after white space; elsewhere it is part of
/// what should be a login.
fn without_comment(line: &str) -> &str {
    let begins =
        |at: usize| line.get(..at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let end = line.match_indices('#').map(|(at, _)| at).find(|at| begins(*at));
    line.get(..end.unwrap_or(line.len())).unwrap_or_default().trim()
}

/// How many lines a file has.
pub(super) fn count_lines(path: &Path) -> io::Result<u64> {
    if !path.metadata()?.is_file() {
        return Ok(0);
    }
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path)?);
    let mut lines = 0;
    while reader.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}
