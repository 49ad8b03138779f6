//! Holds a part of a hub's channels, which sessions join, leave, publish to and flush. There is no lock, no
//! clock and no await.

mod cluster;
mod idle;
mod looks;
mod members;
mod notices;
mod presence;
mod store;

pub(crate) use members::ChannelWords;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::machine::channel::{Appended, Channel};
use crate::machine::common::Common;
use crate::machine::event::{Draft, Event, Fanout, Joined, Joining, Left};
use crate::machine::notices::{Notice, Notices};
use crate::machine::storing::{Receipt, StoreState, ToStore};
use crate::model::{
    Author, ChannelId, ChannelOptions, Epoch, HistoryPage, HistoryRequest, Instant, Offset, Place, Published,
    Recovery, Scope, SessionId, Storage, UserId,
};

/// Holds channels by name. `S` is the driver's type of a subscriber.
#[derive(Debug)]
pub(crate) struct Shard<S> {
    /// Holds the channels. They are boxed, so that a table that grows moves little.
    pub(in crate::machine) channels: HashMap<ChannelId, Box<Channel<S>>>,
    /// Holds the idle channels, which are kept for their history or keys, in the order in which they became
    /// idle.
    pub(in crate::machine) idle: BTreeMap<u64, ChannelId>,
    /// Holds the times at which the idle channels are removed.
    pub(in crate::machine) expiring: BTreeSet<(Instant, ChannelId)>,
    /// Holds the times at which channels are to publish changes of presence.
    pub(in crate::machine) telling: BTreeSet<(Instant, ChannelId)>,
    /// Holds the times at which other nodes are to be told of the channels' presence.
    pub(in crate::machine) speaking: BTreeSet<(Instant, ChannelId)>,
    /// Holds what the endpoint is to be told about the channels.
    pub(in crate::machine) notices: Notices,
    /// Holds all that waits to be stored.
    pub(in crate::machine) outgoing: ToStore,
    /// Lists the channels that are one with those of other nodes and were removed.
    pub(in crate::machine) parted: Vec<ChannelId>,
    pub(in crate::machine) common: Arc<Common>,
    /// Holds the shard's index among the shards of the hub.
    pub(in crate::machine) index: usize,
    lives: u64,
    epochs: u64,
    visits: u64,
}

/// Holds the result of publishing a message.
#[derive(Debug)]
#[must_use = "the caller is to flush, and to answer who waits for the store"]
pub(crate) struct Placed {
    pub(crate) published: Published,
    /// Tells the caller to flush, since nobody else is about to.
    pub(crate) flush: bool,
    pub(crate) stored: StoreState,
    /// Holds the receipt if it is not on its way to the store.
    pub(crate) receipt: Option<Receipt>,
}

