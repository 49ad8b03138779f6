//! What of a shard's channels waits to be stored, and what is restored from the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use futures::channel::oneshot;

use super::Shard;
use crate::machine::channel::Channel;
use crate::model::{ChannelId, ChannelOptions, Epoch, Now, Offset, Place, Publication, RecalledKey, UserId};

/// Hears whether a publication was stored; nothing if it never will be.
pub(crate) type Receipt = oneshot::Sender<bool>;

/// A publication to be stored, and who waits for that.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publication: Arc<Publication>,
    pub(crate) receipt: Option<Receipt>,
    /// The channel is to be opened in the store first, in this life of the hub: nothing of it was known to be stored.
    pub(crate) opens: Option<u64>,
}

/// All that waits to be stored.
#[derive(Debug, Default)]
pub(crate) struct ToStore {
    pub(crate) publications: Vec<Outgoing>,
    /// Up to where users have read.
    pub(crate) marks: HashMap<(ChannelId, UserId), Offset>,
}

/// How a channel is stored.
#[derive(Debug, Default)]
pub(in crate::machine) enum Storing {
    /// It is not to be.
    #[default]
    Not,
    /// It is, from the store's own place on.
    Stored {
        /// In which life of the hub it is to be opened in the store, while nothing of it is there.
        unopened: Option<u64>,
        /// How many of its publications and marks are on their way.
        under_way: usize,
    },
    /// It is to be, and the store failed when it was to be restored: it goes on without, and all that is published is counted as not stored.
    Failed,
}

/// A channel as the store knows it: where it goes on, and its newest publications, the last one last.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
    pub(crate) publications: Vec<Publication>,
    /// What was published under which keys, the oldest first.
    pub(crate) keys: Vec<RecalledKey>,
    /// Up to where users have read.
    pub(crate) read: Vec<(UserId, Offset)>,
    /// In which life of the hub it is to be opened in the store, if nothing of it is there.
    pub(crate) unopened: Option<u64>,
}

/// Whether what was published is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreState {
    /// It is, or is not to be.
    Settled,
    /// It is on its way, and its receipt with it.
    UnderWay,
    /// It never will be.
    Never,
}

impl Storing {
    pub(in crate::machine) fn is_under_way(&self) -> bool {
        matches!(self, Self::Stored { under_way, .. } if *under_way > 0)
    }

    pub(in crate::machine) fn is_stored(&self) -> bool {
        matches!(self, Self::Stored { .. })
    }
}

impl ToStore {
    pub(crate) fn is_empty(&self) -> bool {
        self.publications.is_empty() && self.marks.is_empty()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.publications.append(&mut other.publications);
        self.marks.extend(other.marks);
    }
}

impl<S: Clone> Shard<S> {
    /// Keeps a channel from going until [`unpin`](Self::unpin); false if it is not there.
    pub(crate) fn pin(&mut self, name: &ChannelId) -> bool {
        self.mark_active(name);
        self.look_up(name).map(|channel| channel.pins += 1).is_some()
    }

    /// Takes one pin out.
    pub(crate) fn unpin(&mut self, name: &ChannelId, now: Instant) {
        let channel = self.channels.get_mut(name).expect("a pinned channel stays");
        channel.pins -= 1;
        if !channel.is_in_use() {
            self.mark_idle(name, now);
        }
    }

    /// Restores a channel as the store knows it, unless it is there, and pins it.
    pub(crate) fn restore(
        &mut self,
        name: &ChannelId,
        options: ChannelOptions,
        restored: Restored,
        now: Now,
    ) {
        if !self.pin(name) {
            let mut channel = Channel::new(self.next_life(), restored.epoch, options);
            channel.storing = Storing::Stored { unopened: restored.unopened, under_way: 0 };
            channel.restore(restored, now);
            self.insert_pinned(name, channel);
        }
    }

    /// Makes a channel that is to be stored and goes on without the store, unless it is there, and pins it. The hub's life in the store ends with that.
    pub(crate) fn go_on_without_store(&mut self, name: &ChannelId, options: ChannelOptions) {
        if !self.pin(name) {
            let mut channel = Channel::new(self.next_life(), self.next_epoch(), options);
            channel.storing = Storing::Failed;
            self.common.incarnation.iter().for_each(|incarnation| incarnation.end());
            self.insert_pinned(name, channel);
        }
    }

    fn insert_pinned(&mut self, name: &ChannelId, mut channel: Channel<S>) {
        channel.pins = 1;
        self.common.histories.change(0, channel.weight());
        self.channels.insert(name.clone(), Box::new(channel));
    }

