//! Holds one channel: its subscribers, its history, its pending events, and the flush that is under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::dues::Dues;
use super::event::{Draft, Event, EventKind, Fanout, Joined, Joining, TakenIn};
use super::history::History;
use super::keys::Keys;
use super::presence::Presence;
use super::smallest::smallest;
use super::storing::{Restored, Storing};
use crate::model::{
    ChannelId, ChannelOptions, ChatMessage, Epoch, Instant, Now, Offset, Place, Publication, Published,
    RecalledKey, Recovery, SessionId, Since, later,
};

/// Holds the result of appending a publication.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) published: Published,
    /// Tells the caller to flush, since nobody else is about to.
    pub(super) flush: bool,
    /// Holds the publication; none if its key tells that it was published before.
    pub(super) fresh: Option<Arc<Publication>>,
    /// Holds the publication that the store does not have yet; none if it is ephemeral or stored.
    pub(super) to_store: Option<Arc<Publication>>,
}

/// Describes a channel that is idle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Holds the channel's place in the order in which channels became idle.
    pub(super) number: u64,
    /// Holds the time at which the channel is removed.
    pub(super) until: Instant,
}

/// Holds the state of one channel. `S` is the driver's type of a subscriber.
#[derive(Debug)]
pub(super) struct Channel<S> {
    /// Tells this channel from an earlier one of the same name, which may have had the same epoch if it was
    /// stored.
    pub(super) life: u64,
    pub(super) epoch: Epoch,
    pub(super) last: Place,
    pub(super) history: History,
    pub(super) keys: Keys,
    /// Holds who is in the channel, if the channel keeps presence.
    presence: Option<Box<Presence>>,
    /// Tells whether the channel is stored, and how far.
    pub(super) storing: Storing,
    /// Counts the callers that are about to use the channel, which stays for them.
    pub(super) pins: usize,
    /// Holds the channel's place among the idle channels, while it is idle.
    pub(super) idle: Option<Idle>,
    pending: Vec<Event>,
    in_flight: Option<Arc<[Event]>>,
    /// Tells whether a flush gave back the pending events, so that nobody is about to flush them.
    stranded: bool,
    subscribers: Arc<Vec<S>>,
    sessions: Vec<SessionId>,
    places: HashMap<SessionId, usize>,
}

impl<S: Clone> Channel<S> {
    pub(super) fn new(life: u64, epoch: Epoch, options: ChannelOptions) -> Self {
        Self {
            life,
            epoch,
            last: Place::default(),
            history: History::new(options.history),
            keys: Keys::default(),
            presence: options.presence.then(Box::default),
            storing: Storing::Not,
            pins: 0,
            idle: None,
            pending: Vec::new(),
            in_flight: None,
            stranded: false,
            subscribers: Arc::default(),
            sessions: Vec::new(),
            places: HashMap::new(),
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.sessions.len()
    }

    /// Returns the subscribers after this session, at most `most` in the order of their ids, and whether
    /// there are others.
    pub(super) fn subscribers_after(&self, after: Option<SessionId>, most: usize) -> (Vec<S>, bool) {
        let sessions = self.sessions.iter().zip(0..);
        let later = sessions.filter(|(session, _)| after.is_none_or(|after| **session > after));
        let (found, more) = smallest(later, most);
        (found.into_iter().map(|(_, place): (_, usize)| self.subscribers[place].clone()).collect(), more)
    }

    /// Returns whether the channel has subscribers, is about to be used, or waits for the store.
    pub(super) fn is_in_use(&self) -> bool {
        !self.sessions.is_empty() || self.pins > 0 || self.storing.is_under_way()
    }

    /// Adds a session. The list of subscribers is copied only while a flush walks it.
    pub(super) fn join(&mut self, session: SessionId, subscriber: S) {
        let place = self.sessions.len();
        let before = self.places.insert(session, place);
        assert!(before.is_none(), "a session joins a channel once: its own machine sees to that");
        self.sessions.push(session);
        Arc::make_mut(&mut self.subscribers).push(subscriber);
    }

    /// Removes a session, into whose place in the list the last one moves. Returns its subscriber and the
    /// events that it was not handed yet. Returns none if the session is not in the channel.
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

    /// Gives a message its place in the channel, unless its key tells that it was published before.
    pub(super) fn publish(&mut self, name: &ChannelId, draft: Draft) -> Appended {
        let (epoch, subscribers, now) = (self.epoch, self.subscribers(), draft.now.instant);
        if let Some(key) = &draft.key {
            self.keys.forget_old(now);
            if let Some((offset, unstored)) = self.keys.find(draft.author.as_ref(), key) {
                let published = Published::Duplicate { epoch, offset };
                return Appended { published, flush: false, fresh: None, to_store: unstored };
            }
        }
        let (publication, flush) = self.append(name, draft);
        if let Some(key) = &publication.key {
            let unstored = (self.storing.is_stored() && !publication.ephemeral).then(|| publication.clone());
            let author = publication.author.clone();
            let offset = (!publication.ephemeral).then_some(publication.offset);
            self.keys.remember(author, key.clone(), offset, unstored, now);
        }
        let published = match publication.ephemeral {
            true => Published::Ephemeral { subscribers },
            false => Published::Placed { epoch, offset: publication.offset, subscribers },
        };
        let to_store = (!publication.ephemeral).then(|| publication.clone());
        Appended { published, flush, fresh: Some(publication), to_store }
    }

    fn next(&self, ephemeral: bool) -> Offset {
        if ephemeral { self.last.offset } else { self.last.offset.next() }
    }

    /// Gives a message its place in the channel, and appends it to the history unless it is ephemeral.
    /// Returns the publication, and true if the caller should flush since nobody else is about to.
    fn append(&mut self, name: &ChannelId, draft: Draft) -> (Arc<Publication>, bool) {
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
            key: draft.key,
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
            self.history.append(self.last, publication.clone(), now.instant);
        }
        let flush = self.tell(EventKind::Publication(publication.clone()));
        (publication, flush)
    }

