//! Records what the hooks of an endpoint are told, and connects sessions whose connection can be dropped.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_core::protocol::{Credentials, Frames, Protocol, SessionCodec};
use chat_core::runtime::Runtime;
use chat_core::testkit::{Heard, Marked, Script, Way, Wire, World};
use chat_core::transport::{Connection, Incoming, Permit};
use chat_core::{
    Call, ChannelId, Close, Connect, Endpoint, Hub, Identity, Limits, Payload, Publication, Publish,
    PublishContext, Pushed, Refusal, SessionId, SessionInfo, Subscribe, SubscribeOptions, Token,
    UnsubscribeReason,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{AbortHandle, Abortable, BoxFuture};

/// Records each call of the hooks that only tell, as one line. The other hooks do what they are asked to by
/// a token or a content, or else what the open chat does.
#[derive(Clone)]
pub struct Watching {
    world: World,
    lines: Arc<Mutex<Vec<String>>>,
    /// Names the hooks that panic once they have recorded their call, by the first words of their lines.
    pub panics_in: &'static [&'static str],
    /// Holds how long the hooks that may wait do so.
    pub takes: Duration,
}

/// Names the room that everything is about.
pub const ROOM: &str = "room";

impl Watching {
    /// Makes hooks that do not panic, and take no time.
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), lines: Arc::default(), panics_in: &[], takes: Duration::ZERO }
    }

    /// Returns the lines since this was last called.
    pub fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, hook: &str, line: &str) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{hook} {line}"));
        assert!(!self.panics_in.contains(&hook), "as was asked for");
    }

    async fn take_time(&self) {
        if !self.takes.is_zero() {
            self.world.sleep_until(self.world.after(self.takes)).await;
        }
    }

    fn in_a_second(&self) -> DateTime<Utc> {
        self.world.now().utc + TimeDelta::seconds(1)
    }
}

impl Endpoint for Watching {
    /// Invites whoever has the token `invited` into the room.
    async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let token = connect.token.map(|token| token.0);
        let invited = token.as_deref() == Some("invited");
        let subscriptions = if invited { vec![Subscribe::to(ROOM.parse()?)] } else { Vec::new() };
        let name = connect.name.map_or_else(|| "ann".parse(), Ok)?;
        Ok(Identity::named(name).with_subscriptions(subscriptions))
    }

    /// Ends the session in a second, or its right to be in the room now, or renames it.
    async fn refresh(&self, who: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        let expires = (&*token.0 == "brief").then(|| self.in_a_second());
        let data = (&*token.0 == "away").then(Payload::null);
        let name = token.0.strip_prefix("as-").map_or_else(|| Ok(who.name.clone()), str::parse)?;
        Ok(Identity::named(name).with_user(who.user.clone()).with_expires(expires).with_data(data))
    }

    async fn stay(&self, who: &SessionInfo, _: &ChannelId) -> Result<(), Refusal> {
        who.data.is_none().then_some(()).ok_or_else(|| Refusal::permission_denied("away"))
    }

    async fn subscribe(&self, _: &SessionInfo, request: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match request.channel.as_str() {
            "barred" => Err(Refusal::permission_denied("nobody")),
            _ => Ok(SubscribeOptions::of(&request)),
        }
    }

    async fn refresh_subscription(
        &self,
        _: &SessionInfo,
        _: &ChannelId,
        _: Token,
    ) -> Result<Option<DateTime<Utc>>, Refusal> {
        Ok(Some(self.in_a_second()))
    }

    async fn publish(
        &self,
        _: &SessionInfo,
        request: Publish,
        _: PublishContext,
    ) -> Result<Publish, Refusal> {
        match request.content.as_bytes() {
            b"panic" => panic!("as was asked for"),
            b"fail" => Err(Refusal::internal("as was asked for")),
            _ => Ok(request),
        }
    }

    async fn event(&self, who: &SessionInfo, what: Publish, how: PublishContext) -> Result<Pushed, Refusal> {
        self.publish(who, what, how).await.map(Pushed::Publish)
    }

    async fn call(&self, _: &SessionInfo, _: Call) -> Result<Payload, Refusal> {
        panic!("as was asked for")
    }

    async fn subscribed(&self, who: &SessionInfo, channel: &ChannelId) {
        self.take_time().await;
        self.note("subscribed", &format!("{} {channel}", who.name));
    }

    async fn unsubscribed(&self, who: &SessionInfo, channel: &ChannelId, why: &UnsubscribeReason) {
        self.take_time().await;
        self.note("unsubscribed", &format!("{} {channel} {why:?}", who.name));
    }

    fn channel_active(&self, channel: &ChannelId) {
        self.note("active", channel.as_str());
    }

    fn channel_idle(&self, channel: &ChannelId) {
        self.note("idle", channel.as_str());
    }

    fn published(&self, publication: &Publication) {
        self.note("published", &format!("{} {}", publication.message.channel_id, publication.offset));
    }

    async fn stream_closed(&self, who: &SessionInfo, close: &Close) {
        self.take_time().await;
        self.note("closed", &format!("{} {}", who.name, close.code()));
    }
}

