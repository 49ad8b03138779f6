//! Counts the bytes that wait in all outboxes together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::driver::duty::Duty;
use crate::driver::padded::Padded;
use crate::machine::Load;
use crate::model::Limits;

/// Holds the sum of the bytes that wait in all outboxes, and its bound. Every outbox books its bytes here.
#[derive(Debug)]
pub(crate) struct OutboxMemory {
    /// Bounds the frames and bytes that one outbox may hold.
    pub(crate) each: Load,
    /// Counts the waiting bytes. Any core writes it, but only when an outbox holds back or releases bytes;
    /// the fields beside it are read for every delivery, hence the padding.
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
