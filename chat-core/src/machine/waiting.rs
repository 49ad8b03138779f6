//! Holds the frames that wait to be written to one peer, in the order in which they will be written.

use std::collections::VecDeque;

use super::missed::{Gaps, Missed};
use crate::model::{ChannelId, Gap, Run};

/// Bounds the runs that one write takes.
pub(crate) const WRITE_RUNS: usize = 64;

/// Holds the rest of a begun frame, then answers and control frames, then publications.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    begun: Option<Run>,
    ahead: VecDeque<Run>,
    line: VecDeque<Run>,
    /// Holds the gaps that the peer is to be told of.
    pub(super) losses: Gaps,
    pub(super) answers: Load,
    pub(super) publications: Load,
}

/// Measures waiting frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// Estimates the cost of a frame beside its bytes, in bytes.
const FRAME_WEIGHT: usize = 32;

/// Holds the next item to write, for a transport that takes them one by one.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Run),
    /// Stands for a gap that is to be told.
    Gap(Gap),
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.begun.is_none() && self.ahead.is_empty() && self.line.is_empty() && self.losses.is_empty()
    }

    pub(super) fn push_ahead(&mut self, run: Run) {
        self.answers.add(&run);
        self.ahead.push_back(run);
    }

    pub(super) fn push(&mut self, run: Run) {
        self.load_of(&run).add(&run);
        self.line.push_back(run);
    }

    /// Takes the runs for one write. Returns the gaps between them, each with the index of the run before
    /// which it is to be told.
    pub(super) fn take(&mut self, runs: &mut VecDeque<Run>) -> Vec<(usize, Gap)> {
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

    /// Takes the next frame alone, or the gap that is to be told before it.
    pub(super) fn pop_frame(&mut self) -> Option<Next> {
        let queue = if self.ahead.is_empty() { &mut self.line } else { &mut self.ahead };
        let lost = match queue.front() {
            Some(run) => self.losses.take_before(run),
            None => self.losses.take_first(),
        };
        if let Some(lost) = lost {
            return Some(Next::Gap(lost));
        }
        let frame = queue.front_mut()?.take_frame();
        if queue.front().is_some_and(|run| run.frames() == 0) {
            queue.pop_front();
        }
        self.load_of(&frame).sub(&frame);
        Some(Next::Frame(frame))
    }

    /// Takes back the runs that were not written, and puts them before all others. Runs for which `gone`
    /// holds are dropped, except for a frame that was begun.
    pub(super) fn put_back(&mut self, left: &mut VecDeque<Run>, gone: impl Fn(&Run) -> bool) {
        while let Some(mut run) = left.pop_back() {
            if let Some(begun) = run.split_begun() {
                self.load_of(&begun).add(&begun);
                self.begun = Some(begun);
            }
            if run.frames() == 0 || gone(&run) {
                continue;
            }
            self.load_of(&run).add(&run);
            match run.channel() {
                None => self.ahead.push_front(run),
                Some(_) => self.line.push_front(run),
            }
        }
    }

    /// Drops the oldest publications of a channel until `enough` holds for the load that still waits.
    pub(super) fn drop_oldest(&mut self, channel: &ChannelId, enough: impl Fn(Load) -> bool) -> Missed {
        let mut loss = Missed::default();
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

    /// Drops the publications of one channel that were not begun, and returns how many.
    pub(super) fn purge(&mut self, channel: &ChannelId) -> usize {
        self.losses.forget(channel);
        self.retain(|run| run.channel() != Some(channel))
    }

    /// Drops all publications and answers that were not begun, and returns how many publications.
    pub(super) fn purge_all(&mut self) -> usize {
        self.losses = Gaps::default();
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
}

impl Load {
    fn add(&mut self, run: &Run) {
        self.frames += run.frames();
        self.bytes += run.bytes().len();
    }

    /// Returns the load together with a run.
    pub(crate) fn with(mut self, run: &Run) -> Self {
        self.add(run);
        self
    }

    /// Returns whether the load has more frames than `bound`, or weighs more than the bytes of `bound`.
    pub(crate) fn exceeds(self, bound: Self) -> bool {
        self.frames > bound.frames || self.weight() > bound.bytes
    }

    /// Returns seven eighths of the load.
    pub(crate) fn shrunk(self) -> Self {
        Self { frames: self.frames - self.frames / 8, bytes: self.bytes - self.bytes / 8 }
    }

    /// Returns the cost of the frames, in bytes.
    pub(crate) fn weight(self) -> usize {
        self.bytes + self.frames * FRAME_WEIGHT
    }

    fn sub(&mut self, run: &Run) {
        self.frames -= run.frames();
        self.bytes -= run.bytes().len();
    }
}
