//! Holds the data behind an outbox's lock: the waiting frames, their writer, and the task to wake.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::task::{Context, Waker};

use crate::driver::outbox::control::Control;
use crate::driver::outbox::write::Written;
use crate::machine::Queue;
use crate::model::{Run, SharedInfo};

/// Holds one peer's queue, and the state of its transport and its task.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// Counts the bytes promised to subscriptions that are behind. They count as waiting, though they are not
    /// held here.
    pub(crate) promised: usize,
    /// Holds the part of the weight that is booked in the common memory.
    pub(crate) booked: usize,
    /// Tells whether the session is in a turn, at whose end it writes all of its frames together.
    pub(crate) corked: bool,
    /// Tells whether the transport takes no more for now. Only the connection's task then writes, once it is
    /// woken.
    pub(crate) blocked: bool,
    /// Tells whether the session's task has written bytes that the transport may keep until it is flushed.
    pub(crate) unflushed: bool,
    /// Tells whether the transport is lost.
    pub(crate) failed: bool,
    /// Tells whether no frame but the close is accepted any more.
    pub(crate) shut: bool,
    /// Tells whether a subscription fell behind, which the session's task has to handle.
    pub(crate) lagging: bool,
    /// Holds the requests of others that the session's task has to carry out.
    pub(crate) control: Option<Box<Control>>,
    /// Holds who the session is, once it is admitted.
    pub(crate) who: Option<SharedInfo>,
    /// Wakes the connection's task, if it waits.
    pub(crate) waker: Option<Waker>,
    /// Tells whether the connection's task waits for another writer to finish.
    pub(crate) awaited: bool,
    /// Tells whether there is work that only the connection's task does.
    pub(crate) called: bool,
    /// Counts the writes of which the transport took something, from 0 again after the last number.
    pub(crate) progress: u32,
    /// Counts the channels that the session is in.
    pub(crate) channels: u32,
}

impl State {
    pub(crate) fn is_free(&self) -> bool {
        !self.corked && !self.blocked && !self.failed && !self.queue.is_writing()
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.is_free() && self.queue.is_empty()
    }

    /// Returns whether, during a write, no frame was queued and nothing was left for the connection's task.
    /// This is nearly always so.
    pub(crate) fn is_untouched(&self) -> bool {
        self.queue.is_empty() && !self.awaited && !self.called
    }

    pub(crate) fn may_write(&self) -> bool {
        self.is_free() && !self.queue.is_empty()
    }

    pub(crate) fn end_write(&mut self, left: &mut VecDeque<Run>, written: Written) {
        self.queue.end_write(left);
        self.progress = self.progress.wrapping_add(u32::from(written.some));
        self.blocked |= written.blocked;
        self.failed |= written.failed;
    }

    /// Ends a write outside the connection's task, and calls that task if the transport is blocked or lost,
    /// or if the task waits for the end of the write.
    pub(crate) fn end_anothers_write(&mut self, left: &mut VecDeque<Run>, written: Written) {
        self.end_write(left, written);
        self.called |= written.blocked || written.failed || std::mem::take(&mut self.awaited);
    }

    /// Notes that a subscription fell behind, and calls the connection's task to handle it.
    pub(crate) fn lag(&mut self) {
        self.lagging = true;
        self.called = true;
    }

    pub(crate) fn shut(&mut self) -> usize {
        self.shut = true;
        self.queue.purge_all()
    }

    pub(crate) fn wait(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

/// Wakes the connection's task if it was called. A task in its turn needs no wake-up: it looks at the end of
/// the turn.
pub(crate) fn rouse(mut state: MutexGuard<'_, State>) {
    if std::mem::take(&mut state.called) && !state.corked {
        wake(state);
    }
}

/// Wakes the connection's task, if it waits, after releasing the lock.
pub(crate) fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
