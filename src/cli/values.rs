//! Parsers of flag values.

use std::time::Duration;

use clap::ValueEnum;

use crate::github::members::MemberRole;
use crate::rate_limit::settings::Pace;
use crate::text::parse_duration;

pub(super) fn parse_in_range<T>(min: T, max: T) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Clone + Send + Sync,
{
    move |text| match text.parse() {
        Ok(number) if (&min..=&max).contains(&&number) => Ok(number),
        _ => Err(format!("expected an integer from {min} to {max}")),
    }
}

pub(crate) fn parse_nonzero_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("expected a duration of more than 0".into()),
        duration => Ok(duration),
    }
}

/// Value of `--api`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiChoice {
    /// GraphQL with a token, REST without.
    Auto,
    /// Up to 100 logins per query; requires a token.
    Graphql,
    /// One request per login.
    Rest,
}

/// Value of `--pace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PaceChoice {
    /// Documented on github.com and ghe.com, none elsewhere
    Auto,
    /// At most the documented limits in any minute, however GitHub counts
    Documented,
    /// As fast as the server responds; GitHub may reject requests or block the client
    None,
}

impl PaceChoice {
    /// None: it depends on the server.
    pub(crate) fn pace(self) -> Option<Pace> {
        match self {
            Self::Auto => None,
            Self::Documented => Some(Pace::Documented),
            Self::None => Some(Pace::Unlimited),
        }
    }
}

/// Value of `--role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleChoice {
    /// Owners of the organization.
    #[value(alias = "owner")]
    Admin,
    /// Members who are not owners.
    Member,
}

impl From<RoleChoice> for MemberRole {
    fn from(choice: RoleChoice) -> Self {
        match choice {
            RoleChoice::Admin => Self::Admin,
            RoleChoice::Member => Self::Member,
        }
    }
}

/// Value of `--color` and `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AutoChoice {
    /// If the output is a terminal.
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        for (text, milliseconds) in [
            ("15s", 15_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1m 30s", 90_000),
            ("7", 7_000),
            ("1.5s", 1_500),
        ] {
            assert_eq!(parse_nonzero_duration(text).unwrap().as_millis(), milliseconds, "{text}");
        }
        for text in ["", "0", "0s", "-1s", "soon", "15x", "9999999999999999999h"] {
            assert!(parse_nonzero_duration(text).is_err(), "{text}");
        }
        for (text, seconds) in [("0s", 0), ("90", 90), ("30m", 1_800), ("1h 30m", 5_400), ("7d", 604_800)] {
            assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "-5m", "soon", "1y", "99999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
