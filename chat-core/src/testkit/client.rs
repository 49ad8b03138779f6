//! The other end of a session: says lines, hears lines.

use std::sync::{Arc, Mutex};

use super::script::Script;
use super::wire::{Heard, Marked, Wire};
use super::world::World;
use futures::future::BoxFuture;

use crate::driver::{Connection, Hub};
use crate::lock::lock;
use crate::model::{Close, Connect, Incoming, InputError};
use crate::port::{Answers, Credentials, Protocol, Runtime};

/// A scripted session, seen from its client's side.
#[derive(Clone, Debug)]
pub struct Client {
    world: World,
    wire: Wire,
    close: Arc<Mutex<Option<Close>>>,
}

/// How a session's frames go out: each way is a path of its own through the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Frame by frame, as into any `Sink`.
    Frames,
    /// As bytes that whoever publishes writes at once.
    Bytes,
}

impl World {
    /// A session of this name that speaks [`Script`], and whose frames are written at once.
    ///
    /// # Panics
    /// If `name` is none, or the hub lets nobody in.
    pub fn open(&self, hub: &Hub, name: &str) -> Client {
        let connect = Connect::named(Some(name.parse().expect("a name")));
        self.connect(hub, Arc::new(Script), Credentials::Now(connect), Way::Bytes)
    }

    /// A session of any protocol, over either way out.
    ///
    /// # Panics
    /// If the hub lets nobody in.
    pub fn connect(
        &self,
        hub: &Hub,
        protocol: Arc<dyn Protocol>,
        credentials: Credentials,
        way: Way,
    ) -> Client {
        let permit = hub.permit().expect("the hub has room");
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
    /// Says this, and lets the world settle.
    pub fn say(&self, text: &str) {
        self.put(Ok(Incoming::Text(text.to_owned())));
    }

    /// Does anything a client or its transport can do, and lets the world settle.
    pub fn put(&self, item: Result<Incoming, InputError>) {
        self.wire.put(item);
        self.world.settle();
    }

    /// Goes away without a word, and lets the world settle.
    pub fn cut(&self) {
        self.wire.cut();
        self.world.settle();
    }

    /// All it heard that was not asked for yet, as text.
    pub fn heard(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).map(|heard| heard.to_string()).collect()
    }

    /// The next frame it heard.
    pub fn next(&self) -> Option<Heard> {
        self.world.settle();
        self.wire.next()
    }

    /// Its connection, and what can go wrong on it.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// How the session ended, if it did.
    pub fn close(&self) -> Option<Close> {
        self.world.settle();
        lock(&self.close).clone()
    }
}
