//! Describes publications on their way to the store, and channels restored from it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::oneshot;

use crate::model::{ChannelId, Epoch, Offset, Place, Publication, RecalledKey, UserId};

/// Receives whether a publication was stored, and nothing if it never will be.
pub(crate) type Receipt = oneshot::Sender<bool>;

/// Holds a publication to be stored, and the receipt that a publisher waits for.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publication: Arc<Publication>,
    pub(crate) receipt: Option<Receipt>,
    /// Names the hub's incarnation in which the channel is to be opened in the store first, while nothing of
    /// the channel is known to be stored.
    pub(crate) opens: Option<u64>,
}

/// Holds all that waits to be stored.
#[derive(Debug, Default)]
pub(crate) struct ToStore {
    pub(crate) publications: Vec<Outgoing>,
    /// Holds the offsets up to which users have read.
    pub(crate) marks: HashMap<(ChannelId, UserId), Offset>,
}

/// Tells how a channel is stored.
#[derive(Debug, Default)]
pub(super) enum Storing {
    /// Means that the channel is not to be stored.
    #[default]
    Not,
    /// Means that the channel is stored, from the store's own place on.
    Stored {
        /// Names the hub's incarnation in which the channel is to be opened in the store, while nothing of it
        /// is stored.
        unopened: Option<u64>,
        /// Counts the channel's publications and read offsets that are on their way.
        under_way: usize,
    },
    /// Means that the channel is one with those of other nodes: its broker places what is published.
    Clustered,
    /// Means that the channel is to be stored, but the store failed to restore it. The channel continues
    /// without the store, and all of its publications are counted as not stored.
    Failed,
}

/// Holds a channel as the store knows it: its place, and its newest publications, the last one last.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
    pub(crate) publications: Vec<Publication>,
    /// Holds what was published under which idempotency keys, the oldest first.
    pub(crate) keys: Vec<RecalledKey>,
    /// Holds the offsets up to which users have read.
    pub(crate) read: Vec<(UserId, Offset)>,
    /// Names the hub's incarnation in which the channel is to be opened in the store, if nothing of it is
    /// stored.
    pub(crate) unopened: Option<u64>,
    /// Tells whether the broker knows the channel so, and not the store.
    pub(crate) clustered: bool,
}

/// Tells whether a publication is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreState {
    /// Means that it is stored, or is not to be.
    Settled,
    /// Means that it is on its way to the store, together with its receipt.
    UnderWay,
    /// Means that it never will be stored.
    Never,
}

impl Storing {
    pub(super) fn of(restored: &Restored) -> Self {
        match restored.clustered {
            true => Self::Clustered,
            false => Self::Stored { unopened: restored.unopened, under_way: 0 },
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(self, Self::Stored { under_way, .. } if *under_way > 0)
    }

    pub(super) fn is_stored(&self) -> bool {
        matches!(self, Self::Stored { .. })
    }
}

impl ToStore {
    pub(crate) fn is_empty(&self) -> bool {
        self.publications.is_empty() && self.marks.is_empty()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.publications.append(&mut other.publications);
        self.marks.extend(other.marks);
    }
}
