//! What one task at a time sees to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that one at a time does for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Duty(Arc<AtomicBool>);

/// The duty is taken. It is given back when this is dropped, be it by a panic or by a runtime that drops its tasks: the next one who asks has it then.
#[must_use = "dropped, it is given back"]
#[derive(Debug)]
pub(crate) struct OnDuty(Duty);

impl Duty {
    /// Takes the duty; none if another has it.
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
