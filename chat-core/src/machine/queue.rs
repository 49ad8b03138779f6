//! Holds the frames that wait to be written to one peer, and the writer's role. Answers go ahead of
//! publications.

use std::collections::VecDeque;

use super::missed::Missed;
use super::waiting::{Load, Next, Waiting};
use crate::model::{ChannelId, Gap, Run};

/// Holds the frames for one peer. While none waits, the queue allocates nothing, and one check tells that it
/// is empty.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Holds the waiting frames; it is none when there are none, and never an empty value.
    waiting: Option<Box<Waiting>>,
    writing: bool,
    purge: Option<Box<Purge>>,
}

/// Names the frames that a writer has to leave out when it puts back what it did not write.
#[derive(Debug, Default)]
struct Purge {
    all: bool,
    channels: Vec<ChannelId>,
}

impl Queue {
    pub(crate) fn publications(&self) -> Load {
        self.waiting.as_ref().map_or(Load::default(), |waiting| waiting.publications)
    }

    pub(crate) fn answers(&self) -> Load {
        self.waiting.as_ref().map_or(Load::default(), |waiting| waiting.answers)
    }

    /// Returns the cost of all waiting frames, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.publications.weight() + waiting.answers.weight())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing
    }

    /// Appends an answer or a control frame.
    pub(crate) fn push_ahead(&mut self, run: Run) {
        self.change(|waiting| waiting.push_ahead(run));
    }

    /// Appends the publications of a run.
    pub(crate) fn push(&mut self, run: Run) {
        self.change(|waiting| waiting.push(run));
    }

    /// Takes the writer's role, but no frames.
    pub(crate) fn begin_write(&mut self) {
        debug_assert!(!self.writing, "one writer at a time");
        self.writing = true;
    }

    /// Takes the writer's role, and the runs to write: at most [`WRITE_RUNS`](super::WRITE_RUNS). Runs that
    /// are not written come back through [`end_write`](Self::end_write).
    ///
    /// Returns the gaps between the runs, each with the index of the run before which it is to be told.
    pub(crate) fn take(&mut self, runs: &mut VecDeque<Run>) -> Vec<(usize, Gap)> {
        self.begin_write();
        self.change(|waiting| waiting.take(runs))
    }

    /// Takes the next frame alone, or the gap that is to be told before it.
    pub(crate) fn pop_frame(&mut self) -> Option<Next> {
        self.change(Waiting::pop_frame)
    }

    /// Gives the writer's role back, together with the runs that were not written.
    pub(crate) fn end_write(&mut self, left: &mut VecDeque<Run>) {
        debug_assert!(self.writing, "only a writer ends a write");
        self.writing = false;
        let purge = self.purge.take();
        if !left.is_empty() {
            self.change(|waiting| {
                waiting.put_back(left, |run| purge.as_ref().is_some_and(|purge| purge.covers(run)));
            });
        }
    }

    /// Gives the writer's role back when all is written and nothing waits.
    pub(crate) fn end_clear_write(&mut self) {
        debug_assert!(self.writing && self.waiting.is_none(), "nothing waits");
        self.writing = false;
        self.purge = None;
    }

    /// Drops the oldest publications of a channel until `enough` holds for the load that still waits.
    /// Publications that a writer has taken stay.
    pub(crate) fn drop_oldest(&mut self, channel: &ChannelId, enough: impl Fn(Load) -> bool) -> Missed {
        self.change(|waiting| waiting.drop_oldest(channel, enough))
    }

    /// Notes a gap that the channel's subscriber is to be told of, after the older events are written and
    /// before the newer ones.
    pub(crate) fn tell(&mut self, channel: &ChannelId, loss: Missed) {
        self.change(|waiting| waiting.losses.add(channel, loss));
    }

    /// Drops the publications of one channel that were not begun, and returns how many.
    pub(crate) fn purge(&mut self, channel: &ChannelId) -> usize {
        if self.writing {
            self.purge.get_or_insert_default().channels.push(channel.clone());
        }
        self.change(|waiting| waiting.purge(channel))
    }

    /// Drops all publications and answers that were not begun, and returns how many publications.
    pub(crate) fn purge_all(&mut self) -> usize {
        if self.writing {
            self.purge.get_or_insert_default().all = true;
        }
        self.change(Waiting::purge_all)
    }

    /// Changes the waiting frames, and frees them once none is left: an idle connection keeps no buffer.
    fn change<T>(&mut self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        let waiting = self.waiting.get_or_insert_default();
        let result = act(waiting);
        if waiting.is_empty() {
            self.waiting = None;
        }
        result
    }
}

