//! What is true of the line for as long as somebody holds one of these.

use std::sync::Arc;

use super::Batches;

/// Keeps a batch waiting for more while it lives.
pub(crate) struct StreamGuard(pub(super) Arc<Batches>);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.state().streams -= 1;
        self.0.wake.notify_one();
    }
}

/// Holds back what is no full batch while it lives.
pub(crate) struct HoldGuard(pub(super) Arc<Batches>);

impl Drop for HoldGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.look();
        state.held = false;
        drop(state);
        self.0.wake.notify_one();
    }
}

/// A query that waits for its answer.
pub(in crate::github::batch) struct UnderWay(pub(super) Arc<Batches>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}
