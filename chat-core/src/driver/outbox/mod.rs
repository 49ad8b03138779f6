//! What waits for one peer, and the one at a time who writes it.

pub(crate) mod control;
pub(crate) mod encoding;
pub(crate) mod memory;
pub(crate) mod outlet;
pub(crate) mod state;
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
use crate::model::{Batch, ChannelId, Close, Frame, Gap, Run, SessionId};
use crate::port::ByteWriter;

/// The only place where a session's two halves and its publishers meet. Bounded in frames and in bytes, never waits.
///
/// Whoever delivers writes at once if the transport can and nothing waits before it; what does not fit waits for the connection's own task.
/// The lock guards the queue alone: no transport is called and nobody is woken under it.
pub(crate) struct Outbox {
    pub(crate) session: SessionId,
    pub(crate) encoding: Arc<Encoding>,
    pub(crate) writer: Option<Arc<dyn ByteWriter>>,
    memory: Arc<OutboxMemory>,
    pub(crate) state: Mutex<State>,
}

/// So often whoever writes goes on with what others queue meanwhile: then it has its own to do again.
const ROUNDS: usize = 16;

impl Outbox {
    pub(crate) fn new(
        session: SessionId,
        encoding: Arc<Encoding>,
        writer: Option<Arc<dyn ByteWriter>>,
        memory: Arc<OutboxMemory>,
    ) -> Self {
        Self { session, encoding, writer, memory, state: Mutex::default() }
    }

    /// Reads a little of it, and of its writer: how many own that stands before it in memory.
    pub(crate) fn glance(&self) -> u64 {
        let owners = self.writer.as_ref().map_or(0, |writer| Arc::strong_count(writer) as u64);
        self.session.0 ^ u64::from(self.state.is_poisoned()) ^ owners
    }

    /// The most that may wait here.
    pub(crate) fn bound(&self) -> Load {
        self.memory.each
    }

    /// Whether so many answers wait, a quarter of what may, that no further request is begun until the transport has taken some.
    pub(crate) fn is_answered_enough(&self) -> bool {
        self.is_enough(lock(&self.state).queue.answers())
    }

    fn is_enough(&self, answers: Load) -> bool {
        let bound = self.bound();
        let (frames, bytes) = (bound.frames / 4, bound.bytes / 4);
        answers.frames > 0 && (answers.frames >= frames || answers.weight() >= bytes)
    }

    /// About how many bytes of an answer nobody asked for may be queued now.
    pub(crate) fn answer_room(&self) -> usize {
        (self.bound().bytes / 4).saturating_sub(lock(&self.state).queue.answers().weight())
    }

    /// Appends an answer or a control frame. Answers over the bound end the session, and after its end none is taken in.
    pub(crate) fn push(&self, batch: Batch) {
        let mut state = lock(&self.state);
        if state.shut {
            return;
        }
        let run = Run::all(Arc::new(batch));
        // An answer that was begun with room always has it, or a bound below the size of a message could never be met.
        let answers = state.queue.answers();
        if self.is_enough(answers) && answers.with(&run).exceeds(self.bound()) {
            self.request_close_locked(state, Close::SLOW, Manner::AtOnce);
            return;
        }
        state.queue.push_ahead(run);
        self.pushed(state);
    }

    /// Appends the last frame of all: the close, which is taken in also after the end.
    pub(crate) fn push_last(&self, batch: Batch) {
        let mut state = lock(&self.state);
        state.queue.push_ahead(Run::all(Arc::new(batch)));
        self.pushed(state);
    }

    /// Holds back what is said until [`uncork`](Self::uncork), to write it together.
    pub(crate) fn cork(&self) {
        lock(&self.state).corked = true;
    }

    /// Writes what was held back, as far as the transport takes it. The session's task sees to the rest, without being woken: it is the caller.
    pub(crate) fn uncork(&self) {
        let mut state = lock(&self.state);
        state.corked = false;
        self.write_now(state).called = false;
    }

    /// Drops what waits of one channel.
    pub(crate) fn purge(&self, channel: &ChannelId) -> usize {
        let mut state = lock(&self.state);
        let dropped = state.queue.purge(channel);
        self.book(&mut state);
        dropped
    }

    /// Ends the session, in this manner; the first close stands. Returns how many publications were dropped.
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

    /// Leaves something to do for the session's task. If it has as much to do as may wait here, the session ends.
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

    /// What the session's task has to carry out.
    pub(crate) fn take_control(&self) -> Control {
        lock(&self.state).control.take().map_or_else(Control::default, |control| *control)
    }

    /// Whether there is something to carry out.
    pub(crate) fn has_control(&self) -> bool {
        lock(&self.state).control.is_some()
    }

    /// Takes in nothing more, and drops what waits if the manner says so. Returns how many publications were dropped.
    pub(crate) fn shut(&self, manner: Manner) -> usize {
        let mut state = lock(&self.state);
        state.shut = true;
        let dropped = if manner == Manner::AtOnce { state.shut() } else { 0 };
        self.book(&mut state);
        dropped
    }

