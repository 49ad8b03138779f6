//! Joins channels at the broker before they are used, and leaves them once nobody uses them.

use std::sync::Arc;

use super::asking::ask;
use super::early::Early;
use super::{Cluster, envelope};
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::machine::Restored;
use crate::model::{ChannelId, ChannelOptions, Offset, Place};
use crate::port::broker::{BrokerError, BrokerFault, Entry, Join, Joined, Stand};

impl Cluster {
    /// Joins a channel, and returns it as the broker knows it. What is heard of it from now on waits until
    /// [`end_joining`](Self::end_joining), which is to be called whatever the outcome.
    pub(crate) async fn join(
        &self,
        shared: &Shared,
        channel: &ChannelId,
        options: &ChannelOptions,
    ) -> Result<Restored, BrokerError> {
        self.is_reached().await;
        let turn = self.turns.lock().await;
        lock(&self.early).insert(channel.clone(), Early::default());
        drop(turn);
        self.ask_to_join(shared, channel, options).await
    }

    pub(super) async fn ask_to_join(
        &self,
        shared: &Shared,
        channel: &ChannelId,
        options: &ChannelOptions,
    ) -> Result<Restored, BrokerError> {
        let joins = vec![Join::new(channel.clone(), options.history)];
        let joined = ask(shared, async { self.broker.join(joins).await }).await?.pop();
        let joined =
            joined.ok_or_else(|| BrokerError::new(BrokerFault::Corrupt, "the broker gave no answer"))?;
        Ok(restored(channel, joined))
    }

    /// Takes out what was heard of a channel while it was being joined.
    pub(crate) fn end_joining(&self, channel: &ChannelId) -> Early {
        lock(&self.early).remove(channel).unwrap_or_default()
    }

    /// Notes that something may be lost of each channel that is just being joined: it is compared once it is.
    pub(super) fn joining_has_missed(&self) {
        lock(&self.early).values_mut().for_each(|early| early.more = true);
    }

    /// Asks for a channel to be compared with the broker, since something of it was not taken in.
    pub(crate) fn has_missed(&self, channel: &ChannelId) {
        // An error means that the hub is gone.
        let _ = self.missed.0.try_send(channel.clone());
    }
}

/// Returns a channel as the broker knows it. One that cannot be read, and all before it, is as if it were not
/// kept.
pub(super) fn restored(channel: &ChannelId, joined: Joined) -> Restored {
    let Joined { stand, kept, .. } = joined;
    let decode =
        |entry: &Entry| envelope::decode(channel, Stand::new(stand.epoch, entry.offset), false, &entry.body);
    let expected = (1..=stand.offset.0).rev().map(Offset);
    let newest_first = kept.iter().rev().zip(expected);
    let mut publications: Vec<_> = newest_first
        .take_while(|(entry, offset)| entry.offset == *offset)
        .map_while(|(entry, _)| decode(entry))
        .collect();
    publications.reverse();
    let place = Place { seq: stand.offset.0, offset: stand.offset };
    // A channel to which nothing was ever published is as good as none.
    let unopened = (stand.offset == Offset(0)).then_some(0);
    Restored {
        epoch: stand.epoch,
        place,
        publications,
        keys: Vec::new(),
        read: Vec::new(),
        unopened,
        clustered: true,
    }
}

/// Leaves the channels that are no longer in memory.
pub(crate) fn leave_later(shared: &Arc<Shared>, names: Vec<ChannelId>) {
    if names.is_empty() || shared.cluster.is_none() {
        return;
    }
    let shared = shared.clone();
    shared.clone().runtime.spawn(Box::pin(async move {
        let Some(cluster) = &shared.cluster else { return };
        let _turn = cluster.turns.lock().await;
        let unused =
            |name: &ChannelId| shared.place(name).is_none() && !lock(&cluster.early).contains_key(name);
        let names: Vec<_> = names.into_iter().filter(unused).collect();
        if !names.is_empty() && ask(&shared, async { cluster.broker.leave(names).await }).await.is_err() {
            shared.metrics.broker_errors.add(1);
        }
    }));
}
