//! Makes the hubs of several nodes one, over Redis 7 or Valkey.
//!
//! ```text
//!   broker               implements the port
//!      │
//!      ├─────────────┐
//!      ▼             ▼
//!   session        asks            session keeps the connections up, and hands over what is heard;
//!      │             │             asks calls the scripts, and reads their answers
//!      └──────┬──────┘
//!             ▼
//!           node                   holds what both share
//!             │
//!      ┌──────┴──────┐
//!      ▼             ▼
//!   interest       calls           what is joined; one connection, with a bound on each answer
//!      │             │
//!      ▼             ▼
//!   resp · envelope · line · address · names · error
//! ```
//!
//! ```no_run
//! # async fn of() -> Result<(), chat_broker_redis::ConnectError> {
//! use chat_broker_redis::RedisBroker;
//! use chat_core::broker::Broker;
//!
//! let broker = RedisBroker::connect("redis://localhost/?prefix=room").await?;
//! assert!(!broker.promises().durable);
//! # Ok(()) }
//! ```

mod address;
mod asks;
mod broker;
mod calls;
mod envelope;
mod error;
mod interest;
mod line;
mod names;
mod node;
mod resp;
mod session;

pub use error::ConnectError;
pub use node::RedisBroker;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
