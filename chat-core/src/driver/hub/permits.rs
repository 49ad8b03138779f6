//! The sessions of a hub: how many may be, and which there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender};
use thiserror::Error;

use crate::driver::hub::Hub;
use crate::driver::outbox::Outbox;
use crate::lock::lock;
use crate::model::{Peer, SessionId};

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// As many sessions as [`Limits::sessions`](crate::Limits::sessions) allows.
    #[error("the server has as many sessions as it may have")]
    Sessions,
    /// The hub lets nobody in any more.
    #[error("the server is going away")]
    Draining,
}

/// A place for one session. Dropping it gives it back.
#[derive(Debug)]
pub struct Seat {
    hub: Hub,
    id: SessionId,
    peer: Option<Peer>,
    /// Gives the place back, if somebody else may hold it too.
    held: Option<HeldSeat>,
}

/// Keeps a seat taken although its session may be over: for what a transport holds longer than that, such as a socket. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeldSeat {
    _place: Arc<Place>,
}

#[derive(Debug)]
struct Place(Hub);

#[derive(Default)]
pub(crate) struct Seats {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    draining: bool,
    outboxes: HashMap<SessionId, Arc<Outbox>>,
    /// Dropped when the last session of a draining hub is gone: whoever waits at the other end hears that.
    last: Vec<Sender<()>>,
}

impl Seat {
    pub(crate) fn take(hub: Hub, id: SessionId) -> Result<Self, Full> {
        let mut state = lock(&hub.0.seats.state);
        if state.draining {
            return Err(Full::Draining);
        }
        if state.taken >= hub.0.limits.sessions {
            return Err(Full::Sessions);
        }
        state.taken += 1;
        drop(state);
        Ok(Self { hub, id, peer: None, held: None })
    }

    /// For a client that comes from there: until its session is let in, its rates and strikes go on from those of others that were not. Of no use where
    /// all come from one address, such as a proxy's.
    pub fn of_peer(mut self, peer: impl Into<Option<Peer>>) -> Self {
        self.peer = peer.into();
        self
    }

    /// Returns what keeps it taken, beside the session that it is for.
    pub fn hold(&mut self) -> HeldSeat {
        let hub = &self.hub;
        self.held.get_or_insert_with(|| HeldSeat { _place: Arc::new(Place(hub.clone())) }).clone()
    }

    /// Where its client comes from, if that is known.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// The number that its session will have.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The hub it is in.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Makes the session's outbox known. True if the hub has begun to drain since the seat was taken.
    pub(crate) fn sit(&self, outbox: Arc<Outbox>) -> bool {
        let mut state = lock(&self.hub.0.seats.state);
        state.outboxes.insert(self.id, outbox);
        state.draining
    }

    /// The session is over: nobody finds its outbox any more, which keeps its transport. The seat is taken until the endpoint has heard of it.
    pub(crate) fn stand_up(&self) {
        let outbox = lock(&self.hub.0.seats.state).outboxes.remove(&self.id);
        drop(outbox);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stand_up();
        if self.held.is_none() {
            self.hub.0.seats.give_back();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.seats.give_back();
    }
}

impl Seats {
    pub(crate) fn count(&self) -> usize {
        lock(&self.state).taken
    }

    pub(crate) fn outbox(&self, session: SessionId) -> Option<Arc<Outbox>> {
        lock(&self.state).outboxes.get(&session).cloned()
    }

    pub(crate) fn outboxes(&self) -> Vec<Arc<Outbox>> {
        lock(&self.state).outboxes.values().cloned().collect()
    }

    fn give_back(&self) {
        let mut state = lock(&self.state);
        state.taken -= 1;
        let last = if state.taken == 0 { std::mem::take(&mut state.last) } else { Vec::new() };
        drop(state);
        drop(last);
    }

    /// No more seats; the channel closes when the last one is given back.
    pub(crate) fn drain(&self) -> Receiver<()> {
        let (sender, receiver) = async_channel::bounded(1);
        let mut state = lock(&self.state);
        state.draining = true;
        if state.taken > 0 {
            state.last.push(sender);
        }
        receiver
    }
}
