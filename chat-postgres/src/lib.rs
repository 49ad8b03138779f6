//! Connects chat-broker-postgres and chat-store-postgres to a database, and keeps their schema.
//!
//! ```text
//!   database    holds a bounded pool, and opens connections of their own
//!      │
//!      ├──────────────┐
//!      ▼              ▼
//!   migration      dedicated    brings the schema up to date; one connection, with a bound on each answer
//!      │              │
//!      └──────┬───────┘
//!             ▼
//!   address · tls · error
//! ```
//!
//! A program uses the two crates above this one, and of this one only [`ConnectError`].

mod address;
mod database;
mod dedicated;
mod error;
mod migration;
#[cfg(feature = "testkit")]
pub mod testkit;
mod tls;

pub use database::Database;
pub use dedicated::Dedicated;
pub use error::{ConnectError, DatabaseError, Fault};
