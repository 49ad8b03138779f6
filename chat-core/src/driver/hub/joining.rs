//! Takes sessions into channels, and out of them.

use std::sync::Arc;

use super::fanout::{deliver_to, flush};
use super::presence::tell_later;
use super::shared::Shared;
use super::store::entry::Entry;
use super::sweep::sweep_later;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::trace;
use crate::lock::lock;
use crate::machine::{Joined, Joining};
use crate::model::{ChannelId, SessionId};

/// Takes a session into the channel that is entered.
pub(crate) fn join(
    shared: &Arc<Shared>,
    entry: &Entry,
    joining: Joining,
    subscription: impl FnOnce(&Joined) -> Arc<Subscription>,
) -> (Joined, Arc<Subscription>) {
    shared.metrics.joined.add(1);
    let channel = &entry.channel;
    trace::joined(joining.who.id, channel);
    let mut shard = lock(shared.shard(channel));
    let joined = shard.subscribe(channel, joining, subscription);
    let (tells, stranded) = (shard.next_telling().is_some(), shard.take_stranded(channel));
    drop(shard);
    if stranded {
        flush(shared, channel);
    }
    if tells {
        tell_later(shared);
    }
    joined
}

/// Takes the session out of the channel. It still receives what was published there before, and nothing after
/// that.
pub(crate) fn leave(shared: &Arc<Shared>, channel: &ChannelId, session: SessionId) {
    let now = shared.runtime.now().instant;
    let (left, rests, tells) = {
        let mut shard = lock(shared.shard(channel));
        let left = shard.unsubscribe(channel, session, now);
        (left, shard.next_deadline().is_some(), shard.next_telling().is_some())
    };
    if rests {
        sweep_later(shared);
    }
    if tells {
        tell_later(shared);
    }
    let Some(left) = left else { return };
    shared.metrics.left.add(1);
    trace::left(session, channel);
    if !left.undelivered.is_empty() {
        let delivery = deliver_to(&left.subscriber, &left.undelivered);
        shared.metrics.delivered(delivery);
    }
    left.subscriber.end();
}
