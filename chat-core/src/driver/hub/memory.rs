//! The bounds over all sessions and channels together: who goes when too much waits, and which channels when too much is kept.

use std::cmp::Reverse;

use super::shared::Shared;
use crate::lock::lock;
use crate::model::ChannelId;

/// If more waits than may in all sessions together, those go for whom the most waits, until a tenth is free again.
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
        // What a transport has begun stays for a moment: it counts as gone all the same, or everybody would go for it.
        excess = excess.saturating_sub(weight);
        shared.metrics.dropped("slow", outbox.make_room());
    }
}

/// While all histories weigh too much, those channels go that nobody is in; if none is left, the one is cut that has grown.
pub(crate) fn make_room(shared: &Shared, grown: &ChannelId) {
    let_idle_go(shared);
    if shared.common.histories.over() > 0 {
        lock(shared.shard(grown)).shrink(grown);
    }
}

/// While all histories weigh too much, those channels go that nobody is in, the one that has rested longest first, wherever it is.
pub(crate) fn let_idle_go(shared: &Shared) {
    let common = &shared.common;
    while common.histories.over() > 0
        && let Some(longest) = common.order.longest()
    {
        lock(&shared.shards[longest.shard]).make_room(longest.until);
    }
}
