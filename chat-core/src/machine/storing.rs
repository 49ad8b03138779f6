//! What is on its way to the store, and what comes back from it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::oneshot;

use crate::model::{ChannelId, Epoch, Offset, Place, Publication, RecalledKey, UserId};

/// Hears whether a publication was stored; nothing if it never will be.
pub(crate) type Receipt = oneshot::Sender<bool>;

/// A publication to be stored, and who waits for that.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publication: Arc<Publication>,
    pub(crate) receipt: Option<Receipt>,
    /// The channel is to be opened in the store first, in this life of the hub: nothing of it was known to be stored.
    pub(crate) opens: Option<u64>,
}

/// All that waits to be stored.
#[derive(Debug, Default)]
pub(crate) struct ToStore {
    pub(crate) publications: Vec<Outgoing>,
    /// Up to where users have read.
    pub(crate) marks: HashMap<(ChannelId, UserId), Offset>,
}

/// How a channel is stored.
#[derive(Debug, Default)]
pub(super) enum Storing {
    /// It is not to be.
    #[default]
    Not,
    /// It is, from the store's own place on.
    Stored {
        /// In which life of the hub it is to be opened in the store, while nothing of it is there.
        unopened: Option<u64>,
        /// How many of its publications and marks are on their way.
        under_way: usize,
    },
    /// It is to be, and the store failed when it was to be restored: it goes on without, and all that is published is counted as not stored.
    Failed,
}

/// A channel as the store knows it: where it goes on, and its newest publications, the last one last.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
    pub(crate) publications: Vec<Publication>,
    /// What was published under which keys, the oldest first.
    pub(crate) keys: Vec<RecalledKey>,
    /// Up to where users have read.
    pub(crate) read: Vec<(UserId, Offset)>,
    /// In which life of the hub it is to be opened in the store, if nothing of it is there.
    pub(crate) unopened: Option<u64>,
}

/// Whether what was published is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreState {
    /// It is, or is not to be.
    Settled,
    /// It is on its way, and its receipt with it.
    UnderWay,
    /// It never will be.
    Never,
}

impl Storing {
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
