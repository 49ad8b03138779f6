//! Collects the settings of a hub, and builds it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::cluster::Cluster;
use super::cluster::hearing::listen;
use super::cluster::{telling, words};
use super::endpoint::AnyEndpoint;
use super::shared::Shared;
use super::store::Store;
use super::store::entry::Loads;
use crate::driver::duty::Duty;
use crate::driver::outbox::encoding::Encodings;
use crate::driver::outbox::memory::OutboxMemory;
use crate::driver::padded::Padded;
use crate::machine::{ByteQuota, Common, IdleOrder, Incarnation, Shard};
use crate::model::{ChannelOptions, HistoryOptions, Limits, LimitsError, SenderName};
use crate::port::broker::Broker;
use crate::port::{Endpoint, HistoryStore, Runtime};

/// Makes the endpoint of a hub that is being built.
type MakeEndpoint = Box<dyn FnOnce(&Weak<Shared>) -> Arc<dyn AnyEndpoint> + Send>;

/// Collects the settings of a [`Hub`](crate::Hub), all of which have defaults.
///
/// ```
/// # use chat_core::testkit::World;
/// use std::time::Duration;
/// use chat_core::{Hub, HistoryRequest, Limits, OpenChat, Payload};
/// let hub = Hub::builder(OpenChat::default())
///     .limits(Limits::default().with_sessions(100))
///     .history(10, Duration::from_secs(60))
///     .name("desk".parse()?)
///     .build(World::new());
/// hub.publish("news", Payload::json("\"open at nine\""))?;
/// let page = hub.history(&HistoryRequest::of("news".parse()?, 10)).expect("the channel keeps history");
/// assert_eq!(page.publications[0].message.sender_name.as_str(), "desk");
/// # Ok::<(), chat_core::NameError>(())
/// ```
pub struct HubBuilder {
    endpoint: MakeEndpoint,
    limits: Limits,
    channel: ChannelOptions,
    shards: usize,
    name: SenderName,
    store: Option<Arc<dyn HistoryStore>>,
    broker: Option<Arc<dyn Broker>>,
}

impl HubBuilder {
    pub(super) fn new<E: Endpoint>(make: impl FnOnce(&Weak<Shared>) -> E + Send + 'static) -> Self {
        let name = "server".parse().expect("a name");
        let (limits, channel) = (Limits::default(), ChannelOptions::default());
        let endpoint: MakeEndpoint = Box::new(|hub| Arc::new(make(hub)));
        Self { endpoint, limits, channel, shards: 64, name, store: None, broker: None }
    }

    /// Sets the bounds on what sessions and channels may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the history that every channel keeps, unless the endpoint decides otherwise: at most `entries`
    /// publications, none older than `age`, and of these 1 MiB of content at most. Without this, nothing is
    /// kept.
    pub fn history(mut self, entries: usize, age: Duration) -> Self {
        self.channel.history = HistoryOptions::of(entries, age);
        self
    }

    /// Changes the options of every channel, unless the endpoint decides otherwise. What is not changed stays
    /// as it is, such as the [`history`](Self::history) that was set before.
    ///
    /// By default a channel keeps no history, no presence, and is not stored.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chat_core::{HistoryRequest, Hub, OpenChat, Payload, testkit::World};
    /// let builder = Hub::builder(OpenChat::default()).history(10, Duration::from_secs(60));
    /// let hub = builder.channel(|channel| channel.with_presence(true)).build(World::new());
    /// hub.publish("news", Payload::json("1"))?;
    /// assert!(hub.presence(&"news".parse()?).is_some());
    /// assert!(hub.history(&HistoryRequest::of("news".parse()?, 1)).is_some());
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn channel(mut self, change: impl FnOnce(ChannelOptions) -> ChannelOptions) -> Self {
        self.channel = change(self.channel);
        self
    }

