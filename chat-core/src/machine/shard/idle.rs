//! Keeps channels without subscribers for as long as their history lasts, and removes the longest idle ones
//! when they weigh too much.

use super::Shard;
use crate::machine::channel::Idle;
use crate::machine::dues::Dues;
use crate::machine::storing::Storing;
use crate::model::{ChannelId, Instant};

/// Estimates the cost of an idle channel beside its name, its history and its keys, in bytes: measured with a
/// million of them.
const CHANNEL_WEIGHT: usize = 800;

impl<S: Clone> Shard<S> {
    /// Returns when [`sweep`](Self::sweep) next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// Removes the idle channels whose time is over.
    pub(crate) fn sweep(&mut self, now: Instant) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let (_, name) = self.expiring.first().cloned().expect("it has a deadline");
            self.remove(&name);
        }
    }

    /// Checks a channel that may not be in use any more. If it is not, it is removed now, or stays idle until
    /// all that it keeps is too old.
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

    /// Takes a channel off the list of idle channels, if it is there.
    pub(in crate::machine) fn mark_active(&mut self, name: &ChannelId) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let Some(Idle { number, until }) = channel.idle.take() else { return };
        self.common.histories.change(weight(name), 0);
        self.idle.remove(&number);
        self.expiring.remove(&(until, name.clone()));
        self.note_longest();
    }

    /// Removes channels that have been idle longer than all in other shards (with numbers below `until`),
    /// while all histories together weigh too much.
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

    /// Cuts the channel's history and keys by the excess, while all histories together weigh too much.
    pub(crate) fn shrink(&mut self, name: &ChannelId) {
        let excess = self.common.histories.over();
        if let Some(channel) = self.channels.get_mut(name) {
            let before = channel.weight();
            channel.shrink(excess);
            self.common.histories.change(before, channel.weight());
        }
    }

    /// Removes a channel now, unless it is in use.
    pub(in crate::machine) fn remove_unused(&mut self, name: &ChannelId) {
        if self.channels.get(name).is_some_and(|channel| !channel.is_in_use()) {
            self.remove(name);
        }
    }

    fn remove(&mut self, name: &ChannelId) {
        self.mark_active(name);
        if let Some(channel) = self.channels.remove(name) {
            self.common.histories.change(channel.weight(), 0);
            self.schedule(name, channel.dues(), Dues::default());
            if matches!(channel.storing, Storing::Clustered) {
                self.parted.push(name.clone());
            }
        }
    }

    fn note_longest(&self) {
        let lowest = self.idle.first_key_value().map(|(number, _)| *number);
        self.common.order.note(self.index, lowest);
    }
}

/// Returns the weight of an idle channel by itself.
fn weight(name: &ChannelId) -> usize {
    CHANNEL_WEIGHT + name.as_str().len()
}
