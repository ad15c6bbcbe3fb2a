//! A request's leave to be in flight. It gives everything back when it is dropped, however the request ended: a
//! place that is not given back is one job less for good.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::budget::Told;
use super::crowd::Place;
use super::gate::Gate;
use super::moment::Moment;
use super::resource::Resource;

/// One request's leave to be in flight, from the gate to the answer's last byte.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "it holds the semaphore's permit")]
pub(in crate::github) struct Permit {
    gate: Arc<Gate>,
    pub(super) resource: Resource,
    price: u64,
    /// How it left.
    pub(super) place: Place,
    probes: bool,
    /// What its answer told of its budget.
    pub(super) told: Option<(Told, Moment)>,
    sent: Option<Instant>,
    /// An answer has told what is left of the budget.
    pub(super) heard: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Permit {
    pub(super) fn new(
        permit: Option<OwnedSemaphorePermit>,
        gate: Arc<Gate>,
        resource: Resource,
        price: u64,
        (place, probes): (Place, bool),
    ) -> Self {
        Self { gate, resource, price, place, probes, told: None, sent: None, heard: false, _permit: permit }
    }

    /// The request leaves now.
    pub(in crate::github) fn send(&mut self) -> Instant {
        *self.sent.insert(Instant::now())
    }

    /// When it left.
    pub(super) fn sent(&self) -> Option<Instant> {
        self.sent
    }

    /// It never reached GitHub: it costs nothing.
    pub(super) fn forgive(&mut self) {
        self.heard = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        let sent = self.sent.is_some();
        state.budgets.of_mut(self.resource).land(self.price, sent && !self.heard, self.probes);
        if let Some(paces) = &mut state.paces {
            paces.of_mut(self.resource).land(sent);
        }
        state.crowd.land();
        drop(state);
        self.gate.changed.notify_waiters();
    }
}
