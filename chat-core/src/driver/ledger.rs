//! What waits in all outboxes together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::hub::Hub;
use super::summons::Manner;
use crate::machine::Load;
use crate::model::{Close, Limits};

/// Every outbox books here what it holds, so that all together have a bound.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The most that one outbox may hold.
    pub(super) each: Load,
    bytes: AtomicUsize,
    bound: usize,
    relieving: AtomicBool,
}

impl Ledger {
    pub(crate) fn new(limits: &Limits) -> Self {
        let each = Load { frames: limits.outbox_frames, bytes: limits.outbox_bytes };
        let bound = limits.total_outbox_bytes;
        Self { each, bytes: AtomicUsize::new(0), bound, relieving: AtomicBool::new(false) }
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

impl Hub {
    /// If more waits than may in all sessions together, those go for whom the most waits, until a tenth is free again.
    pub(crate) fn relieve(&self) {
        let ledger = &self.0.ledger;
        if ledger.bytes() <= ledger.bound || ledger.relieving.swap(true, Ordering::Acquire) {
            return;
        }
        let mut loads: Vec<_> =
            self.0.seats.outboxes().into_iter().map(|outbox| (outbox.load().bytes, outbox)).collect();
        loads.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, outbox) in loads {
            if ledger.bytes() <= ledger.bound - ledger.bound / 10 {
                break;
            }
            let dropped = outbox.condemn(Close::SLOW, Manner::AtOnce);
            self.0.metrics.dropped("slow", dropped);
        }
        ledger.relieving.store(false, Ordering::Release);
    }
}
