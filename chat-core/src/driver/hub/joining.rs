//! Takes sessions into channels, and out of them.

use std::sync::Arc;

use super::cluster::Cluster;
use super::fanout::{deliver_to, flush};
use super::notices::tell;
use super::presence::tell_later;
use super::shared::Shared;
use super::store::entry::Entry;
use super::sweep::sweep_later;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::trace;
use crate::lock::lock;
use crate::machine::{Joined, Joining};
use crate::model::{ChannelId, Recovery, SessionId};

/// Takes a session into the channel that is entered.
///
/// # Errors
/// The failed recovery, if the session joins only with all that it missed. It has not joined then.
pub(crate) fn join(
    shared: &Arc<Shared>,
    entry: &Entry,
    joining: Joining,
    subscription: impl FnOnce(&Joined) -> Arc<Subscription>,
) -> Result<(Joined, Arc<Subscription>), Recovery> {
    let (channel, session, now) = (&entry.channel, joining.who.id, joining.now);
    let index = shared.shard_index(channel);
    let mut shard = lock(&shared.shards[index]);
    let joined = shard.subscribe(channel, joining, subscription);
    let (tells, stranded) = (shard.next_telling().is_some(), shard.take_stranded(channel));
    let (rests, noticed) = (shard.next_deadline().is_some(), shard.is_untold());
    let speaks = shard.next_words().is_some_and(|at| at <= now);
    drop(shard);
    match &joined {
        Ok(_) => {
            shared.metrics.joined.add(1);
            trace::joined(session, channel);
        }
        Err(_) if rests => sweep_later(shared),
        Err(_) => {}
    }
    if stranded {
        flush(shared, channel);
    }
    if noticed {
        tell(shared, index);
    }
    if tells {
        tell_later(shared);
    }
    if speaks {
        shared.cluster.iter().for_each(Cluster::wake);
    }
    joined
}

/// Takes the session out of the channel. It still receives what was published there before, and nothing after
/// that.
pub(crate) fn leave(shared: &Arc<Shared>, channel: &ChannelId, session: SessionId) {
    let now = shared.runtime.instant();
    let index = shared.shard_index(channel);
    let mut shard = lock(&shared.shards[index]);
    let left = shard.unsubscribe(channel, session, now);
    let (rests, tells) = (shard.next_deadline().is_some(), shard.next_telling().is_some());
    let (noticed, speaks) = (shard.is_untold(), shard.next_words().is_some_and(|at| at <= now));
    drop(shard);
    if rests {
        sweep_later(shared);
    }
    if tells {
        tell_later(shared);
    }
    if speaks {
        shared.cluster.iter().for_each(Cluster::wake);
    }
    let Some(left) = left else { return };
    shared.metrics.left.add(1);
    trace::left(session, channel);
    if !left.undelivered.is_empty() {
        let delivery = deliver_to(&left.subscriber, &left.undelivered);
        shared.metrics.delivered(delivery);
    }
    left.subscriber.end();
    if noticed {
        tell(shared, index);
    }
}
