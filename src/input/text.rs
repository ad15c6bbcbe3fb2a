//! Plain text: one login per line. A `#` at the beginning of a line or after white space begins a comment.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use tokio::sync::mpsc;

use super::{InputError, InputRecord, Text};
use crate::decode::trim;
use crate::login::{LoginText, is_spreadsheet_error, parse_text};
use crate::report::Carried;

/// Longest line, in bytes: tens of thousands of logins that are separated by commas.
const MAX_LINE: usize = 1 << 20;
/// Bytes of a text that its row shows if it is not a login.
const MAX_INVALID_TEXT: usize = 4096;
/// Records per message, if as many can be read without waiting.
pub(super) const RECORDS_PER_BATCH: usize = 256;

pub(super) struct Sender {
    pub(super) channel: mpsc::Sender<Result<Vec<InputRecord>, InputError>>,
    pub(super) web_host: String,
}

impl Sender {
    /// Adds the records of a text, one for each of its logins.
    pub(super) fn parse(&self, text: &str, carried: Carried, batch: &mut Vec<InputRecord>) {
        push_records(text, carried, &self.web_host, batch);
    }

    /// Adds the records of an argument. In quotes it may hold several logins, separated by blanks or line ends.
    fn parse_argument(&self, text: &str, batch: &mut Vec<InputRecord>) {
        let words: Vec<_> = text.split_whitespace().collect();
        let listed = words.join(",");
        let is_list = words.len() > 1
            && !text.contains([',', ';'])
            && matches!(parse_text(&listed, &self.web_host), LoginText::List(_));
        self.parse(if is_list { &listed } else { text }, Carried::default(), batch);
    }

    /// Fails with `BrokenPipe` if the run needs no more records.
    pub(super) fn send(&self, batch: &mut Vec<InputRecord>) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.channel
            .blocking_send(Ok(std::mem::take(batch)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    /// Sends the records if there are many of them, or if the next one cannot be read without waiting: `buffer` is the text that
    /// can.
    pub(super) fn send_before_waiting(&self, batch: &mut Vec<InputRecord>, buffer: &[u8]) -> io::Result<()> {
        if batch.len() >= RECORDS_PER_BATCH || memchr::memchr2(b'\n', b'\r', buffer).is_none() {
            return self.send(batch);
        }
        Ok(())
    }

    /// Sends the records that were read before an error, and returns the error.
    pub(super) fn fail(&self, batch: &mut Vec<InputRecord>, error: io::Error) -> io::Result<()> {
        self.send(batch)?;
        Err(error)
    }

    pub(super) fn send_logins(&self, logins: &[String]) -> io::Result<()> {
        let mut batch = Vec::new();
        for text in logins {
            self.parse_argument(text, &mut batch);
            if batch.len() >= RECORDS_PER_BATCH {
                self.send(&mut batch)?;
            }
        }
        self.send(&mut batch)
    }

    pub(super) fn send_records(&self, mut records: Vec<InputRecord>) -> io::Result<()> {
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(RECORDS_PER_BATCH));
            self.send(&mut records)?;
            records = rest;
        }
        Ok(())
    }
}

/// Adds the records of a text, one for each of its logins.
pub(super) fn push_records(text: &str, carried: Carried, web_host: &str, records: &mut Vec<InputRecord>) {
    match parse_text(text, web_host) {
        LoginText::One(mut login) => {
            if let Err(invalid) = &mut login {
                invalid.text.truncate(invalid.text.floor_char_boundary(MAX_INVALID_TEXT));
            }
            records.push(InputRecord { login, carried });
        }
        LoginText::List(logins) => {
            let logins = logins.into_iter().map(Ok);
            records.extend(logins.map(|login| InputRecord { login, carried: carried.clone() }));
        }
    }
}

/// Sends the logins of all lines. A line never waits for the next one to be written.
pub(super) fn read(mut text: Text, sender: &Sender) -> io::Result<()> {
    let (mut batch, mut line) = (Vec::new(), Vec::new());
    loop {
        match next_line(&mut text, &mut line, MAX_LINE) {
            Ok(true) => {}
            Ok(false) => return sender.send(&mut batch),
            Err(error) => return sender.fail(&mut batch, error),
        }
        let text_of_line = String::from_utf8_lossy(&line);
        let login = trim(strip_comment(&text_of_line));
        if !login.is_empty() {
            sender.parse(login, Carried::default(), &mut batch);
        }
        sender.send_before_waiting(&mut batch, text.buffer())?;
    }
}

/// Reads a line of at most `max` bytes, without its end, which is LF, CR LF or CR. Returns false at the end.
pub(super) fn next_line(text: &mut Text, line: &mut Vec<u8>, max: usize) -> io::Result<bool> {
    line.clear();
    let mut is_read = false;
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(is_read);
        }
        is_read = true;
        let end = memchr::memchr2(b'\n', b'\r', buffer);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if line.len() + part.len() > max {
            return Err(io::Error::other(format!("it has a line of more than {} MiB", max >> 20)));
        }
        line.extend_from_slice(part);
        let length = part.len() + usize::from(end.is_some());
        text.consume(length);
        if end.is_some() {
            // The LF of a CR LF is a blank line.
            return Ok(true);
        }
    }
}

/// Any other `#` is part of an address, or of a text that is not a login.
pub(super) fn strip_comment(line: &str) -> &str {
    if is_spreadsheet_error(line.trim()) {
        return line;
    }
    let mut parts = line.match_indices('#').filter_map(|(at, _)| line.get(..at));
    parts.find(|before| before.is_empty() || before.ends_with([' ', '\t'])).unwrap_or(line)
}

pub(super) fn count_lines(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(64 << 10, File::open(path)?);
    let mut lines = 0;
    while reader.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}
