//! Messages about a run that ended early: the reason, and how to continue. They fit the server and the kind of token.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::{Config, ConfigError, StdinUse};
use crate::exit_status::ExitStatus;
use crate::github::api_version::{API_VERSION, NoticeDate, VersionNotice};
use crate::github::credentials::{
    APP_TOKEN_SOURCE, Credentials, GH_CLI_SOURCE, JOB_TOKEN_ENV_VAR, Token, TokenKind,
};
use crate::input::InputSource;
use crate::output::OutputSpec;
use crate::partial::partial_path;
use crate::program_name::{called_name, is_extension};
use crate::progress::eprint_status;
use crate::rate_limit::RateLimiter;
use crate::stop::StopReason;
use crate::text::{format_duration, group_digits, pluralize, redact_url, sanitize_line};

/// Returns the message about an input without logins.
pub(super) fn no_logins(config: &Config) -> String {
    if config.stdin == StdinUse::Implied {
        return ConfigError::NoLogins.to_string();
    }
    "the input has no logins; use --allow-empty if that is right".to_owned()
}

/// Maximum length of a command that is printed, in characters.
const MAX_COMMAND: usize = 400;

/// Prints the reason for which a run ended early, and returns the exit status.
pub(super) fn print_stop(
    stop: &StopReason,
    config: &Config,
    skipped: u64,
    input_complete: bool,
) -> ExitStatus {
    if *stop != StopReason::OutputClosed && !(stop.is_signal() && config.quiet) {
        eprint_status(&stop_message(stop, config, skipped, input_complete));
    }
    ExitStatus::from_stop(stop)
}

/// Returns the reports that are not complete, each with its `.partial`.
pub(super) fn partial_files(config: &Config) -> Vec<(&Path, PathBuf)> {
    let files = config.reports.iter().filter_map(OutputSpec::file);
    files.map(|file| (file, partial_path(file))).filter(|(_, partial)| partial.exists()).collect()
}

