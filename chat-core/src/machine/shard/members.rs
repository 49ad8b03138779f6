//! Exchanges with other nodes who is in the channels of a shard.

use super::Shard;
use crate::machine::member::{MemberWord, Progress, Told};
use crate::model::{ChannelId, Instant};

/// Holds what other nodes are to be told of a channel, in order.
pub(crate) type ChannelWords = (ChannelId, Vec<(Progress, MemberWord)>);

impl<S: Clone> Shard<S> {
    /// Returns when [`take_words`](Self::take_words) next has something to do.
    pub(crate) fn next_words(&self) -> Option<Instant> {
        self.speaking.first().map(|(at, _)| *at)
    }

    /// Takes what other nodes are to be told now of the members of this node, of at most `most` channels.
    /// If this node `hears` the others, those that do not answer any more are taken out before.
    pub(crate) fn take_words(&mut self, hears: bool, most: usize, now: Instant) -> Vec<ChannelWords> {
        let due = self.speaking.iter().take_while(|(at, _)| *at <= now).take(most);
        let due: Vec<_> = due.map(|(_, name)| name.clone()).collect();
        let mut taken = Vec::new();
        for name in due {
            let words = self.change(&name, |channel| {
                let presence = channel.presence()?;
                presence.take_out_doubted(hears, now);
                Some(presence.take_words(now))
            });
            taken.extend(words.flatten().filter(|words| !words.is_empty()).map(|words| (name, words)));
        }
        taken
    }

    /// Takes in what another node tells of a channel. Returns false if something was not taken in, since a
    /// bound is met.
    pub(crate) fn hear_members(&mut self, name: &ChannelId, told: Told, now: Instant) -> bool {
        let heard = self.change(name, |channel| channel.presence().map(|presence| presence.hear(told, now)));
        heard.flatten().unwrap_or(true)
    }

    /// Returns until when the other nodes may still answer who is in a channel; none for a channel of this
    /// node alone.
    pub(crate) fn gathers_until(&mut self, name: &ChannelId) -> Option<Instant> {
        Some(self.look_up(name)?.presence()?.members.as_ref()?.gathers_until)
    }

    /// Returns the channels in which a node is known.
    pub(crate) fn channels_of_node(&self, node: u64) -> Vec<ChannelId> {
        let of_node = self.channels.iter().filter(|(_, channel)| channel.knows_node(node));
        of_node.map(|(name, _)| name.clone()).collect()
    }

    /// Takes the members of a node that is gone out of a channel.
    pub(crate) fn take_node_out(&mut self, name: &ChannelId, node: u64, now: Instant) {
        self.change(name, |channel| {
            channel.presence().into_iter().for_each(|presence| presence.take_out(node, now));
        });
    }

    /// Asks the other nodes for the numbers of their last changes in all channels.
    pub(crate) fn query_members(&mut self, now: Instant) {
        let names: Vec<_> = self.speaking.iter().map(|(_, name)| name.clone()).collect();
        for name in names {
            self.change(&name, |channel| {
                channel.presence().into_iter().for_each(|presence| presence.query(now));
            });
        }
    }
}
