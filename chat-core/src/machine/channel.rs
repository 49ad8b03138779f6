//! One channel: who is in it, what it keeps, what waits to be fanned out, and who is fanning out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::history::History;
use super::keys::Keys;
use super::outgoing::Archived;
use super::presence::Presence;
use super::shard::{Draft, Joined, Joining};
use crate::model::{
    ChannelId, ChannelOptions, ChatMessage, Epoch, Offset, Place, PresenceChange, Publication, Published,
    Recovery, SessionId, Since,
};

/// Something that the channel told, and its place among all that.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) place: Place,
    pub(crate) told: Told,
}

/// What a channel tells.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// To all: what was published.
    Said(Arc<Publication>),
    /// To those who want to know: who came and went.
    Presence(ChannelId, Arc<PresenceChange>),
}

impl Event {
    /// Bytes of content.
    pub(crate) fn bytes(&self) -> usize {
        match &self.told {
            Told::Said(publication) => publication.message.content.as_bytes().len(),
            Told::Presence(..) => 0,
        }
    }

    pub(crate) fn is_presence(&self) -> bool {
        matches!(self.told, Told::Presence(..))
    }
}

/// What one flush takes along: events, and who gets them.
#[derive(Clone, Debug)]
#[must_use = "what is not delivered is lost"]
pub(crate) struct Fanout<S> {
    pub(crate) epoch: Epoch,
    pub(crate) events: Arc<[Event]>,
    pub(crate) subscribers: Arc<Vec<S>>,
}

#[derive(Debug)]
pub(super) struct Channel<S> {
    pub(super) epoch: Epoch,
    pub(super) last: Place,
    pub(super) history: History,
    pub(super) keys: Keys,
    /// Who is in it, if that is to be known.
    presence: Option<Box<Presence>>,
    /// How far it is stored, if it is.
    pub(super) archived: Option<Archived>,
    /// When it is to be looked at again, if it is without subscribers.
    pub(super) idle: Option<Instant>,
    pending: Vec<Event>,
    in_flight: Option<Arc<[Event]>>,
    subscribers: Arc<Vec<S>>,
    sessions: Vec<SessionId>,
    places: HashMap<SessionId, usize>,
}