/// Returns one line: the reason of an early end, its consequences, and the way out.
fn stop_message(stop: &StopReason, config: &Config, skipped: u64, input_complete: bool) -> String {
    let endpoint = &config.client.endpoint;
    let chosen_by = config.server_chosen_by.map(|name| format!(" (from {name})")).unwrap_or_default();
    let mut rest = String::new();
    if skipped > 0 {
        rest = format!("; {} not looked up", pluralize(skipped, "login was", "logins were"));
    }
    rest += match (input_complete, config.input_query.is_some()) {
        (true, _) => "",
        (false, true) => "; the rest of the query's rows was not read",
        (false, false) => "; the rest of standard input was not read",
    };
    if config.client.is_replay() {
        return format!("{stop}{rest}");
    }
    let command = resume_command(config).filter(|_| skipped > 0 || !input_complete);
    let now = command.as_ref().map(|command| format!(". Continue with: {command}")).unwrap_or_default();
    let later = command.map(|command| format!(". Continue then with: {command}")).unwrap_or_default();
    match stop {
        StopReason::TokenRefused(message) => {
            match config.client.credentials.as_ref().map(Credentials::source) {
                Some(APP_TOKEN_SOURCE) => {
                    let message = without_period(message);
                    format!("GitHub refused the app: {message}. Check its id, key and installation{rest}")
                }
                source => {
                    let source = source.unwrap_or_else(|| config.tokens.variable());
                    let (message, hint) = (without_period(message), refused_token_hint(config));
                    format!("GitHub refused the token from {source}: {message}. {hint}{rest}")
                }
            }
        }
        StopReason::AmbiguousInstallation(reason) => format!("{reason}{rest}"),
        StopReason::Suspended(message) => {
            let whose = match config.client.credentials.as_ref().map(Credentials::source) {
                Some(APP_TOKEN_SOURCE) => "the app or its installation".to_owned(),
                Some(source) => format!("the account of the token from {source}"),
                None => "these requests".to_owned(),
            };
            let way_out = if message.contains("email address") {
                "verify the email address in the account's settings"
            } else {
                "only GitHub Support or an owner can change that"
            };
            format!("GitHub refuses {whose}: {}; {way_out}{rest}", without_period(message))
        }
        StopReason::ApiVersionRetired { version, message } => {
            let reason = if message.is_empty() { "" } else { ": " };
            format!(
                "{endpoint} has retired version {version} of its API{reason}{}; install a newer ghrepos{rest}",
                without_period(message)
            )
        }
        StopReason::QueryUnsupported(message) => {
            let hint = if config.client.counts.private {
                "without --private it can be asked with --api rest"
            } else {
                "use --api rest"
            };
            format!("the GraphQL API of {endpoint} is too old: {message}; {hint}{rest}")
        }
        StopReason::NoGraphqlApi => format!("{endpoint}{chosen_by}: {stop}{rest}{now}"),
        StopReason::NotGithub(response) => format!(
            "{endpoint}{chosen_by} did not answer as GitHub{}: {response}; check the address, or sign in to the network{rest}{now}",
            via_proxy(config)
        ),
        StopReason::AuthenticationRequired(message) => {
            let message = without_period(message);
            format!("{endpoint} requires a token: {message}; {}{rest}", config.tokens.way_out())
        }
        StopReason::OutOfReach(reason) => {
            format!("cannot reach {endpoint}{chosen_by}{}: {reason}{rest}{now}", via_proxy(config))
        }
        StopReason::NotConnected { error, way_out, is_proxy } => {
            let via = if *is_proxy { String::new() } else { via_proxy(config) };
            let hint = way_out.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("cannot reach {endpoint}{chosen_by}{via}: {error}{hint}{rest}{now}")
        }
        StopReason::RateLimitTooLong { until, reason } => {
            let (time, wait) = (time_of_day(*until), time_until(*until));
            let max_wait = format_duration(config.client.max_wait);
            let hint = quota_hint_if_quiet(stop, config);
            format!("{reason} until {time} (in {wait}), longer than --max-wait {max_wait}{rest}{hint}{later}")
        }
        StopReason::Deadline { given, until: Some((until, reason)) } => {
            let (time, deadline) = (time_of_day(*until), format_duration(*given));
            let hint = quota_hint_if_quiet(stop, config);
            format!("{reason} until {time}, beyond the deadline of {deadline}{rest}{hint}{later}")
        }
        StopReason::Interrupted
        | StopReason::Terminated
        | StopReason::Deadline { until: None, .. }
        | StopReason::StillRateLimited(_)
        | StopReason::RecordingFailed(_) => format!("{stop}{rest}{now}"),
        StopReason::PointBudgetExhausted(points) => format!("--max-points {points} reached{rest}{now}"),
        StopReason::OutputClosed => String::new(),
    }
}

/// Returns a message of GitHub's, to be continued.
fn without_period(message: &str) -> &str {
    message.trim_end_matches('.')
}

/// Names the proxy, for failures that are not its own.
fn via_proxy(config: &Config) -> String {
    config.client.proxy.proxy().map(|proxy| format!(" via {proxy}")).unwrap_or_default()
}

/// Returns the command that resumes this run, if it writes a journal.
fn resume_command(config: &Config) -> Option<String> {
    config.journal()?;
    let mut words: Vec<_> = config.command.iter().map(|word| shell_quote(&redact_url(word))).collect();
    if is_extension() {
        *words.first_mut()? = called_name().into();
    }
    if !config.resume {
        // After a `--` it would be a login.
        words.insert(1.min(words.len()), "--resume".into());
    }
    let mut command = words.join(" ");
    if command.len() > MAX_COMMAND {
        command = "the same command and --resume".into();
    }
    if config.sources.contains(&InputSource::Stdin) {
        command += " (and the same list on standard input)";
    }
    Some(command)
}

/// Returns the command for the metadata of a report, without the path of the program.
pub(super) fn report_command(config: &Config) -> Option<String> {
    let mut words = redacted_words(&config.command);
    *words.first_mut()? = called_name().into();
    let mut command = words.join(" ");
    if let Some((end, _)) = command.char_indices().nth(MAX_COMMAND) {
        command.truncate(end);
        command.push('…');
    }
    Some(command)
}

/// Quotes the words of a command, without passwords and without the text of a query, which may be confidential.
fn redacted_words(words: &[String]) -> Vec<String> {
    let previous = std::iter::once("").chain(words.iter().map(String::as_str));
    let words = words.iter().zip(previous).map(|(word, previous)| match word {
        _ if previous == "--query" => "…".into(),
        word if word.starts_with("--query=") => "--query=…".into(),
        word => shell_quote(&redact_url(word)),
    });
    words.collect()
}

