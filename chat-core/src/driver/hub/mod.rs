//! Holds the sessions and channels of a server, and the handle through which it uses them.

pub(crate) mod acceptor;
mod acts;
pub(crate) mod admission;
pub(crate) mod builder;
pub(crate) mod cluster;
mod drain;
pub(crate) mod endpoint;
pub(crate) mod fanout;
pub(crate) mod gathering;
pub(crate) mod history;
pub(crate) mod intake;
mod intakes;
pub(crate) mod joining;
mod looks;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod opening;
pub(crate) mod permit;
pub(crate) mod permits;
pub(crate) mod place;
pub(crate) mod presence;
mod publish;
pub(crate) mod read_mark;
pub(crate) mod shared;
mod stats;
pub(crate) mod store;
mod sweep;
pub(crate) mod users;

use std::sync::{Arc, Weak};
use std::time::Duration;

use self::acceptor::Acceptor;
use self::builder::HubBuilder;
use self::metrics::Stats;
use self::permit::Permit;
use self::shared::Shared;
use crate::model::{
    ChannelId, HistoryPage, HistoryRequest, Limits, LimitsError, NameError, Offset, Payload, PresencePage,
    Publish, Published, Refusal,
};
use crate::port::{CloseStoreError, Endpoint, Runtime, StoreError};

/// Holds all sessions and channels of a server. A clone is cheap; the clones are one hub.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

/// Refers to a [`Hub`] without keeping it alive: for endpoints that publish by themselves.
#[derive(Clone)]
pub struct WeakHub(Weak<Shared>);

impl HubBuilder {
    /// Builds the hub on this runtime.
    ///
    /// # Panics
    /// If no hub can work with the [`Limits`], with the text of [`Limits::check`].
    /// [`try_build`](Self::try_build) returns that instead.
    pub fn build(self, runtime: impl Runtime) -> Hub {
        self.try_build(runtime)
            .unwrap_or_else(|error| panic!("no hub can be built with these limits: {error}"))
    }

    /// Builds the hub on this runtime, or says why it cannot.
    ///
    /// # Errors
    /// If no hub can work with the [`Limits`]: what [`Limits::check`] says.
    pub fn try_build(self, runtime: impl Runtime) -> Result<Hub, LimitsError> {
        self.shared(runtime).map(Hub)
    }
}

impl Permit {
    /// Returns the hub that the permit belongs to.
    pub fn hub(&self) -> Hub {
        Hub(self.shared().clone())
    }
}

impl Hub {
    /// Returns a builder of a hub that asks this endpoint.
    pub fn builder(endpoint: impl Endpoint) -> HubBuilder {
        HubBuilder::new(|_| endpoint)
    }

    /// Returns a builder of a hub whose endpoint is made with the hub, for hooks that use it. The handle is
    /// empty until the hub is built, and holds the hub no longer than others do.
    ///
    /// ```
    /// use chat_core::testkit::World;
    /// use chat_core::{Call, Endpoint, Hub, Payload, Refusal, SessionInfo, WeakHub};
    ///
    /// struct Bell(WeakHub);
    ///
    /// impl Endpoint for Bell {
    ///     async fn call(&self, session: &SessionInfo, _: Call) -> Result<Payload, Refusal> {
    ///         let hub = self.0.upgrade().ok_or_else(|| Refusal::internal("the server stops"))?;
    ///         hub.publish("bell", Payload::json(format!("\"{} rings\"", session.name)))?;
    ///         Ok(Payload::null())
    ///     }
    /// }
    ///
    /// let world = World::new();
    /// let hub = Hub::builder_with(Bell).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe bell");
    /// ann.say("call ring 1");
    /// assert_eq!(ann.heard()[1..], ["message bell 1 server \"ann rings\""]);
    /// ```
    pub fn builder_with<E: Endpoint>(make: impl FnOnce(WeakHub) -> E + Send + 'static) -> HubBuilder {
        HubBuilder::new(|hub| make(WeakHub(hub.clone())))
    }