    /// Adds an event to the pending ones if there are subscribers. Returns true if the caller should flush
    /// since nobody else is about to.
    fn tell(&mut self, kind: EventKind) -> bool {
        if self.sessions.is_empty() {
            return false;
        }
        self.pending.push(Event { place: self.last, kind });
        self.in_flight.is_none() && (std::mem::take(&mut self.stranded) || self.pending.len() == 1)
    }

    /// Returns whether events are pending that nobody is about to flush, and clears that mark. The caller has
    /// to flush then.
    pub(super) fn take_stranded(&mut self) -> bool {
        std::mem::take(&mut self.stranded)
    }

    pub(super) fn presence(&mut self) -> Option<&mut Presence> {
        self.presence.as_deref_mut()
    }

    /// Returns when the channel is next to tell of its presence.
    pub(super) fn dues(&self) -> Dues {
        let presence = self.presence.as_deref();
        Dues {
            change: presence.and_then(|presence| presence.due),
            words: presence.and_then(Presence::words_due),
        }
    }

    /// Returns whether members of this node are known.
    pub(super) fn knows_node(&self, node: u64) -> bool {
        let members = self.presence.as_ref().and_then(|presence| presence.members.as_ref());
        members.is_some_and(|members| members.knows(node))
    }

    /// Returns the sequence number of the last published change of presence.
    pub(super) fn presence_told(&self) -> u64 {
        self.presence.as_ref().map_or(0, |presence| presence.told)
    }

    /// Publishes the changes of presence. Returns true if the caller should flush.
    pub(super) fn tell_presence(&mut self, name: &ChannelId, now: Instant) -> bool {
        let Some(presence) = self.presence.as_deref_mut() else { return false };
        let Some(change) = presence.take_change(now) else { return false };
        self.last.seq += 1;
        presence.told = self.last.seq;
        self.tell(EventKind::Presence(name.clone(), Arc::new(change)))
    }

    /// Returns the place at which a new subscriber starts, and the events that it gets before that.
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

    /// Drops all that is too old to be kept. Returns until when a channel that becomes idle now stays, or
    /// none if it keeps nothing.
    ///
    /// A channel with a history keeps its place for as long as its publications would be kept, also while the
    /// history is empty, so that clients that were cut off can resume.
    pub(super) fn kept_until(&mut self, now: Instant) -> Option<Instant> {
        self.history.forget_old(now);
        self.keys.forget_old(now);
        match self.storing {
            Storing::Clustered => Some(later(now, LEAVE)),
            _ => self.history.lasts(now).max(self.keys.expires()),
        }
    }