/// Quotes a word for a POSIX shell. Unlike the crate `shlex`, it never fails: control characters are escaped.
fn shell_quote(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c));
    if is_plain && !word.is_empty() {
        return word.to_owned();
    }
    format!("'{}'", sanitize_line(word).replace('\'', r"'\''"))
}

/// Formats a local time, with its date if that is not today.
fn time_of_day(time: Timestamp) -> String {
    let zone = TimeZone::system();
    let (time, now) = (time.to_zoned(zone.clone()), Timestamp::now().to_zoned(zone));
    let format = if time.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    time.strftime(format).to_string()
}

fn time_until(time: Timestamp) -> String {
    format_duration(Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default())
}

fn refused_token_hint(config: &Config) -> String {
    let Some(Credentials::Token(token)) = &config.client.credentials else {
        return config.tokens.way_out();
    };
    let source = token.source();
    if is_of_job(token, config) {
        // A new token is issued for each job and cannot be created by hand.
        return format!(
            "Check that {source} is ${{{{ github.token }}}} of this job and that the job is still running"
        );
    }
    match config.tokens.gh_command("login") {
        Some(login) if source == GH_CLI_SOURCE => format!("Run {login} again"),
        _ => format!("Create a new token, or unset {source} to run without one"),
    }
}

/// Hint about the hourly limit without a token. It is printed once.
pub(super) struct QuotaHint {
    /// The way to a higher limit. None if there is nothing left to print.
    way_out: Option<String>,
}

impl QuotaHint {
    /// With `--quiet` the line about the end of the run has the hint: [`quota_hint_if_quiet`].
    pub(super) fn new(config: &Config) -> Self {
        Self { way_out: (is_anonymous(config) && !config.quiet).then(|| quota_hint(config)) }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.way_out.is_some()
    }

    /// Prints the hint if the limit has ended the run.
    pub(super) fn print_if_ended(&mut self, limiter: &RateLimiter) {
        let is_spent = limiter.remaining_requests().is_some_and(|(_, left)| left == 0);
        if is_spent && limiter.stop.reason().is_some_and(|stop| stop.is_rate_limit()) {
            self.print(limiter);
        }
    }

    /// Prints the hint if fewer requests are left than logins wait.
    pub(super) fn print_if_short(&mut self, limiter: &RateLimiter, waiting: u64) {
        if limiter.remaining_requests().is_some_and(|(_, left)| waiting > left) {
            self.print(limiter);
        }
    }

    fn print(&mut self, limiter: &RateLimiter) {
        let Some((limit, left)) = limiter.remaining_requests() else { return };
        if let Some(way_out) = self.way_out.take() {
            let (limit, left) = (pluralize(limit, "request", "requests"), group_digits(left));
            eprint_status(&format!(
                "unauthenticated limit: {left} of {limit} left this hour, not enough for this list; {way_out}"
            ));
        }
    }
}

fn quota_hint_if_quiet(stop: &StopReason, config: &Config) -> String {
    if config.quiet && is_anonymous(config) && stop.is_rate_limit() {
        format!(". The limit is lower without a token; {}", quota_hint(config))
    } else {
        String::new()
    }
}

fn is_anonymous(config: &Config) -> bool {
    config.client.credentials.is_none() && !config.client.is_replay()
}

/// Prints the notice of a server that announces the end of the API version. `--quiet` does not hide it: runs without a person
/// who watches them need it most.
pub(super) fn print_version_notice(notice: VersionNotice, config: &Config) {
    let (announcement, preposition, date) = match notice {
        VersionNotice::Sunset(date) => ("announces the end of", "on", date),
        VersionNotice::Deprecated(date) => ("has deprecated", "as of", date),
    };
    let date = match date {
        NoticeDate::On(date) => format!(", {preposition} {date}"),
        NoticeDate::Unknown => String::new(),
    };
    let endpoint = &config.client.endpoint;
    eprint_status(&format!(
        "warning: {endpoint} {announcement} version {API_VERSION} of its API{date}; install a newer ghrepos"
    ));
}

