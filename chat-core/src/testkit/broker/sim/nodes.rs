//! Implements a simulated broker, and one node's end of it.

use std::pin::pin;
use std::sync::Arc;

use async_channel::Sender;
use futures::future::{BoxFuture, select};

use super::line::SimLine;
use super::way::Way;
use crate::model::{ChannelId, HistoryRequest};
use crate::port::broker::{Broker, BrokerError, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand};
use crate::testkit::broker::memory::{MemoryBroker, MemoryNode};
use crate::testkit::world::World;

/// Makes hubs of one world one through a broker that keeps its promises and no more: what a node hears is
/// lost, late, doubled and out of order between channels, calls fail that have happened, nodes are deaf for a
/// time, and the memory forgets what it had acknowledged. A clone is the same broker.
///
/// The world decides all chances, so a run in a [seeded](World::seeded) one can be repeated. Each node has a
/// [`SimLine`], on which nothing goes wrong unless it is set to.
///
/// ```
/// use chat_core::testkit::{SimBroker, SimFaults, World};
/// use chat_core::{Hub, OpenChat};
///
/// let world = World::seeded(7);
/// let broker = SimBroker::new(world.clone()).with_reliable(false);
/// let hubs = [(); 3].map(|()| {
///     let node = broker.node();
///     node.line().set(SimFaults::rough());
///     Hub::builder(OpenChat::default()).broker(node).build(world.clone())
/// });
/// let ann = world.open(&hubs[0], "ann");
/// ann.say("subscribe room");
/// ann.say("publish room 1");
/// ```
#[derive(Clone, Debug)]
pub struct SimBroker {
    memory: MemoryBroker,
    world: World,
    reliable: bool,
    lanes: usize,
}

/// Connects one node to a [`SimBroker`].
#[derive(Debug)]
pub struct SimNode {
    broker: SimBroker,
    memory: MemoryNode,
    line: SimLine,
}

impl SimBroker {
    /// Returns a broker without a node, reliable and of one lane.
    pub fn new(world: World) -> Self {
        Self { memory: MemoryBroker::new(world.clone()), world, reliable: true, lanes: 1 }
    }

    /// Sets whether the nodes that are connected from now on are told of each loss, or of none.
    #[must_use]
    pub fn with_reliable(self, reliable: bool) -> Self {
        Self { reliable, ..self }
    }

    /// Sets how many lanes the nodes have that are connected from now on: at least 1, and the same for all.
    #[must_use]
    pub fn with_lanes(self, lanes: usize) -> Self {
        Self { lanes: lanes.max(1), ..self }
    }

    /// Connects one more node.
    pub fn node(&self) -> SimNode {
        SimNode::new(self)
    }

    /// Returns the memory behind all nodes, to which a node can be connected on whose line nothing is lost.
    pub fn memory(&self) -> &MemoryBroker {
        &self.memory
    }

    /// Forgets the last publications, so many over all channels but at most 1024, and begins a new epoch of
    /// each channel, as an engine does that restarts from an older snapshot.
    ///
    /// The nodes are not told: what they hear next is of another epoch.
    pub fn restart_without(&self, publications: usize) {
        self.memory.forget_last(publications);
    }

    /// Begins a new epoch of a channel, which keeps what it has.
    pub fn begin_epoch(&self, channel: &ChannelId) {
        self.memory.begin_epoch(channel);
    }
}

impl SimNode {
    pub(super) fn new(broker: &SimBroker) -> Self {
        let (memory, line) = (broker.memory.node(), SimLine::new(broker.world.clone()));
        Self { broker: broker.clone(), memory, line }
    }

    /// Returns the line between the node and the broker.
    pub fn line(&self) -> SimLine {
        self.line.clone()
    }

    /// Asks the memory, unless the call fails before it happens or after.
    fn call<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce() -> BoxFuture<'a, Result<T, BrokerError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, BrokerError>> {
        Box::pin(async move {
            self.line.passes().await;
            self.line.reaches()?;
            let answer = ask().await;
            self.line.passes().await;
            self.line.returns()?;
            answer
        })
    }

    async fn place(&self, lane: usize, draft: Draft) -> Result<Placed, BrokerError> {
        self.line.reaches()?;
        if self.line.happens(self.line.faults().new_epochs) {
            self.broker.begin_epoch(&draft.channel);
        }
        let mut placed = self.memory.publish(lane, vec![draft]).await;
        placed.remove(0)
    }

    fn restart_perhaps(&self) {
        let faults = self.line.faults();
        if self.line.happens(faults.restarts) {
            self.broker.restart_without(self.line.below(faults.forgotten.saturating_add(1)));
        }
    }
}

impl Broker for SimNode {
    fn lanes(&self) -> usize {
        self.broker.lanes
    }

    fn publish(&self, lane: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        Box::pin(async move {
            self.line.passes().await;
            let mut all = Vec::with_capacity(batch.len());
            for draft in batch {
                all.push(self.place(lane, draft).await);
            }
            self.restart_perhaps();
            self.line.passes().await;
            all.into_iter()
                .map(|placed| placed.and_then(|at| self.line.returns_place().map(|()| at)))
                .collect()
        })
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        self.call(|| self.memory.join(joins))
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.call(|| self.memory.leave(channels))
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        self.call(|| self.memory.stands(channels))
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        self.call(move || self.memory.read(request, bytes))
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.call(|| self.memory.tell(channel, body))
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (sender, receiver) = async_channel::bounded(1);
            let way = Way::new(&self.broker.world, &self.line, self.broker.reliable, (receiver, heard));
            select(self.memory.run(sender), pin!(way.run())).await;
        })
    }

    fn promises(&self) -> Promises {
        self.memory.promises().with_reliable(self.broker.reliable)
    }
}
