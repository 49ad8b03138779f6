//! Bounds the bytes that all channels hold together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Holds one sum for all shards, and its bound. The sum is written only where a weight grows or shrinks; a
/// full history of messages of one size does neither.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ByteQuota {
    bytes: AtomicUsize,
    bound: usize,
}

impl ByteQuota {
    pub(crate) fn new(bound: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bound }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns by how much the sum exceeds its bound.
    pub(crate) fn over(&self) -> usize {
        self.bytes().saturating_sub(self.bound)
    }

    pub(super) fn change(&self, from: usize, to: usize) {
        if to > from {
            self.bytes.fetch_add(to - from, Ordering::Relaxed);
        } else if from > to {
            self.bytes.fetch_sub(from - to, Ordering::Relaxed);
        }
    }
}
