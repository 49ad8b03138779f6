//! The handle that users hold.

pub(crate) mod admission;
pub(crate) mod builder;
pub(crate) mod deferred;
pub(crate) mod drain;
pub(crate) mod entry;
pub(crate) mod fanout;
pub(crate) mod history;
pub(crate) mod intake;
pub(crate) mod metrics;
pub(crate) mod permits;
pub(crate) mod placing;
pub(crate) mod presence;
pub(crate) mod store;
pub(crate) mod sweep;
pub(crate) mod users;
pub(crate) mod writer;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use futures::channel::oneshot;

use crate::driver::caught::{Panicked, caught};
use crate::driver::duty::Duty;
use crate::driver::hub::builder::HubBuilder;
use crate::driver::hub::entry::Entry;
use crate::driver::hub::intake::Intakes;
use crate::driver::hub::metrics::{Metrics, Stats};
use crate::driver::hub::permits::{Full, Seat, Seats};
use crate::driver::hub::placing::Waits;
use crate::driver::hub::store::Archive;
use crate::driver::hub::users::Users;
use crate::driver::hub::writer::not_stored;
use crate::driver::outbox::control::{Manner, Order};
use crate::driver::outbox::encoding::Encodings;
use crate::driver::outbox::ledger::Ledger;
use crate::driver::outbox::subscription::Subscription;
use crate::driver::padded::Padded;
use crate::driver::session::hooks::AnyEndpoint;
use crate::driver::trace;
use crate::lock::lock;
use crate::machine::{Common, Incarnation, Joined, Joining, Record, Records, Shard, Whose};
use crate::model::{
    ChannelId, ChannelOptions, Close, Epoch, Limits, NameError, Offset, Payload, Publish, Published, Refusal,
    SenderName, SessionId, Subscribe,
};
use crate::port::{Endpoint, Runtime};

/// All sessions and channels of a server. Cheap to clone; the clones are one hub.
#[derive(Clone)]
pub struct Hub(pub(crate) Arc<Inner>);

/// A [`Hub`] that does not keep it alive: for endpoints that publish by themselves.
#[derive(Clone)]
pub struct WeakHub(Weak<Inner>);

/// Some of the channels, as the hub keeps them.
pub(crate) type HubShard = Mutex<Shard<Arc<Subscription>>>;

pub(crate) struct Inner {
    pub(crate) shards: Box<[Padded<HubShard>]>,
    pub(crate) common: Arc<Common>,
    pub(crate) archive: Option<Archive>,
    pub(crate) shard_key: u64,
    pub(crate) endpoint: Arc<dyn AnyEndpoint>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) limits: Limits,
    pub(crate) channel: ChannelOptions,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) intakes: Padded<Intakes>,
    pub(crate) sweeping: Duty,
    pub(crate) telling: Duty,
    pub(crate) name: SenderName,
    pub(crate) metrics: Padded<Metrics>,
    pub(crate) encodings: Encodings,
    pub(crate) seats: Padded<Seats>,
    pub(crate) users: Padded<Users>,
    pub(crate) records: Padded<Mutex<Records>>,
    pub(crate) next_session: Padded<AtomicU64>,
}

impl Hub {
    /// A hub that asks this endpoint.
    pub fn builder(endpoint: impl Endpoint) -> HubBuilder {
        HubBuilder::new(endpoint)
    }

