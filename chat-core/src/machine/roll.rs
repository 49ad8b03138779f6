//! Who is in which channel of a shard, and when that is told.

use std::time::Instant;

use super::shard::{Joining, Shard};
use crate::model::{ChannelId, Offset, PresencePage, SessionId, SharedInfo};

impl<S: Clone> Shard<S> {
    /// Who is in the channel; none if there is no such channel, or it does not know.
    pub(crate) fn present(&mut self, name: &ChannelId, most: usize) -> Option<PresencePage> {
        Some(self.look_up(name)?.presence()?.page(most))
    }

    /// A session that is in the channel shows itself otherwise.
    pub(crate) fn renew(&mut self, name: &ChannelId, who: &SharedInfo, now: Instant) {
        self.change(name, |shard| {
            let Some(presence) = shard.look_up(name).and_then(|channel| channel.presence()) else { return };
            presence.renew(who, now);
        });
    }

    /// Marks what the user of a session in the channel has read: the mark as it stands, none if the channel does not know who is in it.
    pub(crate) fn mark_read(
        &mut self,
        name: &ChannelId,
        session: SessionId,
        offset: Offset,
        now: Instant,
    ) -> Option<Offset> {
        let mut mark = None;
        self.change(name, |shard| {
            let Some(channel) = shard.look_up(name) else { return };
            let most = offset.min(channel.last.offset);
            mark = channel.presence().and_then(|presence| presence.mark_read(session, most, now));
        });
        mark
    }

    /// When [`tell_presence`](Self::tell_presence) has something to do next.
    pub(crate) fn next_telling(&self) -> Option<Instant> {
        self.telling.first().map(|(at, _)| *at)
    }

    /// Tells who came and went, where that is due; returns the channels to flush.
    pub(crate) fn tell_presence(&mut self, now: Instant) -> Vec<ChannelId> {
        let mut told = Vec::new();
        while self.next_telling().is_some_and(|at| at <= now) {
            let (_, name) = self.telling.pop_first().expect("it has a deadline");
            if self.look_up(&name).is_some_and(|channel| channel.tell_presence(&name)) {
                told.push(name);
            }
        }
        told
    }

    /// Notes that a session is in the channel, and tells it who is if it wants to know.
    pub(super) fn appear(&mut self, name: &ChannelId, joining: &Joining) -> Option<PresencePage> {
        let mut page = None;
        self.change(name, |shard| {
            let Some(presence) = shard.look_up(name).and_then(|channel| channel.presence()) else { return };
            presence.join(&joining.who, joining.observes, joining.now);
            page = joining.observes.then(|| presence.page(joining.most));
        });
        page
    }

    pub(super) fn disappear(&mut self, name: &ChannelId, session: SessionId, now: Instant) {
        self.change(name, |shard| {
            let Some(presence) = shard.look_up(name).and_then(|channel| channel.presence()) else { return };
            presence.leave(session, now);
        });
    }

    /// Changes who is in a channel, and sees to it that this is told in time.
    fn change(&mut self, name: &ChannelId, change: impl FnOnce(&mut Self)) {
        let due = |shard: &Self| shard.channels.get(name).and_then(|channel| channel.presence_due());
        let before = due(self);
        change(self);
        let after = due(self);
        if before != after {
            before.map(|at| self.telling.remove(&(at, name.clone())));
            after.map(|at| self.telling.insert((at, name.clone())));
        }
    }
}
