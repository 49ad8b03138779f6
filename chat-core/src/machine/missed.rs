//! What a subscriber does not get, until it is told.

use crate::model::{ChannelId, Gap, Offset, Place, Run};

/// Publications of one channel, one after the other, that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    /// How many frames, signals among them.
    pub(crate) frames: usize,
    /// The offsets of the first and the last; none if there were only signals.
    pub(crate) range: Option<(Offset, Offset)>,
    /// The number of the last, among all that the channel told.
    pub(crate) seq: u64,
    /// Joins and leaves were among them.
    pub(crate) presence: bool,
}

/// What one session is to be told: ranges in the order in which they were lost.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<(Gap, u64)>);

impl Missed {
    /// Publications that were never queued.
    pub(crate) fn of(from: Offset, to: Offset, seq: u64) -> Self {
        let range = (from <= to).then_some((from, to));
        Self { frames: range.map_or(0, |_| (to.0 - from.0 + 1) as usize), range, seq, presence: false }
    }

    /// Counts these in: they come after what was counted before.
    pub(crate) fn add(&mut self, run: &Run) {
        for place in run.places() {
            self.frames += 1;
            self.seq = place.seq;
            if place.offset == Place::PRESENCE {
                self.presence = true;
            } else if place.offset > Offset(0) {
                let from = self.range.map_or(place.offset, |(from, _)| from);
                self.range = Some((from, place.offset));
            }
        }
    }

    /// This, and after it what a run holds.
    pub(crate) fn and(mut self, run: &Run) -> Self {
        self.add(run);
        self
    }
}

impl Gaps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A range that goes on where another ended becomes one with it.
    pub(super) fn add(&mut self, channel: &ChannelId, loss: Missed) {
        if loss.presence {
            self.add_presence(channel, loss.seq);
        }
        let Some((first, last)) = loss.range else { return };
        for (lost, seq) in self.0.iter_mut().rev().filter(|(lost, _)| lost.channel() == channel) {
            match lost {
                // A write that took nothing puts back publications that are older than a gap noted meanwhile.
                Gap::Publications { from, to, .. } if first <= to.next() && *from <= last.next() => {
                    (*from, *to, *seq) = ((*from).min(first), (*to).max(last), (*seq).max(loss.seq));
                    return;
                }
                Gap::Publications { .. } => break,
                Gap::Presence { .. } => {}
            }
        }
        let lost = Gap::Publications { channel: channel.clone(), from: first, to: last };
        self.0.push((lost, loss.seq));
    }

    /// To be told once, however much of it was lost.
    fn add_presence(&mut self, channel: &ChannelId, seq: u64) {
        let lost = Gap::Presence { channel: channel.clone() };
        match self.0.iter_mut().find(|(known, _)| *known == lost) {
            Some((_, known)) => *known = seq,
            None => self.0.push((lost, seq)),
        }
    }

    /// The first that is to be told before this run.
    pub(super) fn take_before(&mut self, run: &Run) -> Option<Gap> {
        if self.0.is_empty() {
            return None;
        }
        let channel = run.channel()?;
        let first = run.first_seq();
        let at = self.0.iter().position(|(lost, seq)| lost.channel() == channel && *seq < first)?;
        Some(self.remove(at))
    }

    pub(super) fn take_first(&mut self) -> Option<Gap> {
        (!self.0.is_empty()).then(|| self.remove(0))
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Gap> {
        std::mem::take(&mut self.0).into_iter().map(|(lost, _)| lost)
    }

    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.0.retain(|(lost, _)| lost.channel() != channel);
    }

    fn remove(&mut self, at: usize) -> Gap {
        let (lost, _) = self.0.remove(at);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        lost
    }
}
