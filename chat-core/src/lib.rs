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
//! A [`Connection`] takes in the frames of a client, a [`Protocol`] decodes them, and the [`Endpoint`]
//! decides what is allowed. A publish appends to its channel, which is O(1) whatever the number of
//! subscribers. At the end of its turn the connection flushes: it encodes once what was appended and hands it
//! to every subscriber by reference. No publish waits for a subscriber to read.
//!
//! The public interface is:
//!
//! - [`Hub`], the handle that a server holds, and its [`HubBuilder`];
//! - [`Endpoint`], the hooks that a server writes, and [`OpenChat`], their defaults;
//! - [`Connection`], which an adapter runs for each [`Permit`] over a `Stream` of [`Incoming`] and either a
//!   `Sink` of [`Frame`]s or a [`ByteWriter`] with a [`Framing`];
//! - [`Runtime`], [`Protocol`] and [`HistoryStore`], which the embedder provides;
//! - [`Limits`], every bound, and [`Stats`], every counter;
//! - the plain data of the model, such as [`ChatMessage`].
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

pub use driver::*;
pub use model::*;
pub use port::*;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