    /// Ends the connection without a word.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.failed = true;
        wake(state);
    }

    /// Whether the transport has been taking nothing, for as long as this number stays the same.
    pub(crate) fn stalled(&self) -> Option<NonZeroU64> {
        let state = lock(&self.state);
        NonZeroU64::new(state.progress + 1).filter(|_| state.blocked)
    }

    /// How much waits.
    pub(crate) fn load(&self) -> Load {
        let state = lock(&self.state);
        let (answers, publications) = (state.queue.answers(), state.queue.publications());
        Load { frames: answers.frames + publications.frames, bytes: answers.bytes + publications.bytes }
    }

    /// Whether a subscription fell behind since this was last taken.
    pub(crate) fn is_lagging(&self) -> bool {
        lock(&self.state).lagging
    }

    pub(crate) fn take_lagging(&self) -> bool {
        std::mem::take(&mut lock(&self.state).lagging)
    }

    /// Whether one that is behind may go on: its transport takes something, and not much waits.
    pub(crate) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        let waiting = state.queue.publications();
        !state.blocked
            && !state.failed
            && !state.shut
            && waiting.weight() <= self.bound().bytes / 4
            && waiting.frames <= self.bound().frames / 4
    }

    /// About how many bytes of publications may be queued for one that is behind.
    pub(crate) fn room(&self) -> usize {
        self.bound().bytes / 4
    }

    /// So many bytes are promised to those that are behind.
    pub(crate) fn promise(&self, bytes: usize) {
        let mut state = lock(&self.state);
        state.promised = bytes;
        self.book(&mut state);
    }

    /// Whether it is given up already, and what waits in it.
    pub(crate) fn claim(&self) -> (bool, usize) {
        let state = lock(&self.state);
        (state.failed, state.booked)
    }

    /// Closes its session as slow, and one that closes already without a word. Returns how many publications were dropped.
    pub(crate) fn make_room(&self) -> usize {
        if lock(&self.state).shut {
            self.abandon();
            return 0;
        }
        self.request_close(Close::SLOW, Manner::AtOnce)
    }

    /// Writes what waits, in the connection's own task. Ready when nothing waits, here or in the transport; then, too, the task is woken for more.
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
            // A part was taken: the next round asks again, which is what sets the wake-up.
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

    /// Whether anything waits; the task is woken for more either way.
    pub(crate) fn waits(&self, cx: &Context<'_>) -> bool {
        let mut state = lock(&self.state);
        state.wait(cx);
        !state.queue.is_empty()
    }

    /// Takes the next frame, for a transport that takes them one by one.
    pub(crate) fn next_frame(&self) -> Option<Frame> {
        loop {
            let mut state = lock(&self.state);
            state.progress += 1;
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

    /// Whether the connection is to end without a word.
    pub(crate) fn is_abandoned(&self) -> bool {
        lock(&self.state).failed
    }

    /// Notes whether a transport that takes frames one by one takes any: while it does not, the task is not woken for more.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        lock(&self.state).blocked = blocked;
    }

    /// Sees to it that what was just queued goes out: at once, or in the session's task. One that waits for its transport is not woken for more.
    pub(crate) fn pushed<'a>(&'a self, state: MutexGuard<'a, State>) {
        let mut state = self.write_now(state);
        state.called |= self.writer.is_none() && !state.blocked;
        rouse(state);
    }

    /// Puts what is told of losses between what is written. The writer's role is held, the lock is not.
    fn tell(&self, told: Vec<(usize, Gap)>, runs: &mut VecDeque<Run>) {
        for (at, lost) in told.into_iter().rev() {
            if let Some(notice) = self.notice(lost) {
                runs.insert(at, notice);
            }
        }
    }

    /// What is told of a loss. A protocol that fails at it ends the session: nothing is lost in silence.
    fn notice(&self, lost: Gap) -> Option<Run> {
        let told = self.encoding.lost(lost).unwrap_or_else(|Panicked| {
            self.request_close(Close::SERVER_ERROR, Manner::Graceful);
            None
        });
        told.map(|batch| Run::all(Arc::new(batch)))
    }

    /// Brings the memory up to date.
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
                // What others go on queueing meanwhile is for the session's own task.
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

    /// Writes past the empty queue. The writer's role is held already.
    pub(crate) fn write_past(&self, writer: &dyn ByteWriter, batch: &Arc<Batch>, first: usize) {
        let (written, left) = write_batch(batch, first, |bytes| writer.try_write(bytes));
        let mut state = lock(&self.state);
        if left.is_none() && state.is_untouched() {
            state.queue.end_clear_write();
            state.progress += 1;
            return;
        }
        state.end_anothers_write(&mut left.into_iter().collect(), written);
        rouse(self.write_now(state));
    }
}

/// What a poll gives, as if it were not to be waited for.
fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// What waited is not booked any more when nobody can write it.
impl Drop for Outbox {
    fn drop(&mut self) {
        let booked = lock(&self.state).booked;
        self.memory.change(booked, 0);
    }
}
