//! Tests hubs whose broker has something of a channel that nobody can read, or panics, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_channel::Sender;
use chat_core::broker::{
    Broker, BrokerError, BrokerFault, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand,
};
use chat_core::testkit::{Client, MemoryBroker, MemoryNode, World};
use chat_core::{ChannelId, HistoryRequest, Hub};
use chat_tests::nodes::Anyone;
use futures::future::{BoxFuture, ready};

const FINE: u8 = 0;
/// Is the state in which the channel `spoiled` cannot be read.
const SPOILED: u8 = 1;
/// Is the state in which whatever is asked panics.
const PANICS: u8 = 2;

/// Passes everything on to a memory, unless its state says otherwise.
#[derive(Debug)]
struct Spoiling {
    memory: MemoryNode,
    state: Arc<AtomicU8>,
}

impl Spoiling {
    /// Returns the error for a call about this channel, if it is to have one.
    fn fault(&self, channel: &ChannelId) -> Option<BrokerError> {
        match self.state.load(Ordering::Relaxed) {
            SPOILED if channel.as_str() == "spoiled" => {
                Some(BrokerError::new(BrokerFault::Corrupt, "nobody has written this"))
            }
            PANICS => panic!("the broker has a fault"),
            _ => None,
        }
    }
}

impl Broker for Spoiling {
    fn publish(&self, lane: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        self.memory.publish(lane, batch)
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        match joins.iter().find_map(|join| self.fault(&join.channel)) {
            Some(error) => Box::pin(ready(Err(error))),
            None => self.memory.join(joins),
        }
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.leave(channels)
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        self.memory.stands(channels)
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        match self.fault(&request.channel) {
            Some(error) => Box::pin(ready(Err(error))),
            None => self.memory.read(request, bytes),
        }
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.memory.tell(channel, body)
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        self.memory.run(heard)
    }

    fn promises(&self) -> Promises {
        self.memory.promises()
    }
}

/// Holds two nodes, each with a client.
struct Missing {
    world: World,
    hub: Hub,
    state: Arc<AtomicU8>,
    bob: Client,
    ann: Client,
}

/// Lets bob, who is in two channels, hear rubbish in one of them, once his broker is in this state.
fn behind(state_then: u8, channel: &str) -> Missing {
    let world = World::new();
    let (memory, state) = (MemoryBroker::new(world.clone()), Arc::new(AtomicU8::new(FINE)));
    let keeps = || Hub::builder(Anyone).history(100, Duration::from_secs(60));
    let spoiling = Spoiling { memory: memory.node(), state: state.clone() };
    let hub = keeps().broker(spoiling).build(world.clone());
    let other = keeps().broker(memory.node()).build(world.clone());
    let (bob, ann) = (world.open(&hub, "bob"), world.open(&other, "ann"));
    bob.say("subscribe spoiled\nsubscribe good");
    ann.say("publish spoiled 1\npublish good 1");
    world.settle();
    bob.heard();
    state.store(state_then, Ordering::Relaxed);
    // What cannot be read makes the node ask the broker.
    world.run(memory.inject(channel, "rubbish"));
    world.settle();
    Missing { world, hub, state, bob, ann }
}

#[test]
fn the_subscribers_of_a_channel_that_nobody_can_read_are_told_and_those_of_others_hear_on() {
    let Missing { world, hub, state, bob, ann } = behind(SPOILED, "spoiled");
    ann.say("publish spoiled 2\npublish good 2");
    world.advance(Duration::from_secs(2));
    let heard = bob.heard();
    assert!(heard.iter().any(|line| line.starts_with("unsubscribed spoiled 112")), "{heard:?}");
    assert!(heard.contains(&"message good 2 ann 2".to_owned()), "{heard:?}");
    assert_eq!(hub.stats().sessions, 1);
    bob.say("#1 subscribe spoiled");
    assert!(bob.heard()[0].starts_with("#1 error 100"), "who joins it is told, too");
    state.store(FINE, Ordering::Relaxed);
    bob.say("#2 subscribe spoiled");
    assert!(bob.heard()[0].starts_with("#2 subscribed"), "it can be read again");
}

#[test]
fn a_broker_that_panics_does_not_keep_the_node_from_hearing() {
    let Missing { world, state, bob, ann, .. } = behind(PANICS, "good");
    ann.say("publish good 2");
    world.advance(Duration::from_secs(2));
    state.store(FINE, Ordering::Relaxed);
    world.advance(Duration::from_secs(2));
    bob.heard();
    bob.say("subscribe good");
    ann.say("publish good 3");
    world.settle();
    assert!(bob.heard().iter().any(|line| line.starts_with("message good ") && line.ends_with(" 3")));
}
