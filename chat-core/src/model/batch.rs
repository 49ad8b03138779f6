//! Holds frames that are encoded once and shared by all who get them.

use std::sync::Arc;

use super::{ChannelId, Kind, Place};

/// Holds a sequence of frames in the format of one transport. A batch is made once and shared by reference.
#[derive(Debug)]
pub(crate) struct Batch {
    channel: Option<ChannelId>,
    /// Is true if the frames tell about the channel's publications and are none themselves.
    notice: bool,
    /// Holds the sequence number of the last event that could not be encoded; 0 if all could.
    broken: u64,
    bytes: Box<[u8]>,
    frames: Box<[FrameEnd]>,
}

#[derive(Clone, Copy, Debug)]
struct FrameEnd {
    kind: Kind,
    end: usize,
    place: Place,
}

/// Builds a [`Batch`] frame by frame.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    bytes: Vec<u8>,
    frames: Vec<FrameEnd>,
    broken: u64,
}

/// Holds the length of a batch at one moment of its construction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    bytes: usize,
    frames: usize,
}

/// Holds the part of a [`Batch`] that still has to go to one peer: whole frames, of which the first may be
/// partly written.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    batch: Arc<Batch>,
    first: usize,
    until: usize,
    written: usize,
}

impl Batch {
    /// Returns the channel if the frames are of one; none for replies and control frames.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        self.channel.as_ref()
    }

    /// Returns the number of frames.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns whether an event after the sequence number `seq` is missing because it could not be encoded.
    pub(crate) fn lacks_after(&self, seq: u64) -> bool {
        self.broken > seq
    }

    /// Returns the index of the first frame after the sequence number `seq`; none if there is none.
    pub(crate) fn first_after(&self, seq: u64) -> Option<usize> {
        let first = match self.frames.first() {
            Some(frame) if frame.place.seq > seq => 0,
            _ => self.frames.partition_point(|frame| frame.place.seq <= seq),
        };
        (first < self.frames.len()).then_some(first)
    }

    /// Returns the bytes of the frame `first` and of all that follow.
    pub(crate) fn bytes_from(&self, first: usize) -> &[u8] {
        &self.bytes[self.start(first)..]
    }

    /// Returns the place of the last frame; the default place for replies and for an empty batch.
    pub(crate) fn last(&self) -> Place {
        self.frames.last().map_or(Place::default(), |frame| frame.place)
    }

    fn start(&self, frame: usize) -> usize {
        frame.checked_sub(1).map_or(0, |before| self.frames[before].end)
    }
}

impl BatchBuilder {
    /// Returns an empty builder with room for `bytes` bytes in `frames` frames.
    pub(crate) fn with_capacity(frames: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), frames: Vec::with_capacity(frames), broken: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Returns the buffer to which the next frame's bytes are appended before [`end_frame`](Self::end_frame).
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a frame: its bytes are those that were appended since the last frame.
    pub(crate) fn end_frame(&mut self, kind: Kind, place: Place) {
        self.frames.push(FrameEnd { kind, end: self.bytes.len(), place });
    }

    /// Returns the present length, for [`break_off`](Self::break_off).
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), frames: self.frames.len() }
    }

    /// Removes all that came after `mark`, and notes that the event at this place could not be encoded.
    pub(crate) fn break_off(&mut self, mark: Mark, place: Place) {
        self.bytes.truncate(mark.bytes);
        self.frames.truncate(mark.frames);
        self.broken = place.seq;
    }

    /// Returns the batch: publications of this channel, or replies if there is none.
    pub(crate) fn finish(self, channel: Option<ChannelId>) -> Batch {
        let broken = self.broken;
        Batch { channel, notice: false, broken, bytes: self.bytes.into(), frames: self.frames.into() }
    }

    /// Returns the batch as a notice of the channel to one subscriber alone.
    pub(crate) fn finish_notice(self, channel: ChannelId) -> Batch {
        Batch { notice: true, ..self.finish(Some(channel)) }
    }
}

impl Run {
    /// Returns a run of the whole batch.
    pub(crate) fn all(batch: Arc<Batch>) -> Self {
        let until = batch.len();
        Self { batch, first: 0, until, written: 0 }
    }

