//! One run, from the configuration to the exit status.

mod advice;
mod aggregate;
mod evidence;
mod finish;
mod members;
mod messages;
mod pipeline;
mod plan;
mod rerender;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::aggregate::RowAggregator;
use self::evidence::Evidence;
use self::finish::conclude;
pub(crate) use self::members::ListMembersError;
use self::members::list;
use self::messages::{command, explained};
use self::pipeline::run_pipeline;
use self::plan::plan;
use self::rerender::render_again;
use crate::config::Config;
use crate::diff::Baseline;
use crate::exit_status::ExitStatus;
use crate::github::transport::TransportMode;
use crate::github::{BuildError, Client};
use crate::input::{self, Input, InputError};
use crate::journal::{Checkpoint, Journal, ResumeError};
use crate::output::{OutputError, Sink};
use crate::progress::{Progress, ProgressMode, eprint_status};
use crate::render::{Format, Meta};
use crate::report::{ApiKind, Identity, ReadReportError, Summary};
use crate::stop::StopReason;
use crate::text::reason;

/// A second signal within this time is the first once more.
const TWICE: Duration = Duration::from_millis(500);

/// A run could not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A list cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A report cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A report cannot be gone on with.
    #[error(transparent)]
    Journal(#[from] ResumeError),
    /// An organisation or a team cannot be listed.
    #[error(transparent)]
    Listing(#[from] ListMembersError),
    /// An earlier report cannot be read.
    #[error(transparent)]
    Report(#[from] ReadReportError),
    /// A database with an earlier run cannot be read.
    #[cfg(feature = "sql")]
    #[error("cannot read the last run in {0}: {1}")]
    Database(String, String),
    /// A report has no such column.
    #[error("cannot group by {0}: the report carries {1}")]
    NotCarried(String, String),
    /// The network cannot be set up.
    #[error(transparent)]
    Network(#[from] BuildError),
    /// The system grants none of what a run needs to wait for the network.
    #[error("cannot begin: {0}")]
    Runtime(String),
}

/// Runs on a runtime of its own: one thread does for a hundred requests in flight.
///
/// It is here and not in the program because a future is compiled where it is polled: there, it would be all
/// of this crate once more.
///
/// # Errors
/// [`Failure`] where nothing was asked yet.
pub(crate) fn start(config: Config, progress: Progress) -> Result<ExitStatus, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Runtime(reason(&error)))?;
    let exit = runtime.block_on(run(config, progress));
    // Standard input may still be waited for; nobody wants what comes.
    runtime.shutdown_background();
    exit
}

/// Counts, reports, and says how it went.
///
/// Ctrl-C ends it in order, with the rest of the rows skipped; a second one ends it at once.
///
/// # Errors
/// [`Failure`] where nothing was asked yet.
async fn run(config: Config, progress: Progress) -> Result<ExitStatus, Failure> {
    let begun = Instant::now();
    if !config.from.is_empty() {
        return render_again(config).await;
    }
    let roster = Input::open(&config.sources, &config.input_options)?;
    #[cfg(feature = "sql")]
    let roster = match config.input_query.clone() {
        Some((address, query)) => roster.chain_query(address, query, &config.input_options).await?,
        None => roster,
    };
    let client = Client::new(config.settings.clone())?;
    let interrupted = async {
        let stop = interruption().await;
        client.limiter().stop.request(stop);
        // Whoever signals a process and its group signals it twice.
        tokio::time::sleep(TWICE).await;
        let exit = ExitStatus::from_stop(&interruption().await).unwrap_or(ExitStatus::Interrupted);
        eprint_status("ended at once, without the reports that were not written yet");
        exit
    };
    tokio::select! {
        exit = work(&config, &client, roster, &progress, begun) => exit,
        // At once: whatever was half written goes with the sinks.
        exit = interrupted => Ok(exit),
    }
}

/// Lists who is to be listed, counts everybody, and reports.
async fn work(
    config: &Config,
    client: &Client,
    roster: Input,
    progress: &Progress,
    begun: Instant,
) -> Result<ExitStatus, Failure> {
    let baseline = tokio::select! {
        baseline = baseline(config) => Some(baseline?.map(Arc::new)),
        _ = client.limiter().stop.requested() => None,
    };
    let listed = if baseline.is_some() { list(client, config).await? } else { None };
    let stop = client.limiter().stop.reason();
    let listed = listed.filter(|_| stop.is_none() || config.member_sources.is_empty());
    let (Some(baseline), Some(listed)) = (baseline, listed) else {
        // Nobody is counted who is not known yet.
        let stop = stop.unwrap_or(StopReason::Interrupted);
        if !(stop.is_signal() && config.quiet) {
            eprint_status(&explained(&stop, config, &Summary::default(), true));
        }
        return Ok(ExitStatus::from_stop(&stop).unwrap_or(ExitStatus::Incomplete));
    };
    let roster = roster.chain_logins(listed);
    if config.plan {
        return plan(roster, client, config).await;
    }
    let evidence = Evidence::of(&config.settings.transport);
    let mut meta = meta(config, client).await;
    evidence.told(&mut meta);
    let (sinks, kept) = open(config, &meta).await?;
    let replayed = matches!(config.settings.transport, TransportMode::Replay(_));
    if config.settings.counts.breakdown && config.settings.api == ApiKind::Rest && !replayed && !config.quiet
    {
        eprint_status(
            "--breakdown by REST lists every repository, at a request for each hundred of an account; with a token \
             and GraphQL it is a query for 49 accounts",
        );
    }
    if config.sources.contains(&input::InputSource::Stdin) && input::stdin_is_a_terminal() && !config.quiet {
        eprint_status("reading logins from the keyboard, one a line; Ctrl-D ends the list");
    }
    let total = if config.progress == ProgressMode::Hidden { None } else { roster.estimate() };
    let progress_guard = progress.start(client.clone(), total);
    let tally = RowAggregator::new(config, config.group_by.clone(), baseline, evidence);
    let (mut outcome, evidence) = run_pipeline(roster, kept, client, sinks, config, tally, progress).await;
    drop(progress_guard);
    let seconds = begun.elapsed().as_secs_f64();
    outcome.summary.seconds = Some((seconds * 1000.0).round() / 1000.0);
    let broken = matches!(outcome.stop, Some(StopReason::RecordingFailed(_)));
    if !broken && let Err(error) = evidence.finish(&meta, &mut outcome.summary) {
        outcome.problems.push(format!("cannot write down what belongs to the recording: {}", reason(&error)));
    }
    Ok(conclude(outcome, config).await)
}

/// Waits for Ctrl-C, or for SIGTERM, by which systems end their services and jobs.
async fn interruption() -> StopReason {
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
        () = interrupted => StopReason::Interrupted,
        _ = terminated => StopReason::Terminated,
    }
}

