//! The end of a run: finishes the reports, prints the summary, and decides the exit status.

use super::messages::stop_message;
use super::pipeline::{Outcome, RowAggregator, Sinks};
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::progress::eprint_status;
use crate::stop::StopReason;
use crate::text::{error_chain, group_digits, pluralize};

pub(super) async fn finish(outcome: Outcome, config: &Config) -> ExitStatus {
    let Outcome { aggregator, sinks, stop, unverified, input_complete, notices } = outcome;
    let RowAggregator { mut summary, rules, .. } = aggregator;
    let Sinks { open: sinks, mut errors } = sinks;
    summary.complete = summary.skipped == 0 && stop.is_none() && errors.is_empty();

    // A table of failures would hide the one line with the reason, and a file would replace an earlier report that is worth more.
    let nothing_learnt = summary.ok + summary.not_found + summary.forbidden == 0;
    let drops_reports = nothing_learnt && (stop.is_some() || !errors.is_empty());
    let mut is_written = false;
    for sink in sinks {
        if drops_reports && sink.is_buffered {
            sink.abandon().await;
            continue;
        }
        match sink.finish(&summary, input_complete).await {
            Ok(()) => is_written = true,
            Err(error) if error.is_broken_pipe() => {}
            Err(error) => errors.push(error_chain(&error)),
        }
    }
    if stop == Some(StopReason::OutputClosed) && errors.is_empty() {
        return ExitStatus::Success;
    }

    let uncounted = summary.uncounted() + summary.mismatched;
    let mut exit = if uncounted > 0 { ExitStatus::SomeFailed } else { ExitStatus::Success };
    for error in &errors {
        eprint_status(error);
        exit = exit.max(ExitStatus::Usage);
    }
    if let Some(stop) = &stop {
        exit = ExitStatus::from_stop(stop).map_or(exit, |status| exit.max(status));
        if *stop != StopReason::OutputClosed && !(stop.is_signal() && config.quiet) {
            eprint_status(&stop_message(stop, config, summary.skipped, input_complete));
        }
    }
    if !config.quiet {
        for notice in &notices {
            eprint_status(notice);
        }
        if is_written && !drops_reports {
            if summary.asked == 0 {
                let list =
                    if config.input_options.shard.is_some() { "this part of the list" } else { "the list" };
                eprint_status(&format!("{list} held no logins: nothing to count"));
            } else {
                eprint_status(&summary.to_string());
            }
        }
        if unverified > 0 {
            let logins = pluralize(unverified, "login", "logins");
            eprint_status(&format!("warning: {logins} could not be counted a second time; -v tells why"));
        }
    }
    if summary.mismatched > 0 {
        let logins = pluralize(summary.mismatched, "login", "logins");
        eprint_status(&format!(
            "warning: the two APIs disagree on {logins} of {} counted twice; see `verified` in the report",
            group_digits(summary.verified)
        ));
    }
    // A run that is rendered or replayed has no other sign of it.
    if summary.skipped > 0 {
        exit = exit.max(ExitStatus::Incomplete);
    }
    for violation in rules.violations(&summary) {
        eprint_status(&violation);
        exit = exit.max(ExitStatus::RuleViolated);
    }
    exit
}
