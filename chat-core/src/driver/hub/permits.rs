//! Counts the sessions of a hub against their bound, and holds the outboxes of those that are open.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender};
use thiserror::Error;

use crate::driver::outbox::Outbox;
use crate::lock::lock;
use crate::model::SessionId;

/// Tells why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Full {
    /// The hub has as many sessions as [`Limits::sessions`](crate::Limits::sessions) allows.
    #[error("the server has as many sessions as it may have")]
    Sessions,
    /// The hub drains, and accepts no session any more.
    #[error("the server is going away")]
    Draining,
}

#[derive(Default)]
pub(crate) struct Permits {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    draining: bool,
    outboxes: BTreeMap<SessionId, Arc<Outbox>>,
    /// Holds senders that are dropped when the last session of a draining hub is gone, which wakes the task
    /// that waits at the other end.
    last: Vec<Sender<()>>,
}

impl Permits {
    /// Takes one permit of at most `most`.
    pub(crate) fn take(&self, most: usize) -> Result<(), Full> {
        let mut state = lock(&self.state);
        if state.draining {
            return Err(Full::Draining);
        }
        if state.taken >= most {
            return Err(Full::Sessions);
        }
        state.taken += 1;
        Ok(())
    }

    pub(crate) fn give_back(&self) {
        let mut state = lock(&self.state);
        state.taken -= 1;
        let last = if state.taken == 0 { std::mem::take(&mut state.last) } else { Vec::new() };
        drop(state);
        drop(last);
    }

    /// Registers a session's outbox. Returns true if the hub has begun to drain since its permit was taken.
    pub(crate) fn enlist(&self, outbox: Arc<Outbox>) -> bool {
        let mut state = lock(&self.state);
        state.outboxes.insert(outbox.session, outbox);
        state.draining
    }

    /// Forgets a session's outbox, and with it the transport that the outbox keeps.
    pub(crate) fn forget(&self, session: SessionId) {
        let outbox = lock(&self.state).outboxes.remove(&session);
        drop(outbox);
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.state).taken
    }

    pub(crate) fn outbox(&self, session: SessionId) -> Option<Arc<Outbox>> {
        lock(&self.state).outboxes.get(&session).cloned()
    }

    pub(crate) fn outboxes(&self) -> Vec<Arc<Outbox>> {
        lock(&self.state).outboxes.values().cloned().collect()
    }

    /// Returns the outboxes after this session's, at most `most` in the order of their ids, and whether there
    /// are others.
    pub(crate) fn outboxes_after(&self, after: Option<SessionId>, most: usize) -> (Vec<Arc<Outbox>>, bool) {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = lock(&self.state);
        let mut later = state.outboxes.range((begin, Bound::Unbounded)).map(|(_, outbox)| outbox);
        (later.by_ref().take(most).cloned().collect(), later.next().is_some())
    }

    /// Stops giving permits. The channel that it returns closes when the last permit is given back.
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
