//! Queues publications of a shard's channels for the store, and restores channels from it.

use std::sync::Arc;

use super::Shard;
use crate::machine::channel::Channel;
use crate::machine::dues::Dues;
use crate::machine::storing::{Outgoing, Receipt, Restored, StoreState, Storing, ToStore};
use crate::model::{ChannelId, ChannelOptions, Instant, Now, Offset, Publication, UserId};

impl<S: Clone> Shard<S> {
    /// Keeps a channel from being removed until [`unpin`](Self::unpin). Returns false if it is not there.
    pub(crate) fn pin(&mut self, name: &ChannelId) -> bool {
        self.mark_active(name);
        self.look_up(name).map(|channel| channel.pins += 1).is_some()
    }

    /// Releases one pin.
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
            channel.storing = Storing::of(&restored);
            channel.restore(restored, now);
            channel.begin_exchange(now.instant);
            self.insert_pinned(name, channel);
        }
    }

    /// Creates a channel that is to be stored but continues without the store, unless it is there, and pins
    /// it. Creating it ends the hub's incarnation in the store.
    pub(crate) fn continue_without_store(&mut self, name: &ChannelId, options: ChannelOptions) {
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
        self.schedule(name, Dues::default(), channel.dues());
        self.channels.insert(name.clone(), Box::new(channel));
    }

    /// Queues a publication for the store, with its receipt, if the channel is stored and the store's backlog
    /// has room. A publication that is to be stored but cannot be is counted as not stored.
    pub(in crate::machine) fn send_off(
        &mut self,
        name: &ChannelId,
        publication: Option<Arc<Publication>>,
        receipt: &mut Option<Receipt>,
    ) -> StoreState {
        let Some(channel) = self.channels.get_mut(name) else { return StoreState::Settled };
        let Some(publication) = publication else { return StoreState::Settled };
        match &mut channel.storing {
            Storing::Not | Storing::Clustered => StoreState::Settled,
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

    /// Queues a read offset for the store, if the channel is stored. An offset of the same user that still
    /// waits is replaced.
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

    /// Takes all that waits to be stored.
    pub(crate) fn take_outgoing(&mut self) -> ToStore {
        std::mem::take(&mut self.outgoing)
    }

    /// Returns the first offset that a stored channel's log holds. Returns none if the channel is not stored.
    pub(crate) fn log_begins(&mut self, name: &ChannelId) -> Option<Offset> {
        let channel = self.look_up(name).filter(|channel| channel.storing.is_stored())?;
        Some(channel.history.first().unwrap_or(channel.last.offset.next()))
    }

    /// Notes that a publication is on its way no more: it is stored, or never will be.
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

    /// Notes that a read offset of this channel is on its way no more.
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

/// States why the channel must be there.
const STAYS: &str = "what is under way keeps its channel";

fn weight(publication: &Publication) -> usize {
    publication.message.content.as_bytes().len() + 256
}
