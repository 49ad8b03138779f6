//! Defines the hooks that a user of the library writes.

use std::future::{Future, ready};

use chrono::{DateTime, Utc};
use futures::FutureExt;

use super::decisions::{PublishContext, Pushed, SubscribeOptions};
use super::defaults::{as_nobody_elses, guest, may_publish, not_a_member};
use crate::model::{
    Call, ChannelId, ChannelOptions, Close, Connect, HistoryRequest, Identity, Payload, Publication, Publish,
    Refusal, SenderName, SessionId, SessionInfo, Subscribe, Token, UnsubscribeReason,
};

/// Decides what sessions may do. Every hook has a default; together the defaults are
/// [`OpenChat`](crate::OpenChat).
///
/// A hook may take its time: it delays the requests of its own session, but neither that session's pings nor
/// what it receives from others. No lock is held while a hook runs, so it may call the hub. If the session
/// ends first, the hook's future is dropped.
///
/// A failure is confined to what failed. If [`publish`](Self::publish) or [`event`](Self::event) panics, or
/// refuses with 100, the session is unsubscribed from that one channel and told so with 100; its other
/// channels continue. If [`subscribe`](Self::subscribe) fails like that, the session does not join, and if
/// [`history`](Self::history), [`presence`](Self::presence),
/// [`refresh_subscription`](Self::refresh_subscription) or [`rename`](Self::rename) does, that one request
/// is refused with 100. A panic in the other hooks that decide, which are about the whole session, closes
/// it with 3004.
///
/// Some hooks decide nothing, and are told what has happened: [`subscribed`](Self::subscribed),
/// [`unsubscribed`](Self::unsubscribed), [`channel_active`](Self::channel_active),
/// [`channel_idle`](Self::channel_idle), [`published`](Self::published) and
/// [`stream_closed`](Self::stream_closed). Each is called exactly once for its event. A panic there is
/// counted in [`Stats::hook_panics`](crate::Stats::hook_panics) and changes nothing else: the session stays
/// as it is, and the next hook is called. Those about a session are called one after another, each once the
/// one before has ended, and run to their end also if the session ends first; until then no further request
/// of the session is begun. If more wait than frames may wait for the session
/// ([`Limits::outbox_frames`](crate::Limits::outbox_frames)), and than two for each channel that it may be
/// in, because the server orders more meanwhile, the session is closed with 3008.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Script, Way, World};
/// use chat_core::{Connect, Endpoint, Hub, Identity, Refusal};
/// use chat_core::protocol::Credentials;
/// use chat_core::{SessionId, SessionInfo, Subscribe, SubscribeOptions};
///
/// struct Office;
///
/// impl Endpoint for Office {
///     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
///         let named = connect.name.filter(|_| connect.token == Some("secret".into()));
///         named.map(Identity::named).ok_or_else(|| Refusal::unauthorized("a wrong token"))
///     }
///
///     async fn subscribe(&self, _: &SessionInfo, request: Subscribe) -> Result<SubscribeOptions, Refusal> {
///         match request.channel.as_str() {
///             "board" => Err(Refusal::permission_denied("not for you")),
///             _ => Ok(SubscribeOptions::of(&request)),
///         }
///     }
/// }
///
/// let world = World::new();
/// let hub = Hub::builder(Office).build(world.clone());
/// let ann = world.connect(&hub, Arc::new(Script), Credentials::Later, Way::Bytes);
/// ann.say("connect ann secret");
/// ann.say("subscribe board");
/// ann.say("subscribe news");
/// assert_eq!(ann.heard(), ["connected 1 ann", "error 103 not for you", "subscribed news 0"]);
/// ```
pub trait Endpoint: Send + Sync + 'static {
    /// Decides who the client is, and admits or refuses its session. An error refuses it: 101 closes with
    /// 3500, 109 with 3005, any other with 3507. An identity under the [name](crate::HubBuilder::name) of
    /// the server itself closes with 3507 too.
    ///
    /// Heeds what is done to the user while the hook runs: a session of a user who is disconnected meanwhile
    /// is not admitted. If more is done to all users meanwhile than the hub remembers, the hook is asked
    /// again.
    fn stream_opened(
        &self,
        session: SessionId,
        connect: Connect,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        let wished = connect.name.map_or_else(|| Ok(guest(session)), as_nobody_elses);
        ready(wished.map(Identity::named))
    }

    /// Decides the name of a session from now on, for a client that gives this name though it was admitted
    /// under another. Protocols ask whose clients cannot give their name earlier. The user stays the same,
    /// and the server's own name is refused. An error leaves all as it was.
    ///
    /// By default a guest may be renamed: a session that was admitted without a name, and is named by its
    /// session id.
    fn rename(
        &self,
        session: &SessionInfo,
        name: SenderName,
    ) -> impl Future<Output = Result<SenderName, Refusal>> + Send {
        let guest = guest(session.id);
        let is_guest = session.name == guest && session.user.as_str() == guest.as_str();
        let nameless = is_guest.then_some(name).ok_or_else(|| Refusal::not_available("it has a name"));
        ready(nameless.and_then(as_nobody_elses))
    }

    /// Decides the identity of a session from now on. It must be of the same user, and not under the
    /// server's own name. An error leaves all as it was, until the session expires.
    fn refresh(
        &self,
        session: &SessionInfo,
        token: Token,
    ) -> impl Future<Output = Result<Identity, Refusal>> + Send {
        let _ = (session, token);
        ready(Err(Refusal::not_available("nothing expires here")))
    }

    /// Decides whether a refreshed session may stay in this channel. An error unsubscribes the session, and
    /// is told to its client. The hook is asked for every channel that the session is in when the refresh is
    /// answered.
    fn stay(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (session, channel);
        ready(Ok(()))
    }

    /// Decides whether and how the session may join this channel. The hook is not asked again while the
    /// session is in the channel.
    ///
    /// Where the client requests a recovery, the newest publication or presence, and this hook allows it,
    /// [`history`](Self::history) and [`presence`](Self::presence) are asked too. They are not asked about
    /// what this hook adds itself.
    fn subscribe(
        &self,
        session: &SessionInfo,
        request: Subscribe,
    ) -> impl Future<Output = Result<SubscribeOptions, Refusal>> + Send {
        let _ = session;
        ready(Ok(SubscribeOptions::of(&request)))
    }

    /// Decides until when the session may stay in this channel, given this token. None lasts as long as the
    /// session. An error leaves all as it was.
    fn refresh_subscription(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        token: Token,
    ) -> impl Future<Output = Result<Option<DateTime<Utc>>, Refusal>> + Send {
        let _ = (session, channel, token);
        ready(Err(Refusal::not_available("nothing expires here")))
    }

    /// Decides whether the session may publish this. The hub publishes what is returned.
    ///
    /// By default members of the channel may publish. An endpoint with a `publish` of its own allows what it
    /// returns, also for sessions that are not in the channel. The hub still checks one rule, in the channel
    /// that is returned: only its author edits or deletes a message, and only while the message is kept;
    /// [`Publish::moderates`] lifts the rule. If the session joined or left the requested channel meanwhile,
    /// the hook is asked again.
    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Publish, Refusal>> + Send {
        let _ = session;
        ready(may_publish(request, &standing, false))
    }

    /// Decides what is done with an event that a client pushes to a channel. By default it is
    /// [published](Self::publish). An endpoint with an `event` of its own allows what it returns: `publish`
    /// is then not asked. The hub checks the same rules as for `publish`.
    fn event(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Pushed, Refusal>> + Send {
        self.publish(session, request, standing).map(|said| said.map(Pushed::Publish))
    }

    /// Decides whether the session may read this channel's history. The hub reads what is returned. By
    /// default members may.
    ///
    /// For a session that joins and requests a recovery or the newest publication, the hook is asked as for
    /// a member, once [`subscribe`](Self::subscribe) has allowed it. Unless all of the request is allowed,
    /// the session joins without it, and is told so. If the session joined or left the channel meanwhile,
    /// the hook is asked again.
    fn history(
        &self,
        session: &SessionInfo,
        request: HistoryRequest,
        member: bool,
    ) -> impl Future<Output = Result<HistoryRequest, Refusal>> + Send {
        let _ = session;
        ready(if member { Ok(request) } else { Err(not_a_member(&request.channel, "read it")) })
    }

    /// Decides whether the session may see the presence in this channel. By default members may.
    ///
    /// For a session that joins and requests presence, the hook is asked as for a member, once
    /// [`subscribe`](Self::subscribe) has allowed it; if it refuses, the session joins and is told nothing
    /// of presence. If the session joined or left the channel meanwhile, the hook is asked again.
    fn presence(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        member: bool,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = session;
        ready(if member { Ok(()) } else { Err(not_a_member(channel, "know who is in it")) })
    }

    /// Decides how this channel is kept. The hook is called often, so it must be quick; its answer counts
    /// when the channel comes to be, for the channel's whole life.
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        let _ = channel;
        defaults
    }

    /// Answers any other request. By default no method is offered: [`Refusal::no_methods`]. An endpoint that
    /// offers methods refuses those that it does not know with [`Refusal::method_not_found`], in its own
    /// words.
    fn call(
        &self,
        session: &SessionInfo,
        request: Call,
    ) -> impl Future<Output = Result<Payload, Refusal>> + Send {
        let _ = session;
        ready(Err(Refusal::no_methods(format!("there is no method {:?}", request.method))))
    }

    /// Handles that the session has joined this channel, whoever wanted it to: its client, the
    /// [`Identity`] under which it connected, or the server through the hub. A session that was in the
    /// channel already, or is refused, has not joined.
    ///
    /// Runs in the session's own task, in the order of its joins and leaves. The client's answer goes ahead
    /// of what this hook publishes to the channel.
    ///
    /// ```
    /// use chat_core::testkit::World;
    /// use chat_core::{ChannelId, Endpoint, Hub, Payload, SessionInfo, WeakHub};
    ///
    /// struct Greeter(WeakHub);
    ///
    /// impl Endpoint for Greeter {
    ///     async fn subscribed(&self, who: &SessionInfo, channel: &ChannelId) {
    ///         let hub = self.0.upgrade().expect("sessions keep their hub");
    ///         let hello = Payload::json(format!("\"hello {}\"", who.name));
    ///         hub.publish(channel, hello).expect("a channel has a name");
    ///     }
    /// }
    ///
    /// let world = World::new();
    /// let hub = Hub::builder_with(Greeter).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe news");
    /// assert_eq!(ann.heard(), ["subscribed news 0", "message news 1 server \"hello ann\""]);
    /// ```
    fn subscribed(&self, session: &SessionInfo, channel: &ChannelId) -> impl Future<Output = ()> + Send {
        let _ = (session, channel);
        ready(())
    }

    /// Handles that the session has left this channel, for whatever reason: called once for every
    /// [`subscribed`](Self::subscribed), after it. When a session ends, this is called for each channel that
    /// it was in, before [`stream_closed`](Self::stream_closed).
    ///
    /// Runs in the session's own task; once the session is over, in a task of its own. A session that joins
    /// again has joined after this.
    ///
    /// ```
    /// use chat_core::testkit::World;
    /// use chat_core::{ChannelId, Close, Endpoint, Hub, SessionInfo, UnsubscribeReason};
    ///
    /// struct Log(async_channel::Sender<(String, UnsubscribeReason)>);
    ///
    /// impl Endpoint for Log {
    ///     async fn unsubscribed(&self, who: &SessionInfo, channel: &ChannelId, why: &UnsubscribeReason) {
    ///         let _ = self.0.send((format!("{} {channel}", who.name), why.clone())).await;
    ///     }
    /// }
    ///
    /// let (log, lines) = async_channel::bounded(16);
    /// let world = World::new();
    /// let hub = Hub::builder(Log(log)).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe a\nsubscribe b\nunsubscribe a");
    /// ann.cut();
    /// let of = |line: &str| line.to_owned();
    /// assert_eq!(lines.try_recv(), Ok((of("ann a"), UnsubscribeReason::ByClient)));
    /// let lost = UnsubscribeReason::Closed(Close::DISCONNECTED);
    /// assert_eq!(lines.try_recv(), Ok((of("ann b"), lost)));
    /// ```
    fn unsubscribed(
        &self,
        session: &SessionInfo,
        channel: &ChannelId,
        why: &UnsubscribeReason,
    ) -> impl Future<Output = ()> + Send {
        let _ = (session, channel, why);
        ready(())
    }

    /// Handles that this channel has its first subscriber. For each channel, this and
    /// [`channel_idle`](Self::channel_idle) are called in turn, in the order of the events, beginning with
    /// this. Both are called in the order in which publications of the channel have their places, also with
    /// several threads: where one is told, the others leave what they do for it.
    ///
    /// Must be quick: it is called by whoever joins, leaves or publishes, under no lock. What it takes
    /// longer than that waits in memory, and so does what is told of some other channels; whatever is slow
    /// belongs behind a queue. It may call the hub.
    ///
    /// ```
    /// use chat_core::testkit::World;
    /// use chat_core::{ChannelId, Endpoint, Hub};
    ///
    /// /// Follows a feed for as long as somebody is in its channel.
    /// struct Feeds(async_channel::Sender<(ChannelId, bool)>);
    ///
    /// impl Endpoint for Feeds {
    ///     fn channel_active(&self, channel: &ChannelId) {
    ///         let _ = self.0.try_send((channel.clone(), true));
    ///     }
    ///
    ///     fn channel_idle(&self, channel: &ChannelId) {
    ///         let _ = self.0.try_send((channel.clone(), false));
    ///     }
    /// }
    ///
    /// let (feeds, orders) = async_channel::unbounded();
    /// let world = World::new();
    /// let hub = Hub::builder(Feeds(feeds)).build(world.clone());
    /// let (ann, bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
    /// ann.say("subscribe news");
    /// bob.say("subscribe news");
    /// let news: ChannelId = "news".parse()?;
    /// assert_eq!(orders.try_recv(), Ok((news.clone(), true)));
    /// ann.cut();
    /// assert!(orders.is_empty());
    /// bob.cut();
    /// assert_eq!(orders.try_recv(), Ok((news, false)));
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    fn channel_active(&self, channel: &ChannelId) {
        let _ = channel;
    }

    /// Handles that this channel has lost its last subscriber. The contract is that of
    /// [`channel_active`](Self::channel_active). The channel may still keep its history.
    fn channel_idle(&self, channel: &ChannelId) {
        let _ = channel;
    }

    /// Handles a publication that has its place in its channel, whoever published it. Publications of a
    /// channel come in the order of their places, each exactly once; signals, which have no offset of their
    /// own, come in between. What was published before under the same key is not published again, and what
    /// reaches nobody and is kept nowhere has no place: this is not called for either.
    ///
    /// Is called before the publication is fanned out or stored, as a rule, and says nothing of either.
    /// Must be quick, as [`channel_active`](Self::channel_active) tells: it is part of every publish.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use chat_core::testkit::World;
    /// use chat_core::{Endpoint, Hub, Payload, Publication};
    ///
    /// /// Hands messages to a task that indexes them, and counts those for which that had no room.
    /// struct Indexed {
    ///     queue: async_channel::Sender<Publication>,
    ///     missed: Arc<std::sync::atomic::AtomicUsize>,
    /// }
    ///
    /// impl Endpoint for Indexed {
    ///     fn published(&self, publication: &Publication) {
    ///         if self.queue.try_send(publication.clone()).is_err() {
    ///             self.missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    ///
    /// let (queue, messages) = async_channel::bounded(1024);
    /// let world = World::new();
    /// let hub = Hub::builder(Indexed { queue, missed: Arc::default() }).build(world.clone());
    /// let ann = world.open(&hub, "ann");
    /// ann.say("subscribe news");
    /// hub.publish("news", Payload::json("1"))?;
    /// ann.say("publish news 2");
    /// let offsets = [messages.try_recv(), messages.try_recv()].map(|one| one.map(|one| one.offset.0));
    /// assert_eq!(offsets, [Ok(1), Ok(2)]);
    /// # Ok::<(), chat_core::NameError>(())
    /// ```
    fn published(&self, publication: &Publication) {
        let _ = publication;
    }

    /// Handles the end of a session, which has left all its channels. The hook is called exactly once for
    /// every session that was admitted.
    fn stream_closed(&self, session: &SessionInfo, close: &Close) -> impl Future<Output = ()> + Send {
        let _ = (session, close);
        ready(())
    }
}