impl Purge {
    fn covers(&self, run: &Run) -> bool {
        self.all || run.channel().is_some_and(|channel| self.channels.contains(channel))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BatchBuilder, Kind, Offset, Place};

    fn run(channel: Option<&str>, frames: &[&str]) -> Run {
        let mut builder = BatchBuilder::default();
        for (offset, frame) in (1..).zip(frames) {
            builder.bytes().extend_from_slice(frame.as_bytes());
            builder.end_frame(Kind::Text, Place { seq: offset, offset: Offset(offset) });
        }
        Run::all(Arc::new(builder.finish(channel.map(|c| c.parse().expect("a name")))))
    }

    /// Writes `n` bytes and gives the rest back, as a socket does.
    fn write(queue: &mut Queue, n: usize) -> String {
        let mut runs = VecDeque::new();
        let _ = queue.take(&mut runs);
        let all: Vec<u8> = runs.iter().flat_map(|run| run.bytes().to_vec()).collect();
        finish(queue, runs, n.min(all.len()));
        String::from_utf8_lossy(&all[..n.min(all.len())]).into_owned()
    }

    fn finish(queue: &mut Queue, mut runs: VecDeque<Run>, mut n: usize) {
        while let Some(front) = runs.front_mut() {
            let step = n.min(front.bytes().len());
            front.advance(step);
            n -= step;
            if !front.bytes().is_empty() {
                break;
            }
            runs.pop_front();
        }
        queue.end_write(&mut runs);
    }

    #[test]
    fn answers_go_ahead_of_publications_but_not_into_a_begun_frame() {
        let mut queue = Queue::default();
        queue.push(run(Some("a"), &["11", "22"]));
        assert_eq!(write(&mut queue, 1), "1");
        queue.push_ahead(run(None, &["ok"]));
        assert_eq!(write(&mut queue, 99), "1ok22");
        assert!(queue.is_empty());
        assert_eq!((queue.publications(), queue.answers()), (Load::default(), Load::default()));
    }

    #[test]
    fn publications_that_are_put_back_and_then_dropped_are_one_gap_with_those_lost_meanwhile() {
        let (mut queue, room) = (Queue::default(), "a".parse().expect("a name"));
        let one = |offset: u64| {
            let mut builder = BatchBuilder::default();
            builder.bytes().push(b'x');
            builder.end_frame(Kind::Text, Place { seq: offset, offset: Offset(offset) });
            Run::all(Arc::new(builder.finish(Some("a".parse().expect("a name")))))
        };
        let lose = |queue: &mut Queue| {
            let missed = queue.drop_oldest(&room, |_| false);
            queue.tell(&room, missed);
        };
        queue.push(one(1));
        let mut runs = VecDeque::new();
        let _ = queue.take(&mut runs);
        for offset in 2..=3 {
            queue.push(one(offset));
            lose(&mut queue);
        }
        queue.end_write(&mut runs);
        queue.push(one(4));
        lose(&mut queue);
        queue.push(one(5));
        let told = queue.take(&mut runs);
        let lost = Gap::Publications { channel: room, from: Offset(1), to: Offset(4) };
        assert_eq!(told, [(0, lost)]);
    }

    #[test]
    fn a_purge_reaches_what_a_writer_has_in_its_hands() {
        let mut queue = Queue::default();
        queue.push(run(Some("a"), &["11", "22"]));
        queue.push(run(Some("b"), &["33"]));
        let mut runs = VecDeque::new();
        let _ = queue.take(&mut runs);
        assert_eq!(queue.purge(&"a".parse().expect("a name")), 0);
        queue.push_ahead(run(None, &["left"]));
        finish(&mut queue, runs, 1);
        assert_eq!(write(&mut queue, 99), "1left33");
    }

    #[test]
    fn a_purge_of_all_counts_on_what_is_left_of_a_begun_answer() {
        let mut queue = Queue::default();
        queue.push_ahead(run(None, &["ok"]));
        write(&mut queue, 1);
        assert_eq!(queue.purge_all(), 0);
        assert_eq!(queue.answers(), Load { frames: 1, bytes: 1 });
        assert_eq!(write(&mut queue, 99), "k");
        assert_eq!(queue.answers(), Load::default());
    }

    #[test]
    fn a_purge_of_all_leaves_only_the_rest_of_the_begun_frame() {
        let mut queue = Queue::default();
        queue.push(run(Some("a"), &["11", "22"]));
        write(&mut queue, 1);
        queue.push_ahead(run(None, &["ok"]));
        assert_eq!(queue.purge_all(), 1);
        assert_eq!(write(&mut queue, 99), "1");
    }
}
