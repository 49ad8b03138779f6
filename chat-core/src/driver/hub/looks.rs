//! Looks at what a hub holds, page by page: its channels, its sessions, and who is in which.

use std::sync::Arc;

use super::Hub;
use super::shared::Shared;
use crate::driver::outbox::status::by_the_clock;
use crate::driver::outbox::subscription::Subscription;
use crate::lock::lock;
use crate::model::{ChannelId, ChannelStatus, Page, SessionId, SessionStatus, SubscriberStatus};

/// Lists what the hub holds. A page has at most `most` entries, and at most
/// [`Limits::answer_entries`](crate::Limits::answer_entries); at least one, if there is one.
impl Hub {
    /// Returns a page of the channels in memory, those with sessions in them and those that are idle,
    /// beginning after the channel that the page before [names](Page::next). The order is the hub's own
    /// and stays the same. Channels that are in the store alone are not listed.
    ///
    /// The channels lie in [shards](crate::HubBuilder::shards). Reading a page looks at the name of every
    /// channel in the few shards that it comes from, and locks one of them at a time, for a time in
    /// proportion to the channels in it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use chat_core::{Hub, OpenChat, Payload, testkit::World};
    ///
    /// let world = World::new();
    /// let builder = Hub::builder(OpenChat::default());
    /// let hub = builder.history(10, Duration::from_secs(60)).build(world.clone());
    /// world.open(&hub, "ann").say("subscribe news");
    /// hub.publish("news", Payload::json("\"open at nine\""))?;
    /// let page = hub.channels(None, 100);
    /// let news = &page.entries[0];
    /// assert_eq!((news.channel.as_str(), news.subscribers, news.offset.0), ("news", 1, 1));
    /// assert_eq!((news.publications, news.history_bytes, page.next), (1, 14, None));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn channels(&self, after: Option<&ChannelId>, most: usize) -> Page<ChannelStatus, ChannelId> {
        channels(&self.0, after, clamped(&self.0, most))
    }

    /// Returns a page of the sessions, open or not yet, in the order of their ids, beginning after this one.
    /// Takes time in proportion to the page, however many sessions there are.
    ///
    /// ```
    /// use chat_core::{Hub, OpenChat, testkit::World};
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let (_ann, bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
    /// bob.say("subscribe news");
    /// let first = hub.sessions(None, 1);
    /// let second = hub.sessions(first.next, 1);
    /// let bob = &second.entries[0];
    /// assert_eq!((bob.name.as_ref().map(|name| name.as_str()), bob.channels), (Some("bob"), 1));
    /// assert_eq!((bob.protocol, bob.waiting_bytes, second.next), ("script", 0, None));
    /// ```
    pub fn sessions(&self, after: Option<SessionId>, most: usize) -> Page<SessionStatus, SessionId> {
        let (outboxes, more) = self.0.permits.outboxes_after(after, clamped(&self.0, most));
        let now = self.0.runtime.now();
        let entries = outboxes.iter().map(|outbox| outbox.status(now)).collect();
        Page::new(entries, more, |last| last.session)
    }

    /// Returns a page of the sessions in a channel, in the order of their ids, beginning after this one; an
    /// empty page if there is no such channel. Looks at the id of every subscriber, and locks the channel's
    /// shard for that time.
    ///
    /// ```
    /// use chat_core::{Hub, OpenChat, testkit::World};
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let (ann, _bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
    /// ann.say("subscribe news");
    /// let page = hub.subscribers(&"news".parse()?, None, 100);
    /// let users: Vec<_> = page.entries.iter().filter_map(|one| one.session.user.as_ref()).collect();
    /// assert_eq!((users[0].as_str(), users.len(), page.next), ("ann", 1, None));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn subscribers(
        &self,
        channel: &ChannelId,
        after: Option<SessionId>,
        most: usize,
    ) -> Page<SubscriberStatus, SessionId> {
        let most = clamped(&self.0, most);
        let (found, more) = lock(self.0.shard(channel)).look_at_subscribers(channel, after, most);
        let now = self.0.runtime.now();
        let status = |subscription: &Arc<Subscription>| SubscriberStatus {
            subscribed: by_the_clock(subscription.since, now),
            session: subscription.outbox.status(now),
        };
        Page::new(found.iter().map(status).collect(), more, |last| last.session.session)
    }

    /// Describes one session; returns none if there is none of this number.
    ///
    /// ```
    /// use chat_core::{Hub, OpenChat, testkit::World};
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// let session = hub.sessions_of(&"ann".parse()?)[0];
    /// let status = hub.session(session).expect("it is open");
    /// assert_eq!((status.user, status.channels), (Some("ann".parse()?), 0));
    /// ann.cut();
    /// assert_eq!(hub.session(session), None);
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn session(&self, session: SessionId) -> Option<SessionStatus> {
        Some(self.0.permits.outbox(session)?.status(self.0.runtime.now()))
    }
}

fn clamped(shared: &Shared, most: usize) -> usize {
    most.min(shared.limits.answer_entries).max(1)
}

/// Reads shard after shard, each in the order of its names, until the page is full.
fn channels(shared: &Shared, after: Option<&ChannelId>, most: usize) -> Page<ChannelStatus, ChannelId> {
    let now = shared.runtime.instant();
    let (mut entries, mut more) = (Vec::new(), false);
    let mut after = after;
    let first = after.map_or(0, |after| shared.shard_index(after));
    for shard in &shared.shards[first..] {
        let left = most - entries.len();
        let (found, others) = lock(shard).look_at_channels(after.take(), left, now);
        entries.extend(found);
        if others {
            more = true;
            break;
        }
    }
    Page::new(entries, more, |last: &ChannelStatus| last.channel.clone())
}
