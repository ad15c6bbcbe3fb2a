//! The plan of a run (`--plan`): what it would ask, cost and take, from the roster and what is left of the
//! budgets, without asking for anybody.

use std::io::Write;

use jiff::Timestamp;

use super::Failure;
use super::messages::explained;
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::github::Client;
use crate::github::transport::TransportMode;
use crate::input::Input;
use crate::journal::Checkpoint;
use crate::output::OutputError;
use crate::plan::Plan;
use crate::progress::eprint_status;
use crate::render::Format;
use crate::report::Summary;
use crate::stop::StopReason;

/// Tells what would be asked, and asks nothing but what is left.
pub(super) async fn plan(roster: Input, client: &Client, config: &Config) -> Result<ExitStatus, Failure> {
    let notes = roster.report();
    let kept = match config.journal().filter(|_| config.resume) {
        Some((_, path)) => Checkpoint::look(path, &config.resume_filter(), &config.layout.columns)?,
        None => None,
    };
    let told = |stop: &StopReason| {
        if !(stop.is_signal() && config.quiet) {
            eprint_status(&explained(stop, config, &Summary::default(), true));
        }
        Ok(ExitStatus::from_stop(stop).unwrap_or(ExitStatus::Incomplete))
    };
    let mut plan = tokio::select! {
        plan = Plan::of(roster, kept, client, config.options) => plan,
        // A list on standard input may have no end.
        stop = client.limiter().stop.requested() => return told(&stop),
    };
    if let Some(problem) = notes.failure() {
        eprint_status(problem);
        return Ok(ExitStatus::Usage);
    }
    if !matches!(config.settings.transport, TransportMode::Replay(_)) {
        match client.rate_limits().await {
            Ok(Some(limits)) => plan.limited(&limits, Timestamp::now()),
            Ok(None) => {}
            Err(error) => match client.limiter().stop.reason() {
                Some(stop) => return told(&stop),
                None => eprint_status(&format!("what is left of the budget is not known: {error}")),
            },
        }
    }
    let json = config.reports.iter().any(|report| report.path.is_none() && report.format == Format::Json);
    let mut text = Vec::new();
    let written = if json {
        serde_json::to_writer_pretty(&mut text, &plan)
            .map_err(Into::into)
            .and_then(|()| text.write_all(b"\n"))
    } else {
        plan.print(&mut text)
    };
    let written = written.and_then(|()| std::io::stdout().write_all(&text));
    match written.as_ref().map_err(OutputError::stdout) {
        Err(error) if !error.is_closed_pipe() => Err(error.into()),
        _ => Ok(ExitStatus::Success),
    }
}
