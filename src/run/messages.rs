//! What a person is told of a run that ended early: why, what that means, and how to go on.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::advice::{after_refusal, for_quota};
use crate::config::Config;
use crate::github::credentials::{APP_TOKEN_SOURCE, Credentials};
use crate::github::transport::TransportMode;
use crate::report::Summary;
use crate::stop::StopReason;
use crate::text::{duration, pluralize};

/// The longest command that is repeated to whoever typed it.
const MAX_COMMAND: usize = 400;

/// Why a run ended early, what that means, and the way out, in one line. `whole`: the list was read to
/// its end.
pub(super) fn explained(stop: &StopReason, config: &Config, summary: &Summary, whole: bool) -> String {
    let endpoint = &config.settings.endpoint;
    let chosen_by = config.server_chosen_by.map(|name| format!(" (from {name})")).unwrap_or_default();
    let rest = if summary.skipped == 0 {
        String::new()
    } else {
        format!("; {} not asked", pluralize(summary.skipped, "login was", "logins were"))
    };
    let unread = match (whole, config.has_input_query()) {
        (true, _) => "",
        (false, true) => "; the rest of the query's rows was not read",
        (false, false) => "; the rest of standard input was not read",
    };
    let rest = rest + unread;
    if let TransportMode::Replay(_) = config.settings.transport {
        return format!("{stop}{rest}");
    }
    let on = match advice(config) {
        Some(command) if summary.skipped > 0 || !whole => format!(". Go on with: {command}"),
        _ => String::new(),
    };
    match stop {
        StopReason::TokenRefused(message) => {
            match config.settings.credentials.as_ref().map(Credentials::source) {
                Some(APP_TOKEN_SOURCE) => {
                    format!("GitHub refused the app: {message}. Check its id, key and installation{rest}")
                }
                from => {
                    let from = from.unwrap_or_else(|| config.tokens.variable());
                    let way_out = after_refusal(config);
                    format!("GitHub refused the token from {from}: {message}. {way_out}{rest}")
                }
            }
        }
        StopReason::AmbiguousInstallation(reason) => format!("{reason}{rest}"),
        StopReason::AuthenticationRequired(message) => {
            format!("{endpoint} requires a token: {message}; {}{rest}", config.tokens.way_out())
        }
        StopReason::OutOfReach(reason) => {
            format!("cannot reach {endpoint}{chosen_by}{}: {reason}{rest}{on}", via(config))
        }
        StopReason::NotConnected { error, way_out, is_proxy } => {
            let via = if *is_proxy { String::new() } else { via(config) };
            let way_out = way_out.as_ref().map(|way_out| format!("; {way_out}")).unwrap_or_default();
            format!("cannot reach {endpoint}{chosen_by}{via}: {error}{way_out}{rest}{on}")
        }
        StopReason::RateLimitTooLong { until, reason } => {
            // Without -q it was said before.
            let more =
                if config.settings.credentials.is_some() || !endpoint.is_github_cloud() || !config.quiet {
                    String::new()
                } else {
                    format!(". Without a token the limit is 60 requests an hour; {}", for_quota(config))
                };
            let (until, wait) = (time_of_day(*until), from_now(*until));
            let most = duration(config.settings.max_wait);
            let then = on.replacen("Go on with", "Go on then with", 1);
            format!("{reason} until {until}, {wait} from now, and --max-wait is {most}{rest}{more}{then}")
        }
        StopReason::Deadline { given, until: Some((until, reason)) } => {
            let until = time_of_day(*until);
            let then = on.replacen("Go on with", "Go on then with", 1);
            format!("{reason} until {until}, beyond the deadline of {}{rest}{then}", duration(*given))
        }
        StopReason::Interrupted
        | StopReason::Terminated
        | StopReason::Deadline { until: None, .. }
        | StopReason::StillRateLimited(_)
        | StopReason::RecordingFailed(_) => format!("{stop}{rest}{on}"),
        StopReason::PointBudgetExhausted(points) => format!("--max-points {points} is spent{rest}{on}"),
        StopReason::OutputClosed => String::new(),
    }
}

/// The proxy between this machine and the API, for failures that are not its own.
fn via(config: &Config) -> String {
    config.settings.proxy.proxy().map(|proxy| format!(" via {}", proxy.name)).unwrap_or_default()
}

/// The command that goes on with this run, where it keeps a journal.
fn advice(config: &Config) -> Option<String> {
    config.journal()?;
    let mut words = typed(config);
    if !config.resume {
        // Behind a `--` it would be a login.
        words.insert(1.min(words.len()), "--resume".into());
    }
    let mut command = words.join(" ");
    if command.len() > MAX_COMMAND {
        command = "the same command and --resume".into();
    }
    if config.sources.contains(&crate::input::InputSource::Stdin) {
        command += " (and the same list on standard input)";
    }
    Some(command)
}

/// The command that was typed, for whoever reads the report.
pub(super) fn command(config: &Config) -> Option<String> {
    let mut words = told(&config.command);
    // Where the program was installed is nobody's business.
    if let Some(program) = words.first_mut() {
        *program = env!("CARGO_PKG_NAME").into();
    }
    let command = words.join(" ");
    let short = command.char_indices().nth(MAX_COMMAND).and_then(|(at, _)| command.get(..at));
    Some(short.map(|short| format!("{short}…")).unwrap_or(command)).filter(|command| !command.is_empty())
}

/// The words of the command that was typed, without passwords.
fn typed(config: &Config) -> Vec<String> {
    let words = config.command.iter().map(|word| crate::text::redact_url(word));
    words.map(|word| quoted(&word)).collect()
}

/// The same without the text of a query, which may hold what nobody else is to read.
fn told(words: &[String]) -> Vec<String> {
    let mut after = false;
    let hidden = words.iter().map(|word| {
        let hides = std::mem::replace(&mut after, word == "--query");
        if hides {
            "…".into()
        } else if word.starts_with("--query=") {
            "--query=…".into()
        } else {
            quoted(&crate::text::redact_url(word))
        }
    });
    hidden.collect()
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", crate::text::sanitize_line(word).replace('\'', r"'\''"))
}

/// By the clock on the wall, with the date where it is not today.
fn time_of_day(at: Timestamp) -> String {
    let zone = TimeZone::system();
    let (at, now) = (at.to_zoned(zone.clone()), Timestamp::now().to_zoned(zone));
    let format = if at.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    at.strftime(format).to_string()
}

fn from_now(at: Timestamp) -> String {
    duration(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_does_not_tell_passwords_or_queries() {
        let words = "ghrepos --query x=1 --query=secret --save postgres://me:secret@db/x?password=secret \
                     --save=postgres://me:secret@db/x https://me:sec/ret@host/a a@b";
        let words: Vec<_> = words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        assert_eq!(
            told(&words).join(" "),
            "ghrepos --query … --query=… --save postgres://db/x --save=postgres://db/x https://host/a a@b"
        );
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("-o"), "-o");
        assert_eq!(quoted("reports/today.ndjson"), "reports/today.ndjson");
        assert_eq!(quoted("my team.txt"), "'my team.txt'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("dependabot[bot]"), "'dependabot[bot]'");
        assert_eq!(quoted(""), "''");
    }
}