    /// Returns the cost of the channel's history and keys, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.history.weight() + self.keys.weight()
    }

    /// Drops the oldest publications until the channel has lost `bytes` of its weight, and then the oldest
    /// keys if no publication is left.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let goal = self.weight().saturating_sub(bytes);
        self.history.shrink(bytes);
        self.keys.shrink(self.weight().saturating_sub(goal));
    }

    /// Notes that a publication is stored: neither does the channel have to be opened in the store any more,
    /// nor is this publication given to the store again.
    pub(super) fn is_stored(&mut self, publication: &Publication) {
        if let Storing::Stored { unopened, .. } = &mut self.storing {
            *unopened = None;
        }
        if let Some(key) = &publication.key {
            self.keys.stored(publication.author.clone(), key);
        }
    }

    /// Returns whether a session is in the channel.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.places.contains_key(&session)
    }

    /// Returns the sessions that are in the channel.
    pub(super) fn sessions(&self) -> &[SessionId] {
        &self.sessions
    }

    /// Takes a publication in at the place that a broker gave it; none stands for one that cannot be read.
    pub(super) fn take_in(
        &mut self,
        place: (Epoch, Offset),
        publication: Option<Arc<Publication>>,
        now: Now,
    ) -> TakenIn {
        let (epoch, offset) = place;
        let Some(publication) = publication.filter(|_| epoch == self.epoch) else { return TakenIn::Astray };
        if publication.ephemeral {
            self.last.seq += 1;
            return TakenIn::Next { flush: self.tell(EventKind::Publication(publication)) };
        }
        if offset <= self.last.offset {
            let known = self.history.find(offset).is_none_or(|known| **known == *publication);
            return if known { TakenIn::Known } else { TakenIn::Astray };
        }
        if offset != self.last.offset.next() {
            return TakenIn::Astray;
        }
        self.last = Place { seq: self.last.seq + 1, offset };
        self.history.append(self.last, publication.clone(), now.instant);
        TakenIn::Next { flush: self.tell(EventKind::Publication(publication)) }
    }

    /// Lets a channel without subscribers continue as the broker knows it.
    pub(super) fn begin_anew(&mut self, life: u64, restored: Restored, now: Now) {
        self.life = life;
        self.epoch = restored.epoch;
        self.history.clear();
        self.pending.clear();
        self.in_flight = None;
        self.stranded = false;
        self.restore(restored, now);
    }

    /// Takes over the state of the channel from the store.
    pub(super) fn restore(&mut self, restored: Restored, now: Now) {
        self.last = restored.place;
        let at = |timestamp: DateTime<Utc>| {
            now.instant.checked_sub((now.utc - timestamp).to_std().unwrap_or_default())
        };
        for publication in restored.publications {
            let Some(at) = at(publication.message.timestamp) else { continue };
            let place = Place { seq: publication.offset.0, offset: publication.offset };
            self.history.append(place, Arc::new(publication), at);
        }
        for RecalledKey { author, key, offset, at: published } in restored.keys {
            if let Some(at) = at(published) {
                self.keys.remember(author, key, Some(offset), None, at);
            }
        }
        let last = self.last.offset;
        if let Some(presence) = self.presence() {
            presence.restore(restored.read.into_iter().map(|(user, offset)| (user, offset.min(last))));
        }
    }

    /// Begins to exchange presence with other nodes, if the channel is one with theirs and keeps presence.
    pub(super) fn begin_exchange(&mut self, now: Instant) {
        let presence = self.presence.as_deref_mut().filter(|_| matches!(self.storing, Storing::Clustered));
        presence.into_iter().for_each(|presence| presence.begin_exchange(self.life, now));
    }

    /// Takes the pending events for a flush. Returns none if there are none, or if another flush is under
    /// way, which returns for them.
    pub(super) fn flush(&mut self) -> Option<Fanout<S>> {
        if self.in_flight.is_some() || self.pending.is_empty() {
            return None;
        }
        let events: Arc<[Event]> = self.pending.drain(..).collect();
        self.pending.shrink_to(PENDING_KEPT);
        self.in_flight = Some(events.clone());
        self.stranded = false;
        Some(Fanout { life: self.life, events, subscribers: self.subscribers.clone() })
    }

    /// Takes back events that a flush could not hand to all subscribers, and puts them before the ones that
    /// came meanwhile.
    pub(super) fn give_back(&mut self, events: &[Event]) {
        self.in_flight = None;
        self.pending.splice(..0, events.iter().cloned());
        self.stranded = true;
    }

    pub(super) fn flushed(&mut self) -> Option<Fanout<S>> {
        self.in_flight = None;
        self.flush()
    }
}

/// Sets how long a channel that is one with those of other nodes stays joined without a subscriber: its
/// broker keeps what it has.
const LEAVE: Duration = Duration::from_secs(3);

/// Bounds the room for pending events that a quiet channel keeps.
const PENDING_KEPT: usize = 16;
