//! Whether the host is well: rounds of failures without a good answer in between.

use tokio::time::Instant;

/// Rounds of attempts without a connection before the host counts as out of reach, and rounds of
/// refusals before it counts as unwilling.
pub(super) const MAX_ROUNDS: u32 = 5;
/// Rounds of attempts that broke or timed out, without any answer in between, before the host counts
/// as out of reach. More than above: a single request may well be unlucky five times.
pub(super) const MAX_MUTE_ROUNDS: u32 = 12;
/// Rounds of attempts with bad answers (5xx, no JSON), without a good one in between, before the
/// server counts as down: it is not to be asked a million times.
pub(super) const MAX_ILL_ROUNDS: u32 = 100;

/// What went wrong since the last good answer.
#[derive(Debug, Default)]
pub(super) struct Health {
    pub(super) refusals: Rounds,
    /// Whether the host has ever answered, however badly.
    pub(super) answered: bool,
    pub(super) unconnected: Rounds,
    pub(super) mute: Rounds,
    pub(super) ill: Rounds,
}

impl Health {
    /// A good answer to a request that left at `started`. One that was in flight when another was
    /// refused says nothing against the refusal.
    pub(super) fn good(&mut self, started: Instant) {
        let refusals = std::mem::take(&mut self.refusals);
        *self = Self { answered: true, ..Self::default() };
        if refusals.last.is_some_and(|last| started <= last) {
            self.refusals = refusals;
        }
    }

    /// Anything but a refusal, of a request that left after the last one.
    pub(super) fn not_refused(&mut self, started: Instant) {
        if self.refusals.last.is_some_and(|last| started > last) {
            self.refusals = Rounds::default();
        }
    }

    /// An answer, though not a good one.
    pub(super) fn answered(&mut self) {
        self.answered = true;
        self.unconnected = Rounds::default();
        self.mute = Rounds::default();
    }
}

/// Consecutive failures, counted in rounds: of many requests that were in flight together and failed
/// together, only the first counts.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    number: u32,
    last: Option<Instant>,
}

impl Rounds {
    pub(super) fn add(&mut self, started: Instant) -> u32 {
        if self.last.is_none_or(|last| started > last) {
            self.number += 1;
            self.last = Some(Instant::now());
        }
        self.number
    }
}