impl<S: Clone> Channel<S> {
    pub(super) fn new(epoch: Epoch, options: ChannelOptions) -> Self {
        Self {
            epoch,
            last: Place::default(),
            history: History::new(options.history),
            keys: Keys::default(),
            presence: options.presence.then(Box::default),
            archived: None,
            idle: None,
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
    pub(super) fn leave(&mut self, session: SessionId) -> Option<(S, Vec<Event>)> {
        let place = self.places.remove(&session)?;
        self.sessions.swap_remove(place);
        if let Some(moved) = self.sessions.get(place) {
            self.places.insert(*moved, place);
        }
        let subscriber = Arc::make_mut(&mut self.subscribers).swap_remove(place);
        let in_flight = self.in_flight.iter().flat_map(|events| events.iter());
        Some((subscriber, in_flight.chain(&self.pending).cloned().collect()))
    }

    /// Gives the message its place, unless it was published before. True if the caller should flush: nobody else is about to.
    pub(super) fn publish(&mut self, name: &ChannelId, draft: Draft) -> (Published, bool) {
        let (epoch, subscribers) = (self.epoch, self.subscribers());
        if let Some(key) = &draft.key {
            self.keys.forget_old(draft.now.instant);
            if let Some(offset) = self.keys.find(draft.author.as_ref(), key) {
                return (Published { offset, epoch, subscribers: 0, already: true }, false);
            }
            self.keys.remember(draft.author.clone(), key, self.next(draft.ephemeral), draft.now.instant);
        }
        let flush = self.append(name, draft);
        (Published { offset: self.last.offset, epoch, subscribers, already: false }, flush)
    }

    fn next(&self, ephemeral: bool) -> Offset {
        if ephemeral { self.last.offset } else { self.last.offset.next() }
    }

    fn append(&mut self, name: &ChannelId, draft: Draft) -> bool {
        let previous = self.last.offset;
        self.last = Place { seq: self.last.seq + 1, offset: self.next(draft.ephemeral) };
        let (ephemeral, now) = (draft.ephemeral, draft.now);
        let publication = Publication {
            offset: self.last.offset,
            previous,
            epoch: self.epoch,
            from: draft.from,
            author: draft.author,
            event: draft.event,
            refers: draft.refers,
            ephemeral,
            message: ChatMessage {
                sender_name: draft.sender,
                content: draft.content,
                timestamp: now.utc,
                channel_id: name.clone(),
            },
        };
        let publication = Arc::new(publication);
        if !ephemeral {
            if let Some(archived) = &mut self.archived {
                archived.fresh = Some(publication.clone());
            }
            self.history.append(self.last, publication.clone(), now.instant);
        }
        self.tell(Told::Said(publication))
    }

    /// True if the caller should flush: nobody else is about to.
    fn tell(&mut self, told: Told) -> bool {
        if self.sessions.is_empty() {
            return false;
        }
        self.pending.push(Event { place: self.last, told });
        self.pending.len() == 1 && self.in_flight.is_none()
    }

    pub(super) fn presence(&mut self) -> Option<&mut Presence> {
        self.presence.as_deref_mut()
    }

    /// When it is to be told who came and went.
    pub(super) fn presence_due(&self) -> Option<Instant> {
        self.presence.as_ref()?.due
    }

    /// The number of the last change of presence that was told.
    pub(super) fn presence_told(&self) -> u64 {
        self.presence.as_ref().map_or(0, |presence| presence.told)
    }

    /// Tells who came and went. True if the caller should flush.
    pub(super) fn tell_presence(&mut self, name: &ChannelId, now: Instant) -> bool {
        let Some(presence) = self.presence.as_deref_mut() else { return false };
        let Some(change) = presence.take_change(now) else { return false };
        self.last.seq += 1;
        presence.told = self.last.seq;
        self.tell(Told::Presence(name.clone(), Arc::new(change)))
    }

    /// Where one who joins starts, and what it gets before that.
    pub(super) fn find_start(&mut self, joining: &Joining) -> Joined {
        self.history.forget_old(joining.now);
        let recovered = joining.since.map(|since| self.recover(since, joining.recovers));
        let (recovery, missed) = match recovered {
            Some(Ok(missed)) => (Some(Recovery::Recovered), missed),
            Some(Err(why)) => (Some(why), Vec::new()),
            None => (None, Vec::new()),
        };
        let newest = joining.latest && recovery != Some(Recovery::Recovered);
        let missed = if newest { self.history.newest().into_iter().collect() } else { missed };
        Joined { epoch: self.epoch, place: self.last, recovery, missed, presence: None }
    }

    fn recover(&self, since: Since, most: usize) -> Result<Vec<Event>, Recovery> {
        if since.epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Err(Recovery::EpochChanged);
        }
        self.history.since(since.offset, self.last.offset, most)
    }

    /// Drops what is too old to be kept. When the next of it will be, if anything keeps the channel alive but its subscribers.
    pub(super) fn forget_old(&mut self, now: Instant) -> Option<Instant> {
        self.history.forget_old(now);
        self.keys.forget_old(now);
        self.history.expires().max(self.keys.expires()).max(self.held(now))
    }

    /// What it costs to keep what it keeps, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.history.weight() + self.keys.weight()
    }

    /// Drops the oldest publications until it has lost `bytes` of its weight, and keys when there are none left.
    pub(super) fn lighten(&mut self, bytes: usize) {
        let goal = self.weight().saturating_sub(bytes);
        self.history.lighten(bytes);
        self.keys.lighten(self.weight().saturating_sub(goal));
    }

    /// Hands out what is pending, unless another flush is under way: that one comes back for it.
    pub(super) fn flush(&mut self) -> Option<Fanout<S>> {
        if self.in_flight.is_some() || self.pending.is_empty() {
            return None;
        }
        let events: Arc<[Event]> = self.pending.drain(..).collect();
        self.pending.shrink_to(PENDING_KEPT);
        self.in_flight = Some(events.clone());
        Some(Fanout { epoch: self.epoch, events, subscribers: self.subscribers.clone() })
    }

    pub(super) fn flushed(&mut self) -> Option<Fanout<S>> {
        self.in_flight = None;
        self.flush()
    }
}

/// Room for pending publications that a quiet channel keeps.
const PENDING_KEPT: usize = 16;
