//! Who is in a channel: asked, and told in time.

use std::time::Instant;

use crate::driver::hub::fanout;
use crate::driver::hub::{Hub, WeakHub};
use crate::lock::lock;
use crate::machine::{PRESENCE_BYTES, Space};
use crate::model::{ChannelId, ChannelOptions, Offset, PresencePage, SessionId, SharedInfo};

impl Hub {
    /// Who is in a channel: nobody, if there is no such channel; none if it does not know
    /// ([`ChannelOptions::presence`](crate::ChannelOptions::presence)).
    pub fn presence(&self, channel: &ChannelId) -> Option<PresencePage> {
        let options = || self.0.endpoint.channel(channel, self.0.channel);
        self.present(channel, false).or_else(|| self.nobody(channel, options()))
    }

    /// That nobody is in a channel that is not there, if it would know.
    pub(crate) fn nobody(&self, channel: &ChannelId, options: ChannelOptions) -> Option<PresencePage> {
        (options.presence && self.place(channel).is_none()).then(PresencePage::default)
    }

    /// The same of a channel that is there, of which what others see of a user is told once for each of its sessions, or once.
    pub(crate) fn present(&self, channel: &ChannelId, by_session: bool) -> Option<PresencePage> {
        lock(self.shard(channel)).present(channel, self.presence_space(by_session))
    }

    /// How much of who is there one answer tells.
    pub(crate) fn presence_space(&self, by_session: bool) -> Space {
        let bytes = PRESENCE_BYTES.min(self.0.limits.outbox_bytes / 4).max(1);
        Space { entries: self.0.limits.answer_entries, bytes, by_session }
    }

    /// Marks what the user of a session has read; none if the channel does not know who is in it.
    pub(crate) fn mark_read(
        &self,
        channel: &ChannelId,
        session: SessionId,
        offset: Offset,
    ) -> Option<Offset> {
        let now = self.0.runtime.now().instant;
        let mark = lock(self.shard(channel)).mark_read(channel, session, offset, now);
        self.store_later();
        self.tell_later();
        mark
    }

    /// A session that is in the channel has another name or other data.
    pub(crate) fn renew(&self, channel: &ChannelId, who: &SharedInfo) {
        lock(self.shard(channel)).renew(channel, who, self.0.runtime.now().instant);
        self.tell_later();
    }

    /// Sees to it that joins and leaves are told in time, now that there are such.
    pub(crate) fn tell_later(&self) {
        let Some(duty) = self.0.telling.take() else { return };
        let (hub, runtime) = (self.downgrade(), self.0.runtime.clone());
        self.0.runtime.spawn(Box::pin(async move {
            while let Some(next) = tell(&hub) {
                runtime.sleep_until(next).await;
            }
            drop(duty);
            // Who came or went in between has called nobody.
            if let Some(hub) = hub.upgrade().filter(|hub| hub.next_telling().is_some()) {
                hub.tell_later();
            }
        }));
    }

    fn next_telling(&self) -> Option<Instant> {
        self.0.shards.iter().filter_map(|shard| lock(shard).next_telling()).min()
    }
}

/// When to come back; none if there is nothing to wait for.
fn tell(hub: &WeakHub) -> Option<Instant> {
    let hub = hub.upgrade()?;
    let now = hub.0.runtime.now().instant;
    for shard in &hub.0.shards {
        let told = lock(shard).tell_presence(now);
        told.iter().for_each(|channel| fanout::flush(&hub, channel));
    }
    hub.next_telling()
}