    /// Publishes in the server's own name, to every subscriber of the channel there is.
    ///
    /// Where there are at most 1,024, all have been handed it when this returns, unless another flush of the channel is under way that takes it along.
    /// Where there are more, a task of the runtime hands it out, and lets others go first in between.
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
        Ok(self.publish_with(Publish::to(channel.try_into()?, content)))
    }

    /// As [`publish`](Self::publish), with all that a publication can have: a key, what it refers to, or that it is a signal.
    ///
    /// A channel that is stored and that nobody is in may have to be taken up from the store first. Then this returns the offset 0, and the publication
    /// follows; at most 1,024 may wait for that, more are dropped and counted.
    pub fn publish_with(&self, publish: Publish) -> Published {
        self.publish_into(publish, &mut Dirty::new(self))
    }

    /// As [`publish_with`](Self::publish_with), for many: those of one channel reach each subscriber together, in one write and not in one for each.
    pub fn publish_all(&self, all: impl IntoIterator<Item = Publish>) -> Vec<Published> {
        let mut dirty = Dirty::new(self);
        all.into_iter().map(|publish| self.publish_into(publish, &mut dirty)).collect()
    }

    fn publish_into(&self, publish: Publish, dirty: &mut Dirty<'_>) -> Published {
        let options = self.0.endpoint.channel(&publish.channel, self.0.channel);
        let Some(entry) = self.enter_next(&publish.channel, options) else {
            let epoch = lock(self.shard(&publish.channel)).next_epoch();
            self.defer(publish, options, None);
            return Published { offset: Offset(0), epoch, subscribers: 0, already: false };
        };
        let channel = publish.channel.clone();
        let appended = self.append_own(publish, entry, false);
        if appended.flush {
            dirty.channels.push(channel);
        }
        appended.published
    }

    /// As [`publish_with`](Self::publish_with), but restores a stored channel first, so that the place is the real one, and where the channel is durable
    /// waits until it is stored. Subscribers have not waited. If this is dropped early, it is published or not, and stored or not.
    ///
    /// # Errors
    /// 100: it is not stored; under the same [key](Publish::key) it may be tried again.
    pub async fn publish_stored(&self, publish: Publish) -> Result<Published, Refusal> {
        let channel = publish.channel.clone();
        let options = self.0.endpoint.channel(&channel, self.0.channel);
        let appended = match self.enter_next(&channel, options) {
            Some(entry) => {
                let appended = self.append_own(publish, entry, true);
                if appended.flush {
                    fanout::flush(self, &channel);
                }
                appended
            }
            None => {
                let (tell, told) = oneshot::channel();
                self.defer(publish, options, Some(tell));
                told.await
                    .map_err(|_| Refusal::internal("it was not published, since the store was given up"))?
            }
        };
        match appended.stored {
            Waits::No => {}
            Waits::Never => return Err(not_stored()),
            Waits::For(stored) => self.arrival(stored).await?,
        }
        Ok(appended.published)
    }

    /// A place for one more session, taken before it is there so that a full server says so at the door.
    ///
    /// # Errors
    /// If there are [`Limits::sessions`] already, or the hub drains.
    pub fn seat(&self) -> Result<Seat, Full> {
        let id = SessionId(self.0.next_session.fetch_add(1, Ordering::Relaxed));
        Seat::take(self.clone(), id).inspect_err(|_| self.0.metrics.turned_away.add(1))
    }

    /// Counts a client that an adapter turned away at the door, with this HTTP status.
    pub fn count_rejection(&self, status: u16) {
        self.0.metrics.rejected(status);
    }

    /// Counts a connection that an adapter could not accept, such as without file descriptors left.
    pub fn count_failed_accept(&self) {
        self.0.metrics.cut_short("accept");
    }

    /// Closes a session, which gets first what waits for it. False if there is none of this number.
    pub fn disconnect(&self, session: SessionId, close: Close) -> bool {
        let outbox = self.0.seats.outbox(session);
        outbox.map(|outbox| outbox.condemn(close, Manner::Graceful)).is_some()
    }

    /// Takes one session out of a channel and tells it why, as [`unsubscribe_user`](Self::unsubscribe_user) does with all of a user's. False if there is
    /// none of this number.
    pub fn unsubscribe(&self, session: SessionId, channel: &ChannelId, why: &Refusal) -> bool {
        let outbox = self.0.seats.outbox(session);
        outbox.map(|outbox| outbox.order(Order::Unsubscribe(channel.clone(), why.clone()))).is_some()
    }

    /// Puts one session into a channel, as [`subscribe_user`](Self::subscribe_user) does with all of a user's. False if there is none of this number.
    pub fn subscribe(&self, session: SessionId, wish: &Subscribe) -> bool {
        let outbox = self.0.seats.outbox(session);
        outbox.map(|outbox| outbox.order(Order::Subscribe(wish.clone()))).is_some()
    }

    /// What there is and what was counted. Looks at every session: for a scrape, not for every message.
    pub fn stats(&self) -> Stats {
        let outboxes = self.0.seats.outboxes();
        let mut stats = Stats {
            sessions: self.0.seats.count(),
            history_bytes: self.0.common.histories.bytes(),
            unstored: self.unstored(),
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

    fn unstored(&self) -> u64 {
        let heard = self.0.common.incarnation.as_ref().map_or(0, Incarnation::unstored);
        heard + self.0.metrics.undeferred.read()
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

    /// How the endpoint wants a channel kept, asked in a session's own task.
    pub(crate) fn kept(&self, channel: &ChannelId) -> Result<ChannelOptions, Panicked> {
        caught(|| self.0.endpoint.channel(channel, self.0.channel))
    }

    /// Where the channel stands, if it is there.
    pub(crate) fn place(&self, channel: &ChannelId) -> Option<(Epoch, Offset)> {
        lock(self.shard(channel)).place(channel)
    }

    pub(crate) fn join(
        &self,
        entry: &Entry,
        joining: Joining,
        subscription: impl FnOnce(&Joined) -> Arc<Subscription>,
    ) -> Joined {
        self.0.metrics.joined.add(1);
        let channel = &entry.channel;
        trace::joined(joining.who.id, channel);
        let mut shard = lock(self.shard(channel));
        let joined = shard.subscribe(channel, joining, subscription);
        let (tells, stranded) = (shard.next_telling().is_some(), shard.take_stranded(channel));
        drop(shard);
        if stranded {
            fanout::flush(self, channel);
        }
        if tells {
            self.tell_later();
        }
        joined
    }

    /// Takes the session out of the channel. It still gets what was published there before; after that nothing.
    pub(crate) fn leave(&self, channel: &ChannelId, session: SessionId) {
        let now = self.0.runtime.now().instant;
        let (left, rests, tells) = {
            let mut shard = lock(self.shard(channel));
            let left = shard.unsubscribe(channel, session, now);
            (left, shard.next_deadline().is_some(), shard.next_telling().is_some())
        };
        if rests {
            self.sweep_later();
        }
        if tells {
            self.tell_later();
        }
        let Some(left) = left else { return };
        self.0.metrics.left.add(1);
        trace::left(session, channel);
        if !left.undelivered.is_empty() {
            let delivery = fanout::deliver_to(&left.subscriber, &left.undelivered);
            self.0.metrics.delivered(delivery);
        }
        left.subscriber.end();
    }

    /// What is remembered of those who were here before.
    pub(crate) fn remembered(&self, whose: &Whose) -> Record {
        lock(&self.0.records).of(whose, self.0.runtime.now().instant)
    }

    /// Remembers what a session did, if that counts for the next one.
    pub(crate) fn remember(&self, whose: Whose, did: Record) {
        let now = self.0.runtime.now().instant;
        if did.until(now).is_some() && lock(&self.0.records).add(whose, did, self.0.limits.records, now) {
            self.0.metrics.cut_short("record");
        }
    }

    pub(crate) fn shard(&self, channel: &ChannelId) -> &HubShard {
        let mut hasher = DefaultHasher::new();
        self.0.shard_key.hash(&mut hasher);
        channel.hash(&mut hasher);
        &self.0.shards[hasher.finish() as usize % self.0.shards.len()]
    }
}

/// Channels that were published to. They are flushed whatever happens: nobody else would do it.
struct Dirty<'a> {
    hub: &'a Hub,
    channels: Vec<ChannelId>,
}

impl<'a> Dirty<'a> {
    fn new(hub: &'a Hub) -> Self {
        Self { hub, channels: Vec::new() }
    }
}

impl Drop for Dirty<'_> {
    fn drop(&mut self) {
        self.channels.iter().for_each(|channel| fanout::flush(self.hub, channel));
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
