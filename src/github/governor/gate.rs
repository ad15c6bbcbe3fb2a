//! The gate: what decides when a request may leave.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::DATE;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::budget::Budget;
use super::crowd::{Crowd, Place};
use super::health::Health;
use super::moment::{Moment, ServerClock};
use super::pace::Pace;
use super::resource::{Each, Resource};
use super::{Pause, heard};
use crate::github::settings::Settings;
use crate::github::stop::Hold;

/// When a request may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    Now,
    /// When something has changed: one that is in flight has landed.
    Changed,
    /// Not before, and why.
    At(Moment, Hold),
}

impl Leave {
    /// When both let it leave.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one, _), Self::At(another, _)) if one.wait() < another.wait() => other,
            (Self::Now, _) | (Self::Changed, Self::At(..)) => other,
            _ => self,
        }
    }
}

/// What decides when requests leave.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    /// What the requests so far have cost, of the budget of this run.
    pub(super) spent: u64,
    pub(super) pause: Option<Pause>,
    /// What the first in line for each budget waits for.
    pub(super) waits: Each<Option<Pause>>,
    pub(super) clock: ServerClock,
    /// The last answer's date, as it was told and read: it is that of all answers of a second.
    dated: Option<(HeaderValue, Timestamp)>,
    pub(super) budgets: Each<Budget>,
    pub(super) paces: Option<Each<Pace>>,
    pub(super) crowd: Crowd,
    pub(super) health: Health,
}

impl Gate {
    pub(super) fn new(settings: &Settings) -> Self {
        let state = State {
            spent: 0,
            pause: None,
            waits: Each::default(),
            clock: ServerClock::new(),
            dated: None,
            budgets: Each::default(),
            paces: settings.api.is_githubs().then(|| Each::new(Pace::new)),
            crowd: Crowd::new(settings.jobs),
            health: Health::default(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a state that is still true: deadlines and counters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The date of an answer.
    pub(super) fn date(&mut self, headers: &HeaderMap) -> Option<Timestamp> {
        let told = headers.get(DATE)?;
        match &self.dated {
            Some((last, date)) if last == told => Some(*date),
            _ => {
                let date = heard::date(headers)?;
                self.dated = Some((told.clone(), date));
                Some(date)
            }
        }
    }

    pub(super) fn leave(&mut self, resource: Resource, price: u64) -> Leave {
        if self.pause.as_ref().is_some_and(|pause| pause.until.has_come()) {
            self.pause = None;
        }
        let pause = self.pause.as_ref().map_or(Leave::Now, |pause| Leave::At(pause.until, pause.reason));
        let pace = self.paces.as_mut().map_or(Leave::Now, |paces| paces.of_mut(resource).leave());
        let crowd = if self.crowd.has_room() { Leave::Now } else { Leave::Changed };
        pause.and(pace).and(crowd).and(self.budgets.of(resource).leave(price))
    }

    /// A request leaves; tells its place among those in flight, and whether it is the one
    /// that goes ahead after a reset.
    pub(super) fn depart(&mut self, resource: Resource, price: u64) -> (Place, bool) {
        let probes = self.budgets.of_mut(resource).depart(price);
        if let Some(paces) = &mut self.paces {
            paces.of_mut(resource).depart();
        }
        (self.crowd.depart(), probes)
    }
}
