//! Makes a hub one with those of other nodes, through a broker.
//!
//! ```text
//!   fields    writes fields and a content as one text
//!   envelope  writes a publication so
//!   words     says so what is done to a user on other nodes
//!   lane      holds what waits to be placed
//!   lanes     gives it to the broker, and tells the publishers the places
//!   asking    asks the broker for something with a deadline
//!   early     holds what is heard of a channel while it is being joined
//!   joining   joins channels at the broker, and leaves them
//!   taking    takes a publication into its channel
//!   repair    reads what a channel missed, and takes out subscribers where that is not known any more
//!   member_word  writes what nodes tell each other of the members of a channel
//!   tallying  tells the other nodes which users have many sessions here, and counts those there
//!   telling   tells the other nodes who is in channels here, and takes in who is there
//!   hearing   takes in what the broker hands over
//! ```

mod asking;
pub(crate) mod early;
pub(crate) mod envelope;
mod fields;
pub(crate) mod hearing;
pub(crate) mod joining;
pub(crate) mod lane;
pub(crate) mod lanes;
mod member_word;
mod repair;
pub(crate) mod taking;
pub(crate) mod tallying;
pub(crate) mod telling;
pub(crate) mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender};
use futures::lock::Mutex as TurnMutex;

use self::early::Early;
use self::lane::Lane;
use crate::lock::lock;
use crate::machine::{Nodes, Tallies};
use crate::model::{ChannelId, Instant, Now};
use crate::port::broker::{Broker, Heard};

/// Bounds the events that the broker handed over and that were not taken in yet. While so many wait, the
/// broker reads no further.
const UNHEARD: usize = 256;

/// Bounds the orders to users that wait to be said to the other nodes.
const ORDERS: usize = 4096;

/// Holds a hub's broker, and what is under way between the two.
pub(crate) struct Cluster {
    /// Tells this node from the others.
    node: u64,
    broker: Arc<dyn Broker>,
    lanes: Box<[Mutex<Lane>]>,
    /// Holds the channels that are just being joined, and what was heard of each meanwhile.
    early: Mutex<HashMap<ChannelId, Early>>,
    /// Is taken to leave channels, and for a moment to join some: so no channel is left that was joined anew.
    turns: TurnMutex<()>,
    heard: (Sender<Heard>, Receiver<Heard>),
    /// Carries the names of channels that have missed something.
    missed: (Sender<ChannelId>, Receiver<ChannelId>),
    /// Holds the time at which the broker was last lost; none while it is there.
    deaf_since: Mutex<Option<Instant>>,
    /// Is closed once the broker was there for the first time.
    reached: (Sender<()>, Receiver<()>),
    /// Holds the time from which members' times are counted here.
    begun: Now,
    nodes: Mutex<Nodes>,
    tallies: Mutex<Tallies>,
    /// Carries what is done to users to the task that says it to the other nodes.
    orders: (Sender<String>, Receiver<String>),
    /// Wakes the task that tells the other nodes of members.
    wakes: (Sender<()>, Receiver<()>),
}

impl Cluster {
    pub(crate) fn new(broker: Arc<dyn Broker>, node: u64, begun: Now) -> Self {
        let lanes = (0..broker.lanes().max(1)).map(|_| Mutex::default()).collect();
        let (heard, missed) = (async_channel::bounded(UNHEARD), async_channel::unbounded());
        Self {
            node,
            broker,
            lanes,
            early: Mutex::default(),
            turns: TurnMutex::default(),
            heard,
            missed,
            deaf_since: Mutex::new(Some(begun.instant)),
            reached: async_channel::bounded(1),
            begun,
            nodes: Mutex::default(),
            tallies: Mutex::default(),
            orders: async_channel::bounded(ORDERS),
            wakes: async_channel::bounded(1),
        }
    }

    /// Returns whether there may be other nodes.
    pub(crate) fn may_have_others(&self, now: Instant) -> bool {
        lock(&self.nodes).may_be_there(now)
    }

    /// Has the other nodes told soon of what has changed.
    pub(crate) fn wake(&self) {
        // An error means that the task is being woken, or that the hub is gone.
        let _ = self.wakes.0.try_send(());
    }

    /// Returns since when the broker is lost; none while it is there.
    pub(crate) fn deaf_since(&self) -> Option<Instant> {
        *lock(&self.deaf_since)
    }

    fn is_lost(&self, now: Instant) {
        lock(&self.deaf_since).get_or_insert(now);
        lock(&self.nodes).is_deaf();
    }

    fn is_back(&self) {
        *lock(&self.deaf_since) = None;
        self.reached.0.close();
    }

    /// Waits until the broker was there for the first time: a hub that has just been built is asked things
    /// while it still connects. Later a broker that is away fails each call by itself.
    async fn is_reached(&self) {
        // An error means that it is closed.
        let _ = self.reached.1.recv().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // So the broker and the hub's own tasks end.
        self.heard.1.close();
        self.orders.1.close();
        self.wakes.1.close();
    }
}
