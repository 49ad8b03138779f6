//! Waits until it is known who is in a channel on other nodes, and tells who is there on all of them.

use std::sync::Arc;

use super::presence::{nobody, present};
use super::shared::Shared;
use super::store::enter::try_enter;
use super::store::entry::Entry;
use crate::lock::lock;
use crate::model::{ChannelId, ChannelOptions, Instant, PresencePage, Refusal};

/// Returns until when the other nodes may still answer who is in a channel that this node has just joined;
/// none if that is over, if there are none, and for a channel of this node alone.
pub(crate) fn gathers_until(shared: &Shared, channel: &ChannelId) -> Option<Instant> {
    let cluster = shared.cluster.as_ref()?;
    let now = shared.runtime.instant();
    let until = lock(shared.shard(channel)).gathers_until(channel).filter(|until| *until > now);
    until.filter(|_| cluster.may_have_others(now))
}

/// Waits until then.
pub(crate) async fn gathered(shared: &Shared, channel: &ChannelId) {
    if let Some(until) = gathers_until(shared, channel) {
        shared.runtime.sleep_until(until).await;
    }
}

/// Joins a channel with these options if other nodes may have members of it, and waits until it is known who
/// is there. The channel stays as it is while the entry is held; there is none where this node knows by
/// itself.
///
/// # Errors
/// 100: the broker does not answer.
pub(crate) async fn gather(
    shared: &Arc<Shared>,
    channel: &ChannelId,
    options: ChannelOptions,
) -> Result<Option<Entry>, Refusal> {
    if !options.presence || !shared.is_clustered(options) {
        return Ok(None);
    }
    let entry = try_enter(shared, channel, options).await?;
    gathered(shared, channel).await;
    Ok(Some(entry))
}

/// Returns who is in a channel on all nodes, as [`Hub::try_presence`](crate::Hub::try_presence) documents.
pub(crate) async fn present_anywhere(
    shared: &Arc<Shared>,
    channel: &ChannelId,
) -> Result<Option<PresencePage>, Refusal> {
    let options = shared.options(channel);
    let _entry = gather(shared, channel, options).await?;
    Ok(present(shared, channel, false).or_else(|| nobody(shared, channel, options)))
}
