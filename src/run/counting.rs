//! Asking for everyone, and handing on the rows.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior};

use super::advice::for_quota;
use super::evidence::Evidence;
use super::tally::Tally;
use crate::config::Config;
use crate::drift::Rules;
use crate::github::governor::Governor;
use crate::github::stop::Stop;
use crate::github::transport::Source;
use crate::github::{Client, List};
use crate::journal::{Early, Kept};
use crate::lookup::{Wanted, resolve};
use crate::output::Sink;
use crate::progress::{Progress, say};
use crate::report::{Row, Summary};
use crate::roster::Roster;
use crate::text::{counted, thousands};

/// Rows that are handed to the renderers together, where there are that many at once. Room for more would
/// be of the size that the allocator gives back to the system each time.
const BATCH: usize = 128;
/// After a stop the rest of a pipe is read until so long nothing comes, and no longer than that.
const REST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(5);
/// How often it is looked whether answers wait behind a slower one.
const LOOK: Duration = Duration::from_millis(250);

/// What came of asking.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) summary: Summary,
    /// What the rules have seen.
    pub(super) rules: Rules,
    /// Why it ended early, if it did.
    pub(super) stop: Option<Stop>,
    /// Logins that could not be counted a second time.
    pub(super) unverified: u64,
    pub(super) sinks: Vec<Sink>,
    /// Whether the list was read to its end.
    pub(super) whole: bool,
    /// Lists that broke off, reports that cannot be written: one line each.
    pub(super) problems: Vec<String>,
    /// What else there is to say of the lists.
    pub(super) remarks: Vec<String>,
}

/// Asks for everyone and hands the rows to the sinks as they come.
pub(super) async fn count(
    roster: Roster,
    mut kept: Option<Kept>,
    client: &Client,
    mut sinks: Vec<Sink>,
    config: &Config,
    mut tally: Tally,
    progress: &Progress,
) -> (Outcome, Evidence) {
    let notes = roster.notes();
    let (endless, queried) = (roster.is_endless(), config.databases.name_logins());
    let governor = client.governor();
    // Nobody waits for the rest of a pipe that may never end, but what is in it is read: its rows are
    // due, as those of a file are.
    let last = Arc::new(Mutex::new(Instant::now()));
    let came = Arc::clone(&last);
    let over = async move {
        if governor.stopped().await != Stop::ReaderGone {
            let stopped = Instant::now();
            let at_rest =
                || last.lock().unwrap_or_else(PoisonError::into_inner).max(stopped).elapsed() >= REST;
            // A database has the rest for the next run.
            while !queried && (!endless || (!at_rest() && stopped.elapsed() < MOST)) {
                tokio::time::sleep(REST / 5).await;
            }
        }
    };
    let mut problems = Vec::new();
    let early = sinks.iter().any(Sink::is_journal).then(Early::default);
    let waiting = Arc::<AtomicU64>::default();
    let mut scarce = low_quota_hint(config);
    {
        let entries = roster.entries().take_until(Box::pin(over));
        let entries =
            entries.inspect(|_| *came.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now());
        let entries = watched(entries, client, endless);
        let (asked, back) = (Arc::clone(&waiting), Arc::clone(&waiting));
        let wanted = entries.map(|entry| {
            if let Some(row) = kept.as_mut().and_then(|kept| kept.take(&entry)) {
                return Wanted::Known(row);
            }
            asked.fetch_add(u64::from(entry.login.is_ok()), Ordering::Relaxed);
            Wanted::Unknown(entry)
        });
        let (told, compared) = (early.clone(), tally.baseline.clone());
        let answered = move |number, row: &Row| {
            back.fetch_sub(1, Ordering::Relaxed);
            if let Some(early) = &told {
                let mut row = row.clone();
                if let Some(baseline) = &compared {
                    baseline.compare(&mut row);
                }
                early.answered(number, row);
            }
        };
        let mut rows = pin!(resolve(client, wanted, config.options, answered).ready_chunks(BATCH));
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let news = tokio::select! {
                rows = rows.next() => match rows {
                    Some(rows) => News::Rows(tally.take(rows)),
                    None => break,
                },
                _ = look.tick(), if early.is_some() || scarce.is_some() => {
                    News::Early(Arc::new(early.as_ref().map(Early::overdue).unwrap_or_default()))
                }
            };
            warn_low_quota(&mut scarce, governor, waiting.load(Ordering::Relaxed));
            if let News::Rows(rows) = &news {
                progress.add(rows.len());
                if let Some(early) = &early {
                    early.passed(tally.summary.asked);
                }
            }
            // Who is behind with these rows needs no others yet: no query leaves before it is full.
            let behind = client.hold();
            sinks = hand_on(&news, sinks, &mut problems).await;
            drop(behind);
            if sinks.is_empty() {
                // Rows that nobody gets are not worth a request.
                governor.end(Stop::ReaderGone);
            }
            // Waking a writer costs more than a row: whoever has an answer by now goes with the next ones.
            tokio::task::yield_now().await;
        }
    }
    let whole = notes.is_whole();
    problems.extend(notes.failure().map(str::to_owned));
    // Who is not in the list is known when it was read to its end.
    if whole {
        let gone = News::Rows(tally.gone(config.reading.shard));
        sinks = hand_on(&gone, sinks, &mut problems).await;
    }
    let Tally { mut summary, rules, evidence, .. } = tally;
    summary.duplicates = Some(notes.duplicates());
    if let Some(kept) = kept {
        summary.kept = kept.taken();
        summary.no_longer_asked = if whole { kept.left() } else { 0 };
    }
    (summary.requests, summary.points) = (Some(client.requests()), Some(client.points()));
    let outcome = Outcome {
        summary,
        rules,
        stop: governor.stop(),
        unverified: client.unverified(),
        sinks,
        whole,
        problems,
        remarks: notes.remarks(),
    };
    (outcome, evidence)
}