/// Returns the way to a higher limit than that without a token.
fn quota_hint(config: &Config) -> String {
    let tokens = &config.tokens;
    if tokens.can_use_job_token() || tokens.withheld.is_some() {
        format!("{} for more", tokens.way_out())
    } else if config.client.endpoint.is_enterprise() {
        format!("set {} for more", tokens.variable())
    } else {
        format!("set {} for 5,000 points an hour (100 logins each)", tokens.variable())
    }
}

/// Returns the way to the access that lists of members need, in terms of the kind of token.
pub(super) fn members_hint(config: &Config) -> String {
    const APP_PERMISSION: &str = "the app needs the organization permission Members: read";
    let variable = config.tokens.variable();
    let token = match &config.client.credentials {
        None => return format!("set {variable} to a token with the scope read:org"),
        Some(Credentials::App(_)) => return APP_PERMISSION.into(),
        Some(Credentials::Token(token)) => token,
    };
    let refresh = config.tokens.gh_command("refresh --scopes read:org");
    match token.kind() {
        TokenKind::Classic => "the token needs the scope read:org".into(),
        TokenKind::FineGrained => "the token needs the organization permission Members: read".into(),
        TokenKind::AppUser => APP_PERMISSION.into(),
        TokenKind::Installation | TokenKind::Unknown if is_of_job(token, config) => format!(
            "an Actions token cannot read organization members: set {variable} to a personal access token, or use --app-id"
        ),
        TokenKind::Installation => {
            format!("{APP_PERMISSION}, which an Actions token cannot have")
        }
        TokenKind::OAuthApp => {
            format!("run {}", refresh.unwrap_or_else(|| "gh auth refresh --scopes read:org".into()))
        }
        TokenKind::Unknown => match refresh {
            Some(refresh) if token.source() == GH_CLI_SOURCE => format!("run {refresh}"),
            _ => "the token needs read:org (classic) or Members: read (fine-grained)".into(),
        },
    }
}

/// Returns the way to the access that the members of an enterprise need. A scope is named only if this kind of token can have it.
pub(super) fn enterprise_hint(config: &Config) -> String {
    let variable = config.tokens.variable();
    let classic = |subject: &str| {
        format!(
            "{subject} cannot list the members of an enterprise: set {variable} to a classic personal access token"
        )
    };
    let token = match &config.client.credentials {
        Some(Credentials::Token(token)) => token,
        Some(Credentials::App(_)) | None => return classic("an app"),
    };
    let refresh = config.tokens.gh_command("refresh --scopes read:enterprise");
    match token.kind() {
        TokenKind::Classic => "the token needs the scope read:enterprise".into(),
        TokenKind::FineGrained => classic("a fine-grained token"),
        TokenKind::Installation | TokenKind::Unknown if is_of_job(token, config) => {
            classic("an Actions token")
        }
        TokenKind::AppUser | TokenKind::Installation => classic("the token of an app"),
        TokenKind::OAuthApp => {
            format!("run {}", refresh.unwrap_or_else(|| "gh auth refresh --scopes read:enterprise".into()))
        }
        TokenKind::Unknown => match refresh {
            Some(refresh) if token.source() == GH_CLI_SOURCE => format!("run {refresh}"),
            _ => "the token needs the scope read:enterprise (classic)".into(),
        },
    }
}

/// Returns true for the token of an Actions job, whose scopes a person cannot change.
pub(super) fn uses_job_token(config: &Config) -> bool {
    match &config.client.credentials {
        Some(Credentials::Token(token)) => is_of_job(token, config),
        Some(Credentials::App(_)) | None => false,
    }
}

fn is_of_job(token: &Token, config: &Config) -> bool {
    // A workflow may set the variable to a person's token, which has a prefix of its own.
    config.tokens.can_use_job_token()
        && token.source() == JOB_TOKEN_ENV_VAR
        && matches!(token.kind(), TokenKind::Installation | TokenKind::Unknown)
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
            redacted_words(&words).join(" "),
            "ghrepos --query … --query=… --save postgres://db/x --save=postgres://db/x https://host/a a@b"
        );
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(shell_quote("-o"), "-o");
        assert_eq!(shell_quote("reports/today.ndjson"), "reports/today.ndjson");
        assert_eq!(shell_quote("my team.txt"), "'my team.txt'");
        assert_eq!(shell_quote("it's"), r"'it'\''s'");
        assert_eq!(shell_quote("dependabot[bot]"), "'dependabot[bot]'");
        assert_eq!(shell_quote(""), "''");
    }
}
