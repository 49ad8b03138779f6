//! Channels that nobody is in: how long they stay for what they keep, and which go first when that is too much.

use super::Shard;
use crate::machine::channel::Idle;
use crate::model::{ChannelId, Instant};

/// What a channel costs that nobody is in, beside its name and what it keeps, about: measured with a million of them.
const CHANNEL_WEIGHT: usize = 800;

impl<S: Clone> Shard<S> {
    /// When [`sweep`](Self::sweep) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// Lets those channels go that nobody is in and whose time is over.
    pub(crate) fn sweep(&mut self, now: Instant) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let (_, name) = self.expiring.first().cloned().expect("it has a deadline");
            self.remove(&name);
        }
    }

    /// Looks at a channel that perhaps nobody is in or waits for: it goes now, or stays until what it keeps is too old.
    pub(in crate::machine) fn mark_idle(&mut self, name: &ChannelId, now: Instant) {
        self.mark_active(name);
        let Some(channel) = self.channels.get_mut(name).filter(|channel| !channel.is_in_use()) else {
            return;
        };
        let before = channel.weight();
        let until = channel.kept_until(now);
        self.common.histories.change(before, channel.weight());
        let Some(until) = until else { return self.remove(name) };
        let number = self.common.order.number();
        channel.idle = Some(Idle { number, until });
        self.common.histories.change(0, weight(name));
        self.idle.insert(number, name.clone());
        self.expiring.insert((until, name.clone()));
        self.note_longest();
    }

    /// Takes a channel off the list of those at rest, if it is there.
    pub(in crate::machine) fn mark_active(&mut self, name: &ChannelId) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(Idle { number, until }) = channel.idle.take() else { return };
        self.common.histories.change(weight(name), 0);
        self.idle.remove(&number);
        self.expiring.remove(&(until, name.clone()));
        self.note_longest();
    }

    /// Lets channels go that have rested longer than all in other shards, for as long as all together weigh too much.
    pub(crate) fn make_room(&mut self, until: u64) {
        while self.common.histories.over() > 0 {
            let Some((number, name)) = self.idle.first_key_value() else { return };
            if *number >= until {
                return;
            }
            let name = name.clone();
            self.remove(&name);
        }
    }

    /// While all histories together weigh too much, this one is cut.
    pub(crate) fn shrink(&mut self, name: &ChannelId) {
        let excess = self.common.histories.over();
        if let Some(channel) = self.channels.get_mut(name) {
            let before = channel.weight();
            channel.shrink(excess);
            self.common.histories.change(before, channel.weight());
        }
    }

    fn remove(&mut self, name: &ChannelId) {
        self.mark_active(name);
        if let Some(channel) = self.channels.remove(name) {
            self.common.histories.change(channel.weight(), 0);
        }
    }

    fn note_longest(&self) {
        let lowest = self.idle.first_key_value().map(|(number, _)| *number);
        self.common.order.note(self.index, lowest);
    }
}

/// What a channel at rest weighs by itself.
fn weight(name: &ChannelId) -> usize {
    CHANNEL_WEIGHT + name.as_str().len()
}
