//! The text of a sheet as it passes: for the lines of its rows, and for quotes that are left open.

use std::io::{self, Read};

/// A row that is longer has a quote that was left open. Spreadsheet programs allow 32,767 characters a
/// cell.
const MAX_ROW: usize = 4 << 20;

/// Keeps what has passed since the last row.
pub(super) struct Raw<R> {
    inner: R,
    /// The text from the last row on, as far as it was read.
    recent: Vec<u8>,
    /// Where that begins in the whole.
    begin: u64,
    /// The line in which it begins.
    line: u64,
}

impl<R> Raw<R> {
    /// `lines` were taken off before.
    pub(super) fn new(inner: R, lines: u64) -> Self {
        Self { inner, recent: Vec::new(), begin: 0, line: 1 + lines }
    }

    /// The line of the row that begins at a byte, or behind the line ends there.
    pub(super) fn line_of(&mut self, byte: u64) -> u64 {
        let before = usize::try_from(byte.saturating_sub(self.begin)).unwrap_or(usize::MAX);
        let rest = self.recent.get(before..).unwrap_or_default();
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let start = (before + ends).min(self.recent.len());
        let skipped = self.recent.get(..start).unwrap_or_default();
        // A line ends with LF, CR LF, or a CR alone.
        let next = self.recent.get(start).copied();
        let lines = skipped.iter().zip(skipped.iter().skip(1).copied().map(Some).chain([next]));
        self.line += lines
            .filter(|(byte, next)| **byte == b'\n' || **byte == b'\r' && *next != Some(b'\n'))
            .count() as u64;
        self.begin += start as u64;
        self.recent.drain(..start);
        self.line
    }

    /// Whether the last row, whose line was asked for, leaves a quote open.
    pub(super) fn is_open(&self, delimiter: u8) -> bool {
        let mut quotes = Quotes::default();
        for byte in &self.recent {
            quotes.pass(*byte, *byte == delimiter);
        }
        quotes.are_open()
    }
}

impl<R: Read> Read for Raw<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if self.recent.len() > MAX_ROW {
            let reason =
                format!("it has a row of more than {} MiB; is a quote in it never closed?", MAX_ROW >> 20);
            return Err(io::Error::other(reason));
        }
        self.recent.extend_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Whether a text is between quotes. A quote opens a cell only at its beginning: in `5" pipe` it is an
/// inch.
#[derive(Default)]
pub(super) struct Quotes {
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    CellBegins,
    Bare,
    Quoted,
    /// A quote in a quoted cell: its end, or the first of two that stand for one.
    MayEnd,
}

impl Quotes {
    pub(super) fn are_open(&self) -> bool {
        self.state == State::Quoted
    }

    pub(super) fn pass(&mut self, byte: u8, separates: bool) {
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::MayEnd,
            (State::Quoted, _) | (State::CellBegins | State::MayEnd, b'"') => State::Quoted,
            (_, b'\n' | b'\r') => State::CellBegins,
            _ if separates => State::CellBegins,
            _ => State::Bare,
        };
    }
}
