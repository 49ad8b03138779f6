//! Holds a session's one timer, set for the next of its deadlines.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::driver::hub::shared::Shared;
use crate::machine::{Timer, Timers};
use crate::port::Sleep;

use crate::model::Instant;

/// Holds deadlines, and the runtime's timer behind them, which is created when first needed and moved only
/// when it would ring too late.
pub(crate) struct Alarm {
    shared: Arc<Shared>,
    timers: Timers,
    sleep: Option<Pin<Box<dyn Sleep>>>,
    armed: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, timers: Timers::default(), sleep: None, armed: None }
    }

    pub(crate) fn set(&mut self, timer: Timer, after: Duration) {
        self.timers.set(timer, self.shared.runtime.after(after));
    }

    /// Sets a timer, unless it is set to ring earlier.
    pub(crate) fn set_at_most(&mut self, timer: Timer, after: Duration) {
        let deadline = self.shared.runtime.after(after);
        self.timers.put(timer, self.timers.get(timer).into_iter().chain([deadline]).min());
    }

    /// Sets a timer to an instant, or clears it.
    pub(crate) fn put(&mut self, timer: Timer, deadline: Option<Instant>) {
        self.timers.put(timer, deadline);
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.timers.is_set(timer)
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        self.timers.clear(timer);
    }

    pub(crate) fn clear_all(&mut self) {
        self.timers.clear_all();
    }

    /// Returns the next timer that is due.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Timer> {
        while let Some(next) = self.timers.next() {
            self.arm(next);
            let sleep = self.sleep.as_mut().expect("it was just armed");
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = None;
            if let Some(timer) = self.timers.take_due(self.shared.runtime.instant()) {
                return Poll::Ready(timer);
            }
        }
        Poll::Pending
    }

    fn arm(&mut self, next: Instant) {
        if self.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(next),
            None => self.sleep = Some(self.shared.runtime.sleep_until(next)),
        }
        self.armed = Some(next);
    }
}
