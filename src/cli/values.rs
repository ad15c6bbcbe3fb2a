//! The values of flags, as people write them.

use std::time::Duration;

use clap::ValueEnum;

use crate::github::members::MemberSource;
use crate::login::Login;

pub(super) fn organization(text: &str) -> Result<MemberSource, String> {
    Login::parse(text).map(MemberSource::Organization).map_err(|error| error.to_string())
}

pub(super) fn team(text: &str) -> Result<MemberSource, String> {
    MemberSource::parse_team(text)
        .ok_or_else(|| "it has to look like ORG/TEAM, as in the team's address".into())
}

/// A whole number from `least` to `most`.
pub(super) fn within<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Clone + Send + Sync,
{
    move |text| match text.parse() {
        Ok(number) if (&least..=&most).contains(&&number) => Ok(number),
        _ => Err(format!("it has to be a whole number from {least} to {most}")),
    }
}

/// A number without sign or fraction.
pub(super) fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "it has to be a whole number".into())
}

/// `15s`, `500ms`, `1m 30s`, or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(24);
    let seconds = || text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    let friendly = || text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    match seconds().or_else(friendly) {
        None => Err("it has to look like 15s, 500ms or 2m".into()),
        Some(Duration::ZERO) => Err("it has to be longer than nothing".into()),
        Some(duration) if duration > LONGEST => Err("it has to be at most a day".into()),
        Some(duration) => Ok(duration),
    }
}

/// `30m`, `2h`, `7d`, or a number of seconds; a day has 24 hours.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    let friendly = || {
        let span = text.parse::<jiff::Span>().ok()?;
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?.try_into().ok()
    };
    seconds().or_else(friendly).ok_or_else(|| "it has to look like 90s, 30m, 2h or 7d".into())
}

/// The same, and longer than nothing.
pub(crate) fn positive_span(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("it has to be longer than nothing".into()),
        span => Ok(span),
    }
}

/// The API to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiChoice {
    /// GraphQL with a token, REST without.
    Auto,
    /// Up to a hundred logins a query; needs a token.
    Graphql,
    /// A request a login.
    Rest,
}

/// Whether to do something that suits a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// If it is a terminal.
    Auto,
    /// Whatever it is.
    Always,
    /// Not at all.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("15s", 15_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1m 30s", 90_000),
            ("7", 7_000),
            ("1.5s", 1_500),
        ] {
            assert_eq!(duration(text).unwrap().as_millis(), milliseconds, "{text}");
        }
        for text in ["", "0", "0s", "-1s", "soon", "15x", "25h", "9999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, seconds) in [("0s", 0), ("90", 90), ("30m", 1_800), ("1h 30m", 5_400), ("7d", 604_800)] {
            assert_eq!(span(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "-5m", "soon", "1y", "99999999999999d"] {
            assert!(span(text).is_err(), "{text}");
        }
        assert!(positive_span("0s").is_err());
    }
}
