//! Holds what is on its way to a node.

use std::collections::BTreeMap;

use crate::model::{ChannelId, Instant};
use crate::port::broker::Heard;

/// Bounds the events that are on their way; the others wait in the broker's memory.
const ON_THE_WAY: usize = 128;

/// Holds events by the time at which they arrive; those of one time arrive in their order.
#[derive(Default)]
pub(super) struct Held {
    events: BTreeMap<(Instant, u64), Event>,
    number: u64,
}

struct Event {
    heard: Heard,
    /// Holds what it is in order with; none for a copy, which is in order with nothing.
    topic: Option<Topic>,
}

/// Names what events are in order with each other: those of a channel, and those of none.
#[derive(Clone, PartialEq, Eq)]
struct Topic(Option<ChannelId>);

impl Held {
    pub(super) fn has_room(&self) -> bool {
        self.events.len() < ON_THE_WAY
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    /// Takes in an event that arrives at this time, but not before what is before it in its channel. Returns
    /// when it arrives.
    pub(super) fn add(&mut self, heard: Heard, at: Instant) -> Instant {
        let topic = Topic(channel(&heard).cloned());
        let before = |event: &Event| event.topic.as_ref() == Some(&topic);
        let last = self.events.iter().rev().find(|(_, event)| before(event)).map(|((at, _), _)| *at);
        let at = last.map_or(at, |last| last.max(at));
        self.put(at, Event { heard, topic: Some(topic) });
        at
    }

    /// Takes in a copy, which arrives at this time.
    pub(super) fn add_copy(&mut self, heard: Heard, at: Instant) {
        self.put(at, Event { heard, topic: None });
    }

    fn put(&mut self, at: Instant, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    /// Returns when the next event arrives.
    pub(super) fn next(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the next event that has arrived by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Heard> {
        let next = self.events.first_entry().filter(|next| next.key().0 <= now)?;
        Some(next.remove().heard)
    }
}

fn channel(heard: &Heard) -> Option<&ChannelId> {
    match heard {
        Heard::Published { channel, .. } => Some(channel),
        Heard::Told { channel, .. } => channel.as_ref(),
        Heard::Deaf | Heard::Back | Heard::Corrupt => None,
    }
}
