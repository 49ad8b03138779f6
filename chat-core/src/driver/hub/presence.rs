//! Who is in a channel: asked, and told in time.

use std::sync::{Arc, Weak};

use super::fanout::flush;
use super::shared::Shared;
use crate::lock::lock;
use crate::machine::{PRESENCE_BYTES, Space};
use crate::model::{ChannelId, ChannelOptions, Instant, PresencePage, SharedInfo};

/// That nobody is in a channel that is not there, if it would know.
pub(crate) fn nobody(shared: &Shared, channel: &ChannelId, options: ChannelOptions) -> Option<PresencePage> {
    (options.presence && shared.place(channel).is_none()).then(PresencePage::default)
}

/// Who is in a channel that is there, of which what others see of a user is told once for each of its sessions, or once.
pub(crate) fn present(shared: &Shared, channel: &ChannelId, by_session: bool) -> Option<PresencePage> {
    lock(shared.shard(channel)).present(channel, space(shared, by_session))
}

/// How much of who is there one answer tells.
pub(crate) fn space(shared: &Shared, by_session: bool) -> Space {
    let bytes = PRESENCE_BYTES.min(shared.limits.outbox_bytes / 4).max(1);
    Space { entries: shared.limits.answer_entries, bytes, by_session }
}

/// A session that is in the channel has another name or other data.
pub(crate) fn renew(shared: &Arc<Shared>, channel: &ChannelId, who: &SharedInfo) {
    lock(shared.shard(channel)).renew(channel, who, shared.runtime.now().instant);
    tell_later(shared);
}

/// Sees to it that joins and leaves are told in time, now that there are such.
pub(crate) fn tell_later(shared: &Arc<Shared>) {
    let Some(duty) = shared.telling.take() else { return };
    let (weak, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
    shared.runtime.spawn(Box::pin(async move {
        while let Some(next) = tell(&weak) {
            runtime.sleep_until(next).await;
        }
        drop(duty);
        // Who came or went in between has called nobody.
        if let Some(shared) = weak.upgrade().filter(|shared| next_telling(shared).is_some()) {
            tell_later(&shared);
        }
    }));
}

fn next_telling(shared: &Shared) -> Option<Instant> {
    shared.shards.iter().filter_map(|shard| lock(shard).next_telling()).min()
}

/// When to come back; none if there is nothing to wait for.
fn tell(shared: &Weak<Shared>) -> Option<Instant> {
    let shared = shared.upgrade()?;
    let now = shared.runtime.now().instant;
    for shard in &shared.shards {
        let told = lock(shard).tell_presence(now);
        told.iter().for_each(|channel| flush(&shared, channel));
    }
    next_telling(&shared)
}
