//! What of a shard's channels waits to be stored, and what is taken up from the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;

use super::channel::Channel;
use super::shard::Shard;
use crate::model::{ChannelId, ChannelOptions, Epoch, Now, Offset, Place, Publication};

/// Hears whether a publication was stored; nothing if it never will be.
pub(crate) type Receipt = oneshot::Sender<bool>;

/// A publication to be stored, and who waits for that.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) publication: Arc<Publication>,
    pub(crate) receipt: Option<Receipt>,
}

/// What a channel that is stored knows of that.
#[derive(Debug)]
pub(super) struct Archived {
    /// How many of its publications are on their way.
    pub(super) unstored: usize,
    /// Until when it stays in any case: whoever took it up is about to use it.
    pub(super) hold: Instant,
    /// What was just published.
    pub(super) fresh: Option<Arc<Publication>>,
}

/// A channel as the store knows it: where it goes on, and its newest publications, the last one last.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) epoch: Epoch,
    pub(crate) place: Place,
    pub(crate) publications: Vec<Publication>,
}

/// How long a channel stays that was taken up and is not used.
const HOLD: Duration = Duration::from_secs(5);

/// How often a channel is looked at that nobody is in and that is not stored yet.
const LOOK: Duration = Duration::from_secs(1);

impl<S: Clone> Shard<S> {
    pub(crate) fn is_there(&mut self, name: &ChannelId) -> bool {
        self.look_up(name).is_some()
    }

    /// How many channels have gone: as long as that stays the same, what the store said of one holds.
    pub(crate) fn gone(&self) -> u64 {
        self.gone
    }

    /// Takes up a channel, unless it is there, or some channel has gone since `gone` was read; then the store is to be asked again.
    pub(crate) fn restore(
        &mut self,
        name: &ChannelId,
        options: ChannelOptions,
        restored: Restored,
        gone: u64,
        now: Now,
    ) -> bool {
        if self.is_there(name) {
            return true;
        }
        if self.gone != gone {
            return false;
        }
        let mut channel = Channel::new(restored.epoch, options);
        channel.last = restored.place;
        for publication in restored.publications {
            let age = (now.utc - publication.message.timestamp).to_std().unwrap_or_default();
            let Some(at) = now.instant.checked_sub(age) else { continue };
            let place = Place { seq: publication.offset.0, offset: publication.offset };
            channel.history.append(place, Arc::new(publication), at);
        }
        channel.archived = Some(Archived { unstored: 0, hold: now.instant + HOLD, fresh: None });
        self.budget.change(0, channel.weight());
        self.channels.insert(name.clone(), channel);
        self.rest(name, now.instant);
        true
    }

    /// Puts what was just published on its way to the store. False if it cannot be, and who waits for it hears so.
    pub(super) fn send_off(
        &mut self,
        name: &ChannelId,
        published: Option<Arc<Publication>>,
        receipt: Option<Receipt>,
    ) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(archived) = &mut channel.archived else { return };
        let Some(publication) = archived.fresh.take().or(published) else { return };
        if self.waiting.over() > 0 {
            self.torn += 1;
            return;
        }
        archived.unstored += 1;
        self.waiting.change(0, weight(&publication));
        self.outgoing.push(Outgoing { publication, receipt });
    }

    /// What is to be stored, and how many publications never will be.
    pub(crate) fn take_outgoing(&mut self) -> (Vec<Outgoing>, usize) {
        (std::mem::take(&mut self.outgoing), std::mem::take(&mut self.torn))
    }

    /// The first offset that a stored channel's log holds; none if it is not stored.
    pub(crate) fn log_begins(&mut self, name: &ChannelId) -> Option<Offset> {
        let channel = self.look_up(name).filter(|channel| channel.archived.is_some())?;
        Some(channel.history.first().unwrap_or(channel.last.offset.next()))
    }

    /// A publication is on its way no more.
    pub(crate) fn arrived(&mut self, publication: &Publication) {
        self.waiting.change(weight(publication), 0);
        let channel = self.channels.get_mut(&publication.message.channel_id);
        let Some(channel) = channel.filter(|channel| channel.epoch == publication.epoch) else { return };
        if let Some(archived) = &mut channel.archived {
            archived.unstored -= 1;
        }
    }
}

impl<S: Clone> Channel<S> {
    /// Until when it stays because of the store.
    pub(super) fn held(&self, now: Instant) -> Option<Instant> {
        let archived = self.archived.as_ref()?;
        let unstored = (archived.unstored > 0).then(|| now + LOOK);
        unstored.max(Some(archived.hold).filter(|hold| *hold > now))
    }
}

fn weight(publication: &Publication) -> usize {
    publication.message.content.as_bytes().len() + 256
}
