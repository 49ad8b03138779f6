//! Describes a shard's channels, and who is in them, page by page.

use super::Shard;
use crate::machine::smallest::smallest;
use crate::model::{ChannelId, ChannelStatus, Instant, SessionId};

impl<S: Clone> Shard<S> {
    /// Describes the channels after this name, at most `most` in the order of their names. Returns whether
    /// there are others after those. Looks at the name of every channel of the shard.
    pub(crate) fn look_at_channels(
        &mut self,
        after: Option<&ChannelId>,
        most: usize,
        now: Instant,
    ) -> (Vec<ChannelStatus>, bool) {
        let names = self.channels.keys().filter(|name| after.is_none_or(|after| *name > after));
        let (names, more) = smallest(names, most);
        let names: Vec<_> = names.into_iter().cloned().collect();
        (names.into_iter().filter_map(|name| self.look_at(name, now)).collect(), more)
    }

    fn look_at(&mut self, name: ChannelId, now: Instant) -> Option<ChannelStatus> {
        let channel = self.channels.get_mut(&name)?;
        let before = channel.weight();
        channel.history.forget_old(now);
        let status = ChannelStatus {
            channel: name,
            subscribers: channel.subscribers(),
            publications: channel.history.len(),
            history_bytes: channel.history.bytes(),
            epoch: channel.epoch,
            offset: channel.last.offset,
            stored: channel.storing.is_stored(),
        };
        let after = channel.weight();
        self.common.histories.change(before, after);
        Some(status)
    }

    /// Returns the subscribers of a channel after this session, at most `most` in the order of their ids, and
    /// whether there are others after those. Looks at the id of every subscriber.
    pub(crate) fn look_at_subscribers(
        &self,
        name: &ChannelId,
        after: Option<SessionId>,
        most: usize,
    ) -> (Vec<S>, bool) {
        self.channels
            .get(name)
            .map_or_else(Default::default, |channel| channel.subscribers_after(after, most))
    }
}
