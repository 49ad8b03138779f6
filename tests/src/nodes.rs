//! Builds the hubs of several nodes in one world, with a broker that fails on demand.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_channel::Sender;
use chat_core::broker::{
    Broker, BrokerError, BrokerFault, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand,
};
use chat_core::testkit::{MemoryBroker, MemoryNode, World};
use chat_core::{
    ChannelId, Endpoint, HistoryRequest, Hub, HubBuilder, Publish, PublishContext, Refusal, SessionInfo,
};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

/// Lets anyone publish to any channel, read any, and see who is there.
#[derive(Debug)]
pub struct Anyone;

impl Endpoint for Anyone {
    async fn publish(
        &self,
        _: &SessionInfo,
        publish: Publish,
        _: PublishContext,
    ) -> Result<Publish, Refusal> {
        Ok(publish)
    }

    async fn history(
        &self,
        _: &SessionInfo,
        request: HistoryRequest,
        _: bool,
    ) -> Result<HistoryRequest, Refusal> {
        Ok(request)
    }

    async fn presence(&self, _: &SessionInfo, _: &ChannelId, _: bool) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Sets what goes wrong between one node and the broker.
#[derive(Debug, Default)]
pub struct Faults {
    /// Is true while nothing gets through.
    pub cut: AtomicBool,
    /// Counts the next publishes that happen and are answered with an error.
    pub unanswered: AtomicUsize,
    /// Is true while what is heard is lost without a word.
    pub lossy: AtomicBool,
    /// Holds the node's receiver, so that a cut can be told.
    to: Mutex<Option<Sender<Heard>>>,
}

impl Faults {
    /// Cuts the node off, and tells it so.
    pub fn cut(&self) {
        if !self.cut.swap(true, Ordering::Relaxed) {
            self.tell(Heard::Deaf);
        }
    }

    /// Lets everything through again, and tells the node so.
    pub fn mend(&self) {
        if self.cut.swap(false, Ordering::Relaxed) {
            self.tell(Heard::Back);
        }
    }

    fn tell(&self, heard: Heard) {
        if let Some(to) = &*self.to.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = to.try_send(heard);
        }
    }

    fn check(&self) -> Result<(), BrokerError> {
        match self.cut.load(Ordering::Relaxed) {
            true => Err(BrokerError::new(BrokerFault::Unavailable, "the line is cut")),
            false => Ok(()),
        }
    }
}

/// Connects a node to a memory, with faults between them.
#[derive(Debug)]
pub struct Faulty {
    node: MemoryNode,
    faults: Arc<Faults>,
    /// Is true if the node says that it notices all losses by itself.
    reliable: bool,
}

impl Faulty {
    fn unless_cut<'a, T: Send + 'a>(
        &'a self,
        answer: impl FnOnce() -> BoxFuture<'a, Result<T, BrokerError>>,
    ) -> BoxFuture<'a, Result<T, BrokerError>> {
        match self.faults.check() {
            Ok(()) => answer(),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Broker for Faulty {
    fn publish(&self, lane: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        if let Err(error) = self.faults.check() {
            return Box::pin(ready(batch.iter().map(|_| Err(error.clone())).collect()));
        }
        let placed = self.node.publish(lane, batch);
        let answered = move |placed| {
            let count = &self.faults.unanswered;
            let lost = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            match lost {
                Ok(_) => Err(BrokerError::new(BrokerFault::Unavailable, "the answer was lost")),
                Err(_) => placed,
            }
        };
        placed.map(move |all| all.into_iter().map(answered).collect()).boxed()
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        self.unless_cut(|| self.node.join(joins))
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.node.leave(channels)
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        self.unless_cut(|| self.node.stands(channels))
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        self.unless_cut(|| self.node.read(request, bytes))
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.unless_cut(|| self.node.tell(channel, body))
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        *self.faults.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard.clone());
        let (sender, receiver) = async_channel::bounded(16);
        let pass = async move {
            while let Ok(one) = receiver.recv().await {
                let lost = [&self.faults.cut, &self.faults.lossy].iter().any(|on| on.load(Ordering::Relaxed));
                if !lost && heard.send(one).await.is_err() {
                    return;
                }
            }
        };
        Box::pin(async move {
            futures::future::select(self.node.run(sender), Box::pin(pass)).await;
        })
    }

    fn promises(&self) -> Promises {
        self.node.promises().with_reliable(self.reliable)
    }
}

/// Holds hubs that are one.
#[derive(Debug)]
pub struct Nodes {
    /// Holds time and tasks.
    pub world: World,
    /// Holds the memory behind all of them.
    pub memory: MemoryBroker,
    /// Lists the hubs.
    pub hubs: Vec<Hub>,
    /// Lists what goes wrong between each hub and the memory.
    pub faults: Vec<Arc<Faults>>,
}

impl Nodes {
    /// Builds so many nodes of a chat in which anyone may publish and read anywhere, and that keeps a hundred
    /// publications of a channel for a minute.
    pub fn new(world: World, many: usize) -> Self {
        let keeps = || Hub::builder(Anyone).history(100, Duration::from_secs(60));
        Self::of(world, many, true, keeps)
    }

    /// Builds nodes whose hubs are made so, and whose engine notices all losses by itself or not.
    pub fn of(world: World, many: usize, reliable: bool, make: impl Fn() -> HubBuilder) -> Self {
        let memory = MemoryBroker::new(world.clone());
        let faults: Vec<_> = (0..many).map(|_| Arc::new(Faults::default())).collect();
        let hub = |faults: &Arc<Faults>| {
            let broker = Faulty { node: memory.node(), faults: faults.clone(), reliable };
            make().broker(broker).build(world.clone())
        };
        let hubs = faults.iter().map(hub).collect();
        world.settle();
        Self { world, memory, hubs, faults }
    }

    /// Adds a node whose hub is made so. Returns its index.
    pub fn add(&mut self, make: HubBuilder) -> usize {
        let faults = Arc::new(Faults::default());
        let broker = Faulty { node: self.memory.node(), faults: faults.clone(), reliable: true };
        self.hubs.push(make.broker(broker).build(self.world.clone()));
        self.faults.push(faults);
        self.world.settle();
        self.hubs.len() - 1
    }
}
