//! Progress on standard error: what is done of all, how fast, how long still, and what is waited for.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tracing_subscriber::fmt::MakeWriter;

use crate::github::Client;
use crate::text::{format_duration, group_digits, sanitize_multiline};

/// A run that is over by then shows none.
const PATIENCE: Duration = Duration::from_millis(400);
const REDRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Not at all.
    Hidden,
    /// A line for each long wait, where nobody watches.
    Waits,
    /// A bar that is redrawn.
    Bar,
    /// A line now and then, where nothing can be redrawn.
    Lines,
}

/// Shows how far a run is. Clones show the same.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    how: ProgressMode,
    bar: ProgressBar,
    done: Arc<AtomicU64>,
}

impl Progress {
    /// Progress that is shown as `how` says, from [`Progress::start`] on.
    #[must_use]
    pub(crate) fn new(how: ProgressMode) -> Self {
        Self {
            how,
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            done: Arc::default(),
        }
    }

    /// Counts rows that are done.
    pub(crate) fn add(&self, rows: usize) {
        self.done.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Shows progress until what is returned is dropped.
    #[must_use]
    pub(crate) fn start(&self, client: Client, total: Option<u64>) -> Shown {
        let progress = self.clone();
        let begun = Instant::now();
        let task = tokio::spawn(async move {
            match progress.how {
                ProgressMode::Hidden => return,
                ProgressMode::Bar => {
                    sleep(PATIENCE).await;
                    let template = if total.is_some() { "{bar:24} {msg}" } else { "{spinner} {msg}" };
                    let style = ProgressStyle::with_template(template);
                    progress.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                    progress
                        .bar
                        .set_draw_target(ProgressDrawTarget::term_like(Box::new(Narrow(Term::stderr()))));
                    progress.bar.set_length(total.unwrap_or(0));
                }
                ProgressMode::Lines => sleep(LINE).await,
                ProgressMode::Waits => return progress.tell_waits(&client, total, begun).await,
            }
            loop {
                let done = progress.done.load(Ordering::Relaxed);
                let waiting = client
                    .limiter()
                    .current_pause()
                    .map(|pause| (pause.reason.as_noun(), pause.until.remaining()));
                let line = line(done, total, begun.elapsed(), waiting);
                if progress.how == ProgressMode::Bar {
                    progress.bar.set_position(done);
                    progress.bar.set_message(line);
                    progress.bar.tick();
                    sleep(REDRAW).await;
                } else {
                    eprint_status(&line);
                    sleep(LINE).await;
                }
            }
        });
        Shown { task, bar: self.bar.clone() }
    }

    /// A line for each wait that somebody who reads the log later would wonder about.
    async fn tell_waits(&self, client: &Client, total: Option<u64>, begun: Instant) {
        let mut told = None;
        loop {
            sleep(Duration::from_secs(1)).await;
            let Some(pause) = client.limiter().current_pause() else { continue };
            if pause.until.remaining() > LINE && told.as_ref() != Some(&pause) {
                let done = self.done.load(Ordering::Relaxed);
                eprint_status(&line(
                    done,
                    total,
                    begun.elapsed(),
                    Some((pause.reason.as_noun(), pause.until.remaining())),
                ));
                told = Some(pause);
            }
        }
    }
}

/// Progress that is shown. Dropped, it is taken from the screen.
#[derive(Debug)]
pub(crate) struct Shown {
    task: JoinHandle<()>,
    bar: ProgressBar,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Writes a line to standard error, in the program's name. Whether anybody reads it does not matter.
pub(crate) fn eprint_status(line: &str) {
    // A file may have any name, and its name be in any message.
    let _ = writeln!(io::stderr(), "ghrepos: {}", sanitize_multiline(line));
}

fn line(done: u64, total: Option<u64>, elapsed: Duration, waiting: Option<(&str, Duration)>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let mut line = match total {
        Some(total) => format!("{} of {}", group_digits(done), group_digits(total)),
        None => format!("{} done", group_digits(done)),
    };
    if let Some((reason, wait)) = waiting {
        let until =
            jiff::Zoned::now().saturating_add(jiff::SignedDuration::try_from(wait).unwrap_or_default());
        let until = until.strftime("%H:%M:%S");
        return format!("{line}, waiting for {reason} until {until} ({})", format_duration(wait));
    }
    if done > 0 {
        if rate >= 1.0 {
            let _ = write!(line, ", {rate:.0}/s");
        }
        #[expect(clippy::cast_precision_loss, reason = "a time for people")]
        let left =
            total.and_then(|total| Duration::try_from_secs_f64((total as f64 - done as f64) / rate).ok());
        if let Some(left) = left.filter(|left| left.as_secs() > 0) {
            let _ = write!(line, ", {} left", format_duration(Duration::from_secs(left.as_secs())));
        }
    }
    line
}

/// A terminal with room left for what Ctrl-C prints.
///
/// indicatif leaves the cursor at the end of the line. There the terminal's `^C` would wrap, and the
/// bar, now a line above, would be left behind when it is cleared.
#[derive(Debug)]
struct Narrow(Term);

/// Two `^C`s.
const ROOM: u16 = 4;

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(ROOM).max(1)
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

/// Lets log lines pass above the bar instead of through it.
impl<'a> MakeWriter<'a> for Progress {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { bar: self.bar.clone(), text: Vec::new() }
    }
}

/// One line of the log, written when it is complete.
#[derive(Debug)]
pub(crate) struct LogLine {
    bar: ProgressBar,
    text: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.bar.suspend(|| {
            let _ = io::stderr().write_all(sanitize_multiline(&String::from_utf8_lossy(&text)).as_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_what_a_person_wants_to_know() {
        let seconds = Duration::from_secs;
        assert_eq!(line(0, Some(2000), seconds(1), None), "0 of 2,000");
        assert_eq!(line(500, Some(2000), seconds(10), None), "500 of 2,000, 50/s, 30s left");
        assert_eq!(line(2001, Some(2000), seconds(10), None), "2,001 of 2,000, 200/s");
        assert_eq!(line(1500, None, seconds(10), None), "1,500 done, 150/s");
        let waiting = line(5, Some(10), seconds(1), Some(("GitHub's rate limit", seconds(60))));
        assert!(waiting.starts_with("5 of 10, waiting for GitHub's rate limit until "), "{waiting}");
        assert!(waiting.ends_with(" (1m)"), "{waiting}");
    }
}
