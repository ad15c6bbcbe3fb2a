//! The end of a run: reports get their names, a person is told what there is to tell.

use super::messages::explained;
use super::pipeline::Outcome;
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::progress::eprint_status;
use crate::stop::StopReason;
use crate::text::{group_digits, pluralize};

/// Ends the reports, tells what there is to tell, and decides the exit status.
pub(super) async fn conclude(outcome: Outcome, config: &Config) -> ExitStatus {
    let Outcome { mut summary, rules, stop, unverified, sinks, whole, mut problems, remarks } = outcome;
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

    let wrong = summary.uncounted() + summary.mismatched;
    let mut exit = if wrong > 0 { ExitStatus::Uncounted } else { ExitStatus::Counted };
    if stop == Some(StopReason::OutputClosed) && problems.is_empty() {
        return ExitStatus::Counted;
    }
    for problem in &problems {
        eprint_status(problem);
        exit = exit.or(ExitStatus::Usage);
    }
    if let Some(stop) = &stop {
        exit = ExitStatus::of(stop).map_or(exit, |status| exit.or(status));
        if *stop != StopReason::OutputClosed && !(stop.is_signal() && config.quiet) {
            eprint_status(&explained(stop, config, &summary, whole));
        }
    }
    for remark in remarks.iter().filter(|_| !config.quiet) {
        eprint_status(remark);
    }
    if written && !in_vain && !config.quiet {
        if summary.asked == 0 {
            let list = if config.reading.shard.is_some() { "this part of the list" } else { "the list" };
            eprint_status(&format!("{list} held no logins: nothing to count"));
        } else {
            eprint_status(&summary.to_string());
        }
    }
    if unverified > 0 && !config.quiet {
        let rows = pluralize(unverified, "login", "logins");
        eprint_status(&format!("warning: {rows} could not be counted a second time; -v tells why"));
    }
    if summary.mismatched > 0 {
        let rows = pluralize(summary.mismatched, "login", "logins");
        eprint_status(&format!(
            "warning: the two APIs disagree on {rows} of {} counted twice; see `verified` in the report",
            group_digits(summary.verified)
        ));
    }
    // Of a report that is rendered again, or a run that is played back, nobody else says so.
    if summary.skipped > 0 {
        exit = exit.or(ExitStatus::Incomplete);
    }
    for rule in rules.that_hold(&summary) {
        eprint_status(&rule);
        exit = exit.or(ExitStatus::Ruled);
    }
    exit
}
