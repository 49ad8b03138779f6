//! Provides the real-time channel core that servers embed: sessions, channels and fan-out, without a
//! transport, a runtime or a clock.
//!
//! ```text
//!   driver  ──▶ port      Hub, Connection, Outbox       locks, wakers, await
//!     │           │
//!     ▼           │
//!   machine       │       Shard, Channel, Session       no lock, no clock, no await
//!     │           │
//!     └─▶ model ◀─┘       ids, messages, reasons        plain data
//! ```
//!
//! A [`Connection`](transport::Connection) takes in the frames of a client, a
//! [`Protocol`](protocol::Protocol) decodes them, and the [`Endpoint`] decides what is allowed. A publish
//! appends to its channel, which is O(1) whatever the number of subscribers. At the end of its turn the
//! connection flushes: it encodes once what was appended and hands it to every subscriber by reference. No
//! publish waits for a subscriber to read.
//!
//! The public interface is:
//!
//! - at the root, for whoever embeds a hub: [`Hub`], the handle that a server holds, and its [`HubBuilder`];
//!   [`Endpoint`], the hooks that a server writes, and [`OpenChat`], their defaults; [`Limits`], its
//!   bounds, and [`Stats`], its counters; and the plain data of these, such as [`ChatMessage`];
//! - [`protocol`], for whoever writes a wire format: a [`Protocol`](protocol::Protocol) and its requests and
//!   answers;
//! - [`transport`], for whoever writes an adapter: it takes a [`Permit`](transport::Permit) from the hub's
//!   [`Acceptor`](transport::Acceptor) for each client, and runs a [`Connection`](transport::Connection) on
//!   it over a `Stream` of [`Incoming`](transport::Incoming) and either a `Sink` of
//!   [`Frame`](transport::Frame)s or a [`ByteWriter`](transport::ByteWriter) with a
//!   [`Framing`](transport::Framing);
//! - [`store`], for whoever keeps publications: a [`HistoryStore`](store::HistoryStore);
//! - [`broker`], for whoever makes hubs of several nodes one: a [`Broker`](broker::Broker);
//! - [`runtime`], for whoever brings another [`Runtime`](runtime::Runtime).
//!
//! The feature `testkit` adds the module `testkit`, which tests a server's own hooks without a socket. The
//! feature `tracing` traces sessions that open, join, leave and end; it never traces content.
//!
//! ```
//! use chat_core::{Hub, OpenChat, Payload};
//! # use chat_core::testkit::World;
//! # let runtime = World::new();
//! let hub = Hub::builder(OpenChat::default()).build(runtime);
//! let published = hub.publish("news", Payload::json("\"open at nine\""))?;
//! assert_eq!(published.subscribers(), 0);
//! # Ok::<(), chat_core::NameError>(())
//! ```

mod driver;
mod lock;
mod machine;
mod model;
mod port;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use driver::{Hub, HubBuilder, Stats, WeakHub};
pub use model::{
    Attachment, Author, Call, ChannelId, ChannelOptions, ChannelStatus, ChannelSubscription, ChatMessage,
    Close, CloseReason, CodeError, Connect, Custom, Epoch, EpochError, EventName, Extensions, HistoryOptions,
    HistoryPage, HistoryRequest, Identity, KEY_BYTES, Limits, LimitsError, NAME_BYTES, NameError, NotJson,
    Offset, Overflow, Page, Payload, PresencePage, Present, Publication, Publish, Published, Rate, Reason,
    Recovery, Reference, Refusal, Scope, SenderName, SessionId, SessionInfo, SessionStatus, SharedInfo,
    Since, Storage, Subscribe, SubscriberStatus, Token, UnsubscribeReason, UserId,
};
pub use port::{Endpoint, OpenChat, PublishContext, Pushed, SubscribeOptions};

pub mod protocol {
    //! Defines what a wire format implements, and what it decodes and encodes.

    pub use crate::model::{
        Answer, BadRequest, Command, Connected, Expiry, Gap, Message, PresenceChange, Reply, Request,
        RequestId, SessionPresence, Subscribed,
    };
    pub use crate::port::{
        Accepted, Cost, Credentials, Frames, Greeting, Handshake, Protocol, Requests, SessionCodec,
    };
}

pub mod transport {
    //! Defines what an adapter uses to run sessions on its sockets.

    pub use crate::driver::{Acceptor, ByteOutlet, Connection, Full, HeldPermit, Intake, Permit, SinkOutlet};
    pub use crate::model::{Frame, Incoming, InputError, Kind, Peer};
    pub use crate::port::{Answers, ByteWriter, Framing, Unframed};
}

pub mod store {
    //! Defines the store, where publications outlive the log of their channel and the process.

    pub use crate::model::RecalledKey;
    pub use crate::port::{
        CloseStoreError, HistoryStore, ReadMark, Recall, Recalled, StoreError, Stored, StoredPage,
    };
}

pub mod broker {
    //! Defines the broker, behind which the hubs of several nodes are one.

    pub use crate::driver::body_of_server;
    pub use crate::port::broker::{
        BODY_BYTES, Broker, BrokerError, BrokerFault, Draft, Entry, Heard, Join, Joined, Page, Placed,
        Promises, STAND, Stand,
    };
}

pub mod runtime {
    //! Defines the runtime, which lends a hub its tasks, its clocks and its randomness.

    pub use crate::model::{Instant, Now};
    pub use crate::port::{Runtime, Sleep};
}

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
