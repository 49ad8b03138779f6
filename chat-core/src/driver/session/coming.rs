//! Channels that the server puts a session into once they are taken up from the store.

use std::collections::HashMap;

use crate::model::ChannelId;

/// What is on its way, each with a number: who is taken out meanwhile and put in again waits for the second of two orders. Nearly always nothing.
#[derive(Debug, Default)]
pub(crate) struct Coming(Option<Box<Orders>>);

#[derive(Debug, Default)]
struct Orders {
    channels: HashMap<ChannelId, u64>,
    last: u64,
}

impl Coming {
    /// Adds a channel, and returns the order's number. None if it is there already, or `most` are.
    pub(crate) fn add(&mut self, channel: &ChannelId, most: usize) -> Option<u64> {
        let orders = self.0.get_or_insert_default();
        if orders.channels.contains_key(channel) || orders.channels.len() >= most {
            return None;
        }
        orders.last += 1;
        orders.channels.insert(channel.clone(), orders.last);
        Some(orders.last)
    }

    /// Whether the channel is waited for, and because of this order.
    pub(crate) fn is(&self, channel: &ChannelId, number: u64) -> bool {
        self.0.as_ref().is_some_and(|orders| orders.channels.get(channel) == Some(&number))
    }

    pub(crate) fn remove(&mut self, channel: &ChannelId) {
        if let Some(orders) = &mut self.0 {
            orders.channels.remove(channel);
        }
    }

    pub(crate) fn clear(&mut self) {
        if let Some(orders) = &mut self.0 {
            orders.channels.clear();
        }
    }
}
