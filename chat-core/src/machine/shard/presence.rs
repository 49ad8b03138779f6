//! Keeps the presence of a shard's channels, and when its changes are to be published.

use super::Shard;
use crate::machine::channel::Channel;
use crate::machine::dues::Dues;
use crate::machine::presence::Space;
use crate::model::{ChannelId, Instant, Offset, PresencePage, SessionId, SharedInfo};

impl<S: Clone> Shard<S> {
    /// Returns a page of a channel's presence. Returns none if there is no such channel, or if it keeps no
    /// presence.
    pub(crate) fn present(&mut self, name: &ChannelId, space: Space) -> Option<PresencePage> {
        Some(self.look_up(name)?.presence()?.page(space))
    }

    /// Changes the name and the data of a session in the channel.
    pub(crate) fn renew(&mut self, name: &ChannelId, who: &SharedInfo, now: Instant) {
        self.change(name, |channel| channel.presence().map(|presence| presence.renew(who, now)));
    }

    /// Notes up to where the user of a session in the channel has read, at most the channel's last offset.
    /// Returns the user's read offset. Returns none if the channel keeps no presence, or the session is not
    /// in it.
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

    /// Returns when [`tell_presence`](Self::tell_presence) next has something to do.
    pub(crate) fn next_telling(&self) -> Option<Instant> {
        self.telling.first().map(|(at, _)| *at)
    }

    /// Publishes the changes of presence that are due. Returns the channels to flush.
    pub(crate) fn tell_presence(&mut self, now: Instant) -> Vec<ChannelId> {
        let mut told = Vec::new();
        while self.next_telling().is_some_and(|at| at <= now) {
            let (_, name) = self.telling.pop_first().expect("it has a deadline");
            let Some(channel) = self.look_up(&name) else { continue };
            let flush = channel.tell_presence(&name, now);
            let again = channel.dues();
            self.schedule(&name, Dues { change: None, ..again }, again);
            if flush {
                told.push(name);
            }
        }
        told
    }

    /// Changes a channel's presence, and schedules what is to be told of that.
    pub(super) fn change<T>(
        &mut self,
        name: &ChannelId,
        change: impl FnOnce(&mut Channel<S>) -> T,
    ) -> Option<T> {
        let channel = self.look_up(name)?;
        let before = channel.dues();
        let changed = change(channel);
        let after = channel.dues();
        self.schedule(name, before, after);
        Some(changed)
    }

    /// Moves the times at which a channel is to tell of its presence.
    pub(in crate::machine) fn schedule(&mut self, name: &ChannelId, before: Dues, after: Dues) {
        if before == after {
            return;
        }
        if before.change != after.change {
            before.change.map(|at| self.telling.remove(&(at, name.clone())));
            after.change.map(|at| self.telling.insert((at, name.clone())));
        }
        if before.words != after.words {
            before.words.map(|at| self.speaking.remove(&(at, name.clone())));
            after.words.map(|at| self.speaking.insert((at, name.clone())));
        }
    }
}
