//! Marks up to which offset a user has read.

use std::sync::Arc;

use super::presence::tell_later;
use super::shared::Shared;
use super::store::writing::store_later;
use crate::lock::lock;
use crate::model::{ChannelId, Offset, SessionId};

/// Marks what the user of a session has read, and returns the offset; none if the channel does not keep
/// presence.
pub(crate) fn mark_read(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    session: SessionId,
    offset: Offset,
) -> Option<Offset> {
    let now = shared.runtime.instant();
    let mark = lock(shared.shard(channel)).mark_read(channel, session, offset, now);
    store_later(shared);
    tell_later(shared);
    mark
}
