//! Gives messages their place in a channel, and makes room for them.

use std::sync::Arc;

use futures::channel::oneshot;

use super::cluster::lanes::submit;
use super::memory::make_room;
use super::notices::tell;
use super::shared::Shared;
use super::store::appended::{Appended, Waits};
use super::store::entry::Entry;
use super::store::writing::store_later;
use super::sweep::sweep_later;
use crate::lock::lock;
use crate::machine::{Draft, Placed, StoreState};
use crate::model::{Author, ChannelId, Instant, Offset, Publish, Published, Refusal, SessionInfo, Storage};
use crate::port::PublishContext;

/// Gives a message its place in the channel that is entered. Without a session, the server itself is the
/// sender. With `waits`, and where the channel is durable, its publisher may wait until the message is
/// stored.
pub(crate) fn append(
    shared: &Arc<Shared>,
    publish: Publish,
    by: Option<&SessionInfo>,
    mut entry: Entry,
    waits: bool,
) -> Appended {
    shared.metrics.publications.add(1);
    let clustered = shared.cluster.as_ref().filter(|_| shared.is_clustered(entry.options));
    let Publish { content, event, key, refers, ephemeral, .. } = publish;
    let (now, key) = (shared.runtime.now(), key.map(Arc::from));
    let waits = waits && entry.options.storage == Storage::Durable && !ephemeral;
    let (receipt, stored) = waits.then(oneshot::channel).unzip();
    let (from, author) = by.map(|session| (session.id, session.user.clone())).unzip();
    let sender = by.map_or(&shared.name, |session| &session.name).clone();
    let draft = Draft { from, author, sender, content, event, key, refers, ephemeral, receipt, now };
    if let Some(cluster) = clustered {
        let submitted = submit(shared, cluster, &entry.channel, draft, entry.options);
        let stored = submitted.map_or_else(Waits::Refused, Waits::Placed);
        return Appended { published: Published::Deferred, flush: false, stored };
    }
    let shard = shared.shard_index(&entry.channel);
    let placed = give_place(shared, shard, &mut entry, draft, now.instant);
    if placed.published.subscribers() == 0 {
        sweep_later(shared);
    }
    let appended = appended(shared, placed, stored);
    if shared.common.histories.over() > 0 {
        make_room(shared, &entry.channel);
    }
    tell(shared, shard);
    appended
}

/// Gives a message its place, and unpins the entered channel under the same lock.
fn give_place(shared: &Shared, shard: usize, entry: &mut Entry, draft: Draft, now: Instant) -> Placed {
    let Entry { channel, options, pin } = entry;
    let pinned = pin.take();
    let mut shard = lock(&shared.shards[shard]);
    let placed = match shard.publish(channel, draft) {
        Ok(placed) => placed,
        Err(draft) => shard.publish_anew(channel, draft, *options),
    };
    if pinned.is_some() {
        shard.unpin(channel, now);
    }
    placed
}

/// Returns the author of this publication, if it is kept.
pub(crate) fn author(shared: &Shared, channel: &ChannelId, offset: Offset) -> Option<Author> {
    lock(shared.shard(channel)).author(channel, offset)
}

/// Checks that a publication edits or deletes only what its user has written and what is kept, unless the
/// endpoint decides otherwise.
pub(crate) fn may_refer(shared: &Shared, publish: &Publish, by: &SessionInfo) -> Result<(), Refusal> {
    let Some(refers) = publish.refers.filter(|_| !publish.moderates) else { return Ok(()) };
    let author = author(shared, &publish.channel, refers.offset());
    PublishContext { author, ..PublishContext::default() }.may_change(by)
}

/// Returns what this user published before under the same key, if that is remembered.
pub(crate) fn published_before(
    shared: &Arc<Shared>,
    publish: &Publish,
    by: &SessionInfo,
    entry: &Entry,
    waits: bool,
) -> Option<Appended> {
    let (key, now) = (publish.key.as_ref()?, shared.runtime.instant());
    let waits = waits && entry.options.storage == Storage::Durable;
    let (receipt, stored) = waits.then(oneshot::channel).unzip();
    let mut shard = lock(shared.shard(&publish.channel));
    let placed = shard.published_before(&publish.channel, &by.user, key, receipt, now);
    drop(shard);
    placed.map(|placed| appended(shared, placed, stored))
}

fn appended(shared: &Arc<Shared>, placed: Placed, stored: Option<oneshot::Receiver<bool>>) -> Appended {
    let Placed { published, flush, stored: state, receipt } = placed;
    // The receipt is dropped here, under no lock, since that wakes its waiter.
    drop(receipt);
    if state == StoreState::UnderWay {
        store_later(shared);
    }
    let stored = match (state, stored) {
        (StoreState::UnderWay, Some(stored)) => Waits::For(stored),
        (StoreState::Never, Some(_)) => Waits::Never,
        _ => Waits::No,
    };
    Appended { published, flush, stored }
}
