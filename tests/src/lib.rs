//! One suite over every adapter and every protocol. What it shows stands in `cases/` and in `tests/`; here is
//! how it is run.
//!
//! ```text
//!   cases    what a protocol promises, as data
//!   memory   runs them without a network, in virtual time
//!   scene    a hub in a world of its own
//!   keeping  hubs over such a store, and what is asked of them
//!   store    a store in memory that fails on demand
//!   seed     random tests that can be repeated
//!   clients  runs them with WebSocket clients that others wrote
//!   host     a hub behind a real socket, on each runtime
//!   program  an example or the server, as people start it
//!   crowd    many clients at once
//!   light    a client that reads much and understands little
//!   dart     a client of Serverpod's method streams
//!   raw      a client that says what it likes
//!   speakers clients of every protocol, as far as a script needs them
//! ```

pub mod cases;
pub mod clients;
pub mod crowd;
pub mod dart;
pub mod host;
pub mod keeping;
pub mod light;
pub mod memory;
pub mod pattern;
pub mod program;
pub mod raw;
pub mod scene;
pub mod seed;
pub mod speakers;
pub mod store;
mod streams;
