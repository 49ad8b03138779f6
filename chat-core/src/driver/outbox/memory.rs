//! What waits in all outboxes together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::driver::duty::Duty;
use crate::driver::padded::Padded;
use crate::machine::Load;
use crate::model::Limits;

/// Every outbox books here what it holds, so that all together have a bound.
#[derive(Debug)]
pub(crate) struct OutboxMemory {
    /// The most that one outbox may hold.
    pub(crate) each: Load,
    /// Written where something waits, by any core; what is beside it is read for every delivery.
    bytes: Padded<AtomicUsize>,
    pub(crate) bound: usize,
    pub(crate) shedding: Duty,
}

impl OutboxMemory {
    pub(crate) fn new(limits: &Limits) -> Self {
        let each = Load { frames: limits.outbox_frames, bytes: limits.outbox_bytes };
        let bound = limits.total_outbox_bytes;
        Self { each, bytes: Padded::default(), bound, shedding: Duty::default() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn change(&self, from: usize, to: usize) {
        if to > from {
            self.bytes.fetch_add(to - from, Ordering::Relaxed);
        } else if from > to {
            self.bytes.fetch_sub(from - to, Ordering::Relaxed);
        }
    }
}