impl<S: Clone> Shard<S> {
    /// Creates an empty shard with this index among the hub's shards. Its epochs begin somewhere after
    /// `seed`.
    pub(crate) fn new(seed: u64, common: Arc<Common>, index: usize) -> Self {
        Self {
            channels: HashMap::new(),
            idle: BTreeMap::new(),
            expiring: BTreeSet::new(),
            telling: BTreeSet::new(),
            speaking: BTreeSet::new(),
            notices: Notices::default(),
            outgoing: ToStore::default(),
            parted: Vec::new(),
            common,
            index,
            lives: 0,
            epochs: seed,
            visits: 0,
        }
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Returns how often any channel was looked up, as a count of the work done here.
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// Adds a session to a channel. `subscriber` creates the subscriber when its place in the channel is
    /// known.
    ///
    /// # Errors
    /// The failed recovery, if the session joins only with all that it missed. Nothing has changed then.
    ///
    /// # Panics
    /// If the channel is to be stored and is not there: it has to be restored, and pinned, first.
    pub(crate) fn subscribe(
        &mut self,
        name: &ChannelId,
        joining: Joining,
        subscriber: impl FnOnce(&Joined) -> S,
    ) -> Result<(Joined, S), Recovery> {
        self.mark_active(name);
        let channel = self.enter(name, joining.options);
        let before = channel.weight();
        let mut joined = channel.find_start(&joining);
        let after = channel.weight();
        if let Some(failed) = joined.recovery.filter(|how| joining.whole && how.failure().is_some()) {
            self.common.histories.change(before, after);
            self.mark_idle(name, joining.now);
            return Err(failed);
        }
        let subscriber = subscriber(&joined);
        let first = channel.subscribers() == 0;
        channel.join(joining.who.id, subscriber.clone());
        let due = channel.dues();
        if let Some(presence) = channel.presence() {
            presence.join(&joining.who, joining.observes, joining.now);
            joined.presence = joining.observes.then(|| presence.page(joining.space));
        }
        let due_now = channel.dues();
        self.common.histories.change(before, after);
        self.schedule(name, due, due_now);
        if first {
            self.note(Notice::Active(name.clone()));
        }
        Ok((joined, subscriber))
    }

    /// Removes a session from a channel. Returns none if it is not in the channel. A channel that keeps
    /// nothing is removed with its last subscriber.
    pub(crate) fn unsubscribe(
        &mut self,
        name: &ChannelId,
        session: SessionId,
        now: Instant,
    ) -> Option<Left<S>> {
        let channel = self.look_up(name)?;
        let (subscriber, undelivered) = channel.leave(session)?;
        let (alone, due) = (channel.subscribers() == 0, channel.dues());
        if let Some(presence) = channel.presence() {
            presence.leave(session, now);
        }
        let due_now = channel.dues();
        self.schedule(name, due, due_now);
        if alone {
            self.note(Notice::Idle(name.clone()));
            self.mark_idle(name, now);
        }
        Some(Left { subscriber, undelivered })
    }

    /// Gives a message its place in a channel.
    ///
    /// # Errors
    /// The draft, if the channel is not there. The caller then uses [`publish_anew`](Self::publish_anew),
    /// once the options of the channel are known.
    #[expect(clippy::result_large_err, reason = "the error is the argument, given back for the second try")]
    pub(crate) fn publish(&mut self, name: &ChannelId, mut draft: Draft) -> Result<Placed, Draft> {
        let Some(channel) = self.look_up(name) else { return Err(draft) };
        let mut receipt = draft.receipt.take();
        let (before, now) = (channel.weight(), draft.now.instant);
        let Appended { published, flush, fresh, to_store } = channel.publish(name, draft);
        let (after, alone) = (channel.weight(), channel.subscribers() == 0);
        // A signal that nobody hears is kept nowhere either: nothing has come of it.
        if let Some(publication) = fresh.filter(|fresh| !(fresh.ephemeral && alone)) {
            self.note(Notice::Published(publication));
        }
        let stored = self.send_off(name, to_store, &mut receipt);
        self.common.histories.change(before, after);
        if alone {
            self.mark_idle(name, now);
        }
        Ok(Placed { published, flush, stored, receipt })
    }

    /// Publishes to a channel that may not be there. A channel that would keep nothing is not created, and
    /// the message reaches nobody.
    ///
    /// # Panics
    /// If the channel is to be stored and is not there: it has to be restored, and pinned, first.
    pub(crate) fn publish_anew(&mut self, name: &ChannelId, draft: Draft, options: ChannelOptions) -> Placed {
        let keeps = !draft.ephemeral && (!options.history.is_none() || draft.key.is_some());
        if keeps {
            self.enter(name, options);
        }
        self.publish(name, draft).unwrap_or_else(|draft| {
            let published = Published::Unheard;
            Placed { published, flush: false, stored: StoreState::Settled, receipt: draft.receipt }
        })
    }

    /// Returns the epoch and the last offset of a channel.
    pub(crate) fn place(&mut self, name: &ChannelId) -> Option<(Epoch, Offset)> {
        self.look_up(name).map(|channel| (channel.epoch, channel.last.offset))
    }

    /// Returns the author of the publication at this offset, if it is kept.
    pub(crate) fn author(&mut self, name: &ChannelId, offset: Offset) -> Option<Author> {
        self.look_up(name)?.history.find(offset).map(|publication| publication.author.clone().into())
    }

    /// Returns what this user published under this key, if that is remembered; it is not published again. A
    /// publication that is not stored yet is sent to the store again, as if it were.
    pub(crate) fn published_before(
        &mut self,
        name: &ChannelId,
        user: &UserId,
        key: &str,
        mut receipt: Option<Receipt>,
        now: Instant,
    ) -> Option<Placed> {
        let channel = self.look_up(name)?;
        let before = channel.weight();
        channel.keys.forget_old(now);
        let (after, epoch, place) = (channel.weight(), channel.epoch, channel.keys.find(Some(user), key));
        self.common.histories.change(before, after);
        let (offset, unstored) = place?;
        let stored = self.send_off(name, unstored, &mut receipt);
        let published = Published::Duplicate { epoch, offset };
        Some(Placed { published, flush: false, stored, receipt })
    }

    /// Returns a page of the history that a channel keeps: at most `limit` publications and about `bytes` of
    /// content.
    pub(crate) fn history(
        &mut self,
        request: &HistoryRequest,
        limit: usize,
        bytes: usize,
        now: Instant,
    ) -> Option<HistoryPage> {
        let channel = self.look_up(&request.channel)?;
        let before = channel.weight();
        channel.history.forget_old(now);
        let after = channel.weight();
        let (publications, more) = channel.history.page(request, limit, bytes);
        let page = HistoryPage { epoch: channel.epoch, offset: channel.last.offset, publications, more };
        self.common.histories.change(before, after);
        Some(page)
    }

    /// Returns the next `most` kept events after `after`, for a subscriber that is in the channel. If there
    /// are none, `live` is called with the place after which the subscriber receives live events, and with
    /// the sequence number of the last published change of presence.
    pub(crate) fn catch_up(
        &mut self,
        name: &ChannelId,
        session: SessionId,
        after: Offset,
        most: usize,
        live: impl FnOnce(Place, u64),
    ) -> Vec<Event> {
        // Who was taken out may not know yet, and the channel may have begun another epoch since.
        let Some(channel) = self.look_up(name).filter(|channel| channel.has(session)) else {
            return Vec::new();
        };
        let events = channel.history.after(after, most);
        if events.is_empty() {
            live(channel.last, channel.presence_told());
        }
        events
    }

    /// Takes a channel's pending events and their subscribers. Returns none if there are none, or if another
    /// flush is under way, which will take them.
    pub(crate) fn flush(&mut self, name: &ChannelId) -> Option<Fanout<S>> {
        self.look_up(name)?.flush()
    }

    /// Ends a flush, and begins the next if more events have come. A channel that was created anew in the
    /// meantime has another life and is left alone.
    pub(crate) fn flushed(&mut self, name: &ChannelId, life: u64) -> Option<Fanout<S>> {
        self.look_up(name).filter(|channel| channel.life == life)?.flushed()
    }

    /// Takes back events that a flush could not hand to all subscribers. A channel that was created anew in
    /// the meantime is left alone.
    pub(crate) fn give_back(&mut self, name: &ChannelId, fanout: &Fanout<S>) {
        if let Some(channel) = self.look_up(name).filter(|channel| channel.life == fanout.life) {
            channel.give_back(&fanout.events);
        }
    }

    /// Returns whether the channel has pending events that nobody is about to flush, and clears that mark.
    /// The caller has to flush then.
    pub(crate) fn take_stranded(&mut self, name: &ChannelId) -> bool {
        self.channels.get_mut(name).is_some_and(|channel| channel.take_stranded())
    }

    pub(in crate::machine) fn look_up(&mut self, name: &ChannelId) -> Option<&mut Channel<S>> {
        self.visits += 1;
        self.channels.get_mut(name).map(|channel| &mut **channel)
    }

    fn enter(&mut self, name: &ChannelId, options: ChannelOptions) -> &mut Channel<S> {
        if self.look_up(name).is_none() {
            let stored = self.common.incarnation.is_some() && options.storage != Storage::None;
            let clustered = self.common.has_broker && options.scope == Scope::Cluster;
            assert!(!stored && !clustered, "such a channel is restored before it is used");
            let channel = Channel::new(self.next_life(), self.next_epoch(), options);
            self.channels.insert(name.clone(), Box::new(channel));
        }
        self.channels.get_mut(name).expect("it was there or was made")
    }

    /// Returns the number of a channel that is created now, which no other has had.
    pub(in crate::machine) fn next_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }

    /// Returns the next epoch: a step of splitmix64, never the same twice within 2^64 lives.
    pub(crate) fn next_epoch(&mut self) -> Epoch {
        self.epochs = self.epochs.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.epochs ^ (self.epochs >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match Epoch(mixed ^ (mixed >> 31)) {
            Epoch::NONE => self.next_epoch(),
            epoch => epoch,
        }
    }
}

#[cfg(test)]
mod tests;
