//! The program: parses the flags, runs, and returns the exit status.

mod coverage;
mod finish;
mod manifest;
mod members;
mod messages;
mod pipeline;
mod plan;
mod rerender;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use jiff::Timestamp;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::finish::{finish, print_waits};
use self::manifest::ManifestRecorder;
use self::members::list_members;
use self::messages::{QuotaHint, partial_files, print_stop, print_version_notice, report_command};
use self::pipeline::{RowAggregator, run_pipeline};
use self::plan::print_plan;
use self::rerender::rerender;
use crate::cli::{Cli, one_line_error, usage};
use crate::config::{Config, ConfigError, StdinUse};
use crate::database::{DatabaseUrl, SqlError, last_complete};
use crate::diff::Baseline;
use crate::exit_status::ExitStatus;
use crate::github::Client;
use crate::github::config::TransportMode;
use crate::github::endpoint::ApiEndpoint;
use crate::input::{Input, InputError, InputSource};
use crate::journal::{Checkpoint, Journal};
use crate::output::{OutputSpec, Sink, check_stdout};
use crate::partial::target_of;
use crate::progress::{Progress, ProgressMode, eprint_status, flush_lines};
use crate::render::{Format, GENERATOR, Meta};
use crate::report::{ApiKind, Identity};
use crate::stop::StopReason;
use crate::text::{error_chain, io_message, pluralize, redact_url};

/// Signals closer together than this count as one: a process and its group are often both signaled.
const SIGNAL_DEBOUNCE: Duration = Duration::from_millis(500);
/// Time between the second signal and the end of the process.
const ABORT_GRACE: Duration = Duration::from_millis(200);

/// Runs the program `ghrepos` with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    main_with(std::env::args_os(), &|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
}

/// Runs the program with other arguments, the name of the program first, and another environment.
#[doc(hidden)]
#[must_use]
pub fn main_with(
    arguments: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<String>,
) -> ExitCode {
    let exit = run_program(arguments, env);
    flush_lines();
    exit
}

fn run_program(
    arguments: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<String>,
) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    if arguments.len() < 2 && std::io::stdin().is_terminal() {
        let _ = std::io::stderr().write_all(usage().as_bytes());
        return ExitStatus::Usage.into();
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => match one_line_error(&error) {
            None => return printed(error.print()),
            Some(message) => {
                eprint_status(&message);
                return ExitStatus::Usage.into();
            }
        },
    };
    if let Some(target) = cli.generate {
        return printed(target.write(&mut std::io::stdout()));
    }
    match run_with(cli, &arguments, env) {
        Ok(status) => status.into(),
        Err(error) => {
            eprint_status(&error_chain(error.as_ref()));
            error.downcast_ref().map_or(ExitStatus::Usage, ConfigError::exit_status).into()
        }
    }
}

fn printed(result: std::io::Result<()>) -> ExitCode {
    match check_stdout(result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_status(&error_chain(&error));
            ExitStatus::Usage.into()
        }
    }
}

/// Runs on a runtime with one thread, which suffices for a hundred requests in flight.
fn run_with(
    cli: Cli,
    arguments: &[OsString],
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<ExitStatus> {
    let mut config = Config::new(cli, env)?;
    if config.stdin == StdinUse::Implied && std::io::stdin().is_terminal() {
        return Err(ConfigError::NoLogins.into());
    }
    config.command = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let progress = Progress::new(config.progress);
    log_to_stderr(config.verbose, &progress);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the run")?;
    let exit = runtime.block_on(run_until_signal(config, progress));
    // Threads that still read standard input or a pipe are not waited for.
    runtime.shutdown_background();
    exit
}

/// Logs the events of this crate to standard error, those of its dependencies never: they may contain a token.
fn log_to_stderr(verbose: u8, progress: &Progress) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let progress = progress.clone();
    let line = tracing_subscriber::fmt::layer().with_writer(move || progress.clone());
    let line = line.without_time().with_level(false).with_target(false).with_ansi(false);
    let ours = Targets::new().with_target("ghrepos", level);
    tracing_subscriber::registry().with(line).with(ours).init();
}

/// The first Ctrl-C stops the run, with the other rows skipped; the second one aborts it.
async fn run_until_signal(config: Config, progress: Progress) -> anyhow::Result<ExitStatus> {
    let started = Instant::now();
    if !config.from.is_empty() {
        return rerender(config).await;
    }
    let input = open_input(&config).await?;
    for note in std::mem::take(&mut input.report().lock().notes) {
        if !config.quiet {
            eprint_status(&note);
        }
    }
    let client = Client::new(config.client.clone())?;
    let exit = tokio::select! {
        exit = execute(&config, &client, input, &progress, started) => exit,
        exit = abort_on_second_signal(&client, &config) => {
            // The writers of files complete the line that they are at.
            tokio::time::sleep(ABORT_GRACE).await;
            Ok(exit)
        }
    };
    if let Some(notice) = client.version_notice() {
        print_version_notice(notice, &config);
    }
    exit
}

