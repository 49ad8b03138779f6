//! What waits to be written to one peer: answers go ahead of publications.

use std::collections::VecDeque;

use super::loss::{Loss, Losses};
use crate::model::{ChannelId, Lost, Run};

/// The most runs that one write takes along.
pub(crate) const WRITE_RUNS: usize = 64;

/// Frames for one peer, in the order in which they will go: the rest of a begun frame, answers and control frames, publications.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    begun: Option<Run>,
    ahead: VecDeque<Run>,
    line: VecDeque<Run>,
    /// What was dropped and is to be told.
    losses: Losses,
    answers: Load,
    publications: Load,
    writing: Option<Purge>,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// What a frame costs beside its bytes, about.
const FRAME_WEIGHT: usize = 32;

/// What goes next, one by one.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Run),
    /// This is to be told.
    Lost(Lost),
}

/// What a writer that comes back has to leave out.
#[derive(Debug, Default)]
struct Purge {
    all: bool,
    channels: Vec<ChannelId>,
}

impl Queue {
    pub(crate) fn publications(&self) -> Load {
        self.publications
    }

    pub(crate) fn answers(&self) -> Load {
        self.answers
    }

    /// What all that waits costs, in bytes.
    pub(crate) fn weight(&self) -> usize {
        self.publications.weight() + self.answers.weight()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begun.is_none() && self.ahead.is_empty() && self.line.is_empty() && self.losses.is_empty()
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Appends an answer or a control frame.
    pub(crate) fn push_ahead(&mut self, run: Run) {
        self.answers.add(&run);
        self.ahead.push_back(run);
    }

    /// Appends publications.
    pub(crate) fn push(&mut self, run: Run) {
        self.load_of(&run).add(&run);
        self.line.push_back(run);
    }

    /// Takes the writer's role without taking anything along.
    pub(crate) fn begin_write(&mut self) {
        debug_assert!(self.writing.is_none(), "one writer at a time");
        self.writing = Some(Purge::default());
    }

    /// Takes the writer's role, and what to write: at most [`WRITE_RUNS`] runs. What is not written comes back through [`end_write`](Self::end_write).
    /// Of what was lost between them, it says before which run it is to be told.
    pub(crate) fn take(&mut self, runs: &mut VecDeque<Run>) -> Vec<(usize, Lost)> {
        self.begin_write();
        let mut told = Vec::new();
        runs.extend(self.begun.take());
        while runs.len() + told.len() < WRITE_RUNS
            && let Some(run) = self.ahead.pop_front().or_else(|| self.line.pop_front())
        {
            while let Some(lost) = self.losses.take_before(&run) {
                told.push((runs.len(), lost));
            }
            runs.push_back(run);
        }
        if self.line.is_empty() && runs.len() + told.len() < WRITE_RUNS {
            told.extend(self.losses.take_all().map(|lost| (runs.len(), lost)));
        }
        for run in runs.iter() {
            self.load_of(run).sub(run);
        }
        told
    }

    /// Takes out the next frame alone, or what is to be told in its place.
    pub(crate) fn pop_frame(&mut self) -> Option<Next> {
        let queue = if self.ahead.is_empty() { &mut self.line } else { &mut self.ahead };
        let lost = match queue.front() {
            Some(run) => self.losses.take_before(run),
            None => self.losses.take_first(),
        };
        if let Some(lost) = lost {
            self.give_back_room();
            return Some(Next::Lost(lost));
        }
        let frame = queue.front_mut()?.take_frame();
        if queue.front().is_some_and(|run| run.frames() == 0) {
            queue.pop_front();
        }
        self.load_of(&frame).sub(&frame);
        self.give_back_room();
        Some(Next::Frame(frame))
    }

    /// Gives the writer's role back, with what was not written.
    pub(crate) fn end_write(&mut self, left: &mut VecDeque<Run>) {
        let purge = self.writing.take().expect("only a writer ends a write");
        while let Some(mut run) = left.pop_back() {
            if let Some(begun) = run.split_begun() {
                self.load_of(&begun).add(&begun);
                self.begun = Some(begun);
            }
            if run.frames() == 0 || purge.covers(&run) {
                continue;
            }
            self.load_of(&run).add(&run);
            match run.channel() {
                None => self.ahead.push_front(run),
                Some(_) => self.line.push_front(run),
            }
        }
        self.give_back_room();
    }

    /// Drops the oldest publications of a channel until `enough` waits still. What a writer has in its hands stays.
    pub(crate) fn drop_oldest(&mut self, channel: &ChannelId, enough: impl Fn(Load) -> bool) -> Loss {
        let mut loss = Loss::default();
        let publications = &mut self.publications;
        for run in &mut self.line {
            if run.channel() != Some(channel) || run.is_notice() {
                continue;
            }
            while run.frames() > 0 && !enough(*publications) {
                let frame = run.take_frame();
                publications.sub(&frame);
                loss.add(&frame);
            }
        }
        self.line.retain(|run| run.frames() > 0);
        loss
    }

    /// Notes what the channel's subscriber is to be told that it does not get: once what is older has gone, and before what is newer.
    pub(crate) fn tell(&mut self, channel: &ChannelId, loss: Loss) {
        self.losses.add(channel, loss);
    }

    /// Drops the publications of one channel that were not begun, and says how many.
    pub(crate) fn purge(&mut self, channel: &ChannelId) -> usize {
        self.losses.forget(channel);
        if let Some(purge) = &mut self.writing {
            purge.channels.push(channel.clone());
        }
        self.retain(|run| run.channel() != Some(channel))
    }

    /// Drops all publications and answers that were not begun, and says how many publications.
    pub(crate) fn purge_all(&mut self) -> usize {
        if let Some(purge) = &mut self.writing {
            purge.all = true;
        }
        self.losses = Losses::default();
        for run in std::mem::take(&mut self.ahead) {
            self.answers.sub(&run);
        }
        self.retain(|_| false)
    }

    fn retain(&mut self, keep: impl Fn(&Run) -> bool) -> usize {
        let before = self.publications.frames;
        let mut publications = self.publications;
        self.line.retain(|run| {
            let kept = keep(run);
            if !kept {
                publications.sub(run);
            }
            kept
        });
        self.publications = publications;
        before - publications.frames
    }

    fn load_of(&mut self, run: &Run) -> &mut Load {
        if run.channel().is_some() { &mut self.publications } else { &mut self.answers }
    }

    /// An idle connection keeps no buffer.
    fn give_back_room(&mut self) {
        if self.is_empty() {
            self.ahead = VecDeque::new();
            self.line = VecDeque::new();
        }
    }
}

impl Load {
    fn add(&mut self, run: &Run) {
        self.frames += run.frames();
        self.bytes += run.bytes().len();
    }

    /// As much, and this.
    pub(crate) fn with(mut self, run: &Run) -> Self {
        self.add(run);
        self
    }

    /// Whether it is more than `bound` in frames, or weighs more than its bytes.
    pub(crate) fn exceeds(self, bound: Self) -> bool {
        self.frames > bound.frames || self.weight() > bound.bytes
    }

    /// An eighth less.
    pub(crate) fn shrunk(self) -> Self {
        Self { frames: self.frames - self.frames / 8, bytes: self.bytes - self.bytes / 8 }
    }

    /// What it costs, in bytes.
    pub(crate) fn weight(self) -> usize {
        self.bytes + self.frames * FRAME_WEIGHT
    }

    fn sub(&mut self, run: &Run) {
        self.frames -= run.frames();
        self.bytes -= run.bytes().len();
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
