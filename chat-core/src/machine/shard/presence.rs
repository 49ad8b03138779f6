//! Who is in which channel of a shard, and when that is told.

use super::Shard;
use crate::machine::channel::Channel;
use crate::machine::presence::Space;
use crate::model::{ChannelId, Instant, Offset, PresencePage, SessionId, SharedInfo};

impl<S: Clone> Shard<S> {
    /// Who is in the channel; none if there is no such channel, or it does not know.
    pub(crate) fn present(&mut self, name: &ChannelId, space: Space) -> Option<PresencePage> {
        Some(self.look_up(name)?.presence()?.page(space))
    }

    /// A session that is in the channel shows itself otherwise.
    pub(crate) fn renew(&mut self, name: &ChannelId, who: &SharedInfo, now: Instant) {
        self.change(name, |channel| channel.presence().map(|presence| presence.renew(who, now)));
    }

    /// Marks what the user of a session in the channel has read: the mark as it stands, none if the channel does not know who is in it.
    pub(crate) fn mark_read(
        &mut self,
        name: &ChannelId,
        session: SessionId,
        offset: Offset,
        now: Instant,
    ) -> Option<Offset> {
        let marked = self.change(name, |channel| {
            let most = offset.min(channel.last.offset);
            channel.presence()?.mark_read(session, most, now)
        });
        let (offset, moved) = marked.flatten()?;
        if let Some(user) = moved {
            self.send_mark(name, user, offset);
        }
        Some(offset)
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
            let Some(channel) = self.look_up(&name) else { continue };
            let flush = channel.tell_presence(&name, now);
            let again = channel.presence_due();
            self.tell_at(&name, None, again);
            if flush {
                told.push(name);
            }
        }
        told
    }

    /// Changes what a channel knows of who is in it, and sees to it that this is told in time.
    fn change<T>(&mut self, name: &ChannelId, change: impl FnOnce(&mut Channel<S>) -> T) -> Option<T> {
        let channel = self.look_up(name)?;
        let before = channel.presence_due();
        let changed = change(channel);
        let after = channel.presence_due();
        self.tell_at(name, before, after);
        Some(changed)
    }

    /// The moment to tell who came and went has moved.
    pub(in crate::machine) fn tell_at(
        &mut self,
        name: &ChannelId,
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        if before != after {
            before.map(|at| self.telling.remove(&(at, name.clone())));
            after.map(|at| self.telling.insert((at, name.clone())));
        }
    }
}
