//! Records the events that a subscriber does not get, until it is told of the gap.

use crate::model::{ChannelId, Gap, Offset, Place, Run};

/// Describes consecutive events of one channel that were dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Counts the dropped frames, ephemeral publications among them.
    pub(crate) frames: usize,
    /// Holds the offsets of the first and the last publication; none if all were ephemeral.
    pub(crate) range: Option<(Offset, Offset)>,
    /// Holds the sequence number of the last event, among all events of the channel.
    pub(crate) seq: u64,
    /// Tells whether joins and leaves were among the events.
    pub(crate) presence: bool,
}

/// Holds the gaps that one session is to be told of, in the order in which they arose.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<(Gap, u64)>);

impl Missed {
    /// Describes publications that were never queued: the offsets `from..=to`.
    pub(crate) fn of(from: Offset, to: Offset, seq: u64) -> Self {
        let range = (from <= to).then_some((from, to));
        Self { frames: range.map_or(0, |_| (to.0 - from.0 + 1) as usize), range, seq, presence: false }
    }

    /// Adds the events of a run, which come after the ones counted before.
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

    /// Returns these events and, after them, the events of a run.
    pub(crate) fn and(mut self, run: &Run) -> Self {
        self.add(run);
        self
    }
}

impl Gaps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a gap. One that continues where another ended is merged with it.
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

    /// Adds a gap in presence. The session is told once, however many changes it missed.
    fn add_presence(&mut self, channel: &ChannelId, seq: u64) {
        let lost = Gap::Presence { channel: channel.clone() };
        match self.0.iter_mut().find(|(known, _)| *known == lost) {
            Some((_, known)) => *known = seq,
            None => self.0.push((lost, seq)),
        }
    }

    /// Takes the first gap that the session is to be told of before this run.
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
