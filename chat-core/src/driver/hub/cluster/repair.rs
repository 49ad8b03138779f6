//! Compares channels with the broker: reads what they missed, and where that cannot be known any more, takes
//! their subscribers out, who then come back and are told what they can have.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::asking::ask;
use super::joining::leave_later;
use super::taking::take_in;
use super::{Cluster, envelope};
use crate::driver::hub::fanout::deliver_to;
use crate::driver::hub::shared::Shared;
use crate::driver::outbox::control::Order;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::trace;
use crate::lock::lock;
use crate::machine::Left;
use crate::model::{ChannelId, Epoch, HistoryRequest, Offset, Refusal};
use crate::port::broker::{BrokerError, BrokerFault, Stand};

/// Bounds the channels that are asked about at once.
const AT_ONCE: usize = 256;

/// Bounds the channels that are repaired at once.
const TOGETHER: usize = 8;

/// Bounds the publications that are read at once.
const PAGE: usize = 256;

/// Bounds the bytes that are read at once.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Sets how many sessions are told at once that they are out of a channel, and the pause before the next, so
/// that they do not all come back at the same moment.
const TOLD: (usize, Duration) = (64, Duration::from_millis(20));

/// Compares all channels that are joined. Returns those about which the broker failed.
pub(super) async fn compare_all(shared: &Arc<Shared>, cluster: &Cluster) -> Vec<ChannelId> {
    compare(shared, cluster, shared.shards.iter().flat_map(|shard| lock(shard).clustered()).collect()).await
}

/// Compares these channels. Returns those about which the broker failed, which are to be compared again.
pub(super) async fn compare(
    shared: &Arc<Shared>,
    cluster: &Cluster,
    names: Vec<ChannelId>,
) -> Vec<ChannelId> {
    let mut failed = Vec::new();
    for names in names.chunks(AT_ONCE) {
        failed.extend(compare_some(shared, cluster, names.to_vec()).await);
    }
    failed
}

async fn compare_some(shared: &Arc<Shared>, cluster: &Cluster, names: Vec<ChannelId>) -> Vec<ChannelId> {
    let stands = ask(shared, async { cluster.broker.stands(names.clone()).await }).await;
    let mut failed = Vec::new();
    match stands {
        Ok(stands) => {
            let compared = stream::iter(names.into_iter().zip(stands)).map(async |(channel, stand)| {
                let compared = compare_one(shared, cluster, &channel, stand).await;
                compared.err().and_then(|error| has_failed(shared, channel, &error))
            });
            failed = compared.buffer_unordered(TOGETHER).filter_map(ready).collect().await;
        }
        // One that is spoiled in the broker spoils the answer for all.
        Err(error) if error.fault() == BrokerFault::Corrupt && names.len() > 1 => {
            for name in names {
                failed.extend(Box::pin(compare_some(shared, cluster, vec![name])).await);
            }
        }
        Err(error) => failed.extend(names.into_iter().filter_map(|name| has_failed(shared, name, &error))),
    }
    failed
}

/// Counts a failure of the broker. Returns the channel if it is to be compared again. One that is spoiled in
/// the broker stays so: its subscribers are taken out, and who joins it is told what is wrong.
fn has_failed(shared: &Arc<Shared>, channel: ChannelId, error: &BrokerError) -> Option<ChannelId> {
    shared.metrics.broker_errors.add(1);
    trace::broker_failed(error);
    if error.fault() != BrokerFault::Corrupt {
        return Some(channel);
    }
    shared.metrics.broker_resets.add(1);
    let lefts = lock(shared.shard(&channel)).give_up(&channel, shared.runtime.instant());
    take_out(shared, channel.clone(), lefts);
    leave_later(shared, vec![channel]);
    None
}

async fn compare_one(
    shared: &Arc<Shared>,
    cluster: &Cluster,
    channel: &ChannelId,
    stand: Stand,
) -> Result<(), BrokerError> {
    let Some((epoch, last)) = shared.place(channel) else { return Ok(()) };
    if (stand.epoch, stand.offset) == (epoch, last) {
        return Ok(());
    }
    let follows = stand.epoch == epoch && stand.offset >= last;
    if !(follows && read_on(shared, cluster, channel, epoch, last).await?) {
        begin_anew(shared, cluster, channel).await?;
    }
    Ok(())
}

/// Reads what a channel missed. Returns false if not all of it is kept.
async fn read_on(
    shared: &Arc<Shared>,
    cluster: &Cluster,
    channel: &ChannelId,
    epoch: Epoch,
    mut last: Offset,
) -> Result<bool, BrokerError> {
    loop {
        let request = HistoryRequest::of(channel.clone(), PAGE).with_after(last);
        let page = ask(shared, async { cluster.broker.read(request, PAGE_BYTES).await }).await?;
        for entry in &page.entries {
            let stand = Stand::new(epoch, entry.offset);
            let publication = envelope::decode(channel, stand, false, &entry.body).map(Arc::new);
            if page.stand.epoch != epoch || !take_in(shared, channel, stand, publication) {
                return Ok(false);
            }
            last = entry.offset;
        }
        if page.stand.epoch != epoch || page.entries.is_empty() || !page.more {
            return Ok(page.stand.epoch == epoch && last >= page.stand.offset);
        }
    }
}

/// Takes out all subscribers of a channel, whose place is not known any more, and lets it continue where the
/// broker stands.
async fn begin_anew(shared: &Arc<Shared>, cluster: &Cluster, channel: &ChannelId) -> Result<(), BrokerError> {
    let options = shared.kept(channel).unwrap_or(shared.channel);
    let restored = cluster.ask_to_join(shared, channel, &options).await?;
    shared.metrics.broker_resets.add(1);
    let now = shared.runtime.now();
    let lefts = lock(shared.shard(channel)).begin_anew(channel, restored, now);
    cluster.wake();
    take_out(shared, channel.clone(), lefts);
    if shared.place(channel).is_none() {
        leave_later(shared, vec![channel.clone()]);
    }
    Ok(())
}

/// Ends subscriptions whose channel has lost its place, and tells their sessions so.
fn take_out(shared: &Arc<Shared>, channel: ChannelId, lefts: Vec<Left<Arc<Subscription>>>) {
    let mut out = Vec::with_capacity(lefts.len());
    for left in lefts {
        shared.metrics.left.add(1);
        if !left.undelivered.is_empty() {
            shared.metrics.delivered(deliver_to(&left.subscriber, &left.undelivered));
        }
        left.subscriber.end();
        out.push(left.subscriber);
    }
    if !out.is_empty() {
        shared.runtime.spawn(Box::pin(tell(shared.clone(), channel, out)));
    }
}

async fn tell(shared: Arc<Shared>, channel: ChannelId, out: Vec<Arc<Subscription>>) {
    let why = Refusal::unrecoverable_position("the channel has lost its place");
    for some in out.chunks(TOLD.0) {
        for subscription in some {
            subscription.outbox.order(Order::Unsubscribe(channel.clone(), why.clone()));
        }
        shared.runtime.sleep_until(shared.runtime.after(TOLD.1)).await;
    }
}
