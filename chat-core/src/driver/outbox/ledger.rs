//! What waits in all outboxes together.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::driver::duty::Duty;
use crate::driver::hub::Hub;
use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::Manner;
use crate::driver::padded::Padded;
use crate::lock::lock;
use crate::machine::Load;
use crate::model::{Close, Limits};

/// Every outbox books here what it holds, so that all together have a bound.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The most that one outbox may hold.
    pub(crate) each: Load,
    /// Written where something waits, by any core; what is beside it is read for every delivery.
    bytes: Padded<AtomicUsize>,
    bound: usize,
    relieving: Duty,
}

impl Ledger {
    pub(crate) fn new(limits: &Limits) -> Self {
        let each = Load { frames: limits.outbox_frames, bytes: limits.outbox_bytes };
        let bound = limits.total_outbox_bytes;
        Self { each, bytes: Padded::default(), bound, relieving: Duty::default() }
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
        if ledger.bytes() <= ledger.bound {
            return;
        }
        let Some(_duty) = ledger.relieving.take() else { return };
        let claims = self.0.seats.outboxes().into_iter().map(|outbox| (outbox.claim(), outbox));
        let mut outboxes: Vec<_> = claims.filter(|((_, weight), _)| *weight > 0).collect();
        outboxes.sort_unstable_by_key(|(claim, _)| std::cmp::Reverse(*claim));
        let mut excess = ledger.bytes().saturating_sub(ledger.bound - ledger.bound / 10);
        for ((_, weight), outbox) in outboxes {
            if excess == 0 {
                break;
            }
            // What a transport has begun stays for a moment: it counts as gone all the same, or everybody would go for it.
            excess = excess.saturating_sub(weight);
            self.0.metrics.dropped("slow", outbox.make_room());
        }
    }
}

impl Outbox {
    /// Whether it is given up already, and what waits in it.
    fn claim(&self) -> (bool, usize) {
        let state = lock(&self.state);
        (state.failed, state.booked)
    }

    /// Closes its session as slow, and one that closes already without a word. Returns how many publications were dropped.
    fn make_room(&self) -> usize {
        if lock(&self.state).shut {
            self.abandon();
            return 0;
        }
        self.condemn(Close::SLOW, Manner::AtOnce)
    }
}
