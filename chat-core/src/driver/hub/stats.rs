//! Reads how much a hub holds and what it has counted.

use super::metrics::Stats;
use super::shared::Shared;
use crate::lock::lock;
use crate::machine::Incarnation;

/// Returns how much the hub holds now, and what it has counted since it was built.
pub(crate) fn stats(shared: &Shared) -> Stats {
    let outboxes = shared.permits.outboxes();
    let mut stats = Stats {
        sessions: shared.permits.count(),
        history_bytes: shared.common.histories.bytes(),
        unstored: unstored(shared),
        outbox_bytes: outboxes.iter().map(|outbox| outbox.load().bytes).sum(),
        ..shared.metrics.read()
    };
    for shard in &shared.shards {
        let shard = lock(shard);
        stats.channels += shard.channels();
        stats.channel_visits += shard.visits();
    }
    stats
}

fn unstored(shared: &Shared) -> u64 {
    let heard = shared.common.incarnation.as_ref().map_or(0, Incarnation::unstored);
    heard + shared.metrics.undeferred.read()
}
