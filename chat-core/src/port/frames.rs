//! Collects the frames that protocols write.

use super::Framing;
use crate::model::{Batch, BatchBuilder, ChannelId, Kind, Mark, Place};

/// Takes frames one by one, and puts them in the format of one transport.
pub struct Frames<'a> {
    framing: &'a dyn Framing,
    batch: BatchBuilder,
    payload: Vec<u8>,
    /// Holds the place of the event whose frames are written now.
    place: Place,
    /// Marks where the frames of that event begin.
    mark: Mark,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(framing: &'a dyn Framing, expected: usize) -> Self {
        let (batch, payload) = (BatchBuilder::with_capacity(expected, 0), Vec::new());
        Self { framing, batch, payload, place: Place::default(), mark: Mark::default() }
    }

    /// Writes one frame, whose payload `fill` appends.
    pub fn write(&mut self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
        self.payload.clear();
        fill(&mut self.payload);
        self.framing.frame(kind, &self.payload, self.batch.bytes());
        self.batch.end_frame(kind, self.place);
    }

    /// Writes one frame of text, whose payload `fill` appends.
    pub fn text(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.write(Kind::Text, fill);
    }

    pub(crate) fn at(&mut self, place: Place) {
        self.place = place;
        self.mark = self.batch.mark();
    }

    /// Removes the frames of the present place, and notes that its event could not be encoded.
    pub(crate) fn break_off(&mut self) {
        self.batch.break_off(self.mark, self.place);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Returns what was written: publications of this channel, or replies if there is none.
    pub(crate) fn finish(self, channel: Option<ChannelId>) -> Batch {
        self.batch.finish(channel)
    }

    /// Returns what was written as a notice to one subscriber alone.
    pub(crate) fn finish_notice(self, channel: ChannelId) -> Batch {
        self.batch.finish_notice(channel)
    }
}

impl std::fmt::Debug for Frames<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("framing", &self.framing.name()).finish_non_exhaustive()
    }
}