    /// Sets the store of the channels whose [`ChannelOptions::storage`] asks for one.
    pub fn store(mut self, store: impl HistoryStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the broker, behind which this hub is one with those of other nodes, but for channels whose
    /// [`ChannelOptions::scope`] is their node. A message to any other channel is placed by the broker, and
    /// is delivered when it comes back. What is done to all sessions of a user is done on all nodes.
    /// All nodes know who is in a channel, and sessions of a user on other nodes
    /// [count](Limits::user_sessions). Read offsets are each node's own.
    ///
    /// A hub with a broker has no store: the broker keeps what there is.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use chat_core::testkit::{MemoryBroker, World};
    /// use chat_core::{Hub, OpenChat};
    ///
    /// let world = World::new();
    /// let memory = MemoryBroker::new(world.clone());
    /// let node = || Hub::builder(OpenChat::default()).broker(memory.node()).build(world.clone());
    /// let (here, there) = (node(), node());
    /// let (ann, bob) = (world.open(&here, "ann"), world.open(&there, "bob"));
    /// ann.say("subscribe news");
    /// bob.say("subscribe news");
    /// ann.say("publish news 1");
    /// assert_eq!(bob.heard(), ["subscribed news 0", "message news 1 ann 1"]);
    /// ```
    ///
    /// # Panics
    /// [`build`](Self::build) panics if there is a store too.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Sets over how many locks the channels are spread: 64 by default, at least 1.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// Sets the name under which the server itself publishes: `server` by default. No session may take it:
    /// one that would is refused with 103 and closed with 3507. Names are compared byte by byte.
    pub fn name(mut self, name: SenderName) -> Self {
        self.name = name;
        self
    }

    /// Builds the fields of a hub on this runtime.
    ///
    /// # Errors
    /// If no hub can work with the [`Limits`].
    pub(super) fn shared(self, runtime: impl Runtime) -> Result<Arc<Shared>, LimitsError> {
        self.limits.check()?;
        assert!(self.store.is_none() || self.broker.is_none(), "a hub has a store or a broker, not both");
        let shared = Arc::new_cyclic(|hub| self.fields(runtime, hub));
        listen(&shared);
        telling::begin(&shared);
        words::begin(&shared);
        Ok(shared)
    }

    fn fields(self, runtime: impl Runtime, hub: &Weak<Shared>) -> Shared {
        let (number, is_one_of_many) = (number(), self.store.is_some() || self.broker.is_some());
        let seed = || runtime.random() ^ number;
        let common = Arc::new(Common {
            histories: ByteQuota::new(self.limits.history_bytes),
            outgoing: ByteQuota::new(self.limits.store_bytes),
            order: IdleOrder::new(self.shards),
            untold: AtomicUsize::new(0),
            has_broker: self.broker.is_some(),
            incarnation: self.store.as_ref().map(|_| Incarnation::new(seed())),
        });
        let shard = |index| Padded(Mutex::new(Shard::new(seed(), common.clone(), index)));
        let shards = (0..self.shards).map(shard).collect();
        let first = if is_one_of_many { 1 + (seed() >> LIFE_BITS) } else { 1 };
        Shared {
            shards,
            common,
            store: self.store.map(Store::new),
            cluster: self.broker.map(|broker| Cluster::new(broker, seed(), runtime.now())),
            loads: Loads::default(),
            shard_key: runtime.random(),
            endpoint: (self.endpoint)(hub),
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
        }
    }
}

impl std::fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("HubBuilder");
        shown.field("limits", &self.limits).field("channel", &self.channel).field("name", &self.name);
        shown.finish_non_exhaustive()
    }
}

/// Sets how many bits of a seed do not go into the first session's number. Where a hub has a store or a
/// broker, its sessions are numbered from one of 2^52 places on: no other node, and no incarnation before it,
/// has a session of that number. Of a hundred nodes with ten million sessions each, two have one with a
/// probability of less than one in ten thousand. A guest, who is known by the number of its session, is then
/// not taken for another one, whose messages, keys and read marks are kept. All numbers are exact in clients
/// whose numbers have 53 bits.
const LIFE_BITS: u32 = 12;

/// Returns a number that differs between the hubs of one process, also where the randomness of their runtimes
/// is the same: neither a store nor a client must take the incarnation of one for that of another.
fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
