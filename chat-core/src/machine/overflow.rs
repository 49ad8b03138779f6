//! Decides what happens to publications that one subscriber is too slow for.

use std::collections::VecDeque;

use super::missed::Missed;
use super::queue::Queue;
use super::waiting::Load;
use crate::model::{ChannelId, Offset, Overflow, Run};

/// Tells what a queue took of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Means that `taken` frames were queued and `dropped` frames were dropped. The subscriber is told of the
    /// gap once it takes the waiting frames.
    In { taken: usize, dropped: usize },
    /// Means that nothing was queued and nothing is lost yet: the subscriber is to read the channel's log
    /// after this offset. With `presence`, it is to be told again who is there.
    Behind { after: Offset, presence: bool },
    /// Means that nothing was queued: the session is to close as too slow.
    Close,
}

/// Queues the part of a run that the subscription's policy allows, within `bound` on all waiting
/// publications.
pub(crate) fn take_in(
    queue: &mut Queue,
    channel: &ChannelId,
    policy: Overflow,
    run: Run,
    bound: Load,
) -> Taken {
    let full = queue.publications().with(&run).exceeds(bound);
    match policy {
        Overflow::Latest => latest(queue, channel, run, bound),
        _ if !full => push(queue, run, 0),
        Overflow::Disconnect => Taken::Close,
        Overflow::DropOldest => drop_oldest(queue, channel, run, bound),
        Overflow::DropNewest => drop_newest(queue, channel, run, bound),
        Overflow::Resync => fall_behind(queue, channel, &run),
    }
}

fn push(queue: &mut Queue, run: Run, dropped: usize) -> Taken {
    let taken = run.frames();
    if taken > 0 {
        queue.push(run);
    }
    Taken::In { taken, dropped }
}

/// Drops the channel's waiting frames, and all of the run but its last frame.
fn latest(queue: &mut Queue, channel: &ChannelId, mut run: Run, bound: Load) -> Taken {
    let mut loss = queue.drop_oldest(channel, |_| false);
    while run.frames() > 1 || (run.frames() == 1 && queue.publications().with(&run).exceeds(bound)) {
        loss.add(&run.take_frame());
    }
    queue.tell(channel, loss);
    push(queue, run, loss.frames)
}

/// Drops the oldest frames, first of the queue and then of the run. It drops some more than it must, so that
/// not every delivery has to look for the oldest.
fn drop_oldest(queue: &mut Queue, channel: &ChannelId, mut run: Run, bound: Load) -> Taken {
    let mut loss = queue.drop_oldest(channel, |load| !load.with(&run).exceeds(bound.shrunk()));
    while run.frames() > 0 && queue.publications().with(&run).exceeds(bound) {
        loss.add(&run.take_frame());
    }
    queue.tell(channel, loss);
    push(queue, run, loss.frames)
}

/// Drops the last frames of the run.
fn drop_newest(queue: &mut Queue, channel: &ChannelId, mut run: Run, bound: Load) -> Taken {
    let mut newest = VecDeque::new();
    while run.frames() > 0 && queue.publications().with(&run).exceeds(bound) {
        newest.push_front(run.take_last());
    }
    let mut loss = Missed::default();
    newest.iter().for_each(|frame| loss.add(frame));
    queue.tell(channel, loss);
    push(queue, run, loss.frames)
}

