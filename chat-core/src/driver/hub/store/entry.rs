//! Gives entry to a channel that is perhaps stored, and holds those that wait for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;

use crate::model::{ChannelId, ChannelOptions};

/// Gives entry to a channel that may be used now: it is not to be stored, or it is in memory and stays there
/// while this is held.
pub(crate) struct Entry {
    pub(crate) channel: ChannelId,
    pub(crate) options: ChannelOptions,
    /// Pins the channel if it must be kept in memory.
    pub(crate) pin: Option<Arc<dyn Pins>>,
}

/// Keeps channels in memory: each pin is given back once.
pub(crate) trait Pins: Send + Sync {
    /// Pins a channel again that is pinned.
    fn pin_again(&self, channel: &ChannelId);

    /// Gives one pin back.
    fn unpin(self: Arc<Self>, channel: &ChannelId);
}

/// Holds the channels that are just being restored, and the waiters of each.
pub(crate) type Loads = Mutex<HashMap<ChannelId, Vec<Waiter>>>;

/// Waits for a channel to be restored.
pub(crate) struct Waiter {
    /// Is true if the channel is to be created where nothing of it is stored.
    pub(crate) makes: bool,
    pub(crate) tell: oneshot::Sender<Loaded>,
}

/// Tells a waiter the outcome: the entry, or that there is no such channel.
pub(crate) type Loaded = Result<Option<Entry>, Failed>;

/// Tells that the store could not say if there is such a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl Entry {
    /// Returns another entry to the same channel.
    pub(crate) fn again(&self) -> Self {
        let pin = self.pin.clone();
        if let Some(pins) = &pin {
            pins.pin_again(&self.channel);
        }
        Self { channel: self.channel.clone(), options: self.options, pin }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(pins) = self.pin.take() {
            pins.unpin(&self.channel);
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("channel", &self.channel).finish_non_exhaustive()
    }
}
