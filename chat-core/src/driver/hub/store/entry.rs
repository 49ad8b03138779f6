//! The way into a channel that is perhaps stored, and those who wait for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;

use crate::model::{ChannelId, ChannelOptions};

/// A channel that may be used now: it is not to be stored, or it is here and stays for as long as this is held.
pub(crate) struct Entry {
    pub(crate) channel: ChannelId,
    pub(crate) options: ChannelOptions,
    /// Held by those that keep the channel from going.
    pub(crate) pin: Option<Arc<dyn Pins>>,
}

/// Keeps channels from going: each pin is given back once.
pub(crate) trait Pins: Send + Sync {
    /// Pins a channel again that is pinned.
    fn pin_again(&self, channel: &ChannelId);

    /// Gives a pin back.
    fn unpin(self: Arc<Self>, channel: &ChannelId);
}

/// The channels that are just being restored, and who waits for each.
pub(crate) type Loads = Mutex<HashMap<ChannelId, Vec<Waiter>>>;

/// Somebody who waits for a channel.
pub(crate) struct Waiter {
    /// It is to be made if nothing of it is stored.
    pub(crate) makes: bool,
    pub(crate) tell: oneshot::Sender<Loaded>,
}

/// What one that waited is told: the way in, or that there is no such channel.
pub(crate) type Loaded = Result<Option<Entry>, Failed>;

/// It is not known whether there is such a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl Entry {
    /// Another way into the same channel.
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