/// What the reports say of the run. Who asks is asked for where somebody wants to know.
async fn meta(config: &Config, client: &Client) -> Meta {
    let wanted = config.verbose > 0
        || config.reports.iter().any(|report| matches!(report.format, Format::Json | Format::Html));
    let started = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let whose = if wanted { client.identity().await } else { Identity::default() };
    if let Some(credentials) = &config.settings.credentials {
        let name = whose.viewer.clone().or_else(|| whose.app.as_ref().map(|app| format!("the app {app}")));
        let name = name.unwrap_or_else(|| "whoever it belongs to".into());
        tracing::info!("asking as {name}, with the token from {}", credentials.source());
    } else if let Some(reason) = config.tokens.withheld() {
        tracing::info!("asking without a token: {reason}");
    }
    let exchanges = match &config.settings.transport {
        TransportMode::Network => None,
        TransportMode::Replay(folder) | TransportMode::Record(folder) => Some(folder.display().to_string()),
    };
    let api = Some(config.settings.endpoint.to_string());
    Meta {
        api,
        whose,
        exchanges,
        baseline: config.baseline_name(),
        started,
        command: command(config),
        site: Some(config.settings.endpoint.web_host().to_owned()),
        ..Meta::default()
    }
}

/// The report to compare with.
async fn baseline(config: &Config) -> Result<Option<Baseline>, Failure> {
    let Some(path) = &config.baseline else { return Ok(None) };
    #[cfg(feature = "sql")]
    if let Some(url) = path.to_str().filter(|url| crate::database::DatabaseUrl::is_meant(url)) {
        let unreadable = |reason: String| Failure::Database(crate::text::redact_url(url), reason);
        let address: crate::database::DatabaseUrl =
            url.parse().map_err(|error: crate::database::NotADatabase| unreadable(error.to_string()))?;
        let rows =
            crate::database::last_complete(&address).await.map_err(|error| unreadable(error.to_string()))?;
        return Ok(Some(Baseline::of(address.to_string(), rows)));
    }
    // It may be a pipe into which nobody writes: the thread waits for that, and Ctrl-C does not.
    let (read, reading) = tokio::sync::oneshot::channel();
    let path = path.clone();
    std::thread::spawn(move || drop(read.send(Baseline::read(&path))));
    match reading.await {
        Ok(baseline) => Ok(Some(baseline?)),
        Err(_) => Err(Failure::Runtime("the baseline was not read to its end".into())),
    }
}

/// Opens what is written to.
async fn opened(config: &Config, meta: &Meta) -> Result<Vec<Sink>, Failure> {
    let reports = config.reports.iter();
    let mut sinks =
        reports.map(|report| Sink::open(report, &config.layout, meta)).collect::<Result<Vec<_>, _>>()?;
    save(config, meta, &mut sinks).await?;
    Ok(sinks)
}

/// Opens the database that the run is saved to.
#[cfg(feature = "sql")]
async fn save(config: &Config, meta: &Meta, sinks: &mut Vec<Sink>) -> Result<(), Failure> {
    if let Some(saving) = &config.save_to {
        sinks.push(Sink::saving(saving, &config.layout, meta).await?);
    }
    Ok(())
}

#[cfg(not(feature = "sql"))]
#[expect(clippy::unused_async, reason = "a database is waited for")]
async fn save(_: &Config, _: &Meta, _: &mut Vec<Sink>) -> Result<(), Failure> {
    Ok(())
}

/// Opens what is written to, and the rows that are kept from an earlier run.
async fn open(config: &Config, meta: &Meta) -> Result<(Vec<Sink>, Option<Checkpoint>), Failure> {
    let (mut sinks, mut kept) = (Vec::new(), None);
    let journal = config.journal().filter(|_| config.resume);
    for report in &config.reports {
        match journal {
            Some((resumed, path)) if resumed == report => {
                let (journal, rows) = Journal::resume(path, &config.resume_filter(), &config.layout.columns)?;
                sinks.push(Sink::journal(report, journal));
                kept = Some(rows);
            }
            _ => sinks.push(Sink::open(report, &config.layout, meta)?),
        }
    }
    save(config, meta, &mut sinks).await?;
    Ok((sinks, kept))
}
