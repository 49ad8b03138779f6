//! Some of a hub's channels: join, leave, publish, flush. No lock, no clock, no await.

use std::collections::HashMap;

use super::channel::{Channel, Fanout};
use crate::model::{
    ChannelId, ChatMessage, Epoch, Now, Offset, Payload, Publication, Published, SenderName, SessionId,
};

/// Channels by name. `S` is what a subscriber is to the driver.
#[derive(Debug)]
pub(crate) struct Shard<S> {
    channels: HashMap<ChannelId, Channel<S>>,
    epochs: u64,
    visits: u64,
}

/// What is to be published.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) from: Option<SessionId>,
    pub(crate) sender: SenderName,
    pub(crate) content: Payload,
    pub(crate) now: Now,
}

/// Where a new subscriber starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) epoch: Epoch,
    pub(crate) offset: Offset,
}

/// A subscriber that is out, and what was published before that it was not handed yet.
#[derive(Debug)]
#[must_use = "the leaver gets what was published before it left"]
pub(crate) struct Left<S> {
    pub(crate) subscriber: S,
    pub(crate) undelivered: Vec<Publication>,
}

impl Draft {
    fn message(self, channel: &ChannelId) -> ChatMessage {
        ChatMessage {
            sender_name: self.sender,
            content: self.content,
            timestamp: self.now.utc,
            channel_id: channel.clone(),
        }
    }
}

impl<S: Clone> Shard<S> {
    /// An empty shard whose epochs begin somewhere after `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { channels: HashMap::new(), epochs: seed, visits: 0 }
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// How often any channel was looked up: the work done here, counted.
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// `subscriber` makes the subscriber when its place in the channel is known.
    pub(crate) fn subscribe(
        &mut self,
        channel: &ChannelId,
        session: SessionId,
        subscriber: impl FnOnce(Joined) -> S,
    ) -> Joined {
        let channel = self.enter(channel);
        let joined = Joined { epoch: channel.epoch, offset: channel.last };
        channel.join(session, subscriber(joined));
        joined
    }

    /// None if the session is not in the channel. The last to leave takes the channel with it.
    pub(crate) fn unsubscribe(&mut self, name: &ChannelId, session: SessionId) -> Option<Left<S>> {
        let channel = self.look_up(name)?;
        let (subscriber, undelivered) = channel.leave(session)?;
        if channel.subscribers() == 0 {
            self.channels.remove(name);
        }
        Some(Left { subscriber, undelivered })
    }

    /// Gives the message its place; true if the caller should flush. In a channel without subscribers it reaches nobody and leaves nothing.
    pub(crate) fn publish(&mut self, name: &ChannelId, draft: Draft) -> (Published, bool) {
        let Some(channel) = self.look_up(name) else {
            return (Published { offset: Offset(1), epoch: self.next_epoch(), subscribers: 0 }, false);
        };
        let flush = channel.append(draft.from, draft.message(name));
        (Published { offset: channel.last, epoch: channel.epoch, subscribers: channel.subscribers() }, flush)
    }

    /// Where the channel stands.
    pub(crate) fn place(&mut self, name: &ChannelId) -> Option<Joined> {
        self.look_up(name).map(|channel| Joined { epoch: channel.epoch, offset: channel.last })
    }

    /// What is pending in the channel and who gets it; none if that is nothing, or if another flush is under way and will take it.
    pub(crate) fn flush(&mut self, name: &ChannelId) -> Option<Fanout<S>> {
        self.look_up(name)?.flush()
    }

    /// Ends a flush, and begins the next if more has come. A channel that came back in the meantime has another epoch and is left alone.
    pub(crate) fn flushed(&mut self, name: &ChannelId, epoch: Epoch) -> Option<Fanout<S>> {
        self.look_up(name).filter(|channel| channel.epoch == epoch)?.flushed()
    }

    fn look_up(&mut self, name: &ChannelId) -> Option<&mut Channel<S>> {
        self.visits += 1;
        self.channels.get_mut(name)
    }

    fn enter(&mut self, name: &ChannelId) -> &mut Channel<S> {
        if self.look_up(name).is_none() {
            let epoch = self.next_epoch();
            self.channels.insert(name.clone(), Channel::new(epoch));
        }
        self.channels.get_mut(name).expect("it was there or was made")
    }

