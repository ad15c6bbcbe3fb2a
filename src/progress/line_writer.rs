//! Lines on standard error, written by a thread of their own: a reader that has stopped reading stops neither the requests nor
//! Ctrl-C.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

/// Time for which a line is waited for, so that lines and reports keep their order on a terminal. After it the reader counts as
/// stopped, and no further line is waited for until it has read all.
const READER_PATIENCE: Duration = Duration::from_millis(500);
/// Lines that a stopped reader can still get; later ones are dropped.
const MAX_QUEUED: usize = 1000;

/// The writer of this process. None if its thread could not be started.
static STDERR: LazyLock<Option<Arc<LineWriter>>> = LazyLock::new(|| LineWriter::start(Line::write).ok());

/// A text with its line end. A bar is cleared meanwhile.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) bar: Option<ProgressBar>,
}

impl Line {
    /// Writes the text. Errors are ignored.
    fn write(&self) {
        let _ = match &self.bar {
            Some(bar) => bar.suspend(|| io::stderr().write_all(self.text.as_bytes())),
            None => io::stderr().write_all(self.text.as_bytes()),
        };
    }
}

/// Writes a line to standard error. Waits until it is written, unless the reader has stopped.
pub(super) fn write_line(line: Line) {
    match &*STDERR {
        Some(writer) => writer.send(line),
        None => line.write(),
    }
}

/// Gives a stopped reader a last moment to read what is queued.
pub(crate) fn flush_lines() {
    if let Some(writer) = LazyLock::get(&STDERR).and_then(Option::as_ref) {
        let state = writer.state();
        let _ = writer.changed.wait_timeout_while(state, READER_PATIENCE, |state| !state.is_written());
    }
}

#[derive(Default)]
struct LineWriter {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Line>,
    /// Lines that were queued and that were written, since the start.
    queued: u64,
    written: u64,
    dropped: u64,
    is_stalled: bool,
}

impl State {
    fn is_written(&self) -> bool {
        self.written == self.queued
    }

    fn push(&mut self, line: Line) {
        self.queue.push_back(line);
        self.queued += 1;
    }
}

impl LineWriter {
    fn start(write: impl Fn(&Line) + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self::default());
        let thread = Arc::clone(&writer);
        thread::Builder::new().name("standard error".into()).spawn(move || thread.run(write))?;
        Ok(writer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, line: Line) {
        let mut state = self.state();
        if state.queue.len() >= MAX_QUEUED {
            state.dropped += 1;
            return;
        }
        state.push(line);
        self.changed.notify_all();
        if state.is_stalled {
            return;
        }
        let number = state.queued;
        let waited = self.changed.wait_timeout_while(state, READER_PATIENCE, |state| state.written < number);
        let (mut state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_stalled |= result.timed_out();
    }

    /// Writes lines until the end of the process.
    fn run(&self, write: impl Fn(&Line)) {
        loop {
            let waited = self.changed.wait_while(self.state(), |state| state.queue.is_empty());
            let line = waited.unwrap_or_else(PoisonError::into_inner).queue.pop_front();
            if let Some(line) = line {
                write(&line);
            }
            let mut state = self.state();
            state.written += 1;
            if state.queue.is_empty() {
                state.is_stalled = false;
                let dropped = std::mem::take(&mut state.dropped);
                if dropped > 0 {
                    let text = format!("{dropped} lines were dropped, because standard error was not read\n");
                    state.push(Line { text, bar: None });
                }
            }
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn send(writer: &LineWriter, text: &str) {
        writer.send(Line { text: text.into(), bar: None });
    }

    #[test]
    fn a_stopped_reader_is_waited_for_once_and_told_what_it_missed() {
        let (permits, permitted) = mpsc::channel::<()>();
        let (lines, written) = mpsc::channel();
        let writer = LineWriter::start(move |line| {
            let _ = permitted.recv();
            let _ = lines.send(line.text.clone());
        })
        .unwrap();
        permits.send(()).unwrap();
        send(&writer, "first");
        assert_eq!(written.try_recv().as_deref(), Ok("first"), "a line is written before the next step");

        // The writer hangs with the first of these lines.
        send(&writer, "0");
        assert!(writer.state().is_stalled);
        for number in 1..MAX_QUEUED + 8 {
            send(&writer, &number.to_string());
        }
        drop(permits);
        let kept: Vec<_> = written.iter().take(MAX_QUEUED + 1).collect();
        assert!(kept.iter().enumerate().all(|(number, line)| *line == number.to_string()), "{kept:?}");
        assert_eq!(written.recv().unwrap(), "7 lines were dropped, because standard error was not read\n");
        send(&writer, "last");
        assert_eq!(written.recv().unwrap(), "last");
        assert!(!writer.state().is_stalled);
    }
}
