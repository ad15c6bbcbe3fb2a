//! One run, from the configuration to the exit status.

mod counting;
mod ending;
mod listing;
mod planning;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::counting::{Outcome, count};
use self::ending::explained;
pub use self::listing::NotListed;
use self::listing::list;
use self::planning::plan;
use crate::config::Config;
use crate::exit::Exit;
use crate::github::stop::Stop;
use crate::github::transport::Source;
use crate::github::{BuildError, Client};
use crate::journal::{Journal, Kept, NotAJournal};
use crate::output::{Sink, Unwritable};
use crate::progress::{Progress, say};
use crate::render::Meta;
use crate::report::{Summary, Via};
use crate::roster::{self, Roster, Unreadable};
use crate::text::{counted, thousands};

/// A second signal within this time is the first once more.
const TWICE: Duration = Duration::from_millis(500);

/// A run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A list cannot be read.
    #[error(transparent)]
    Roster(#[from] Unreadable),
    /// A report cannot be written.
    #[error(transparent)]
    Output(#[from] Unwritable),
    /// A report cannot be gone on with.
    #[error(transparent)]
    Journal(#[from] NotAJournal),
    /// An organisation or a team cannot be listed.
    #[error(transparent)]
    Listing(#[from] NotListed),
    /// The network cannot be set up.
    #[error(transparent)]
    Network(#[from] BuildError),
}

/// Counts, reports, and says how it went.
///
/// Ctrl-C ends it in order, with the rest of the rows skipped; a second one ends it at once.
///
/// # Errors
/// [`Failure`] where nothing was asked yet.
pub async fn run(config: Config, progress: Progress) -> Result<Exit, Failure> {
    let begun = Instant::now();
    let meta = meta(&config);
    let roster = Roster::open(&config.sources, &config.reading)?;
    let client = Client::new(config.settings.clone())?;
    let listed = tokio::select! {
        biased;
        // Where there is nothing to list, signals keep doing what they do by default.
        listed = list(&client, &config) => listed?,
        stop = interruption() => {
            client.governor().end(stop);
            None
        }
    };
    let Some(listed) = listed else {
        // Nobody is counted who is not known yet.
        let stop = client.governor().stop().unwrap_or(Stop::Interrupted);
        say(&explained(&stop, &config, &Summary::default(), true));
        return Ok(Exit::of(&stop).unwrap_or(Exit::Incomplete));
    };
    let roster = roster.with(listed);
    if config.plan {
        return plan(roster, &client, &config).await;
    }
    let (sinks, kept) = open(&config, &meta)?;
    let replayed = matches!(config.settings.source, Source::Replay(_));
    if config.settings.measures.breakdown && config.settings.via == Via::Rest && !replayed && !config.quiet {
        say(
            "--breakdown by REST lists every repository, at a request for each hundred of an account; with a token \
             and GraphQL it is a query for 49 accounts",
        );
    }
    if config.sources.contains(&roster::Source::Stdin) && roster::stdin_is_a_terminal() && !config.quiet {
        say("reading logins from the keyboard, one a line; Ctrl-D ends the list");
    }

    let total = if config.progress == crate::config::Progress::Hidden { None } else { roster.estimate() };
    let shown = progress.start(client.clone(), total);
    let work = async {
        let outcome = count(roster, kept, &client, sinks, &config, &progress).await;
        progress.clear(&shown);
        conclude(outcome, &config, &client, begun).await
    };
    let interrupted = async {
        let stop = interruption().await;
        client.governor().end(stop);
        // Whoever signals a process and its group signals it twice.
        tokio::time::sleep(TWICE).await;
        let exit = Exit::of(&interruption().await).unwrap_or(Exit::Interrupted);
        say("ended at once, without the reports that were not written yet");
        exit
    };
    tokio::select! {
        exit = work => Ok(exit),
        // At once: whatever was half written goes with the sinks.
        exit = interrupted => {
            progress.clear(&shown);
            Ok(exit)
        }
    }
}

/// Waits for Ctrl-C, or for SIGTERM, by which systems end their services and jobs.
async fn interruption() -> Stop {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // A system without signals cannot send any.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        () = interrupted => Stop::Interrupted,
        _ = terminated => Stop::Terminated,
    }
}

fn meta(config: &Config) -> Meta {
    let folder = |folder: &std::path::Path| Some(folder.display().to_string());
    let (replayed, recorded) = match &config.settings.source {
        Source::Network => (None, None),
        Source::Replay(from) => (folder(from), None),
        Source::Record(to) => (None, folder(to)),
    };
    Meta {
        generator: concat!("ghrepos ", env!("CARGO_PKG_VERSION")),
        api: config.settings.api.to_string(),
        replayed,
        recorded,
        started: Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
    }
}

/// Opens what is written to, and the rows that are kept from an earlier run.
fn open(config: &Config, meta: &Meta) -> Result<(Vec<Sink>, Option<Kept>), Failure> {
    let (mut sinks, mut kept) = (Vec::new(), None);
    let journal = config.journal().filter(|_| config.resume);
    for report in &config.reports {
        match journal {
            Some((resumed, path)) if resumed == report => {
                let (journal, rows) = Journal::resume(path, &config.wants(), &config.layout.columns)?;
                sinks.push(Sink::journal(report, journal));
                kept = Some(rows);
            }
            _ => sinks.push(Sink::open(report, &config.layout, meta)?),
        }
    }
    Ok((sinks, kept))
}

/// Ends the reports, tells what there is to tell, and decides the exit status.
async fn conclude(outcome: Outcome, config: &Config, client: &Client, begun: Instant) -> Exit {
    let Outcome { mut summary, sinks, whole, mut problems, remarks } = outcome;
    let stop = client.governor().stop();
    summary.requests = client.requests();
    summary.points = client.points();
    summary.seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    summary.complete = summary.skipped == 0 && stop.is_none() && problems.is_empty();

    // Where nothing was learnt, a table of failures would only hide the one line that tells why, and
    // a file would replace an earlier report that is worth more.
    let nothing_learnt = summary.ok + summary.not_found + summary.forbidden == 0;
    let in_vain = nothing_learnt && (stop.is_some() || !problems.is_empty());
    let mut written = false;
    for sink in sinks {
        if in_vain && sink.is_silent_until_finished() {
            sink.abandon().await;
            continue;
        }
        match sink.finish(&summary, whole).await {
            Ok(()) => written = true,
            Err(error) if error.is_closed_pipe() => {}
            Err(error) => problems.push(error.to_string()),
        }
    }

    let wrong = summary.uncounted() + summary.disagreed;
    let mut exit = if wrong > 0 { Exit::Uncounted } else { Exit::Counted };
    if stop == Some(Stop::ReaderGone) && problems.is_empty() {
        return Exit::Counted;
    }
    for problem in &problems {
        say(problem);
        exit = exit.or(Exit::Usage);
    }
    if let Some(stop) = &stop {
        exit = Exit::of(stop).map_or(exit, |status| exit.or(status));
        if *stop != Stop::ReaderGone && !(stop.is_signal() && config.quiet) {
            say(&explained(stop, config, &summary, whole));
        }
    }
    for remark in remarks.iter().filter(|_| !config.quiet) {
        say(remark);
    }
    if written && !in_vain && !config.quiet {
        if summary.asked == 0 {
            let list = if config.reading.shard.is_some() { "this part of the list" } else { "the list" };
            say(&format!("{list} held no logins: nothing to count"));
        } else {
            say(&summary.to_string());
        }
    }
    if client.unverified() > 0 && !config.quiet {
        let rows = counted(client.unverified(), "login", "logins");
        say(&format!("warning: {rows} could not be counted a second time; -v tells why"));
    }
    if summary.disagreed > 0 {
        let rows = counted(summary.disagreed, "login", "logins");
        say(&format!(
            "warning: the two APIs disagree on {rows} of {} counted twice; see `verified` in the report",
            thousands(summary.verified)
        ));
    }
    exit
}
