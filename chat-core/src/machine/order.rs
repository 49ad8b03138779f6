//! Keeps the order in which channels became idle, over all shards.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers channels as they become idle, and knows the one in each shard that has been idle longest.
#[derive(Debug)]
pub(crate) struct IdleOrder {
    next: AtomicU64,
    /// Holds the lowest number in each shard, and [`NONE`] where no channel is idle.
    longest: Box<[AtomicU64]>,
}

/// Stands for the number of a channel where there is none.
const NONE: u64 = u64::MAX;

/// Names the shard with the channel that has been idle longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Longest {
    pub(crate) shard: usize,
    /// Bounds the numbers: channels of that shard with a lower number have been idle longer than any in
    /// another shard.
    pub(crate) until: u64,
}

impl IdleOrder {
    pub(crate) fn new(shards: usize) -> Self {
        let longest = (0..shards).map(|_| AtomicU64::new(NONE)).collect();
        Self { next: AtomicU64::new(0), longest }
    }

    /// Finds the shard with the channel that has been idle longest. Returns none if no channel is idle.
    pub(crate) fn longest(&self) -> Option<Longest> {
        let (mut shard, mut first, mut until) = (0, NONE, NONE);
        for (place, number) in self.longest.iter().enumerate() {
            let number = number.load(Ordering::Relaxed);
            if number < first {
                (shard, first, until) = (place, number, first);
            } else {
                until = until.min(number);
            }
        }
        (first != NONE).then_some(Longest { shard, until })
    }

    /// Returns the number of a channel that becomes idle now.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes the lowest number in a shard.
    pub(super) fn note(&self, shard: usize, lowest: Option<u64>) {
        self.longest[shard].store(lowest.unwrap_or(NONE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rest_is_found_over_all_shards_with_the_next_in_another() {
        let order = IdleOrder::new(3);
        assert_eq!(order.longest(), None);
        order.note(1, Some(7));
        assert_eq!(order.longest(), Some(Longest { shard: 1, until: NONE }));
        order.note(0, Some(9));
        order.note(2, Some(8));
        assert_eq!(order.longest(), Some(Longest { shard: 1, until: 8 }));
        order.note(1, None);
        assert_eq!(order.longest(), Some(Longest { shard: 2, until: 9 }));
    }
}
