//! Keeps the bounds over all sessions and channels together: closes sessions when too much waits, and removes
//! channels when too much is kept.

use std::cmp::Reverse;

use super::shared::Shared;
use crate::lock::lock;
use crate::model::ChannelId;

/// Makes room if more waits than may in all sessions together: those for which the most waits go first, until
/// a tenth of the bound is free.
pub(crate) fn shed_load(shared: &Shared) {
    let memory = &shared.memory;
    if memory.bytes() <= memory.bound {
        return;
    }
    let Some(_duty) = memory.shedding.take() else { return };
    let claims = shared.permits.outboxes().into_iter().map(|outbox| (outbox.claim(), outbox));
    let mut outboxes: Vec<_> = claims.filter(|((_, weight), _)| *weight > 0).collect();
    outboxes.sort_unstable_by_key(|(claim, _)| Reverse(*claim));
    let mut excess = memory.bytes().saturating_sub(memory.bound - memory.bound / 10);
    for ((_, weight), outbox) in outboxes {
        if excess == 0 {
            break;
        }
        // What a transport has begun to write stays for a moment. It counts as gone all the same, or every
        // session would have to make room.
        excess = excess.saturating_sub(weight);
        shared.metrics.dropped("slow", outbox.make_room());
    }
}

/// Removes channels without subscribers while all histories together weigh too much; if none is left, cuts
/// the history of the channel that has grown.
pub(crate) fn make_room(shared: &Shared, grown: &ChannelId) {
    let_idle_go(shared);
    if shared.common.histories.over() > 0 {
        lock(shared.shard(grown)).shrink(grown);
    }
}

/// Removes channels without subscribers while all histories together weigh too much, the one that has been
/// idle longest first, whichever shard it is in.
pub(crate) fn let_idle_go(shared: &Shared) {
    let common = &shared.common;
    while common.histories.over() > 0
        && let Some(longest) = common.order.longest()
    {
        lock(&shared.shards[longest.shard]).make_room(longest.until);
    }
}
