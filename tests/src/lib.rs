//! Runs one suite over every adapter and every protocol. The cases are in `cases/` and in `tests/`; this
//! crate is what they share.
//!
//! ```text
//!   cases    holds the cases of a protocol, as data
//!   memory   runs the cases without a network, in virtual time
//!   clients  runs the cases with WebSocket clients that others wrote
//!   scene    builds a hub in a world of its own
//!   store    implements a store in memory that fails on demand
//!   keeping  builds hubs over such a store
//!   seed     repeats random tests by their seed
//!   host     serves a hub on real sockets, on each runtime
//!   program  starts an example or the server, as users do
//!   crowd    runs many clients at once
//!   light    reads many frames at little cost
//!   nodes    builds the hubs of several nodes, behind a broker that fails on demand
//!   dart     writes the frames of Serverpod's method streams
//!   redis    starts a Redis
//!   postgres lets outages befall a PostgreSQL
//!   raw      sends any bytes to a server
//!   speakers defines clients of every protocol, for scripts
//!   watching records what hooks are told
//!   watchdog ends the program when a test hangs
//! ```

#![allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    missing_debug_implementations,
    reason = "nobody links this crate but the tests of this workspace"
)]

pub mod cases;
pub mod clients;
pub mod crowd;
pub mod dart;
pub mod host;
pub mod keeping;
pub mod light;
mod local;
pub mod memory;
pub mod nats;
pub mod nodes;
pub mod outage;
pub mod pattern;
mod postgres;
pub mod program;
pub mod raw;
pub mod redis;
pub mod scene;
pub mod seed;
pub mod speakers;
pub mod store;
mod streams;
mod watchdog;
pub mod watching;