/// Drops the channel's waiting frames, which the subscriber is to read from the channel's log. Frames that no
/// log keeps are lost.
fn fall_behind(queue: &mut Queue, channel: &ChannelId, run: &Run) -> Taken {
    let missed = queue.drop_oldest(channel, |_| false).and(run);
    match missed.range {
        Some((first, _)) => Taken::Behind { after: Offset(first.0 - 1), presence: missed.presence },
        None => {
            queue.tell(channel, missed);
            Taken::In { taken: 0, dropped: missed.frames }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::machine::Next;
    use crate::model::{BatchBuilder, Gap, Kind, Place};

    /// Builds frames with the given offsets. Offset 0 stands for an ephemeral publication.
    fn run(offsets: impl IntoIterator<Item = u64>) -> Run {
        let mut builder = BatchBuilder::default();
        for offset in offsets {
            builder.bytes().push(b'0' + offset as u8);
            builder.end_frame(Kind::Text, Place { seq: offset, offset: Offset(offset) });
        }
        Run::all(Arc::new(builder.finish(Some(a()))))
    }

    fn a() -> ChannelId {
        "a".parse().expect("a name")
    }

    /// Takes all frames out of the queue, one by one. Each is written as its digit, and a gap as its range in
    /// brackets.
    fn written(queue: &mut Queue) -> String {
        let next = std::iter::from_fn(|| queue.pop_frame());
        let words = next.map(|next| match next {
            Next::Frame(run) => String::from_utf8_lossy(run.bytes()).into_owned(),
            Next::Gap(Gap::Publications { from, to, .. }) => format!("[{}-{}]", from.0, to.0),
            Next::Gap(lost) => format!("{lost:?}"),
        });
        words.collect()
    }

    /// Takes in 1 and 2 and then these offsets, where at most three frames may wait.
    fn third(policy: Overflow, offsets: &[u64]) -> (Taken, String) {
        let (mut queue, bound) = (Queue::default(), Load { frames: 3, bytes: 1 << 20 });
        let _ = take_in(&mut queue, &a(), policy, run([1, 2]), bound);
        let taken = take_in(&mut queue, &a(), policy, run(offsets.iter().copied()), bound);
        (taken, written(&mut queue))
    }

    fn taken(taken: usize, dropped: usize) -> Taken {
        Taken::In { taken, dropped }
    }

    #[test]
    fn what_fits_is_taken_in_by_every_policy_but_the_one_that_wants_the_latest_alone() {
        for policy in [Overflow::Disconnect, Overflow::DropOldest, Overflow::DropNewest, Overflow::Resync] {
            assert_eq!(third(policy, &[3]), (taken(1, 0), "123".into()), "{policy:?}");
        }
        assert_eq!(third(Overflow::Latest, &[3]), (taken(1, 1), "[1-2]3".into()));
    }

    #[test]
    fn each_policy_does_its_own_with_what_does_not_fit() {
        assert_eq!(third(Overflow::Disconnect, &[3, 4]), (Taken::Close, "12".into()));
        assert_eq!(third(Overflow::DropOldest, &[3, 4]), (taken(2, 1), "[1-1]234".into()));
        assert_eq!(third(Overflow::DropNewest, &[3, 4]), (taken(1, 1), "123[4-4]".into()));
        assert_eq!(third(Overflow::Latest, &[3, 4]), (taken(1, 2), "[1-3]4".into()));
        let behind = Taken::Behind { after: Offset(0), presence: false };
        assert_eq!(third(Overflow::Resync, &[3, 4]), (behind, String::new()));
    }

    #[test]
    fn a_run_that_never_fits_is_dropped_as_far_as_it_must_and_told() {
        assert_eq!(third(Overflow::DropOldest, &[3, 4, 5, 6]), (taken(3, 3), "[1-3]456".into()));
        assert_eq!(third(Overflow::DropNewest, &[3, 4, 5, 6]), (taken(1, 3), "123[4-6]".into()));
        assert_eq!(third(Overflow::Latest, &[3, 4, 5, 6]), (taken(1, 4), "[1-5]6".into()));
    }

    #[test]
    fn who_resyncs_and_missed_only_what_no_log_keeps_has_lost_it() {
        let (mut queue, bound) = (Queue::default(), Load { frames: 1, bytes: 1 << 20 });
        assert_eq!(take_in(&mut queue, &a(), Overflow::Resync, run([0, 0]), bound), taken(0, 2));
        assert_eq!(written(&mut queue), "");
    }
}
