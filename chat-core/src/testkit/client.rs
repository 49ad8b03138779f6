//! Provides the client's end of a session, which sends and receives lines.

use std::sync::{Arc, Mutex};

use super::script::Script;
use super::wire::{Heard, Marked, Wire};
use super::world::World;
use futures::future::BoxFuture;

use crate::driver::{Connection, Hub, Permit};
use crate::lock::lock;
use crate::model::{Close, Connect, Incoming, InputError};
use crate::port::{Answers, Credentials, Protocol, Runtime};

/// Controls a scripted session from its client's end. [`World::open`], [`World::open_as`] and
/// [`World::connect`] make one.
///
/// ```
/// use chat_core::testkit::World;
/// use chat_core::{Hub, OpenChat};
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = world.open(&hub, "ann");
/// ann.say("subscribe news");
/// ann.say("publish news \"hello\"");
/// assert_eq!(ann.heard(), ["subscribed news 0", "message news 1 ann \"hello\""]);
/// ann.cut();
/// assert_eq!(ann.close().map(|close| close.code()), Some(1006));
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    world: World,
    wire: Wire,
    close: Arc<Mutex<Option<Close>>>,
}

/// Decides how a session's frames are written: each way is a path of its own through the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two ways to run a connection")]
pub enum Way {
    /// Writes frame by frame, as into any `Sink`.
    Frames,
    /// Writes bytes, which a publisher writes at once.
    Bytes,
}

impl World {
    /// Opens a session of this name that uses [`Script`], and whose frames are written at once.
    ///
    /// # Panics
    /// Panics if `name` is no name, or if the hub admits nobody.
    pub fn open(&self, hub: &Hub, name: &str) -> Client {
        self.open_as(hub, Connect::named(Some(name.parse().expect("a name"))))
    }

    /// Opens a session that claims this, such as a token, and uses [`Script`]; its frames are written at
    /// once.
    ///
    /// # Panics
    /// Panics if the hub admits nobody.
    ///
    /// ```
    /// use chat_core::testkit::World;
    /// use chat_core::{Connect, Endpoint, Hub, Identity, Refusal, SessionId, Token};
    ///
    /// struct Members;
    ///
    /// impl Endpoint for Members {
    ///     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
    ///         let known = connect.token == Some(Token::from("secret"));
    ///         let name = known.then(|| "ann".parse().expect("a name"));
    ///         name.map(Identity::named).ok_or_else(|| Refusal::unauthorized("who is that?"))
    ///     }
    /// }
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(Members).build(world.clone());
    /// let enter = |token: &str| world.open_as(&hub, Connect::default().with_token(Token::from(token)));
    /// assert_eq!(enter("secret").close(), None);
    /// assert_eq!(enter("wrong").close().map(|close| close.code()), Some(3500));
    /// assert_eq!(hub.users(), 1);
    /// ```
    pub fn open_as(&self, hub: &Hub, connect: Connect) -> Client {
        self.connect(hub, Arc::new(Script), Credentials::Now(connect), Way::Bytes)
    }

    /// Opens a session of any protocol, with frames or bytes as its output.
    ///
    /// # Panics
    /// Panics if the hub admits nobody.
    pub fn connect(
        &self,
        hub: &Hub,
        protocol: Arc<dyn Protocol>,
        credentials: Credentials,
        way: Way,
    ) -> Client {
        self.connect_on(hub.acceptor().permit().expect("the hub has room"), protocol, credentials, way)
    }

    /// Opens a session on a permit: one that has a peer or extensions, or was asked about.
    pub fn connect_on(
        &self,
        permit: Permit,
        protocol: Arc<dyn Protocol>,
        credentials: Credentials,
        way: Way,
    ) -> Client {
        let wire = Wire::default();
        let (input, framing) = (wire.input(), Arc::new(Marked));
        let connection: BoxFuture<'static, Close> = match way {
            Way::Frames => {
                let connection = Connection::over_sink(permit, protocol, credentials, input, wire.sink());
                Box::pin(connection.answered(Answers::BOTH))
            }
            Way::Bytes => {
                let writer = Arc::new(wire.writer());
                Box::pin(Connection::over_bytes(permit, protocol, framing, credentials, input, writer))
            }
        };
        let close = Arc::new(Mutex::new(None));
        let ended = close.clone();
        self.spawn(Box::pin(async move {
            let close = connection.await;
            *lock(&ended) = Some(close);
        }));
        self.settle();
        Client { world: self.clone(), wire, close }
    }
}

impl Client {
    /// Sends this text, and lets the world settle.
    pub fn say(&self, text: &str) {
        self.put(Ok(Incoming::Text(text.to_owned())));
    }

    /// Puts in anything that a client or its transport can do, and lets the world settle.
    pub fn put(&self, item: Result<Incoming, InputError>) {
        self.wire.put(item);
        self.world.settle();
    }

    /// Cuts the connection without a close, and lets the world settle.
    pub fn cut(&self) {
        self.wire.cut();
        self.world.settle();
    }

    /// Returns all frames that were received and not yet returned, as text.
    pub fn heard(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).map(|heard| heard.to_string()).collect()
    }

    /// Returns the next frame that was received; none if there is none.
    pub fn next(&self) -> Option<Heard> {
        self.world.settle();
        self.wire.next()
    }

    /// Returns the connection, on which failures can be caused.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Returns the close with which the session ended; none while it is open.
    pub fn close(&self) -> Option<Close> {
        self.world.settle();
        lock(&self.close).clone()
    }
}
