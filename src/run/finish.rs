//! The end of a run: finishes the reports, prints the summary, and decides the exit status.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::messages::{no_logins, partial_files, print_stop};
use super::pipeline::{Outcome, RowAggregator, Sinks};
use crate::config::Config;
use crate::exit_status::ExitStatus;
use crate::journal::RunEnd;
use crate::partial::{rows_are_in, target_of};
use crate::progress::eprint_status;
use crate::report::Summary;
use crate::stop::{StopReason, StopSignal, WaitReason};
use crate::text::{error_chain, format_duration, group_digits, pluralize};

/// Waits that are shorter in total are not reported.
const REPORTED_WAIT: Duration = Duration::from_secs(1);

pub(super) async fn finish(outcome: Outcome, config: &Config, signal: &StopSignal) -> ExitStatus {
    let Outcome { aggregator, sinks, stop, unverified, input } = outcome;
    let RowAggregator { mut summary, rules, .. } = aggregator;
    let Sinks { open: sinks, mut errors } = sinks;
    // What is not a list has no report either.
    let is_unreadable = input.failure.is_some() && !input.has_logins;
    errors.extend(input.failure);
    let is_empty = input.is_complete && !input.has_logins && !config.input_options.allow_empty;
    if is_empty && errors.is_empty() {
        errors.push(no_logins(config));
    }
    // Without an answer, a row may have failed for the reason that ended the run.
    let is_cut_short = stop.is_some() && summary.failed > 0;
    summary.complete = input.is_complete && !is_empty && summary.skipped == 0 && !is_cut_short;
    // Saved reports stay where they are, so a report that is made of them may replace another one.
    let is_rendered = !config.from.is_empty();
    summary.complete &= !config.from.iter().any(|path| target_of(path).is_some());
    summary.violations = rules.violations(&summary);
    let end = match (summary.complete || is_rendered, input.is_complete) {
        (true, _) => RunEnd::Complete,
        (false, true) => RunEnd::Incomplete,
        (false, false) => RunEnd::InputNotRead,
    };

    // A table of failures would hide the one line with the reason.
    let nothing_learnt = end != RunEnd::Complete && summary.ok + summary.not_found + summary.forbidden == 0;
    let (mut is_written, mut replaced) = (false, Vec::new());
    for sink in sinks {
        let name = sink.file_or_database().map(str::to_owned);
        if is_empty || is_unreadable || nothing_learnt && sink.is_buffered {
            sink.abandon().await;
            continue;
        }
        match sink.finish(&summary, end, signal).await {
            Ok(()) => {
                is_written = true;
                replaced.extend(name.filter(|_| end == RunEnd::Complete));
            }
            Err(error) if error.is_broken_pipe() => {}
            Err(error) => errors.push(error_chain(&error)),
        }
    }
    if stop == Some(StopReason::OutputClosed) && errors.is_empty() {
        if config.rules.is_empty() {
            return ExitStatus::Success;
        }
        eprint_status("output closed before the run was complete: --fail-on applies to a part of the logins");
    }

    for error in &errors {
        eprint_status(error);
    }
    let mut exit = if errors.is_empty() { ExitStatus::Success } else { ExitStatus::Usage };
    match &stop {
        // A deadline or a limit that came after the last answer changed nothing.
        Some(stop) if ExitStatus::from_stop(stop) == ExitStatus::Incomplete && summary.complete => {}
        Some(stop) => exit = exit.max(print_stop(stop, config, summary.skipped, input.is_complete)),
        None => {}
    }
    if !summary.complete {
        exit = exit.max(ExitStatus::Incomplete);
        print_partial_files(config, &errors);
        if let Some(target) = config.save_to.as_ref().filter(|_| is_written) {
            eprint_status(&format!("not complete: the run in {} is not marked complete", target.address));
        }
    }
    if summary.uncounted() + summary.mismatched > 0 && config.rules.is_empty() {
        exit = exit.max(ExitStatus::SomeFailed);
    }
    if !config.quiet {
        for notice in &input.notices {
            eprint_status(notice);
        }
        if is_written && !nothing_learnt {
            print_summary(&summary, config);
        }
        if !replaced.is_empty() {
            eprint_status(&format!("wrote {}", replaced.join(", ")));
        }
        if unverified > 0 {
            let logins = pluralize(unverified, "login", "logins");
            eprint_status(&format!("warning: {logins} could not be verified; see -v for the reasons"));
        }
    }
    if summary.mismatched > 0 {
        let logins = pluralize(summary.mismatched, "login", "logins");
        eprint_status(&format!(
            "warning: the two APIs disagree on {logins} of {} counted twice; see `verified` in the report",
            group_digits(summary.verified)
        ));
    }
    for violation in &summary.violations {
        eprint_status(violation);
        exit = exit.max(ExitStatus::RuleViolated);
    }
    exit
}

/// Names the limits that the run has waited for, the longest wait first.
pub(super) fn print_waits(waited: &BTreeMap<WaitReason, Duration>, config: &Config) {
    let limits = waited.iter().filter(|(reason, _)| reason.is_limit());
    let mut waits: Vec<_> = limits.filter(|(_, time)| **time >= REPORTED_WAIT).collect();
    if config.quiet || waits.is_empty() {
        return;
    }
    waits.sort_by_key(|(_, time)| Reverse(**time));
    let waits: Vec<_> = waits
        .into_iter()
        .map(|(reason, time)| format!("{} for {}", format_duration(*time), reason.as_noun()))
        .collect();
    eprint_status(&format!("waited {}", waits.join(", ")));
}

/// Prints the summary. On a terminal, a table has the totals already.
fn print_summary(summary: &Summary, config: &Config) {
    if summary.asked > 0 {
        let text = if config.has_table_on_terminal() {
            summary.beside_totals().join("; ")
        } else {
            summary.to_string()
        };
        if !text.is_empty() {
            eprint_status(&text);
        }
    } else if config.input_options.shard.is_some() {
        eprint_status("this part of the input has no logins");
    } else {
        eprint_status("the input has no logins");
    }
}

/// Names the files with the rows of an incomplete run that no error names, and the reports that it did not replace.
fn print_partial_files(config: &Config, errors: &[String]) {
    let files = partial_files(config);
    let partials: Vec<_> = files
        .iter()
        .map(|(_, partial)| partial.display().to_string())
        .filter(|partial| !errors.iter().any(|error| error.ends_with(&rows_are_in(partial))))
        .collect();
    let kept: Vec<_> = files
        .iter()
        .filter(|(report, _)| report.exists())
        .map(|(report, _)| report.display().to_string())
        .collect();
    let mut parts = Vec::new();
    if !partials.is_empty() {
        parts.push(rows_are_in(&partials.join(", ")));
    }
    match kept.as_slice() {
        [] => {}
        [only] => parts.push(format!("{only} is unchanged")),
        several => parts.push(format!("{} are unchanged", several.join(", "))),
    }
    if !parts.is_empty() {
        eprint_status(&format!("not complete: {}", parts.join("; ")));
    }
}