/// Holds a session whose connection can be dropped at any time.
pub struct Guest {
    world: World,
    /// Holds the session's id.
    pub id: SessionId,
    /// Holds the connection in memory.
    pub wire: Wire,
    connection: AbortHandle,
}

impl Guest {
    /// Connects a session with this protocol, name and token, and lets the world settle.
    ///
    /// # Panics
    /// Panics if `name` is no name, or the hub is full.
    pub fn connect(
        world: &World,
        hub: &Hub,
        protocol: impl Protocol,
        (name, token): (&str, Option<&str>),
        way: Way,
    ) -> Self {
        let connect = Connect::named(name.parse().ok()).with_token(token.map(Into::into));
        let permit = hub.acceptor().permit().expect("the hub has room");
        Self::over(world, permit, Arc::new(protocol), Credentials::Now(connect), way)
    }

    /// Connects a session with this permit and these credentials, and lets the world settle.
    pub fn over(
        world: &World,
        permit: Permit,
        protocol: Arc<dyn Protocol>,
        credentials: Credentials,
        way: Way,
    ) -> Self {
        let wire = Wire::default();
        let (id, input, writer) = (permit.id(), wire.input(), Arc::new(wire.writer()));
        let connection: BoxFuture<'static, Close> = match way {
            Way::Frames => {
                let over_sink = Connection::over_sink(permit, protocol, credentials, input, wire.sink());
                Box::pin(over_sink.answered(chat_core::transport::Answers::BOTH))
            }
            Way::Bytes => {
                let framing = Arc::new(Marked);
                Box::pin(Connection::over_bytes(permit, protocol, framing, credentials, input, writer))
            }
        };
        let (handle, registration) = AbortHandle::new_pair();
        world.spawn(Box::pin(async move { drop(Abortable::new(connection, registration).await) }));
        world.settle();
        Self { world: world.clone(), id, wire, connection: handle }
    }

    /// Sends this text, and lets the world settle.
    pub fn say(&self, text: &str) {
        self.put(Incoming::Text(text.to_owned()));
    }

    /// Puts in anything that a client can send, and lets the world settle.
    pub fn put(&self, item: Incoming) {
        self.wire.put(Ok(item));
        self.world.settle();
    }

    /// Cuts the transport, and lets the world settle.
    pub fn cut(&self) {
        self.wire.cut();
        self.world.settle();
    }

    /// Drops the connection's future, and lets the world settle.
    pub fn drop_connection(&self) {
        self.connection.abort();
        self.world.settle();
    }

    /// Returns all frames that were received and not yet returned, as text.
    pub fn heard(&self) -> Vec<String> {
        self.world.settle();
        std::iter::from_fn(|| self.wire.next()).map(|heard: Heard| heard.to_string()).collect()
    }
}

/// Is the protocol of scripts, which panics over the content `"boom"`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fragile;

impl Protocol for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Script.session_codec(session, limits)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        assert_ne!(publication.message.content.as_bytes(), b"\"boom\"", "a bug in a protocol");
        Script.encode_publication(publication, out);
    }
}
