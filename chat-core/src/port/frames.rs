//! Where protocols write what they have to say.

use super::Framing;
use crate::model::{Batch, BatchBuilder, ChannelId, Kind, Mark, Place};

/// Takes frames one by one, as one transport puts them on the wire.
pub struct Frames<'a> {
    framing: &'a dyn Framing,
    batch: BatchBuilder,
    payload: Vec<u8>,
    /// What the frames that are written now are about.
    place: Place,
    /// Where they begin.
    mark: Mark,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(framing: &'a dyn Framing, expected: usize) -> Self {
        let (batch, payload) = (BatchBuilder::with_capacity(expected, 0), Vec::new());
        Self { framing, batch, payload, place: Place::default(), mark: Mark::default() }
    }

    /// Writes one frame: `fill` appends its payload.
    pub fn write(&mut self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
        self.payload.clear();
        fill(&mut self.payload);
        self.framing.frame(kind, &self.payload, self.batch.bytes());
        self.batch.end_frame(kind, self.place);
    }

    /// Writes one frame of text.
    pub fn text(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.write(Kind::Text, fill);
    }

    pub(crate) fn at(&mut self, place: Place) {
        self.place = place;
        self.mark = self.batch.mark();
    }

    /// Takes back what was written of the present place: no more of it comes.
    pub(crate) fn break_off(&mut self) {
        self.batch.break_off(self.mark, self.place);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// What was written, of this channel's publications or of answers.
    pub(crate) fn finish(self, channel: Option<ChannelId>) -> Batch {
        self.batch.finish(channel)
    }

    /// What was written, told to one subscriber alone.
    pub(crate) fn finish_notice(self, channel: ChannelId) -> Batch {
        self.batch.finish_notice(channel)
    }
}