    /// Puts a publication on its way to the store, with its receipt, if it is to be stored and can be.
    pub(in crate::machine) fn send_off(
        &mut self,
        name: &ChannelId,
        publication: Option<Arc<Publication>>,
        receipt: &mut Option<Receipt>,
    ) -> StoreState {
        let Some(channel) = self.channels.get_mut(name) else { return StoreState::Settled };
        let Some(publication) = publication else { return StoreState::Settled };
        match &mut channel.storing {
            Storing::Not => StoreState::Settled,
            Storing::Stored { unopened, under_way } if self.common.outgoing.over() == 0 => {
                *under_way += 1;
                self.common.outgoing.change(0, weight(&publication));
                let (receipt, opens) = (receipt.take(), *unopened);
                self.outgoing.publications.push(Outgoing { publication, receipt, opens });
                StoreState::UnderWay
            }
            Storing::Stored { .. } | Storing::Failed => {
                self.common.count_unstored(1);
                StoreState::Never
            }
        }
    }

    /// Puts a mark of what was read on its way to the store, if the channel is stored. One of the same user that waits still is replaced.
    pub(in crate::machine) fn send_mark(&mut self, name: &ChannelId, user: UserId, offset: Offset) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        if let Storing::Stored { under_way, .. } = &mut channel.storing {
            let replaced = self.outgoing.marks.insert((name.clone(), user), offset);
            *under_way += usize::from(replaced.is_none());
        }
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// What is to be stored.
    pub(crate) fn take_outgoing(&mut self) -> ToStore {
        std::mem::take(&mut self.outgoing)
    }

    /// The first offset that a stored channel's log holds; none if it is not stored.
    pub(crate) fn log_begins(&mut self, name: &ChannelId) -> Option<Offset> {
        let channel = self.look_up(name).filter(|channel| channel.storing.is_stored())?;
        Some(channel.history.first().unwrap_or(channel.last.offset.next()))
    }

    /// A publication is on its way no more: it is stored, or never will be.
    pub(crate) fn arrived(&mut self, outgoing: &Outgoing, stored: bool, now: Instant) {
        let publication = &outgoing.publication;
        self.common.outgoing.change(weight(publication), 0);
        if !stored {
            self.common.count_unstored(1);
        }
        let name = &publication.message.channel_id;
        let channel = self.channels.get_mut(name).expect(STAYS);
        let before = channel.weight();
        if stored {
            channel.is_stored(publication);
        }
        let after = channel.weight();
        self.common.histories.change(before, after);
        self.end_one(name, now);
    }

    /// A mark of what was read in this channel is on its way no more.
    pub(crate) fn mark_arrived(&mut self, name: &ChannelId, now: Instant) {
        self.end_one(name, now);
    }

    fn end_one(&mut self, name: &ChannelId, now: Instant) {
        let channel = self.channels.get_mut(name).expect(STAYS);
        if let Storing::Stored { under_way, .. } = &mut channel.storing {
            *under_way -= 1;
        }
        if !channel.is_in_use() {
            self.mark_idle(name, now);
        }
    }
}

/// Why a channel is there.
const STAYS: &str = "what is under way keeps its channel";

impl<S: Clone> Channel<S> {
    /// Notes that this is stored: the channel needs not be opened, nor the publication be given to the store again.
    fn is_stored(&mut self, publication: &Publication) {
        if let Storing::Stored { unopened, .. } = &mut self.storing {
            *unopened = None;
        }
        if let Some(key) = &publication.key {
            self.keys.stored(publication.author.clone(), key);
        }
    }

    /// Takes in what the store knows.
    fn restore(&mut self, restored: Restored, now: Now) {
        self.last = restored.place;
        let at = |timestamp: chrono::DateTime<chrono::Utc>| {
            now.instant.checked_sub((now.utc - timestamp).to_std().unwrap_or_default())
        };
        for publication in restored.publications {
            let Some(at) = at(publication.message.timestamp) else { continue };
            let place = Place { seq: publication.offset.0, offset: publication.offset };
            self.history.append(place, Arc::new(publication), at);
        }
        for RecalledKey { author, key, offset, at: published } in restored.keys {
            if let Some(at) = at(published) {
                self.keys.remember(author, key, offset, None, at);
            }
        }
        let last = self.last.offset;
        if let Some(presence) = self.presence() {
            presence.restore(restored.read.into_iter().map(|(user, offset)| (user, offset.min(last))));
        }
    }
}

fn weight(publication: &Publication) -> usize {
    publication.message.content.as_bytes().len() + 256
}
