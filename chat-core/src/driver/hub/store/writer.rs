//! The one task that writes to the store, and who waits for it.

use std::sync::Mutex;

use async_channel::{Receiver, Sender};
use futures::channel::oneshot;

use crate::driver::duty::Duty;
use crate::lock::lock;
use crate::machine::ToStore;

/// The duty of the one who writes, and what it has in hand.
pub(crate) struct Writer {
    pub(crate) duty: Duty,
    pub(crate) wake: (Sender<()>, Receiver<()>),
    pub(crate) in_flight: Mutex<InFlight>,
    /// Those who want to know when nothing waits any more.
    pub(crate) watchers: Mutex<Vec<oneshot::Sender<()>>>,
}

#[derive(Default)]
pub(crate) struct InFlight {
    /// What the store was given and has not answered. Whoever takes it out settles it.
    pub(crate) batch: Option<ToStore>,
    /// How many are just settling what they took out.
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

    /// Lets those look again who wait until nothing is to be stored.
    pub(crate) fn wake_watchers(&self) {
        let watchers = std::mem::take(&mut *lock(&self.watchers));
        for watcher in watchers {
            let _ = watcher.send(());
        }
    }
}

/// What the store was given, taken out to be settled. What is lost of it ends the hub's life in the store before this is dropped: nobody closes that life
/// in between.
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
