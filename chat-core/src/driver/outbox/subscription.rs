//! Holds one session's subscription to one channel, and decides which of the channel's events its outbox
//! takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use crate::driver::outbox::Outbox;
use crate::driver::outbox::control::Manner;
use crate::driver::outbox::state::State;
use crate::lock::lock;
use crate::machine::{Missed, Stay, Staying, Taken, take_in};
use crate::model::{Batch, ChannelId, Close, Instant, Offset, Overflow, Place, Run};
use crate::port::SubscribeOptions;

/// Counts the frames of a delivery by their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) taken: usize,
    /// Counts the frames dropped because too much waited.
    pub(crate) dropped: usize,
    /// Counts the frames dropped because the session had ended.
    pub(crate) late: usize,
}

/// Holds one session's subscription to one channel.
pub(crate) struct Subscription {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) channel: ChannelId,
    stay: Stay,
    /// Holds when the session joined.
    pub(crate) since: Instant,
    pub(crate) echo: bool,
    /// Tells whether the session is told of joins and leaves.
    pub(crate) observes: bool,
    overflow: Overflow,
    /// Holds the sequence number of the last event that the outbox took; while the subscription is behind,
    /// that up to which the session knows the channel's presence, with [`BEHIND`]. It is read and written
    /// under the outbox's lock.
    cursor: AtomicU64,
    /// Holds the offset after which the subscription resumes, while it is behind.
    resume: AtomicU64,
}

/// Marks, in the cursor, a subscription that is behind: it takes no fanned-out event until it has caught up.
const BEHIND: u64 = 1 << 63;

/// Marks, in the cursor, a subscription that has ended.
const ENDED: u64 = u64::MAX;

impl Staying for Arc<Subscription> {
    fn stay(&self) -> Stay {
        self.stay
    }
}