/// Tells the client what the list does.
fn watched<S: Stream>(entries: S, client: &Client, endless: bool) -> impl Stream<Item = S::Item> {
    let mut entries = Box::pin(entries);
    stream::poll_fn(move |context| {
        let entry = entries.poll_next_unpin(context);
        client.list(match entry {
            Poll::Ready(_) => List::Full,
            Poll::Pending if endless => List::Slow,
            Poll::Pending => List::Read,
        });
        entry
    })
}

/// The way out where the few requests that there are without a token will not do.
fn low_quota_hint(config: &Config) -> Option<String> {
    let settings = &config.settings;
    let asks = !matches!(settings.source, Source::Replay(_)) && settings.credentials.is_none();
    (asks && !config.quiet).then(|| for_quota(config))
}

/// Tells the way out, once, where the requests that are left are fewer than the logins that wait.
fn warn_low_quota(way_out: &mut Option<String>, governor: &Governor, waiting: u64) {
    let Some((limit, left)) = governor.requests_left().filter(|(_, left)| waiting > *left) else { return };
    if let Some(way_out) = way_out.take() {
        let (limit, left) = (counted(limit, "request", "requests"), thousands(left));
        say(&format!(
            "unauthenticated limit: {left} of {limit} left this hour, not enough for this list; {way_out}"
        ));
    }
}

/// What there is to be handed on.
pub(super) enum News {
    Rows(Arc<Vec<Row>>),
    Early(Arc<Vec<(u64, Row)>>),
}

/// Hands on what there is, and keeps the sinks that took it.
pub(super) async fn hand_on(news: &News, sinks: Vec<Sink>, problems: &mut Vec<String>) -> Vec<Sink> {
    let mut left = Vec::with_capacity(sinks.len());
    for mut sink in sinks {
        let taken = match news {
            News::Rows(rows) => sink.rows(rows).await,
            News::Early(rows) if rows.is_empty() => Ok(()),
            News::Early(rows) => sink.early(rows).await,
        };
        match taken {
            Ok(()) => left.push(sink),
            Err(error) if error.is_closed_pipe() => {}
            Err(error) => problems.push(error.to_string()),
        }
    }
    left
}
