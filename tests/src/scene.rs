//! Builds a hub in a world of its own, for tests in virtual time.

use std::sync::Arc;

use chat_core::protocol::{Credentials, Protocol};
use chat_core::runtime::Runtime;
use chat_core::testkit::{Client, Script, Way, World};
use chat_core::{Connect, Endpoint, Hub, HubBuilder, Limits, OpenChat};

use crate::speakers::{Speaker, Tongue};

/// Holds a world, a hub in it, and the kind of writer that its sessions use.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Holds time and tasks.
    pub world: World,
    /// Holds the hub under test.
    pub hub: Hub,
    way: Way,
}

/// Plays a scene with both kinds of writers of the core.
pub fn each_way(play: impl Fn(Way)) {
    play(Way::Frames);
    play(Way::Bytes);
}

impl Scene {
    /// Builds an open chat with the default bounds.
    pub fn open_chat(way: Way) -> Self {
        Self::new(way, OpenChat::default(), Limits::default())
    }

    /// Builds a hub with an endpoint and bounds.
    pub fn new(way: Way, endpoint: impl Endpoint, limits: Limits) -> Self {
        Self::within(World::new(), way, endpoint, limits)
    }

    /// Builds a hub in an existing world.
    pub fn within(world: World, way: Way, endpoint: impl Endpoint, limits: Limits) -> Self {
        Self::of(world, way, Hub::builder(endpoint).limits(limits))
    }

    /// Builds a scene of an existing world and a hub.
    pub fn of(world: World, way: Way, hub: HubBuilder) -> Self {
        let hub = hub.build(world.clone());
        Self { world, hub, way }
    }

    /// Connects a session of this name.
    pub fn enter(&self, name: &str) -> Client {
        self.enter_in(Script, name)
    }

    /// Connects a session of this name with a protocol.
    pub fn enter_in(&self, protocol: impl Protocol, name: &str) -> Client {
        let name = Some(name.parse().expect("a name"));
        self.world.connect(&self.hub, Arc::new(protocol), Credentials::Now(Connect::named(name)), self.way)
    }

    /// Connects a session with this token and a protocol.
    pub fn enter_with(&self, protocol: impl Protocol, token: &str) -> Client {
        let credentials = Credentials::Now(Connect::default().with_token(Some(token.into())));
        self.world.connect(&self.hub, Arc::new(protocol), credentials, self.way)
    }

    /// Connects a session with this token and the protocol of a speaker, and returns both.
    pub fn enter_as(&self, tongue: &Tongue, token: &str) -> (Client, Box<dyn Speaker>) {
        let mut speaker = (tongue.speaker)();
        let greeting = speaker.greeting();
        let connect = Connect::default().with_token(Some(token.into()));
        let credentials = if greeting.is_some() { Credentials::Later } else { Credentials::Now(connect) };
        let client = self.world.connect(&self.hub, (tongue.protocol)(), credentials, self.way);
        if let Some(frame) = greeting {
            client.say(&frame.replace("{}", &format!("{{\"token\":{token:?}}}")));
        }
        (client, speaker)
    }

    /// Connects a session with these credentials and a protocol.
    pub fn enter_by(&self, protocol: Arc<dyn Protocol>, credentials: Credentials) -> Client {
        self.world.connect(&self.hub, protocol, credentials, self.way)
    }

    /// Connects a session that has not said who it is.
    pub fn approach(&self) -> Client {
        self.world.connect(&self.hub, Arc::new(Script), Credentials::Later, self.way)
    }

    /// Returns the world's time in seconds.
    pub fn world_seconds(&self) -> i64 {
        self.world.now().utc.timestamp()
    }

    /// Connects a session of this name that has joined this channel, with no frames left to read.
    pub fn join(&self, name: &str, channel: &str) -> Client {
        let client = self.enter(name);
        client.say(&format!("subscribe {channel}"));
        assert!(client.heard().iter().any(|line| line.starts_with("subscribed ")), "{name} is in");
        client
    }
}