async fn abort_on_second_signal(client: &Client, config: &Config) -> ExitStatus {
    client.limiter().stop.request(next_signal().await);
    tokio::time::sleep(SIGNAL_DEBOUNCE).await;
    let exit = ExitStatus::from_stop(&next_signal().await);
    let partials: Vec<_> =
        partial_files(config).iter().map(|(_, partial)| partial.display().to_string()).collect();
    if partials.is_empty() {
        eprint_status("aborted; unfinished reports were not written");
    } else {
        eprint_status(&format!("aborted; the rows that were written are in {}", partials.join(", ")));
    }
    exit
}

async fn execute(
    config: &Config,
    client: &Client,
    input: Input,
    progress: &Progress,
    started: Instant,
) -> anyhow::Result<ExitStatus> {
    let stop = &client.limiter().stop;
    let baseline = tokio::select! {
        baseline = read_baseline(config) => baseline?,
        reason = stop.requested() => return Ok(print_stop(&reason, config, 0, true)),
    };
    let Some(members) = list_members(client, config).await? else {
        QuotaHint::new(config).print_if_ended(client.limiter());
        return Ok(print_stop(&stop.reason().unwrap_or(StopReason::Interrupted), config, 0, true));
    };
    let input = input.chain_records(members);
    if config.plan {
        return print_plan(input, client, config).await;
    }
    let manifest = ManifestRecorder::open(&config.client.transport);
    let mut meta = run_metadata(config, client).await;
    manifest.apply_to_meta(&mut meta);
    meta.site = profile_host(meta.api.as_deref());
    meta.baseline_at = baseline.as_ref().and_then(Baseline::latest);
    let (sinks, checkpoint) = open_sinks(config, &meta).await?;
    print_notes(config);
    let total = if config.progress == ProgressMode::Hidden { None } else { input.estimate() };
    let progress_guard = progress.start(client.clone(), total);
    let aggregator = RowAggregator::new(config, config.group_by.clone(), baseline, manifest);
    let mut outcome = run_pipeline(input, checkpoint, client, sinks, config, aggregator, progress).await;
    drop(progress_guard);
    let summary = &mut outcome.aggregator.summary;
    let milliseconds = (started.elapsed().as_secs_f64() * 1000.0).round();
    summary.totals.seconds = Some(milliseconds / 1000.0);
    if !matches!(outcome.stop, Some(StopReason::RecordingFailed(_)))
        && let Err(error) = std::mem::take(&mut outcome.aggregator.manifest).write(&meta, summary)
    {
        let reason = io_message(&error);
        outcome.sinks.errors.push(format!("cannot write the manifest of the recording: {reason}"));
    }
    let exit = finish(outcome, config, stop).await;
    print_waits(&client.limiter().time_waited(), config);
    Ok(exit)
}

async fn open_input(config: &Config) -> Result<Input, InputError> {
    let input = Input::open(&config.sources, &config.input_options)?;
    if let Some((url, query)) = config.input_query.clone() {
        return input.chain_query(url, query, &config.input_options).await;
    }
    Ok(input)
}

fn print_notes(config: &Config) {
    if config.quiet {
        return;
    }
    for note in &config.notes {
        eprint_status(note);
    }
    if let Some(note) = rest_cost_note(config) {
        eprint_status(&note);
    }
    if config.sources.contains(&InputSource::Stdin) && std::io::stdin().is_terminal() {
        eprint_status("reading logins from the keyboard, one per line; Ctrl-D ends the list");
    }
}

/// Returns a note about a count that takes more requests over REST than over GraphQL.
fn rest_cost_note(config: &Config) -> Option<String> {
    let client = &config.client;
    if client.api != ApiKind::Rest || client.is_replay() {
        return None;
    }
    let cost = if client.counts.breakdown {
        "--breakdown over REST sends a request per 100 repositories of each account"
    } else if client.counts.last_push {
        "--last-push over REST sends one more request per account with repositories"
    } else {
        return None;
    };
    let way_out = match client.credentials {
        Some(_) => "remove --api rest".to_owned(),
        None => config.tokens.way_out(),
    };
    Some(format!("{cost}; {way_out} to use GraphQL"))
}

