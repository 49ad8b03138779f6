//! Tests hooks, protocols and hubs without a socket and without waiting: the clock is moved by hand,
//! connections are in memory and fail on demand, and scripted sessions use a protocol of text lines.
//!
//! ```text
//!   World     clock, timers, tasks: a Runtime whose time moves only when told to
//!   Wire      one connection in memory, with all that can go wrong on it
//!   Client    the client's end of a session: sends and receives lines
//!   Script    the protocol of those lines
//!   Audience  many sessions in one channel, whose transports take everything: for counts and timings
//! ```
//!
//! A test of a user's own endpoint takes ten lines:
//!
//! ```
//! # use chat_core::{Endpoint, Hub, Publish, Refusal, SessionInfo, PublishContext, testkit::World};
//! struct Announcements;
//! impl Endpoint for Announcements {
//!     async fn publish(
//!         &self,
//!         who: &SessionInfo,
//!         what: Publish,
//!         _: PublishContext,
//!     ) -> Result<Publish, Refusal> {
//!         if who.name.as_str() == "ann" { Ok(what) } else { Err(Refusal::permission_denied("ask ann")) }
//!     }
//! }
//! let world = World::new();
//! let hub = Hub::builder(Announcements).build(world.clone());
//! let (ann, bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
//! bob.say("subscribe news");
//! ann.say("publish news \"open at nine\"");
//! bob.say("publish news \"no\"");
//! let news = "message news 1 ann \"open at nine\"";
//! assert_eq!(bob.heard(), ["subscribed news 0", news, "error 103 ask ann"]);
//! ```
//!
//! Tests move time themselves. With the default bounds a client that falls silent is pinged
//! once and then closed: the next ping would come after [`Limits::pong_timeout`](crate::Limits::pong_timeout)
//! has passed:
//!
//! ```
//! # use std::time::Duration;
//! # use chat_core::{Hub, OpenChat, testkit::World};
//! let world = World::new();
//! let hub = Hub::builder(OpenChat::default()).build(world.clone());
//! let ann = world.open(&hub, "ann");
//! ann.wire().ignore_pings();
//! world.advance(Duration::from_secs(60));
//! assert_eq!(ann.heard(), ["ping", "close 3012 no pong"]);
//! assert_eq!(hub.stats().sessions, 0);
//! ```
//!
//! The world's clock begins at 2026-01-01 00:00 UTC. An endpoint that looks at the time asks the hub for it:
//!
//! ```
//! # use std::time::Duration;
//! use chat_core::testkit::World;
//! use chat_core::{Close, Connect, Endpoint, Hub, Identity, Refusal, SessionId, WeakHub};
//!
//! struct OneMinute(WeakHub);
//!
//! impl Endpoint for OneMinute {
//!     async fn stream_opened(&self, _: SessionId, connect: Connect) -> Result<Identity, Refusal> {
//!         let hub = self.0.upgrade().expect("sessions keep their hub");
//!         let name = connect.name.ok_or_else(|| Refusal::unauthorized("a name, please"))?;
//!         Ok(Identity::named(name).with_expires(hub.runtime().now().utc + Duration::from_secs(60)))
//!     }
//! }
//!
//! let world = World::new();
//! let hub = Hub::builder_with(OneMinute).build(world.clone());
//! let ann = world.open(&hub, "ann");
//! world.advance(Duration::from_secs(59));
//! assert_eq!(ann.close(), None);
//! world.advance(Duration::from_secs(1));
//! assert_eq!(ann.close(), Some(Close::EXPIRED));
//! assert_eq!(ann.heard(), ["ping", "ping", "close 3005 expired"]);
//! ```

mod audience;
mod broker;
mod client;
mod script;
mod wire;
mod world;

pub use audience::{Audience, Void};
pub use broker::{
    Conformance, MemoryBroker, MemoryNode, SimBroker, SimFaults, SimLine, SimNode, broker_conformance,
};
pub use client::{Client, Way};
pub use script::Script;
pub use wire::{Heard, Marked, Wire, WireInput, WireSink, WireWriter};
pub use world::World;
