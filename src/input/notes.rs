//! What becomes known of a roster while it is read, on another thread: duplicates, rows without a login, a list
//! that broke off. The run asks for it when the roster has ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::InputError;

/// What becomes known of a roster while it is read.
#[derive(Debug, Default)]
pub(crate) struct InputReport {
    duplicates: AtomicU64,
    failure: OnceLock<String>,
    whole: AtomicBool,
    remarks: Mutex<Vec<String>>,
}

impl InputReport {
    /// Logins that were named again, in any case, and dropped.
    #[must_use]
    pub(crate) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Relaxed)
    }

    /// What a person should know of the lists: rows without a login, rows of another length.
    #[must_use]
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn remark(&self, line: String) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// Whether it was read to its end.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }

    /// Why the rest of a list could not be read, if it could not.
    #[must_use]
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    pub(super) fn add_duplicate(&self) {
        self.duplicates.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, unreadable: &InputError) {
        let _ = self.failure.set(unreadable.to_string());
    }

    /// There is nothing more to be read.
    pub(super) fn end(&self) {
        self.whole.store(self.failure().is_none(), Ordering::Relaxed);
    }
}
