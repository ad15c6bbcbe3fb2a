//! The program `ghrepos`: parse, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use ghrepos::cli::{Cli, complaint};
use ghrepos::config::{Config, ConfigError};
use ghrepos::exit::Exit;
use ghrepos::output::Unwritable;
use ghrepos::progress::{Progress, say};
use ghrepos::run;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => match complaint(&error) {
            None => return printed(error.print()),
            Some(complaint) => {
                say(&complaint);
                return Exit::Usage.into();
            }
        },
    };
    if let Some(generated) = cli.generate {
        return printed(generated.write(&mut std::io::stdout()));
    }
    match start(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            say(&format!("{error:#}"));
            error.downcast_ref().map_or(Exit::Usage, ConfigError::exit).into()
        }
    }
}

/// The status of what was only printed. A reader that closes the pipe early is no error.
fn printed(result: std::io::Result<()>) -> ExitCode {
    match result.map_err(|error| Unwritable::stdout(&error)) {
        Err(error) if !error.is_closed_pipe() => {
            say(&error.to_string());
            Exit::Usage.into()
        }
        _ => ExitCode::SUCCESS,
    }
}

fn start(cli: Cli) -> anyhow::Result<Exit> {
    let config =
        Config::new(cli, &|variable| Some(std::env::var_os(variable)?.to_string_lossy().into_owned()))?;
    let progress = Progress::new(config.progress);
    log(config.verbose, &progress);
    Ok(run::start(config, progress)?)
}

/// Tells on standard error what happens, as much as was asked for, and never what a library says.
fn log(verbose: u8, progress: &Progress) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let line = tracing_subscriber::fmt::layer().with_writer(progress.clone());
    let line = line.without_time().with_level(false).with_target(false).with_ansi(false);
    let ours = Targets::new().with_target("ghrepos", level);
    tracing_subscriber::registry().with(line).with(ours).init();
}
