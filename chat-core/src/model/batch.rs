//! Frames made once and shared by all who get them.

use std::sync::Arc;

use super::{ChannelId, Kind, Place};

/// A run of frames, as one transport puts them on the wire. Made once, shared by reference.
#[derive(Debug)]
pub(crate) struct Batch {
    channel: Option<ChannelId>,
    /// Tells about the channel's publications, and is none of them.
    notice: bool,
    /// The number of the last event that could not be encoded; 0 if all could.
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

/// Makes a [`Batch`] frame by frame.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    bytes: Vec<u8>,
    frames: Vec<FrameEnd>,
    broken: u64,
}

/// How much of a batch was made at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    bytes: usize,
    frames: usize,
}

/// A part of a [`Batch`] that still has to go to one peer: whole frames, the first of them perhaps begun.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    batch: Arc<Batch>,
    first: usize,
    until: usize,
    written: usize,
}

impl Batch {
    /// The frames of a channel's publications if it has one, else answers and control frames.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        self.channel.as_ref()
    }

    /// How many frames it holds.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether it lacks an event after the number `seq`, since that could not be encoded.
    pub(crate) fn lacks_after(&self, seq: u64) -> bool {
        self.broken > seq
    }

    /// Its first frame after the number `seq`; none if there is none.
    pub(crate) fn first_after(&self, seq: u64) -> Option<usize> {
        let first = match self.frames.first() {
            Some(frame) if frame.place.seq > seq => 0,
            _ => self.frames.partition_point(|frame| frame.place.seq <= seq),
        };
        (first < self.frames.len()).then_some(first)
    }

    /// The bytes of this frame and all that follow.
    pub(crate) fn bytes_from(&self, first: usize) -> &[u8] {
        &self.bytes[self.start(first)..]
    }

    /// The place of its last frame; the first of all for answers.
    pub(crate) fn last(&self) -> Place {
        self.frames.last().map_or(Place::default(), |frame| frame.place)
    }

    fn start(&self, frame: usize) -> usize {
        frame.checked_sub(1).map_or(0, |before| self.frames[before].end)
    }
}

impl BatchBuilder {
    /// Room for `bytes` in `frames`.
    pub(crate) fn with_capacity(frames: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), frames: Vec::with_capacity(frames), broken: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Where to append the next frame's bytes, before [`end_frame`](Self::end_frame).
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Marks all that was appended since the last mark as one frame.
    pub(crate) fn end_frame(&mut self, kind: Kind, place: Place) {
        self.frames.push(FrameEnd { kind, end: self.bytes.len(), place });
    }

    /// How much there is.
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), frames: self.frames.len() }
    }

    /// Takes back all that came after the mark, and notes that what stands at this place could not be encoded.
    pub(crate) fn break_off(&mut self, mark: Mark, place: Place) {
        self.bytes.truncate(mark.bytes);
        self.frames.truncate(mark.frames);
        self.broken = place.seq;
    }

    /// The batch, of this channel's publications or of answers.
    pub(crate) fn finish(self, channel: Option<ChannelId>) -> Batch {
        let broken = self.broken;
        Batch { channel, notice: false, broken, bytes: self.bytes.into(), frames: self.frames.into() }
    }

    /// The batch, of what a channel has to tell to one subscriber alone.
    pub(crate) fn finish_notice(self, channel: ChannelId) -> Batch {
        Batch { notice: true, ..self.finish(Some(channel)) }
    }
}

impl Run {
    /// All of a batch.
    pub(crate) fn all(batch: Arc<Batch>) -> Self {
        let until = batch.len();
        Self { batch, first: 0, until, written: 0 }
    }

    /// This frame of a batch and all that follow.
    pub(crate) fn from(batch: &Arc<Batch>, first: usize) -> Self {
        Self { batch: batch.clone(), first, until: batch.len(), written: 0 }
    }

    /// The bytes still to go.
    pub(crate) fn bytes(&self) -> &[u8] {
        let start = self.batch.start(self.first) + self.written;
        &self.batch.bytes[start..self.batch.start(self.until)]
    }

    /// The frames still to go, a begun one among them.
    pub(crate) fn frames(&self) -> usize {
        self.until - self.first
    }

    /// The channel whose publications these are.
    pub(crate) fn channel(&self) -> Option<&ChannelId> {
        self.batch.channel()
    }

    /// Whether these are no publications, though they are a channel's.
    pub(crate) fn is_notice(&self) -> bool {
        self.batch.notice
    }

    /// The number of the first frame still to go, among all that its channel told.
    pub(crate) fn first_seq(&self) -> u64 {
        self.places().next().map_or(u64::MAX, |place| place.seq)
    }

    /// The places of the frames still to go. Signals have the offset 0: nobody misses them.
    pub(crate) fn places(&self) -> impl DoubleEndedIterator<Item = Place> {
        self.batch.frames[self.first..self.until].iter().map(|frame| frame.place)
    }

    /// Splits off the last frame.
    pub(crate) fn take_last(&mut self) -> Self {
        self.until -= 1;
        Self { batch: self.batch.clone(), first: self.until, until: self.until + 1, written: 0 }
    }

    /// Whether a part of its first frame has gone.
    pub(crate) fn is_begun(&self) -> bool {
        self.written > 0
    }

    /// The kind of the first frame still to go.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.batch.frames[self.first..self.until].first().map(|frame| frame.kind)
    }

    /// Splits off the first frame, or what is left of it.
    pub(crate) fn take_frame(&mut self) -> Self {
        let frame = Self { batch: self.batch.clone(), until: self.until.min(self.first + 1), ..*self };
        self.first = frame.until;
        self.written = 0;
        frame
    }

    /// Counts `n` bytes as gone, and says how many frames that ends.
    pub(crate) fn advance(&mut self, n: usize) -> usize {
        let at = self.batch.start(self.first) + self.written + n;
        let gone = self.batch.frames[self.first..self.until].partition_point(|frame| frame.end <= at);
        self.first += gone;
        self.written = at - self.batch.start(self.first);
        gone
    }

    /// Splits off the rest of the frame that was begun; what stays starts at a frame's boundary.
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
