//! Gives messages their place in a channel, and makes room for them.

use std::sync::Arc;
use std::time::Instant;

use futures::channel::oneshot;

use crate::driver::hub::Hub;
use crate::driver::hub::entry::Entry;
use crate::lock::lock;
use crate::machine::{Draft, Placed, StoreState};
use crate::model::{Author, ChannelId, Offset, Publish, Published, Refusal, SessionInfo, Storage};
use crate::port::Standing;

/// What became of a message.
pub(crate) struct Appended {
    pub(crate) published: Published,
    /// The caller is to flush the channel.
    pub(crate) flush: bool,
    pub(crate) stored: Waits,
}

/// Whether a publisher waits for the store.
pub(crate) enum Waits {
    No,
    For(oneshot::Receiver<bool>),
    /// It is not stored, and never will be.
    Never,
}

impl Hub {
    /// Gives a message of the server itself its place.
    pub(crate) fn append_own(&self, publish: Publish, entry: Entry, waits: bool) -> Appended {
        self.append(publish, None, entry, waits)
    }

    /// Gives a message its place in the channel that is entered. Without a session the server itself speaks. With `waits`, and where the channel is durable, its publisher may wait until it is stored.
    pub(crate) fn append(
        &self,
        publish: Publish,
        by: Option<&SessionInfo>,
        mut entry: Entry,
        waits: bool,
    ) -> Appended {
        self.0.metrics.publications.add(1);
        let Publish { content, event, key, refers, ephemeral, .. } = publish;
        let (now, key) = (self.0.runtime.now(), key.map(Arc::from));
        let waits = waits && entry.options.storage == Storage::Durable && !ephemeral;
        let (receipt, stored) = waits.then(oneshot::channel).unzip();
        let (from, author) = by.map(|session| (session.id, session.user.clone())).unzip();
        let sender = by.map_or(&self.0.name, |session| &session.name).clone();
        let draft = Draft { from, author, sender, content, event, key, refers, ephemeral, receipt, now };
        let placed = self.give_place(&mut entry, draft, now.instant);
        if placed.published.subscribers == 0 {
            self.sweep_later();
        }
        let appended = self.appended(placed, stored);
        if self.0.common.histories.over() > 0 {
            self.make_room(&entry.channel);
        }
        appended
    }

    /// Gives a message its place, and lets the entered channel go under the same lock.
    fn give_place(&self, entry: &mut Entry, draft: Draft, now: Instant) -> Placed {
        let Entry { channel, options, pin } = entry;
        let pinned = pin.take();
        let mut shard = lock(self.shard(channel));
        let placed = match shard.publish(channel, draft) {
            Ok(placed) => placed,
            Err(draft) => shard.publish_anew(channel, draft, *options),
        };
        if pinned.is_some() {
            shard.unpin(channel, now);
        }
        placed
    }

    /// While all histories weigh too much, those channels go that nobody is in; if none is left, the one is cut that has grown.
    pub(crate) fn make_room(&self, grown: &ChannelId) {
        self.let_idle_go();
        if self.0.common.histories.over() > 0 {
            lock(self.shard(grown)).lighten(grown);
        }
    }

    /// While all histories weigh too much, those channels go that nobody is in, the one that has rested longest first, wherever it is.
    pub(crate) fn let_idle_go(&self) {
        let common = &self.0.common;
        while common.histories.over() > 0
            && let Some(longest) = common.order.longest()
        {
            lock(&self.0.shards[longest.shard]).make_room(longest.until);
        }
    }

    /// Who published this, if it is kept.
    pub(crate) fn author(&self, channel: &ChannelId, offset: Offset) -> Option<Author> {
        lock(self.shard(channel)).author(channel, offset)
    }

    /// Checks that a publication edits or deletes only what its user has written and what is kept, unless the endpoint says otherwise.
    pub(crate) fn may_refer(&self, publish: &Publish, by: &SessionInfo) -> Result<(), Refusal> {
        let Some(refers) = publish.refers.filter(|_| !publish.moderates) else { return Ok(()) };
        let author = self.author(&publish.channel, refers.offset());
        Standing { author, ..Standing::default() }.may_change(by)
    }

    /// What this user published before under the same key, if that is remembered.
    pub(crate) fn published_before(
        &self,
        publish: &Publish,
        by: &SessionInfo,
        entry: &Entry,
        waits: bool,
    ) -> Option<Appended> {
        let (key, now) = (publish.key.as_ref()?, self.0.runtime.now().instant);
        let waits = waits && entry.options.storage == Storage::Durable;
        let (receipt, stored) = waits.then(oneshot::channel).unzip();
        let placed = lock(self.shard(&publish.channel)).published_before(
            &publish.channel,
            &by.user,
            key,
            receipt,
            now,
        );
        placed.map(|placed| self.appended(placed, stored))
    }

    fn appended(&self, placed: Placed, stored: Option<oneshot::Receiver<bool>>) -> Appended {
        let Placed { published, flush, stored: state, receipt } = placed;
        // Dropped here, under no lock: that wakes.
        drop(receipt);
        if state == StoreState::UnderWay {
            self.store_later();
        }
        let stored = match (state, stored) {
            (StoreState::UnderWay, Some(stored)) => Waits::For(stored),
            (StoreState::Never, Some(_)) => Waits::Never,
            _ => Waits::No,
        };
        Appended { published, flush, stored }
    }
}