    /// Publishes under the server's own name, to every subscriber that the channel has.
    ///
    /// Where there are at most 1,024 subscribers, all have been handed the publication when this returns,
    /// unless another flush of the channel is under way that takes it along. Where there are more, a task of
    /// the runtime hands it out, and yields to others in between.
    ///
    /// This waits for no reader: what a subscriber cannot take now waits in its outbox. A publication to a
    /// channel without subscribers reaches nobody, and does not create the channel.
    ///
    /// # Errors
    /// If `channel` is no [`ChannelId`].
    ///
    /// ```
    /// # use chat_core::{Hub, OpenChat, Payload, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe news");
    /// let published = hub.publish("news", Payload::json("\"open at nine\""))?;
    /// assert_eq!(published.subscribers(), 1);
    /// assert_eq!(ann.heard(), ["subscribed news 0", "message news 1 server \"open at nine\""]);
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn publish<C>(&self, channel: C, content: Payload) -> Result<Published, NameError>
    where
        C: TryInto<ChannelId>,
        NameError: From<C::Error>,
    {
        Ok(self.publish_with(Publish::to(channel.try_into()?, content)))
    }

    /// Publishes as [`publish`](Self::publish) does, with all that a publication can have: a key, what it
    /// refers to, or that it is a signal.
    ///
    /// A channel that is stored and has no session in it may have to be restored from the store first. Then
    /// this returns [`Published::Deferred`], and the publication follows; at most 1,024 may wait for that,
    /// and more are dropped and counted.
    pub fn publish_with(&self, publish: Publish) -> Published {
        publish::publish(&self.0, publish)
    }

    /// Publishes many as [`publish_with`](Self::publish_with) does: those of one channel reach each
    /// subscriber together, in one write and not in one for each.
    ///
    /// ```
    /// # use chat_core::{Hub, OpenChat, Payload, Publish, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe news");
    /// let news = "news".parse::<chat_core::ChannelId>()?;
    /// hub.publish_batch(["1", "2"].map(|json| Publish::to(news.clone(), Payload::json(json))));
    /// assert_eq!(ann.heard(), ["subscribed news 0", "message news 1 server 1", "message news 2 server 2"]);
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn publish_batch(&self, all: impl IntoIterator<Item = Publish>) -> Vec<Published> {
        publish::publish_batch(&self.0, all)
    }

