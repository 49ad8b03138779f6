//! Where publications outlive the log of their channel, and the process.

use std::sync::Arc;

use futures::future::BoxFuture;
use thiserror::Error;

use crate::model::{ChannelId, Epoch, HistoryRequest, Offset, Publication};

/// Keeps publications beyond a channel's log, and beyond the process.
///
/// The hub calls [`append`](Self::append) from one task, the others from any. No live message waits for any of them. A call may be dropped before it is
/// ready; what it does is then done or not.
pub trait HistoryStore: Send + Sync + 'static {
    /// Takes up a channel for a tenure: one life of a hub. Committed before it is ready.
    ///
    /// A channel that this tenure has opened before, or whose last tenure was [closed](Self::close), goes on in its own epoch. Any other
    /// goes on in `fresh`: it is new, or something may have been heard of it that was never stored.
    fn open(
        &self,
        channel: &ChannelId,
        fresh: Epoch,
        tenure: u64,
    ) -> BoxFuture<'_, Result<Stored, StoreError>>;

    /// Appends publications of any channels, in their order: all or none. Ready when they are safe from a crash. One that is there already (the same
    /// channel and offset) stays as it is.
    fn append(&self, publications: Vec<Arc<Publication>>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Reads what is stored of a range: at most [`limit`](HistoryRequest::limit) publications and about `bytes` of content, but one in any case.
    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<StoredPage, StoreError>>;

    /// Drops what is stored of a channel before this place.
    fn trim(&self, channel: &ChannelId, before: Offset) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Ends a tenure in order: all that was published in it has been appended.
    fn close(&self, tenure: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Where a stored channel goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its life.
    pub epoch: Epoch,
    /// The offset of the last publication that is stored; 0 if there is none.
    pub last: Offset,
}

/// What is stored of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPage {
    /// In the order that was asked for; the epoch is the channel's present one.
    pub publications: Vec<Publication>,
    /// There are others beyond these.
    pub more: bool,
}

/// Why a store could not do it, in words for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct StoreError(pub String);
