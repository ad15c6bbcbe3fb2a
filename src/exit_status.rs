//! Exit statuses: one enum, one mapping to numbers. They are a contract with scripts.

use std::process::ExitCode;

use crate::stop::StopReason;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Every login was counted.
    Counted,
    /// The report is complete, but some logins could not be counted.
    Uncounted,
    /// Wrong usage, an unreadable roster, an output that cannot be written.
    Usage,
    /// A rule of `--fail-on` held.
    Ruled,
    /// The token was refused, or one is needed and there is none.
    Token,
    /// The run stopped before every login was asked.
    Incomplete,
    /// Interrupted; what was done is kept.
    Interrupted,
    /// Ended by SIGTERM; what was done is kept.
    Terminated,
}

impl ExitStatus {
    /// The number that the process ends with.
    #[must_use]
    pub(crate) fn status(self) -> u8 {
        match self {
            Self::Counted => 0,
            Self::Uncounted => 1,
            Self::Usage => 2,
            Self::Ruled => 3,
            Self::Token => 4,
            Self::Incomplete => 5,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What the reason for an early end means for the status; none where it is no failure.
    #[must_use]
    pub(crate) fn of(stop: &StopReason) -> Option<Self> {
        match stop {
            StopReason::OutputClosed => None,
            StopReason::Interrupted => Some(Self::Interrupted),
            StopReason::Terminated => Some(Self::Terminated),
            StopReason::RecordingFailed(_) | StopReason::AmbiguousInstallation(_) => Some(Self::Usage),
            StopReason::TokenRefused(_) | StopReason::AuthenticationRequired(_) => Some(Self::Token),
            StopReason::OutOfReach(_)
            | StopReason::NotConnected { .. }
            | StopReason::RateLimitTooLong { .. }
            | StopReason::Deadline { .. }
            | StopReason::StillRateLimited(_)
            | StopReason::PointBudgetExhausted(_) => Some(Self::Incomplete),
        }
    }

    /// The one that counts where both hold: 130 or 143, 2, 4, 5, 3, 1, in this order.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Interrupted | Self::Terminated => 0,
            Self::Usage => 1,
            Self::Token => 2,
            Self::Incomplete => 3,
            Self::Ruled => 4,
            Self::Uncounted => 5,
            Self::Counted => 6,
        };
        if rank(other) < rank(self) { other } else { self }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(exit: ExitStatus) -> Self {
        Self::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::ExitStatus;

    #[test]
    fn of_several_the_gravest_counts() {
        let order = [
            ExitStatus::Interrupted,
            ExitStatus::Usage,
            ExitStatus::Token,
            ExitStatus::Incomplete,
            ExitStatus::Ruled,
            ExitStatus::Uncounted,
            ExitStatus::Counted,
        ];
        assert_eq!(order.map(ExitStatus::status), [130, 2, 4, 5, 3, 1, 0]);
        for (at, graver) in order.iter().enumerate() {
            for lesser in &order[at..] {
                assert_eq!(lesser.or(*graver), *graver);
                assert_eq!(graver.or(*lesser), *graver);
            }
        }
    }
}
