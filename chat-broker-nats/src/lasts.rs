//! Remembers what the next message of each channel is written behind, so that it need not be asked for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chat_core::ChannelId;

use crate::log::Last;

/// Bounds the channels that are remembered. Beyond it all are forgotten: they are asked for again.
const MOST: usize = 10_000;

/// Holds the last message that is known of each channel. One that is not the last any more costs a conflict.
#[derive(Debug, Default)]
pub(crate) struct Lasts(Mutex<HashMap<ChannelId, Last>>);

impl Lasts {
    pub(crate) fn of(&self, channel: &ChannelId) -> Option<Last> {
        self.lock().get(channel).cloned()
    }

    /// Remembers a message unless a later one is known.
    pub(crate) fn note(&self, channel: &ChannelId, last: Last) {
        let mut all = self.lock();
        if all.get(channel).is_some_and(|known| known.sequence >= last.sequence) {
            return;
        }
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(channel.clone(), last);
    }

    pub(crate) fn forget(&self, channel: &ChannelId) {
        self.lock().remove(channel);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