    /// A step of splitmix64: never the same twice within 2^64 lives.
    fn next_epoch(&mut self) -> Epoch {
        self.epochs = self.epochs.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.epochs ^ (self.epochs >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Epoch(mixed ^ (mixed >> 31))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use chrono::DateTime;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an instant cannot be made from nothing")]
    fn draft(from: u64) -> Draft {
        let now = Now { instant: Instant::now(), utc: DateTime::UNIX_EPOCH };
        let sender = "ann".parse().expect("a name");
        Draft { from: Some(SessionId(from)), sender, content: Payload::null(), now }
    }

    fn room() -> ChannelId {
        "room".parse().expect("a name")
    }

    fn joined(shard: &mut Shard<u64>, sessions: &[u64]) -> Joined {
        let joins = sessions.iter().map(|s| shard.subscribe(&room(), SessionId(*s), |_| *s));
        joins.last().expect("someone")
    }

    fn offsets(publications: &[Publication]) -> Vec<u64> {
        publications.iter().map(|p| p.offset.0).collect()
    }

    #[test]
    fn a_publish_appends_and_a_flush_takes_all_that_was_appended() {
        let mut shard = Shard::new(1);
        joined(&mut shard, &[1, 2]);
        assert!(shard.publish(&room(), draft(1)).1);
        assert!(!shard.publish(&room(), draft(2)).1, "the first publisher flushes");
        let fanout = shard.flush(&room()).expect("two");
        assert_eq!((offsets(&fanout.publications), &**fanout.subscribers), (vec![1, 2], &[1, 2][..]));
        assert_eq!(fanout.publications[1].previous, Offset(1));
        assert!(shard.flushed(&room(), fanout.epoch).is_none());
    }

    #[test]
    fn one_flusher_at_a_time_and_it_comes_back_for_what_came_meanwhile() {
        let mut shard = Shard::new(1);
        joined(&mut shard, &[1]);
        shard.publish(&room(), draft(1));
        let first = shard.flush(&room()).expect("one");
        assert!(!shard.publish(&room(), draft(1)).1);
        assert!(shard.flush(&room()).is_none());
        let second = shard.flushed(&room(), first.epoch).expect("the other");
        assert_eq!(offsets(&second.publications), [2]);
    }

    #[test]
    fn who_joins_during_a_flush_is_not_in_it_and_who_leaves_takes_what_it_was_owed() {
        let mut shard = Shard::new(1);
        joined(&mut shard, &[1, 2]);
        shard.publish(&room(), draft(1));
        let flight = shard.flush(&room()).expect("one");
        shard.publish(&room(), draft(1));
        assert_eq!(joined(&mut shard, &[3]).offset, Offset(2));
        assert_eq!(flight.subscribers.len(), 2);
        let left = shard.unsubscribe(&room(), SessionId(1)).expect("a member");
        assert_eq!((left.subscriber, offsets(&left.undelivered)), (1, vec![1, 2]));
        assert!(shard.unsubscribe(&room(), SessionId(1)).is_none());
    }

    #[test]
    fn a_channel_is_gone_with_its_last_subscriber_and_comes_back_with_another_epoch() {
        let mut shard = Shard::new(1);
        let first = joined(&mut shard, &[1]);
        shard.publish(&room(), draft(1));
        let flight = shard.flush(&room()).expect("one");
        let _ = shard.unsubscribe(&room(), SessionId(1)).expect("a member");
        assert_eq!(shard.channels(), 0);
        let second = joined(&mut shard, &[2]);
        assert_ne!(first.epoch, second.epoch);
        assert_eq!(second.offset, Offset(0));
        shard.publish(&room(), draft(2));
        assert!(shard.flushed(&room(), flight.epoch).is_none(), "the old flush leaves the new channel alone");
        assert!(shard.flush(&room()).is_some());
    }

    #[test]
    fn a_publish_that_nobody_hears_creates_nothing() {
        let mut shard: Shard<u64> = Shard::new(1);
        let (published, flush) = shard.publish(&room(), draft(1));
        assert_eq!((published.subscribers, flush, shard.channels()), (0, false, 0));
    }
}
