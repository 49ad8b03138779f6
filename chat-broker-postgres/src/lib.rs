//! Makes the hubs of several nodes one, over PostgreSQL.
//!
//! ```text
//!   broker                  implements the port
//!      │
//!      ├─────────────┬──────────────┐
//!      ▼             ▼              ▼
//!   session        asks          saying     session keeps a connection up, and hands over what is heard;
//!      │             │              │       asks calls the functions of the schema, and reads their
//!      │             │              │       answers; saying tells words to the other nodes
//!      ├──▶ upkeep ─▶│              │       upkeep deletes what is too old, and keeps what is joined
//!      ▼             │              │
//!   poll · ears      │              │       what the lanes hold beyond the cursors; what notifications leave
//!      │             │              │
//!      ▼             ▼              ▼
//!   cursors        node ◀───────────┘       how far a node has heard, and whether that holds; what is shared
//!      │             │
//!      ▼             ▼
//!   interest · outgoing · rows · words · error
//! ```
//!
//! ```no_run
//! # async fn of() -> Result<(), chat_broker_postgres::ConnectError> {
//! use chat_broker_postgres::PostgresBroker;
//! use chat_core::broker::Broker;
//!
//! let broker = PostgresBroker::connect("postgres://chat@localhost/app?schema=chat").await?;
//! assert!(broker.promises().reliable);
//! # Ok(()) }
//! ```

mod asks;
mod broker;
mod cursors;
mod ears;
mod error;
mod interest;
mod node;
mod outgoing;
mod poll;
mod rows;
mod saying;
mod session;
mod upkeep;
mod words;

pub use chat_postgres::{ConnectError, DatabaseError, Fault};
pub use node::PostgresBroker;

/// Runs the README's examples with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
