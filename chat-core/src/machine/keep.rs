//! Channels that nobody is in: how long they stay for what they keep, and what goes when that is too much.

use std::time::Instant;

use super::shard::Shard;
use crate::model::ChannelId;

impl<S: Clone> Shard<S> {
    /// When [`sweep`](Self::sweep) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.idle.first().map(|(at, _)| *at)
    }

    /// Lets those channels go that nobody is in and that keep nothing any more.
    pub(crate) fn sweep(&mut self, now: Instant) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            let (_, name) = self.idle.first().cloned().expect("it has a deadline");
            self.rest(&name, now);
        }
    }

    /// Looks at a channel that perhaps nobody is in: it goes now, or stays until what it keeps is too old.
    pub(super) fn rest(&mut self, name: &ChannelId, now: Instant) {
        self.stir(name);
        let before = self.weight(name);
        let Some(channel) = self.channels.get_mut(name).filter(|channel| channel.subscribers() == 0) else {
            return;
        };
        let until = channel.forget_old(now);
        channel.idle = until;
        match until {
            Some(until) => {
                self.idle.insert((until, name.clone()));
                self.weigh_again(name, before);
            }
            None => self.remove(name, before),
        }
    }

    /// It is not to be swept, until it rests again.
    pub(super) fn stir(&mut self, name: &ChannelId) {
        let idle = self.channels.get_mut(name).and_then(|channel| channel.idle.take());
        if let Some(until) = idle {
            self.idle.remove(&(until, name.clone()));
        }
    }

    /// While all histories together weigh too much, those go that nobody hears, the next to be swept first.
    pub(crate) fn make_room(&mut self) {
        // One that is not stored yet has to stay.
        let idle: Vec<_> = self.idle.iter().map(|(_, name)| name.clone()).collect();
        for name in idle {
            if self.budget.over() == 0 {
                return;
            }
            if self.channels[&name].archived.as_ref().is_none_or(|archived| archived.unstored == 0) {
                self.stir(&name);
                let weight = self.weight(&name);
                self.remove(&name, weight);
            }
        }
    }

    /// While all histories together weigh too much, this one is cut.
    pub(crate) fn lighten(&mut self, name: &ChannelId) {
        let (excess, before) = (self.budget.excess(), self.weight(name));
        if let Some(channel) = self.channels.get_mut(name) {
            channel.lighten(excess);
            self.weigh_again(name, before);
        }
    }

    fn remove(&mut self, name: &ChannelId, weight: usize) {
        self.channels.remove(name);
        self.gone += 1;
        self.budget.change(weight, 0);
    }

    fn weight(&self, name: &ChannelId) -> usize {
        self.channels.get(name).map_or(0, |channel| channel.weight())
    }

    fn weigh_again(&mut self, name: &ChannelId, before: usize) {
        self.budget.change(before, self.weight(name));
    }
}
