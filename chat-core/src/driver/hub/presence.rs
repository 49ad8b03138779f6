//! Answers who is in a channel, and tells joins and leaves in time.

use std::sync::{Arc, Weak};

use super::cluster::Cluster;
use super::fanout::flush;
use super::shared::Shared;
use crate::lock::lock;
use crate::machine::{PRESENCE_BYTES, Space};
use crate::model::{ChannelId, ChannelOptions, Instant, PresencePage, SharedInfo};

/// Returns an empty page for a channel that is not there, if it would keep presence.
pub(crate) fn nobody(shared: &Shared, channel: &ChannelId, options: ChannelOptions) -> Option<PresencePage> {
    (options.presence && shared.place(channel).is_none()).then(PresencePage::default)
}

/// Returns who is in a channel that is there. With `by_session`, the data that others see of a user is told
/// once for each of its sessions, and else once.
pub(crate) fn present(shared: &Shared, channel: &ChannelId, by_session: bool) -> Option<PresencePage> {
    lock(shared.shard(channel)).present(channel, space(shared, by_session))
}

/// Returns how much presence one answer tells.
pub(crate) fn space(shared: &Shared, by_session: bool) -> Space {
    let bytes = PRESENCE_BYTES.min(shared.limits.outbox_bytes / 4).max(1);
    Space { entries: shared.limits.answer_entries, bytes, by_session }
}

/// Renews a session's name and data in a channel that it is in.
pub(crate) fn renew(shared: &Arc<Shared>, channel: &ChannelId, who: &SharedInfo) {
    lock(shared.shard(channel)).renew(channel, who, shared.runtime.instant());
    tell_later(shared);
    shared.cluster.iter().for_each(Cluster::wake);
}

/// Starts the task that tells joins and leaves in time, unless it runs already.
pub(crate) fn tell_later(shared: &Arc<Shared>) {
    let Some(duty) = shared.telling.take() else { return };
    let (weak, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
    shared.runtime.spawn(Box::pin(async move {
        while let Some(next) = tell(&weak) {
            runtime.sleep_until(next).await;
        }
        drop(duty);
        // A join or leave in between has started no task.
        if let Some(shared) = weak.upgrade().filter(|shared| next_telling(shared).is_some()) {
            tell_later(&shared);
        }
    }));
}

fn next_telling(shared: &Shared) -> Option<Instant> {
    shared.shards.iter().filter_map(|shard| lock(shard).next_telling()).min()
}

/// Tells the joins and leaves that are due. Returns when the next are due; none if there are none.
fn tell(shared: &Weak<Shared>) -> Option<Instant> {
    let shared = shared.upgrade()?;
    let now = shared.runtime.instant();
    for shard in &shared.shards {
        let told = lock(shard).tell_presence(now);
        told.iter().for_each(|channel| flush(&shared, channel));
    }
    next_telling(&shared)
}
