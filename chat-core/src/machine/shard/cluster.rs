//! Takes in what a broker has placed, for the channels that are one with those of other nodes.

use std::sync::Arc;

use super::Shard;
use crate::machine::event::{Left, TakenIn};
use crate::machine::notices::Notice;
use crate::machine::storing::{Restored, Storing};
use crate::model::{ChannelId, Epoch, Instant, Now, Offset, Publication};

impl<S: Clone> Shard<S> {
    /// Takes a publication in at its place; none stands for one that cannot be read.
    pub(crate) fn take_in(
        &mut self,
        name: &ChannelId,
        place: (Epoch, Offset),
        publication: Option<Arc<Publication>>,
        now: Now,
    ) -> TakenIn {
        let Some(channel) = self.look_up(name) else { return TakenIn::Unheard };
        let before = channel.weight();
        let taken = channel.take_in(place, publication, now);
        let after = channel.weight();
        self.common.histories.change(before, after);
        taken
    }

    /// Returns the names of the channels that are one with those of other nodes.
    pub(crate) fn clustered(&self) -> Vec<ChannelId> {
        let clustered =
            self.channels.iter().filter(|(_, channel)| matches!(channel.storing, Storing::Clustered));
        clustered.map(|(name, _)| name.clone()).collect()
    }

    /// Takes all subscribers out of a channel, and lets it continue as the broker knows it.
    pub(crate) fn begin_anew(&mut self, name: &ChannelId, restored: Restored, now: Now) -> Vec<Left<S>> {
        let Some(channel) = self.look_up(name) else { return Vec::new() };
        let sessions = channel.sessions().to_vec();
        let lefts =
            sessions.into_iter().filter_map(|session| self.unsubscribe(name, session, now.instant)).collect();
        let life = self.next_life();
        if let Some(channel) = self.look_up(name) {
            let before = channel.weight();
            channel.begin_anew(life, restored, now);
            let after = channel.weight();
            self.common.histories.change(before, after);
        }
        lefts
    }

    /// Takes all subscribers out of a channel of which nothing can be known any more, and removes it.
    pub(crate) fn give_up(&mut self, name: &ChannelId, now: Instant) -> Vec<Left<S>> {
        let Some(channel) = self.look_up(name) else { return Vec::new() };
        let sessions = channel.sessions().to_vec();
        let lefts = sessions.into_iter().filter_map(|session| self.unsubscribe(name, session, now)).collect();
        self.remove_unused(name);
        lefts
    }

    /// Notes that a publication of this node has its place.
    pub(crate) fn note_published(&mut self, publication: Arc<Publication>) {
        self.note(Notice::Published(publication));
    }

    /// Returns how many subscribers a channel has.
    pub(crate) fn subscribers(&mut self, name: &ChannelId) -> usize {
        self.look_up(name).map_or(0, |channel| channel.subscribers())
    }

    /// Takes out the names of the channels that were removed, which their broker is to leave.
    pub(crate) fn take_parted(&mut self) -> Vec<ChannelId> {
        std::mem::take(&mut self.parted)
    }
}