    /// Returns a run of the frame `first` of a batch and all that follow.
    pub(crate) fn from(batch: &Arc<Batch>, first: usize) -> Self {
        Self { batch: batch.clone(), first, until: batch.len(), written: 0 }
    }

    /// Returns the bytes that still have to go.
    pub(crate) fn bytes(&self) -> &[u8] {
        let start = self.batch.start(self.first) + self.written;
        &self.batch.bytes[start..self.batch.start(self.until)]
    }

    /// Returns the number of frames that still have to go, including a partly written one.
    pub(crate) fn frames(&self) -> usize {
        self.until - self.first
    }

    /// Returns the channel that the frames are of, if any.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        self.batch.channel()
    }

    /// Returns whether the frames are a notice: they are of a channel, but are no publications.
    pub(crate) fn is_notice(&self) -> bool {
        self.batch.notice
    }

    /// Returns the sequence number, in its channel, of the first frame that still has to go; `u64::MAX` if
    /// there is none.
    pub(crate) fn first_seq(&self) -> u64 {
        self.places().next().map_or(u64::MAX, |place| place.seq)
    }

    /// Returns the places of the frames that still have to go. Signals have the offset 0, since their loss is
    /// no gap.
    pub(crate) fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.batch.frames[self.first..self.until].iter().map(|frame| frame.place)
    }

    /// Splits off the last frame.
    pub(crate) fn take_last(&mut self) -> Self {
        self.until -= 1;
        Self { batch: self.batch.clone(), first: self.until, until: self.until + 1, written: 0 }
    }

    /// Returns whether a part of the first frame has been written.
    pub(crate) fn is_begun(&self) -> bool {
        self.written > 0
    }

    /// Returns the kind of the first frame that still has to go.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.batch.frames[self.first..self.until].first().map(|frame| frame.kind)
    }

    /// Splits off the first frame, or its rest if it is partly written.
    pub(crate) fn take_frame(&mut self) -> Self {
        let frame = Self { batch: self.batch.clone(), until: self.until.min(self.first + 1), ..*self };
        self.first = frame.until;
        self.written = 0;
        frame
    }

    /// Counts `n` bytes as written, and returns the number of frames that this completes.
    pub(crate) fn advance(&mut self, n: usize) -> usize {
        let at = self.batch.start(self.first) + self.written + n;
        let gone = self.batch.frames[self.first..self.until].partition_point(|frame| frame.end <= at);
        self.first += gone;
        self.written = at - self.batch.start(self.first);
        gone
    }

    /// Splits off the rest of a partly written frame; the remainder starts at the boundary of a frame.
    pub(crate) fn split_begun(&mut self) -> Option<Self> {
        self.is_begun().then(|| self.take_frame())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    fn batch(frames: &[(&str, u64)]) -> Arc<Batch> {
        let mut builder = BatchBuilder::default();
        for (text, offset) in frames {
            builder.bytes().extend_from_slice(text.as_bytes());
            builder.end_frame(Kind::Text, Place { seq: *offset, offset: Offset(*offset) });
        }
        Arc::new(builder.finish(None))
    }

    #[test]
    fn a_run_starts_after_the_cursor() {
        let batch = batch(&[("aa", 4), ("bb", 5), ("cc", 6)]);
        let after = |seq| batch.first_after(seq).map(|first| Run::from(&batch, first));
        assert_eq!(after(3).expect("all").bytes(), b"aabbcc");
        assert_eq!(after(5).expect("one").bytes(), b"cc");
        assert_eq!(after(5).expect("one").bytes(), batch.bytes_from(2));
        assert!(after(6).is_none());
    }

    #[test]
    fn a_begun_frame_splits_off_at_its_end() {
        let mut run = Run::all(batch(&[("aa", 1), ("bb", 2), ("cc", 3)]));
        assert_eq!(run.advance(3), 1);
        assert_eq!((run.bytes(), run.frames()), (&b"bcc"[..], 2));
        assert_eq!(run.split_begun().expect("begun").bytes(), b"b");
        assert_eq!((run.bytes(), run.frames()), (&b"cc"[..], 1));
        assert_eq!((run.advance(2), run.frames(), run.is_begun()), (1, 0, false));
    }
}
