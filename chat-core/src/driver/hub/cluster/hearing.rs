//! Takes in what the broker hands over, in its order.

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
use crate::model::ChannelId;
use crate::port::broker::Heard;

/// Sets how often the channels are compared with a broker that may lose something without a word.
const COMPARE: Duration = Duration::from_secs(40);

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

/// Is what the task does next.
enum Next {
    Heard(Heard),
    Missed(ChannelId),
    Compare,
}

async fn hear(shared: Weak<Shared>, heard: Receiver<Heard>, missed: Receiver<ChannelId>) {
    let Some(runtime) = shared.upgrade().map(|shared| shared.runtime.clone()) else { return };
    let mut compare = runtime.sleep_until(runtime.after(COMPARE));
    loop {
        let next = {
            let told = std::pin::pin!(heard.recv());
            let asked = std::pin::pin!(missed.recv());
            match select(select(told, asked), &mut compare).await {
                Either::Left((Either::Left((Ok(heard), _)), _)) => Next::Heard(heard),
                Either::Left((Either::Right((Ok(channel), _)), _)) => Next::Missed(channel),
                Either::Left(_) => return,
                Either::Right(_) => Next::Compare,
            }
        };
        let Some(shared) = shared.upgrade() else { return };
        let Some(cluster) = &shared.cluster else { return };
        match next {
            Next::Heard(heard) => take(&shared, cluster, heard).await,
            Next::Missed(channel) => repair::compare(&shared, cluster, vec![channel]).await,
            Next::Compare => {
                if !cluster.broker.promises().reliable {
                    repair::compare_all(&shared, cluster).await;
                }
                compare.as_mut().reset(runtime.after(COMPARE));
            }
        }
    }
}

async fn take(shared: &Arc<Shared>, cluster: &Cluster, heard: Heard) {
    match heard {
        Heard::Published { channel, stand, ephemeral, body } => {
            let publication = envelope::decode(&channel, stand, ephemeral, &body).map(Arc::new);
            if publication.is_none() {
                shared.metrics.broker_corrupt.add(1);
            }
            if let Some(early) = lock(&cluster.early).get_mut(&channel) {
                return early.add(stand, publication);
            }
            if !take_in(shared, &channel, stand, publication) {
                repair::compare(shared, cluster, vec![channel]).await;
            }
        }
        Heard::Told { channel: None, body } if telling::heed_beat(shared, cluster, &body) => {}
        Heard::Told { channel: None, body } if telling::heed_tally(shared, cluster, &body) => {}
        Heard::Told { channel: None, body } if words::heed(shared, cluster, &body) => {}
        Heard::Told { channel: Some(channel), body } if telling::heed(shared, cluster, &channel, &body) => {}
        Heard::Told { .. } => shared.metrics.broker_corrupt.add(1),
        Heard::Corrupt => shared.metrics.broker_corrupt.add(1),
        Heard::Deaf => cluster.is_lost(shared.runtime.instant()),
        Heard::Back => {
            repair::compare_all(shared, cluster).await;
            cluster.is_back();
            telling::ask_again(shared, cluster);
        }
    }
}
