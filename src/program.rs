//! The program: parses the flags, runs, and returns the exit status.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, one_line_error};
use crate::config::{Config, ConfigError};
use crate::exit_status::ExitStatus;
use crate::output::check_stdout;
use crate::progress::{Progress, eprint_status};
use crate::run;
use crate::text::error_chain;

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
    let arguments: Vec<_> = arguments.into_iter().collect();
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

fn run_with(
    cli: Cli,
    arguments: &[OsString],
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<ExitStatus> {
    let mut config = Config::new(cli, env)?;
    config.command = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let progress = Progress::new(config.progress);
    log_to_stderr(config.verbose, &progress);
    run::run_blocking(config, progress)
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
