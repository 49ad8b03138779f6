//! Builds the hubs of several nodes in one world, with a broker that fails on demand.

use std::time::Duration;

use chat_core::testkit::{SimBroker, SimLine, World};
use chat_core::{
    ChannelId, Endpoint, HistoryRequest, Hub, HubBuilder, Publish, PublishContext, Refusal, SessionInfo,
};

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

/// Holds hubs that are one.
#[derive(Debug)]
pub struct Nodes {
    /// Holds time and tasks.
    pub world: World,
    /// Holds what is behind all of them.
    pub broker: SimBroker,
    /// Lists the hubs.
    pub hubs: Vec<Hub>,
    /// Lists what goes wrong between each hub and the broker.
    pub lines: Vec<SimLine>,
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
        Self::behind(SimBroker::new(world.clone()).with_reliable(reliable), world, many, make)
    }

    /// Builds nodes behind this broker whose hubs are made so.
    pub fn behind(broker: SimBroker, world: World, many: usize, make: impl Fn() -> HubBuilder) -> Self {
        let mut nodes = Self { world, broker, hubs: Vec::new(), lines: Vec::new() };
        (0..many).for_each(|_| nodes.connect(make()));
        nodes.world.settle();
        nodes
    }

    /// Adds a node whose hub is made so. Returns its index.
    pub fn add(&mut self, make: HubBuilder) -> usize {
        self.connect(make);
        self.world.settle();
        self.hubs.len() - 1
    }

    fn connect(&mut self, make: HubBuilder) {
        let node = self.broker.node();
        self.lines.push(node.line());
        self.hubs.push(make.broker(node).build(self.world.clone()));
    }
}
