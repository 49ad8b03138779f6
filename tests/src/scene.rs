//! A hub in a world of its own, for tests in virtual time.

use std::sync::Arc;

use chat_core::testkit::{Client, Script, Way, World};
use chat_core::{Connect, Credentials, Endpoint, Hub, HubBuilder, Limits, OpenChat, Protocol, Runtime};

use crate::speakers::{Speaker, Tongue};

/// A world, a hub in it, and the way out that its sessions take.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Time and tasks.
    pub world: World,
    /// The hub under test.
    pub hub: Hub,
    way: Way,
}

/// Plays a scene over both ways out of the core.
pub fn each_way(play: impl Fn(Way)) {
    play(Way::Frames);
    play(Way::Bytes);
}

impl Scene {
    /// An open chat with the default bounds.
    pub fn open_chat(way: Way) -> Self {
        Self::new(way, OpenChat::default(), Limits::default())
    }

    /// Any endpoint and any bounds.
    pub fn new(way: Way, endpoint: impl Endpoint, limits: Limits) -> Self {
        Self::within(World::new(), way, endpoint, limits)
    }

    /// In a world that is there already.
    pub fn within(world: World, way: Way, endpoint: impl Endpoint, limits: Limits) -> Self {
        Self::of(world, way, Hub::builder(endpoint).limits(limits))
    }

    /// With any hub.
    pub fn of(world: World, way: Way, hub: HubBuilder) -> Self {
        let hub = hub.build(world.clone());
        Self { world, hub, way }
    }

    /// A session of this name.
    pub fn enter(&self, name: &str) -> Client {
        self.enter_in(Script, name)
    }

    /// A session of this name that speaks any protocol.
    pub fn enter_in(&self, protocol: impl Protocol, name: &str) -> Client {
        let name = Some(name.parse().expect("a name"));
        self.world.connect(&self.hub, Arc::new(protocol), Credentials::Now(Connect::named(name)), self.way)
    }

    /// A session that shows this token and speaks any protocol.
    pub fn enter_with(&self, protocol: impl Protocol, token: &str) -> Client {
        let credentials = Credentials::Now(Connect { token: Some(token.into()), ..Connect::default() });
        self.world.connect(&self.hub, Arc::new(protocol), credentials, self.way)
    }

    /// A session that shows this token and speaks as this one does, and its side of that.
    pub fn enter_as(&self, tongue: &Tongue, token: &str) -> (Client, Box<dyn Speaker>) {
        let mut speaker = (tongue.speaker)();
        let greeting = speaker.greeting();
        let connect = Connect { token: Some(token.into()), ..Connect::default() };
        let credentials = if greeting.is_some() { Credentials::Later } else { Credentials::Now(connect) };
        let client = self.world.connect(&self.hub, (tongue.protocol)(), credentials, self.way);
        if let Some(frame) = greeting {
            client.say(&frame.replace("{}", &format!("{{\"token\":{token:?}}}")));
        }
        (client, speaker)
    }

    /// A session that begins with this and speaks any protocol.
    pub fn enter_by(&self, protocol: Arc<dyn Protocol>, credentials: Credentials) -> Client {
        self.world.connect(&self.hub, protocol, credentials, self.way)
    }

    /// A session that has not said who it is.
    pub fn approach(&self) -> Client {
        self.world.connect(&self.hub, Arc::new(Script), Credentials::Later, self.way)
    }

    /// How long the world has lasted, in seconds.
    pub fn world_seconds(&self) -> i64 {
        self.world.now().utc.timestamp()
    }

    /// A session of this name, in this channel, with nothing left to hear.
    pub fn join(&self, name: &str, channel: &str) -> Client {
        let client = self.enter(name);
        client.say(&format!("subscribe {channel}"));
        assert!(client.heard().iter().any(|line| line.starts_with("subscribed ")), "{name} is in");
        client
    }
}
