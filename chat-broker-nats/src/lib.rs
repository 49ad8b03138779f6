//! Makes the hubs of several nodes one, over NATS JetStream.
//!
//! ```text
//!   broker                            implements the port
//!      │
//!      ├────────────┬────────────┐
//!      ▼            ▼            ▼
//!   session      placing      reading     session keeps the connection up; placing puts publications into a
//!      │            │            │        stream; reading tells where channels stand and what is kept
//!      ▼            ▼            │
//!   hearing        keys          │        what a message says; which idempotency keys are claimed
//!      │            │            │
//!      └──────┬─────┴────────────┘
//!             ▼
//!           node                          holds what all share
//!             │
//!      ┌──────┴──────┐
//!      ▼             ▼
//!   interest       lasts ─▶ log           what is joined; what stands last; the log of a channel
//!      │                     │
//!      │                     ▼
//!      │                   calls          asks one run of the server
//!      │                     │
//!      │                     ▼
//!      │                  streams         the two streams of a deployment
//!      ▼                     ▼
//!   link · message · trail · address · names · error
//! ```
//!
//! ```no_run
//! # async fn of() -> Result<(), chat_broker_nats::ConnectError> {
//! use chat_broker_nats::NatsBroker;
//! use chat_core::broker::Broker;
//!
//! let broker = NatsBroker::connect("nats://localhost/?prefix=room").await?;
//! assert!(!broker.promises().durable);
//! # Ok(()) }
//! ```

mod address;
mod broker;
mod calls;
mod error;
mod hearing;
mod interest;
mod keys;
mod lasts;
mod link;
mod log;
mod message;
mod names;
mod node;
mod placing;
mod reading;
mod session;
mod streams;
mod trail;

pub use error::ConnectError;
pub use node::NatsBroker;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