async fn next_signal() -> StopReason {
    tokio::select! {
        () = ctrl_c() => StopReason::Interrupted,
        () = sigterm() => StopReason::Terminated,
    }
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn sigterm() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn sigterm() {
    std::future::pending().await
}

/// Returns the metadata of the reports. The identity costs a request, and is requested only if it is shown.
async fn run_metadata(config: &Config, client: &Client) -> Meta {
    let shows_identity = config.verbose > 0
        || config.reports.iter().any(|report| matches!(report.format, Format::Json | Format::Html));
    let identity = if shows_identity { client.identity().await } else { Identity::default() };
    if let Some(credentials) = &config.client.credentials {
        let Identity { viewer, app, .. } = &identity;
        tracing::info!(viewer, app, token_from = credentials.source(), "authenticated");
    } else if let Some(reason) = &config.tokens.withheld {
        tracing::info!(reason, "not authenticated");
    }
    let exchanges = match &config.client.transport {
        TransportMode::Network => None,
        TransportMode::Replay(folder) | TransportMode::Record(folder) => Some(folder.display().to_string()),
    };
    Meta {
        generator: GENERATOR.into(),
        api: Some(config.client.endpoint.to_string()),
        identity,
        exchanges,
        baseline: config.baseline_name(),
        top: config.layout.order.top,
        started: now(),
        command: report_command(config),
        ..Meta::default()
    }
}

/// Returns the host of the profile pages of an API. None for a gateway, whose host may have none.
fn profile_host(api: Option<&str>) -> Option<String> {
    let endpoint = ApiEndpoint::parse(api?).ok()?;
    let is_known = endpoint.is_github_cloud() || endpoint.is_enterprise();
    is_known.then(|| endpoint.web_host().to_owned())
}

fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

async fn read_baseline(config: &Config) -> anyhow::Result<Option<Baseline>> {
    if let Some(path) = &config.missing_baseline {
        eprint_status(&format!(
            "warning: baseline {} not found: nothing is compared, and rules about changes do not apply",
            path.display()
        ));
    }
    let Some(path) = config.baseline.clone() else { return Ok(None) };
    if let Some(url) = path.to_str().filter(|url| DatabaseUrl::looks_like_url(url)) {
        let baseline = read_last_run(url).await;
        return baseline
            .map(Some)
            .with_context(|| format!("cannot read the last run in {}", redact_url(url)));
    }
    if matches!(path.try_exists(), Ok(false)) {
        bail!(
            "baseline {} not found: check the name, or add --baseline-optional for a first run",
            path.display()
        );
    }
    if target_of(&path).is_some() && !config.quiet {
        let name = path.display();
        eprint_status(&format!("warning: {name} is not complete: logins that it lacks are reported as new"));
    }
    // Reading a pipe may block for ever.
    Ok(Some(tokio::task::spawn_blocking(move || Baseline::read(&path)).await??))
}

async fn read_last_run(url: &str) -> Result<Baseline, SqlError> {
    let url: DatabaseUrl = url.parse()?;
    Ok(Baseline::of(url.to_string(), last_complete(&url).await?))
}

/// Opens the outputs, and the rows of an earlier run with `--resume`.
async fn open_sinks(config: &Config, meta: &Meta) -> anyhow::Result<(Vec<Sink>, Option<Checkpoint>)> {
    let (mut sinks, mut checkpoint) = (Vec::new(), None);
    let mut opened = Ok(());
    for report in &config.reports {
        opened = open_sink(report, config, meta).map(|(sink, rows)| {
            sinks.push(sink);
            checkpoint = checkpoint.take().or(rows);
        });
        if opened.is_err() {
            break;
        }
    }
    if let (Ok(()), Some(target)) = (&opened, &config.save_to) {
        opened = Sink::database(target, &config.layout, meta)
            .await
            .map(|sink| sinks.push(sink))
            .map_err(Into::into);
    }
    let outdated = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.outdated);
    if outdated > 0 && opened.is_ok() && !config.quiet {
        let rows = pluralize(outdated, "row of the earlier run is", "rows of the earlier run are");
        eprint_status(&format!("{rows} looked up again: too old, or without a count that this run has"));
    }
    match opened {
        Ok(()) => Ok((sinks, checkpoint)),
        Err(error) => {
            for sink in sinks {
                sink.abandon().await;
            }
            Err(error)
        }
    }
}

fn open_sink(
    report: &OutputSpec,
    config: &Config,
    meta: &Meta,
) -> anyhow::Result<(Sink, Option<Checkpoint>)> {
    match report.journal().filter(|_| config.resume) {
        Some(path) => {
            let (journal, rows) = Journal::resume(path, &config.resume_filter(), &config.layout)?;
            Ok((Sink::journal(report, journal), Some(rows)))
        }
        None => Ok((Sink::open(report, &config.layout, meta)?, None)),
    }
}
