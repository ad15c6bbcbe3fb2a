//! Lines on standard error, written by a thread of their own: a reader that has stopped reading stops neither the requests nor
//! Ctrl-C.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;

/// Time without a written line after which the reader counts as stopped. Nothing waits for it then, until it has read all.
const READER_PATIENCE: Duration = Duration::from_millis(500);
/// The same at the end of the process, where a line that is not written is lost. A busy machine may run the thread late.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Lines that a stopped reader can still get; later ones are dropped.
const MAX_QUEUED: usize = 1000;

/// The writer of this process. None if its thread could not be started.
static STDERR: LazyLock<Option<Arc<LineWriter>>> = LazyLock::new(|| {
    let order = if io::stderr().is_terminal() { Order::Kept } else { Order::Free };
    LineWriter::start(order, Line::write).ok()
});

/// Order of lines and of what else is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Each line is waited for: a terminal shows the report too.
    Kept,
    Free,
}

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

/// Writes a line to standard error, unless the reader has stopped.
pub(super) fn write_line(line: Line) {
    match &*STDERR {
        Some(writer) => writer.send(line),
        None => line.write(),
    }
}

/// Waits at the end of the process until all lines are written.
pub(crate) fn flush_lines() {
    if let Some(writer) = LazyLock::get(&STDERR).and_then(Option::as_ref) {
        drop(writer.wait(writer.state(), LAST_PATIENCE, State::is_written));
    }
}

struct LineWriter {
    order: Order,
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
    fn start(order: Order, write: impl Fn(&Line) + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self { order, state: Mutex::default(), changed: Condvar::new() });
        let thread = Arc::clone(&writer);
        thread::Builder::new().name("standard error".into()).spawn(move || thread.run(write))?;
        Ok(writer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, line: Line) {
        let mut state = self.state();
        if state.queue.len() >= MAX_QUEUED && !state.is_stalled {
            state = self.wait(state, READER_PATIENCE, |state| state.queue.len() < MAX_QUEUED);
        }
        if state.queue.len() >= MAX_QUEUED {
            state.dropped += 1;
            return;
        }
        state.push(line);
        self.changed.notify_all();
        if self.order == Order::Kept && !state.is_stalled {
            let number = state.queued;
            drop(self.wait(state, READER_PATIENCE, |state| state.written >= number));
        }
    }

    /// Waits for a condition, until no line was written for some time.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        patience: Duration,
        is_done: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while !is_done(&state) {
            let written = state.written;
            let waited = self.changed.wait_timeout_while(state, patience, |state| state.written == written);
            let (changed, result) = waited.unwrap_or_else(PoisonError::into_inner);
            state = changed;
            if result.timed_out() {
                state.is_stalled = true;
                break;
            }
        }
        state
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
    fn a_reader_that_reads_misses_nothing() {
        let (lines, written) = mpsc::channel();
        let writer = LineWriter::start(Order::Free, move |line| {
            std::thread::yield_now();
            let _ = lines.send(line.text.clone());
        })
        .unwrap();
        for number in 0..5 * MAX_QUEUED {
            send(&writer, &number.to_string());
        }
        drop(writer.wait(writer.state(), LAST_PATIENCE, State::is_written));
        let written: Vec<_> = written.try_iter().collect();
        assert_eq!(written.len(), 5 * MAX_QUEUED);
        assert!(written.iter().enumerate().all(|(number, line)| *line == number.to_string()));
    }

    #[test]
    fn a_stopped_reader_is_waited_for_once_and_told_what_it_missed() {
        let (permits, permitted) = mpsc::channel::<()>();
        let (lines, written) = mpsc::channel();
        let writer = LineWriter::start(Order::Kept, move |line| {
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
