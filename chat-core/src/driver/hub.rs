//! The handle that users hold.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::builder::HubBuilder;
use super::encoding::Encodings;
use super::fanout;
use super::hooks::AnyEndpoint;
use super::metrics::{Metrics, Stats};
use super::outbox::{Manner, Subscription};
use super::seats::{Full, Seat, Seats};
use super::trace;
use crate::lock::lock;
use crate::machine::{Draft, Joined, Shard};
use crate::model::{ChannelId, Close, Limits, NameError, Payload, Published, SenderName, SessionId};
use crate::port::{Endpoint, Runtime};

/// All sessions and channels of a server. Cheap to clone; the clones are one hub.
#[derive(Clone)]
pub struct Hub(pub(crate) Arc<Inner>);

/// A [`Hub`] that does not keep it alive: for endpoints that publish by themselves.
#[derive(Clone)]
pub struct WeakHub(Weak<Inner>);

pub(crate) struct Inner {
    pub(crate) shards: Box<[Mutex<Shard<Arc<Subscription>>>]>,
    pub(crate) shard_key: u64,
    pub(crate) endpoint: Arc<dyn AnyEndpoint>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) limits: Limits,
    pub(crate) name: SenderName,
    pub(crate) metrics: Metrics,
    pub(crate) encodings: Encodings,
    pub(crate) seats: Seats,
    pub(crate) next_session: AtomicU64,
}

impl Hub {
    /// A hub that asks this endpoint.
    pub fn builder(endpoint: impl Endpoint) -> HubBuilder {
        HubBuilder::new(endpoint)
    }

    /// Publishes in the server's own name, to every subscriber of the channel there is when this returns.
    ///
    /// Waits for no reader: what a subscriber cannot take now waits in its outbox. A channel without subscribers hears nothing and is not made.
    ///
    /// # Errors
    /// If `channel` is no [`ChannelId`].
    pub fn publish<C>(&self, channel: C, content: Payload) -> Result<Published, NameError>
    where
        C: TryInto<ChannelId>,
        NameError: From<C::Error>,
    {
        let channel = channel.try_into()?;
        let (published, flush) = self.append(&channel, None, self.0.name.clone(), content);
        if flush {
            fanout::flush(self, &channel);
        }
        Ok(published)
    }

    /// A place for one more session, taken before it is there so that a full server says so at the door.
    ///
    /// # Errors
    /// If there are [`Limits::sessions`] already, or the hub drains.
    pub fn seat(&self) -> Result<Seat, Full> {
        let id = SessionId(self.0.next_session.fetch_add(1, Ordering::Relaxed));
        Seat::take(self.clone(), id)
    }

    /// Closes a session, which gets first what waits for it. False if there is none of this number.
    pub fn disconnect(&self, session: SessionId, close: Close) -> bool {
        let outbox = self.0.seats.outbox(session);
        outbox.map(|outbox| outbox.condemn(close, Manner::Graceful)).is_some()
    }

    /// Lets nobody in any more, closes every session with 1001 once it has what waits for it, and returns when all are gone; at the latest
    /// after `patience`, with the number of those that were left, whose transports are then dropped.
    ///
    /// Dropping the future stops the waiting, not the draining.
    pub async fn drain(&self, patience: Duration) -> usize {
        let gone = self.0.seats.drain();
        for outbox in self.0.seats.outboxes() {
            outbox.condemn(Close::GOING_AWAY, Manner::Graceful);
        }
        let sleep = self.0.runtime.sleep_until(self.0.runtime.now().instant + patience);
        futures::future::select(std::pin::pin!(gone.recv()), sleep).await;
        let left = self.0.seats.outboxes();
        for outbox in &left {
            outbox.abandon();
        }
        left.len()
    }

    /// What there is and what was counted. Looks at every session: for a scrape, not for every message.
    pub fn stats(&self) -> Stats {
        let outboxes = self.0.seats.outboxes();
        let mut stats = Stats {
            sessions: self.0.seats.count(),
            outbox_bytes: outboxes.iter().map(|outbox| outbox.load().bytes).sum(),
            ..self.0.metrics.read()
        };
        for shard in &self.0.shards {
            let shard = lock(shard);
            stats.channels += shard.channels();
            stats.channel_visits += shard.visits();
        }
        stats
    }

    /// The bounds it was built with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What it was built on.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.0.runtime
    }

    /// A handle that does not keep the hub alive.
    pub fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    /// Gives a message its place; true if the caller is to flush the channel.
    pub(crate) fn append(
        &self,
        channel: &ChannelId,
        from: Option<SessionId>,
        sender: SenderName,
        content: Payload,
    ) -> (Published, bool) {
        self.0.metrics.publications.add(1);
        let draft = Draft { from, sender, content, now: self.0.runtime.now() };
        lock(self.shard(channel)).publish(channel, draft)
    }

    /// Where the channel stands, if it is there.
    pub(crate) fn place(&self, channel: &ChannelId) -> Option<Joined> {
        lock(self.shard(channel)).place(channel)
    }

    pub(crate) fn join(
        &self,
        channel: &ChannelId,
        session: SessionId,
        subscription: impl FnOnce(Joined) -> Arc<Subscription>,
    ) -> Joined {
        self.0.metrics.joined.add(1);
        trace::joined(session, channel);
        lock(self.shard(channel)).subscribe(channel, session, subscription)
    }

    /// Takes the session out of the channel. It still gets what was published there before; after that nothing.
    pub(crate) fn leave(&self, channel: &ChannelId, session: SessionId) {
        let left = lock(self.shard(channel)).unsubscribe(channel, session);
        let Some(left) = left else { return };
        self.0.metrics.left.add(1);
        trace::left(session, channel);
        if !left.undelivered.is_empty() {
            let delivery = fanout::deliver_to(&left.subscriber, &left.undelivered);
            self.0.metrics.delivered(delivery);
        }
        left.subscriber.end();
    }

    pub(crate) fn shard(&self, channel: &ChannelId) -> &Mutex<Shard<Arc<Subscription>>> {
        let mut hasher = DefaultHasher::new();
        self.0.shard_key.hash(&mut hasher);
        channel.hash(&mut hasher);
        &self.0.shards[hasher.finish() as usize % self.0.shards.len()]
    }
}

impl WeakHub {
    /// The hub, if it is still there.
    pub fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.0.seats.count()).finish_non_exhaustive()
    }
}
