//! Tests without a socket and without a pause: a clock that is moved by hand, sockets in memory that fail on demand, sessions that speak in lines.
//!
//! ```text
//!   World     clock, timers, tasks: a Runtime that stands still until it is told to go on
//!   Wire      one connection in memory, with all that can go wrong on it
//!   Client    the other end of a session: says lines, hears lines
//!   Script    the protocol of those lines
//!   Audience  many sessions in one channel, whose transports take everything: for what is counted or timed
//! ```
//!
//! A user's own endpoint, in ten lines:
//!
//! ```
//! # use chat_core::{Endpoint, Hub, Publish, Refusal, SessionInfo, PublishContext, testkit::World};
//! struct Announcements;
//! impl Endpoint for Announcements {
//!     async fn publish(&self, who: &SessionInfo, what: Publish, _: PublishContext) -> Result<Publish, Refusal> {
//!         if who.name.as_str() == "ann" { Ok(what) } else { Err(Refusal::permission_denied("ask ann")) }
//!     }
//! }
//! let world = World::new();
//! let hub = Hub::builder(Announcements).build(world.clone());
//! let (ann, bob) = (world.open(&hub, "ann"), world.open(&hub, "bob"));
//! bob.say("subscribe news");
//! ann.say("publish news \"open at nine\"");
//! bob.say("publish news \"no\"");
//! assert_eq!(bob.heard(), ["subscribed news 0", "message news 1 ann \"open at nine\"", "error 103 ask ann"]);
//! ```
//!
//! And time: a client that falls silent is asked once, then let go.
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

mod audience;
mod client;
mod script;
mod wire;
mod world;

pub use audience::{Audience, Void};
pub use client::{Client, Way};
pub use script::Script;
pub use wire::{Heard, Marked, Wire, WireInput, WireSink, WireWriter};
pub use world::World;
