//! Progress on standard error: rows done, rate, time left, and the wait for a rate limit.

mod line_writer;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use console::Term;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

pub(crate) use self::line_writer::flush_lines;
use self::line_writer::{Line, write_line};
use crate::github::Client;
use crate::program_name::called_name;
use crate::text::{format_duration, sanitize_multiline};

/// A shorter run shows no bar.
const SHOW_AFTER: Duration = Duration::from_millis(400);
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// A wait that is longer is logged.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// Columns left empty at the right, for two `^C`.
const CTRL_C_MARGIN: u16 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    Hidden,
    /// A line for each long wait.
    WaitsOnly,
    /// A bar that is redrawn.
    Bar,
    /// A line every few seconds, where nothing can be redrawn.
    Log,
}

/// Number of finished rows, shown on standard error. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    mode: ProgressMode,
    bar: ProgressBar,
    done: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn new(mode: ProgressMode) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { mode, bar, done: Arc::default() }
    }

    pub(crate) fn add(&self, rows: usize) {
        self.done.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Shows progress until the guard is dropped.
    #[must_use]
    pub(crate) fn start(&self, client: Client, total: Option<u64>) -> ProgressGuard {
        let reporter = Reporter { progress: self.clone(), client, total, started: Instant::now() };
        let task = tokio::spawn(async move {
            match reporter.progress.mode {
                ProgressMode::Hidden => {}
                ProgressMode::WaitsOnly => reporter.log_waits().await,
                ProgressMode::Bar => reporter.draw_bar().await,
                ProgressMode::Log => reporter.log().await,
            }
        });
        ProgressGuard { task, bar: self.bar.clone() }
    }
}

struct Reporter {
    progress: Progress,
    client: Client,
    total: Option<u64>,
    started: Instant,
}

impl Reporter {
    async fn draw_bar(&self) {
        sleep(SHOW_AFTER).await;
        let bar = &self.progress.bar;
        let template = if self.total.is_some() { "{bar:24} {msg}" } else { "{spinner} {msg}" };
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(TermWithMargin(Term::stderr()))));
        bar.set_length(self.total.unwrap_or(0));
        loop {
            bar.set_position(self.done());
            bar.set_message(self.status_line());
            bar.tick();
            sleep(REDRAW_INTERVAL).await;
        }
    }

    async fn log(&self) {
        loop {
            sleep(LOG_INTERVAL).await;
            eprint_status(&self.status_line());
        }
    }

    /// Logs each long wait once.
    async fn log_waits(&self) {
        let mut logged = None;
        loop {
            sleep(Duration::from_secs(1)).await;
            let pause = self.client.limiter().current_pause();
            let is_long = pause.as_ref().is_some_and(|pause| pause.until.remaining() > LONG_WAIT);
            if is_long && logged != pause {
                eprint_status(&self.status_line());
                logged = pause;
            }
        }
    }

    fn done(&self) -> u64 {
        self.progress.done.load(Ordering::Relaxed)
    }

    fn status_line(&self) -> String {
        let pause = self.client.limiter().current_pause();
        let wait = pause.map(|pause| (pause.reason.as_noun(), pause.until.remaining()));
        status_line(self.done(), self.total, self.started.elapsed(), wait)
    }
}

/// Removes the progress from the screen when it is dropped.
#[derive(Debug)]
pub(crate) struct ProgressGuard {
    task: JoinHandle<()>,
    bar: ProgressBar,
}

impl Drop for ProgressGuard {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Writes a line to standard error, after the program's name. Errors are ignored.
pub(crate) fn eprint_status(line: &str) {
    // Messages contain names of files, which may have any characters.
    let text = format!("{}: {}\n", called_name(), sanitize_multiline(line));
    write_line(Line { text, bar: None });
}

/// `wait` is a reason and the time left.
#[expect(clippy::cast_precision_loss, reason = "a rate and a time for people")]
fn status_line(done: u64, total: Option<u64>, elapsed: Duration, wait: Option<(&str, Duration)>) -> String {
    let mut line = match total {
        Some(total) => format!("{} of {}", HumanCount(done), HumanCount(total)),
        None => format!("{} done", HumanCount(done)),
    };
    // Writing to a String cannot fail.
    if let Some((reason, wait)) = wait {
        let wait_signed = jiff::SignedDuration::try_from(wait).unwrap_or_default();
        let until = jiff::Zoned::now().saturating_add(wait_signed).strftime("%H:%M:%S");
        let _ = write!(line, ", waiting for {reason} until {until} ({})", format_duration(wait));
        return line;
    }
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    if rate >= 1.0 {
        let _ = write!(line, ", {rate:.0}/s");
    }
    let left = total.and_then(|total| Duration::try_from_secs_f64((total as f64 - done as f64) / rate).ok());
    if let Some(left) = left.filter(|left| left.as_secs() > 0) {
        let _ = write!(line, ", {} left", format_duration(Duration::from_secs(left.as_secs())));
    }
    line
}

/// A terminal that looks narrower than it is. indicatif pads the line and leaves the cursor at its end: a `^C` would wrap there,
/// and the bar, then a line above, would stay on the screen.
#[derive(Debug)]
struct TermWithMargin(Term);

impl TermLike for TermWithMargin {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(CTRL_C_MARGIN).max(1)
    }
    fn height(&self) -> u16 {
        self.0.size().0
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes a line of the log above the bar. An event is one call.
impl Write for Progress {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = sanitize_multiline(&String::from_utf8_lossy(line));
        // A bar is locked while a line is written, so a stopped reader would stop the bar too: only a terminal has one.
        let bar = (self.mode == ProgressMode::Bar).then(|| self.bar.clone());
        write_line(Line { text, bar });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_has_count_rate_and_time_left() {
        let seconds = Duration::from_secs;
        assert_eq!(status_line(0, Some(2000), seconds(1), None), "0 of 2,000");
        assert_eq!(status_line(500, Some(2000), seconds(10), None), "500 of 2,000, 50/s, 30s left");
        assert_eq!(status_line(2001, Some(2000), seconds(10), None), "2,001 of 2,000, 200/s");
        assert_eq!(status_line(1500, None, seconds(10), None), "1,500 done, 150/s");
        let waiting = status_line(5, Some(10), seconds(1), Some(("GitHub's rate limit", seconds(60))));
        assert!(waiting.starts_with("5 of 10, waiting for GitHub's rate limit until "), "{waiting}");
        assert!(waiting.ends_with(" (1m)"), "{waiting}");
    }
}
