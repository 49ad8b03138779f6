//! Grants a duty to one task at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Holds a duty that one task at a time carries out for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Duty(Arc<AtomicBool>);

/// Holds a taken duty, and gives it back when dropped, also by a panic or by a runtime that drops its tasks.
/// The next task that asks then gets it.
#[must_use = "dropped, it is given back"]
#[derive(Debug)]
pub(crate) struct OnDuty(Duty);

impl Duty {
    /// Takes the duty. Returns none if another task has it.
    pub(crate) fn take(&self) -> Option<OnDuty> {
        let taken = self.0.swap(true, Ordering::AcqRel);
        (!taken).then(|| OnDuty(self.clone()))
    }
}

impl Drop for OnDuty {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}
