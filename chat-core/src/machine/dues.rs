//! Tells when a channel is next to tell of its presence.

use crate::model::Instant;

/// Holds the times at which a channel is to tell of its presence; none if there is nothing to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dues {
    /// Holds the time at which the next change is to be published.
    pub(super) change: Option<Instant>,
    /// Holds the time at which other nodes are next to be told.
    pub(super) words: Option<Instant>,
}
