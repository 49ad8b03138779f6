//! Queues what the endpoint is told about channels, so that one teller at a time tells it in order.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::{ChannelId, Publication};

/// Describes an event of a channel that the endpoint is told of, once.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// Reports that the channel has its first subscriber.
    Active(ChannelId),
    /// Reports that the channel has lost its last subscriber.
    Idle(ChannelId),
    /// Reports that a publication has its place.
    Published(Arc<Publication>),
}

/// Holds notices in the order of their events. They are pushed under the lock under which the events happen,
/// and taken out by the one that has the role of the teller, so their order is that of the events.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: VecDeque<Notice>,
    /// Tells whether somebody has the role of the teller.
    taken: bool,
}

/// Sets how many notices of a shard may wait before sessions begin no further request.
const MANY: usize = 1024;

/// Bounds the room that is kept when nothing waits.
const KEPT: usize = 32;

impl Notices {
    pub(super) fn push(&mut self, notice: Notice) {
        self.waiting.push_back(notice);
    }

    /// Returns whether so many wait that sessions are to wait too.
    pub(super) fn are_many(&self) -> bool {
        self.waiting.len() >= MANY
    }

    /// Returns whether a notice waits that nobody is about to tell.
    pub(super) fn is_stranded(&self) -> bool {
        !self.taken && !self.waiting.is_empty()
    }

    /// Takes the role of the teller and the first notice. Returns none if nothing waits, or if another has
    /// the role and tells what waits.
    pub(super) fn begin(&mut self) -> Option<Notice> {
        if self.taken {
            return None;
        }
        self.next()
    }

    /// Takes the next notice, for the teller. Gives the role back if none waits.
    pub(super) fn next(&mut self) -> Option<Notice> {
        let next = self.waiting.pop_front();
        self.taken = next.is_some();
        if next.is_none() {
            self.waiting.shrink_to(KEPT);
        }
        next
    }

    /// Gives the role of the teller back, whatever waits. Returns whether a notice waits.
    pub(super) fn give_back(&mut self) -> bool {
        self.taken = false;
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(notice: Option<Notice>) -> Option<String> {
        match notice? {
            Notice::Active(channel) | Notice::Idle(channel) => Some(channel.to_string()),
            Notice::Published(_) => None,
        }
    }

    #[test]
    fn one_teller_at_a_time_takes_all_notices_in_order() {
        let mut notices = Notices::default();
        let push = |notices: &mut Notices, name: &str| {
            notices.push(Notice::Active(name.parse().expect("a name")));
        };
        push(&mut notices, "a");
        assert_eq!(named(notices.begin()).as_deref(), Some("a"));
        push(&mut notices, "b");
        assert!(notices.begin().is_none() && !notices.is_stranded(), "the teller takes it along");
        assert_eq!(named(notices.next()).as_deref(), Some("b"));
        assert!(notices.next().is_none(), "the role is free again");
        push(&mut notices, "c");
        assert!(notices.is_stranded());
        assert_eq!(named(notices.begin()).as_deref(), Some("c"));
        push(&mut notices, "d");
        assert!(notices.give_back() && notices.is_stranded(), "the next teller gets what is left");
        assert_eq!(named(notices.begin()).as_deref(), Some("d"));
    }
}
