//! Names the life of a hub in its store.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names the present incarnation of a hub in its store, and ends it as soon as subscribers received a
/// publication that is not stored.
///
/// A store lets a channel continue in its epoch only within one incarnation, or after one that was closed in
/// order. So no publication that is counted here can be hidden by a later `recovered: true`.
#[derive(Debug)]
pub(crate) struct Incarnation {
    seed: u64,
    /// Counts the incarnations that have ended.
    ended: AtomicU64,
    unstored: AtomicU64,
}

impl Incarnation {
    /// Creates the first incarnation of a hub. Nobody who does not know `seed` can guess the names.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ended: AtomicU64::new(0), unstored: AtomicU64::new(0) }
    }

    /// Returns the name of the present incarnation.
    pub(crate) fn name(&self) -> u64 {
        self.seed.wrapping_add(self.ended.load(Ordering::Acquire).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Ends the present incarnation and begins another.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Returns whether no incarnation has ended early.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended.load(Ordering::Acquire) == 0
    }

    /// Ends the present incarnation if `publications` is not zero: so many were received and will never be
    /// stored.
    pub(crate) fn count_unstored(&self, publications: usize) {
        if publications > 0 {
            self.unstored.fetch_add(publications as u64, Ordering::Relaxed);
            self.end();
        }
    }

    /// Returns how many publications were received that will never be stored.
    pub(crate) fn unstored(&self) -> u64 {
        self.unstored.load(Ordering::Relaxed)
    }
}
