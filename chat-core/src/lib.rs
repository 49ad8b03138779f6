//! The real-time channel core that servers embed: sessions, channels and fan-out, without a transport, a runtime or a clock.
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
//! Clients' frames come in through a [`Connection`], which a [`Protocol`] reads; the [`Endpoint`] decides; a publish appends to its channel, which is
//! O(1) whatever the number of subscribers; at the end of its turn the connection flushes: what was appended is encoded once and handed to every
//! subscriber by reference. No publish waits for a reader.
//!
//! The public interface is: [`Hub`], the handle that a server holds, and its [`HubBuilder`]; [`Endpoint`], the hooks that a server writes, and
//! [`OpenChat`], their defaults; [`Connection`], which an adapter runs for each [`Permit`] over a `Stream` of [`Incoming`] and either a `Sink` of
//! [`Frame`]s or a [`ByteWriter`] with a [`Framing`]; [`Runtime`], [`Protocol`] and [`HistoryStore`], which the outside lends; [`Limits`], every bound;
//! [`Stats`], every counter; and the plain data of [`model`](ChatMessage). With the feature `testkit` there is the module `testkit`: a server's
//! own hooks tested without a socket. With `tracing`, who comes and goes is traced; never what is said.
//!
//! ```
//! use chat_core::{Hub, OpenChat, Payload};
//! # use chat_core::testkit::World;
//! # let runtime = World::new();
//! let hub = Hub::builder(OpenChat::default()).build(runtime);
//! let published = hub.publish("news", Payload::json("\"open at nine\""))?;
//! assert_eq!(published.subscribers, 0);
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
