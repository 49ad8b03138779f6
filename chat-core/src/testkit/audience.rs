//! Runs many sessions in one channel whose transports take everything, so that only the work of the core
//! itself remains.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::wire::{Marked, Wire};
use super::world::World;
use crate::driver::{Connection, Hub, HubBuilder};
use crate::model::{
    ChannelId, Command, Connect, Incoming, Limits, Message, Payload, Publication, Publish, Reply, Request,
    SessionId, Subscribe,
};
use crate::port::{ByteWriter, Credentials, Frames, Protocol, Requests, Runtime, SessionCodec};

/// Takes everything that is written, and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct Void;

/// Holds a channel of many sessions, each on a [`Void`]. One of them publishes.
///
/// The content that it publishes is made before: a publish reads and allocates nothing but what the core
/// does.
///
/// ```
/// use chat_core::testkit::Audience;
/// use chat_core::{Hub, OpenChat, Payload};
///
/// let audience = Audience::new(Hub::builder(OpenChat::default()), 100, &Payload::json("\"hello\""));
/// audience.hear(2);
/// assert_eq!(audience.hub().stats().deliveries, 2 * 100);
/// ```
#[derive(Debug)]
pub struct Audience {
    hub: Hub,
    world: World,
    channel: ChannelId,
    speaker: Wire,
}

impl Audience {
    /// Opens `subscribers` sessions, on a hub with the history and the bounds of this builder.
    ///
    /// # Panics
    /// Panics if the hub does not admit them.
    pub fn new(hub: HubBuilder, subscribers: usize, content: &Payload) -> Self {
        let world = World::seeded(1);
        let hub = hub.build(world.clone());
        let channel: ChannelId = "room".parse().expect("a name");
        let protocol = Arc::new(Prepared { channel: channel.clone(), content: content.clone() });
        let enter = |n| {
            let (permit, wire) = (hub.acceptor().permit().expect("the hub has room"), Wire::default());
            let credentials =
                Credentials::Now(Connect::named(Some(format!("m{n}").parse().expect("a name"))));
            let (protocol, marked) = (protocol.clone(), Arc::new(Marked));
            let connection =
                Connection::over_bytes(permit, protocol, marked, credentials, wire.input(), Arc::new(Void));
            world.spawn(Box::pin(async move { drop(connection.await) }));
            wire.put(Ok(Incoming::Text(String::new())));
            wire
        };
        let wires: Vec<_> = (0..subscribers).map(enter).collect();
        let speaker = wires.last().expect("one speaks").clone();
        world.settle();
        Self { hub, world, channel, speaker }
    }

    /// Publishes `messages` messages in one turn of the session that publishes, and flushes them together.
    pub fn hear(&self, messages: u8) {
        self.speaker.put(Ok(Incoming::Binary(vec![messages])));
        self.world.settle();
    }

    /// Returns the channel that all sessions are in.
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// Returns the hub of the sessions.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}

/// Decodes a text as a subscribe, and a byte as the number of times that the content is published.
#[derive(Clone)]
struct Prepared {
    channel: ChannelId,
    content: Payload,
}

impl Protocol for Prepared {
    fn name(&self) -> &'static str {
        "prepared"
    }

    fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
        Box::new(self.clone())
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| out.extend_from_slice(publication.message.content.as_bytes()));
    }
}

impl SessionCodec for Prepared {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let channel = || self.channel.clone();
        match message {
            Message::Text(_) => {
                let command = Command::Subscribe(Subscribe::to(channel()));
                requests.push(Ok(Request { id: None, command }));
            }
            Message::Binary(bytes) => requests.extend((0..bytes[0]).map(|_| {
                let command = Command::Publish(Publish::to(channel(), self.content.clone()));
                Ok(Request { id: None, command })
            })),
        }
    }

    fn encode_reply(&mut self, _: &Reply, _: &mut Frames<'_>) {}
}

impl ByteWriter for Void {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(bytes.iter().map(|slice| slice.len()).sum())
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.try_write(bytes))
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
