//! Holds the data that the shards of one hub share: the bounds over all of them, and the hub's incarnation in
//! the store.

use std::sync::atomic::AtomicUsize;

use super::incarnation::Incarnation;
use super::order::IdleOrder;
use super::quota::ByteQuota;

/// Holds the data shared by all shards.
#[derive(Debug)]
pub(crate) struct Common {
    /// Bounds the weight of all histories, keys and idle channels.
    pub(crate) histories: ByteQuota,
    /// Bounds the weight of all publications on their way to the store.
    pub(crate) outgoing: ByteQuota,
    /// Orders the idle channels for removal.
    pub(crate) order: IdleOrder,
    /// Holds the index of a shard in which too much waits to be told to the endpoint, plus one; 0 if there is
    /// none.
    pub(crate) untold: AtomicUsize,
    /// Is true if channels may be one with those of other nodes.
    pub(crate) has_broker: bool,
    /// Names the hub's incarnation in its store; none without a store.
    pub(crate) incarnation: Option<Incarnation>,
}

impl Common {
    /// Counts publications that subscribers received and that will never be stored: after a restart no
    /// channel of this incarnation may continue in its epoch.
    pub(super) fn count_unstored(&self, publications: usize) {
        if let Some(incarnation) = &self.incarnation {
            incarnation.count_unstored(publications);
        }
    }
}
