//! What a hub is made of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::endpoint::AnyEndpoint;
use super::shared::Shared;
use super::store::Store;
use crate::driver::duty::Duty;
use crate::driver::outbox::encoding::Encodings;
use crate::driver::outbox::memory::OutboxMemory;
use crate::driver::padded::Padded;
use crate::machine::{ByteQuota, Common, IdleOrder, Incarnation, Shard};
use crate::model::{ChannelOptions, HistoryOptions, Limits, LimitsError, SenderName};
use crate::port::{Endpoint, HistoryStore, Runtime};

/// Settings of a [`Hub`](crate::Hub), all with defaults.
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

    /// What a hub on this runtime has.
    ///
    /// # Errors
    /// If no hub can work with the [`Limits`].
    pub(super) fn shared(self, runtime: impl Runtime) -> Result<Shared, LimitsError> {
        self.limits.check()?;
        let (number, is_stored) = (number(), self.store.is_some());
        let seed = || runtime.random() ^ number;
        let common = Arc::new(Common {
            histories: ByteQuota::new(self.limits.history_bytes),
            outgoing: ByteQuota::new(self.limits.store_bytes),
            order: IdleOrder::new(self.shards),
            incarnation: self.store.as_ref().map(|_| Incarnation::new(seed())),
        });
        let shard = |index| Padded(Mutex::new(Shard::new(seed(), common.clone(), index)));
        let shards = (0..self.shards).map(shard).collect();
        let first = if is_stored { 1 + (seed() >> LIFE_BITS) } else { 1 };
        Ok(Shared {
            shards,
            common,
            store: self.store.map(Store::new),
            shard_key: runtime.random(),
            endpoint: self.endpoint,
            runtime: Arc::new(runtime),
            memory: Arc::new(OutboxMemory::new(&self.limits)),
            intakes: Padded::default(),
            sweeping: Duty::default(),
            telling: Duty::default(),
            limits: self.limits,
            channel: self.channel,
            name: self.name,
            metrics: Padded::default(),
            encodings: Encodings::default(),
            permits: Padded::default(),
            users: Arc::default(),
            records: Padded::default(),
            next_session: Padded(AtomicU64::new(first)),
        })
    }
}

/// Where a hub has a store, its sessions are numbered from one of 2^40 places: a guest, who is known by the number of its session, is then not taken for a
/// guest of an earlier life, whose messages, keys and marks are stored.
const LIFE_BITS: u32 = 24;

/// Tells the hubs of one process from each other, also where the randomness of their runtimes is the same: neither a store nor a client must take the
/// life of one for that of another.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
