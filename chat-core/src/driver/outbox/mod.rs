//! Holds the frames that wait for one peer, and lets one writer at a time write them.

pub(crate) mod control;
pub(crate) mod encoding;
pub(crate) mod memory;
pub(crate) mod outlet;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod subscription;
pub(crate) mod write;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use crate::driver::caught::Panicked;
use crate::driver::outbox::control::{Control, Manner, Order};
use crate::driver::outbox::encoding::Encoding;
use crate::driver::outbox::memory::OutboxMemory;
use crate::driver::outbox::state::{State, rouse, wake};
use crate::driver::outbox::write::{write_batch, write_nothing, write_runs};
use crate::lock::lock;
use crate::machine::{Load, Next};
use crate::model::{Batch, ChannelId, Close, Frame, Gap, Instant, Peer, Run, SessionId};
use crate::port::ByteWriter;

/// Joins a session's two halves and the publishers to its channels, which meet nowhere else. The queue is
/// bounded in frames and in bytes, and nobody waits to append to it.
///
/// A publisher that delivers writes at once if the transport can and nothing waits before it; the rest waits
/// for the connection's own task. The lock guards the queue alone: no transport is called and no task is
/// woken under it.
pub(crate) struct Outbox {
    pub(crate) session: SessionId,
    pub(crate) encoding: Arc<Encoding>,
    pub(crate) writer: Option<Arc<dyn ByteWriter>>,
    memory: Arc<OutboxMemory>,
    origin: Origin,
    pub(crate) state: Mutex<State>,
}

/// Tells when a session began, and where its client comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) since: Instant,
    pub(crate) peer: Option<Peer>,
}

/// Bounds the rounds in which a writer also writes the frames that others queue meanwhile, so that it gets
/// back to its own work.
const ROUNDS: usize = 16;

impl Outbox {
    pub(crate) fn new(
        session: SessionId,
        encoding: Arc<Encoding>,
        writer: Option<Arc<dyn ByteWriter>>,
        memory: Arc<OutboxMemory>,
        origin: Origin,
    ) -> Self {
        Self { session, encoding, writer, memory, origin, state: Mutex::default() }
    }

    /// Reads a little of the outbox and of its writer (the count of its owners, which lies before it in
    /// memory), so that both are in the cache when a delivery needs them. The result has no meaning.
    pub(crate) fn glance(&self) -> u64 {
        let owners = self.writer.as_ref().map_or(0, |writer| Arc::strong_count(writer) as u64);
        self.session.0 ^ u64::from(self.state.is_poisoned()) ^ owners
    }

    /// Returns the most frames and bytes that may wait here.
    pub(crate) fn bound(&self) -> Load {
        self.memory.each
    }

    /// Returns whether the waiting answers have reached a quarter of the bound in frames or in bytes. No
    /// further request is begun until the transport has taken some of them.
    pub(crate) fn is_answered_enough(&self) -> bool {
        self.is_enough(lock(&self.state).queue.answers())
    }

    fn is_enough(&self, answers: Load) -> bool {
        let bound = self.bound();
        let (frames, bytes) = (bound.frames / 4, bound.bytes / 4);
        answers.frames > 0 && (answers.frames >= frames || answers.weight() >= bytes)
    }

    /// Returns about how many bytes an answer that the client did not ask for may queue now.
    pub(crate) fn answer_room(&self) -> usize {
        (self.bound().bytes / 4).saturating_sub(lock(&self.state).queue.answers().weight())
    }

    /// Appends an answer or a control frame. An answer beyond the bound closes the session as slow; after the
    /// session's end the frame is dropped.
    pub(crate) fn push(&self, batch: Batch) {
        let mut state = lock(&self.state);
        if state.shut {
            return;
        }
        let run = Run::all(Arc::new(batch));
        // An answer that was begun with room always fits; otherwise a bound below the size of a message could
        // never be met.
        let answers = state.queue.answers();
        if self.is_enough(answers) && answers.with(&run).exceeds(self.bound()) {
            self.request_close_locked(state, Close::SLOW, Manner::AtOnce);
            return;
        }
        state.queue.push_ahead(run);
        self.pushed(state);
    }

    /// Appends the close frame, the last frame of all, which is accepted also after the session's end.
    pub(crate) fn push_last(&self, batch: Batch) {
        let mut state = lock(&self.state);
        state.queue.push_ahead(Run::all(Arc::new(batch)));
        self.pushed(state);
    }

    /// Holds frames back until [`uncork`](Self::uncork) writes them together.
    pub(crate) fn cork(&self) {
        lock(&self.state).corked = true;
    }

    /// Writes the frames that were held back, as far as the transport takes them. The caller is the session's
    /// task, which writes the rest and is not woken for it.
    pub(crate) fn uncork(&self) {
        let mut state = lock(&self.state);
        state.corked = false;
        self.write_now(state).called = false;
    }

