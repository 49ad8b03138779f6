//! What the shards of one hub have in common: bounds over all of them, and one life in the store.

use super::incarnation::Incarnation;
use super::order::IdleOrder;
use super::quota::ByteQuota;

/// Shared by all shards.
#[derive(Debug)]
pub(crate) struct Common {
    /// The weight of all histories, of keys, and of channels that nobody is in.
    pub(crate) histories: ByteQuota,
    /// The weight of all publications on their way to the store.
    pub(crate) outgoing: ByteQuota,
    /// Which channel that nobody is in goes first.
    pub(crate) order: IdleOrder,
    /// The hub's life in its store; none without a store.
    pub(crate) incarnation: Option<Incarnation>,
}

impl Common {
    /// Counts publications that were heard and will never be stored: none of this life's channels may go on in its epoch after a restart.
    pub(super) fn count_unstored(&self, publications: usize) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.count_unstored(publications);
        }
    }
}
