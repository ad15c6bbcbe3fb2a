//! Exit statuses. Scripts rely on the numbers.

use std::process::ExitCode;

use crate::stop::StopReason;

/// In ascending severity: of several statuses the most severe is that of the run. `--help` has their meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExitStatus {
    Success,
    SomeFailed,
    RuleViolated,
    Incomplete,
    Auth,
    Usage,
    Interrupted,
    Terminated,
}

impl ExitStatus {
    fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::SomeFailed => 1,
            Self::Usage => 2,
            Self::RuleViolated => 3,
            Self::Auth => 4,
            Self::Incomplete => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Returns the status of a run that ended early.
    pub(crate) fn from_stop(stop: &StopReason) -> Self {
        match stop {
            StopReason::OutputClosed => Self::Success,
            StopReason::Interrupted => Self::Interrupted,
            StopReason::Terminated => Self::Terminated,
            StopReason::RecordingFailed(_) | StopReason::AmbiguousInstallation(_) => Self::Usage,
            StopReason::TokenRefused(_)
            | StopReason::AuthenticationRequired(_)
            | StopReason::Suspended(_) => Self::Auth,
            StopReason::OutOfReach(_)
            | StopReason::NoGraphqlApi
            | StopReason::NotGithub(_)
            | StopReason::ApiVersionRetired { .. }
            | StopReason::QueryUnsupported(_)
            | StopReason::NotConnected { .. }
            | StopReason::RateLimitTooLong { .. }
            | StopReason::Deadline { .. }
            | StopReason::StillRateLimited(_)
            | StopReason::PointBudgetExhausted(_) => Self::Incomplete,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitStatus;

    #[test]
    fn the_most_severe_status_wins() {
        let ascending = [
            ExitStatus::Success,
            ExitStatus::SomeFailed,
            ExitStatus::RuleViolated,
            ExitStatus::Incomplete,
            ExitStatus::Auth,
            ExitStatus::Usage,
            ExitStatus::Interrupted,
        ];
        assert_eq!(ascending.map(ExitStatus::code), [0, 1, 3, 5, 4, 2, 130]);
        assert!(ascending.is_sorted());
    }
}