    /// Drops the waiting publications of one channel. Returns how many were dropped.
    pub(crate) fn purge(&self, channel: &ChannelId) -> usize {
        let mut state = lock(&self.state);
        let dropped = state.queue.purge(channel);
        self.book(&mut state);
        dropped
    }

    /// Closes the session in the given manner; the first close stands. Returns how many publications were
    /// dropped.
    pub(crate) fn request_close(&self, close: Close, manner: Manner) -> usize {
        self.request_close_locked(lock(&self.state), close, manner)
    }

    pub(crate) fn request_close_locked(
        &self,
        mut state: MutexGuard<'_, State>,
        close: Close,
        manner: Manner,
    ) -> usize {
        if state.shut {
            return 0;
        }
        state.control.get_or_insert_default().close.get_or_insert((close, manner));
        let dropped = if manner == Manner::AtOnce { state.shut() } else { 0 };
        self.book(&mut state);
        wake(state);
        dropped
    }

    /// Leaves an action for the session's task, and wakes it. After the session's end the action is dropped.
    /// If as many actions wait as frames may wait here, the session is closed as slow.
    pub(crate) fn order(&self, order: Order) {
        let mut state = lock(&self.state);
        if state.shut {
            return;
        }
        let orders = &mut state.control.get_or_insert_default().orders;
        if orders.len() >= self.bound().frames {
            self.request_close_locked(state, Close::SLOW, Manner::AtOnce);
            return;
        }
        orders.push(order);
        wake(state);
    }

    /// Takes out the requests that the session's task has to carry out.
    pub(crate) fn take_control(&self) -> Control {
        lock(&self.state).control.take().map_or_else(Control::default, |control| *control)
    }

    /// Returns whether a request waits to be carried out.
    pub(crate) fn has_control(&self) -> bool {
        lock(&self.state).control.is_some()
    }

    /// Accepts no more frames but the close, and drops the waiting frames if the manner says so. Returns how
    /// many publications were dropped.
    pub(crate) fn shut(&self, manner: Manner) -> usize {
        let mut state = lock(&self.state);
        state.shut = true;
        let dropped = if manner == Manner::AtOnce { state.shut() } else { 0 };
        self.book(&mut state);
        dropped
    }

