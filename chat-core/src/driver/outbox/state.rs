//! What an outbox's lock guards: what waits, who writes it, and who is to be woken.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::task::{Context, Waker};

use crate::driver::outbox::control::Control;
use crate::driver::outbox::write::Written;
use crate::machine::Queue;
use crate::model::Run;

/// One peer's queue, and how its transport and its task are.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    /// What was promised to those that are behind, in bytes: it waits too, though not here.
    pub(crate) promised: usize,
    /// What of its weight the memory knows.
    pub(crate) booked: usize,
    /// A turn of the session is under way: it writes all that it said at its end.
    pub(crate) corked: bool,
    /// The transport took no more: only the connection's task writes, once it is woken.
    pub(crate) blocked: bool,
    /// The session's task has written, and the transport may keep some of that until it is flushed.
    pub(crate) unflushed: bool,
    /// The transport is lost.
    pub(crate) failed: bool,
    /// Nothing more is taken in but the close.
    pub(crate) shut: bool,
    /// A subscription fell behind, for the session's task to see to.
    pub(crate) lagging: bool,
    /// What others want of the session, for its task to see to.
    pub(crate) control: Option<Box<Control>>,
    /// The connection's task, if it waits.
    pub(crate) waker: Option<Waker>,
    /// It waits for another who writes just now.
    pub(crate) awaited: bool,
    /// There is something that only it will do.
    pub(crate) called: bool,
    /// Counts writes that got something across.
    pub(crate) progress: u64,
}

impl State {
    pub(crate) fn is_free(&self) -> bool {
        !self.corked && !self.blocked && !self.failed && !self.queue.is_writing()
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.is_free() && self.queue.is_empty()
    }

    /// Nothing has come while another wrote, and nobody waits for that: as nearly always.
    pub(crate) fn is_untouched(&self) -> bool {
        self.queue.is_empty() && !self.awaited && !self.called
    }

    pub(crate) fn may_write(&self) -> bool {
        self.is_free() && !self.queue.is_empty()
    }

    pub(crate) fn end_write(&mut self, left: &mut VecDeque<Run>, written: Written) {
        self.queue.end_write(left);
        self.progress += u64::from(written.some);
        self.blocked |= written.blocked;
        self.failed |= written.failed;
    }

    /// Ends the write of one who is not the connection's task, and calls the task for what comes of it.
    pub(crate) fn end_anothers_write(&mut self, left: &mut VecDeque<Run>, written: Written) {
        self.end_write(left, written);
        self.called |= written.blocked || written.failed || std::mem::take(&mut self.awaited);
    }

    /// Notes that a subscription fell behind, and calls the task to see to it.
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

/// Wakes the connection's task if it was called. One in its turn needs no call: it looks at the end.
pub(crate) fn rouse(mut state: MutexGuard<'_, State>) {
    if std::mem::take(&mut state.called) && !state.corked {
        wake(state);
    }
}

/// Wakes the connection's task, if it waits, once the lock is free.
pub(crate) fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
