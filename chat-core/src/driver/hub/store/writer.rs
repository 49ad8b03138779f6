//! Holds the state of the one task that writes to the store, and of those that wait for it.

use std::sync::Mutex;

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;

use crate::driver::duty::Duty;
use crate::lock::lock;
use crate::machine::ToStore;

/// Holds the duty to write to the store, and what is in flight.
pub(crate) struct Writer {
    pub(crate) duty: Duty,
    pub(crate) wake: (Sender<()>, Receiver<()>),
    pub(crate) in_flight: Mutex<InFlight>,
    /// Holds the waiters that are woken when nothing waits to be stored any more.
    pub(crate) watchers: Mutex<Vec<oneshot::Sender<()>>>,
}

#[derive(Default)]
pub(crate) struct InFlight {
    /// Holds what the store was given and has not answered. Whoever takes it out settles it.
    pub(crate) batch: Option<ToStore>,
    /// Is true if the batch was given up while the store had not answered: it may still be stored.
    given_up: bool,
    /// Counts the tasks that are just settling what they took out.
    settling: usize,
}

impl Default for Writer {
    fn default() -> Self {
        let (duty, wake) = (Duty::default(), async_channel::bounded(1));
        Self { duty, wake, in_flight: Mutex::default(), watchers: Mutex::default() }
    }
}

impl InFlight {
    pub(crate) fn is_none(&self) -> bool {
        self.batch.is_none() && self.settling == 0
    }
}

impl Writer {
    /// Takes out what the store was given, to settle it: until that is dropped, it is still in flight.
    pub(crate) fn take_out(&self) -> Settling<'_> {
        let mut in_flight = lock(&self.in_flight);
        in_flight.settling += 1;
        Settling { writer: self, batch: in_flight.batch.take() }
    }

    /// Takes out what the store was given as [`take_out`](Self::take_out) does, although the store has not
    /// answered. Until it does, no channel is restored.
    pub(crate) fn give_up(&self) -> Settling<'_> {
        let mut in_flight = lock(&self.in_flight);
        in_flight.given_up |= in_flight.batch.is_some();
        drop(in_flight);
        self.take_out()
    }

    /// Returns whether the store may still store what was given up: what it knows of a channel may then be
    /// less than it stores of it later.
    pub(crate) fn may_store_more(&self) -> bool {
        lock(&self.in_flight).given_up
    }

    /// Notes that the store has answered.
    pub(crate) fn is_answered(&self) {
        lock(&self.in_flight).given_up = false;
    }

    /// Wakes those that wait until nothing is to be stored, to look again.
    pub(crate) fn wake_watchers(&self) {
        let watchers = std::mem::take(&mut *lock(&self.watchers));
        for watcher in watchers {
            let _ = watcher.send(());
        }
    }
}

/// Holds what the store was given, taken out to be settled. If some of it is lost, that ends the hub's
/// incarnation in the store before this is dropped: nobody closes that incarnation in between.
pub(crate) struct Settling<'a> {
    writer: &'a Writer,
    pub(crate) batch: Option<ToStore>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        lock(&self.writer.in_flight).settling -= 1;
        self.writer.wake_watchers();
    }
}
