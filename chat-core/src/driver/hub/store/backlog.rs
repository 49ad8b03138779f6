//! Holds what the server published to channels that have to be restored first.

use std::collections::{HashMap, VecDeque};

use futures::channel::oneshot;

use super::appended::Appended;
use crate::model::{ChannelId, Publish};

/// Holds publications that wait, by channel. While a channel has some, all that the server publishes there
/// goes behind them.
#[derive(Default)]
pub(crate) struct Backlog {
    pub(crate) lanes: HashMap<ChannelId, VecDeque<Deferred>>,
    /// Counts the waiting publications that no caller waits for.
    pub(crate) unasked: usize,
    /// Resolves once the newest lane lets others go ahead.
    pub(crate) newest: Option<oneshot::Receiver<()>>,
}

/// Holds a publication that waits, and the caller that waits for its place.
pub(crate) struct Deferred {
    pub(crate) publish: Publish,
    pub(crate) tell: Option<oneshot::Sender<Appended>>,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Takes out all that waits.
    pub(crate) fn clear(&mut self) -> Vec<Deferred> {
        self.unasked = 0;
        self.lanes.values_mut().flat_map(|lane| lane.drain(..)).collect()
    }
}
