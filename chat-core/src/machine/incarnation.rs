//! The life of a hub as its store knows it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names the present life of a hub in its store, and ends it the moment that something was heard which is not stored.
///
/// A store lets a channel go on in its epoch only within one life, or after a life that was closed in order. So what is counted here can never be
/// hidden by a later `recovered: true`.
#[derive(Debug)]
pub(crate) struct Incarnation {
    seed: u64,
    /// How many lives have ended.
    ended: AtomicU64,
    unstored: AtomicU64,
}

impl Incarnation {
    /// The first life of a hub, whose names nobody can guess who does not know `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ended: AtomicU64::new(0), unstored: AtomicU64::new(0) }
    }

    /// The name of the present life.
    pub(crate) fn name(&self) -> u64 {
        self.seed.wrapping_add(self.ended.load(Ordering::Acquire).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Ends the present life; another one begins.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether none of its lives ended early.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended.load(Ordering::Acquire) == 0
    }

    /// Ends the present life, since so many publications were heard that will never be stored.
    pub(crate) fn count_unstored(&self, publications: usize) {
        if publications > 0 {
            self.unstored.fetch_add(publications as u64, Ordering::Relaxed);
            self.end();
        }
    }

    /// How many publications were heard that will never be stored.
    pub(crate) fn unstored(&self) -> u64 {
        self.unstored.load(Ordering::Relaxed)
    }
}