impl Subscription {
    /// Creates a subscription that receives the events after `cursor`.
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        channel: ChannelId,
        stay: Stay,
        options: &SubscribeOptions,
        cursor: Place,
        since: Instant,
    ) -> Self {
        let &SubscribeOptions { echo, presence: observes, overflow, .. } = options;
        let (cursor, resume) = (AtomicU64::new(cursor.seq), AtomicU64::new(0));
        Self { outbox, channel, stay, since, echo, observes, overflow, cursor, resume }
    }

    /// Marks the subscription as behind: it has to catch up first.
    pub(crate) fn behind(mut self) -> Self {
        *self.cursor.get_mut() |= BEHIND;
        self
    }

    /// Returns the offset after which the subscription has to catch up, or none if it is not behind.
    pub(crate) fn lag(&self) -> Option<Offset> {
        let _state = lock(&self.outbox.state);
        self.seen().map(|_| Offset(self.resume.load(Ordering::Relaxed)))
    }

    /// Returns up to where the session knows the channel's presence, or none if it is not behind.
    fn seen(&self) -> Option<u64> {
        let cursor = self.cursor.load(Ordering::Relaxed);
        (cursor >= BEHIND && cursor != ENDED).then_some(cursor & !BEHIND)
    }

    /// Ends catching up: the subscription is at `place`, and publications after `after` up to there are lost.
    /// Presence was last told at the sequence number `presence`. The caller holds the shard's lock.
    ///
    /// If publications are lost and the policy is to disconnect, nothing changes here, and
    /// [`settle`](Self::settle) closes the session.
    pub(crate) fn go_live(&self, place: Place, after: Offset, presence: u64) -> Delivery {
        let mut state = lock(&self.outbox.state);
        let mut loss = Missed::of(after.next(), place.offset, place.seq);
        let seen = self.seen();
        loss.presence = self.observes && seen.is_some_and(|seen| presence > seen);
        let dropped = loss.frames;
        if dropped == 0 || self.overflow != Overflow::Disconnect {
            state.queue.tell(&self.channel, loss);
            if seen.is_some() {
                self.cursor.store(place.seq, Ordering::Relaxed);
            }
        }
        Delivery { dropped, ..Delivery::default() }
    }

    /// Closes the session as slow if frames were dropped and its policy is to disconnect.
    pub(crate) fn settle(&self, delivery: &mut Delivery) {
        if delivery.dropped > 0 && self.overflow == Overflow::Disconnect {
            delivery.dropped += self.outbox.request_close(Close::SLOW, Manner::AtOnce);
        }
    }

    /// Queues a batch that the subscription catches up with, after the notice of the gap before it. The
    /// session's own task calls this.
    pub(crate) fn catch_up(&self, batch: Batch, lost: Missed) -> Delivery {
        let mut state = lock(&self.outbox.state);
        if state.shut {
            return Delivery { late: batch.len(), ..Delivery::default() };
        }
        if lost.frames > 0 && self.overflow == Overflow::Disconnect {
            let dropped = lost.frames + self.outbox.request_close_locked(state, Close::SLOW, Manner::AtOnce);
            return Delivery { dropped, ..Delivery::default() };
        }
        if batch.lacks_after(0) {
            return self.break_off(state, batch.len());
        }
        let taken = batch.len();
        state.queue.tell(&self.channel, lost);
        if taken > 0 {
            state.queue.push(Run::all(Arc::new(batch)));
        }
        self.outbox.pushed(state);
        Delivery { taken, dropped: lost.frames, late: 0 }
    }

    /// Reads a little of all that a delivery needs, so that it is in the cache. The result has no meaning.
    pub(crate) fn glance(&self) -> u64 {
        self.cursor.load(Ordering::Relaxed) ^ self.outbox.glance()
    }

    /// Delivers the events of a batch that the subscriber does not have yet.
    pub(crate) fn deliver(&self, batch: &Arc<Batch>) -> Delivery {
        let outbox = &*self.outbox;
        let mut state = lock(&outbox.state);
        let cursor = self.cursor.load(Ordering::Relaxed);
        if batch.lacks_after(cursor) {
            return self.break_off(state, batch.len() - batch.first_after(cursor).unwrap_or(batch.len()));
        }
        let Some(first) = batch.first_after(cursor) else { return Delivery::default() };
        let taken = batch.len() - first;
        if state.shut {
            return Delivery { late: taken, ..Delivery::default() };
        }
        self.cursor.store(batch.last().seq, Ordering::Relaxed);
        if let Some(writer) = outbox.writer.as_ref().filter(|_| state.is_clear()) {
            state.queue.begin_write();
            drop(state);
            outbox.write_past(&**writer, batch, first);
            return Delivery { taken, ..Delivery::default() };
        }
        let run = Run::from(batch, first);
        let delivery = match take_in(&mut state.queue, &self.channel, self.overflow, run, outbox.bound()) {
            Taken::Close => {
                let dropped = taken + outbox.request_close_locked(state, Close::SLOW, Manner::AtOnce);
                return Delivery { dropped, ..Delivery::default() };
            }
            Taken::Behind { after, presence } => {
                self.fall_behind(&mut state, after, presence);
                Delivery::default()
            }
            Taken::In { taken, dropped } => Delivery { taken, dropped, late: 0 },
        };
        outbox.pushed(state);
        delivery
    }

    /// Ends the subscription at an event that the protocol could not encode, and closes the session: any
    /// later event of the channel would come after a gap.
    fn break_off(&self, state: MutexGuard<'_, State>, rest: usize) -> Delivery {
        self.cursor.store(ENDED, Ordering::Relaxed);
        self.outbox.request_close_locked(state, Close::SERVER_ERROR, Manner::Graceful);
        Delivery { late: rest + 1, ..Delivery::default() }
    }

    /// Marks the subscription as behind: it takes no more events until it has caught up after this offset.
    fn fall_behind(&self, state: &mut State, after: Offset, presence: bool) {
        self.resume.store(after.0, Ordering::Relaxed);
        let seen = if presence { 0 } else { self.cursor.load(Ordering::Relaxed) };
        self.cursor.store(BEHIND | seen, Ordering::Relaxed);
        state.lag();
    }

    /// Ends the subscription: nothing more is delivered, not even by a publisher that is about to deliver.
    pub(crate) fn end(&self) {
        let _state = lock(&self.outbox.state);
        self.cursor.store(ENDED, Ordering::Relaxed);
    }
}
