//! What a hub is made of.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::archive::Archive;
use super::encoding::Encodings;
use super::hooks::AnyEndpoint;
use super::hub::{Hub, Inner};
use super::ledger::Ledger;
use super::padded::Padded;
use crate::machine::{Budget, Shard};
use crate::model::{ChannelOptions, HistoryOptions, Limits, SenderName};
use crate::port::{Endpoint, HistoryStore, Runtime};

/// Settings of a [`Hub`], all with defaults.
pub struct HubBuilder {
    endpoint: Arc<dyn AnyEndpoint>,
    limits: Limits,
    channel: ChannelOptions,
    shards: usize,
    name: SenderName,
    store: Option<Arc<dyn HistoryStore>>,
}

impl HubBuilder {
    pub(crate) fn new(endpoint: impl Endpoint) -> Self {
        let name = "server".parse().expect("a name");
        let (limits, channel) = (Limits::default(), ChannelOptions::default());
        Self { endpoint: Arc::new(endpoint), limits, channel, shards: 64, name, store: None }
    }

    /// The bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// What every channel keeps, unless the endpoint says otherwise: so many publications, none older than `age`, and
    /// of these 1 MiB of content at most. Without this, nothing is kept.
    pub fn history(mut self, entries: usize, age: Duration) -> Self {
        self.channel.history = HistoryOptions { entries, bytes: 1024 * 1024, age };
        self
    }

    /// How every channel is kept, unless the endpoint says otherwise.
    pub fn channel(mut self, options: ChannelOptions) -> Self {
        self.channel = options;
        self
    }

    /// Where channels are stored whose [`ChannelOptions::storage`] says so.
    pub fn store(mut self, store: impl HistoryStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Over how many locks the channels are spread: 64 unless told, at least 1.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// The name under which the server itself publishes: `server` unless told. No session speaks under it: one that would is refused with 103 and closed
    /// with 3507. Names are compared byte by byte.
    pub fn name(mut self, name: SenderName) -> Self {
        self.name = name;
        self
    }

    /// The hub, on this runtime.
    pub fn build(self, runtime: impl Runtime) -> Hub {
        let budget = Arc::new(Budget::new(self.limits.history_bytes));
        let waiting = Arc::new(Budget::new(self.limits.store_bytes));
        let shard = |_| Padded(Mutex::new(Shard::new(runtime.random(), budget.clone(), waiting.clone())));
        let shards = (0..self.shards).map(shard).collect();
        Hub(Arc::new(Inner {
            shards,
            budget,
            archive: self.store.map(|store| Archive::new(store, runtime.random())),
            shard_key: runtime.random(),
            endpoint: self.endpoint,
            runtime: Arc::new(runtime),
            ledger: Arc::new(Ledger::new(&self.limits)),
            sweeping: AtomicBool::new(false),
            telling: AtomicBool::new(false),
            limits: self.limits,
            channel: self.channel,
            name: self.name,
            metrics: Padded::default(),
            encodings: Encodings::default(),
            seats: Padded::default(),
            users: Padded::default(),
            next_session: Padded(AtomicU64::new(1)),
        }))
    }
}