    /// Publishes as [`publish_with`](Self::publish_with) does, but restores a stored channel first, so that
    /// the offset is the real one, and where the channel is durable waits until the publication is stored.
    /// Subscribers do not wait for that. If the future is dropped early, the publication is published or not,
    /// and stored or not.
    ///
    /// # Errors
    /// 100: it is not stored; under the same [key](Publish::key) it may be tried again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chat_core::{Hub, Offset, OpenChat, Payload, Publish, Published, testkit::World};
    /// # let world = World::new();
    /// # let minute = Duration::from_secs(60);
    /// let hub = Hub::builder(OpenChat::default()).history(10, minute).build(world.clone());
    /// let publish = Publish::to("news".parse()?, Payload::json("\"open at nine\""));
    /// let published = world.run(async move { hub.publish_durable(publish).await });
    /// let published = published.expect("a channel that is not durable waits for nothing");
    /// assert!(matches!(published, Published::Placed { offset: Offset(1), .. }));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub async fn publish_durable(&self, publish: Publish) -> Result<Published, Refusal> {
        publish::publish_durable(&self.0, publish).await
    }

    /// Returns what the channel kept of what is asked for; none if there is no such channel.
    ///
    /// A page has at most [`Limits::answer_entries`](crate::Limits::answer_entries) publications, and about a
    /// quarter of [`Limits::outbox_bytes`](crate::Limits::outbox_bytes), but one in any case if there is one.
    /// Reads only what the log holds: [`read_history`](Self::read_history) asks the store too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chat_core::{HistoryRequest, Hub, OpenChat, Payload, testkit::World};
    /// # let builder = Hub::builder(OpenChat::default());
    /// let hub = builder.history(10, Duration::from_secs(60)).build(World::new());
    /// hub.publish("news", Payload::json("1"))?;
    /// hub.publish("news", Payload::json("2"))?;
    /// let page = hub.history(&HistoryRequest::of("news".parse()?, 1)).expect("it keeps history");
    /// assert_eq!((page.publications[0].offset.0, page.offset.0, page.more), (1, 2, true));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        history::look_at_log(&self.0, request).map(|(page, _)| page)
    }

    /// Returns history as [`try_read_history`](Self::try_read_history) does, and none as well if the store
    /// cannot be read.
    pub async fn read_history(&self, request: &HistoryRequest) -> Option<HistoryPage> {
        self.try_read_history(request).await.ok().flatten()
    }

    /// Returns history as [`history`](Self::history) does, and what is older than the log from the store, if
    /// the channel is stored; none if the channel is in neither. If the store fails for what is older than
    /// the log, this returns what the log holds.
    ///
    /// # Errors
    /// 100: the channel is not in memory, and the store failed, or did not answer within
    /// [`Limits::store_timeout`](crate::Limits::store_timeout): whether there is such a channel is not known.
    pub async fn try_read_history(&self, request: &HistoryRequest) -> Result<Option<HistoryPage>, Refusal> {
        history::read_history(&self.0, request, self.0.options(&request.channel)).await
    }

    /// Drops what is stored of a channel before this offset, if there is a store.
    ///
    /// # Errors
    /// If the store failed, or did not answer within [`Limits::store_timeout`](crate::Limits::store_timeout).
    pub async fn trim(&self, channel: &ChannelId, before: Offset) -> Result<(), StoreError> {
        store::timely::trim(&self.0, channel, before).await
    }

    /// Returns who is in a channel: nobody, if there is no such channel; none if the channel does not keep
    /// presence ([`ChannelOptions::presence`](crate::ChannelOptions::presence)).
    ///
    /// Behind a broker this is who is there on all nodes, as far as this node knows: if nobody is in the
    /// channel here, it may not have joined it, and knows nobody. [`try_presence`](Self::try_presence) asks
    /// the others.
    ///
    /// ```
    /// # use chat_core::{Hub, OpenChat, testkit::World};
    /// # let world = World::new();
    /// let builder = Hub::builder(OpenChat::default()).channel(|channel| channel.with_presence(true));
    /// let hub = builder.build(world.clone());
    /// world.open(&hub, "ann").say("subscribe news");
    /// let page = hub.presence(&"news".parse()?).expect("the channel keeps presence");
    /// assert_eq!((page.users, page.present[0].name.as_str()), (1, "ann"));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub fn presence(&self, channel: &ChannelId) -> Option<PresencePage> {
        let options = || self.0.options(channel);
        presence::present(&self.0, channel, false).or_else(|| presence::nobody(&self.0, channel, options()))
    }

    /// Returns who is in a channel, as [`presence`](Self::presence) does, on all nodes. Behind a broker this
    /// node joins the channel if it has not yet, and then waits for what the others say, for a third of a
    /// second.
    ///
    /// Without a broker, and in a channel of this node alone, this is the same as `presence`.
    ///
    /// # Errors
    /// 100: this node has not joined the channel, and the broker failed, or did not answer within
    /// [`Limits::store_timeout`](crate::Limits::store_timeout).
    ///
    /// ```
    /// use chat_core::testkit::{MemoryBroker, World};
    /// # use std::time::Duration;
    /// # use chat_core::{Hub, OpenChat};
    /// let world = World::new();
    /// let memory = MemoryBroker::new(world.clone());
    /// let knowing = || Hub::builder(OpenChat::default()).channel(|channel| channel.with_presence(true));
    /// let node = || knowing().broker(memory.node()).build(world.clone());
    /// let (here, there) = (node(), node());
    /// world.open(&here, "ann").say("subscribe news");
    /// let (news, hub) = ("news".parse()?, there.clone());
    /// assert_eq!(there.presence(&news).map(|page| page.users), Some(0), "this node has not joined it");
    /// let page = world.run(async move { hub.try_presence(&news).await });
    /// assert_eq!(page.map(|page| page.map(|page| page.users)), Ok(Some(1)));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    pub async fn try_presence(&self, channel: &ChannelId) -> Result<Option<PresencePage>, Refusal> {
        gathering::present_anywhere(&self.0, channel).await
    }

    /// Returns what an adapter uses before a client has a session: permits, and counts of the clients that it
    /// rejects.
    pub fn acceptor(&self) -> Acceptor<'_> {
        Acceptor::new(&self.0)
    }

    /// Stops accepting sessions, closes every session with 1001 once it has what waits for it, and returns
    /// when all are gone; at the latest after `patience`, with the number of those that were left, whose
    /// transports are then dropped.
    ///
    /// The closes are spread evenly, 500 a second or over half of `patience` if that is shorter, and each
    /// client is told when to reconnect: at random, so that not all return at once. Sessions whose transport
    /// takes nothing just now are closed first; one that goes on taking nothing is dropped after
    /// [`Limits::close_timeout`](crate::Limits::close_timeout). Dropping the future closes at once those that
    /// are left.
    ///
    /// At the end the store is [closed](Self::close_store), for which it has five seconds more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chat_core::{Close, Hub, OpenChat, testkit::World};
    /// # let world = World::new();
    /// # let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// let left = world.run({
    ///     let hub = hub.clone();
    ///     async move { hub.drain(Duration::from_secs(10)).await }
    /// });
    /// assert_eq!((left, ann.close()), (0, Some(Close::GOING_AWAY)));
    /// assert!(hub.acceptor().permit().is_err());
    /// ```
    pub async fn drain(&self, patience: Duration) -> usize {
        drain::drain(&self.0, patience).await
    }

    /// Waits until all that was published is stored, and closes the store in order, so that channels continue
    /// in their epochs after the next start. This is to be called when nobody publishes any more;
    /// [`drain`](Self::drain) does so.
    ///
    /// If that does not end within `patience`, what is not stored by then is counted in
    /// [`Stats::unstored`](crate::Stats::unstored), and its publishers are told. Dropping the future loses
    /// nothing: the hub goes on storing.
    ///
    /// # Errors
    /// Unless there is no store, or the store is closed and all that this hub ever published to stored
    /// channels is stored.
    pub async fn close_store(&self, patience: Duration) -> Result<(), CloseStoreError> {
        store::close::close_store(&self.0, patience).await
    }

    /// Returns how much the hub holds now and what it has counted. This looks at every session: it is meant
    /// for a scrape, not for every message.
    pub fn stats(&self) -> Stats {
        stats::stats(&self.0)
    }

    /// Returns for how long the hub has been without its broker; none while it has it, and for a hub without
    /// one. Meanwhile nothing is published to channels that are one with those of other nodes, and none of
    /// these is joined anew.
    pub fn deaf_for(&self) -> Option<Duration> {
        let since = self.0.cluster.as_ref()?.deaf_since()?;
        Some(self.0.runtime.instant().saturating_duration_since(since))
    }

    /// Returns the bounds that the hub was built with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns the runtime that the hub was built on.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.0.runtime
    }

    /// Returns a handle that does not keep the hub alive.
    pub fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }
}

impl WeakHub {
    /// Returns the hub, if it is still there.
    pub fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

impl std::fmt::Debug for WeakHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.strong_count() > 0 { "WeakHub" } else { "WeakHub (gone)" })
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("sessions", &self.0.permits.count()).finish_non_exhaustive()
    }
}
