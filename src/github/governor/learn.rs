//! What the governor learns from answers, and from their absence.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use tokio::time::Instant;

use super::health::{MAX_ILL_ROUNDS, MAX_MUTE_ROUNDS, MAX_ROUNDS};
use super::{Governor, Moment, Permit, backoff, heard};
use crate::github::error::LookupError;
use crate::github::stop::{Hold, Stop};

/// What GitHub asks clients to wait at least, after a refusal that does not say how long.
const WAIT_UNTOLD: Duration = Duration::from_mins(1);
/// A window that should have begun has not: so long after the first look. It grows with each look.
const LATE: Duration = Duration::from_millis(100);
const MAX_LATE: u32 = 4;

impl Governor {
    /// Learns the server's time from an answer to a request that was sent then.
    pub(in crate::github) fn hear_date(&self, headers: &HeaderMap, sent: Instant) {
        if let Some(date) = heard::date(headers) {
            self.state().clock.learn(date, sent);
        }
    }

    /// The time by the server's clock, as far as it is known.
    pub(in crate::github) fn server_time(&self) -> Timestamp {
        self.state().clock.now()
    }

    /// How long it is until a moment of the server's clock, in Unix seconds.
    pub(in crate::github) fn until(&self, second: i64) -> Option<Duration> {
        self.state().clock.until(second)
    }

    /// Learns from the head of an answer what is left of GitHub's budgets.
    pub(in crate::github) fn hear(&self, permit: &mut Permit, headers: &HeaderMap, good: bool) {
        if !self.patient {
            return;
        }
        let budget = permit.resource;
        let sent = permit.sent().unwrap_or_else(Instant::now);
        let mut state = self.state();
        if let Some(date) = state.date(headers) {
            state.clock.learn(date, sent);
        }
        let Some((resource, told)) = heard::told(headers) else {
            if good {
                state.budgets.of_mut(budget).forget();
            }
            return;
        };
        // A reset that makes no sense is none.
        if let Some(wait) = state.clock.until(told.reset) {
            let reset = Moment::after(wait);
            permit.told = Some((told, reset));
            if resource.is_none_or(|resource| resource == budget) {
                state.budgets.of_mut(budget).learn(told, reset, sent);
                permit.heard = true;
            }
        }
    }

    /// Learns from an attempt: what it says about the host, and who has to wait for what.
    pub(in crate::github) fn learn(
        &self,
        permit: &mut Permit,
        outcome: Result<(), &LookupError>,
        authorized: bool,
    ) {
        let started = permit.sent().unwrap_or_else(Instant::now);
        let error = match outcome {
            Ok(()) => {
                let mut state = self.state();
                state.crowd.answered(started, permit.place);
                return state.health.good(started);
            }
            Err(error) => error,
        };
        if error.is_answer() {
            let mut state = self.state();
            state.health.answered();
            if !matches!(error, LookupError::RateLimited { .. }) {
                state.crowd.answered(started, permit.place);
                state.health.not_refused(started);
            }
        }
        match error {
            LookupError::Unauthorized(message) if authorized => self.end(Stop::TokenRefused(message.clone())),
            LookupError::Unauthorized(message) => self.end(Stop::TokenNeeded(message.clone())),
            LookupError::RateLimited { wait, primary, .. } => self.refused(permit, started, *wait, *primary),
            LookupError::Status { wait: Some(wait), .. } => self.wait(*wait, Hold::Busy),
            LookupError::NoConnection(reason) => {
                permit.forgive();
                let mut state = self.state();
                let rounds = state.health.unconnected.add(started);
                // A host that has answered before gets the benefit of the doubt.
                let most = if state.health.answered {
                    MAX_ROUNDS
                } else if reason.is_permanent() {
                    1
                } else {
                    MAX_ROUNDS.min(self.retries.saturating_add(1))
                };
                drop(state);
                if rounds >= most {
                    self.end(Stop::NotConnected(reason.clone()));
                } else {
                    // Not even a connection: the others would fare no better just now.
                    self.wait(backoff(rounds), Hold::Connection);
                }
            }
            LookupError::TimedOut(_) | LookupError::Broken(_) => {
                let rounds = self.state().health.mute.add(started);
                if rounds >= MAX_MUTE_ROUNDS {
                    self.end(Stop::OutOfReach(error.to_string()));
                }
            }
            LookupError::Stopped(stop) => self.end(stop.clone()),
            error if error.is_transient() => {
                let rounds = self.state().health.ill.add(started);
                if rounds >= MAX_ILL_ROUNDS {
                    self.end(Stop::OutOfReach(format!(
                        "{error}, and nothing else for {rounds} rounds of requests"
                    )));
                }
            }
            _ => {}
        }
    }

    fn refused(&self, permit: &Permit, started: Instant, wait: Option<Duration>, primary: bool) {
        if !self.patient {
            // A recording will not say anything else later.
            return;
        }
        let mut state = self.state();
        let rounds = state.health.refusals.add(started);
        if rounds > MAX_ROUNDS.max(self.retries.saturating_add(1)) {
            drop(state);
            return self.end(Stop::RefusedAgain(rounds - 1));
        }
        // Who is refused again and again is not told the truth about the wait: it grows.
        let late = if rounds <= MAX_LATE { LATE * 3u32.saturating_pow(rounds - 1) } else { WAIT_UNTOLD };
        if let (true, Some((told, reset))) = (primary, permit.told) {
            state.budgets.of_mut(permit.resource).refused(told, reset, late);
            drop(state);
            if let Some(wait) = wait {
                self.wait(wait, Hold::RateLimit);
            }
            return;
        }
        let told = wait.is_some();
        let untold = WAIT_UNTOLD * 2u32.saturating_pow(rounds.saturating_sub(1));
        // A first wait of no time is taken at its word; who is then refused again waits all the same.
        let least = if rounds > 1 { LATE * rounds.min(10) } else { Duration::ZERO };
        let wait = wait.map_or(untold, |wait| wait.max(least));
        state.crowd.refused(started, permit.place, wait, told);
        drop(state);
        self.wait(wait, Hold::RateLimit);
    }
}