    /// Ends the connection without a close frame.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.failed = true;
        wake(state);
    }

    /// Returns a number if the transport takes nothing more for now, and none if it does. The transport has
    /// taken nothing for as long as the number stays the same.
    pub(crate) fn stalled(&self) -> Option<NonZeroU64> {
        let state = lock(&self.state);
        NonZeroU64::new(u64::from(state.progress) + 1).filter(|_| state.blocked)
    }

    /// Returns how many frames and bytes wait.
    pub(crate) fn load(&self) -> Load {
        let state = lock(&self.state);
        let (answers, publications) = (state.queue.answers(), state.queue.publications());
        Load { frames: answers.frames + publications.frames, bytes: answers.bytes + publications.bytes }
    }

    /// Returns whether a subscription fell behind since the flag was last taken.
    pub(crate) fn is_lagging(&self) -> bool {
        lock(&self.state).lagging
    }

    pub(crate) fn take_lagging(&self) -> bool {
        std::mem::take(&mut lock(&self.state).lagging)
    }

    /// Returns whether a subscription that is behind may continue: the transport takes bytes, and at most a
    /// quarter of the bound waits.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        let waiting = state.queue.publications();
        !state.blocked
            && !state.failed
            && !state.shut
            && waiting.weight() <= self.bound().bytes / 4
            && waiting.frames <= self.bound().frames / 4
    }

    /// Returns about how many bytes of publications may be queued for a subscription that is behind.
    pub(crate) fn room(&self) -> usize {
        self.bound().bytes / 4
    }

    /// Sets how many bytes are promised to the subscriptions that are behind.
    pub(crate) fn promise(&self, bytes: usize) {
        let mut state = lock(&self.state);
        state.promised = bytes;
        self.book(&mut state);
    }

    /// Returns whether the outbox is abandoned already, and the bytes that it holds.
    pub(crate) fn claim(&self) -> (bool, usize) {
        let state = lock(&self.state);
        (state.failed, state.booked)
    }

    /// Closes the session as slow; one that is closing already is ended without a close frame. Returns how
    /// many publications were dropped.
    pub(crate) fn make_room(&self) -> usize {
        if lock(&self.state).shut {
            self.abandon();
            return 0;
        }
        self.request_close(Close::SLOW, Manner::AtOnce)
    }

    /// Writes the waiting frames, in the connection's own task.
    ///
    /// Ready when nothing waits here or in the transport, or with an error when the transport has failed. The
    /// task is woken for further frames in either case.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, writer: &dyn ByteWriter) -> Poll<io::Result<()>> {
        let mut runs = VecDeque::new();
        let mut rounds = 0;
        loop {
            let mut state = lock(&self.state);
            state.wait(cx);
            if state.failed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if state.queue.is_writing() {
                state.awaited = true;
                return Poll::Pending;
            }
            if state.queue.is_empty() && !state.unflushed {
                state.blocked = false;
                return Poll::Ready(Ok(()));
            }
            if rounds == ROUNDS {
                drop(state);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            rounds += 1;
            let flush = state.queue.is_empty();
            let written = if flush {
                state.queue.begin_write();
                drop(state);
                write_nothing(|| now(writer.poll_flush(cx)).map(|()| 0))
            } else {
                let told = state.queue.take(&mut runs);
                drop(state);
                self.tell(told, &mut runs);
                write_runs(&mut runs, |bytes| now(writer.poll_write(cx, bytes)))
            };
            // The transport took a part: the next round asks again, and that sets the wake-up.
            let blocked = written.blocked && !written.some;
            let mut state = lock(&self.state);
            state.unflushed = !(flush && written.some);
            state.end_write(&mut runs, written);
            self.book(&mut state);
            drop(state);
            if blocked {
                return Poll::Pending;
            }
        }
    }

    /// Returns whether any frame waits. The task is woken for further frames in either case.
    pub(crate) fn waits(&self, cx: &Context<'_>) -> bool {
        let mut state = lock(&self.state);
        state.wait(cx);
        !state.queue.is_empty()
    }

    /// Takes the next frame, for a transport that takes frames one by one.
    pub(crate) fn next_frame(&self) -> Option<Frame> {
        loop {
            let mut state = lock(&self.state);
            state.progress = state.progress.wrapping_add(1);
            let next = state.queue.pop_frame();
            self.book(&mut state);
            drop(state);
            match next? {
                Next::Frame(run) => return Some(Frame::new(run)),
                Next::Gap(lost) => {
                    if let Some(notice) = self.notice(lost) {
                        return Some(Frame::new(notice));
                    }
                }
            }
        }
    }

    /// Returns whether the connection is to end without a close frame.
    pub(crate) fn is_abandoned(&self) -> bool {
        lock(&self.state).failed
    }

    /// Notes whether a transport that takes frames one by one is blocked. While it is, the task is not woken
    /// for further frames.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        lock(&self.state).blocked = blocked;
    }

    /// Writes the frames that were just queued at once, or wakes the session's task for them. A task that
    /// waits for its transport is not woken for further frames.
    pub(crate) fn pushed<'a>(&'a self, state: MutexGuard<'a, State>) {
        let mut state = self.write_now(state);
        state.called |= self.writer.is_none() && !state.blocked;
        rouse(state);
    }

    /// Inserts the notices of gaps between the runs to be written. The caller holds the writer's role, but
    /// not the lock.
    fn tell(&self, told: Vec<(usize, Gap)>, runs: &mut VecDeque<Run>) {
        for (at, lost) in told.into_iter().rev() {
            if let Some(notice) = self.notice(lost) {
                runs.insert(at, notice);
            }
        }
    }

    /// Encodes the notice of a gap. A protocol that panics over it ends the session, so that no gap is left
    /// unreported.
    fn notice(&self, lost: Gap) -> Option<Run> {
        let told = self.encoding.lost(lost).unwrap_or_else(|Panicked| {
            self.request_close(Close::SERVER_ERROR, Manner::Graceful);
            None
        });
        told.map(|batch| Run::all(Arc::new(batch)))
    }

    /// Books the present weight of the outbox in the common memory.
    pub(crate) fn book(&self, state: &mut State) {
        let weight = state.queue.weight() + state.promised;
        self.memory.change(state.booked, weight);
        state.booked = weight;
    }

    fn write_now<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if let Some(writer) = &self.writer {
            let mut runs = VecDeque::new();
            let mut rounds = 0;
            while state.may_write() {
                // The session's own task writes frames that others still queue after these rounds.
                if rounds == ROUNDS {
                    state.called = true;
                    break;
                }
                rounds += 1;
                let told = state.queue.take(&mut runs);
                drop(state);
                self.tell(told, &mut runs);
                let written = write_runs(&mut runs, |bytes| writer.try_write(bytes));
                state = lock(&self.state);
                state.end_anothers_write(&mut runs, written);
            }
        }
        self.book(&mut state);
        state
    }

    /// Writes the batch past the empty queue. The caller already holds the writer's role.
    pub(crate) fn write_past(&self, writer: &dyn ByteWriter, batch: &Arc<Batch>, first: usize) {
        let (written, left) = write_batch(batch, first, |bytes| writer.try_write(bytes));
        let mut state = lock(&self.state);
        if left.is_none() && state.is_untouched() {
            state.queue.end_clear_write();
            state.progress = state.progress.wrapping_add(1);
            return;
        }
        state.end_anothers_write(&mut left.into_iter().collect(), written);
        rouse(self.write_now(state));
    }
}

/// Turns a pending poll into `WouldBlock`.
fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Releases the booked bytes when nobody can write the waiting frames any more.
impl Drop for Outbox {
    fn drop(&mut self) {
        let booked = lock(&self.state).booked;
        self.memory.change(booked, 0);
    }
}
