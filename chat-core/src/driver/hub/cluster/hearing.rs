//! Takes in what the broker hands over, in its order.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_channel::Receiver;
use futures::future::{Either, select};
use futures::{FutureExt, TryFutureExt};

use super::taking::take_in;
use super::{Cluster, envelope, repair, telling, words};
use crate::driver::caught::discard;
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::model::{ChannelId, Instant};
use crate::port::broker::Heard;

/// Sets how often the channels are compared with a broker that may lose something without a word.
const COMPARE: Duration = Duration::from_secs(40);

/// Sets the pause before channels are compared again about which the broker failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens to the broker for as long as there is the hub.
pub(crate) fn listen(shared: &Arc<Shared>) {
    let Some(cluster) = &shared.cluster else { return };
    let (broker, to) = (cluster.broker.clone(), cluster.heard.0.clone());
    let weak = Arc::downgrade(shared);
    shared.runtime.spawn(Box::pin(async move {
        let running =
            AssertUnwindSafe(async { broker.run(to.clone()).await }).catch_unwind().map_err(discard);
        let ended = select(Box::pin(running), Box::pin(to.closed())).await;
        // A broker that ends by itself is heard no more.
        if let (Either::Left(_), Some(shared)) = (ended, weak.upgrade()) {
            shared.metrics.broker_errors.add(1);
            let now = shared.runtime.instant();
            shared.cluster.iter().for_each(|cluster| cluster.is_lost(now));
        }
    }));
    let (heard, missed) = (cluster.heard.1.clone(), cluster.missed.1.clone());
    shared.runtime.spawn(Box::pin(hear(Arc::downgrade(shared), heard, missed)));
}

/// Bounds what is heard in a row before it is looked whether something else is to be done: a broker that
/// always has more to say must not put that off for ever.
const IN_A_ROW: u64 = 256;

/// Is what the task does next.
enum Next {
    Heard(Heard),
    Missed(ChannelId),
    Compare,
}

async fn hear(shared: Weak<Shared>, heard: Receiver<Heard>, missed: Receiver<ChannelId>) {
    let Some(runtime) = shared.upgrade().map(|shared| shared.runtime.clone()) else { return };
    let mut again = Again { names: BTreeSet::new(), all: runtime.after(COMPARE), at: Instant::START };
    let mut set = again.next();
    let mut timer = runtime.sleep_until(set);
    for turn in 1_u64.. {
        let look = turn.is_multiple_of(IN_A_ROW);
        let put_off = if look { put_off(&missed, set <= runtime.instant()) } else { None };
        let next = if let Some(next) = put_off {
            next
        } else {
            let told = std::pin::pin!(heard.recv());
            let asked = std::pin::pin!(missed.recv());
            match select(select(told, asked), &mut timer).await {
                Either::Left((Either::Left((Ok(heard), _)), _)) => Next::Heard(heard),
                Either::Left((Either::Right((Ok(channel), _)), _)) => Next::Missed(channel),
                Either::Left(_) => return,
                Either::Right(_) => Next::Compare,
            }
        };
        let Some(shared) = shared.upgrade() else { return };
        let Some(cluster) = &shared.cluster else { return };
        let step = async {
            match next {
                Next::Heard(heard) => take(&shared, cluster, heard).await,
                Next::Missed(channel) => repair::compare(&shared, cluster, vec![channel]).await,
                Next::Compare => again.compare(&shared, cluster).await,
            }
        };
        // Whatever panics, the node goes on to hear: what it may have missed by it is compared.
        let failed = AssertUnwindSafe(step).catch_unwind().await.unwrap_or_else(|panic| {
            discard(panic);
            shared.metrics.hook_panics.add(1);
            shared.shards.iter().flat_map(|shard| lock(shard).clustered()).collect()
        });
        // While the broker is away nothing need be asked again: all are compared when it is back.
        let failed = if cluster.deaf_since().is_none() { failed } else { Vec::new() };
        again.add(failed, runtime.after(AGAIN));
        if again.next() != set {
            set = again.next();
            timer.as_mut().reset(set);
        }
    }
}

/// Returns what is to be done beside what is heard, if there is something.
fn put_off(missed: &Receiver<ChannelId>, is_due: bool) -> Option<Next> {
    if is_due { Some(Next::Compare) } else { missed.try_recv().ok().map(Next::Missed) }
}

/// Holds when channels are compared though nothing was heard.
struct Again {
    /// Lists those about which the broker failed.
    names: BTreeSet<ChannelId>,
    /// Holds when these are compared again.
    at: Instant,
    /// Holds when all are compared, unless the broker notices losses itself.
    all: Instant,
}

impl Again {
    /// Adds channels about which the broker failed. If there were none before, they are compared at this
    /// time.
    fn add(&mut self, failed: Vec<ChannelId>, at: Instant) {
        if self.names.is_empty() {
            self.at = at;
        }
        self.names.extend(failed);
    }

    fn next(&self) -> Instant {
        if self.names.is_empty() { self.all } else { self.all.min(self.at) }
    }

    /// Compares what is due. Returns the channels about which the broker failed.
    async fn compare(&mut self, shared: &Arc<Shared>, cluster: &Cluster) -> Vec<ChannelId> {
        let now = shared.runtime.instant();
        let mut failed = Vec::new();
        if self.at <= now {
            let names = std::mem::take(&mut self.names).into_iter().collect();
            failed = repair::compare(shared, cluster, names).await;
        }
        if self.all <= now {
            if !cluster.broker.promises().reliable {
                failed.extend(repair::compare_all(shared, cluster).await);
            }
            self.all = shared.runtime.after(COMPARE);
        }
        failed
    }
}

/// Takes in what was heard. Returns the channels about which the broker failed.
async fn take(shared: &Arc<Shared>, cluster: &Cluster, heard: Heard) -> Vec<ChannelId> {
    match heard {
        Heard::Published { channel, stand, ephemeral, body } => {
            let publication = envelope::decode(&channel, stand, ephemeral, &body).map(Arc::new);
            if publication.is_none() {
                shared.metrics.broker_corrupt.add(1);
            }
            if let Some(early) = lock(&cluster.early).get_mut(&channel) {
                early.add(stand, publication);
            } else if !take_in(shared, &channel, stand, publication) {
                return repair::compare(shared, cluster, vec![channel]).await;
            }
        }
        Heard::Told { channel: None, body } if telling::heed_beat(shared, cluster, &body) => {}
        Heard::Told { channel: None, body } if telling::heed_tally(shared, cluster, &body) => {}
        Heard::Told { channel: None, body } if words::heed(shared, cluster, &body) => {}
        Heard::Told { channel: Some(channel), body } if telling::heed(shared, cluster, &channel, &body) => {}
        Heard::Told { .. } | Heard::Corrupt => shared.metrics.broker_corrupt.add(1),
        Heard::Deaf => cluster.is_lost(shared.runtime.instant()),
        Heard::Back => {
            cluster.joining_has_missed();
            let failed = repair::compare_all(shared, cluster).await;
            cluster.is_back();
            telling::ask_again(shared, cluster);
            return failed;
        }
    }
    Vec::new()
}
