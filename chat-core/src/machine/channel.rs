//! One channel: who is in it, what waits to be fanned out, and who is fanning out.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{ChatMessage, Epoch, Offset, Publication, SessionId};

/// What one flush takes along: publications, and who gets them.
#[derive(Clone, Debug)]
#[must_use = "what is not delivered is lost"]
pub(crate) struct Fanout<S> {
    pub(crate) epoch: Epoch,
    pub(crate) publications: Arc<[Publication]>,
    pub(crate) subscribers: Arc<Vec<S>>,
}

#[derive(Debug)]
pub(super) struct Channel<S> {
    pub(super) epoch: Epoch,
    pub(super) last: Offset,
    pending: Vec<Publication>,
    in_flight: Option<Arc<[Publication]>>,
    subscribers: Arc<Vec<S>>,
    sessions: Vec<SessionId>,
    places: HashMap<SessionId, usize>,
}

impl<S: Clone> Channel<S> {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            last: Offset(0),
            pending: Vec::new(),
            in_flight: None,
            subscribers: Arc::default(),
            sessions: Vec::new(),
            places: HashMap::new(),
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.sessions.len()
    }

    /// Copies the list only while a flush walks it.
    pub(super) fn join(&mut self, session: SessionId, subscriber: S) {
        let place = self.sessions.len();
        let before = self.places.insert(session, place);
        assert!(before.is_none(), "a session joins a channel once: its own machine sees to that");
        self.sessions.push(session);
        Arc::make_mut(&mut self.subscribers).push(subscriber);
    }

    /// Takes a session out; the last one moves into its place. Gives it what it was not handed yet.
    pub(super) fn leave(&mut self, session: SessionId) -> Option<(S, Vec<Publication>)> {
        let place = self.places.remove(&session)?;
        self.sessions.swap_remove(place);
        if let Some(moved) = self.sessions.get(place) {
            self.places.insert(*moved, place);
        }
        let subscriber = Arc::make_mut(&mut self.subscribers).swap_remove(place);
        let in_flight = self.in_flight.iter().flat_map(|publications| publications.iter());
        Some((subscriber, in_flight.chain(&self.pending).cloned().collect()))
    }

    /// Appends; true if the caller should flush: nobody else is about to.
    pub(super) fn append(&mut self, from: Option<SessionId>, message: ChatMessage) -> bool {
        let previous = self.last;
        self.last = previous.next();
        self.pending.push(Publication { offset: self.last, previous, epoch: self.epoch, from, message });
        self.pending.len() == 1 && self.in_flight.is_none()
    }

    /// Hands out what is pending, unless another flush is under way: that one comes back for it.
    pub(super) fn flush(&mut self) -> Option<Fanout<S>> {
        if self.in_flight.is_some() || self.pending.is_empty() {
            return None;
        }
        let publications: Arc<[Publication]> = self.pending.drain(..).collect();
        self.pending.shrink_to(PENDING_KEPT);
        self.in_flight = Some(publications.clone());
        Some(Fanout { epoch: self.epoch, publications, subscribers: self.subscribers.clone() })
    }

    pub(super) fn flushed(&mut self) -> Option<Fanout<S>> {
        self.in_flight = None;
        self.flush()
    }
}

/// Room for pending publications that a quiet channel keeps.
const PENDING_KEPT: usize = 16;
