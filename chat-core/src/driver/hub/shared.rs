//! Holds what all parts of a hub share: its fields, and in which shard a channel is.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::cluster::Cluster;
use super::endpoint::AnyEndpoint;
use super::intakes::Intakes;
use super::metrics::Metrics;
use super::permits::Permits;
use super::store::Store;
use super::store::entry::Loads;
use super::users::Users;
use crate::driver::caught::{Panicked, caught};
use crate::driver::duty::Duty;
use crate::driver::outbox::encoding::Encodings;
use crate::driver::outbox::memory::OutboxMemory;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::padded::Padded;
use crate::lock::lock;
use crate::machine::{Common, Incarnation, Record, Records, Shard, Whose};
use crate::model::{ChannelId, ChannelOptions, Epoch, Limits, Offset, Scope, SenderName, Storage};
use crate::port::Runtime;

/// Holds some of the channels, as the hub keeps them.
pub(crate) type HubShard = Mutex<Shard<Arc<Subscription>>>;

/// Holds the fields of a hub.
pub(crate) struct Shared {
    pub(crate) shards: Box<[Padded<HubShard>]>,
    pub(crate) common: Arc<Common>,
    pub(crate) store: Option<Store>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) loads: Loads,
    pub(crate) shard_key: u64,
    pub(crate) endpoint: Arc<dyn AnyEndpoint>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) limits: Limits,
    pub(crate) channel: ChannelOptions,
    pub(crate) memory: Arc<OutboxMemory>,
    pub(crate) intakes: Padded<Intakes>,
    pub(crate) sweeping: Duty,
    pub(crate) telling: Duty,
    pub(crate) name: SenderName,
    pub(crate) metrics: Padded<Metrics>,
    pub(crate) encodings: Encodings,
    pub(crate) permits: Padded<Permits>,
    pub(crate) users: Arc<Padded<Users>>,
    pub(crate) records: Padded<Mutex<Records>>,
    pub(crate) next_session: Padded<AtomicU64>,
}

impl Shared {
    /// Returns the shard that a channel is in.
    pub(crate) fn shard(&self, channel: &ChannelId) -> &HubShard {
        &self.shards[self.shard_index(channel)]
    }

    /// Returns the index of the shard that a channel is in.
    pub(crate) fn shard_index(&self, channel: &ChannelId) -> usize {
        let mut hasher = DefaultHasher::new();
        self.shard_key.hash(&mut hasher);
        channel.hash(&mut hasher);
        hasher.finish() as usize % self.shards.len()
    }

    /// Returns the channel's epoch and last offset, if it is there.
    pub(crate) fn place(&self, channel: &ChannelId) -> Option<(Epoch, Offset)> {
        lock(self.shard(channel)).place(channel)
    }

    /// Returns the options that the endpoint wants for a channel.
    pub(crate) fn options(&self, channel: &ChannelId) -> ChannelOptions {
        self.endpoint.channel(channel, self.channel)
    }

    /// Returns the options that the endpoint wants for a channel, asked in a session's own task.
    pub(crate) fn kept(&self, channel: &ChannelId) -> Result<ChannelOptions, Panicked> {
        caught(|| self.options(channel))
    }

    /// Returns whether a channel with these options is to be restored before it is used: from the store, or
    /// from the broker.
    pub(crate) fn is_restored(&self, options: ChannelOptions) -> bool {
        self.is_clustered(options) || (self.store.is_some() && options.storage != Storage::None)
    }

    /// Returns whether a channel with these options is one with those of other nodes.
    pub(crate) fn is_clustered(&self, options: ChannelOptions) -> bool {
        self.cluster.is_some() && options.scope == Scope::Cluster
    }

    /// Returns the store, for what is only done with one.
    pub(crate) fn stored(&self) -> &Store {
        self.store.as_ref().expect("only a store makes a channel stored")
    }

    /// Returns the hub's incarnation in its store, for what is only done with one.
    pub(crate) fn incarnation(&self) -> &Incarnation {
        self.common.incarnation.as_ref().expect("a hub with a store has a life in it")
    }

    /// Returns what is remembered of earlier sessions of the same user or peer.
    pub(crate) fn remembered(&self, whose: &Whose) -> Record {
        lock(&self.records).of(whose, self.runtime.instant())
    }

    /// Remembers what a session did, if that counts for the next one.
    pub(crate) fn remember(&self, whose: Whose, did: Record) {
        let now = self.runtime.instant();
        if did.until(now).is_some() && lock(&self.records).add(whose, did, self.limits.records, now) {
            self.metrics.cut_short("record");
        }
    }
}
